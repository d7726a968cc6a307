"""Lanes and rows of tiles in another order.

The contract is that of tiles.py.

    moved_down(t), moved_up(t)                    lane i is t's lane i + 1, or i - 1, round the ends; one vector
    moved_in(t, u)                                lane i is t's lane i + 1, the last one u's first; one vector each
    evens(t, u, parts), odds(t, u, parts)         t's and u's blocks of lanes / parts lanes: every other one; one vector each
    first_half, second_half(t, u, parts)          of a block of t, a block of u, the next of t, ...: undoes evens and odds
    stacked(t, u, v, w)                           four vectors as the rows of one tile
    row_of(t, r)                                  row r of a tile with one vector a row; r is a constant
    transposed(t)                                 rows become lanes, in each part of as many lanes as rows; one vector a row
"""

from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.instructions import Code, indices
from fastnn.kernels.simd import Tile


def _moved(t: Tile, first: int) -> Any:
    """The signature and the code of a vector turned round, so that lane `first` comes first."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = builder.extract_value(args[0], 0)
        turned = builder.shuffle_vector(vector, vector, indices([(first + i) % t.lanes for i in range(t.lanes)]))
        return builder.insert_value(args[0], turned, 0)

    return t(t), generate


@intrinsic
def moved_down(typing_context, t):
    return _moved(t, 1)


@intrinsic
def moved_up(typing_context, t):
    return _moved(t, -1)


@intrinsic
def moved_in(typing_context, t, u):
    def generate(context, builder, signature, args):
        left, right = (builder.extract_value(value, 0) for value in args)
        moved = builder.shuffle_vector(left, right, indices(list(range(1, t.lanes + 1))))
        return builder.insert_value(args[0], moved, 0)

    return t(t, t), generate


def _shuffled(t: Tile, parts: types.Type, order: Any) -> Any:
    """The signature and the code of a shuffle of two vectors, block by block: order lists the blocks, t's first."""
    block = t.lanes // parts.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right = (builder.extract_value(value, 0) for value in args[:2])
        picks = [block * i + lane for i in order(parts.literal_value) for lane in range(block)]
        return builder.insert_value(args[0], builder.shuffle_vector(left, right, indices(picks)), 0)

    return t(t, t, parts), generate


@intrinsic(prefer_literal=True)
def evens(typing_context, t, u, parts):
    return _shuffled(t, parts, lambda n: range(0, 2 * n, 2))


@intrinsic(prefer_literal=True)
def odds(typing_context, t, u, parts):
    return _shuffled(t, parts, lambda n: range(1, 2 * n, 2))


@intrinsic(prefer_literal=True)
def first_half(typing_context, t, u, parts):
    return _shuffled(t, parts, lambda n: [i // 2 + i % 2 * n for i in range(n)])


@intrinsic(prefer_literal=True)
def second_half(typing_context, t, u, parts):
    return _shuffled(t, parts, lambda n: [i // 2 + i % 2 * n for i in range(n, 2 * n)])


@intrinsic
def stacked(typing_context, t, u, v, w):
    result = Tile(t.dtype, 4, 1)

    def generate(context, builder, signature, args):
        value = result.zeros()
        for r, row in enumerate(args):
            value = builder.insert_value(value, builder.extract_value(row, 0), r)
        return value

    return result(t, t, t, t), generate


@intrinsic(prefer_literal=True)
def row_of(typing_context, t, r):
    result = Tile(t.dtype, 1, 1)

    def generate(context, builder, signature, args):
        return builder.insert_value(result.zeros(), builder.extract_value(args[0], r.literal_value), 0)

    return result(t, r), generate


@intrinsic
def transposed(typing_context, t):
    def generate(context, builder, signature, args):
        value = args[0]
        rows = Code(builder, t).transpose([builder.extract_value(value, r) for r in range(t.rows)])
        for r, row in enumerate(rows):
            value = builder.insert_value(value, row, r)
        return value

    if t.lanes % t.rows != 0 or t.vectors != 1:
        raise TypingError(f"t: expected as many rows as lanes, or a half or so, and one vector a row, got {t}")
    return t(t), generate
