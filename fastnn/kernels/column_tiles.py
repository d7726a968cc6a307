"""Register tiles of output rows that lie one below the other: what a column of taps adds to them.

The contract is that of tiles.py; the tile has one vector a row.

    add_windows(t, weights, weight_step, a, row_step, taps)
                                        t_i + sum_r w_r a_(i+r) for r < taps, a constant: w_r one element each weight_step
                                        bytes, a_y the vector at a + y row_step, loaded once
    add_columns(t, weights, a, row_step)
                                        the same, elementwise: w_r the rows of a tile
"""

from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.instructions import Code
from fastnn.kernels.simd import integer


def _add(code: Code, value: Any, column: list[Any], a: Any, row_step: Any) -> Any:
    """The sums, with a vector for each w_r."""
    rows, taps = code.t.rows, len(column)
    for y in range(rows + taps - 1):
        vector = code.load(code.builder.add(a, code.builder.mul(row_step, integer(y))), 0)
        for r in range(max(0, y - rows + 1), min(taps, y + 1)):
            value = code.add_product(value, y - r, column[r], vector)
    return value


@intrinsic(prefer_literal=True)
def add_windows(typing_context, t, weights, weight_step, a, row_step, taps):
    if not isinstance(taps, types.IntegerLiteral):
        raise TypingError("taps: expected a constant")
    count = taps.literal_value

    def generate(context, builder, signature, args):
        value, weights, weight_step, a, row_step, _ = args
        code = Code(builder, t)
        column = [code.broadcast(builder.add(weights, builder.mul(weight_step, integer(r)))) for r in range(count)]
        return _add(code, value, column, a, row_step)

    i64 = types.int64
    return t(t, i64, i64, i64, i64, taps), generate


@intrinsic
def add_columns(typing_context, t, weights, a, row_step):
    def generate(context, builder, signature, args):
        value, weights, a, row_step = args
        column = [builder.extract_value(weights, r) for r in range(signature.args[1].rows)]
        return _add(Code(builder, t), value, column, a, row_step)

    return t(t, weights, types.int64, types.int64), generate
