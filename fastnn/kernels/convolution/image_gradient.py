"""dz -> da as S_h S_w convolutions of dz: what notes (18), (19) scatter, gathered.

Cells of da whose padded place leaves the same rest by S meet the same taps r: those of one plane q of planes.py. There
the tap r = q + u n, with n planes, meets dz cell I - u n D / S under the plane's cell I, so these cells are a convolution
of dz with the taps in reverse, stride 1 and dilation n D / S; nothing is multiplied by a zero between cells. Where that
would copy more than it computes with, scatter.py takes its place, and where samples are many, sample_lanes.py (choices.py).
"""

from fastnn.constants import ALGORITHM_BITS, DIRECT, GATHERED, IDENTITY, SCATTERED, WINOGRAD
from fastnn.kernels.arrays.memory import element_size, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.convolution.choices import in_lanes, may_take_samples, scatters, takes_apart
from fastnn.kernels.convolution.windows import packed_and_summed, samples_of, windows_bytes
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import store, tile
from fastnn.kernels.sums.cell_rows_back import apart_bytes, are_apart, spread_cell_rows
from fastnn.kernels.sums.few_products import are_many, can_be_products, image_by_products, products_bytes
from fastnn.kernels.sums.planes import Images, Sizes, Window, phases, plane_of, shape_of
from fastnn.kernels.sums.sample_lanes import samples_bytes, sum_samples
from fastnn.kernels.sums.scatter import scatter, scatter_bytes
from fastnn.kernels.sums.spreading import are_spread, put_spread, samples_together, spread_bytes
from fastnn.kernels.sums.weights import pack_weights, packed_weights
from fastnn.kernels.winograd.winograd import winograd, winograd_bytes
from fastnn.kernels.winograd.winograd_choices import can_be, takes
from fastnn.kernels.winograd.winograd_schemes import BACK, way_back
from fastnn.kernels.winograd.winograd_tiles import Pair


@tiled
def image_bytes(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """The scratch of `image_gradient`, for so many samples or fewer: weights of a plane, and what the largest's sums need.

    Where `winograd` may be taken, it depends on their number whether to scatter.
    """
    scheme, turned, met = way_back(sizes, window)
    fewer = can_be(scheme, algorithm, turned, met, zero)
    may = fewer or scatters(DIRECT, sizes, window, zero) != 0
    most = scatter_bytes(sizes, window, zero) if may else 0
    for q_h in range(phases(window[0], window[2], window[6])):
        for q_w in range(phases(window[1], window[3], window[7])):
            turned, taps, _, _ = plane_of(q_h, q_w, sizes, window)
            if turned[5] > 0 and turned[6] > 0:
                weights = packed_weights(turned[2], turned[1] * taps[0] * taps[1], zero) * element_size(zero)
                most = max(most, weights + windows_bytes(turned, taps, algorithm, zero))
    all_weights = packed_weights(sizes[1], sizes[2] * window[0] * window[1], zero) * element_size(zero)
    if fewer and scheme == BACK:
        most = max(most, all_weights + winograd_bytes(BACK, algorithm, shape_of(1, sizes), window, zero))
    if are_apart(sizes, window) and takes_apart(algorithm & ALGORITHM_BITS, sizes, window, zero) != 0:
        most = max(most, apart_bytes(sizes, window, zero))
    if may_take_samples(1, algorithm, sizes, window, zero) != 0:
        most = max(most, all_weights + samples_bytes(1, sizes, window, zero))
    if window[0] * window[1] == 1 and window[3] == 2:
        m, C, K, _, _, H_out, W_out = sizes
        dense = (m, K, C, H_out, W_out, H_out, W_out)
        weights = packed_weights(C, K, zero) * element_size(zero)
        sums = windows_bytes(dense, (1, 1, 1, 1, 0, 0, 1, 1), algorithm, zero)
        most = max(most, spread_bytes(sizes, zero) + weights + sums + 2 * LINE)
    if can_be_products(sizes, window, zero):
        most = max(most, products_bytes(sizes, window, zero))
    return most + LINE


@tiled
def image_gradient(
    algorithm: int, sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float
) -> None:
    """All samples of one group; sizes and window are the forward pass's."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    count = in_lanes(1, algorithm, sizes, window, dz, da, zero)
    if count > 0:
        weights, room = _all_weights(sizes, window, theta, scratch, zero)
        some, source, target = samples_of(0, count, sizes, dz, da)
        sum_samples(1, some, window, source, weights, target, room, zero)
        sizes, dz, da = samples_of(count, sizes[0], sizes, dz, da)
        if sizes[0] == 0:
            return
    many = algorithm & ALGORITHM_BITS != WINOGRAD and are_many(sizes, window)
    if many and image_by_products(sizes, window, dz, theta, da, scratch, zero) != 0:
        return
    if are_apart(sizes, window) and _by_cells(algorithm, sizes, window, dz, theta, da, scratch, zero) != 0:
        return
    phases_h, phases_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    clears = phases_h < S_h or phases_w < S_w
    known, algorithm = algorithm & (GATHERED | SCATTERED), algorithm & ALGORITHM_BITS
    if known == SCATTERED or (known == 0 and scatters(algorithm, sizes, window, zero) != 0):
        if clears:
            _clear(sizes, da, zero)
        scatter(sizes, window, dz, theta, da, scratch, zero)
        return
    if known == 0 and f_h == 3 and S_h == 2:  # of others it is noted that they cannot be tiled
        first, behind = _by_tiles(algorithm, sizes, window, dz, theta, da, scratch, zero)
        if first == behind:
            return
        sizes, dz, da = samples_of(first, behind, sizes, dz, da)
    if are_spread(sizes, window, dz, da, zero):
        _spread(algorithm, sizes, window, dz, theta, da, scratch, zero)
        return
    if clears:
        _clear(sizes, da, zero)
    _gather(algorithm, sizes, window, dz, theta, da, scratch, zero)


@tiled
def _spread(
    algorithm: int, sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float
) -> None:
    """Windows of one cell: sums as with stride 1, and then between zeros."""
    m, C, K, _, _, H_out, W_out = sizes
    size, together, sums = element_size(zero), samples_together(sizes, zero), -(-scratch // LINE) * LINE
    room = -(-(sums + spread_bytes(sizes, zero)) // LINE) * LINE
    near = (sums, C * H_out * W_out * size, H_out * W_out * size, W_out * size, size)
    for n in range(0, m, together):
        some, source, target = samples_of(n, min(m, n + together), sizes, dz, da)
        dense = (some[0], C, K, H_out, W_out, H_out, W_out)
        _gather(algorithm, dense, (1, 1, 1, 1, 0, 0, 1, 1), source, theta, near, room, zero)
        put_spread(some, window[2], sums, target, zero)


@compiled
def _gather(algorithm, sizes, window, dz, theta, da, scratch, zero):
    """Plane by plane."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    phases_h, phases_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    write(zero, scratch)
    for q_h in range(phases_h):
        for q_w in range(phases_w):
            turned, taps, i, j = plane_of(q_h, q_w, sizes, window)
            if turned[5] == 0 or turned[6] == 0:
                continue
            r, s = q_h + (taps[0] - 1) * phases_h, q_w + (taps[1] - 1) * phases_w
            corner = theta[0] + r * theta[3] + s * theta[4]
            backwards = (corner, theta[2], theta[1], -phases_h * theta[3], -phases_w * theta[4])
            out = (da[0] + i * da[3] + j * da[4], da[1], da[2], S_h * da[3], S_w * da[4])
            packed_and_summed(algorithm, turned, taps, dz, backwards, (scratch, 0, IDENTITY), out, scratch + LINE, zero)


@tiled
def _by_cells(
    algorithm: int, sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float
) -> int:
    """Windows that do not overlap, where that is faster: 1, or 0 where it is not, or steps of theta or da are others."""
    if not _is_whole(window, theta, da, zero) or takes_apart(algorithm & ALGORITHM_BITS, sizes, window, zero) == 0:
        return 0
    if not _is_covered(sizes, window):
        _clear(sizes, da, zero)
    spread_cell_rows(sizes, window, dz, theta, da, scratch, zero)
    return 1


@compiled
def _is_whole(window, theta, da, zero):
    """Whether what belongs to a k of theta, and to a row of da, are neighbours."""
    size = element_size(zero)
    near = theta[4] == size and theta[3] == window[1] * size and theta[2] == window[0] * window[1] * size
    return near and da[4] == size


@compiled
def _is_covered(sizes, window):
    """Whether windows that do not overlap meet each cell of da."""
    f_h, f_w, S_h, S_w, P_h, P_w, _, _ = window
    return f_h == S_h and f_w == S_w and sizes[5] * S_h - P_h >= sizes[3] and sizes[6] * S_w - P_w >= sizes[4]


@tiled
def _by_tiles(
    algorithm: int, sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float
) -> Pair:
    """All planes at once, in tiles of 4 x 4 cells, where that is faster; returns the samples that are left."""
    scheme, shape, met = way_back(sizes, window)
    rows = scheme == BACK and dz[4] == element_size(zero) and da[4] == element_size(zero)
    if not rows or not can_be(scheme, algorithm, shape, met, zero) or takes(scheme, algorithm, shape, met, zero) == 0:
        return 0, sizes[0]
    weights, room = _all_weights(sizes, window, theta, scratch, zero)
    return winograd(scheme, shape, window, dz, weights, da, room, zero)


@compiled
def _all_weights(sizes, window, theta, scratch, zero):
    """Those of all planes, without a bias, and the scratch behind them."""
    _, C, K, _, _, _, _ = sizes
    write(zero, scratch)
    weights = scratch + LINE
    turned = (theta[0], theta[2], theta[1], theta[3], theta[4])
    pack_weights(turned, (C, K, window[0], window[1]), weights, zero)
    room = weights + packed_weights(C, K * window[0] * window[1], zero) * element_size(zero)
    return (weights, scratch, 0, IDENTITY), room


@tiled
def _clear(sizes: Sizes, da: Images, zero: float) -> None:
    """Cells that no tap meets get 0, and the others too: whole vectors of them where cells of a row are neighbours.

    One by one they took a fifth of the time, for windows of one cell and stride 2.
    """
    m, C, _, H, W, _, _ = sizes
    size, width = element_size(zero), lanes(zero)
    near = da[4] == size
    rows, length = (1, H * W) if near and da[3] == W * size else (H, W)
    whole = length // width * width if near else 0
    for n in range(m):
        for c in range(C):
            for i in range(rows):
                place = da[0] + n * da[1] + c * da[2] + i * da[3]
                for j in range(0, whole, width):
                    store(tile(zero, 1, 1), place + j * size, 0, 0, None)
                for j in range(whole, length):
                    write(zero, place + j * da[4])
