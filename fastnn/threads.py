"""How many threads a training step may use, and the threads.

They are Python's, and sleep when there is no work. All of a team run the same compiled code at once, without the GIL, and
meet in it. One team works at a time: whoever trains meanwhile does so alone, with the same results.
"""

import contextlib
import functools
import operator
import os
import threading
from typing import Any

import numpy as np

_chosen: int | None = None


def get_num_threads() -> int:
    """How many threads a training step may use: as set, else FASTNN_NUM_THREADS, else the cores this process may use."""
    if _chosen is not None:
        return _chosen
    given = os.environ.get("FASTNN_NUM_THREADS", "")
    if given:
        return _count("FASTNN_NUM_THREADS", int(given) if given.isdecimal() else given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_num_threads(n: int | None) -> None:
    """Let training steps use up to n threads; None goes back to the default. The number changes no bit of a result."""
    global _chosen
    _chosen = None if n is None else _count("n", n)


def _count(name: str, value: Any) -> int:
    try:
        n = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        n = 0
    if n < 1:
        raise ValueError(f"{name}: expected an int of at least 1, got {value!r}")
    return n


class _Crew:
    """The threads of a process that help with a step. They sleep here, and work and wait in compiled code: see crew.py."""

    def __init__(self) -> None:
        from fastnn.kernels.networks import crew

        self.growing = threading.Lock()
        self.board = np.zeros(crew.LENGTH, np.int64)
        self.place: int = self.board.ctypes.data
        self.helpers, self.most = 0, crew.MOST
        self._enlist, self._stand_by = crew.enlist, crew.stand_by(np.dtype(np.float64))

    def grow(self, helpers: int) -> None:
        with self.growing:
            while self.helpers < helpers:
                number, rest = self.helpers + 1, threading.Lock()
                rest.acquire()
                self._enlist(self.place, number, functools.partial(_open, rest))
                threading.Thread(target=self._serve, args=(number, rest), name=f"fastnn-{number}", daemon=True).start()
                self.helpers = number

    def _serve(self, number: int, rest: threading.Lock) -> None:
        while True:
            rest.acquire()
            self._stand_by(self.place, number, 0.0)


def _open(lock: threading.Lock) -> None:
    """Let the thread go on that waits for the lock; whether it was open already does not matter."""
    with contextlib.suppress(RuntimeError):
        lock.release()


@functools.cache
def _crew(process: int) -> _Crew:
    """This process's crew: a fork has no threads of its parent's."""
    return _Crew()


def board(workers: int) -> tuple[int, int]:
    """Where a crew is called for a team of so many, and how many it can be; 0 for one, who calls nobody."""
    if workers == 1:
        return 0, 1
    crew = _crew(os.getpid())
    workers = min(workers, crew.most + 1)
    if crew.helpers < workers - 1:
        crew.grow(workers - 1)
    return crew.place, workers
