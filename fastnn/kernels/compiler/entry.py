"""What Python calls: a function with a kernel's own parameters, in front of its compiled core.

Written out, since with *args and **kwargs in their place a call takes 0.3 us more, and 5 us more with out= by name. Where
a kernel takes float arrays, pairs and ints, the function goes straight to the code that the last such call ran, and the
dispatcher's search for it, 0.18 of 0.4 us for arrays and 0.9 of 1.5 us for a convolution, is left out: the code looks at its
arrays and ints itself (boxing.py), and what it refuses goes the general way. A kernel that refuses has written nothing, so
that it may be asked again.
"""

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fastnn import arguments
from fastnn.arguments import ArrayKind, Contract

Kind = tuple[int, int] | int | None
Kinds = tuple[Kind, ...]

_PYTHON = {
    arguments.real: "float",
    arguments.integer: "int",
    arguments.truth: "bool",
    arguments.constants: "tuple",
}


def kind(value: Any) -> Kind:
    """What a specialisation depends on: of a float array its element's size and its dimensions, of a tuple its length."""
    if isinstance(value, np.ndarray):
        return value.itemsize, value.ndim
    return len(value) if isinstance(value, tuple) else None


def entry_of(
    contract: Contract, core: Callable[..., Any], entry_points: Mapping[Kinds, Callable[..., Any]]
) -> Callable[..., Any]:
    """The function, for a core that is compiled for the kinds of arguments that entry_points has."""
    general = _general(contract, core)
    others = [name for name in contract.names if name not in contract.codes]
    direct = all(_is_checked(contract, name) for name in others) and contract.writes == ("out",)
    return _direct(contract, general, entry_points) if direct else general


def _is_checked(contract: Contract, name: str) -> bool:
    """Whether boxing.py refuses an argument that is not what code for some types expects."""
    kind = contract.kinds[name]
    if isinstance(kind, ArrayKind):
        return not kind.labels
    return kind in (arguments.pair, arguments.integer)


def _direct(
    contract: Contract, general: Callable[..., Any], entry_points: Mapping[Kinds, Callable[..., Any]]
) -> Callable[..., Any]:
    """For float arrays, pairs and ints. It remembers an entry point for each dtype, with and without what may be None."""
    names = ", ".join(contract.names)
    values = ", ".join(f"{name}_codes[{name}]" if name in contract.codes else name for name in contract.names)
    absent = [name for name in contract.names if contract.signature.parameters[name].default is None]
    tests = [*(f"{name} is None" for name in absent), f"{contract.names[0]}.itemsize == 4"]
    source = f"""
def {contract.name}({parameters_of(contract)}):
    try:
        return {_chosen(tests)}({values})
    except Exception:
        return remember({names})
"""

    def remember(*args: Any) -> Any:
        result = general(*args)
        given = dict(zip(contract.names, args, strict=True))
        pairs = [name for name in contract.names if contract.kinds[name] is arguments.pair and given[name] is not None]
        outcomes = [*(given[name] is None for name in absent), args[0].itemsize == 4]
        scope[_entry(outcomes)] = entry_points.get(tuple(2 if name in pairs else kind(given[name]) for name in given))
        return result

    scope: dict[str, Any] = {"defaults": defaults_of(contract), "remember": remember}
    scope.update({f"{name}_codes": codes for name, codes in contract.codes.items()})
    scope.update({_entry(outcomes): None for outcomes in itertools.product((False, True), repeat=len(tests))})
    return written_out(contract.name, source, scope)


def _chosen(tests: list[str], outcomes: tuple[bool, ...] = ()) -> str:
    """The entry point that the tests choose, in Python."""
    if len(outcomes) == len(tests):
        return _entry(outcomes)
    return f"({_chosen(tests, (*outcomes, True))} if {tests[len(outcomes)]} else {_chosen(tests, (*outcomes, False))})"


def _entry(outcomes: Iterable[bool]) -> str:
    return "entry_" + "".join("ny"[outcome] for outcome in outcomes)


def written_out(name: str, source: str, scope: dict[str, Any]) -> Callable[..., Any]:
    """The function of that name in the source, with `scope` for its globals."""
    exec(source, scope)
    function: Callable[..., Any] = scope[name]
    return function


def parameters_of(contract: Contract) -> str:
    return ", ".join(
        name if parameter.default is inspect.Parameter.empty else f"{name}=defaults[{name!r}]"
        for name, parameter in contract.signature.parameters.items()
    )


def defaults_of(contract: Contract) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in contract.signature.parameters.items()}


def _general(contract: Contract, core: Callable[..., Any]) -> Callable[..., Any]:
    """For all arguments: the core's dispatcher finds the code for them, and errors are put into the contract's words."""
    usual = " and ".join(_is_usual(contract, name) for name in contract.names if name not in contract.codes)
    values = ", ".join(_value(contract, name) for name in contract.names)
    source = f"""
def {contract.name}({parameters_of(contract)}):
    try:
        if {usual}:
            return core({values})
        result = core(*plain(contract, ({", ".join(contract.names)},)))
        return {"result if out is None else out" if "out" in contract.names else "result"}
    except Exception as error:
        raise reason(contract, ({", ".join(contract.names)},), error) from None
"""
    scope = {
        "contract": contract,
        "core": core,
        "defaults": defaults_of(contract),
        "ndarray": np.ndarray,
        "single": np.dtype(np.float32),
        "double": np.dtype(np.float64),
        "codes": contract.codes,
        "plain": _plain,
        "reason": _reason,
    }
    return written_out(contract.name, source, scope)


def _is_usual(contract: Contract, name: str) -> str:
    """The test, in Python, that an argument is of the very type that the core is mostly called with."""
    kind = contract.kinds[name]
    if isinstance(kind, ArrayKind):
        # Once Numba has seen some array that is not plain memory (unaligned, say), it takes byte-swapped ones for native.
        # The two usual dtypes are faster to find than the property; what code from the disk cache returns has others.
        native = f"({name}.dtype is single or {name}.dtype is double or {name}.dtype.isnative)"
        test = f"type({name}) is ndarray and {native}"
    elif kind is arguments.pair:
        test = f"(type({name}) is int or (type({name}) is tuple and set(map(type, {name})) == {{int}}))"
    else:
        test = f"type({name}) is {_PYTHON[kind]}"
    return f"({name} is None or ({test}))" if contract.signature.parameters[name].default is None else test


def _value(contract: Contract, name: str) -> str:
    """What the core gets for an argument of the usual type, in Python."""
    if contract.kinds[name] is arguments.pair:
        return f"({name}, {name}) if type({name}) is int else {name}"
    return f"codes[{name!r}][{name}]" if name in contract.codes else name


def _plain(contract: Contract, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments of other types than the usual: subclasses of arrays as plain views, NumPy's scalars as Python's."""
    values = contract.bind(args, {})
    contract.check(values)
    values.update({name: codes[values[name]] for name, codes in contract.codes.items()})
    return tuple(np.asarray(v) if isinstance(v, np.ndarray) else v for v in values.values())


def _reason(contract: Contract, args: tuple[Any, ...], error: Exception) -> Exception:
    """What to raise for a refused call: the contract's own finding, else the rule that the core named."""
    try:
        values = contract.bind(args, {})
        contract.check(values)
    except (TypeError, ValueError) as finding:
        return finding
    return contract.explain(error, values) if type(error) in (ValueError, IndexError) else error
