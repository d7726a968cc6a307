"""How many threads a training step may use, and the threads.

They are Python's, and wait for work when there is none. All of a team run the same compiled code at once, without the GIL,
and meet in it. One team works at a time: whoever trains meanwhile does so alone, with the same results.
"""

import functools
import operator
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

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


class _Team:
    """One piece of work for several threads."""

    def __init__(self, work: Callable[[int, int], Any], workers: int) -> None:
        self.work, self.workers = work, workers
        self.results: list[Any] = [None] * workers
        self.errors: list[BaseException] = []
        self.done = [threading.Event() for _ in range(workers)]
        self.ended = threading.Event()

    def run(self, worker: int) -> None:
        try:
            self.results[worker] = self.work(worker, self.workers)
        except BaseException as error:
            self.errors.append(error)
        self.done[worker].set()


class _Pool:
    """Threads that wait for jobs; as many as were ever wanted at once.

    All of a team's workers are such threads, and one of them calls the others: Ctrl-C interrupts the thread that waits for
    the team, and would leave the team waiting for that one, if it was a worker or had called only some of them.
    """

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.threads = 0

    def grow(self, threads: int) -> None:
        while self.threads < threads:
            threading.Thread(target=self._serve, name=f"fastnn-{self.threads + 1}", daemon=True).start()
            self.threads += 1

    def lead(self, team: _Team) -> None:
        """Worker 0's part, and what is to be done for all."""
        for worker in range(1, team.workers):
            self.jobs.put(functools.partial(team.run, worker))
        team.run(0)
        for event in team.done:
            event.wait()
        self.busy.release()
        team.ended.set()

    def _serve(self) -> None:
        while True:
            self.jobs.get()()


@functools.cache
def _pool(process: int) -> _Pool:
    """This process's pool: a fork has no threads of its parent's."""
    return _Pool()


def together(work: Callable[[int, int], Any], workers: int) -> Any:
    """work(worker, workers) on so many threads at once, or on this one alone, if others are at it; worker 0's result."""
    pool = _pool(os.getpid())
    if workers == 1 or not pool.busy.acquire(blocking=False):
        return work(0, 1)
    try:
        pool.grow(workers)
    except BaseException:
        pool.busy.release()
        raise
    team = _Team(work, workers)
    call = functools.partial(pool.lead, team)
    try:
        pool.jobs.put(call)  # Ctrl-C is raised behind a call, so the team has its work whenever it is raised in here
        team.ended.wait()
    except BaseException:
        team.ended.wait()  # Ctrl-C: the team is at work on what the caller will look at
        raise
    if team.errors:
        raise team.errors[0]
    return team.results[0]
