"""A contest: one row's work by several contenders on the same arrays. First they must agree, then they are timed in turn."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUND_SECONDS = 2e-3  # a contender's turn: thousands of times what the clock resolves, and short beside a disturbance
LEAST_ROUNDS = 5
QUIET = 5e-4  # seconds in which other threads of the process use hardly any CPU time
PAUSE = 0.03  # seconds until the threads of OpenBLAS (2^26 cycles) and of OpenMP cease to wait in a loop for more work
APART = 0.02  # seconds of calls until the system has moved threads that woke up on one CPU to CPUs of their own


class Contender(NamedTuple):
    """run   what is timed: one piece of the row's work.
    result   does the work once, before anything is timed, and returns what it computed as fastnn lays it out.
    """

    run: Callable[[], Any]
    result: Callable[[], Any]


class Contest(NamedTuple):
    """The contenders by name, fastnn among them, and how far their results may lie apart: atol + rtol |result|."""

    contenders: Mapping[str, Contender]
    atol: float
    rtol: float = 0.0


def writes(run: Callable[[], Any], out: NDArray[Any]) -> Contender:
    """A contender that writes into the array `out`, which holds NaN until it does."""

    def result() -> NDArray[Any]:
        out.fill(np.nan)
        run()
        return out.copy()

    return Contender(run, result)


def check(contest: Contest) -> None:
    """AssertionError, naming the contender, where a result differs from fastnn's."""
    results = {name: np.asarray(contender.result()) for name, contender in contest.contenders.items()}
    ours = results.pop("fastnn")
    assert np.isfinite(ours).all(), "fastnn's result is not finite"
    for name, result in results.items():
        assert result.dtype == ours.dtype, f"{name}: expected {ours.dtype}, got {result.dtype}"
        np.testing.assert_allclose(result, ours, contest.rtol, contest.atol, err_msg=f"{name} beside fastnn")


def race(
    calls: Mapping[str, Callable[[], Any]], seconds: float, least_rounds: int = LEAST_ROUNDS, pause: float = 0.0
) -> dict[str, float]:
    """The shortest time of a call of each, in seconds; they take turns, for so many seconds each and rounds at least.

    With more than one thread a pause before each turn lets the last one's threads leave the CPUs; calls then wake its own,
    and go on until these are apart: in every second turn both had woken up on one CPU, and a whole turn of any contender
    took two to three times as long. With one thread a turn waits until the last one's are done.
    """
    repeats = {name: _repeats(call) for name, call in calls.items()}
    best = dict.fromkeys(calls, float("inf"))
    begun, rounds = time.perf_counter(), 0
    while rounds < least_rounds or time.perf_counter() - begun < seconds * len(calls):
        for name, call in calls.items():
            if pause > 0:
                time.sleep(pause)
                _call_for(APART, call)
            else:
                settle()
            best[name] = min(best[name], _time(call, repeats[name]))
        rounds += 1
    return best


def _call_for(seconds: float, call: Callable[[], Any]) -> None:
    """Call again and again, once at least."""
    end = time.perf_counter() + seconds
    call()
    while time.perf_counter() < end:
        call()


def settle() -> None:
    """Wait until the process's other threads rest, 50 ms at most.

    Behind each step JAX's give memory back to the system, for 4 ms of LeNet's at 512 images: whose turn came next on the
    one CPU took so much longer, 14.8 ms for 10.7.
    """
    for _ in range(100):
        used = time.process_time()
        time.sleep(QUIET)
        if time.process_time() - used < QUIET / 4:
            return


def _repeats(call: Callable[[], Any]) -> int:
    """Calls that fill a turn, by the shortest of a few: one alone may be disturbed, and turns of one call would be cold."""
    once = _time(call, 1)
    for _ in range(4):
        if once < ROUND_SECONDS:
            once = min(once, _time(call, 1))
    return max(1, int(ROUND_SECONDS / max(once, 1e-7)))


def _time(call: Callable[[], Any], repeats: int) -> float:
    """The time of one of some calls."""
    turns = range(repeats)
    begun = time.perf_counter()
    for _ in turns:
        call()
    return (time.perf_counter() - begun) / repeats
