"""Single numbers at an address, and a few that are copied. Nothing is checked: callers own the bounds.

read(zero, address), write(value, address)    one element
read_integer(address), write_integer(i, address)  an int64
read_integers(address, count)                 so many int64, as a tuple; count is a constant
ask_to_read, ask_to_write(address)            asks for the cache line there, to be read or written some time later
opaque(address)                               the address, as if it were not known how it grows in a loop: LLVM would keep a
                                              register for each row that is read from there, and has not so many
element_size(zero)                            a constant: of a float like zero, in bytes
copied_cells(zero)                            a constant: how many elements copy_cells copies, of each of its columns
copy_cells(zero, source, target, columns, step)
                                              elements that are `step` apart, a constant, 1 or 2 -> neighbours, from each of
                                              some columns on; what lies between them is read, too
copy_few(zero, source, target, count)         so many elements, a constant: no mask
copy_column(zero, source, step, target, count)
                                              so many elements, a constant, which are any step apart -> neighbours
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fastnn.kernels.registers.instructions import Code
from fastnn.kernels.registers.simd import POINTER, Tile, constant, integer, registers, without_knowing

# At a time, or a register's if it has fewer. Of 64 bytes most cross a line of the cache, where rows are as long as an image
# has them, and few rows have a whole number of them.
COPIED_BYTES = 32


@constant
def element_size(zero):
    return zero.itemsize


@intrinsic
def read(typing_context, zero, address):
    t = Tile(zero, 1, 1)

    def generate(context, builder, signature, args):
        return builder.load(Code(builder, t).pointer(args[1], t.element), align=t.size)

    return zero(zero, types.int64), generate


@intrinsic
def write(typing_context, value, address):
    t = Tile(value, 1, 1)

    def generate(context, builder, signature, args):
        builder.store(args[0], Code(builder, t).pointer(args[1], t.element), align=t.size)
        return context.get_dummy_value()

    return types.none(value, types.int64), generate


@intrinsic
def read_integer(typing_context, address):
    def generate(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[0], POINTER), align=8)

    return types.int64(types.int64), generate


@intrinsic
def write_integer(typing_context, value, address):
    def generate(context, builder, signature, args):
        builder.store(args[0], builder.inttoptr(args[1], POINTER), align=8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def opaque(typing_context, address):
    def generate(context, builder, signature, args):
        return without_knowing(builder, args[0], ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic(prefer_literal=True)
def read_integers(typing_context, address, count):
    if not isinstance(count, types.IntegerLiteral):
        raise TypingError("count: expected a constant")
    result = types.UniTuple(types.int64, count.literal_value)

    def generate(context, builder, signature, args):
        values = []
        for i in range(result.count):
            place = builder.add(args[0], integer(8 * i))
            values.append(builder.load(builder.inttoptr(place, POINTER), align=8))
        return context.make_tuple(builder, result, values)

    return result(types.int64, count), generate


def _asking(writes):
    def generate(context, builder, signature, args):
        Code(builder, Tile(types.float32, 1, 1)).prefetch(args[0], 0, writes, closeness=3)
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic
def ask_to_read(typing_context, address):
    return _asking(writes=0)


@intrinsic
def ask_to_write(typing_context, address):
    return _asking(writes=1)


@constant
def copied_cells(zero):
    return min(COPIED_BYTES, registers()[0]) // zero.itemsize


@intrinsic(prefer_literal=True)
def copy_cells(typing_context, zero, source, target, columns, step):
    t, i64 = Tile(zero, 1, 1), types.int64

    def generate(context, builder, signature, args):
        _, source, target, columns, _ = args
        code, count, apart = Code(builder, t), min(COPIED_BYTES, registers()[0]) // t.size, step.literal_value
        for column in cgutils.unpack_tuple(builder, columns):
            offset = builder.mul(column, integer(t.size))
            code.copy(builder.add(source, builder.mul(offset, integer(apart))), builder.add(target, offset), count, apart)
        return context.get_dummy_value()

    return types.none(zero, i64, i64, types.UniTuple(i64, len(columns)), step), generate


@intrinsic(prefer_literal=True)
def copy_few(typing_context, zero, source, target, count):
    if not isinstance(count, types.IntegerLiteral):
        raise TypingError("count: expected a constant")

    def generate(context, builder, signature, args):
        Code(builder, Tile(zero, 1, 1)).copy(args[1], args[2], count.literal_value, 1)
        return context.get_dummy_value()

    return types.none(zero, types.int64, types.int64, count), generate


@intrinsic(prefer_literal=True)
def copy_column(typing_context, zero, source, step, target, count):
    if not isinstance(count, types.IntegerLiteral):
        raise TypingError("count: expected a constant")

    def generate(context, builder, signature, args):
        Code(builder, Tile(zero, 1, 1)).copy_column(args[1], args[2], args[3], count.literal_value)
        return context.get_dummy_value()

    return types.none(zero, types.int64, types.int64, types.int64, count), generate
