"""Functions of whole networks: dispatchers inside @njit, and in Python what checks kinds and words the refusals."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.typing.templates import infer_global
from numba.np.numpy_support import from_dtype

from fastnn import arguments
from fastnn.kernels.compiler.jit import OPTIONS, Kept

ARRAYS = "x", "y", "workspace", "parameters"


def whole(function: Callable[..., Any]) -> Any:
    """Compile a function of networks. From Python it takes keywords; only after a refusal is it worked out what was wrong.

    What Numba would take for something else is looked for in every call: a masked array counts as a plain one, after some
    unaligned memory a byte-swapped one as native, and True as 1.
    """
    dispatcher = Kept(function, OPTIONS)
    signature, array = inspect.signature(function), np.ndarray

    @functools.wraps(function)
    def entry(*args: Any, **keywords: Any) -> Any:
        if keywords:
            args = _bound(function, signature, args, keywords)
        for value in args:
            kind = type(value)
            if kind is array:
                if value.dtype.isnative:
                    continue
            elif kind is not bool and not isinstance(value, array):
                continue
            _check_kinds(function, dict(zip(signature.parameters, args, strict=False)))
            args = tuple(np.asarray(v) if isinstance(v, array) else v for v in args)
        try:
            return dispatcher(*args)
        except Exception as error:
            named = dict(zip(signature.parameters, _bound(function, signature, args, {}), strict=True))
            if type(error) not in (ValueError, IndexError):  # those are of our own rules; Numba has many for wrong types
                try:
                    _check_kinds(function, named)
                except TypeError as finding:
                    raise finding from None
                raise
            came = ", ".join(f"{name} {arguments.describe(v)}" for name, v in named.items() if name != "net")
            raise type(error)(f"{function.__name__}: {error}; got {came}") from None

    infer_global(entry, types.Dispatcher(dispatcher))
    return entry


def by_address(function: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """Compile a function of int64 and, last, a zero of a network's dtype. Returns what has the compiled code for a dtype.

    That is called with ints and a float, without the dispatcher: each argument costs some 15 ns, and nothing is checked.
    """
    dispatcher = Kept(function, OPTIONS)
    integers = len(inspect.signature(function).parameters) - 1

    @functools.cache
    def code(dtype: Any) -> Callable[..., Any]:
        entry_point: Callable[..., Any] = dispatcher.compile((*[types.int64] * integers, from_dtype(dtype)))
        return entry_point

    return code


def _bound(
    function: Callable[..., Any], signature: inspect.Signature, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """All arguments by position."""
    try:
        return signature.bind(*args, **keywords).args
    except TypeError as error:
        raise TypeError(f"{function.__name__}: {error}") from None


def _check_kinds(function: Callable[..., Any], named: dict[str, Any]) -> None:
    """Raise a TypeError that names the first argument of the wrong kind, if there is one."""
    net = named.get("net")
    for name in [name for name in ("net", "m", *ARRAYS) if name in named]:
        value = named[name]
        came = f"got {arguments.describe(value)}"
        labels = name == "y" and isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1
        if name == "net":
            wanted = None if hasattr(value, "parameters") and isinstance(value, tuple) else "a network of model.compiled()"
        elif name == "m":
            usual = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            wanted = None if usual and value < 2**63 else "an int of 64 bits"
        elif not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
            wanted = "a numpy array"
        elif value.ndim == 0:
            wanted = "at least 1 dimension"
        elif labels:
            wanted = None if value.dtype.isnative else "labels of native byte order"
        else:
            assert net is not None  # it comes first
            wanted = None if value.dtype == net.parameters.dtype else f"dtype {net.parameters.dtype} like the network"
        if wanted is not None:
            raise TypeError(f"{function.__name__}: {name}: expected {wanted}, {came}")
