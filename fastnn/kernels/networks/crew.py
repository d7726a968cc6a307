"""The threads that help with a step, as compiled code sees them: called, and waited for, in one call without the GIL.

A board is an int64 array: who has the crew, what they are called for, and on a cache line of its own each helper's state. A
helper that has done its part looks at its state for a while, some 0.2 ms, so that steps in quick succession do not wait for
it to wake up, and then goes away to sleep: Python's threads.py has it wait for a lock. Whoever calls it from there calls
Python for a moment, behind which Ctrl-C waits: a crew is called as a whole, or not at all.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from fastnn.kernels.arrays.layout import integers_at
from fastnn.kernels.arrays.memory import element_size, read_integers
from fastnn.kernels.compiler.calls import call_symbol, name_address
from fastnn.kernels.compiler.interrupts import uninterrupted
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.networks.team import PATIENCE, give_way, look, put, swap
from fastnn.kernels.networks.train import FIELDS, STEP, run_at
from fastnn.kernels.networks.whole import by_address

BUSY, CALL, STATES = 0, 8, 16  # indices of the board: helper i's state is at STATES + 8 i
NUMBERS = 7  # of a call
MOST = 256  # helpers
LENGTH = STATES + 8 * (MOST + 1)
AWAY, READY, CALLED = range(3)
LOOKS = 100_000  # at its state, some 0.25 ms, before a helper goes away

_wakers: dict[int, Callable[[], None]] = {}


def enlist(board: int, helper: int, waker: Callable[[], None]) -> None:
    """What wakes a helper of the board at an address; a second call does no harm."""
    _wakers[board + 8 * (STATES + 8 * helper)] = waker


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _wake(state: int) -> None:
    """What compiled code calls for the helper whose state is at an address."""
    uninterrupted(_wakers[state])


name_address("fastnn.wake", ctypes.cast(_wake, ctypes.c_void_p).value or 0)


@intrinsic
def wake(typing_context: Any, state: Any) -> Any:
    """Wake the helper whose state is at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        call_symbol(builder, "fastnn.wake", args[0])
        return context.get_dummy_value()

    return types.none(types.int64), generate


@compiled
def board_at(place):
    return integers_at(place, LENGTH)


@by_address
def lead(board, job, n, begin, end, size, workers, zero):
    """`run_at` for steps of the job whose fields stand at an address, with the crew; alone, if that is busy."""
    fields, states = read_integers(job, FIELDS), board_at(board)
    if workers == 1 or not swap(states, BUSY, 0, 1):
        return run_at(fields, n, begin, end, size, STEP, 0, 1, zero)
    for i, number in enumerate((job, n, begin, end, size, workers, element_size(zero))):
        states[CALL + i] = number
    for helper in range(1, workers):
        place = STATES + 8 * helper
        while not swap(states, place, READY, CALLED):
            if swap(states, place, AWAY, CALLED):
                wake(board + 8 * place)
                break
    figures = run_at(fields, n, begin, end, size, STEP, 0, workers, zero)
    for helper in range(1, workers):
        wait_for(states, STATES + 8 * helper)
    put(states, BUSY, 0)
    return figures


@compiled
def wait_for(states, place):
    """Until a helper does not look at the job's memory any more."""
    looks = 0
    while look(states, place) == CALLED:
        looks += 1
        if looks > PATIENCE:
            give_way()


@by_address
def stand_by(board, helper, zero):
    """A helper's part in whatever it is called for, until it has not been called for some time."""
    states, place, looks = board_at(board), STATES + 8 * helper, 0
    swap(states, place, AWAY, READY)
    while looks < LOOKS or not swap(states, place, READY, AWAY):
        if look(states, place) == CALLED:
            job, n, begin, end, size, workers, width = read_integers(board + 8 * CALL, NUMBERS)
            fields = read_integers(job, FIELDS)
            if width == 4:
                run_at(fields, n, begin, end, size, STEP, helper, workers, np.float32(0))
            else:
                run_at(fields, n, begin, end, size, STEP, helper, workers, np.float64(0))
            put(states, place, READY)
            looks = 0
        looks += 1
        if looks % PATIENCE == 0:
            give_way()
