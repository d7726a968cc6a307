"""Register tiles of depthwise convolutions: of output rows that lie one below the other, and of what taps sum.

The contract is that of tiles.py. The tile of `add_windows` and `add_columns` has one vector a row.

    add_windows(t, weights, weight_step, a, row_step, taps)
                                        t_i + sum_r w_r a_(i+r) for r < taps, a constant: w_r one element each weight_step
                                        bytes, a_y the vector at a + y row_step, loaded once
    add_rows(t, weights, weight_step, table, table_step, offset, bits, taps)
                                        the same, but a_y at `offset` from the y-th address in a table, whose entries are
                                        table_step bytes apart; bits: address of an int64, lanes whose bits are 0 are not
                                        read but 0; or None
    add_columns(t, weights, a, row_step)
                                        as add_windows, elementwise: w_r the rows of a tile
    add_apart(t, weights, a, row_step, tap_step)
                                        t_i + sum_r w_r a_ir, elementwise: a_ir the vector at a + i row_step + r tap_step
    add_scaled(t, w, a, row_step, column_step)
                                        t_rv + w a_rv, elementwise: w one vector, a_rv at a + r row_step + v column_step
    add_masked(t, a, row_step, places, offset, masks)
                                        t_rv + a_r b_v, elementwise, as `products` in tiles.py; b_v is 0 in lanes whose bits
                                        are 0 in the v-th int64 at masks
    add_some(t, a, row_step, a_masks, mask_step, places, offset, masks)
                                        the same but in lanes whose bits are 0 in the int64 at a_masks + r mask_step: there
                                        t_rv stays. No masked lane of memory is read
"""

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code
from fastnn.kernels.registers.simd import POINTER, Tile, integer


def _add(code: Code, value: Any, column: list[Any], a: Any, row_step: Any) -> Any:
    """The sums, with a vector for each w_r."""
    return _add_loaded(code, value, column, lambda y: code.load(_apart(code, a, row_step, y), 0))


def _apart(code: Code, first: Any, step: Any, count: int) -> Any:
    return code.builder.add(first, code.builder.mul(step, integer(count)))


def _add_loaded(code: Code, value: Any, column: list[Any], load: Callable[[int], Any]) -> Any:
    rows, taps = code.t.rows, len(column)
    for y in range(rows + taps - 1):
        vector = load(y)
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


@intrinsic(prefer_literal=True)
def add_rows(typing_context, t, weights, weight_step, table, table_step, offset, bits, taps):
    if not isinstance(taps, types.IntegerLiteral):
        raise TypingError("taps: expected a constant")
    count, masked = taps.literal_value, not isinstance(bits, types.NoneType)

    def generate(context, builder, signature, args):
        value, weights, weight_step, table, table_step, offset, bits, _ = args
        code = Code(builder, t)
        column = [code.broadcast(_apart(code, weights, weight_step, r)) for r in range(count)]

        def load(y):
            entry = builder.inttoptr(_apart(code, table, table_step, y), POINTER)
            place = builder.add(builder.load(entry, align=8), offset)
            return code.load_bits(place, bits) if masked else code.load(place, 0)

        return _add_loaded(code, value, column, load)

    i64 = types.int64
    return t(t, i64, i64, i64, i64, i64, i64 if masked else bits, taps), generate


@intrinsic
def add_columns(typing_context, t, weights, a, row_step):
    def generate(context, builder, signature, args):
        value, weights, a, row_step = args
        column = [builder.extract_value(weights, r) for r in range(signature.args[1].rows)]
        return _add(Code(builder, t), value, column, a, row_step)

    return t(t, weights, types.int64, types.int64), generate


@intrinsic
def add_apart(typing_context, t, weights, a, row_step, tap_step):
    def generate(context, builder, signature, args):
        value, weights, a, row_step, tap_step = args
        code = Code(builder, t)
        for r in range(signature.args[1].rows):
            column, first = builder.extract_value(weights, r), builder.add(a, builder.mul(tap_step, integer(r)))
            for i in range(t.rows):
                met = code.load(builder.add(first, builder.mul(row_step, integer(i))), 0)
                value = code.add_product(value, i, column, met)
        return value

    i64 = types.int64
    return t(t, weights, i64, i64, i64), generate


@intrinsic
def add_scaled(typing_context, t, w, a, row_step, column_step):
    def generate(context, builder, signature, args):
        value, w, a, row_step, column_step = args
        code, factor = Code(builder, Tile(t.dtype, 1, 1)), builder.extract_value(w, 0)
        for r in range(t.rows):
            first = builder.add(a, builder.mul(row_step, integer(r)))
            for v in range(t.vectors):
                met = code.load(builder.add(first, builder.mul(column_step, integer(v))), 0)
                value = code.add_product(value, r * t.vectors + v, factor, met)
        return value

    i64 = types.int64
    return t(t, w, i64, i64, i64), generate


@intrinsic
def add_masked(typing_context, t, a, row_step, places, offset, masks):
    def generate(context, builder, signature, args):
        value, a, row_step, places, offset, masks = args
        code, columns = Code(builder, Tile(t.dtype, 1, 1)), []
        for v in range(t.vectors):
            found = code.load(builder.add(builder.extract_value(places, v), offset), 0)
            columns.append(builder.select(code.bits(builder.add(masks, integer(8 * v))), found, t.zero_vector()))
        rows = [code.load(builder.add(a, builder.mul(row_step, integer(r))), 0) for r in range(t.rows)]
        for v, column in enumerate(columns):
            for r, row in enumerate(rows):
                value = code.add_product(value, r * t.vectors + v, row, column)
        return value

    i64 = types.int64
    return t(t, i64, i64, types.UniTuple(i64, t.vectors), i64, i64), generate


@intrinsic
def add_some(typing_context, t, a, row_step, a_masks, mask_step, places, offset, masks):
    def generate(context, builder, signature, args):
        value, a, row_step, a_masks, mask_step, places, offset, masks = args
        code, columns = Code(builder, Tile(t.dtype, 1, 1)), []
        for v in range(t.vectors):
            place = builder.add(builder.extract_value(places, v), offset)
            columns.append(code.load_bits(place, builder.add(masks, integer(8 * v))))
        for r in range(t.rows):
            place, bits = (
                builder.add(x, builder.mul(step, integer(r))) for x, step in ((a, row_step), (a_masks, mask_step))
            )
            row, mask = code.load_bits(place, bits), code.bits(bits)
            for v, column in enumerate(columns):  # a_r is 0, but b_v may be infinite
                i = r * t.vectors + v
                total = builder.extract_value(code.add_product(value, i, row, column), i)
                value = builder.insert_value(value, builder.select(mask, total, builder.extract_value(value, i)), i)
        return value

    i64 = types.int64
    return t(t, i64, i64, i64, i64, types.UniTuple(i64, t.vectors), i64, i64), generate
