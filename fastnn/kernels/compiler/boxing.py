"""How arrays and ints come into a kernel from Python, and how an array goes back: by their own fields, without references.

Numba counts the references to an array that comes in, by an object that takes the GIL to be freed: 65 ns. A kernel's caller
holds the arguments until it is done, so a kernel needs no count. What it returns is `out`, the very object that came in, or
a new array; never a view of another argument, whose memory nothing would keep. For either Numba unpickles the class ndarray
and a dtype at each return: 0.2 us.

Arrays are looked at here, too, so that code for some types may be called with anything: what is not plain memory of that
dtype and rank, writeable where it is written, is refused with a TypeError. So are ints, and pairs of them, for which one int
will do: Numba would take 1.5 and True for 1, and makes an int of each int first. Of a convolution's call with its four pairs
that was 0.3 us.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba.core import boxing, cgutils, pythonapi, types
from numba.core.compiler_lock import global_compiler_lock
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype

from fastnn.arguments import FLOATS
from fastnn.kernels.compiler.calls import c_function, field, name_address, named_address
from fastnn.kernels.registers.simd import integer

# Offsets that are a part of Python's and NumPy's binary interface, behind what every object begins with: PyTupleObject's,
# PyArrayObject's and, for the last two, PyArray_Descr's.
_HEAD = object.__basicsize__
_LENGTH, _ITEMS = _HEAD, tuple.__basicsize__
_DATA, _NDIM, _SHAPE, _STRIDES, _DTYPE, _FLAGS = (_HEAD + 8 * i for i in (0, 1, 2, 3, 5, 6))
_BYTE_ORDER, _NUMBER = _HEAD + 10, _HEAD + 12
_WRITEABLE = 0x0400
_NATIVE_ORDERS = "=", {"little": "<", "big": ">"}[sys.byteorder]  # the second where a dtype was made by newbyteorder

_NDARRAY, _INT, _TUPLE = "fastnn.ndarray", "fastnn.int", "fastnn.tuple"
for _name, _class in ((_NDARRAY, np.ndarray), (_INT, int), (_TUPLE, tuple)):
    name_address(_name, id(_class))
for _dtype in FLOATS:
    name_address(f"fastnn.{_dtype}", id(_dtype))


def _is(value: Any, name: str, c: Any) -> Any:
    """Whether an object is of that very class; NULL, which Numba's unboxing of tuples may go on with, is of none."""
    value = c.builder.select(cgutils.is_null(c.builder, value), c.pyapi.borrow_none(), value)
    class_ = c.builder.ptrtoint(c.pyapi.get_type(value), integer(0).type)
    return c.builder.icmp_unsigned("==", class_, named_address(c.builder, name))


def _unbox_integer(integer_type: Any, value: Any, c: Any) -> Any:
    """An int64 from an int, and from nothing else; other types, for which a pair in @njit is compiled, as Numba does."""
    if integer_type != types.int64:
        return boxing.unbox_integer(integer_type, value, c)
    b = c.builder
    number, failed = cgutils.alloca_once_value(b, integer(0)), cgutils.alloca_once_value(b, cgutils.false_bit)
    with b.if_else(_is(value, _INT, c), likely=True) as (fits, other):
        with fits:
            found = c.pyapi.long_as_longlong(value)
            b.store(found, number)
            with b.if_then(b.icmp_signed("==", found, integer(-1)), likely=False):
                b.store(c.pyapi.c_api_error(), failed)
        with other:
            c.pyapi.err_set_string("PyExc_TypeError", "expected an int")
            b.store(cgutils.true_bit, failed)
    return pythonapi.NativeValue(b.load(number), is_error=b.load(failed))


def _unbox_tuple(tuple_type: Any, value: Any, c: Any) -> Any:
    """A pair of int64 from an int or a tuple of two; other tuples as Numba does."""
    if tuple_type != types.UniTuple(types.int64, 2):
        return boxing.unbox_tuple(tuple_type, value, c)
    b = c.builder
    place, items = b.ptrtoint(value, integer(0).type), [cgutils.alloca_once_value(b, value) for _ in range(2)]
    with b.if_then(_is(value, _TUPLE, c)), b.if_then(b.icmp_signed("==", field(b, place, _LENGTH), integer(2))):
        for i, item in enumerate(items):
            b.store(b.inttoptr(field(b, place, _ITEMS + 8 * i), value.type), item)
    both = [_unbox_integer(types.int64, b.load(item), c) for item in items]
    pair = c.context.make_tuple(b, tuple_type, [number.value for number in both])
    return pythonapi.NativeValue(pair, is_error=b.or_(both[0].is_error, both[1].is_error))


def _unbox_array(array_type: Any, value: Any, c: Any) -> Any:
    """An array from a Python object."""
    b = c.builder
    place = b.ptrtoint(value, integer(0).type)
    good = cgutils.alloca_once_value(b, cgutils.false_bit)
    array = c.context.make_array(array_type)(c.context, b)
    with b.if_then(_is(value, _NDARRAY, c), likely=True):
        b.store(_fits(array_type, place, b), good)
        with b.if_then(b.load(good), likely=True):
            shape, strides = (
                [field(b, field(b, place, extents), 8 * axis) for axis in range(array_type.ndim)]
                for extents in (_SHAPE, _STRIDES)
            )
            data = b.inttoptr(field(b, place, _DATA), array.data.type)
            populate_array(array, data, shape, strides, as_dtype(array_type.dtype).itemsize, meminfo=None, parent=value)
    failed = b.not_(b.load(good))
    with b.if_then(failed, likely=False):
        c.pyapi.err_set_string("PyExc_TypeError", f"expected a numpy array like {array_type}")
    return pythonapi.NativeValue(array._getvalue(), is_error=failed)


def _fits(array_type: Any, place: Any, b: Any) -> Any:
    """Whether the array object at an address is of that type. Integers of more than a byte have two types of a size."""
    dtype = as_dtype(array_type.dtype)
    fits = b.icmp_signed("==", field(b, place, _NDIM, 32), integer(array_type.ndim, 32))
    if array_type.mutable:
        flag = b.and_(field(b, place, _FLAGS, 32), integer(_WRITEABLE, 32))
        fits = b.and_(fits, b.icmp_signed("!=", flag, integer(0, 32)))
    descriptor = field(b, place, _DTYPE)
    if dtype in (*FLOATS, np.uint8):
        fits = b.and_(fits, b.icmp_signed("==", field(b, descriptor, _NUMBER, 32), integer(dtype.num, 32)))
    if dtype in FLOATS:
        orders = [
            b.icmp_signed("==", field(b, descriptor, _BYTE_ORDER, 8), integer(ord(order), 8)) for order in _NATIVE_ORDERS
        ]
        fits = b.and_(fits, b.or_(*orders))
    return fits


def _box_array(array_type: Any, value: Any, c: Any) -> Any:
    """An array as a Python object: the one that came in, or a new one."""
    result = cgutils.alloca_once(c.builder, c.pyapi.pyobj)
    parent = c.context.make_array(array_type)(c.context, c.builder, value=value).parent
    with c.builder.if_else(cgutils.is_not_null(c.builder, parent)) as (came_in, is_new):
        with came_in:
            c.pyapi.incref(parent)
            c.builder.store(parent, result)
        with is_new:
            c.builder.store(_new(array_type, value, c), result)
            c.context.nrt.decref(c.builder, array_type, value)
    return c.builder.load(result)


def _new(array_type: Any, value: Any, c: Any) -> Any:
    """Call what makes an array of its memory."""
    number, pyobj = c.context.get_value_type(types.intc), c.pyapi.pyobj
    class_, dtype = (
        c.builder.inttoptr(named_address(c.builder, name), pyobj) for name in (_NDARRAY, f"fastnn.{array_type.dtype}")
    )
    parameters = [c.pyapi.voidptr, pyobj, number, number, pyobj]
    function = c_function(c.builder, "NRT_adapt_ndarray_to_python_acqref", pyobj, parameters)
    place = c.builder.bitcast(cgutils.alloca_once_value(c.builder, value), c.pyapi.voidptr)
    return c.builder.call(function, [place, class_, number(array_type.ndim), number(int(array_type.mutable)), dtype])


# Whose module puts them among the boxers and unboxers, and what takes their place.
_BOXERS = {types.Array: (boxing.box_array, _box_array)}
_UNBOXERS = {
    types.Array: (boxing.unbox_array, _unbox_array),
    types.Integer: (boxing.unbox_integer, _unbox_integer),
    types.BaseTuple: (boxing.unbox_tuple, _unbox_tuple),
}


@contextmanager
def arrays_come_and_go() -> Iterator[None]:
    """What is compiled meanwhile takes and returns arrays so, and takes ints."""
    tables = (pythonapi._boxers.functions, _BOXERS), (pythonapi._unboxers.functions, _UNBOXERS)
    with global_compiler_lock:
        for table, changes in tables:
            table.update({kind: ours for kind, (_, ours) in changes.items()})
        try:
            yield
        finally:
            for table, changes in tables:
                table.update({kind: numbas for kind, (numbas, _) in changes.items()})
