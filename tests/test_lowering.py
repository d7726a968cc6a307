"""What lowering.py writes in place of Numba's code: the same numbers."""

import operator

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher
from processes import output

from fastnn.kernels.jit import OPTIONS
from fastnn.kernels.lean import Lean
from fastnn.kernels.lowering import WHOLE_NUMBERS

INTEGERS = 0, 1, -1, 2, -2, 3, 7, -7, 8, 63, -64, 10**6 + 7, -(10**12), 2**61, -(2**61), 2**63 - 1, -(2**63)


def lean(function):
    return CPUDispatcher(function, targetoptions={"nopython": True, **OPTIONS}, pipeline_class=Lean)


@pytest.mark.parametrize("op", WHOLE_NUMBERS, ids=lambda op: op.__name__)
def test_two_integers(op):
    """As Python's own, modulo 2^64; x // 0 and x % 0 are 0, as with Numba where division raises no error, and so is what
    overflows.
    """
    compiled = lean(lambda x, y: op(x, y))
    for x in INTEGERS:
        for y in INTEGERS:
            divides = op in (operator.floordiv, operator.mod)
            expected = 0 if divides and (y == 0 or (x, y) == (-(2**63), -1)) else op(x, y)
            assert compiled(x, y) == wrapped(expected), (x, y)


def wrapped(n):
    return (n + 2**63) % 2**64 - 2**63


@pytest.mark.parametrize("y", [-8, -7, -1, 1, 2, 7, 8, 1024])
def test_a_constant_divisor(y):
    compiled = lean(lambda x: (x // y, x % y, -(-x // y)))
    for x in INTEGERS[:-1]:
        assert compiled(x) == (x // y, x % y, -(-x // y)), x


def walk(n, begin):
    """Variables of one value and of many, used in blocks behind, in loops and on one of two ways."""
    once, total, last = begin * 3, 0, -1
    pair = (once, n)
    for i in range(n):
        inside = i * once
        if inside % 2 == 0:
            twice = inside + pair[1]
            total += twice
            last = twice
        else:
            for j in range(i):
                total -= j * inside
        while total > 1000:
            total -= once + inside
    return total, last, once, pair[-1], (n / (begin + 0.5), float(total) - last, n == last, n > 2 and begin < 3)


@pytest.mark.parametrize("n", [0, 1, 2, 9, 40])
@pytest.mark.parametrize("begin", [1, 2, 7])
def test_variables(n, begin):
    assert lean(walk)(n, begin) == walk(n, begin)


def gather(values):
    """Arrays, whose references are counted, beside numbers."""
    total, kept = 0.0, values
    for i in range(len(values)):
        part = values[i:].copy()
        total += part[0] + part[-1] + kept[0]
        kept = part
    return total, kept


def test_arrays():
    values = np.linspace(-1, 2, 7)
    total, kept = lean(gather)(values)
    expected, part = gather(values)
    assert total == pytest.approx(expected, rel=1e-14)
    assert np.array_equal(kept, part)


def test_for_debuggers():
    """With what they need in the code: every variable in its place, where it lives and when it ends."""
    code = """
import warnings
import numpy as np
from numba.core.errors import NumbaDebugInfoWarning
from fastnn import kernels
warnings.simplefilter("ignore", NumbaDebugInfoWarning)  # functions without a file have no lines
a, theta = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))
assert (kernels.conv2d_forward(a, theta, np.ones(4)) == 28).all()
assert (kernels.conv2d_dz_to_dtheta(a, np.ones((2, 4, 3, 3)), 3) == 18).all()
"""
    assert output(code, NUMBA_DEBUGINFO=1) == ""
