"""Windows whose cells lie apart, forward, and that do not overlap, back to da: sizes around a tile's, guard pages, bits."""

import numpy as np
import pytest
from guarded import guarded
from test_conv_engine import DTYPES, Setting, assert_near, by_reference, check, uniform

from fastnn import kernels, reference
from fastnn.constants import AUTO, WINOGRAD
from fastnn.kernels.convolution.choices import may_take_samples, takes_apart, takes_cell_rows
from fastnn.kernels.convolution.image_gradient import image_bytes
from fastnn.kernels.sums.cell_panels import CELLS_BYTES
from fastnn.kernels.sums.cell_rows import cell_rows_bytes
from fastnn.kernels.sums.cell_rows_back import apart_bytes
from fastnn.kernels.sums.planes import PLANE_BYTES

BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES)


def setting(m, C, H, K, f, S, P=0, W=None, groups=1):
    pairs = [x if isinstance(x, tuple) else (x, x) for x in (f, S, P)]
    return Setting((m, C * groups, H, W or H), (K * groups, C, *pairs[0]), *pairs[1:], (1, 1), groups)


LARGE = [
    setting(2, 3, 64, 40, 16, 16),
    setting(3, 3, 33, 70, 7, 7, 3),  # windows that reach out of the image on all sides
    setting(1, 3, 70, 33, 35, 35),  # a row of a window is longer than any vector
    setting(5, 20, 12, 17, 2, 2),  # one k more than a vector has
    setting(4, 3, 51, 65, 11, 4, 2),
    setting(3, 40, 13, 100, 3, 3, 1),  # runs of da that two panels share
    setting(2, 30, 9, 50, (3, 2), (4, 3), (1, 0), W=17),  # cells that no window reaches
    setting(2, 25, 15, 130, 2, 2, groups=2),
    setting(3, 210, 9, 20, 1, 2),  # windows of one cell: runs of channels
    setting(2, 30, 20, 20, (5, 1), (2, 3)),  # and of a column
    setting(9, 4, 4, 20, 4, 4),  # one cell an image
]


def drawn(rng):
    """Any window with a stride, K from fewer than half a tile has."""
    f, S, P = (tuple(int(x) for x in rng.integers(*ends, 2)) for ends in ((1, 9), (1, 9), (0, 4)))
    C, K = int(rng.choice([1, 3, 8, 30])), int(rng.choice([3, 8, 12, 16, 17, 33, 50, 97]))
    least = [max(1, f[axis] - 2 * P[axis]) for axis in range(2)]
    H, W = (int(rng.integers(n, n + 40)) for n in least)
    return setting(int(rng.integers(0, 5)), C, H, K, f, S, P, W)


def numbers(one):
    """What the choices ask for."""
    m, _, H, W = one.a
    K, C_g, f_h, f_w = one.theta
    out = [(n + 2 * P - f) // S + 1 for n, f, S, P in zip((H, W), (f_h, f_w), one.S, one.P, strict=True)]
    return (m, C_g, K // one.groups, H, W, *out), (f_h, f_w, *one.S, *one.P, 1, 1)


@BOTH_DTYPES
def test_random_windows(dtype):
    rng = np.random.default_rng(1)
    for one in [drawn(rng) for _ in range(60)] + LARGE:
        check(one, dtype, lambda shape, written=False: uniform(rng, shape, dtype), by_reference)


@BOTH_DTYPES
@pytest.mark.parametrize("before", [True, False])
def test_guard_pages(dtype, before):
    rng = np.random.default_rng(2)
    for one in [drawn(rng) for _ in range(20)] + LARGE:
        check(one, dtype, lambda shape, written=False: guarded(uniform(rng, shape, dtype), before), by_reference)


@BOTH_DTYPES
def test_steps_of_any_sign(dtype):
    """Images and theta whose cells are no neighbours; what lies between cells of `out` stays as it was."""
    rng = np.random.default_rng(3)
    a, theta = uniform(rng, (4, 6, 40, 80), dtype)[:, ::-2, ::-1, ::2], uniform(rng, (50, 3, 5, 5), dtype)
    turned, b = np.asfortranarray(theta)[:, :, ::-1], uniform(rng, (50,), dtype)
    for S, P in ((5, 0), (6, 2), (4, 1)):
        z = reference.conv2d_forward(*map(np.float64, (a, turned, b)), S, P)
        out = np.full((4, 50, z.shape[2], 2 * z.shape[3]), 7, dtype)
        kernels.conv2d_forward(a, turned, b, S, P, out[..., ::2])
        assert_near(out[..., ::2].copy(), z, 76, dtype)
        assert (out[..., 1::2] == 7).all()
        dz = uniform(rng, z.shape, dtype)
        da = reference.conv2d_dz_to_da(*map(np.float64, (dz, turned)), (40, 40), S, P)
        for one in (turned, np.ascontiguousarray(turned)):
            assert_near(kernels.conv2d_dz_to_da(dz, one, (40, 40), S, P), da, 50, dtype)
            assert_near(kernels.conv2d_dz_to_da(dz[::-1, ...].copy()[::-1], one, (40, 40), S, P), da, 50, dtype)


@BOTH_DTYPES
def test_bits_depend_on_no_address_and_no_other_sample(dtype):
    rng = np.random.default_rng(4)
    for one in LARGE[:5]:
        a, theta, b = (uniform(rng, shape, dtype) for shape in ((5, *one.a[1:]), one.theta, one.theta[:1]))
        z = kernels.conv2d_forward(a, theta, b, one.S, one.P)
        dz = uniform(rng, z.shape, dtype)
        da = kernels.conv2d_dz_to_da(dz, theta, one.a[2:], one.S, one.P)
        for before in (True, False):
            x, y = guarded(a, before), guarded(theta, before)
            assert np.array_equal(kernels.conv2d_forward(x, y, b, one.S, one.P), z)
            assert np.array_equal(kernels.conv2d_dz_to_da(guarded(dz, before), y, one.a[2:], one.S, one.P), da)
        sizes, window = numbers(one)
        if any(may_take_samples(back, AUTO, sizes, window, dtype(0)) for back in (0, 1)):
            continue  # as many samples as lanes may go another way
        for n in range(5):
            assert np.array_equal(kernels.conv2d_forward(a[n : n + 2].copy(), theta, b, one.S, one.P), z[n : n + 2])
            some = kernels.conv2d_dz_to_da(dz[n : n + 2].copy(), theta, one.a[2:], one.S, one.P)
            assert np.array_equal(some, da[n : n + 2])


@BOTH_DTYPES
def test_integers_are_exact_and_activations_meet_each_cell_once(dtype):
    rng = np.random.default_rng(5)
    for one in [drawn(rng) for _ in range(20)] + LARGE:
        a, theta, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in (one.a, one.theta, one.theta[:1]))
        z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), **one.keywords())
        assert np.array_equal(kernels.conv2d_forward(a, theta, b, **one.keywords()), z)
        g = kernels.conv2d_forward(a, theta, b, **one.keywords(), activation="leaky_relu")
        assert np.array_equal(g, reference.leaky_relu(z.astype(dtype)))
        dz = rng.integers(-3, 4, z.shape).astype(dtype)
        da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), one.a[2:], **one.keywords())
        assert np.array_equal(kernels.conv2d_dz_to_da(dz, theta, one.a[2:], **one.keywords()), da)


@BOTH_DTYPES
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_windows(special, dtype):
    rng = np.random.default_rng(6)
    for one in LARGE[:6]:
        a, theta, b = (uniform(rng, shape, dtype) for shape in ((3, *one.a[1:]), one.theta, one.theta[:1]))
        a[1, -1, -1, -1] = a[2, 0, 0, 0] = special
        with np.errstate(invalid="ignore"):
            z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), one.S, one.P)
            np.testing.assert_allclose(kernels.conv2d_forward(a, theta, b, one.S, one.P), z, rtol=0, atol=1e-3)
            dz = uniform(rng, z.shape, dtype)
            dz[0, 1, -1, -1] = dz[1, 0, 0, 0] = special
            da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), one.a[2:], one.S, one.P)
        np.testing.assert_allclose(kernels.conv2d_dz_to_da(dz, theta, one.a[2:], one.S, one.P), da, rtol=0, atol=1e-3)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_when_they_are_taken(zero):
    """By what a sample takes, whatever the number of samples, and never where cells are neighbours or windows overlap."""
    patches = setting(1, 3, 224, 192, 16, 16)
    for m in (1, 2, 64, 10**6):
        sizes, window = numbers(patches)
        assert takes_cell_rows(AUTO, (m, *sizes[1:]), window, zero)
        assert takes_apart(AUTO, (m, *sizes[1:]), window, zero)
    assert not takes_cell_rows(WINOGRAD, sizes, window, zero)
    assert not takes_cell_rows(AUTO, *numbers(setting(8, 6, 12, 16, 5, 1)), zero)  # LeNet
    assert not takes_apart(AUTO, *numbers(setting(8, 6, 12, 16, 5, 1)), zero)
    assert not takes_apart(AUTO, *numbers(setting(4, 3, 224, 64, 11, 4, 2)), zero)
    assert takes_cell_rows(AUTO, *numbers(setting(4, 3, 224, 64, 11, 4, 2)), zero)
    assert not takes_cell_rows(AUTO, *numbers(setting(4, 3, 224, 2, 16, 16)), zero)  # so few k


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_scratch_is_bounded(zero):
    """As convolution/groups.py has it, whatever the number of samples."""
    size, vector = zero.itemsize, 64
    for one in [*LARGE, setting(10**6, 3, 224, 768, 16, 16), setting(64, 3, 224, 64, 11, 4, 2)]:
        sizes, window = numbers(one)
        taps = sizes[1] * window[0] * window[1]
        for lanes_of, terms, needed in (
            (sizes[2], taps, cell_rows_bytes(sizes, window, zero)),
            (taps, sizes[2], apart_bytes(sizes, window, zero)),
        ):
            theta = -(-lanes_of * size // (3 * vector)) * (terms + 1) * 3 * vector
            cells = max(24, CELLS_BYTES // (terms * size))
            row = (sizes[6] - 1) * window[3] + window[1]
            copy = max(PLANE_BYTES, sizes[1] * window[0] * row * size) + 128 * sizes[1]
            assert needed <= theta + cells * (3 * vector + 8) + 16 * terms + copy + 1024
        assert image_bytes(AUTO, sizes, window, zero) <= image_bytes(AUTO, (10**7, *sizes[1:]), window, zero)
