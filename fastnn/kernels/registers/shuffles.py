"""Lanes and rows of tiles in another order.

The contract is that of tiles.py.

    moved_down(t), moved_up(t)                    lane i is t's lane i + 1, or i - 1, round the ends; one vector
    moved_in(t, u)                                lane i is t's lane i + 1, the last one u's first; one vector each
    evens(t, u, parts), odds(t, u, parts)         t's and u's blocks of lanes / parts lanes: every other one; one vector each
    first_half, second_half(t, u, parts)          of a block of t, a block of u, the next of t, ...: undoes evens and odds
    lefts(t, u), rights(t, u)                     the first, or second, of each two lanes of t and u: of 16 bytes of t, then
                                                  of u, of the next of t, ...: one instruction; one vector each
    low_pairs, high_pairs(left, right)            undoes them: t, u
    dealt(t, size), collected(t, size)            lanes in the order of `lefts` for elements of so many bytes, and back again
    paired(t, address)                            memory, of half as many elements as t has lanes, each one twice; one vector
    pairs_from(t, first)                          lanes first, first + 1, ... of t, each one twice; one vector
    apart(t)                                      lanes 0, 1, ... of t, behind each of them a 0; one vector
    stacked(t, u, v, w)                           four vectors as the rows of one tile
    row_of(t, r)                                  row r of a tile with one vector a row; r is a constant
    transposed(t)                                 rows become lanes, in each part of as many lanes as rows; one vector a row
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code, indices
from fastnn.kernels.registers.simd import Tile


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


def _by_sixteens(lanes: int, size: int, parity: int) -> list[int]:
    """Which lanes of t, and of u, whose numbers follow, are the lefts (0) or the rights (1)."""
    half = 8 // size  # pairs in 16 bytes
    return [
        vector * lanes + 2 * (block + i) + parity
        for block in range(0, lanes // 2, half)
        for vector in range(2)
        for i in range(half)
    ]


def _picked(t: Tile, picks: list[int]) -> Any:
    """The code of a shuffle of two vectors."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right = (builder.extract_value(value, 0) for value in args[:2])
        return builder.insert_value(args[0], builder.shuffle_vector(left, right, indices(picks)), 0)

    return t(t, t), generate


@intrinsic
def lefts(typing_context, t, u):
    return _picked(t, _by_sixteens(t.lanes, t.size, 0))


@intrinsic
def rights(typing_context, t, u):
    return _picked(t, _by_sixteens(t.lanes, t.size, 1))


def _undone(t: Tile, begin: int) -> list[int]:
    """Which of the lefts and of the rights, whose numbers follow, are t's lanes (begin 0) or u's (lanes)."""
    both = _by_sixteens(t.lanes, t.size, 0) + _by_sixteens(t.lanes, t.size, 1)
    return [both.index(begin + lane) for lane in range(t.lanes)]


@intrinsic
def low_pairs(typing_context, left, right):
    return _picked(left, _undone(left, 0))


@intrinsic
def high_pairs(typing_context, left, right):
    return _picked(left, _undone(left, left.lanes))


def _in_order(t: Tile, order: list[int], size: types.Type) -> Any:
    """The signature and the code of a shuffle of one vector."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = builder.extract_value(args[0], 0)
        return builder.insert_value(args[0], builder.shuffle_vector(vector, vector, indices(order)), 0)

    return t(t, size), generate


@intrinsic(prefer_literal=True)
def dealt(typing_context, t, size):
    return _in_order(t, [lane // 2 for lane in _by_sixteens(t.lanes, size.literal_value, 0)], size)


@intrinsic(prefer_literal=True)
def collected(typing_context, t, size):
    order = [lane // 2 for lane in _by_sixteens(t.lanes, size.literal_value, 0)]
    return _in_order(t, [order.index(lane) for lane in range(t.lanes)], size)


@intrinsic
def paired(typing_context, t, address):
    count = max(1, t.lanes // 2)

    def generate(context, builder, signature, args):
        found = builder.load(Code(builder, t).pointer(args[1], ir.VectorType(t.element, count)), align=t.size)
        pairs = builder.shuffle_vector(found, found, indices([lane // 2 for lane in range(t.lanes)]))
        return builder.insert_value(args[0], pairs, 0)

    return t(t, types.int64), generate


@intrinsic(prefer_literal=True)
def pairs_from(typing_context, t, first):
    picks = [min(first.literal_value + lane // 2, t.lanes - 1) for lane in range(t.lanes)]

    def generate(context, builder, signature, args):
        vector = builder.extract_value(args[0], 0)
        return builder.insert_value(args[0], builder.shuffle_vector(vector, vector, indices(picks)), 0)

    return t(t, first), generate


@intrinsic
def apart(typing_context, t):
    picks = [t.lanes if lane % 2 else lane // 2 for lane in range(t.lanes)]

    def generate(context, builder, signature, args):
        vector = builder.extract_value(args[0], 0)
        return builder.insert_value(args[0], builder.shuffle_vector(vector, t.zero_vector(), indices(picks)), 0)

    return t(t), generate


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
