"""Single lanes of vectors: edges that start and end anywhere, every other element, and choices.

The contract is that of tiles.py; where it says so, the tile is one row or one vector.

    load_lanes(t, address, first, behind)         memory in lanes first <= i < behind, the only ones read, else t; one vector
    store_lanes(t, address, first, behind)        those lanes -> memory; one row
    added_lanes(t, address, first, behind)        t + memory in lanes first <= i < behind of each row, the only ones read
    added_masked(t, address, masks)               the same in lanes whose bits are 1 in an int64 for each vector; one row
    load_apart(t, address, count)                 every other element, count of them: the others are not touched; one vector
    load_lanes_apart(t, address, first, behind)   every other element as load_lanes has all of them, else 0; one vector
    load_halves(t, address, count)                of so many elements, two vectors at most, every other one -> row 0, those
                                                  between -> row 1, else 0; one vector a row
    store_apart(t, address, count)                those lanes -> every other element; one row
    gathered(t, address, step, first, behind)     load_lanes with lane i at address + i * step
    filled(t, number), scaled(t, number)          all lanes the number; t times the number
    where_larger(t, u, yes, no)                   lane by lane: yes where u > t or u alone is NaN, else no; one vector each
    where_above(t, u, yes, no)                    the same where u is not NaN
    added_where_same(t, u, v, w)                  lane by lane: t + w where u is v, else t; one vector each
    has_nan(t, u, v, w)                           whether a lane of any is NaN; one vector each
    subtracted(t, u)                              t - u
    store_tanh_slope(t, a, row_step, last)        t (1 - a^2), in place of a: row by row, or all of a would be fetched first
    store_sigmoid_slope(t, a, row_step, last)     t a (1 - a), likewise
    store_relu_slope(t, a, row_step, last)        0 where a <= 0, else t, likewise
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code, indices
from fastnn.kernels.registers.simd import Tile, integer


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
def load_halves(typing_context, t, address, count):
    def generate(context, builder, signature, args):
        value, address, count = args
        code, n, pair = Code(builder, t), t.lanes, []
        for i in (0, n):
            place, behind = builder.add(address, integer(i * t.size)), builder.sub(count, integer(i))
            pair.append(code.load_lanes(t.zero_vector(), place, integer(0), behind))
        for r in range(2):
            half = builder.shuffle_vector(*pair, indices(list(range(r, 2 * n, 2))))
            value = builder.insert_value(value, half, r)
        return value

    return t(t, types.int64, types.int64), generate


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
def added_where_same(typing_context, t, u, v, w):
    def generate(context, builder, signature, args):
        before, left, right, more = (builder.extract_value(value, 0) for value in args)
        same = builder.fcmp_ordered("==", left, right)
        return builder.insert_value(args[0], builder.select(same, builder.fadd(before, more), before), 0)

    return t(t, t, t, t), generate


@intrinsic
def has_nan(typing_context, t, u, v, w):
    def generate(context, builder, signature, args):
        vectors = [builder.extract_value(value, 0) for value in args]
        pairs = [builder.fcmp_unordered("uno", *vectors[i : i + 2]) for i in (0, 2)]
        bits = ir.IntType(t.lanes)
        return builder.icmp_unsigned("!=", builder.bitcast(builder.or_(*pairs), bits), bits(0))

    return types.boolean(t, t, t, t), generate


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
