"""NaN and infinity in any operand of any kernel reach the elements that they reach in NumPy, and no other."""

import numpy as np
import pytest
from case import DTYPES, tolerance
from case_rows import UPDATES
from cases import CASES
from comparison import as_float64, changed

from fastnn import reference
from fastnn.backend import ops

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # NumPy's word on infinity - infinity

SPECIAL = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}
SMALL = [case for case in CASES if not case.timed and all(np.size(v) > 1 for v in case.arguments(np.float64)[:1])]


def calls():
    """The first three small rows of each kernel, with each of its float operands."""
    for name in ops.__all__:
        for case in [case for case in SMALL if case.kernel == name][:3]:
            for place, value in enumerate(case.arguments(np.float64)):
                if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
                    yield pytest.param(case, place, id=f"{case}-{place}")


def results(backend, case, arguments):
    """What a call returns or changes; the error's type, where it is refused."""
    try:
        result = getattr(backend, case.kernel)(*arguments, **case.keywords)
    except ValueError as error:
        return str(error).partition(";")[0]
    return changed(arguments) if case.kernel in UPDATES else [result]


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(("case", "place"), [*calls()])
def test_like_numpy(case, place, dtype, special):
    """In the first, the last and a middle element, each in a call of its own."""
    for at in {0, -1, case.arguments(dtype)[place].size // 2}:
        arguments = list(case.arguments(dtype))
        arguments[place].flat[at] = SPECIAL[special]
        expected = results(reference, case, [as_float64(v).copy() if isinstance(v, np.ndarray) else v for v in arguments])
        got = results(ops, case, arguments)
        if isinstance(expected, str):
            assert got == expected
            continue
        met = meets(case, place, at)
        for ours, numpys in zip(got, expected, strict=True):
            ours, numpys = np.atleast_1d(ours)[met], np.atleast_1d(numpys)[met]
            assert np.array_equal(np.isnan(ours), np.isnan(numpys))
            assert np.array_equal(np.isposinf(ours), np.isposinf(numpys))
            assert np.array_equal(np.isneginf(ours), np.isneginf(numpys))
            finite = np.isfinite(numpys)
            np.testing.assert_allclose(ours[finite], numpys[finite], rtol=0, atol=tolerance(case, dtype))


def meets(case, place, at):
    """Where to look: a weight that meets nothing but padding counts as 0 times NaN or infinity, or not at all."""
    if place != 1 or case.kernel not in ("conv2d_forward", "conv2d_dz_to_da"):
        return ...
    ones = [np.ones_like(v) if isinstance(v, np.ndarray) else v for v in case.arguments(np.float64)]
    without = [v.copy() if isinstance(v, np.ndarray) else v for v in ones]
    without[1].flat[at] = 0
    return results(reference, case, ones)[0] != results(reference, case, without)[0]


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("size", [(1, 2, 1, 1), (3, 2, 4, 5)], ids=str)
@pytest.mark.parametrize("backend", [reference, ops], ids=["reference", "ops"])
def test_0_times_infinity(backend, size, dtype, special):
    """NaN, where windows and groups are one cell and channel, too: np.dot leaves out what is multiplied by a single 0."""
    zeros, theta, b = np.zeros(size, dtype), np.zeros((2, 1, 1, 1), dtype), np.zeros(2, dtype)
    spoilt, spoilt_theta = zeros.copy(), theta.copy()
    spoilt[0, 1, 0, 0] = spoilt_theta[1] = SPECIAL[special]
    cell, channel = spoilt != 0, np.zeros(size, bool)
    channel[:, 1] = True
    for a, weights, reached in ((spoilt, theta, cell), (zeros, spoilt_theta, channel)):
        assert np.array_equal(np.isnan(backend.conv2d_forward(a, weights, b, groups=2)), reached)
        assert np.array_equal(np.isnan(backend.conv2d_dz_to_da(a, weights, size[2:], groups=2)), reached)
    for a, dz in ((spoilt, zeros), (zeros, spoilt)):
        assert np.isnan(backend.conv2d_dz_to_dtheta(a, dz, 1, groups=2)).ravel().tolist() == [False, True]
