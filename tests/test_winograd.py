"""Winograd's sums over windows of 3 x 3 with a stride of 1 or 2, wherever they can be taken: beside the reference, at edges,
at infinity.
"""

import numpy as np
import pytest
from cases import Case, tolerance
from guarded import guarded
from layouts import LAYOUTS, WRITEABLE
from numba import njit

from fastnn import kernels, reference
from fastnn.constants import ACTIVATION_CODES, AUTO, DIRECT, WINOGRAD
from fastnn.kernels.image_gradient import image_bytes
from fastnn.kernels.windows import windows_bytes
from fastnn.kernels.winograd import PATCH_BYTES
from fastnn.kernels.winograd_choices import can_be, takes
from fastnn.kernels.winograd_schemes import TWO, scheme_of, way_back
from fastnn.kernels.winograd_theta import NEAR_BYTES, theta_bytes, theta_takes

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # NumPy's word on infinity - infinity

BOTH_DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
BOTH_STRIDES = pytest.mark.parametrize("S", [1, 2])
ONE = (1, 1)


def forward(a, theta, b, S, P, groups=1, out=None, activation="identity", algorithm=WINOGRAD):
    return kernels.conv2d_forward.core(a, theta, b, (S, S), P, out, ONE, groups, ACTIVATION_CODES[activation], algorithm)


def dz_to_da(dz, theta, size, S, P, groups=1, out=None, algorithm=WINOGRAD):
    return kernels.conv2d_dz_to_da.core(dz, theta, size, (S, S), P, out, ONE, groups, algorithm)


def dz_to_dtheta(a, dz, S, P, groups=1, out=None, algorithm=WINOGRAD):
    return kernels.conv2d_dz_to_dtheta.core(a, dz, (3, 3), (S, S), P, out, ONE, groups, algorithm)


def uniform(rng, shape, dtype):
    return rng.uniform(-1, 1, shape).astype(dtype)


def draw(rng):
    """Shapes of a and theta, padding, groups: images from one output cell on, few and many channels."""
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    C, K = (int(rng.choice([1, 2, 3, 5, 8, 9, 20])) for _ in range(2))
    P = tuple(map(int, rng.integers(0, 5, 2)))
    H, W = (max(1, 3 - 2 * p) + int(rng.integers(0, int(rng.choice([1, 4, 12, 40])))) for p in P)
    return (int(rng.integers(0, 6)), C * groups, H, W), (K * groups, C, 3, 3), P, groups


LARGE = [
    ((2, 200, 9, 11), (20, 200, 3, 3), (1, 1), 1),  # two blocks of channels, the second one added
    ((5, 13, 30, 27), (70, 13, 3, 3), (1, 1), 1),  # several panels, and columns of three vectors or two
    ((3, 17, 70, 5), (11, 17, 3, 3), (0, 2), 1),
    ((1, 9, 6, 150), (30, 9, 3, 3), (1, 0), 1),  # several runs a row
]


def assert_near(got, wanted, terms):
    assert got.dtype in (np.float32, np.float64)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance(Case("", "", lambda u: (), terms), got.dtype))


def check(setting, S, dtype, make):
    """All kernels, on arrays that `make` draws and into arrays of NaN, beside the reference in float64."""
    (m, C, H, W), weights, P, groups = setting
    a, theta, b = make((m, C, H, W)), make(weights), make(weights[:1])
    wide = [np.asarray(x, np.float64) for x in (a, theta, b)]
    z = reference.conv2d_forward(*wide, S, P, groups=groups)
    dz, outs = make(z.shape), [make(shape, True) for shape in (z.shape, a.shape, theta.shape)]
    for out in outs:
        out[...] = np.nan
    assert_near(forward(a, theta, b, S, P, groups, outs[0]), z, 1 + 9 * weights[1])
    wide_dz = np.asarray(dz, np.float64)
    da = reference.conv2d_dz_to_da(wide_dz, wide[1], (H, W), S, P, groups=groups)
    assert_near(dz_to_da(dz, theta, (H, W), S, P, groups, outs[1]), da, 9 * weights[0] // groups)
    dtheta = reference.conv2d_dz_to_dtheta(wide[0], wide_dz, 3, S, P, groups=groups)
    assert_near(dz_to_dtheta(a, dz, S, P, groups, outs[2]), dtheta, m * z.shape[2] * z.shape[3])


@BOTH_DTYPES
@BOTH_STRIDES
def test_random_settings(S, dtype):
    """400 in all, in any layout of any array."""
    rng = np.random.default_rng(1)

    def make(shape, written=False):
        layouts = WRITEABLE if written else LAYOUTS
        return layouts[str(rng.choice(list(layouts)))](uniform(rng, shape, dtype))

    for _ in range(100):
        check(draw(rng), S, dtype, make)


@BOTH_DTYPES
@BOTH_STRIDES
@pytest.mark.parametrize("setting", LARGE, ids=str)
def test_blocks(setting, S, dtype):
    rng = np.random.default_rng(2)
    check(setting, S, dtype, lambda shape, written=False: uniform(rng, shape, dtype))


@BOTH_DTYPES
@BOTH_STRIDES
@pytest.mark.parametrize("before", [True, False])
def test_guard_pages(S, dtype, before):
    rng = np.random.default_rng(3)
    for setting in [draw(rng) for _ in range(40)] + LARGE[1:]:
        check(setting, S, dtype, lambda shape, written=False: guarded(uniform(rng, shape, dtype), before))


@BOTH_DTYPES
@BOTH_STRIDES
def test_bits_depend_on_no_address(S, dtype):
    rng = np.random.default_rng(4)
    a, theta, b = uniform(rng, (3, 9, 11, 13), dtype), uniform(rng, (12, 9, 3, 3), dtype), uniform(rng, (12,), dtype)
    results = {forward(*(guarded(x, before) for x in (a, theta, b)), S, ONE).tobytes() for before in (True, False)}
    assert len(results) == 1
    dz = uniform(rng, (3, 12, -(-11 // S), -(-13 // S)), dtype)
    results = {dz_to_dtheta(guarded(a, before), guarded(dz, before), S, ONE).tobytes() for before in (True, False)}
    assert len(results) == 1
    results = {dz_to_da(*(guarded(x, before) for x in (dz, theta)), (11, 13), S, ONE).tobytes() for before in (True, False)}
    assert len(results) == 1


@BOTH_DTYPES
@BOTH_STRIDES
@pytest.mark.parametrize("C", [16, 64, 256])
def test_error(C, S, dtype):
    """It stays within the bound of the direct sum: all other tests rely on that."""
    rng = np.random.default_rng(5)
    a, theta, b = uniform(rng, (4, C, 14, 14), dtype), uniform(rng, (16, C, 3, 3), dtype), uniform(rng, (16,), dtype)
    z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), S, 1)
    assert_near(forward(a, theta, b, S, ONE), z, 1 + 9 * C)
    dz = uniform(rng, z.shape, dtype)
    dtheta = reference.conv2d_dz_to_dtheta(*map(np.float64, (a, dz)), 3, S, 1)
    assert_near(dz_to_dtheta(a, dz, S, ONE), dtheta, z[:, 0].size)
    theta, dz = uniform(rng, (C, 16, 3, 3), dtype), uniform(rng, (4, C, *z.shape[2:]), dtype)
    da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), (14, 14), S, 1)
    assert_near(dz_to_da(dz, theta, (14, 14), S, ONE), da, (3 - S // 2) ** 2 * C)


@BOTH_DTYPES
@BOTH_STRIDES
def test_integers_are_exact(S, dtype):
    rng = np.random.default_rng(6)
    a, theta, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((5, 19, 9, 8), (13, 19, 3, 3), (13,)))
    z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), S, 1)
    assert np.array_equal(forward(a, theta, b, S, ONE), z)
    dz = rng.integers(-3, 4, z.shape).astype(dtype)
    da = reference.conv2d_dz_to_da(*map(np.float64, (dz, theta)), (9, 8), S, 1)
    assert np.array_equal(dz_to_da(dz, theta, (9, 8), S, ONE), da)
    dtheta = reference.conv2d_dz_to_dtheta(*map(np.float64, (a, dz)), 3, S, 1)
    assert np.array_equal(dz_to_dtheta(a, dz, S, ONE), dtheta)


def assert_same_kinds(got, wanted):
    """NaN and infinity where they are wanted, and only there; the rest near."""
    for kind in (np.isnan, np.isposinf, np.isneginf):
        assert np.array_equal(kind(got), kind(wanted))
    finite = np.isfinite(wanted)
    np.testing.assert_allclose(got[finite], wanted[finite], rtol=0, atol=1e-3)


@BOTH_DTYPES
@BOTH_STRIDES
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(special, S, dtype):
    """In one sample of several, in two far apart, and in a weight; with an activation of finite values behind it."""
    rng = np.random.default_rng(7)
    a, theta, b = uniform(rng, (9, 6, 9, 8), dtype), uniform(rng, (11, 6, 3, 3), dtype), uniform(rng, (11,), dtype)
    dz = uniform(rng, (9, 11, -(-9 // S), -(-8 // S)), dtype)
    for places in ([(1, 2, 3, 3)], [(0, 0, 0, 0), (8, 5, -1, -1)], [(n, 1, 3, 2) for n in range(9)]):
        spoilt, spoilt_dz = a.copy(), dz.copy()
        for place in places:
            spoilt[place] = spoilt_dz[place] = special
        for g in ("identity", "tanh"):
            z = reference.conv2d_forward(*map(np.float64, (spoilt, theta, b)), S, 1, activation=g)
            assert_same_kinds(forward(spoilt, theta, b, S, ONE, activation=g), z)
        for left, right in ((spoilt, dz), (a, spoilt_dz)):
            dtheta = reference.conv2d_dz_to_dtheta(*map(np.float64, (left, right)), 3, S, 1)
            assert_same_kinds(dz_to_dtheta(left, right, S, ONE), dtheta)
        da = reference.conv2d_dz_to_da(*map(np.float64, (spoilt_dz, theta)), (9, 8), S, 1)
        assert_same_kinds(dz_to_da(spoilt_dz, theta, (9, 8), S, ONE), da)
    theta[3, 2, 0, 1] = special
    z = reference.conv2d_forward(*map(np.float64, (a, theta, b)), S)
    assert_same_kinds(forward(a, theta, b, S, (0, 0)), z)


@BOTH_DTYPES
@BOTH_STRIDES
def test_overflow_within_a_transform(S, dtype):
    """Cells near the largest number, whose differences are beyond it, and weights that make their sums small again."""
    most = np.finfo(dtype).max
    a, theta, b = np.zeros((2, 8, 6, 6), dtype), np.zeros((8, 8, 3, 3), dtype), np.ones(8, dtype)
    a[1, 3, 2, 0:5], theta[:, 3, 1, 1] = [-most, most, most, -most, most], 1e-30
    assert_same_kinds(forward(a, theta, b, S, ONE) / most, reference.conv2d_forward(a, theta, b, S, 1) / most)
    assert np.isfinite(forward(a, theta, b, S, ONE)).all()
    dz = np.full((2, 8, 6 // S, 6 // S), 1e-30, dtype)
    dtheta = reference.conv2d_dz_to_dtheta(a, dz, 3, S, 1) / most
    assert np.isfinite(dtheta).all()
    assert_same_kinds(dz_to_dtheta(a, dz, S, ONE) / most, dtheta)
    dz = np.zeros_like(dz)
    dz[1, 3, 1, :3], theta = [most, -most, most], np.full_like(theta, 1e-30)
    da = reference.conv2d_dz_to_da(dz, theta, (6, 6), S, 1) / most
    assert np.isfinite(da).all()
    assert_same_kinds(dz_to_da(dz, theta, (6, 6), S, ONE) / most, da)


# When it is taken ------------------------------------------------------------------------------------------------------


@njit
def taken(algorithm, sizes, window, zero):
    """Whether windows are summed so, gradients, and dz to da; and the scratch of each."""
    scheme, turned, met = way_back(sizes, window)
    z = takes(scheme_of(window), algorithm, sizes, window, zero), windows_bytes(sizes, window, algorithm, zero)
    dtheta = theta_takes(algorithm, sizes, window, zero), theta_bytes(sizes, window, algorithm, zero)
    return z, dtheta, (takes(scheme, algorithm, turned, met, zero), image_bytes(algorithm, sizes, window, zero))


def sizes_of(m, C, K, size, S=1, P=1):
    out = (size + 2 * P - 3) // S + 1
    return (m, C, K, size, size, out, out), (3, 3, S, S, P, P, 1, 1)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_taken_where_channels_are_many(zero):
    many = ((32, 64, 64, 28, 1), (16, 128, 128, 14, 1), (64, 32, 64, 26, 1), (8, 32, 32, 32, 1), (512, 64, 64, 32, 1))
    for setting in (*many, (32, 64, 128, 28, 2), (16, 128, 256, 28, 2), (8, 64, 64, 56, 2)):
        assert all(choice for choice, _ in taken(AUTO, *sizes_of(*setting), zero)), setting
        assert not any(choice for choice, _ in taken(DIRECT, *sizes_of(*setting), zero))
    few = ((64, 1, 32, 28, 1), (64, 2, 16, 28, 1), (64, 1, 1, 28, 1), (64, 64, 1, 28, 1), (8, 64, 64, 1, 1))
    few += ((1, 512, 512, 7, 1), (64, 1, 32, 28, 2), (64, 3, 16, 32, 2), (8, 64, 64, 3, 2))
    for setting in few:
        assert not any(choice for choice, _ in taken(AUTO, *sizes_of(*setting), zero)), setting
    sizes, _ = sizes_of(32, 64, 64, 28)
    for other in (
        (3, 3, 2, 1, 1, 1, 1, 1), (3, 3, 3, 3, 1, 1, 1, 1), (3, 3, 1, 1, 1, 1, 1, 2), (3, 3, 2, 2, 1, 1, 2, 2),
        (1, 9, 1, 1, 1, 1, 1, 1), (3, 1, 1, 1, 1, 1, 1, 1), (3, 1, 2, 2, 1, 1, 1, 1),
    ):  # fmt: skip
        for algorithm in (AUTO, WINOGRAD):
            assert not any(choice for choice, _ in taken(algorithm, sizes, other, zero)[:2]), other


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_not_taken_where_products_are_not_fewer(zero):
    """Nor is anything compiled to find that out. 5 x 5 cells are 225 products, and so are the 9 tiles that they lie in."""
    assert not can_be(TWO, AUTO, *sizes_of(64, 64, 64, 11, 2, 0), zero)
    assert can_be(TWO, WINOGRAD, *sizes_of(64, 64, 64, 11, 2, 0), zero)
    assert can_be(TWO, AUTO, *sizes_of(64, 64, 64, 11, 2, 1), zero)


@BOTH_STRIDES
@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_scratch_is_bounded_and_enough_for_fewer_samples(zero, S):
    """As conv.py has it, and 128 KB of sums of products and some lines. A vector has 64 bytes at most."""
    size, columns = zero.itemsize, 3 * 64 // zero.itemsize
    for C, K, side in ((16, 16, 9), (3, 40, 28), (64, 64, 28), (128, 128, 14), (1000, 64, 7), (8, 8, 2), (20, 9, 5)):
        row = (-(-K * size // 64) + 1) * 64
        bounds = (16 * (K + 7) * C * size, 16 * row * C + max(NEAR_BYTES, 16 * columns * row), 16 * (C + 7) * K * size)
        for P in (0, 1, 2):
            sizes, window = sizes_of(10**6, C, K, side, S, P)
            if sizes[5] < 1:
                continue
            for step, bound in enumerate(bounds):
                direct = taken(DIRECT, sizes, window, zero)[step][1]
                assert taken(WINOGRAD, sizes, window, zero)[step][1] <= direct + bound + PATCH_BYTES + 2**17
                for m in (1, 2, 3, 5, 17, 1000):
                    if taken(AUTO, (m, *sizes[1:]), window, zero)[step][0]:
                        enough = taken(AUTO, sizes, window, zero)[step][1]
                        assert enough >= taken(WINOGRAD, sizes, window, zero)[step][1]
                        assert enough > direct or step == 2  # what scatters may need more
