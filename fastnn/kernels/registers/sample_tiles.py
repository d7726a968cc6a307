"""Register tiles whose vectors lie anywhere: each is what some samples have at one cell (sample_lanes.py).

The contract is that of tiles.py; `places` is a tuple of addresses, one for each vector of a row, to which `offset` is added.

    rank_one_over(t, a, places, offset)               t_rv + a_r b_v: a_r one element in each row, neighbours at a; b_v the
                                                      vector at places[v] + offset
    added_over(t, places, offset, row_step, last)     t_rv + the vector at places[v] + offset + r row_step
    store_over(t, places, offset, row_step, last)     t_rv -> there
"""

from numba.core import types
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code
from fastnn.kernels.registers.simd import integer


def _at(code, places, offset, v):
    return code.builder.add(code.builder.extract_value(places, v), offset)


@intrinsic
def rank_one_over(typing_context, t, a, places, offset):
    def generate(context, builder, signature, args):
        value, a, places, offset = args
        code = Code(builder, t)
        vectors = [code.load(_at(code, places, offset, v), 0) for v in range(t.vectors)]
        for r in range(t.rows):
            broadcast = code.broadcast(builder.add(a, integer(r * t.size)))
            for v, vector in enumerate(vectors):
                value = code.add_product(value, r * t.vectors + v, broadcast, vector)
        return value

    return t(t, types.int64, types.UniTuple(types.int64, t.vectors), types.int64), generate


@intrinsic
def added_over(typing_context, t, places, offset, row_step, last):
    def generate(context, builder, signature, args):
        value, places, offset, row_step, last = args
        code = Code(builder, t)
        for v in range(t.vectors):
            place = _at(code, places, offset, v)
            for r in range(t.rows):
                i, found = r * t.vectors + v, code.load(code.row(place, row_step, last, r), 0)
                value = builder.insert_value(value, builder.fadd(builder.extract_value(value, i), found), i)
        return value

    i64 = types.int64
    return t(t, types.UniTuple(i64, t.vectors), i64, i64, i64), generate


@intrinsic
def store_over(typing_context, t, places, offset, row_step, last):
    def generate(context, builder, signature, args):
        value, places, offset, row_step, last = args
        code = Code(builder, t)
        for r in range(t.rows):
            with code.where_row_exists(last, r):
                for v in range(t.vectors):
                    row = code.row(_at(code, places, offset, v), row_step, last, r)
                    code.store(builder.extract_value(value, r * t.vectors + v), row, 0)
        return context.get_dummy_value()

    i64 = types.int64
    return types.none(t, types.UniTuple(i64, t.vectors), i64, i64, i64), generate
