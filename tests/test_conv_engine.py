"""The engine under the convolution kernels: random settings beside the reference and PyTorch, bounds, memory."""

import sys
from typing import NamedTuple

import numpy as np
import pytest
from case import Case, tolerance
from guarded import guarded
from layouts import LAYOUTS, WRITEABLE
from numba import njit

from fastnn import kernels, reference
from fastnn.constants import AUTO, DIRECT
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.convolution.channel_choices import takes_channels
from fastnn.kernels.convolution.image_gradient import image_bytes
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.products.product_ways import SCRATCH
from fastnn.kernels.registers.simd import registers
from fastnn.kernels.sums.channel_lanes import MOST_BYTES, channels_bytes
from fastnn.kernels.sums.correlate import correlate_bytes
from fastnn.kernels.sums.cropping import cropped
from fastnn.kernels.sums.depthwise import COPY_BYTES, depthwise_bytes
from fastnn.kernels.sums.few_cells import are_few
from fastnn.kernels.sums.few_products import COLS_BYTES as FEW_BYTES
from fastnn.kernels.sums.few_products import are_dots, are_products, is_far
from fastnn.kernels.sums.planes import PLANE_BYTES
from fastnn.kernels.sums.sample_lanes import CELL_BYTES
from fastnn.kernels.sums.sample_lanes import RING_BYTES as SAMPLE_BYTES
from fastnn.kernels.sums.scatter import COLS_BYTES
from fastnn.kernels.sums.theta_gradient import SUMS_BYTES, gradient_bytes
from fastnn.kernels.sums.theta_room import CELLS
from fastnn.kernels.sums.weights import rest_of

DTYPES = (np.float32, np.float64)


class Setting(NamedTuple):
    """Shapes and windows of one convolution."""

    a: tuple[int, int, int, int]
    theta: tuple[int, int, int, int]
    S: tuple[int, int]
    P: tuple[int, int]
    D: tuple[int, int]
    groups: int

    def keywords(self):
        return {"stride": self.S, "padding": self.P, "dilation": self.D, "groups": self.groups}


def draw(rng):
    """Any setting: few and many channels, groups, images from one cell to several hundred, samples from 0."""

    def two(low, high):
        return tuple(int(x) for x in rng.integers(low, high, 2))

    f, S, P = two(1, 6), two(1, 4), two(0, 4)
    D = two(1, 4) if rng.random() < 0.3 else (1, 1)
    groups = int(rng.choice([1, 1, 1, 1, 2, 3, 6]))
    C, K = (int(rng.choice([1, 1, 2, 3, 5, 9, 20])) for _ in range(2))
    least = [max(1, (f[axis] - 1) * D[axis] + 1 - 2 * P[axis]) for axis in range(2)]
    H, W = (int(rng.integers(n, n + int(rng.choice([1, 4, 12, 40])))) for n in least)
    return Setting((int(rng.integers(0, 5)), C * groups, H, W), (K * groups, C, *f), S, P, D, groups)


def uniform(rng, shape, dtype):
    return rng.uniform(-1, 1, shape).astype(dtype)


def assert_near(got, wanted, terms, dtype):
    """Within the tolerance of a sum of so many terms."""
    assert got.shape == wanted.shape
    assert got.dtype == dtype
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance(Case("", "", lambda u: (), terms), dtype))


def check(setting, dtype, make, other):
    """The kernels on arrays that `make` draws, into arrays of NaN, beside what `other` computes in float64."""
    m, _, H, W = setting.a
    K, C, *f = setting.theta
    words = setting.keywords()
    a, theta, b = make(setting.a), make(setting.theta), make((K,))
    wide = [np.asarray(x, np.float64) for x in (a, theta, b)]
    z = reference.conv2d_forward(*wide, **words)
    dz = make(z.shape)
    wide.append(np.asarray(dz, np.float64))
    outs = [make(shape, True) for shape in (z.shape, setting.theta, (K,), setting.a)]
    for out in outs:
        out[...] = np.nan
    got = (
        kernels.conv2d_forward(a, theta, b, out=outs[0], **words),
        kernels.conv2d_dz_to_dtheta(a, dz, tuple(f), out=outs[1], **words),
        kernels.conv2d_dz_to_db(dz, out=outs[2]),
        kernels.conv2d_dz_to_da(dz, theta, (H, W), out=outs[3], **words),
    )
    pixels = m * z.shape[2] * z.shape[3]
    terms = (1 + C * f[0] * f[1], pixels, pixels, K // setting.groups * f[0] * f[1])
    for result, wanted, count in zip(got, other(wide, setting), terms, strict=True):
        assert_near(result, wanted, count, dtype)


def by_reference(wide, setting):
    a, theta, b, dz = wide
    words = setting.keywords()
    return (
        reference.conv2d_forward(a, theta, b, **words),
        reference.conv2d_dz_to_dtheta(a, dz, theta.shape[2:], **words),
        reference.conv2d_dz_to_db(dz),
        reference.conv2d_dz_to_da(dz, theta, a.shape[2:], **words),
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_settings(dtype):
    """500 in all, in any layout of any array."""
    rng = np.random.default_rng(1)

    def make(shape, written=False):
        layouts = WRITEABLE if written else LAYOUTS
        return layouts[str(rng.choice(list(layouts)))](uniform(rng, shape, dtype))

    for _ in range(250):
        check(draw(rng), dtype, make, by_reference)


LARGE = [
    Setting((2, 64, 9, 50), (40, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # several blocks of taps
    Setting((2, 9, 40, 60), (6, 9, 5, 5), (1, 1), (2, 2), (1, 1), 1),  # likewise, of a wide tile, sweep by sweep
    Setting((4, 90, 12, 13), (7, 90, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # few k meet many taps
    Setting((2, 300, 5, 5), (70, 300, 1, 1), (1, 1), (0, 0), (1, 1), 1),  # the image is its own plane
    Setting((1, 2, 300, 220), (9, 2, 7, 7), (2, 2), (3, 3), (1, 1), 1),  # several parts of rows
    Setting((1, 1, 40, 40), (300, 1, 20, 20), (1, 1), (0, 0), (1, 1), 1),  # a window of more than a block of taps
    Setting((40, 7, 6, 6), (30, 7, 3, 3), (1, 1), (0, 0), (1, 1), 1),  # small images, several samples in a vector
    Setting((25, 31, 5, 6), (33, 31, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # tap rows that meet padding alone are left out
    Setting((1, 1, 300, 220), (40, 1, 5, 5), (2, 1), (2, 2), (1, 1), 1),  # a ring of rows
    Setting((2, 5, 70, 90), (5, 1, 4, 3), (1, 1), (1, 1), (1, 1), 5),  # depthwise, several bands of rows
    Setting((2, 3, 61, 150), (3, 1, 5, 4), (2, 3), (2, 1), (1, 2), 3),  # with strides, and a dilation
]


# Few cells beside many weights, windows that reach beyond small images, and rows k that are few more than whole tiles.
FEW = [
    Setting((9, 20, 4, 9), (10, 20, 3, 3), (1, 1), (2, 1), (1, 1), 1),  # two rows behind a tile, of several samples together
    Setting((17, 33, 9, 7), (17, 33, 5, 2), (3, 1), (2, 1), (1, 1), 1),
    Setting((1, 30, 20, 31), (20, 30, 3, 5), (1, 1), (1, 2), (1, 1), 1),  # four rows behind it, sweep by sweep
    Setting((1, 130, 7, 7), (65, 130, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # theta is read where it is, and as it is for da
    Setting((2, 70, 8, 7), (130, 70, 3, 3), (2, 2), (1, 1), (1, 1), 1),  # likewise, and dtheta is written where it belongs
    Setting((5, 140, 3, 4), (70, 140, 3, 2), (1, 2), (1, 1), (2, 1), 1),
    Setting((1, 200, 7, 7), (190, 200, 1, 1), (1, 1), (0, 0), (1, 1), 1),  # windows of one cell
    Setting((1, 130, 4, 5), (130, 130, 3, 3), (2, 2), (1, 1), (1, 1), 1),  # dot products
    Setting((1, 130, 3, 4), (70, 130, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    Setting((1, 40, 303, 33), (10, 40, 13, 2), (1, 1), (0, 0), (25, 1), 1),  # few cells, of planes too large for one part
    Setting((1, 60, 12, 12), (100, 60, 5, 5), (1, 1), (2, 2), (1, 1), 1),  # weights and dtheta by parts
    Setting((2, 40, 1, 1), (70, 40, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # of 3 x 3 taps one meets a cell
    Setting((2, 6, 2, 2), (8, 3, 7, 5), (1, 1), (3, 2), (1, 1), 2),
    Setting((3, 5, 3, 1), (4, 5, 5, 4), (2, 1), (3, 5), (2, 3), 1),
    Setting((4, 5, 7, 1), (5, 5, 3, 2), (3, 2), (0, 3), (3, 3), 1),  # the taps that are left meet padding behind the image
    Setting((20, 9, 9, 9), (12, 9, 1, 1), (2, 2), (0, 0), (1, 1), 1),  # windows of one cell, zeros between sums
    Setting((3, 70, 33, 72), (5, 70, 1, 1), (3, 2), (0, 0), (1, 1), 1),
]


# Depthwise, small images: a channel in each lane.
CHANNELS = [
    Setting((3, 47, 7, 7), (47, 1, 3, 3), (2, 2), (1, 1), (1, 1), 47),
    Setting((2, 33, 9, 6), (33, 1, 3, 3), (2, 2), (1, 1), (1, 1), 33),
    Setting((2, 16, 16, 8), (16, 1, 5, 5), (2, 1), (2, 2), (1, 1), 16),
    Setting((1, 40, 16, 16), (40, 1, 5, 3), (2, 2), (2, 1), (1, 1), 40),  # staged, in float64
    Setting((1, 40, 11, 5), (40, 1, 4, 2), (3, 2), (2, 0), (1, 1), 40),  # cells that no window reaches
    Setting((2, 32, 5, 4), (32, 1, 3, 3), (3, 2), (2, 2), (2, 2), 32),
    Setting((2, 32, 5, 4), (32, 1, 2, 2), (2, 1), (5, 3), (1, 1), 32),  # windows of padding alone
    Setting((1, 32, 28, 28), (32, 1, 3, 3), (2, 2), (1, 1), (1, 1), 32),
]


@njit
def taken(back, channels, sizes, window, zero):
    H, W, H_out, W_out = sizes[3:]
    if back:
        H, W, H_out, W_out = H_out, W_out, H, W
    size, f_h, f_w = element_size(zero), window[0], window[1]
    image, out = (0, channels * H * W * size, H * W * size, W * size, size), (0, 0, H_out * W_out * size, W_out * size, size)
    return takes_channels(back, channels, sizes, window, image, (0, f_h * f_w * size, f_w * size, size), out, zero)


@njit
def bytes_of_channels(back, sizes, window, zero):
    return channels_bytes(back, sizes, window, zero)


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_are_in_lanes(dtype):
    """Each setting takes lanes at least one way, and its scratch has a bound; large images do not, nor do few channels."""
    zero = dtype(0)

    def ways(setting):
        (m, _, H, W), (_, _, *f), S, P, D, groups = setting
        out = [(n + 2 * p - d * (r - 1) - 1) // s + 1 for n, r, s, p, d in zip((H, W), f, S, P, D, strict=True)]
        sizes, window = (m, 1, 1, H, W, *out), (*f, *S, *P, *D)
        for back in (0, 1):
            assert bytes_of_channels(back, sizes, window, zero) <= MOST_BYTES
            yield taken(back, groups, sizes, window, zero)

    assert all(any(list(ways(setting))) for setting in CHANNELS)
    assert not any(ways(Setting((2, 64, 300, 300), (64, 1, 3, 3), (1, 1), (1, 1), (1, 1), 64)))
    assert not any(ways(Setting((2, 2, 14, 14), (2, 1, 3, 3), (1, 1), (1, 1), (1, 1), 2)))


@njit
def ways_of_few(sizes, window, zero):
    """Which of FEW's engines take these sizes."""
    met, _, _ = cropped(sizes, window)
    products, taps = are_products(sizes, met, zero), met[0] * met[1]
    return (
        are_dots(sizes, met, zero),
        are_few(sizes, met, zero) and not are_dots(sizes, met, zero),
        products,
        products and is_far(sizes, met, zero),
        rest_of(sizes[2], zero) > 0,
        taps < window[0] * window[1],
        taps == 1 and window[3] == 2,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_take_their_ways(dtype):
    """Each of them some, but for dot products where vectors have two lanes; large images and few weights none."""

    def ways(setting):
        (m, C, H, W), (K, _, *f), S, P, D, groups = setting
        out = [(n + 2 * p - d * (r - 1) - 1) // s + 1 for n, r, s, p, d in zip((H, W), f, S, P, D, strict=True)]
        return ways_of_few((m, C // groups, K // groups, H, W, *out), (*f, *S, *P, *D), dtype(0))

    taken = [any(column) for column in zip(*map(ways, FEW), strict=True)]
    assert all(taken[1:])
    assert taken[0] or registers()[0] == 2 * np.dtype(dtype).itemsize
    assert not any(ways(Setting((2, 64, 28, 28), (64, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1)))
    assert not any(ways(Setting((1, 6, 4, 4), (16, 6, 3, 3), (1, 1), (1, 1), (1, 1), 1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("setting", LARGE + FEW + CHANNELS, ids=str)
def test_blocks(setting, dtype):
    """Sizes beyond one block of taps, one part of the image, one tile of channels."""
    rng = np.random.default_rng(2)
    check(setting, dtype, lambda shape, written=False: uniform(rng, shape, dtype), by_reference)


def test_torch():
    """200 settings beside PyTorch's convolution and its gradients, in float64 there."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)

    def by_torch(wide, setting):
        a, theta, b, dz = (torch.from_numpy(x) for x in wide)
        for tensor in (a, theta, b):
            tensor.requires_grad_()
        z = torch.nn.functional.conv2d(a, theta, b, setting.S, setting.P, setting.D, setting.groups)
        z.backward(dz)
        return z.detach().numpy(), theta.grad.numpy(), b.grad.numpy(), a.grad.numpy()

    for count in range(200):
        dtype = DTYPES[count % 2]
        setting = draw(rng)
        setting = setting._replace(a=(1 + setting.a[0], *setting.a[1:]))
        check(setting, dtype, lambda shape, written=False, dtype=dtype: uniform(rng, shape, dtype), by_torch)


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_guard_pages(dtype, before):
    """No access outside an operand: each lies right behind or right before memory that may not be touched."""
    rng = np.random.default_rng(4)
    for setting in [draw(rng) for _ in range(40)] + LARGE[1:2] + FEW + CHANNELS:
        check(setting, dtype, lambda shape, written=False: guarded(uniform(rng, shape, dtype), before), by_reference)


def test_nan_stays_where_it_is():
    """What a vector reads beyond a row, and what fills up a tile, reach no result that they do not belong to."""
    rng = np.random.default_rng(5)
    a, theta, b = uniform(rng, (3, 5, 7, 6), np.float32), uniform(rng, (9, 5, 3, 3), np.float32), np.zeros(9, np.float32)
    a[1, 2, 3, 4], theta[5, 1, 1, 1] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        wanted = np.isfinite(reference.conv2d_forward(a, theta, b, 1, 1))
    assert np.array_equal(np.isfinite(kernels.conv2d_forward(a, theta, b, 1, 1)), wanted)
    dz = uniform(rng, (3, 9, 7, 6), np.float32)
    with np.errstate(invalid="ignore"):
        wanted = np.isfinite(reference.conv2d_dz_to_dtheta(a, dz, 3, 1, 1))
        assert np.array_equal(np.isfinite(kernels.conv2d_dz_to_dtheta(a, dz, 3, 1, 1)), wanted)
        wanted = np.isfinite(reference.conv2d_dz_to_da(dz, theta, (7, 6), 1, 1))
        assert np.array_equal(np.isfinite(kernels.conv2d_dz_to_da(dz, theta, (7, 6), 1, 1)), wanted)


def test_nan_stays_in_its_channel():
    """Depthwise: what a band has beside the cells that were copied reaches no result."""
    rng = np.random.default_rng(6)
    a, theta, b = uniform(rng, (3, 4, 19, 21), np.float32), uniform(rng, (4, 1, 3, 3), np.float32), np.zeros(4, np.float32)
    a[1, 2, 18, 20], a[0, 3, 0, 0] = np.nan, np.inf
    for S in (1, 2):
        z = reference.conv2d_forward(a, theta, b, S, 1, groups=4)
        assert np.array_equal(np.isfinite(kernels.conv2d_forward(a, theta, b, S, 1, groups=4)), np.isfinite(z))
        dz = uniform(rng, z.shape, np.float32)
        wanted = np.isfinite(reference.conv2d_dz_to_dtheta(a, dz, 3, S, 1, groups=4))
        assert np.array_equal(np.isfinite(kernels.conv2d_dz_to_dtheta(a, dz, 3, S, 1, groups=4)), wanted)
        dz[2, 1, -1, -1] = np.nan
        wanted = np.isfinite(reference.conv2d_dz_to_da(dz, theta, (19, 21), S, 1, groups=4))
        assert np.array_equal(np.isfinite(kernels.conv2d_dz_to_da(dz, theta, (19, 21), S, 1, groups=4)), wanted)


@njit
def scratch_of(sizes, window, zero):
    """Bytes of scratch of the three engines."""
    return (
        correlate_bytes(sizes, window, zero),
        gradient_bytes(AUTO, sizes, window, zero),
        image_bytes(DIRECT, sizes, window, zero),
    )


def planes(C, f, S, W):
    """The bound of convolution/groups.py for windows of f rows and columns, float64, dilation 1."""
    channels = min(C, BLOCK // (f[0] * f[1]))
    count, beyond = channels * min(f[0], S) * f[1], (f[0] - 1) // S
    return max(PLANE_BYTES, count * (beyond + 1) * W * 8) + 128 * count + 8 * C * f[0] * f[1]


def test_scratch_is_bounded():
    """By the formulas in convolution/groups.py, for any m: tiles have at most 8 rows, 24 columns; 4 KB are some lines."""
    for size, S in ((1, 1), (8, 1), (32, 2), (512, 1), (512, 2)):
        out, row = (size - 1) // S + 1, -(-size // S)
        window = (3, 3, S, S, 1, 1, 1, 1)
        for C, K in ((1, 8), (3, 64), (64, 3), (64, 64), (4000, 8)):
            scratch = [scratch_of((m, C, K, size, size, out, out), window, np.float64(0)) for m in (10**4, 10**8)]
            assert scratch[0] == scratch[1]
            forward, dtheta, da = scratch[0]
            assert forward <= planes(C, (3, 3), S, out) + 4096
            lanes = planes(C, (3, 3), S, out) + SUMS_BYTES
            copy = max(PLANE_BYTES, 3 * C * ((out - 1) * S + 3) * 8) + 128 * C
            assert dtheta <= max(lanes, copy + -(-K // 8) * 64 * 9 * C + 192 * CELLS + 8 * 9 * C) + 4096
            windows = [(r, s) for r in ((3,) if S == 1 else (1, 2)) for s in ((3,) if S == 1 else (1, 2))]
            gather = max((C + 8) * K * f[0] * f[1] * 8 + planes(K, f, 1, row) for f in windows)
            cols = max(COLS_BYTES, 3 * C * out * 8) + 128 * 3 * C + (3 * C + 7) * 3 * K * 8 + 24 * (size + 72)
            samples = max(SAMPLE_BYTES, 4 * out * 64 * (K + 2)) + CELL_BYTES + 640 * size + 32 * (size + 1024)
            few = 0 if out > 8 else max(FEW_BYTES, 9 * 64 * 8) + 64 * 8 * K + SCRATCH
            assert da <= max(gather, cols, samples + (C + 8) * K * 72, few) + 4096


@njit
def depthwise_scratch_of(sizes, window, zero):
    return depthwise_bytes(sizes, window, zero)


def test_scratch_of_single_channels_is_bounded():
    """By the formula in convolution/groups.py: vectors have at most 8 float64, and 2 KB are some lines."""
    for H, W, f, S in ((1, 1, 1, 1), (28, 28, 3, 1), (512, 512, 3, 2), (512, 512, 7, 1), (9, 4000, 3, 1)):
        out, row = ((H - f) // S + 1, (W - f) // S + 1), ((W - f) // S + 1 + (f - 1) // S + 8) * 8 + 128
        bound = COPY_BYTES + (8 * S + f) * S * row + 72 * (f * f + 8) + 2048
        for m in (1, 10**8):
            assert depthwise_scratch_of((m, 1, 1, H, W, *out), (f, f, S, S, 0, 0, 1, 1), np.float64(0)) <= bound
