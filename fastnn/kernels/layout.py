"""Strided arrays as contiguous ones, so that inner loops run over neighbours: a view where memory allows it, else a copy."""

from typing import Any

import numpy as np
from numba.core import types
from numba.core.imputils import impl_ret_borrowed, impl_ret_new_ref
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype

from fastnn.kernels.jit import compiled


@intrinsic
def _typed_contiguous(typing_context: Any, array: Any) -> Any:
    """The same array under a C-contiguous type. A layout exists only in the type: nothing is moved, nothing checked."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(layout="C")(array), generate


@intrinsic
def strided(typing_context: Any, array: Any) -> Any:
    """The same array under the type that any layout has, so that what it is passed to is compiled once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(layout="A")(array), generate


def _view(dtype: types.Type, signature_of: Any) -> Any:
    """The signature and the code of a row of n elements at an address, which somebody else keeps in memory."""
    row = types.Array(dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(element))
        view = context.make_array(row)(context, builder)
        place = builder.inttoptr(args[0], element.as_pointer())
        populate_array(view, data=place, shape=(args[1],), strides=(size,), itemsize=size, meminfo=None)
        return impl_ret_new_ref(context, builder, row, view._getvalue())

    return signature_of(row), generate


@intrinsic
def at(typing_context: Any, address: Any, n: Any, zero: Any) -> Any:
    """The row of n elements of zero's dtype at an address; nothing is checked, and nothing kept alive."""
    return _view(zero, lambda row: row(types.int64, types.int64, zero))


@intrinsic
def integers_at(typing_context: Any, address: Any, n: Any) -> Any:
    """The row of n int64 at an address."""
    return _view(types.int64, lambda row: row(types.int64, types.int64))


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


@compiled
def in_use_until_here(array):
    """Numba frees an array after the last line that names it, which does not see what its address is used for."""


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


@compiled
def flat(array):
    """The elements in C order, as one row."""
    return contiguous(array).ravel()


@compiled
def put_back(computed, array):
    """Write `contiguous(array)` or `flat(array)` back, if it is a copy."""
    if not is_contiguous(array):
        source, target = computed.ravel(), array.flat
        for i in range(source.size):  # `array[...] = computed` would take Numba 0.7 s more to compile
            target[i] = source[i]
