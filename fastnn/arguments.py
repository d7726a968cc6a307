"""What a kernel accepts, read from its annotated signature: one contract for both backends.

`Matrix`, `Images` and the other annotations say which arrays a parameter takes. From them a `Contract` checks a call, and
words the error when one fails. The reference checks before it computes; a compiled kernel checks by itself, and only after
it has refused is the contract asked for the full message, so a good call pays nothing.
"""

import functools
import inspect
import numbers
import operator
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, Union, overload

import numpy as np
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.constants import ACTIVATION_CODES, ALGORITHM_CODES

Function = TypeVar("Function", bound=Callable[..., Any])

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class ArrayKind:
    """An array parameter: its number of dimensions (None: from `least` to `most`); whether 1-D integer labels will do, or
    bytes are what it holds.
    """

    ndim: int | None
    labels: bool = False
    bytes: bool = False
    least: int = 0
    most: int = 64  # as many as NumPy has


class PairKind:
    """An int, or a pair of ints: vertical and horizontal."""


class ActivationKind:
    """The name of an activation, which compiled code has by its number."""


class AlgorithmKind:
    """The name of an algorithm, likewise."""


Array = Annotated[NDArray[np.floating], ArrayKind(None)]
Batch = Annotated[NDArray[np.floating], ArrayKind(None, least=1)]
Parameters = Batch
Vector = Annotated[NDArray[np.floating], ArrayKind(1)]
Matrix = Annotated[NDArray[np.floating], ArrayKind(2)]
Matrices = Annotated[NDArray[np.floating], ArrayKind(None, least=2, most=3)]
Images = Annotated[NDArray[np.floating], ArrayKind(4)]
Index = Annotated[NDArray[np.uint8], ArrayKind(4, bytes=True)]
Target = Annotated[NDArray[np.floating | np.integer], ArrayKind(2, labels=True)]
Pair = Annotated[int | tuple[int, int], PairKind()]
Activation = Annotated[str, ActivationKind()]
Algorithm = Annotated[str, AlgorithmKind()]
Constants = tuple[float, float, float]


def pair(value: Any) -> tuple[int, int]:
    """An int stands for both axes; a pair is (vertical, horizontal)."""
    if isinstance(value, (tuple, list)):
        vertical, horizontal = value
        return integer(vertical), integer(horizontal)
    both = integer(value)
    return both, both


def activation(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(value)


def algorithm(value: Any) -> str:
    return activation(value)


CODES: dict[Any, dict[str, int]] = {activation: ACTIVATION_CODES, algorithm: ALGORITHM_CODES}


def integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def real(value: Any) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError
    return float(value)


def truth(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def constants(value: Any) -> tuple[float, ...]:
    first, second, third = value
    return real(first), real(second), real(third)


class Facts(NamedTuple):
    """What a contract looks at in an array: known from its value in Python, from its type while compiling."""

    dtype: np.dtype
    ndim: int
    writeable: bool


def facts(array: NDArray[Any]) -> Facts:
    return Facts(array.dtype, array.ndim, array.flags.writeable)


class Contract:
    """The parameters of a kernel, and the checks and messages that follow from them."""

    def __init__(self, function: Callable[..., Any], writes: tuple[str, ...] = ("out",)) -> None:
        self.name = function.__name__
        self.signature = inspect.signature(function)
        self.names = tuple(self.signature.parameters)
        self.writes = writes
        hints = typing.get_type_hints(function, include_extras=True)
        self.kinds = {name: _kind(hints[name]) for name in self.names}
        self.arrays = tuple(name for name in self.names if isinstance(self.kinds[name], ArrayKind))
        self.codes = {name: CODES[kind] for name, kind in self.kinds.items() if callable(kind) and kind in CODES}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The value of every parameter, defaults filled in and pairs made of ints."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        return {name: self._scalar(name, value) for name, value in bound.arguments.items()}

    def _scalar(self, name: str, value: Any) -> Any:
        kind = self.kinds[name]
        absent = value is None and self.signature.parameters[name].default is None
        if absent or isinstance(kind, ArrayKind):
            return value
        try:
            plain = kind(value)
            numbers = plain if kind is pair else (plain,) if kind is integer else ()
            if not all(_is_short(number) for number in numbers):
                raise OverflowError
        except (TypeError, ValueError):
            raise TypeError(f"{self.name}: {name}: expected {wanted(kind)}, got {describe(value)}") from None
        except OverflowError:
            raise ValueError(f"{self.name}: {name}: expected {wanted(kind)} of 64 bits, got {describe(value)}") from None
        return plain

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise TypeError or ValueError for what shapes.py does not judge: kinds, dtypes, dimensions, and shared memory."""
        given = {}
        for name in self.arrays:
            value = values[name]
            if value is None and self.signature.parameters[name].default is None:
                continue
            if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
                raise TypeError(f"{self.name}: {name}: expected a numpy array, got {describe(value)}")
            given[name] = value
        self.check_facts({name: facts(value) for name, value in given.items()})
        for name, codes in self.codes.items():
            if values[name] not in codes:
                raise ValueError(f"{self.name}: {name}: expected {wanted(self.kinds[name])}, got {values[name]!r}")
        for name in self.writes:
            for other, value in given.items():
                if name in given and other != name and np.shares_memory(given[name], value):
                    raise ValueError(f"{self.name}: {name}: expected memory of its own, but it shares some with {other}")
            if name in given and _repeats_itself(given[name]):
                raise ValueError(f"{self.name}: {name}: expected one cell an element, got strides {given[name].strides}")

    def check_facts(self, given: Mapping[str, Facts]) -> None:
        """The part of `check` that needs no values: it also judges the types in a user's compiled code."""
        expected = None
        for name, fact in given.items():
            kind = self.kinds[name]
            labels = kind.labels and fact.dtype.kind in "iu" and fact.dtype.isnative
            if kind.bytes:
                if fact.dtype != np.uint8:
                    raise TypeError(f"{self.name}: {name}: expected dtype uint8, got {fact.dtype}")
            elif not labels and not _is_float(fact.dtype):
                wanted = "float32, float64 or integer labels" if kind.labels else "float32 or float64"
                raise TypeError(f"{self.name}: {name}: expected dtype {wanted}, got {fact.dtype}")
            elif not labels:
                expected = expected or (name, fact.dtype)
                if fact.dtype != expected[1]:
                    raise TypeError(f"{self.name}: {name}: expected {expected[1]} like {expected[0]}, got {fact.dtype}")
            ndim = 1 if labels else kind.ndim
            if name == "out" and ndim is None:
                ndim = self._result_ndim(given)
            if ndim is not None and fact.ndim != ndim:
                raise ValueError(f"{self.name}: {name}: expected {ndim} dimensions, got {fact.ndim}")
            if fact.ndim > kind.most:
                raise ValueError(f"{self.name}: {name}: expected at most {kind.most} dimensions, got {fact.ndim}")
            if fact.ndim < kind.least:
                raise ValueError(f"{self.name}: {name}: expected at least {kind.least} dimensions, got {fact.ndim}")
            if name in self.writes and not fact.writeable:
                raise ValueError(f"{self.name}: {name}: expected a writeable array, got a read-only one")

    def _result_ndim(self, given: Mapping[str, Facts]) -> int:
        """Of a result of any rank: batches of matrices, if any operand is one; else elementwise, like the first array."""
        first, *others = [fact.ndim for name, fact in given.items() if name not in self.writes]
        return max([first, *others]) if self.kinds["out"].most == 3 else first

    def explain(self, error: Exception, values: Mapping[str, Any]) -> Exception:
        """The same error with the rule first, and what came behind it."""
        came = ", ".join(f"{name} {describe(value)}" for name, value in values.items() if value is not None)
        return type(error)(f"{self.name}: {error}; got {came}")


@overload
def checked(function: Function) -> Function: ...
@overload
def checked(*, writes: tuple[str, ...]) -> Callable[[Function], Function]: ...
def checked(function: Callable[..., Any] | None = None, *, writes: tuple[str, ...] = ("out",)) -> Callable[..., Any]:
    """Make a reference function keep its contract; `__wrapped__` is the bare function."""
    if function is None:
        return functools.partial(checked, writes=writes)
    contract = Contract(function, writes)

    @functools.wraps(function)
    def entry(*args: Any, **kwargs: Any) -> Any:
        values = contract.bind(args, kwargs)
        contract.check(values)
        # np.matrix redefines *, so that the function must not see one
        plain = {name: np.asarray(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}
        try:
            result = function(**plain)
        except (ValueError, IndexError) as error:
            raise contract.explain(error, values) from None
        return result if values.get("out") is None else values["out"]

    return entry


def _kind(hint: Any) -> Any:
    """The annotation's kind: an ArrayKind, or a function that makes the plain Python value."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return _kind(next(part for part in typing.get_args(hint) if part is not type(None)))
    if typing.get_origin(hint) is Annotated:
        kind = hint.__metadata__[0]
        return {PairKind: pair, ActivationKind: activation, AlgorithmKind: algorithm}.get(type(kind), kind)
    return {float: real, int: integer, bool: truth, Constants: constants}[hint]


def wanted(kind: Any) -> str:
    return {
        pair: "an int or a pair of ints",
        activation: f"one of {', '.join(ACTIVATION_CODES)}",
        algorithm: f"one of {', '.join(ALGORITHM_CODES)}",
        real: "a number",
        integer: "an int",
        truth: "True or False",
        constants: "three numbers",
    }[kind]


def describe(value: Any) -> str:
    """A value in an error's words: an array by shape and dtype."""
    if isinstance(value, np.ndarray):
        masked = "masked " if isinstance(value, np.ma.MaskedArray) else ""
        return f"{masked}{value.shape} {value.dtype}"
    if isinstance(value, int) and not _is_short(value):
        return f"an int of {value.bit_length()} bits"
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))}{',' * (len(value) == 1)})"
    return repr(value) if isinstance(value, (int, float, str)) else type(value).__name__


def _is_float(dtype: np.dtype) -> bool:
    """float32 or float64; where longdouble has 64 bits, it is equal to float64 but another type."""
    return dtype in FLOATS and dtype.char in "fd"


def _is_short(number: int) -> bool:
    """Whether it is an int64: compiled code has no others."""
    return -(2**63) <= number < 2**63


def _repeats_itself(array: NDArray[Any]) -> bool:
    """Whether two elements may have a byte in common: see `shapes.is_nested`. NumPy gives empty arrays strides of 0 too."""
    return array.size > 0 and not shapes.is_nested(array.shape, array.strides, array.itemsize)
