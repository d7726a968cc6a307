"""Winograd's sums over windows of 3 x 3 with a stride of 1 or 2, wherever they can be taken: beside the reference, at edges,
at infinity.
"""

import numpy as np
import pytest
from case import Case, tolerance
from guarded import guarded
from layouts import LAYOUTS, WRITEABLE

from fastnn import kernels, reference
from fastnn.constants import ACTIVATION_CODES, WINOGRAD

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
def test_edges(S, dtype):
    """Rows of up to four vectors of 16 cells and some: runs that just fit. And wide padding, and no channels."""
    rng = np.random.default_rng(8)
    settings = [((1, 2, 4, W), (3, 2, 3, 3), ONE, 1) for W in range(1, 71)]
    settings += [((1, 2, 3, W), (2, 2, 3, 3), (0, P), 1) for W, P in ((1, 9), (2, 17), (4, 34), (3, 50))]
    settings += [((2, 0, 5, 4), (3, 0, 3, 3), ONE, 1), ((2, 3, 5, 4), (0, 3, 3, 3), ONE, 1)]
    for setting in settings:
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


# What a difference or sum along one row or column of a patch, and no other, is too large for.
PATTERNS = [[1, -1]], [[1, 1]], [[1, 0, -1]], [[1, 0.5], [-1, -0.5]], [[0.5, 1], [-0.5, -1]]


@BOTH_DTYPES
@BOTH_STRIDES
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_overflow_anywhere(pattern, turned, S, dtype):
    """At each place of an image and of dz by themselves: what is computed again is finite, and near."""
    cells = np.array(pattern).T if turned else np.array(pattern)
    most, small = np.finfo(dtype).max, dtype(1e-30)
    tiny, theta, b = np.full((1, 2, 7, 7), small), np.full((2, 2, 3, 3), small), np.zeros(2, dtype)
    height, width = cells.shape

    def assert_finite(got, wanted):
        assert np.isfinite(wanted).all()
        assert_same_kinds(got / (most * small), wanted / (most * small))

    for P in (ONE, (0, 1)):
        H_out, W_out = ((7 + 2 * n - 3) // S + 1 for n in P)
        for y, x in np.ndindex(8 - height, 8 - width):
            a = np.zeros_like(tiny)
            a[0, 1, y : y + height, x : x + width] = cells * most
            dz, tiny_dz = a[:, :, :H_out, :W_out], tiny[:, :, :H_out, :W_out]
            assert_finite(forward(a, theta, b, S, P), reference.conv2d_forward(a, theta, b, S, P))
            assert_finite(dz_to_da(dz, theta, (7, 7), S, P), reference.conv2d_dz_to_da(dz, theta, (7, 7), S, P))
            for left, right in ((a, tiny_dz), (tiny, dz)):
                assert_finite(dz_to_dtheta(left, right, S, P), reference.conv2d_dz_to_dtheta(left, right, 3, S, P))
