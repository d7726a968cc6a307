"""Functions that are compiled once a dtype, and that all other compiled code calls by their address.

Numba links what a function calls into it and optimises all of it again, in every caller: seconds, for an engine under forty
kernels. A shared function has a slot of its own in memory instead, which callers know by a symbol's name. They load its
address from there, and the first call fills the slot, so that only what runs is compiled. What is lost is inlining, so a
shared function is one that does much in a call.

Its annotations are its types: int, float (the dtype that it is compiled for, at least one parameter), tuple[int, ...] of a
given length, and what it returns: None, int, float or np.float64. For an int that is an address callers may give an array:
it stands for its first element's, and stays in memory until the call is over, which for an address alone nobody sees to.
"""

import ctypes
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
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
    floats = [place for place, kind in enumerate(kinds.values()) if kind is float]
    slots = {}
    for dtype in FLOATS:
        arguments = tuple(_type_of(kind, dtype) for kind in kinds.values())
        slots[dtype] = Slot(dispatcher, arguments, f"{function.__module__}.{function.__qualname__}.{dtype}")

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            dtypes = {args[place] for place in floats}
            if len(dtypes) > 1:
                raise TypingError(f"{function.__name__}: expected floats of one dtype, got {dtypes}")
            slot = slots.get(dtypes.pop())
            given = zip(args, slot.arguments, strict=True) if slot else ()
            return slot and _type_of(result, args[floats[0]])(
                *(arg if isinstance(arg, types.Array) else expected for arg, expected in given)
            )

    @lower_builtin(function, types.VarArg(types.Any))
    def call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slot = slots[signature.args[floats[0]]]
        by_address = signature.return_type(*slot.arguments)
        values = [_value(context, builder, *pair) for pair in zip(signature.args, args, strict=True)]
        return call_by_address(context, builder, by_address, values, slot.symbol, FILL, slot.number)

    infer_global(function, types.Function(Template))
    return function


def _type_of(kind: Any, dtype: types.Float) -> types.Type:
    """The type that an annotation stands for."""
    if kind in (int, float, np.float64, type(None)):
        return {int: types.int64, float: dtype, np.float64: types.float64, type(None): types.none}[kind]
    return types.UniTuple(types.int64, len(typing.get_args(kind)))


def _value(context: Any, builder: Any, kind: types.Type, arg: Any) -> Any:
    """What is passed for an argument: for an array where it is."""
    if not isinstance(kind, types.Array):
        return arg
    data = context.make_array(kind)(context, builder, arg).data
    return builder.ptrtoint(data, context.get_value_type(types.int64))
