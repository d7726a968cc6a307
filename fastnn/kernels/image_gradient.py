"""dz -> da as S_h S_w convolutions of dz: what notes (18), (19) scatter, gathered.

Cells of da whose padded place leaves the same rest by S meet the same taps r: those of one plane q of planes.py. There
the tap r = q + u n, with n planes, meets dz cell I - u n D / S under the plane's cell I, so these cells are a convolution
of dz with the taps in reverse, stride 1 and dilation n D / S; nothing is multiplied by a zero between cells. Where that
would copy more than it computes with, scatter.py takes its place.
"""

from fastnn.constants import DIRECT, IDENTITY, WINOGRAD
from fastnn.kernels.correlate import pack_weights, packed_weights, rows_of_time
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import element_size, write
from fastnn.kernels.planes import Images, Sizes, Window, phases
from fastnn.kernels.sample_lanes import may_take, samples_bytes, sum_samples
from fastnn.kernels.sample_lanes import takes as takes_samples
from fastnn.kernels.scatter import scatter, scatter_bytes
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE
from fastnn.kernels.tiles import lanes, most_rows
from fastnn.kernels.winograd import can_be, sample_cycles, takes, windows_bytes, windows_summed


@compiled
def _axis(q, H, f, S, P, D):
    """Of plane q along one axis: taps, their dilation and padding in dz, da's first cell, and how many it has."""
    n = phases(f, S, D)
    taps, dilation = (f - q + n - 1) // n, n * D // S
    first = -((q * D - P) // S)
    cell = first * S + q * D - P
    return taps, dilation, (taps - 1) * dilation - first, cell, max(0, (H - 1 - cell) // S + 1)


@compiled
def plane_of(q_h, q_w, sizes, window):
    """Sizes and window of the convolution that a plane's cells are, and da's first cell."""
    m, C, K, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    taps_h, dilation_h, padding_h, i, cells_h = _axis(q_h, H, f_h, S_h, P_h, D_h)
    taps_w, dilation_w, padding_w, j, cells_w = _axis(q_w, W, f_w, S_w, P_w, D_w)
    turned = (m, K, C, H_out, W_out, cells_h, cells_w)
    return turned, (taps_h, taps_w, 1, 1, padding_h, padding_w, dilation_h, dilation_w), i, j


@compiled
def scatters(algorithm, sizes, window, zero):
    """Whether to scatter, by the cycles of a sample: two vectors of products each, and what else was measured.

    `correlate` multiplies the padding beside dz too, copies each plane at 3 cycles a vector, and puts results with a stride
    in their places at 12. A scatter stores a vector of cols in 2 and adds it in 2; a row of da costs 40, of a channel 25.
    Beside `winograd`, whose cycles have one vector of products each, so have these, and took a quarter more.
    """
    _, C, K, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    if f_w == 1 and S_h == 1 and S_w == 1 and P_h == 0 and P_w == 0:
        return False  # dz is its own plane
    width, taps, rows = lanes(zero), f_h * f_w, most_rows(zero)
    strided = S_h > 1 or S_w > 1
    gather = H_out * (W // S_w) * rows_of_time(C, zero) * K * taps // 2
    gather += 3 * K * f_w * phases(f_h, S_h, D_h) * (H * W // (S_h * S_w)) + (12 * C * H * W if strided else 0)
    products = H_out * W_out * (-(-C * taps // rows) * rows * K // 2 + 2 * C * taps)
    vectors = -(-(W // S_w) // width) * 2 * taps // S_h
    sums = H * (40 * phases(f_w, S_w, D_w) + C * (25 * phases(f_w, S_w, D_w) + vectors))
    turned, met, _, _ = plane_of(0, 0, sizes, window)
    if takes(algorithm, turned, met, zero):
        cycles = 1.25 * (2 * products + sums * width) / width
        return algorithm != WINOGRAD and cycles < sample_cycles(turned, met, zero)[0]
    return products + sums * width < gather


@shared
def image_bytes(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """The scratch of `image_gradient`, for so many samples or fewer: weights of a plane, and what the largest's sums need.

    Where `winograd` may be taken, it depends on their number whether to scatter.
    """
    turned, met, _, _ = plane_of(0, 0, sizes, window)
    may = can_be(algorithm, turned, met, zero) or scatters(DIRECT, sizes, window, zero)
    most = scatter_bytes(sizes, window, zero) if may else 0
    for q_h in range(phases(window[0], window[2], window[6])):
        for q_w in range(phases(window[1], window[3], window[7])):
            turned, taps, _, _ = plane_of(q_h, q_w, sizes, window)
            if turned[5] > 0 and turned[6] > 0:
                weights = packed_weights(turned[2], turned[1] * taps[0] * taps[1], zero) * element_size(zero)
                most = max(most, weights + windows_bytes(turned, taps, algorithm, zero))
    if may_take(1, algorithm, sizes, window, zero):
        weights = packed_weights(sizes[1], sizes[2] * window[0] * window[1], zero) * element_size(zero)
        most = max(most, weights + samples_bytes(1, sizes, window, zero))
    return most + LINE


@shared
def image_gradient(
    algorithm: int, sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float
) -> None:
    """All samples of one group; sizes and window are the forward pass's."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    if takes_samples(1, algorithm, sizes, window, dz, da, zero):
        _by_samples(sizes, window, dz, theta, da, scratch, zero)
        return
    phases_h, phases_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    if phases_h < S_h or phases_w < S_w:
        _clear(sizes, da, zero)
    if scatters(algorithm, sizes, window, zero):
        scatter(sizes, window, dz, theta, da, scratch, zero)
        return
    write(zero, scratch)
    weights = scratch + LINE
    for q_h in range(phases_h):
        for q_w in range(phases_w):
            turned, taps, i, j = plane_of(q_h, q_w, sizes, window)
            if turned[5] == 0 or turned[6] == 0:
                continue
            r, s = q_h + (taps[0] - 1) * phases_h, q_w + (taps[1] - 1) * phases_w
            corner = theta[0] + r * theta[3] + s * theta[4]
            backwards = (corner, theta[2], theta[1], -phases_h * theta[3], -phases_w * theta[4])
            pack_weights(backwards, (turned[2], turned[1], taps[0], taps[1]), weights, zero)
            room = weights + packed_weights(turned[2], turned[1] * taps[0] * taps[1], zero) * element_size(zero)
            out = (da[0] + i * da[3] + j * da[4], da[1], da[2], S_h * da[3], S_w * da[4])
            windows_summed(algorithm, turned, taps, dz, (weights, scratch, 0, IDENTITY), out, room, zero)


@compiled
def _by_samples(sizes, window, dz, theta, da, scratch, zero):
    """All planes at once."""
    _, C, K, _, _, _, _ = sizes
    write(zero, scratch)
    weights = scratch + LINE
    turned = (theta[0], theta[2], theta[1], theta[3], theta[4])
    pack_weights(turned, (C, K, window[0], window[1]), weights, zero)
    room = weights + packed_weights(C, K * window[0] * window[1], zero) * element_size(zero)
    sum_samples(1, sizes, window, dz, (weights, scratch, 0, IDENTITY), da, room, zero)


@compiled
def _clear(sizes, da, zero):
    """Cells that no tap meets get 0, and the others too."""
    m, C, _, H, W, _, _ = sizes
    for n in range(m):
        for c in range(C):
            for i in range(H):
                place = da[0] + n * da[1] + c * da[2] + i * da[3]
                for j in range(W):
                    write(zero, place + j * da[4])
