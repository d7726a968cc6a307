"""Sums over windows, for z and for planes of da, by the engine that is fastest where each window is computed by itself."""

from fastnn.constants import IDENTITY, WINOGRAD
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.sums.correlate import correlate, correlate_bytes
from fastnn.kernels.sums.few_cells import WEIGHTS, are_few, can_be_few, few_bytes, sum_few
from fastnn.kernels.sums.few_products import Bias, are_dots, is_plain, sum_by_products
from fastnn.kernels.sums.planes import Images, Sizes, Window, channels_of
from fastnn.kernels.sums.single_cells import can_be_cells, cells_bytes, sum_cells
from fastnn.kernels.sums.weights import pack_weights, packed_weights
from fastnn.kernels.winograd.winograd import winograd, winograd_bytes
from fastnn.kernels.winograd.winograd_choices import can_be, takes
from fastnn.kernels.winograd.winograd_schemes import scheme_of

# Of weights that do not stay in a second-level cache, beside their theta, until they are read; and of results that do.
FAR_BYTES, NEAR_BYTES = 256 * 1024, 256 * 1024


@compiled
def windows_bytes(sizes, window, algorithm, zero):
    """The scratch of `windows_summed`, for so many samples or fewer, and of `packed_and_summed` behind the weights."""
    most, rest = correlate_bytes(sizes, window, zero), sizes[1] % channels_of(sizes[1], window[0], window[1])
    if rest > 0:  # `packed_and_summed` may take these by themselves
        most = max(most, correlate_bytes((sizes[0], rest, sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]), window, zero))
    if can_be_few(sizes, window, zero):
        most = max(most, few_bytes(sizes, window, zero))
    if can_be_cells(sizes, window, zero):
        return max(most, cells_bytes(zero))
    scheme = scheme_of(window)
    if can_be(scheme, algorithm, sizes, window, zero):
        most += winograd_bytes(scheme, algorithm, sizes, window, zero)
    return most


@compiled
def windows_summed(algorithm, sizes, window, image, weights, out, scratch, zero):
    """What `correlate` computes, by `sum_cells` or `winograd` where cells, or cells of a row, are neighbours."""
    size, scheme = element_size(zero), scheme_of(window)
    rows = image[4] == size and out[4] == size
    lines = rows and image[3] == sizes[4] * size and out[3] == sizes[6] * size
    if lines and can_be_cells(sizes, window, zero):
        sum_cells(sizes, image, weights, out, scratch, zero)
    elif rows and can_be(scheme, algorithm, sizes, window, zero) and takes(scheme, algorithm, sizes, window, zero) != 0:
        first, behind = winograd(scheme, sizes, window, image, weights, out, scratch, zero)
        if behind > first:
            some, source, target = samples_of(first, behind, sizes, image, out)
            correlate(0, some, window, source, weights, target, scratch, zero)
    else:
        correlate(0, sizes, window, image, weights, out, scratch, zero)


@tiled
def packed_and_summed(
    algorithm: int,
    sizes: Sizes,
    window: Window,
    image: Images,
    theta: Images,
    bias: Bias,
    out: Images,
    scratch: int,
    zero: float,
) -> None:
    """The same of a theta that is not packed yet. bias: an address, a step, and the number of g."""
    _, C, K, _, _, _, _ = sizes
    cells, size = window[0] * window[1], element_size(zero)
    if C * K * cells >= WEIGHTS and many_summed(algorithm, sizes, window, image, theta, bias, out, scratch, zero) != 0:
        return
    pack_weights(theta, (K, C, window[0], window[1]), scratch, zero)
    weights, room = (scratch, bias[0], bias[1], bias[2]), scratch + packed_weights(K, C * cells, zero) * size
    windows_summed(algorithm, sizes, window, image, weights, out, room, zero)


@tiled
def many_summed(
    algorithm: int,
    sizes: Sizes,
    window: Window,
    image: Images,
    theta: Images,
    bias: Bias,
    out: Images,
    scratch: int,
    zero: float,
) -> int:
    """The same of many weights and few results, where packing all of theta would take about as long as the sums; or 0.

    Weights of several tiles of cells are packed channels by channels, as `correlate` would take them. Then they stay near
    until they are read, and pages of memory are not asked for, some 0.2 us each: of one image of 512 channels and 7 x 7
    cells, and 1024 k, forward took four times as long in float64.
    """
    m, C, K, H, W, H_out, W_out = sizes
    f_h, f_w, size = window[0], window[1], element_size(zero)
    channels = channels_of(C, f_h, f_w)
    forward = bias[1] != 0  # the way back to da has no bias, and no scratch for these
    if forward and algorithm != WINOGRAD and are_dots(sizes, window, zero) and is_plain(theta, window, zero):
        sum_by_products(sizes, window, image, theta, bias, out, scratch, zero)
        return 1
    if algorithm != WINOGRAD and are_few(sizes, window, zero):
        sum_few(sizes, window, image, theta, bias, out, scratch, zero)
        return 1
    if channels >= C or not _by_channels(algorithm, sizes, window, image, out, zero):
        return 0
    room = scratch + packed_weights(K, C * f_h * f_w, zero) * size
    for c in range(0, C, channels):
        some, source = min(channels, C - c), (image[0] + c * image[2], image[1], image[2], image[3], image[4])
        corner = (theta[0] + c * theta[2], theta[1], theta[2], theta[3], theta[4])
        pack_weights(corner, (K, some, f_h, f_w), scratch, zero)
        weights = (scratch, bias[0], bias[1], bias[2] if c + channels >= C else IDENTITY)
        correlate(c, (m, some, K, H, W, H_out, W_out), window, source, weights, out, room, zero)
    return 1


@compiled
def _by_channels(algorithm, sizes, window, image, out, zero):
    """Whether weights are to be packed channels by channels: `correlate` sums, and adding to `out` costs little."""
    m, C, K, _, _, H_out, W_out = sizes
    size, scheme = element_size(zero), scheme_of(window)
    weights = packed_weights(K, C * window[0] * window[1], zero) * size
    if weights <= FAR_BYTES or m * K * H_out * W_out * size > NEAR_BYTES or can_be_cells(sizes, window, zero):
        return False
    rows = image[4] == size and out[4] == size
    fewer = rows and can_be(scheme, algorithm, sizes, window, zero)
    return not fewer or takes(scheme, algorithm, sizes, window, zero) == 0


@compiled
def samples_of(first, behind, sizes, image, out):
    """Sizes and places of the samples from one to another."""
    some = (behind - first, sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6])
    source = (image[0] + first * image[1], image[1], image[2], image[3], image[4])
    return some, source, (out[0] + first * out[1], out[1], out[2], out[3], out[4])
