"""Functions that are compiled once a dtype, and that all other compiled code calls by their address.

Numba links what a function calls into it and optimises all of it again, in every caller: seconds, for an engine under forty
kernels. A shared function has a slot of its own in memory instead, which callers know by a symbol's name. They load its
address from there. The slot is filled when a caller is compiled, or by the first call, where the caller comes from a cache
on disk. What is lost is inlining, so a shared function is one that does much in a call.

Its annotations are its types: int, float (the dtype that it is compiled for, at least one parameter), tuple[int, ...] of a
given length, and what it returns: None, int or float.
"""

import ctypes
import inspect
import typing
from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import AbstractTemplate, infer_global

from fastnn.kernels.cache import DiskCache
from fastnn.kernels.jit import OPTIONS, announce
from fastnn.kernels.simd import call_by_address, name_address

FLOATS = types.float32, types.float64

_slots: list["Slot"] = []


class Slot:
    """Where the address of one specialisation stands, 0 until it is compiled, and the name under which code finds it."""

    def __init__(self, dispatcher: CPUDispatcher, signature: tuple[types.Type, ...], symbol: str) -> None:
        self.dispatcher, self.signature, self.symbol = dispatcher, signature, symbol
        self.number = len(_slots)
        self._address = ctypes.c_void_p(0)
        name_address(symbol, ctypes.addressof(self._address))
        _slots.append(self)

    def fill(self) -> Any:
        """Compile, or load from disk; returns the result's type."""
        self.dispatcher.compile(self.signature)
        result = self.dispatcher.overloads[self.signature]
        self._address.value = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
        return result.signature.return_type


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _fill(number: int) -> None:
    """What compiled code calls, from any thread, with or without the GIL, where a slot is empty."""
    _slots[number].fill()


FILL = "fastnn.fill"
name_address(FILL, ctypes.cast(_fill, ctypes.c_void_p).value)


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function a shared one, for callers in compiled code."""
    dispatcher = CPUDispatcher(function, targetoptions={"nopython": True, **OPTIONS})
    dispatcher._cache = DiskCache(function, OPTIONS, announce)
    parameters = list(typing.get_type_hints(function).items())
    kinds = [kind for name, kind in parameters if name != "return"]
    which = kinds.index(float)
    slots = {}
    for dtype in FLOATS:
        symbol = f"{function.__module__}.{function.__qualname__}.{dtype}"
        slots[dtype] = Slot(dispatcher, tuple(_type_of(kind, dtype) for kind in kinds), symbol)

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            call = inspect.signature(function).bind(*args, **kws)
            slot = slots.get(call.args[which])
            return slot and slot.fill()(*slot.signature)

    @lower_builtin(function, types.VarArg(types.Any))
    def call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slot = slots[signature.args[which]]
        return call_by_address(context, builder, signature, args, slot.symbol, FILL, slot.number)

    infer_global(function, types.Function(Template))
    return function


def _type_of(kind: Any, dtype: types.Float) -> types.Type:
    if kind is int:
        return types.int64
    if kind is float:
        return dtype
    return types.UniTuple(types.int64, len(typing.get_args(kind)))
