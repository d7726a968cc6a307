"""Functions that are compiled once a dtype, and that all other compiled code calls by their address.

Numba links what a function calls into it and optimises all of it again, in every caller: seconds, for an engine under forty
kernels. A shared function has a slot of its own in memory instead, which callers know by a symbol's name. They load its
address from there, and the first call fills the slot, so that only what runs is compiled. What is lost is inlining, so a
shared function is one that does much in a call.

Its annotations are its types: int, float (the dtype that it is compiled for; without one it is compiled once),
tuple[int, ...] of a given length, and what it returns: None, int, float, np.float64 or a tuple of them. For an int that is
an address callers may give an array: it stands for its first element's, and stays in memory until the call is over, which
nobody sees to for an address alone.
"""

import ctypes
import functools
import os
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import AbstractTemplate, infer_global

from fastnn.kernels.compiler.calls import call_by_address, name_address
from fastnn.kernels.compiler.interrupts import uninterrupted
from fastnn.kernels.compiler.jit import INTERNAL, Kept
from fastnn.kernels.compiler.linking import Tiled, Whole

FLOATS = types.float32, types.float64

# By their places: cached code has to name one, and a number would depend on the order of imports.
_slots: dict[int, "Slot"] = {}


class Slot:
    """Where the address of one specialisation stands, 0 until it is compiled, and the name under which code finds it."""

    def __init__(self, dispatcher: CPUDispatcher, signature: Any, symbol: str) -> None:
        self.dispatcher, self.signature, self.symbol = dispatcher, signature, symbol
        self._address = ctypes.c_void_p(0)
        place = ctypes.addressof(self._address)
        name_address(symbol, place)
        _slots[place] = self

    def fill(self) -> None:
        """Compile, or load from disk."""
        with global_compiler_lock:
            self.dispatcher.compile(self.signature.args)
            result = self.dispatcher.overloads[self.signature.args]
            given, expected = result.signature.return_type, self.signature.return_type
            if given != expected:  # the caller would read bytes that nobody wrote
                raise TypingError(f"{self.symbol}: expected to return {expected}, as annotated, got {given}")
            self._address.value = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _fill(place: int) -> None:
    """What compiled code calls, from any thread, with or without the GIL, where a slot is empty."""
    uninterrupted(_slots[place].fill)


FILL = "fastnn.fill"
name_address(FILL, ctypes.cast(_fill, ctypes.c_void_p).value or 0)

# A fork amid another thread's compiling would leave the child a lock that nobody opens and half a compiler: so it waits
# until the compiler is done.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def shared(
    function: Callable[..., Any] | None = None, *, flushes: bool = False, library: type[Whole] = Whole
) -> Callable[..., Any]:
    """Make a function a shared one, for callers in compiled code; where it `flushes`, subnormal numbers count as 0 in it.

    `library` says how hard LLVM works on it: see `tiled`.
    """
    if function is None:
        return functools.partial(shared, flushes=flushes, library=library)
    dispatcher = Kept(function, INTERNAL, library)
    kinds = typing.get_type_hints(function)
    result = kinds.pop("return")
    floats = [place for place, kind in enumerate(kinds.values()) if kind is float]
    slots = {}
    for dtype in FLOATS if floats else (None,):
        signature = _type_of(result, dtype)(*(_type_of(kind, dtype) for kind in kinds.values()))
        slots[dtype] = Slot(dispatcher, signature, f"{function.__module__}.{function.__qualname__}.{dtype}")

    def slot_for(args: Any) -> Slot | None:
        dtypes = {args[place] for place in floats}
        if len(dtypes) > 1:
            raise TypingError(f"{function.__name__}: expected floats of one dtype, got {dtypes}")
        return slots.get(dtypes.pop() if floats else None)

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            slot = slot_for(args)
            given = zip(args, slot.signature.args, strict=True) if slot else ()
            taken = (arg if isinstance(arg, types.Array) else expected for arg, expected in given)
            return slot and slot.signature.return_type(*taken)

    @lower_builtin(function, types.VarArg(types.Any))
    def call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slot: Any = slot_for(signature.args)
        values = [_value(context, builder, *pair) for pair in zip(signature.args, args, strict=True)]
        return call_by_address(context, builder, slot.signature, values, slot.symbol, FILL, flushes)

    infer_global(function, types.Function(Template))
    return function


# For engines: what computes with tiles and lanes, without arrays.
tiled = functools.partial(shared, library=Tiled)


def _type_of(kind: Any, dtype: types.Float | None) -> types.Type:
    """The type that an annotation stands for."""
    if kind in (int, float, np.float64, type(None)):
        return {int: types.int64, float: dtype, np.float64: types.float64, type(None): types.none}[kind]
    return types.BaseTuple.from_types([_type_of(item, dtype) for item in typing.get_args(kind)])


def _value(context: Any, builder: Any, kind: types.Type, arg: Any) -> Any:
    """What is passed for an argument: for an array where it is."""
    if not isinstance(kind, types.Array):
        return arg
    data = context.make_array(kind)(context, builder, arg).data
    return builder.ptrtoint(data, context.get_value_type(types.int64))
