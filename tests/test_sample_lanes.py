"""Sums with a sample in each lane, wherever they can be taken: beside the reference, at the edges, at infinity, and when."""

import numpy as np
import pytest
from guarded import guarded
from numba import njit
from test_conv_engine import DTYPES, Setting, assert_near, draw, uniform

from fastnn import kernels, reference
from fastnn.constants import ACTIVATION_CODES, AUTO, DIRECT, SAMPLES
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.convolution.choices import in_lanes, may_take_samples
from fastnn.kernels.convolution.image_gradient import image_bytes
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.sums.sample_lanes import CELL_BYTES, RING_BYTES, samples_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # NumPy's word on infinity - infinity

BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES)


def forward(a, theta, b, setting, out=None, activation="identity", algorithm=SAMPLES):
    _, _, S, P, D, groups = setting
    return kernels.conv2d_forward.core(a, theta, b, S, P, out, D, groups, ACTIVATION_CODES[activation], algorithm)


def dz_to_da(dz, theta, setting, out=None, algorithm=SAMPLES):
    a, _, S, P, D, groups = setting
    return kernels.conv2d_dz_to_da.core(dz, theta, a[2:], S, P, out, D, groups, algorithm)


def check(setting, make, dtype):
    """On arrays that `make` draws and into arrays of NaN, beside the reference in float64."""
    words = setting.keywords()
    a, theta, b = make(setting.a), make(setting.theta), make(setting.theta[:1])
    wide = [np.asarray(x, np.float64) for x in (a, theta, b)]
    z = reference.conv2d_forward(*wide, **words)
    dz, outs = make(z.shape), [make(z.shape), make(setting.a)]
    for out in outs:
        out[...] = np.nan
    assert_near(forward(a, theta, b, setting, outs[0]), z, 1 + int(np.prod(setting.theta[1:])), dtype)
    da = reference.conv2d_dz_to_da(np.asarray(dz, np.float64), wide[1], setting.a[2:], **words)
    K, _, f_h, f_w = setting.theta
    assert_near(dz_to_da(dz, theta, setting, outs[1]), da, K // setting.groups * f_h * f_w, dtype)


def drawn(rng):
    """As everywhere, with up to three vectors of samples."""
    setting = draw(rng)
    m = int(rng.integers(1, 40)) if np.prod(setting.a[1:]) < 10_000 else 3
    return setting._replace(a=(m, *setting.a[1:]))


ONE = (1, 1)
LARGE = [
    Setting((17, 64, 28, 28), (80, 64, 3, 3), (2, 2), ONE, ONE, 1),  # a ring of rows, groups of channels, k in parts
    Setting((9, 130, 9, 30), (70, 130, 3, 2), ONE, (1, 0), ONE, 1),
    Setting((33, 300, 6, 7), (9, 300, 1, 1), ONE, (0, 0), ONE, 1),  # several groups of channels without a window
    Setting((16, 9, 16, 16), (16, 9, 5, 5), (3, 2), (2, 2), (2, 1), 1),  # images a power of two apart: a stage
    Setting((5, 2, 40, 300), (5, 2, 3, 3), (1, 2), ONE, ONE, 1),  # more cells than a stage has
    Setting((2, 3, 4, 5), (4, 3, 2, 2), (3, 4), (0, 0), ONE, 1),  # cells that no window reaches
]


@BOTH_DTYPES
def test_random_settings(dtype):
    rng = np.random.default_rng(1)
    for _ in range(100):
        check(drawn(rng), lambda shape: uniform(rng, shape, dtype), dtype)


@BOTH_DTYPES
@pytest.mark.parametrize("setting", LARGE, ids=str)
def test_blocks(setting, dtype):
    rng = np.random.default_rng(2)
    check(setting, lambda shape: uniform(rng, shape, dtype), dtype)


@BOTH_DTYPES
@pytest.mark.parametrize("before", [True, False])
def test_guard_pages(dtype, before):
    rng = np.random.default_rng(3)
    for setting in [drawn(rng) for _ in range(40)] + LARGE[2:]:
        check(setting, lambda shape: guarded(uniform(rng, shape, dtype), before), dtype)


@BOTH_DTYPES
def test_bits_depend_on_no_address_and_no_other_sample(dtype):
    rng = np.random.default_rng(4)
    setting = LARGE[3]
    a, theta, b = (uniform(rng, shape, dtype) for shape in (setting.a, setting.theta, setting.theta[:1]))
    z = forward(a, theta, b, setting)
    for before in (True, False):
        assert np.array_equal(forward(*(guarded(x, before) for x in (a, theta, b)), setting), z)
    assert np.array_equal(forward(a[3:5].copy(), theta, b, setting), z[3:5])
    dz = uniform(rng, z.shape, dtype)
    assert np.array_equal(dz_to_da(dz[7:].copy(), theta, setting), dz_to_da(dz, theta, setting)[7:])


@BOTH_DTYPES
def test_integers_are_exact(dtype):
    rng = np.random.default_rng(5)
    for setting in LARGE:
        a, theta, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in (setting.a, setting.theta, setting.theta[:1]))
        z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), **setting.keywords())
        assert np.array_equal(forward(a, theta, b, setting), z)
        dz = rng.integers(-3, 4, z.shape).astype(dtype)
        da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), setting.a[2:], **setting.keywords())
        assert np.array_equal(dz_to_da(dz, theta, setting), da)


@BOTH_DTYPES
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(special, dtype):
    """In its sample and its windows; with an activation behind it, too."""
    rng = np.random.default_rng(6)
    setting = Setting((19, 6, 9, 8), (11, 6, 3, 3), (2, 1), ONE, ONE, 1)
    a, theta, b = (uniform(rng, shape, dtype) for shape in (setting.a, setting.theta, setting.theta[:1]))
    a[1, 2, 3, 4] = a[18, 5, 8, 7] = special
    for g in ("identity", "relu", "tanh"):
        z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), **setting.keywords(), activation=g)
        np.testing.assert_allclose(forward(a, theta, b, setting, activation=g), z, rtol=0, atol=1e-4)
    dz = uniform(rng, z.shape, dtype)
    dz[2, 3, 4, 5] = dz[17, 0, 0, 0] = special
    da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), setting.a[2:], **setting.keywords())
    np.testing.assert_allclose(dz_to_da(dz, theta, setting), da, rtol=0, atol=1e-4)


# When they are taken ---------------------------------------------------------------------------------------------------


@njit
def taken(back, algorithm, sizes, window, zero):
    """How many are, by images whose rows lie one behind the other; whether they may be; and the scratch."""
    size, (W, W_out) = element_size(zero), ((sizes[6], sizes[4]) if back else (sizes[4], sizes[6]))
    rows, out = (0, 0, 0, size * W, size), (0, 0, 0, size * W_out, size)
    may = may_take_samples(back, algorithm, sizes, window, zero)
    return in_lanes(back, algorithm, sizes, window, rows, out, zero), may, samples_bytes(back, sizes, window, zero)


def bound(rows, W, W_out, C):
    """That of convolution/groups.py for cells of so many rows, columns, and columns of results."""
    return max(RING_BYTES, rows * W * 64 * (C + 2)) + CELL_BYTES + 640 * W_out + 32 * W_out + 32 * 1024


@njit
def back_bytes(algorithm, sizes, window, zero):
    return image_bytes(algorithm, sizes, window, zero)


def sizes_of(m, C, H, K, f, S, P):
    out = (H + 2 * P - f) // S + 1
    return (m, C, K, H, H, out, out), (f, f, S, S, P, P, 1, 1)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_taken_where_samples_are_many(zero):
    lenet, fewer, among_fewer_multiplications = (16, 6, 12, 16, 5, 1, 0), (16, 6, 6, 8, 3, 1, 0), (256, 16, 8, 32, 3, 1, 0)
    for numbers in ((64, 8, 12, 16, 5, 1, 0), (64, 64, 14, 128, 3, 2, 1), among_fewer_multiplications):
        assert taken(1, DIRECT, *sizes_of(*numbers), zero)[0]
        assert not taken(1, AUTO, *sizes_of(1, *numbers[1:]), zero)[0]
        if lanes(zero) >= 8 or numbers is not among_fewer_multiplications:  # shorter vectors lose less to the ends of rows
            assert taken(1, AUTO, *sizes_of(*numbers), zero)[0]
    if lanes(zero) >= 8:
        assert taken(1, AUTO, *sizes_of(*lenet), zero)[0]
    assert not taken(1, AUTO, *sizes_of(*fewer), zero)[0]  # it would save less than a call's share of compiling
    for numbers in ((64, 1, 28, 8, 5, 1, 0), (32, 3, 32, 32, 3, 1, 1), (32, 64, 28, 64, 3, 1, 1)):
        assert not taken(1, AUTO, *sizes_of(*numbers), zero)[0]
        assert not taken(0, AUTO, *sizes_of(*numbers), zero)[0]


@BOTH_DTYPES
def test_whole_vectors_and_the_rest(dtype):
    """What is left of the samples takes lanes of its own if that is faster, and goes another way if not."""
    zero, many, rng = np.dtype(dtype).type(0), 2 * lanes(np.dtype(dtype).type(0)), np.random.default_rng(8)
    found = []
    for m in range(many, 2 * many + 1):
        sizes, window = sizes_of(m, 16, 20, 32, 5, 1, 0)
        found.append(taken(1, AUTO, sizes, window, zero)[0])
        if m < 2 * many - 2 and m % lanes(zero) not in (0, 1, 2, lanes(zero) - 1):
            continue
        setting = Setting((m, 16, 20, 20), (32, 16, 5, 5), ONE, (0, 0), ONE, 1)
        dz, theta = uniform(rng, (m, 32, 16, 16), dtype), uniform(rng, setting.theta, dtype)
        da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), setting.a[2:], **setting.keywords())
        out = np.full(setting.a, np.nan, dtype)
        assert_near(dz_to_da(dz, theta, setting, out, AUTO), da, 32 * 25, dtype)
    if lanes(zero) >= 8:
        assert found[0] == found[1] == many
        assert found[lanes(zero) - 1] == many + lanes(zero) - 1
        assert found == sorted(found)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_scratch_is_bounded_and_enough_for_fewer_samples(zero):
    """As convolution/groups.py has it; 32 KB are lines of cells, and some more. A vector has 64 bytes at most."""
    rng = np.random.default_rng(7)
    for _ in range(300):
        H, f, S = int(rng.choice([2, 5, 8, 12, 28, 64])), int(rng.choice([1, 2, 3, 5])), int(rng.integers(1, 4))
        C, K, f, P = (
            int(rng.choice([1, 3, 8, 40, 200])),
            int(rng.choice([1, 4, 8, 40, 200])),
            min(f, H),
            int(rng.integers(0, 3)),
        )
        sizes, window = sizes_of(10**6, C, H, K, f, S, P)
        for back in (0, 1):
            rows, line, outs, channels = ((f - 1) // S + 2, sizes[6], H, K) if back else (f, H, sizes[6], C)
            _, may, scratch = taken(back, AUTO, sizes, window, zero)
            assert scratch <= bound(rows, line, outs, channels)
            for m in (1, 3, 7, 8, 9, 16, 20, 33, 1000):
                if taken(back, AUTO, (m, *sizes[1:]), window, zero)[0]:
                    assert may
            if back and may:
                assert back_bytes(AUTO, sizes, window, zero) >= scratch
