"""A byte for each lane of a vector: which cell of its window is meant (pool_windows.py), as a Numba value.

load, store, load_lanes, store_lanes and shuffles.py take them as they take tiles; so does where_larger, for yes
and no. Sixteen bytes are compared in a quarter of a register of 512 bits, and what comes of it masks sixteen floats.

    numbered(t, number)                       as many as t, of one vector, has lanes, all the number
    raised(b, number)                         b + number, modulo 256; the number is a constant
    kept_number(t, number)                    the same of a constant, which stays in a register: LLVM would read it each time
    where_equal(b, c, t)                      lane by lane: t where b is c, else 0
    where_numbers(b, first, second, t)        the same with one number for even lanes and one for odd ones
    added_where_numbers(t, b, first, second, u)   lane by lane: t + u where b is the number, else t
    added_where_equal(t, b, c, u)             lane by lane: t + u where b is c, else t
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code
from fastnn.kernels.registers.simd import Bytes, without_knowing


def _pattern(b: Bytes, *numbers: types.Type) -> ir.Constant:
    """A vector of bytes with the constants in turn."""
    return ir.Constant(b.vector, [numbers[i % len(numbers)].literal_value for i in range(b.lanes)])


def _equal(builder: Any, b: Bytes, value: Any, *numbers: types.Type) -> Any:
    return builder.icmp_unsigned("==", builder.extract_value(value, 0), _pattern(b, *numbers))


@intrinsic
def numbered(typing_context, t, number):
    b = Bytes(t.lanes)

    def generate(context, builder, signature, args):
        byte = builder.trunc(args[1], b.element)
        return builder.insert_value(b.zeros(), Code(builder, b).splat(byte), 0)

    return b(t, types.int64), generate


@intrinsic
def kept_number(typing_context, t, number):
    b = Bytes(t.lanes)

    def generate(context, builder, signature, args):
        byte = builder.trunc(without_knowing(builder, args[1], ir.IntType(64)), b.element)
        return builder.insert_value(b.zeros(), Code(builder, b).splat(byte), 0)

    return b(t, types.int64), generate


@intrinsic(prefer_literal=True)
def raised(typing_context, b, number):
    def generate(context, builder, signature, args):
        total = builder.add(builder.extract_value(args[0], 0), _pattern(b, number))
        return builder.insert_value(args[0], total, 0)

    return b(b, number), generate


@intrinsic
def where_equal(typing_context, b, c, t):
    def generate(context, builder, signature, args):
        byte, other, yes = (builder.extract_value(value, 0) for value in args)
        chosen = builder.select(builder.icmp_unsigned("==", byte, other), yes, t.zero_vector())
        return builder.insert_value(args[2], chosen, 0)

    return t(b, b, t), generate


@intrinsic(prefer_literal=True)
def where_numbers(typing_context, b, first, second, t):
    def generate(context, builder, signature, args):
        equal = _equal(builder, b, args[0], first, second)
        chosen = builder.select(equal, builder.extract_value(args[3], 0), t.zero_vector())
        return builder.insert_value(args[3], chosen, 0)

    return t(b, first, second, t), generate


@intrinsic(prefer_literal=True)
def added_where_numbers(typing_context, t, b, first, second, u):
    def generate(context, builder, signature, args):
        equal = _equal(builder, b, args[1], first, second)
        before, more = builder.extract_value(args[0], 0), builder.extract_value(args[4], 0)
        return builder.insert_value(args[0], builder.select(equal, builder.fadd(before, more), before), 0)

    return t(t, b, first, second, t), generate


@intrinsic
def added_where_equal(typing_context, t, b, c, u):
    def generate(context, builder, signature, args):
        before, byte, other, more = (builder.extract_value(value, 0) for value in args)
        chosen = builder.select(builder.icmp_unsigned("==", byte, other), builder.fadd(before, more), before)
        return builder.insert_value(args[0], chosen, 0)

    return t(t, b, b, t), generate
