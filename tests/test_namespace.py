"""Two backends, one namespace: what is in one is in the other, in the same words, and in the table of cases."""

import inspect
import re

import pytest
from cases import CASES

from fastnn import kernels, reference
from fastnn.arguments import ArrayKind, Contract

EVERY_KERNEL = pytest.mark.parametrize("name", kernels.__all__)


def test_names():
    assert kernels.__all__ == reference.__all__ == sorted(set(kernels.__all__))


def test_every_kernel_has_a_case_and_every_case_a_kernel():
    assert {case.kernel for case in CASES} == set(kernels.__all__)


def test_every_kernel_is_timed():
    assert {case.kernel for case in CASES if case.timed} == set(kernels.__all__)


def test_cases_have_names_of_their_own():
    assert len({str(case) for case in CASES}) == len(CASES)


@EVERY_KERNEL
def test_signature(name):
    """Names, order, defaults and annotations."""
    assert inspect.signature(getattr(kernels, name)) == inspect.signature(getattr(reference, name))


@EVERY_KERNEL
def test_docstring(name):
    """It opens with the equation's label and is the same in both."""
    words, same = (inspect.getdoc(getattr(backend, name)) for backend in (kernels, reference))
    assert words == same
    assert re.match(r"\(\d+\) ", words)


@EVERY_KERNEL
def test_file(name):
    files = [getattr(backend, name).__module__.rsplit(".", 1)[1] for backend in (kernels, reference)]
    assert files[0] == files[1]


@EVERY_KERNEL
def test_docstring_states_shapes(name):
    """Each array of a fixed rank is named there with its shape; elementwise ones share a shape that is anyone's."""
    function = getattr(reference, name)
    words = inspect.getdoc(function)
    contract = Contract(function.__wrapped__)
    for parameter, kind in contract.kinds.items():
        if isinstance(kind, ArrayKind) and kind.ndim is not None and parameter != "out":
            assert re.search(rf"\b{parameter}\b( \(|[^.]*? \()", words), parameter


@EVERY_KERNEL
def test_parameters(name):
    """At most seven up to `out`; it and what follows are optional, and what follows is an array only if it may be None."""
    parameters = inspect.signature(getattr(kernels, name)).parameters
    names = list(parameters)
    last = names.index("out") if "out" in names else len(names) - 1
    assert last < 7
    if "out" in names:
        assert parameters["out"].default is None
    contract = Contract(getattr(reference, name).__wrapped__)
    for later in names[last + 1 :]:
        assert parameters[later].default is not inspect.Parameter.empty
        assert later not in contract.arrays or parameters[later].default is None
