"""What compiled arithmetic on scalars can't say: bits of floats, constants by type, and how wide vectors are.

Every intrinsic here is a few instructions without a branch, in the width of its float, so that LLVM vectorises the loops
around it.
"""

from typing import Any

from numba.core import types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from fastnn.kernels.registers.simd import without_knowing

_MANTISSA = {types.float32: 23, types.float64: 52}
_INTEGER = {types.float32: types.int32, types.float64: types.int64}
_ROOT_HALF = {types.float32: 0x3F3504F3, types.float64: 0x3FE6A09E667F3BCD}


def _kept(builder: Any, context: Any, kind: Any, value: Any) -> Any:
    """A number, or a tuple of them, that LLVM does not know to be constant, without an instruction.

    It would read a constant from memory each time it is used, spread over the lanes, rather than keep it in one of 32
    registers: so many reads took as long as all else. exp on float32 took 0.29 ns an element, and takes 0.23 (Zen 4).
    """
    if isinstance(kind, types.BaseTuple):
        numbers = [_kept(builder, context, item, builder.extract_value(value, i)) for i, item in enumerate(kind)]
        return context.make_tuple(builder, kind, numbers)
    if kind not in _INTEGER:
        return value
    return without_knowing(builder, value, context.get_value_type(_INTEGER[kind]))


@intrinsic
def of_type(typing_context: Any, x: Any, single: Any, double: Any) -> Any:
    """`single` where x is a float32, `double` where it is a float64; constants in registers."""
    chosen, place = {types.float32: (single, 1), types.float64: (double, 2)}[x]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, chosen, _kept(builder, context, chosen, args[place]))

    return chosen(x, single, double), generate


@intrinsic
def polynomial(typing_context: Any, x: Any, coefficients: Any) -> Any:
    """c_0 + x (c_1 + x (c_2 + ...)) in Horner's order: a loop over the tuple would be compiled as one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        *lower, total = (builder.extract_value(args[1], i) for i in range(len(coefficients)))
        for coefficient in reversed(lower):
            total = builder.fadd(builder.fmul(total, args[0]), coefficient)
        return total

    return x(x, coefficients), generate


@intrinsic
def power_of_two(typing_context: Any, x: Any) -> Any:
    """2^n, where the low bits of x hold n + bias: the rest, above them, is shifted out."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer = context.get_value_type(_INTEGER[x])
        exponent = builder.shl(builder.bitcast(args[0], integer), integer(_MANTISSA[x]))
        return builder.bitcast(exponent, args[0].type)

    return x(x), generate


@intrinsic
def split(typing_context: Any, x: Any) -> Any:
    """(m, k) with x = m 2^k and sqrt(1/2) <= m < sqrt 2, for a normal x > 0; k is a float.

    Counted from the bits of sqrt(1/2), the exponent's field changes where m wraps. As the low bits of 2^23 (2^52) it
    becomes a float without a conversion from int64, which AVX2 lacks.
    """
    mantissa = _MANTISSA[x]
    bias = (1 << (_INTEGER[x].bitwidth - mantissa - 2)) - 1
    one, root_half, large = bias << mantissa, _ROOT_HALF[x], (bias + mantissa) << mantissa

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer, real = context.get_value_type(_INTEGER[x]), args[0].type
        bits = builder.add(builder.bitcast(args[0], integer), integer(one - root_half))
        fraction = builder.add(builder.and_(bits, integer((1 << mantissa) - 1)), integer(root_half))
        exponent = builder.or_(builder.lshr(bits, integer(mantissa)), integer(large))
        k = builder.fsub(builder.bitcast(exponent, real), real(float((1 << mantissa) + bias)))
        return context.make_tuple(builder, signature.return_type, (builder.bitcast(fraction, real), k))

    return types.UniTuple(x, 2)(x), generate


@intrinsic
def ordered(typing_context: Any, x: Any) -> Any:
    """An integer of x's width that grows with x: LLVM vectorises a maximum of integers, but of floats only without NaN.

    A NaN counts as more than infinity, or if its sign is set as less than minus infinity.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _flipped_below_zero(builder, builder.bitcast(args[0], context.get_value_type(signature.return_type)))

    return _INTEGER[x](x), generate


@intrinsic
def from_ordered(typing_context: Any, number: Any) -> Any:
    """The float x with `ordered(x)` = number."""
    real = {types.int32: types.float32, types.int64: types.float64}[number]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(_flipped_below_zero(builder, args[0]), context.get_value_type(real))

    return real(number), generate


def _flipped_below_zero(builder: Any, bits: Any) -> Any:
    """All bits but the sign flipped where the sign is set: floats count their size downwards there."""
    integer = bits.type
    mask = builder.lshr(builder.ashr(bits, integer(integer.width - 1)), integer(1))
    return builder.xor(bits, mask)


@intrinsic
def wide(typing_context: Any) -> Any:
    """Let LLVM use the widest vectors that the CPU has in the function that says so.

    LLVM prefers 256 bits on Intel's CPUs with AVX-512, where some of the first ones lowered their clock for more.
    exp on float32 takes 0.16 ns an element with 512 bits and 0.20 with 256 (Sapphire Rapids).
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite's own `add` knows no attributes of a target.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate
