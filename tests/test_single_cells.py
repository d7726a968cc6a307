"""Windows of one cell, whose panels are made of all samples: sizes around a tile's, guard pages, bits, activations."""

import numpy as np
import pytest
from guarded import guarded
from numba import njit
from test_conv_engine import DTYPES, Setting, assert_near, by_reference, check, uniform

from fastnn import kernels, reference
from fastnn.kernels.convolution.windows import windows_bytes
from fastnn.kernels.sums.single_cells import can_be_cells, cells_bytes

ONE, NONE = (1, 1), (0, 0)
BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES)


def setting(m, C, H, W, K, groups=1):
    return Setting((m, C, H, W), (K, C // groups, 1, 1), ONE, NONE, ONE, groups)


# A tile has 6 to 48 columns: less than a vector, a vector, whole tiles, and one cell more are among these.
IMAGES = [(1, 1), (1, 5), (2, 3), (4, 4), (4, 6), (6, 8), (7, 7), (8, 8), (9, 11), (12, 16), (14, 14)]
LARGE = [
    setting(7, 500, 7, 7, 30),  # three blocks of channels
    setting(3, 400, 5, 29, 21),
    setting(9, 24, 6, 9, 40, groups=2),
    setting(3, 32, 19, 20, 130),  # dtheta in several panels, whose lanes are channels
    setting(50, 9, 1, 3, 17),  # many samples in a panel
]


def drawn(rng):
    H, W = IMAGES[rng.integers(len(IMAGES))]
    return setting(int(rng.integers(0, 20)), int(rng.choice([1, 3, 8, 33, 200])), H, W, int(rng.choice([5, 8, 12, 15, 33])))


@BOTH_DTYPES
def test_random_sizes(dtype):
    rng = np.random.default_rng(1)
    for one in [drawn(rng) for _ in range(150)] + LARGE:
        check(one, dtype, lambda shape, written=False: uniform(rng, shape, dtype), by_reference)


@BOTH_DTYPES
@pytest.mark.parametrize("before", [True, False])
def test_guard_pages(dtype, before):
    rng = np.random.default_rng(2)
    for one in [drawn(rng) for _ in range(40)] + LARGE:
        check(one, dtype, lambda shape, written=False: guarded(uniform(rng, shape, dtype), before), by_reference)


@BOTH_DTYPES
def test_samples_and_channels_that_lie_apart(dtype):
    """Every other sample and channel of larger arrays: what lies between them stays as it was."""
    rng = np.random.default_rng(3)
    a, out = uniform(rng, (10, 16, 7, 9), dtype), np.full((10, 40, 7, 9), 7, dtype)
    theta, b = uniform(rng, (20, 8, 1, 1), dtype), uniform(rng, (20,), dtype)
    kernels.conv2d_forward(a[::2, ::-2], theta, b, out=out[1::2, ::2])
    z = reference.conv2d_forward(*map(np.float64, (a[::2, ::-2], theta, b)))
    assert_near(out[1::2, ::2], z, 9, dtype)
    assert (out[::2] == 7).all()
    assert (out[:, 1::2] == 7).all()


@BOTH_DTYPES
def test_bits_depend_on_no_address_and_no_other_sample(dtype):
    rng = np.random.default_rng(4)
    for H, W in ((3, 3), (7, 7), (8, 8), (9, 11)):
        a, theta, b = uniform(rng, (9, 250, H, W), dtype), uniform(rng, (19, 250, 1, 1), dtype), uniform(rng, (19,), dtype)
        for g in ("identity", "tanh"):
            z = kernels.conv2d_forward(a, theta, b, activation=g)
            for before in (True, False):
                assert np.array_equal(kernels.conv2d_forward(*(guarded(x, before) for x in (a, theta, b)), activation=g), z)
            for n in range(9):
                assert np.array_equal(kernels.conv2d_forward(a[n : n + 2].copy(), theta, b, activation=g), z[n : n + 2])


@BOTH_DTYPES
def test_integers_are_exact_and_activations_meet_each_cell_once(dtype):
    rng = np.random.default_rng(5)
    for one in [drawn(rng) for _ in range(20)] + LARGE:
        a, theta, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in (one.a, one.theta, one.theta[:1]))
        z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), **one.keywords())
        assert np.array_equal(kernels.conv2d_forward(a, theta, b, **one.keywords()), z)
        g = kernels.conv2d_forward(a, theta, b, **one.keywords(), activation="leaky_relu")
        assert np.array_equal(g, reference.leaky_relu(z.astype(dtype)))


@BOTH_DTYPES
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_cell(special, dtype):
    rng = np.random.default_rng(6)
    for H, W in ((1, 2), (7, 7), (14, 14)):
        a, theta, b = uniform(rng, (4, 20, H, W), dtype), uniform(rng, (24, 20, 1, 1), dtype), uniform(rng, (24,), dtype)
        a[1, 3, -1, -1] = a[2, 0, 0, 0] = a[3, 19, -1, 0] = special
        with np.errstate(invalid="ignore"):
            z = reference.conv2d_forward(*map(np.float64, (a, theta, b)))
        np.testing.assert_allclose(kernels.conv2d_forward(a, theta, b), z, rtol=0, atol=1e-4)


@njit
def needed(sizes, window, zero):
    return can_be_cells(sizes, window, zero), cells_bytes(zero), windows_bytes(sizes, window, 0, zero)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_when_it_is_taken_and_scratch(zero):
    """40 KB, as convolution/groups.py has it: a panel and a tile's sums, in vectors of 64 bytes at most."""
    one = (1, 1, 1, 1, 0, 0, 1, 1)
    for m, C, K, size in ((1, 1, 8, 1), (32, 256, 256, 14), (10**6, 4000, 9, 300)):
        taken, scratch, most = needed((m, C, K, size, size, size, size), one, zero)
        assert taken
        assert scratch <= min(40 * 1024, most)
    assert not needed((32, 256, 256, 14, 14, 7, 7), (1, 1, 2, 2, 0, 0, 1, 1), zero)[0]
    assert not needed((32, 256, 256, 14, 14, 16, 16), (1, 1, 1, 1, 1, 1, 1, 1), zero)[0]
    assert not needed((32, 256, 256, 14, 14, 12, 12), (3, 3, 1, 1, 0, 0, 1, 1), zero)[0]


@BOTH_DTYPES
def test_dtheta_of_more_k_than_channels_has_the_bits_of_any_layout(dtype):
    """(17) Its lanes are channels where an image's cells are neighbours, else k: the sums and their order are the same."""
    rng = np.random.default_rng(5)
    wide, dz = uniform(rng, (3, 32, 19, 40), dtype), uniform(rng, (3, 130, 19, 20), dtype)
    a = wide[..., ::2]
    dtheta = kernels.conv2d_dz_to_dtheta(a.copy(), dz, 1)
    assert np.array_equal(kernels.conv2d_dz_to_dtheta(a, dz, 1), dtheta)
    assert_near(dtheta, reference.conv2d_dz_to_dtheta(*map(np.float64, (a, dz)), 1), 3 * 19 * 20, dtype)
