"""Which tile is meant (tiles.py), and how large tiles are on this CPU: simd.py derives it from its registers.

lanes, full_rows(zero)                        constants: of a vector, of the largest tile
few_rows(zero)                                a constant: 4, or as many as lanes if those are fewer
half_rows(zero)                               a constant: of a tile with half as many rows
form(zero, rows, vectors)                     which tile is meant: unlike a tile, it costs nothing to pass
low_form(zero, rows)                          few rows and as many vectors as the registers hold, 8 at most
long_form(zero, rows)                         few rows, and 9 or 5 vectors, or as many as `products` has registers for
tall_form(zero)                               two vectors a row and as many of them as the largest tile has
column_form(zero)                             one row, of as many vectors as a column of the largest tile fills
wide_rows(zero), wide_form(zero)              a constant, three quarters of full_rows, and as many vectors a row as there is
                                              room for: 6 x 4 of 32 registers, for what would leave a quarter of 8 x 3 empty
zeros(form)                                   a tile of that form, all zeros
rows_of, vectors_of(form)                     constants: of the tile, of a row
zero_of(form)                                 a constant: 0 of the tile's dtype
"""

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.registers.simd import (
    VECTORS,
    Form,
    Tile,
    constant,
    full_rows_of,
    integer,
    long_vectors_of,
    low_vectors_of,
    registers,
)


@constant
def lanes(zero):
    return registers()[0] // zero.itemsize


@constant
def full_rows(zero):
    return full_rows_of(registers()[1])


@constant
def half_rows(zero):
    return max(1, full_rows_of(registers()[1]) // 2)


@constant
def few_rows(zero):
    return min(4, lanes(zero))


@intrinsic(prefer_literal=True)
def form(typing_context, zero, rows, vectors):
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(vectors, types.IntegerLiteral)):
        raise TypingError("rows and vectors: expected constants")
    result = Form(Tile(zero, rows.literal_value, vectors.literal_value))
    return result(zero, rows, vectors), lambda context, builder, signature, args: context.get_dummy_value()


def _form_of_rows(zero: types.Float, rows: Any, vectors_of_rows: Callable[[int], int]) -> Any:
    """The signature and the code of a form with constant rows, and as many vectors as follow from them."""
    if not isinstance(rows, types.IntegerLiteral):
        raise TypingError("rows: expected a constant")
    result = Form(Tile(zero, rows.literal_value, vectors_of_rows(rows.literal_value)))
    return result(zero, rows), lambda context, builder, signature, args: context.get_dummy_value()


@intrinsic(prefer_literal=True)
def low_form(typing_context, zero, rows):
    return _form_of_rows(zero, rows, lambda count: low_vectors_of(registers()[1], count))


@intrinsic(prefer_literal=True)
def long_form(typing_context, zero, rows):
    return _form_of_rows(zero, rows, lambda count: long_vectors_of(registers()[1], count))


@intrinsic
def tall_form(typing_context, zero):
    result = Form(Tile(zero, full_rows_of(registers()[1]) * VECTORS // 2, 2))
    return result(zero), lambda context, builder, signature, args: context.get_dummy_value()


@intrinsic
def column_form(typing_context, zero):
    width, rows = registers()[0] // (zero.bitwidth // 8), full_rows_of(registers()[1])
    result = Form(Tile(zero, 1, -(-rows // width)))
    return result(zero), lambda context, builder, signature, args: context.get_dummy_value()


@constant
def wide_rows(zero):
    return full_rows_of(registers()[1]) * 3 // 4


@intrinsic
def wide_form(typing_context, zero):
    count = registers()[1]
    rows = full_rows_of(count) * 3 // 4
    result = Form(Tile(zero, rows, (count - 1) // (rows + 1)))
    return result(zero), lambda context, builder, signature, args: context.get_dummy_value()


@intrinsic
def rows_of(typing_context, form):
    return types.literal(form.tile.rows)(form), lambda context, builder, signature, args: integer(form.tile.rows)


@intrinsic
def zeros(typing_context, form):
    return form.tile(form), lambda context, builder, signature, args: form.tile.zeros()


@intrinsic
def vectors_of(typing_context, form):
    return types.literal(form.tile.vectors)(form), lambda context, builder, signature, args: integer(form.tile.vectors)


@intrinsic
def zero_of(typing_context, form):
    return form.tile.dtype(form), lambda context, builder, signature, args: form.tile.zero()
