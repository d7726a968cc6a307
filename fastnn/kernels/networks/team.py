"""Threads that take work from counters and wait for each other, in compiled code, without the GIL and without a lock.

A team is an int64 array: its counters, all 0 at first, each on a cache line of its own. Every thread of a team runs the same
code; in a team of one nothing waits.
"""

import ctypes
import os
from typing import Any

from numba.core import types
from numba.extending import intrinsic

from fastnn.kernels.compiler.calls import call_symbol, name_address
from fastnn.kernels.compiler.jit import compiled

ARRIVED, ROUND, SLICES, CHUNKS = range(0, 32, 8)  # indices of the counters
COUNTERS = 32
PATIENCE = 4000  # looks at a counter, some 10 us, before a thread offers its core to others


def _yield_address() -> int:
    """Of the C library's function that lets other threads run; of one that does nothing where there is none."""
    if os.name == "nt":
        return ctypes.cast(ctypes.CDLL("kernel32").SwitchToThread, ctypes.c_void_p).value or 0
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0


name_address("fastnn.yield", _yield_address())


@intrinsic
def give_way(typing_context: Any) -> Any:
    """Let other threads run."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        call_symbol(builder, "fastnn.yield")
        return context.get_dummy_value()

    return types.none(), generate


def _place(context: Any, builder: Any, array: Any, index: Any, array_type: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def take(typing_context: Any, team: Any, counter: Any) -> Any:
    """The counter's value, which then is one more: no other thread gets the same."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, args[0], args[1], signature.args[0])
        return builder.atomic_rmw("add", place, context.get_constant(types.int64, 1), "seq_cst")

    return types.int64(team, types.intp), generate


@intrinsic
def look(typing_context: Any, team: Any, counter: Any) -> Any:
    """The counter's value now."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, args[0], args[1], signature.args[0]), "seq_cst", 8)

    return types.int64(team, types.intp), generate


@intrinsic
def put(typing_context: Any, team: Any, counter: Any, value: Any) -> Any:
    """Give the counter a value."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, args[0], args[1], signature.args[0])
        builder.store_atomic(args[2], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(team, types.intp, types.int64), generate


@intrinsic
def swap(typing_context: Any, team: Any, counter: Any, expected: Any, value: Any) -> Any:
    """Give the counter a value if it has the expected one; whether it had."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, args[0], args[1], signature.args[0])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(team, types.intp, types.int64, types.int64), generate


@compiled
def barrier(team, workers):
    """Wait until all of the team are here."""
    if workers == 1:
        return
    number = look(team, ROUND)
    if take(team, ARRIVED) == workers - 1:
        put(team, ARRIVED, 0)
        take(team, ROUND)
        return
    looks = 0
    while look(team, ROUND) == number:
        looks += 1
        if looks > PATIENCE:
            give_way()
