"""How a kernel is compiled: the only place with Numba's options, and what makes one name serve Python and @njit.

`@kernel` turns a function into two things. From Python it is a plain function: it forwards to the compiled core, and only
after the core has refused does it work out what was wrong. In a user's @njit code the same name is the core itself.
The core has one specialisation for a dtype, whatever the layouts: every array is taken as strided, inputs as read-only.
"""

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba.core import config, sigutils, types
from numba.core.errors import TypingError
from numba.core.imputils import lower_constant
from numba.core.typing.templates import infer_global
from numba.extending import models, overload, register_jitable, register_model
from numba.np.numpy_support import as_dtype

from fastnn import arguments, shapes
from fastnn.arguments import ArrayKind, Contract, Facts, Function
from fastnn.kernels.compiler.boxing import arrays_come_and_go
from fastnn.kernels.compiler.cache import DiskCache, directory
from fastnn.kernels.compiler.entry import Kind, Kinds, defaults_of, entry_of, parameters_of, written_out
from fastnn.kernels.compiler.interrupts import until_it_returns
from fastnn.kernels.compiler.lean import LeanDispatcher
from fastnn.kernels.compiler.linking import Part, Whole, made_as, undisturbed

if config.DISABLE_JIT:  # kernels exist in compiled code only: without it they would fail one by one, in Numba's words
    raise ImportError("NUMBA_DISABLE_JIT: fastnn.kernels cannot run uncompiled: use fastnn.ops with FASTNN_BACKEND=numpy")

# nnan and ninf are not among them: NaN and infinity pass through. "numpy" division lets loops vectorise.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "arcp", "nsz"},
}

# For what only compiled code calls: not public, not cached by itself, and without the wrappers for callers in Python and C,
# which take a sixth of the time to compile.
INTERNAL: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Internal(types.Dispatcher):
    """The type of a function that only compiled code calls, as it is passed to another: nothing, once that is compiled.

    Numba would pass the object's address, and what holds an address is not kept on disk.
    """


register_model(Internal)(models.OpaqueModel)


@lower_constant(Internal)
def _nothing(context: Any, builder: Any, type_: Any, value: Any) -> Any:
    return context.get_dummy_value()


class InternalDispatcher(LeanDispatcher):
    """What compiles such a function. Called from Python it is Python, for what is asked once and is not worth a compiler."""

    def __call__(self, *args: Any) -> Any:
        return self.py_func(*args)

    @property
    def _numba_type_(self) -> Internal:
        return Internal(self)

    def compile(self, sig: Any) -> Any:
        """Constants in tuples are any numbers: else all is compiled for those that a loop begins with, and then again."""
        args, _ = sigutils.normalize_signature(sig)
        with made_as(Part):
            return super().compile(tuple(types.unliteral(arg) if isinstance(arg, types.BaseTuple) else arg for arg in args))


compiled = functools.partial(InternalDispatcher, options=INTERNAL)

# For what takes or returns many numbers or vectors, and does little for them: they pass through memory in a call. To work
# out where a strip of pool3x3.py lies took longer, for a small image, than to pool it.
inlined = functools.partial(InternalDispatcher, options={**INTERNAL, "forceinline": True})

# For arithmetic whose order counts: no term is moved ("reassoc"), no -0 becomes 0 ("nsz"). LLVM keeps the flags of each
# instruction, so this holds inside kernels too. Always inlined: a call would keep the loop around it from vectorising.
exactly = functools.partial(InternalDispatcher, options={**INTERNAL, "fastmath": {"contract"}, "forceinline": True})

for _rule in vars(shapes).values():
    if inspect.isfunction(_rule):
        register_jitable(_rule)  # kernels call shapes.py by the same names as the reference

_SCALARS = {
    arguments.real: types.float64,
    arguments.integer: types.int64,
    arguments.truth: types.boolean,
    arguments.constants: types.UniTuple(types.float64, 3),
    arguments.activation: types.int64,
    arguments.algorithm: types.int64,
}

# The types, in a user's compiled code, of which these may be made.
_TAKEN = {
    arguments.real: (types.Integer, types.Float),
    arguments.integer: types.Integer,
    arguments.truth: types.Boolean,
    arguments.constants: types.BaseTuple,
}


class Kept(LeanDispatcher):
    """What compiles a function with the given options, and keeps it on disk."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], library: type[Whole] = Whole) -> None:
        self._library = library
        super().__init__(function, options)
        self._cache = DiskCache(function, options, announce)

    def compile(self, sig: Any) -> Any:
        with until_it_returns(), undisturbed(), made_as(self._library):
            return super().compile(sig)


class Core(Kept):
    """A kernel's compiled code: a Numba dispatcher that takes every layout of a dtype as the same type."""

    def __init__(self, function: Callable[..., Any], contract: Contract) -> None:
        super().__init__(function, OPTIONS)
        self.contract = contract
        self._known: set[tuple[Any, ...]] = set()
        self.entry_points: dict[Kinds, Callable[..., Any]] = {}

    def compile(self, sig: Any) -> Any:
        """Compile for the canonical form of the argument types, and let the given ones find it without a search."""
        args, _ = sigutils.normalize_signature(sig)
        canonical = self._canonical(args)
        with arrays_come_and_go():
            entry_point = super().compile(canonical)
        if all(map(self._is_usual, self.contract.names, canonical)):
            self.entry_points[tuple(map(_kind, canonical))] = entry_point
        if args not in self._known and args != canonical:
            self._insert([arg._code for arg in args], entry_point, False)
            self._known.add(args)
        return entry_point

    def _canonical(self, args: tuple[types.Type, ...]) -> tuple[types.Type, ...]:
        named = dict(zip(self.contract.names, args, strict=True))
        try:
            self.contract.check_facts({name: self._facts(name, named[name]) for name in self._present(named)})
        except (TypeError, ValueError) as error:
            raise TypingError(str(error)) from None
        return tuple(self._canonical_type(name, type_) for name, type_ in named.items())

    def _is_usual(self, name: str, type_: types.Type) -> bool:
        """Not, for one, a pair with an int from 2^63 on, which Numba takes for unsigned."""
        pair = isinstance(type_, types.BaseTuple) and self.contract.kinds[name] is arguments.pair
        return not pair or type_ == types.UniTuple(types.int64, 2)

    def _present(self, named: Mapping[str, types.Type]) -> list[str]:
        """The array parameters that got an argument; one that must have one counts as present."""
        parameters = self.contract.signature.parameters
        absent = (types.NoneType, types.Omitted)
        optional = {name for name in self.contract.arrays if parameters[name].default is None}
        return [name for name in self.contract.arrays if not (name in optional and isinstance(named[name], absent))]

    def _facts(self, name: str, type_: types.Type) -> Facts:
        if not isinstance(type_, types.Array):
            raise TypeError(f"{self.contract.name}: {name}: expected a numpy array, got {type_}")
        return Facts(as_dtype(type_.dtype), type_.ndim, type_.mutable)

    def _canonical_type(self, name: str, type_: types.Type) -> types.Type:
        kind = self.contract.kinds[name]
        if isinstance(type_, types.Array):
            return types.Array(type_.dtype, type_.ndim, "A", readonly=name not in self.contract.writes)
        absent = isinstance(type_, types.Omitted) or (isinstance(type_, types.NoneType) and kind not in _TAKEN)
        if absent or isinstance(kind, ArrayKind):
            return type_
        if kind is arguments.pair:
            return types.int64 if isinstance(type_, types.Integer) else types.unliteral(type_)
        if not isinstance(type_, _TAKEN.get(kind, types.Type)) or (kind is arguments.constants and not _are_three(type_)):
            raise TypingError(f"{self.contract.name}: {name}: expected {arguments.wanted(kind)}, got {type_}")
        return _SCALARS[kind]


def _kind(type_: types.Type) -> Kind:
    """`entry.kind` of a value of that type."""
    if isinstance(type_, types.Array):
        return type_.dtype.bitwidth // 8, type_.ndim
    return len(type_) if isinstance(type_, types.BaseTuple) else None


def _are_three(type_: types.BaseTuple) -> bool:
    return len(type_) == 3 and all(isinstance(item, types.Integer | types.Float) for item in type_)


@typing.overload
def kernel(function: Function) -> Function: ...
@typing.overload
def kernel(*, writes: tuple[str, ...]) -> Callable[[Function], Function]: ...
def kernel(function: Callable[..., Any] | None = None, *, writes: tuple[str, ...] = ("out",)) -> Callable[..., Any]:
    """Make a kernel of a function: `writes` names the parameters that it changes."""
    if function is None:
        return functools.partial(kernel, writes=writes)
    contract = Contract(function, writes)
    core = Core(function, contract)
    entry = functools.update_wrapper(entry_of(contract, core, core.entry_points), function)
    if contract.codes:
        overload(entry, prefer_literal=True)(_with_numbers(contract, core))
    else:
        infer_global(entry, types.Dispatcher(core))
    # A function has these attributes only from here on, which mypy cannot know.
    entry.signatures = core.overloads.keys()  # type: ignore[attr-defined]
    entry.core = core  # type: ignore[attr-defined]
    return entry


def _with_numbers(contract: Contract, core: Core) -> Callable[..., Any]:
    """What @njit compiles in place of a kernel that takes names: the core's call, with their numbers in place of them.

    A name is known while the user's function compiles, so this costs nothing when it runs.
    """
    parameters = parameters_of(contract)
    values = ", ".join(f"{name}_code" if name in contract.codes else name for name in contract.names)
    codes = "\n    ".join(f"{name}_code = number({name!r}, {name})" for name in contract.codes)
    source = f"""
def {contract.name}({parameters}):
    {codes}
    return lambda {parameters}: core({values})
"""

    def number(parameter: str, type_: Any) -> int:
        name = getattr(type_, "literal_value", getattr(type_, "value", type_))
        if not isinstance(name, str) or name not in contract.codes[parameter]:
            wanted = f"{arguments.wanted(contract.kinds[parameter])}, written out or a constant"
            raise TypingError(f"{contract.name}: {parameter}: expected {wanted}, got {name!r}")
        return contract.codes[parameter][name]

    return written_out(contract.name, source, {"core": core, "defaults": defaults_of(contract), "number": number})


@functools.cache
def announce() -> None:
    """Say once in a process that it compiles, so that nobody wonders at the wait; FASTNN_QUIET=1 says nothing."""
    if os.environ.get("FASTNN_QUIET", "0") in ("", "0"):
        kept = directory()
        later = f"later runs load them from {kept}" if kept else "nothing is kept: no private cache directory"
        print(f"fastnn: compiling kernels for this CPU, some seconds ({later})", file=sys.stderr, flush=True)


@overload(arguments.pair)
def _pair(value):
    """`arguments.pair` in compiled code: the types decide."""
    if isinstance(value, types.Omitted):
        constant = arguments.pair(value.value)
        return lambda value: constant
    if isinstance(value, types.Integer):
        return lambda value: (np.int64(value), np.int64(value))
    if isinstance(value, types.BaseTuple) and len(value) == 2 and all(isinstance(item, types.Integer) for item in value):
        return lambda value: (np.int64(value[0]), np.int64(value[1]))
    raise TypingError(f"expected an int or a pair of ints, got {value}")
