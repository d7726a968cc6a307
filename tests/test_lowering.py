"""What lowering.py writes in place of Numba's code: the same numbers."""

import operator

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher
from processes import output

from fastnn.kernels.compiler.jit import OPTIONS, compiled
from fastnn.kernels.compiler.lean import Lean
from fastnn.kernels.compiler.lowering import WHOLE_NUMBERS

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


@compiled
def weighed(first, second, third):
    return first + 2 * second + 3 * third


def spread(pair, numbers):
    """Starred arguments and a starred tuple."""
    return weighed(*pair, 1), weighed(*(*numbers, 0)), (*pair, 5)


def test_stars():
    assert lean(spread)((1, 2), (3, 4)) == (8, 11, (1, 2, 5))


RANGES = (0, 5), (5, 0), (-3, 3), (0, 7, 3), (0, 6, 3), (7, 0, -2), (-2, -9, -3), (2, 9, -1), (4, 4), (1, 0, 5)


def along(values, begin, end, step):
    """Ranges with a step that is known and one that is not, one in the other, and what is left of one."""
    total, count = 0, 0
    for i in range(begin, end, step):
        total = total * 3 + i
        for j in range(i, begin, -2):
            if j == end:
                continue
            total += j
        for j in range(begin, end):
            total -= j
            if j > 3:
                break
        for _ in range(i):
            count += 1
    walk = range(end)
    for i in walk:
        for j in walk:
            count += i * j
    for k in range(len(values)):
        count += values[k]
    return total, count


@pytest.mark.parametrize("places", RANGES)
def test_ranges(places):
    """With variables as values and, beside arrays, in memory, as Numba has them."""
    for values in ((1, 2, 4), np.array([1, 2, 4])):
        begin, end, step = (*places, 1)[:3]
        assert lean(along)(values, begin, end, step) == along(values, begin, end, step)


@compiled
def along_all(numbers):
    total = 0
    for i in numbers:
        total += i
    return total


def elsewhere(n, walk):
    """Ranges that are more than what a loop walks along."""
    numbers = range(n) if n > 2 else range(1, 2)
    first, second = range(n, n + 2)
    total = len(numbers) + numbers.stop + along_all(range(1, n)) + along_all(walk) + (n in numbers) + first * second
    for i in numbers:
        total += i
    return total


elsewhere_compiled = compiled(elsewhere)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_ranges_elsewhere(n):
    compiled_one = lean(lambda n: elsewhere_compiled(n, range(3, n)))
    assert compiled_one(n) == elsewhere(n, range(3, n))


def test_an_empty_range_of_step_0():
    """Without an error, which costs every loop a question."""
    assert lean(along)((0,), 0, 5, 0) == (0, 100)


@pytest.mark.parametrize("numbers", [(3, 4), (4, 3), (-1, -1), (2**62, -(2**63)), (5, 2, 9), (-4, -9, 0)])
def test_the_least_and_the_greatest(numbers):
    compiled_two, compiled_three = (
        lean(lambda x, y: (min(x, y), max(x, 7))),
        lean(lambda x, y, z: (min(x, y, z), max(x, y, z))),
    )
    x, y, *z = numbers
    assert (compiled_three(*numbers) if z else compiled_two(x, y)) == (
        (min(numbers), max(numbers)) if z else (min(x, y), max(x, 7))
    )


@pytest.mark.parametrize("x", [-1.5, 0.0, np.nan, 7.5])
def test_the_least_of_other_numbers(x):
    assert lean(lambda x: (min(x, 2), max(2, x), max(np.float32(x), np.float32(1))))(x) == pytest.approx(
        (min(x, 2), max(2, x), max(np.float32(x), np.float32(1))), nan_ok=True
    )


@compiled
def refused(n, is_refused, pair):
    if is_refused and n > pair[0]:
        raise ValueError("too many")
    return n + pair[1], not is_refused, 0.5 * n


@compiled
def write_to(values, n):
    if n > 0:
        values[0] = refused(n, values[0] > 0, (3, 4))[2]


@compiled
def passed_on(values, n):
    write_to(values, n)
    return values, refused(n, False, (n, 1))


def test_calls():
    """Values and nothing come back, and errors from where they are raised, through those that raise none."""
    outer, values = lean(lambda values, n: passed_on(values, n)), np.zeros(2)
    result, numbers = outer(values, 5)
    assert np.shares_memory(result, values)
    assert (values[0], numbers) == (2.5, (6, True, 2.5))
    assert outer(values, 2)[1] == (3, True, 1.0)
    with pytest.raises(ValueError, match="too many"):
        outer(values, 4)


@compiled
def long_way(n, pair):
    """What would need a place of its own in each round of a loop would need more than a thread's stack."""
    total = 0
    for i in range(n):
        for j in range(i % 3, i % 5, 1 + i % 2):
            total += j
        total += refused(i, False, pair)[0]
        for j in range(i % 3):
            total ^= j  # no sum: LLVM makes a formula of it, and LLVM 15 then divides numbers of 65 bits by calling nobody
    return total


def test_long_loops():
    expected = 0
    for i in range(30):
        expected += sum(range(i % 3, i % 5, 1 + i % 2)) + i + 2
        for j in range(i % 3):
            expected ^= j
    assert lean(lambda n: long_way(n, (1, 2)))(30) == expected
    assert lean(lambda n: long_way(n, (1, 2)))(3_000_000) > 0


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
