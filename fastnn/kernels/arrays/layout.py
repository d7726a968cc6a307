"""Strided arrays as contiguous ones, so that inner loops run over neighbours: a view where memory allows it, else a copy."""

from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed, impl_ret_new_ref
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype

from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared


@intrinsic
def _typed_contiguous(typing_context: Any, array: Any) -> Any:
    """The same array under a C-contiguous type. A layout exists only in the type: nothing is moved, nothing checked."""
    if not isinstance(array, types.Array):
        raise TypingError(f"expected an array, got {array}")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(layout="C")(array), generate


@intrinsic
def strided(typing_context: Any, array: Any) -> Any:
    """The same array under the type that any layout has, so that what it is passed to is compiled once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(layout="A")(array), generate


def _view(address: types.Type, view: types.Array, takes: tuple[types.Type, ...], sizes: int) -> Any:
    """The signature and the code of a contiguous array at an address, which somebody else keeps in memory."""
    if not isinstance(address, types.Integer):
        raise TypingError(f"expected an address, got {address}")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(view.dtype)
        step = size = context.get_constant(types.intp, context.get_abi_sizeof(element))
        shape = args[1 : 1 + sizes]
        strides: list[Any] = []
        for n in reversed(shape):
            strides.insert(0, step)
            step = builder.mul(step, n)
        array = context.make_array(view)(context, builder)
        place = builder.inttoptr(args[0], element.as_pointer())
        populate_array(array, data=place, shape=shape, strides=strides, itemsize=size, meminfo=None)
        return impl_ret_new_ref(context, builder, view, array._getvalue())

    return view(*takes), generate


@intrinsic
def at(typing_context: Any, address: Any, n: Any, zero: Any) -> Any:
    """The row of n elements of zero's dtype at an address; nothing is checked, and nothing kept alive."""
    return _view(address, types.Array(zero, 1, "C"), (types.int64, types.int64, zero), 1)


@intrinsic
def rows_at(typing_context: Any, address: Any, m: Any, n: Any, zero: Any) -> Any:
    """The m contiguous rows of n elements at an address, as `at`."""
    return _view(address, types.Array(zero, 2, "C"), (types.int64, types.int64, types.int64, zero), 2)


@intrinsic
def integers_at(typing_context: Any, address: Any, n: Any) -> Any:
    """The row of n int64 at an address, as `at`."""
    return _view(address, types.Array(types.int64, 1, "C"), (types.int64, types.int64), 1)


@intrinsic
def bytes_at(typing_context: Any, address: Any, n: Any) -> Any:
    """The row of n uint8 at an address, as `at`."""
    return _view(address, types.Array(types.uint8, 1, "C"), (types.int64, types.int64), 1)


def empty(shape: Any, zero: Any) -> Any:
    """A new array of zero's dtype; only compiled code calls it."""
    raise NotImplementedError


@overload(empty)
def _empty(shape, zero):
    dtype = as_dtype(zero)
    return lambda shape, zero: np.empty(shape, dtype)


@compiled
def address(array):
    """Of the first element."""
    return np.int64(array.ctypes.data)


@intrinsic(prefer_literal=True)
def on_stack(typing_context: Any, n: Any, zero: Any) -> Any:
    """The address of n elements, a constant, of zero's dtype, until the function returns: memory that is not allocated."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, context.get_data_type(signature.args[1]), size=n.literal_value)
        return builder.ptrtoint(room, context.get_value_type(types.int64))

    return types.int64(n, zero), generate


@compiled
def in_use_until_here(array):
    """Numba frees an array after the last line that names it, which does not see what its address is used for."""
    return  # Numba's search for a function's first line, for debuggers, fails where there is none


@compiled
def is_contiguous(array):
    """Whether the elements lie in memory one behind the other, in C order."""
    expected = array.itemsize
    for axis in range(array.ndim - 1, -1, -1):
        if array.shape[axis] != 1 and array.strides[axis] != expected:
            return array.size == 0
        expected *= array.shape[axis]
    return True


@compiled
def contiguous(array):
    """The array in C order: itself where it is so already, else a copy."""
    if is_contiguous(array):
        return _typed_contiguous(array)
    return array.copy()


@intrinsic
def _as_row(typing_context: Any, array: Any) -> Any:
    """The memory of a contiguous array as one row; nothing is moved, nothing checked."""
    row = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, view = context.make_array(array)(context, builder, args[0]), context.make_array(row)(context, builder)
        shape, strides = (source.nitems,), (source.itemsize,)
        populate_array(view, source.data, shape, strides, source.itemsize, source.meminfo, source.parent)
        return impl_ret_borrowed(context, builder, row, view._getvalue())

    return row(array), generate


@intrinsic
def _extents(typing_context: Any, array: Any) -> Any:
    """The address, on the stack, of an array's shape and strides: an int64 each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(array)(context, builder, args[0])
        both = [cgutils.unpack_tuple(builder, extents) for extents in (source.shape, source.strides)]
        numbers = [*both[0], *both[1], source.itemsize]  # the last so that there is one for an array of no dimensions too
        place = cgutils.alloca_once_value(builder, cgutils.pack_array(builder, numbers))
        return builder.ptrtoint(place, context.get_value_type(types.int64))

    return types.int64(array), generate


@shared
def _copy(array: int, extents: int, ndim: int, row: int, back: int, zero: float) -> None:
    """row = the elements in C order of an array of at least one dimension; the other way round where back is not 0."""
    shape, strides = integers_at(extents, ndim), integers_at(extents + 8 * ndim, ndim)
    index, last, size = np.zeros(ndim, np.int64), ndim - 1, element_size(zero)
    while True:
        for i in range(shape[last]):
            place, target = array + i * strides[last], row + i * size
            if back != 0:
                place, target = target, place
            write(read(zero, place), target)
        row += shape[last] * size
        axis = last - 1
        while axis >= 0:
            index[axis] += 1
            array += strides[axis]
            if index[axis] < shape[axis]:
                break
            array -= shape[axis] * strides[axis]
            index[axis] = 0
            axis -= 1
        if axis < 0:
            return


@compiled
def flat(array):
    """The elements in C order, as one row."""
    if is_contiguous(array):
        return _as_row(array)
    row = np.empty(array.size, array.dtype)
    _copy(array, _extents(array), array.ndim, row, 0, array.dtype.type(0))
    return row


@compiled
def put_back(computed, array):
    """Write `contiguous(array)` or `flat(array)` back, if it is a copy."""
    if not is_contiguous(array):
        _copy(array, _extents(array), array.ndim, computed, 1, array.dtype.type(0))
