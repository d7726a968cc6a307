"""Images whose last cell has a vector to itself, for any CPU's: odd squares, guard pages, activations."""

import numpy as np
import pytest
from guarded import guarded
from test_conv_engine import DTYPES, Setting, by_reference, check, uniform

from fastnn import kernels, reference
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.sums.last_cell import is_alone

BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES)
IMAGES = [(7, 7), (9, 9), (1, 17), (3, 11), (5, 13), (11, 3)]
# Window, padding, dilation: results as large as the image, where some meet little but padding; and smaller ones.
WINDOWS = [(3, 1, 1), (3, 3, 3), (5, 2, 1), (7, 3, 1), (1, 0, 1)]


def drawn(rng):
    """K from less than a full tile to more than four of them; for 100 and 300 channels there are several blocks of taps."""
    H, W = IMAGES[rng.integers(len(IMAGES))]
    f, P, D = WINDOWS[rng.integers(len(WINDOWS))]
    S, C, K = int(rng.choice([1, 1, 2])), int(rng.choice([1, 3, 40, 100, 300])), int(rng.choice([7, 8, 9, 17, 33, 40, 47]))
    image = (S * (H - 1) + 1, S * (W - 1) + 1)
    return Setting((1, C, *image), (K, C, f, f), (S, S), (P, P), (D, D), 1)


@BOTH_DTYPES
def test_they_are_alone(dtype):
    for H, W in IMAGES:
        assert is_alone(H * W, dtype(0)) == (lanes(dtype(0)) < H * W)


@BOTH_DTYPES
def test_random_sizes(dtype):
    rng = np.random.default_rng(1)
    for one in [drawn(rng) for _ in range(100)]:
        check(one, dtype, lambda shape, written=False: uniform(rng, shape, dtype), by_reference)


@BOTH_DTYPES
@pytest.mark.parametrize("before", [True, False])
def test_guard_pages(dtype, before):
    rng = np.random.default_rng(2)
    for one in [drawn(rng) for _ in range(40)]:
        check(one, dtype, lambda shape, written=False: guarded(uniform(rng, shape, dtype), before), by_reference)


@BOTH_DTYPES
def test_what_lies_apart_and_is_activated(dtype):
    """Small integers give exact results, in every other channel of a larger array, where the others stay as they were."""
    rng = np.random.default_rng(3)
    a, theta, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((2, 60, 7, 7), (29, 60, 3, 3), (29,)))
    out = np.full((2, 58, 7, 7), 7, dtype)
    for n in range(2):
        one = slice(n, n + 1)
        kernels.conv2d_forward(a[one], theta, b[::-1], padding=1, out=out[one, ::-2], activation="relu", algorithm="direct")
    z = reference.conv2d_forward(*map(np.float64, (a, theta, b[::-1])), padding=1)
    np.testing.assert_array_equal(out[:, ::-2], np.maximum(z, 0))
    assert (out[:, ::2] == 7).all()
