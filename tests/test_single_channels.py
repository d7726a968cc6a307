"""Depthwise convolutions by each of their engines, whichever the cycles would choose: small integers give exact results.

With a channel in each lane (channel_lanes.py, channel_theta.py), and of rows that are read where they are
(depthwise_rows.py).
"""

import numpy as np
import pytest
from guarded import guarded
from numba import njit

from fastnn import reference
from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.layout import address, empty, in_use_until_here
from fastnn.kernels.conv import place_of
from fastnn.kernels.sums.channel_bands import MOST_BYTES
from fastnn.kernels.sums.channel_lanes import channels_bytes, sum_channels
from fastnn.kernels.sums.channel_theta import channel_theta, channel_theta_bytes
from fastnn.kernels.sums.depthwise_rows import depthwise_rows, rows_bytes

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
RNG = np.random.default_rng(0)

# (m, C, H, W), kernel size, S, P, D
SETTINGS = [
    ((2, 19, 7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),  # a square's last cell alone; fewer channels than lanes
    ((2, 33, 9, 6), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((1, 16, 16, 32), (3, 3), (2, 2), (1, 1), (1, 1)),  # rows of whole vectors lie one cell apart
    ((1, 5, 32, 32), (3, 3), (3, 3), (1, 1), (1, 1)),  # staged
    ((1, 9, 64, 24), (5, 5), (2, 1), (2, 2), (1, 1)),  # staged, run by run
    ((1, 18, 30, 70), (3, 3), (1, 1), (1, 1), (1, 1)),  # several bands
    ((1, 17, 75, 50), (3, 4), (2, 2), (1, 2), (1, 1)),
    ((2, 3, 80, 33), (7, 7), (3, 3), (3, 3), (1, 1)),
    ((1, 8, 61, 40), (5, 4), (3, 2), (1, 2), (1, 1)),
    ((1, 20, 12, 10), (3, 3), (1, 1), (2, 2), (2, 2)),
    ((1, 20, 40, 37), (3, 3), (1, 1), (3, 1), (3, 2)),
    ((2, 17, 5, 4), (2, 2), (1, 1), (5, 3), (1, 1)),  # windows of padding alone
    ((2, 16, 9, 9), (2, 1), (3, 3), (0, 1), (1, 1)),  # cells that no window reaches
    ((1, 16, 12, 13), (3, 3), (2, 2), (2, 2), (2, 2)),  # likewise, between those that are
    ((1, 16, 21, 9), (5, 3), (2, 3), (2, 2), (3, 2)),
    ((1, 4, 1, 1), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((1, 4, 3, 40), (7, 1), (1, 1), (3, 0), (1, 1)),
    ((1, 4, 40, 3), (1, 7), (1, 1), (0, 3), (1, 1)),
]


def drawn(rng):
    """Any other."""

    def two(low, high):
        return tuple(int(x) for x in rng.integers(low, high, 2))

    f, S, P, D = two(1, 8), two(1, 4), two(0, 5), two(1, 4) if rng.random() < 0.4 else (1, 1)
    least = [max(1, (f[axis] - 1) * D[axis] + 1 - 2 * P[axis]) for axis in range(2)]
    H, W = (int(rng.integers(n, n + int(rng.choice([1, 6, 20, 70])))) for n in least)
    return (int(rng.integers(1, 4)), int(rng.integers(1, 36)), H, W), f, S, P, D


EACH = pytest.mark.parametrize("setting", SETTINGS + [drawn(RNG) for _ in range(30)], ids=str)


@njit
def forward(a, theta, b, z, window, in_lanes):
    (m, C, H, W), zero, w = a.shape, a.dtype.type(0), place_of(theta)
    sizes, weights, bias = (m, 1, 1, H, W, *z.shape[2:]), (w[0], w[1], w[3], w[4]), (address(b), b.strides[0], IDENTITY)
    if in_lanes:
        count = channels_bytes(0, sizes, window, zero)
        scratch = empty(count // a.itemsize + 1, zero)
        scratch[:] = np.nan
        sum_channels(0, C, sizes, window, place_of(a), weights, bias, place_of(z), address(scratch), zero)
    else:
        count = rows_bytes(sizes, window, zero)
        scratch = empty(count // a.itemsize + 1, zero)
        scratch[:] = np.nan
        depthwise_rows(C, sizes, window, place_of(a), weights, bias, place_of(z), address(scratch), zero)
    in_use_until_here(scratch)
    return count


@njit
def back(dz, theta, da, window):
    (m, C, H, W), zero, w = da.shape, da.dtype.type(0), place_of(theta)
    sizes, weights = (m, 1, 1, H, W, *dz.shape[2:]), (w[0], w[1], w[3], w[4])
    count = channels_bytes(1, sizes, window, zero)
    scratch = empty(count // da.itemsize + 1, zero)
    scratch[:] = np.nan
    sum_channels(1, C, sizes, window, place_of(dz), weights, (0, 0, IDENTITY), place_of(da), address(scratch), zero)
    in_use_until_here(scratch)
    return count


@njit
def to_theta(a, dz, dtheta, window):
    (m, C, H, W), zero = a.shape, a.dtype.type(0)
    sizes, out = (m, 1, 1, H, W, *dz.shape[2:]), (address(dtheta), dtheta.strides[0])
    count = channel_theta_bytes(sizes, window, zero)
    scratch = empty(count // a.itemsize + 1, zero)
    scratch[:] = np.nan
    channel_theta(C, sizes, window, place_of(a), place_of(dz), out, address(scratch), zero)
    in_use_until_here(scratch)
    return count


def arrays_of(setting, dtype):
    (m, C, *n), f, S, P, D = setting
    out = [(n[i] + 2 * P[i] - (f[i] - 1) * D[i] - 1) // S[i] + 1 for i in range(2)]
    rng = np.random.default_rng(0)
    shapes = (m, C, *n), (C, 1, *f), (C,), (m, C, *out)
    return [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes], (*f, *S, *P, *D)


def ways(setting, a, theta, b, dz, window, at=lambda x: x):
    """What each engine computes, and the reference: its name, what it found and what is wanted."""
    _, f, S, P, D = setting
    groups, n = len(theta), a.shape[2:]
    a, theta, b, dz = (at(x) for x in (a, theta, b, dz))
    with np.errstate(invalid="ignore"):
        z = reference.conv2d_forward(a, theta, b, S, P, None, D, groups)
        da = reference.conv2d_dz_to_da(dz, theta, n, S, P, None, D, groups)
        dtheta = reference.conv2d_dz_to_dtheta(a, dz, f, S, P, None, D, groups)
    outs = [at(np.full_like(x, np.nan)) for x in (z, da, dtheta)]
    assert 0 < forward(a, theta, b, outs[0], window, True) <= MOST_BYTES + a.itemsize
    yield "lanes forward", outs[0], z
    assert 0 < back(dz, theta, outs[1], window) <= MOST_BYTES + a.itemsize
    yield "lanes back", outs[1], da
    assert 0 < to_theta(a, dz, outs[2], window) <= MOST_BYTES + a.itemsize
    yield "lanes dtheta", outs[2], dtheta
    if S == (1, 1):
        again = at(np.full_like(z, np.nan))
        forward(a, theta, b, again, window, False)
        yield "rows", again, z


@EACH
@DTYPES
def test_sums_are_exact(setting, dtype):
    """At guard pages, whatever is in the scratch."""
    arrays, window = arrays_of(setting, dtype)
    for end in (False, True):
        for name, found, wanted in ways(setting, *arrays, window, lambda x, end=end: guarded(x, end)):
            np.testing.assert_array_equal(found, wanted, name)


@EACH
@DTYPES
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity(setting, dtype, value):
    """They reach what the reference has them reach, where windows meet padding, too, and no other channel."""
    (a, theta, b, dz), window = arrays_of(setting, dtype)
    theta[theta == 0] = 1  # 0 times infinity is NaN: what a tap meets beside dz, back to da, is left out or a 0
    for cell in ((0, 0), (0, -1), (-1, 0), (-1, -1), (a.shape[2] // 2, a.shape[3] // 2)):
        for array in (a, dz):
            spoilt = array.copy()
            spoilt[-1:, 1::3, *(min(i, n - 1) for i, n in zip(cell, array.shape[2:], strict=True))] = value
            some = (spoilt, theta, b, dz) if array is a else (a, theta, b, spoilt)
            for name, found, wanted in ways(setting, *some, window):
                np.testing.assert_array_equal(found, wanted, f"{name} {cell}")
