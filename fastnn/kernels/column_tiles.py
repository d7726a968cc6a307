"""Register tiles of output rows that lie one below the other: what a column of taps adds to them.

The contract is that of tiles.py; the tile has one vector a row.

    add_windows(t, weights, weight_step, a, row_step, taps)
                                        t_i + sum_r w_r a_(i+r) for r < taps, a constant: w_r one element each weight_step
                                        bytes, a_y the vector at a + y row_step, loaded once
"""

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.instructions import Code
from fastnn.kernels.simd import integer


@intrinsic(prefer_literal=True)
def add_windows(typing_context, t, weights, weight_step, a, row_step, taps):
    if not isinstance(taps, types.IntegerLiteral):
        raise TypingError("taps: expected a constant")
    count = taps.literal_value

    def generate(context, builder, signature, args):
        value, weights, weight_step, a, row_step, _ = args
        code = Code(builder, t)
        column = [code.broadcast(builder.add(weights, builder.mul(weight_step, integer(r)))) for r in range(count)]
        for y in range(t.rows + count - 1):
            vector = code.load(builder.add(a, builder.mul(row_step, integer(y))), 0)
            for r in range(max(0, y - t.rows + 1), min(count, y + 1)):
                value = code.add_product(value, y - r, column[r], vector)
        return value

    i64 = types.int64
    return t(t, i64, i64, i64, i64, taps), generate
