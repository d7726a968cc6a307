"""dtheta of depthwise convolutions: lines of cells go over the ends of rows, and of bands, channels and images."""

import numpy as np
import pytest
from guarded import guarded
from numba import njit

from fastnn import kernels, reference
from fastnn.kernels.sums.depthwise_theta import NEAR, NEAR_BYTES, SUMS_BYTES, depthwise_theta_bytes

BOTH_DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)

# (m, C, H, W), kernel size, S, P, D
SETTINGS = [
    ((2, 5, 7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),  # the image where it is, in which each vector meets an end
    ((2, 70, 14, 14), (3, 3), (1, 1), (1, 1), (1, 1)),  # several channels at a time, and fewer
    ((1, 3, 61, 66), (3, 3), (1, 1), (1, 1), (1, 1)),  # several bands
    ((1, 700, 6, 5), (5, 5), (1, 1), (2, 2), (1, 1)),  # more channels than keep their sums in scratch
    ((2, 7, 14, 14), (3, 3), (2, 2), (1, 1), (1, 1)),  # planes: every other cell
    ((2, 3, 61, 33), (4, 5), (2, 2), (2, 0), (1, 1)),  # of which one is longer, in bands
    ((1, 4, 25, 40), (5, 4), (3, 3), (1, 2), (1, 1)),
    ((2, 6, 12, 9), (3, 2), (1, 1), (0, 0), (1, 1)),  # rows of dz are shorter
    ((2, 6, 4, 3), (7, 7), (1, 1), (4, 5), (1, 1)),  # and longer: windows of little but padding
    ((1, 4, 70, 40), (3, 3), (1, 1), (3, 3), (3, 3)),
    ((2, 5, 40, 3), (5, 3), (2, 1), (2, 1), (1, 2)),
    ((2, 5, 6, 7), (2, 2), (1, 1), (3, 1), (1, 1)),  # windows that meet padding alone: above the image, beside it
    ((2, 5, 6, 7), (2, 2), (1, 1), (1, 3), (1, 1)),
    ((2, 5, 3, 9), (2, 2), (1, 1), (4, 0), (5, 1)),  # and on both sides of it
    ((3, 4, 1, 1), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((0, 4, 5, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
]
EACH = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def images_of(setting, dtype, make=np.copy):
    """Small integers, whose sums are exact, and where they are wanted."""
    shape, f, S, P, D = setting
    out = [(shape[2 + i] + 2 * P[i] - (f[i] - 1) * D[i] - 1) // S[i] + 1 for i in range(2)]
    rng = np.random.default_rng(0)
    return [make(rng.integers(-3, 4, size).astype(dtype)) for size in (shape, (*shape[:2], *out))]


def dtheta_of(module, a, dz, setting, out=None):
    shape, f, S, P, D = setting
    return module.conv2d_dz_to_dtheta(a, dz, f, S, P, out, D, shape[1])


@EACH
@BOTH_DTYPES
def test_sums_are_exact(dtype, setting):
    """At guard pages, and where the image's rows do not follow each other."""
    a, dz = images_of(setting, dtype)
    expected = dtheta_of(reference, a, dz, setting)
    for end in (False, True):
        out = guarded(np.full_like(expected, np.nan), end)
        np.testing.assert_array_equal(dtheta_of(kernels, guarded(a, end), guarded(dz, end), setting, out), expected)
    for axis in (2, 3):
        apart = np.repeat(a, 2, axis=axis)[:, :, :: 2 if axis == 2 else 1, :: 2 if axis == 3 else 1]
        np.testing.assert_array_equal(dtheta_of(kernels, apart, dz, setting), expected)


@EACH
@BOTH_DTYPES
def test_nan_stays_in_its_channel(dtype, setting):
    """And with the taps that meet it: neither the ends of rows nor what lies behind an image is multiplied by 0."""
    a, dz = images_of(setting, dtype)
    for spoilt in (a, dz):
        found = spoilt.copy()
        found[:, 1::2] = np.nan
        dtheta = dtheta_of(kernels, found if spoilt is a else a, found if spoilt is dz else dz, setting)
        np.testing.assert_array_equal(dtheta[0::2], dtheta_of(reference, a, dz, setting)[0::2])
    for cell in ((0, 0), (0, -1), (-1, 0), (-1, -1), (a.shape[2] // 2, a.shape[3] // 2)):
        alone = np.zeros_like(a)
        alone[:, :, cell[0], cell[1]] = 1
        met = dtheta_of(reference, alone, np.ones_like(dz), setting) > 0
        dtheta = dtheta_of(kernels, np.where(alone == 1, np.inf, a), np.ones_like(dz), setting)
        np.testing.assert_array_equal(np.isfinite(dtheta), ~met)


@EACH
@BOTH_DTYPES
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_padding_meets_nan_and_infinity(dtype, setting, value):
    """0 times them is NaN, as in the reference, where a tap meets padding, and where all of them do."""
    a, dz = images_of(setting, dtype)
    for cell in ((0, 0), (0, -1), (-1, 0), (-1, -1), (dz.shape[2] // 2, dz.shape[3] // 2)):
        spoilt = dz.copy()
        spoilt[-1:, 1::3, cell[0], cell[1]] = value
        with np.errstate(invalid="ignore"):
            expected = dtheta_of(reference, a, spoilt, setting)
        np.testing.assert_array_equal(dtheta_of(kernels, a, spoilt, setting), expected)


@njit
def scratch_of(sizes, window, zero):
    return depthwise_theta_bytes(sizes, window, zero)


def test_scratch_is_bounded():
    """By the formula in convolution/groups.py: vectors have 2 to 8 float64, and 2 KB are some lines."""
    for H, W, f, S in ((1, 1, 1, 1), (1, 1, 7, 1), (28, 28, 3, 1), (512, 512, 3, 2), (512, 512, 7, 1), (9, 4000, 3, 1)):
        P = f // 2
        out = (H + 2 * P - f) // S + 1, (W + 2 * P - f) // S + 1
        length = max(out[1], -(-W // S))
        cells, columns = max(8 * NEAR, length), f + 2
        planes = 8 * ((S * S + 1) * (cells + 8) + f * length)
        masks = (f + columns) * (cells // 2 + 8) * 8
        bound = max(NEAR_BYTES, planes) + max(SUMS_BYTES, 64 * f * columns) + masks + 2048
        for m in (1, 10**8):
            assert scratch_of((m, 1, 1, H, W, *out), (f, f, S, S, P, P, 1, 1), np.float64(0)) <= bound
