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
        n = operator.index(value)
    except TypeError:
        n = 0
    if n < 1:
        raise ValueError(f"{name}: expected an int of at least 1, got {value!r}")
    return n


class _Job:
    """One thread's part of a team's work."""

    def __init__(self, work: Callable[[int], Any], worker: int) -> None:
        self.work, self.worker, self.done = work, worker, threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.work(self.worker)
        except BaseException as error:
            self.error = error
        self.done.set()


class _Pool:
    """Threads that wait for jobs; as many as were ever wanted at once."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self.threads = 0

    def grow(self, threads: int) -> None:
        while self.threads < threads:
            threading.Thread(target=self._serve, name=f"fastnn-{self.threads + 1}", daemon=True).start()
            self.threads += 1

    def _serve(self) -> None:
        while True:
            self.jobs.get().run()


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
        pool.grow(workers - 1)
        jobs = [_Job(lambda worker: work(worker, workers), worker) for worker in range(1, workers)]
        for job in jobs:
            pool.jobs.put(job)
        result = work(0, workers)
        for job in jobs:
            job.done.wait()
            if job.error is not None:
                raise job.error
        return result
    finally:
        pool.busy.release()
