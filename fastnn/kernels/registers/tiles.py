"""Register tiles as Numba values.

A tile is `rows` x `vectors` SIMD vectors of `lanes` floats, a value like any other: LLVM keeps it in registers as long as it
is only passed on. Contract, for every function below:

    dtype      float32 or float64, the tile's; `lanes` of it make one vector register of the host
    address    of memory, an int64 in bytes; a vector's elements are neighbours, aligned to an element and no more
    row_step   from one row to the next, in bytes, of any sign
    last       the last row that exists: rows behind it read row `last` again, and are not written
    count      None: whole vectors are read and written. An int: of a row's last vector only so many lanes are; the others
               are neither touched in memory nor trusted to be in bounds, and are 0 as values
    returns    a new tile; the given one is unchanged

Nothing is checked: an address that is wrong reads or writes wherever it points. Callers own the bounds.

    tile(zero, rows, vectors)                     all zeros, of zero's dtype; rows and vectors are constants (forms.py)
    half_vector(zero)                             the same of half a vector: one, with half as many lanes
    outer(t, a, row_step, last, b)                a_r b_v, as in rank_one: no sum yet
    rank_one(t, a, row_step, last, b, count)      t_rv + a_r b_v: a_r one element in each row from a, b_v the vectors from b
    rank_one_at(t, places, offset, b, count)      the same, a_r being at places[r] + offset: a tuple, one address a row
    rank_one_kept(t, a, row_step, last, b, count, copy)
                                                  rank_one, and b's vectors, as they are as values, -> memory at copy
    row_products(t, a, row_step, last, b, count)  t_r + a_r b, elementwise: a_r a vector in each row from a; one vector a row
    products(t, a, row_step, last, places, offset, count)
                                                  t_rv + a_r b_v, elementwise: a_r a vector in each row from a, b_v one at
                                                  places[v] + offset each; `count` goes for all of these vectors
    load(t, address, row_step, last, count)       memory, as a tile of t's shape
    spread(t, address, row_step, last)            one element in each row, in all lanes of the row
    store(t, address, row_step, last, count)      t -> memory
    store_sums(t, address, row_step, last)        the sum over a row's lanes -> one element in each row; one vector a row
    lane_sums(t)                                  the sums over the lanes of t's vectors, row by row, in the lanes of as few
                                                  vectors as they fill: one row
    added(t, u)                                   t + u
    prefetch(t, address, row_step, last)          asks for the cache lines under a tile that will be loaded and stored
    prefetch_row(t, address)                      asks for those under one row of it
    prefetch_row_to_read(t, address)              asks for those under one row, to be read some time later
    load_parts(t, address, step)                  of each of as many places as lanes, a step apart, as many elements as t has
                                                  rows: place i is part i // rows of row i % rows; one vector a row
    store_parts(t, address, step)                 the same the other way
"""

from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code
from fastnn.kernels.registers.simd import LINE, Tile


@intrinsic(prefer_literal=True)
def tile(typing_context, zero, rows, vectors):
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(vectors, types.IntegerLiteral)):
        raise TypingError("rows and vectors: expected constants")
    result = Tile(zero, rows.literal_value, vectors.literal_value)
    return result(zero, rows, vectors), lambda context, builder, signature, args: result.zeros()


@intrinsic
def half_vector(typing_context, zero):
    result = Tile(zero, 1, 1, parts=2)
    return result(zero), lambda context, builder, signature, args: result.zeros()


def _rank_one(code: Code, value: Any, a: Any, row_step: Any, last: Any, vectors: list[Any]) -> Any:
    for r in range(code.t.rows):
        broadcast = code.broadcast(code.row(a, row_step, last, r))
        for v, vector in enumerate(vectors):
            value = code.add_product(value, r * code.t.vectors + v, broadcast, vector)
    return value


@intrinsic
def outer(typing_context, t, a, row_step, last, b):
    def generate(context, builder, signature, args):
        value, a, row_step, last, b = args
        code = Code(builder, t)
        vectors = [code.load(b, v) for v in range(t.vectors)]
        for r in range(t.rows):
            broadcast = code.broadcast(code.row(a, row_step, last, r))
            for v, vector in enumerate(vectors):
                value = builder.insert_value(value, builder.fmul(broadcast, vector), r * t.vectors + v)
        return value

    return t(t, types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def rank_one(typing_context, t, a, row_step, last, b, count):
    def generate(context, builder, signature, args):
        value, a, row_step, last, b, count = args
        code = Code(builder, t, signature.args[5], count)
        return _rank_one(code, value, a, row_step, last, [code.load(b, v) for v in range(t.vectors)])

    return t(t, types.int64, types.int64, types.int64, types.int64, count), generate


@intrinsic
def rank_one_kept(typing_context, t, a, row_step, last, b, count, copy):
    def generate(context, builder, signature, args):
        value, a, row_step, last, b, count, copy = args
        code, whole = Code(builder, t, signature.args[5], count), Code(builder, t)
        vectors = [code.load(b, v) for v in range(t.vectors)]
        for v, vector in enumerate(vectors):
            whole.store(vector, copy, v)
        return _rank_one(code, value, a, row_step, last, vectors)

    return t(t, types.int64, types.int64, types.int64, types.int64, count, types.int64), generate


@intrinsic
def rank_one_at(typing_context, t, places, offset, b, count):
    def generate(context, builder, signature, args):
        value, places, offset, b, count = args
        code = Code(builder, t, signature.args[4], count)
        vectors = [code.load(b, v) for v in range(t.vectors)]
        for r in range(t.rows):
            broadcast = code.broadcast(builder.add(builder.extract_value(places, r), offset))
            for v, vector in enumerate(vectors):
                value = code.add_product(value, r * t.vectors + v, broadcast, vector)
        return value

    return t(t, types.UniTuple(types.int64, t.rows), types.int64, types.int64, count), generate


@intrinsic
def products(typing_context, t, a, row_step, last, places, offset, count):
    def generate(context, builder, signature, args):
        value, a, row_step, last, places, offset, count = args
        code = Code(builder, Tile(t.dtype, 1, 1), signature.args[6], count)
        lefts = [code.row(a, row_step, last, r) for r in range(t.rows)]
        rights = [builder.add(builder.extract_value(places, v), offset) for v in range(t.vectors)]
        swapped = t.vectors < t.rows  # the fewer vectors stay in registers, and the others come one by one
        kept = [code.load(place, 0) for place in (rights if swapped else lefts)]
        for i, place in enumerate(lefts if swapped else rights):
            vector = code.load(place, 0)
            for j, other in enumerate(kept):
                r, v = (i, j) if swapped else (j, i)
                value = code.add_product(value, r * t.vectors + v, vector, other)
        return value

    i64 = types.int64
    return t(t, i64, i64, i64, types.UniTuple(i64, t.vectors), i64, count), generate


@intrinsic
def row_products(typing_context, t, a, row_step, last, b, count):
    def generate(context, builder, signature, args):
        value, a, row_step, last, b, count = args
        code = Code(builder, t, signature.args[5], count)
        vector = code.load(b, 0)
        for r in range(t.rows):
            value = code.add_product(value, r, code.load(code.row(a, row_step, last, r), 0), vector)
        return value

    return t(t, types.int64, types.int64, types.int64, types.int64, count), generate


@intrinsic
def load(typing_context, t, address, row_step, last, count):
    def generate(context, builder, signature, args):
        value, address, row_step, last, count = args
        code = Code(builder, t, signature.args[4], count)
        for r in range(t.rows):
            row = code.row(address, row_step, last, r)
            for v in range(t.vectors):
                value = builder.insert_value(value, code.load(row, v), r * t.vectors + v)
        return value

    return t(t, types.int64, types.int64, types.int64, count), generate


@intrinsic
def spread(typing_context, t, address, row_step, last):
    def generate(context, builder, signature, args):
        value, address, row_step, last = args
        code = Code(builder, t)
        for r in range(t.rows):
            same = code.broadcast(code.row(address, row_step, last, r))
            for v in range(t.vectors):
                value = builder.insert_value(value, same, r * t.vectors + v)
        return value

    return t(t, types.int64, types.int64, types.int64), generate


@intrinsic
def store(typing_context, t, address, row_step, last, count):
    def generate(context, builder, signature, args):
        value, address, row_step, last, count = args
        code = Code(builder, t, signature.args[4], count)
        for r in range(t.rows):
            with code.where_row_exists(last, r):
                row = code.row(address, row_step, last, r)
                for v in range(t.vectors):
                    code.store(builder.extract_value(value, r * t.vectors + v), row, v)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64, count), generate


@intrinsic
def store_sums(typing_context, t, address, row_step, last):
    def generate(context, builder, signature, args):
        value, address, row_step, last = args
        code = Code(builder, t)
        for r in range(t.rows):
            total = code.sum_lanes(builder.extract_value(value, r))
            with code.where_row_exists(last, r):
                builder.store(total, code.pointer(code.row(address, row_step, last, r), t.element), align=t.size)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64), generate


@intrinsic
def lane_sums(typing_context, t):
    result = Tile(t.dtype, 1, -(-t.rows * t.vectors // t.lanes))

    def generate(context, builder, signature, args):
        vectors = [builder.extract_value(args[0], i) for i in range(t.rows * t.vectors)]
        value = result.zeros()
        for v, total in enumerate(Code(builder, t).lane_sums(vectors)):
            value = builder.insert_value(value, total, v)
        return value

    return result(t), generate


@intrinsic
def added(typing_context, t, u):
    def generate(context, builder, signature, args):
        value, other = args
        for i in range(t.rows * t.vectors):
            total = builder.fadd(builder.extract_value(value, i), builder.extract_value(other, i))
            value = builder.insert_value(value, total, i)
        return value

    return t(t, t), generate


def _ask_for_row(code: Code, address: Any, writes: int, closeness: int) -> None:
    length = code.t.vectors * code.t.lanes * code.t.size
    for offset in [*range(0, length, LINE), length - 1]:
        code.prefetch(address, offset, writes, closeness)


@intrinsic
def prefetch(typing_context, t, address, row_step, last):
    def generate(context, builder, signature, args):
        address, row_step, last = args[1:]
        code = Code(builder, t)
        for r in range(t.rows):
            _ask_for_row(code, code.row(address, row_step, last, r), writes=1, closeness=3)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64), generate


@intrinsic
def prefetch_row(typing_context, t, address):
    def generate(context, builder, signature, args):
        _ask_for_row(Code(builder, t), args[1], writes=1, closeness=3)
        return context.get_dummy_value()

    return types.none(t, types.int64), generate


@intrinsic
def prefetch_row_to_read(typing_context, t, address):
    def generate(context, builder, signature, args):
        _ask_for_row(Code(builder, t), args[1], writes=0, closeness=2)
        return context.get_dummy_value()

    return types.none(t, types.int64), generate


@intrinsic
def load_parts(typing_context, t, address, step):
    def generate(context, builder, signature, args):
        value = args[0]
        for r, row in enumerate(Code(builder, t).load_parts(args[1], args[2])):
            value = builder.insert_value(value, row, r)
        return value

    return t(t, types.int64, types.int64), generate


@intrinsic
def store_parts(typing_context, t, address, step):
    def generate(context, builder, signature, args):
        Code(builder, t).store_parts([builder.extract_value(args[0], r) for r in range(t.rows)], args[1], args[2])
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64), generate
