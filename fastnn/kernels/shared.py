"""Functions that are compiled once a dtype, and that all other compiled code calls by their address.

Numba links what a function calls into it and optimises all of it again, in every caller: seconds, for an engine under forty
kernels. A shared function has a slot of its own in memory instead, which callers know by a symbol's name. They load its
address from there, and the first call fills the slot, so that only what runs is compiled. What is lost is inlining, so a
shared function is one that does much in a call.

Its annotations are its types: int, float (the dtype that it is compiled for, at least one parameter), tuple[int, ...] of a
given length, and what it returns: None, int or float.
"""

import ctypes
import typing
from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import AbstractTemplate, infer_global

from fastnn.kernels.cache import DiskCache
from fastnn.kernels.jit import INTERNAL, announce
from fastnn.kernels.simd import call_by_address, name_address

FLOATS = types.float32, types.float64

_slots: list["Slot"] = []


class Slot:
    """Where the address of one specialisation stands, 0 until it is compiled, and the name under which code finds it."""

    def __init__(self, dispatcher: CPUDispatcher, arguments: tuple[types.Type, ...], symbol: str) -> None:
        self.dispatcher, self.arguments, self.symbol = dispatcher, arguments, symbol
        self.number = len(_slots)
        self._address = ctypes.c_void_p(0)
        name_address(symbol, ctypes.addressof(self._address))
        _slots.append(self)

    def fill(self) -> None:
        """Compile, or load from disk."""
        self.dispatcher.compile(self.arguments)
        result = self.dispatcher.overloads[self.arguments]
        self._address.value = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _fill(number: int) -> None:
    """What compiled code calls, from any thread, with or without the GIL, where a slot is empty."""
    _slots[number].fill()


FILL = "fastnn.fill"
name_address(FILL, ctypes.cast(_fill, ctypes.c_void_p).value or 0)


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function a shared one, for callers in compiled code."""
    dispatcher = CPUDispatcher(function, targetoptions={"nopython": True, **INTERNAL})
    dispatcher._cache = DiskCache(function, INTERNAL, announce)
    kinds = typing.get_type_hints(function)
    result = kinds.pop("return")
    which = list(kinds.values()).index(float)
    slots = {}
    for dtype in FLOATS:
        arguments = tuple(_type_of(kind, dtype) for kind in kinds.values())
        slots[dtype] = Slot(dispatcher, arguments, f"{function.__module__}.{function.__qualname__}.{dtype}")

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            slot = slots.get(args[which])
            return slot and _type_of(result, args[which])(*slot.arguments)

    @lower_builtin(function, types.VarArg(types.Any))
    def call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slot = slots[signature.args[which]]
        return call_by_address(context, builder, signature, args, slot.symbol, FILL, slot.number)

    infer_global(function, types.Function(Template))
    return function


def _type_of(kind: Any, dtype: types.Float) -> types.Type:
    """The type that an annotation stands for."""
    if kind in (int, float, type(None)):
        return {int: types.int64, float: dtype, type(None): types.none}[kind]
    return types.UniTuple(types.int64, len(typing.get_args(kind)))
