"""How a kernel hands an array back to Python: the `out` that it was given, without asking what class an array has.

Numba's own way unpickles the class, ndarray, at each return: 0.2 of 0.85 us a call, though it then finds that the array is
one that came in and returns that. Here a returned array that came in is of the class it came with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import boxing, cgutils, pythonapi, types
from numba.core.compiler_lock import global_compiler_lock
from numba.np.numpy_support import as_dtype

from fastnn.kernels.calls import c_function

_numbas = boxing.box_array  # its module puts it among the boxers


def _box(array_type: Any, value: Any, c: Any) -> Any:
    """An array as a Python object; a new one in Numba's way."""
    result = cgutils.alloca_once(c.builder, c.pyapi.pyobj)
    parent = c.context.make_array(array_type)(c.context, c.builder, value=value).parent
    with c.builder.if_else(cgutils.is_not_null(c.builder, parent)) as (came_in, is_new):
        with came_in:
            class_ = c.pyapi.get_type(parent)  # a borrowed reference
            c.builder.store(_returned(array_type, value, class_, c), result)
            c.context.nrt.decref(c.builder, array_type, value)
        with is_new:
            c.builder.store(_numbas(array_type, value, c), result)
    return c.builder.load(result)


def _returned(array_type: Any, value: Any, class_: Any, c: Any) -> Any:
    """Call what finds the array that came in, or makes one of its memory."""
    dtype = c.env_manager.read_const(c.env_manager.add_const(as_dtype(array_type.dtype)))
    number, pyobj = c.context.get_value_type(types.intc), c.pyapi.pyobj
    parameters = [c.pyapi.voidptr, pyobj, number, number, pyobj]
    function = c_function(c.builder, "NRT_adapt_ndarray_to_python_acqref", pyobj, parameters)
    place = c.builder.bitcast(cgutils.alloca_once_value(c.builder, value), c.pyapi.voidptr)
    return c.builder.call(function, [place, class_, number(array_type.ndim), number(int(array_type.mutable)), dtype])


@contextmanager
def arrays_come_back() -> Iterator[None]:
    """What is compiled meanwhile returns arrays so."""
    with global_compiler_lock:
        pythonapi._boxers.functions[types.Array] = _box
        try:
            yield
        finally:
            pythonapi._boxers.functions[types.Array] = _numbas
