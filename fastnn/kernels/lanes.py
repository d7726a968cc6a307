"""Single lanes of vectors: edges that start and end anywhere, every other element, choices and shuffles.

The contract is that of tiles.py; where it says so, the tile is one row or one vector.

    load_lanes(t, address, first, behind)         memory in lanes first <= i < behind, the only ones read, else t; one vector
    store_lanes(t, address, first, behind)        those lanes -> memory; one row
    added_lanes(t, address, first, behind)        t + memory in lanes first <= i < behind of each row, the only ones read
    added_masked(t, address, masks)               the same in lanes whose bits are 1 in an int64 for each vector; one row
    load_apart(t, address, count)                 every other element, count of them: the others are not touched; one vector
    load_lanes_apart(t, address, first, behind)   every other element as load_lanes has all of them, else 0; one vector
    store_apart(t, address, count)                those lanes -> every other element; one row
    gathered(t, address, step, first, behind)     load_lanes with lane i at address + i * step
    filled(t, number), scaled(t, number)          all lanes the number; t times the number
    where_larger(t, u, yes, no)                   lane by lane: yes where u > t or u alone is NaN, else no; one vector each
    where_above(t, u, yes, no)                    the same where u is not NaN
    has_nan(t, u)                                 whether a lane of either is NaN; one vector each
    moved_down(t), moved_up(t)                    lane i is t's lane i + 1, or i - 1, round the ends; one vector
    moved_in(t, u)                                lane i is t's lane i + 1, the last one u's first; one vector each
    evens(t, u, parts), odds(t, u, parts)         t's and u's blocks of lanes / parts lanes: every other one; one vector each
    first_half, second_half(t, u, parts)          of a block of t, a block of u, the next of t, ...: undoes evens and odds
    subtracted(t, u)                              t - u
    store_tanh_slope(t, a, row_step, last)        t (1 - a^2), in place of a: row by row, or all of a would be fetched first
    store_sigmoid_slope(t, a, row_step, last)     t a (1 - a), likewise
    store_relu_slope(t, a, row_step, last)        0 where a <= 0, else t, likewise
    stacked(t, u, v, w)                           four vectors as the rows of one tile
    row_of(t, r)                                  row r of a tile with one vector a row; r is a constant
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.instructions import Code, indices
from fastnn.kernels.simd import Tile, integer


@intrinsic
def load_lanes(typing_context, t, address, first, behind):
    def generate(context, builder, signature, args):
        value, address, first, behind = args
        loaded = Code(builder, t).load_lanes(builder.extract_value(value, 0), address, first, behind)
        return builder.insert_value(value, loaded, 0)

    return t(t, types.int64, types.int64, types.int64), generate


@intrinsic
def store_lanes(typing_context, t, address, first, behind):
    def generate(context, builder, signature, args):
        value, address, first, behind = args
        for v in range(t.vectors):
            begin, place = integer(v * t.lanes), builder.add(address, integer(v * t.lanes * t.size))
            vector = builder.extract_value(value, v)
            Code(builder, t).store_lanes(vector, place, builder.sub(first, begin), builder.sub(behind, begin))
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64), generate


@intrinsic
def added_lanes(typing_context, t, address, first, behind):
    def generate(context, builder, signature, args):
        value, address, first, behind = args
        code, nothing = Code(builder, t), t.zero_vector()
        for v in range(t.vectors):
            begin, place = integer(v * t.lanes), builder.add(address, integer(v * t.lanes * t.size))
            found = code.load_lanes(nothing, place, builder.sub(first, begin), builder.sub(behind, begin))
            value = builder.insert_value(value, builder.fadd(builder.extract_value(value, v), found), v)
        return value

    if t.rows != 1:
        raise TypingError(f"t: expected one row, got {t}")
    return t(t, types.int64, types.int64, types.int64), generate


@intrinsic
def added_masked(typing_context, t, address, masks):
    def generate(context, builder, signature, args):
        value, address, masks = args
        code = Code(builder, t)
        for v in range(t.vectors):
            place = builder.add(address, integer(v * t.lanes * t.size))
            found = code.load_bits(place, builder.add(masks, integer(8 * v)))
            value = builder.insert_value(value, builder.fadd(builder.extract_value(value, v), found), v)
        return value

    if t.rows != 1:
        raise TypingError(f"t: expected one row, got {t}")
    return t(t, types.int64, types.int64), generate


@intrinsic
def load_apart(typing_context, t, address, count):
    def generate(context, builder, signature, args):
        return builder.insert_value(args[0], Code(builder, t).load_apart(args[1], args[2]), 0)

    return t(t, types.int64, types.int64), generate


@intrinsic
def load_lanes_apart(typing_context, t, address, first, behind):
    def generate(context, builder, signature, args):
        value, address, first, behind = args
        return builder.insert_value(value, Code(builder, t).load_apart(address, behind, first), 0)

    return t(t, types.int64, types.int64, types.int64), generate


@intrinsic
def store_apart(typing_context, t, address, count):
    def generate(context, builder, signature, args):
        value, address, count = args
        for v in range(t.vectors):
            place, rest = builder.add(address, integer(2 * v * t.lanes * t.size)), builder.sub(count, integer(v * t.lanes))
            Code(builder, t).store_apart(builder.extract_value(value, v), place, rest)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64), generate


@intrinsic
def gathered(typing_context, t, address, step, first, behind):
    def generate(context, builder, signature, args):
        value, address, step, first, behind = args
        found = Code(builder, t).gather(builder.extract_value(value, 0), address, step, first, behind)
        return builder.insert_value(value, found, 0)

    return t(t, types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def filled(typing_context, t, number):
    def generate(context, builder, signature, args):
        value, number = args
        same = Code(builder, t).splat(number)
        for i in range(t.rows * t.vectors):
            value = builder.insert_value(value, same, i)
        return value

    return t(t, t.dtype), generate


@intrinsic
def scaled(typing_context, t, number):
    def generate(context, builder, signature, args):
        value, number = args
        factor = Code(builder, t).splat(number)
        for i in range(t.rows * t.vectors):
            value = builder.insert_value(value, builder.fmul(builder.extract_value(value, i), factor), i)
        return value

    return t(t, t.dtype), generate


@intrinsic
def where_larger(typing_context, t, u, yes, no):
    def generate(context, builder, signature, args):
        left, right, yes, no = (builder.extract_value(value, 0) for value in args)
        larger = builder.fcmp_unordered(">", right, left)  # true for a NaN on either side
        taken = builder.and_(larger, builder.fcmp_ordered("ord", left, left))
        return builder.insert_value(args[2], builder.select(taken, yes, no), 0)

    return yes(t, t, yes, yes), generate


@intrinsic
def where_above(typing_context, t, u, yes, no):
    def generate(context, builder, signature, args):
        left, right, yes, no = (builder.extract_value(value, 0) for value in args)
        return builder.insert_value(args[2], builder.select(builder.fcmp_ordered(">", right, left), yes, no), 0)

    return yes(t, t, yes, yes), generate


@intrinsic
def has_nan(typing_context, t, u):
    def generate(context, builder, signature, args):
        unordered = builder.fcmp_unordered("uno", *(builder.extract_value(value, 0) for value in args))
        bits = ir.IntType(t.lanes)
        return builder.icmp_unsigned("!=", builder.bitcast(unordered, bits), bits(0))

    return types.boolean(t, t), generate


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
def subtracted(typing_context, t, u):
    def generate(context, builder, signature, args):
        value, other = args
        for i in range(t.rows * t.vectors):
            difference = builder.fsub(builder.extract_value(value, i), builder.extract_value(other, i))
            value = builder.insert_value(value, difference, i)
        return value

    return t(t, t), generate


def _stored_over(t: Tile, combined: Any) -> Any:
    """The signature and the code of what is stored in place of memory's vectors: what becomes of each and the tile's own."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, address, row_step, last = args
        code = Code(builder, t)
        for r in range(t.rows):
            with code.where_row_exists(last, r):
                row = code.row(address, row_step, last, r)
                vectors = [code.load(row, v) for v in range(t.vectors)]
                for v, vector in enumerate(vectors):
                    code.store(combined(code, builder.extract_value(value, r * t.vectors + v), vector), row, v)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64), generate


def _times(code: Code, x: Any, y: Any) -> Any:
    """x y, y being a product of its own: da (1 + a), which LLVM would take first, can overflow."""
    return code.builder.fmul(x, y, flags=("contract",))


@intrinsic
def store_tanh_slope(typing_context, t, a, row_step, last):
    def slope(code: Code, x: Any, y: Any) -> Any:
        one = code.splat(ir.Constant(t.element, 1.0))
        return _times(code, x, _times(code, code.builder.fsub(one, y), code.builder.fadd(one, y)))

    return _stored_over(t, slope)


@intrinsic
def store_sigmoid_slope(typing_context, t, a, row_step, last):
    def slope(code: Code, x: Any, y: Any) -> Any:
        one = code.splat(ir.Constant(t.element, 1.0))
        return _times(code, x, _times(code, y, code.builder.fsub(one, y)))

    return _stored_over(t, slope)


@intrinsic
def store_relu_slope(typing_context, t, a, row_step, last):
    def slope(code: Code, x: Any, y: Any) -> Any:
        zero = t.zero_vector()
        return code.builder.select(code.builder.fcmp_ordered("<=", y, zero), zero, x)

    return _stored_over(t, slope)


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
