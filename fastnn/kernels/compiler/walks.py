"""Loops over ranges of int64, in a tenth of the code that Numba writes for them.

A walk along a range is a place in memory, where the number stands that comes next, its end and its step. Where the step is
not known while compiling, the end is how many numbers are left, in a place of its own.
"""

from typing import Any

from llvmlite import ir
from numba.core import types

KINDS = types.range_state64_type, types.range_iter64_type

INTEGER = ir.IntType(64)
ZERO, ONE = INTEGER(0), INTEGER(1)


def begun(values: Any) -> tuple[Any, Any, Any]:
    """Where a range begins, its end, and its step."""
    begin, end = values[:2] if len(values) > 1 else (ZERO, values[0])
    return begin, end, values[2] if len(values) > 2 else ONE


def placed(builder: Any, begin: Any, end: Any, step: Any) -> tuple[Any, Any, Any]:
    """A walk that begins."""
    if not isinstance(step, ir.Constant):
        end = _placed(builder, _length(builder, begin, end, step))
    return _placed(builder, begin), end, step


def following(builder: Any, place: Any, end: Any, step: Any) -> tuple[Any, Any]:
    """The next number, and whether there is one."""
    value = builder.load(place)
    if isinstance(step, ir.Constant):
        goes_on = builder.icmp_signed("<" if step.constant > 0 else ">", value, end)
    else:
        left = builder.load(end)
        goes_on = builder.icmp_signed(">", left, ZERO)
        builder.store(builder.sub(left, ONE), end)
    builder.store(builder.add(value, step), place)
    return value, goes_on


def _placed(builder: Any, value: Any) -> Any:
    with builder.goto_entry_block():
        place = builder.alloca(value.type)
    builder.store(value, place)
    return place


def _length(builder: Any, begin: Any, end: Any, step: Any) -> Any:
    """How many numbers a range has; none, or fewer than none, where it is empty or the step is 0."""
    none, up = builder.icmp_signed("==", step, ZERO), builder.icmp_signed(">", step, ZERO)
    behind = builder.add(builder.sub(end, begin), builder.sub(step, builder.select(up, ONE, INTEGER(-1))))
    return builder.select(none, ZERO, builder.sdiv(behind, builder.select(none, ONE, step)))
