"""The sum over a window of 3 x 3 cells, with stride 1, in 16 products for four cells where 36 stand in the equation.

z = A^T [sum_c (G theta_c G^T) (B^T d_c B)] A, by winograd_tiles.py: at each of 16 places the sum over channels is a product
of matrices, (K, C) times (C, tiles). A panel of tiles, as many as a register tile has columns, has its patches transformed
for all channels, PATCH_BYTES at most (those that follow add to z), and they stay in the second-level cache. The products of
a register tile's rows k lie in the first-level cache until they become cells.

What it costs in accuracy: a cell's sum has terms of all 16 cells of its patch, so its error is relative to the largest of
them, where that of the plain sum is relative to each term. With uniform cells and weights both are within the same bound,
and as near; but where cells of a patch differ by a factor of 10^6, the small ones' part may be lost in float32.
Infinity less infinity would be NaN, and differences of finite cells may overflow. So samples with a cell that is not finite,
and those beside them in a panel, are computed again by `correlate`: what is not finite is what the equation gives.

Tuples as in planes.py and correlate.py; `where` are addresses in scratch (`_layout`).
"""

import numpy as np

from fastnn.constants import DIRECT, IDENTITY, WINOGRAD
from fastnn.kernels.correlate import Weights, correlate
from fastnn.kernels.forms import form, full_rows, lanes, zero_of, zeros
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import element_size, write
from fastnn.kernels.planes import Images, Sizes, Window, reached
from fastnn.kernels.pointwise import activate_planes
from fastnn.kernels.shared import tiled
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.tiles import rank_one, store
from fastnn.kernels.weights import rows_of_time
from fastnn.kernels.winograd_tiles import (
    PLACES,
    grid_of,
    patch_step,
    transform_patches,
    transform_sums,
    transform_weights,
    weight_step,
)

# Of transformed patches, so that they stay in a second-level cache of 1 MB beside the weights that stream by.
PATCH_BYTES = 512 * 1024


# Cycles, as measured: of a run's patches for each channel, of its cells for each k, and of each (k, c) of theta; of each of
# the three lines that `correlate` copies of a row of the image, by vectors. Products reach PEAK of what the tile can.
# To store a tile takes as long as STORED more channels.
PATCH_CYCLES, CELL_CYCLES, WEIGHT_CYCLES, PLANE_CYCLES, PEAK, STORED = 75, 35, 30, 14, 0.9, 2
# Of transformed weights: each panel reads all of them, from a third-level cache where they are many. With twice as many,
# 512 x 512 in float64, it took 2.5 times as long as `correlate`.
WEIGHT_BYTES = 16 * 1024 * 1024


@tiled
def sample_cycles(sizes: Sizes, window: Window, zero: float) -> tuple[np.float64, np.float64]:
    """A sample's time by `winograd` and by `correlate`, which leaves out most taps that meet nothing but padding."""
    _, C, K, H, _, H_out, W_out = sizes
    width, rows, grid, inside = lanes(zero), full_rows(zero), grid_of(sizes), 0
    for r in range(3):
        first, behind = reached(H, H_out, r - window[4], 1)
        inside += behind - first
    runs = grid[0] * -(-grid[1] // width) + grid[0] * grid[1] / (VECTORS * width)  # a panel's end cuts one in two
    products = 1.0 * PLACES * (C + STORED) * -(-K // rows) * rows * grid[0] * grid[1] / width
    fewer = products / PEAK + runs * (PATCH_CYCLES * C + CELL_CYCLES * K)
    products = 3.0 * C * rows_of_time(K, zero) * inside * W_out / width
    return fewer, products / PEAK + PLANE_CYCLES * C * H * -(-W_out // width)


@compiled
def can_be(algorithm, sizes, window, zero):
    """Whether `winograd` is right for these windows, whatever it takes."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    few = PLACES * sizes[1] * sizes[2] * element_size(zero) <= WEIGHT_BYTES
    return algorithm != DIRECT and f_h * f_w == 9 and f_h == 3 and S_h * S_w * D_h * D_w == 1 and sizes[1] > 0 and few


@tiled
def takes(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `winograd` sums windows: where it can, and, if it may choose, by the cycles of both.

    Callers ask `can_be` first: a network without such windows compiles none of this.
    """
    if not can_be(algorithm, sizes, window, zero) or algorithm == WINOGRAD:
        return 1 if can_be(algorithm, sizes, window, zero) else 0
    (fewer, direct), grid, rows = sample_cycles(sizes, window, zero), grid_of(sizes), full_rows(zero)
    unused = -(sizes[0] * grid[0] * grid[1]) % lanes(zero)
    more = 1.0 * sizes[1] * (WEIGHT_CYCLES * sizes[2] + PLACES * unused * -(-sizes[2] // rows) * rows / lanes(zero))
    return 1 if sizes[0] * fewer + more < sizes[0] * direct else 0


@compiled
def winograd_bytes(sizes, window, algorithm, zero):
    """What `winograd` needs beside the scratch of `correlate`, for so many samples or fewer: `takes` is true of some only if
    a sample is faster.
    """
    if can_be(algorithm, sizes, window, zero):
        fewer, direct = sample_cycles(sizes, window, zero)
        if algorithm == WINOGRAD or fewer < direct:
            return _layout(0, sizes, zero)[5] + LINE
    return 0


@compiled
def channels_of_patches(C, zero):
    """How many channels go together: at most PATCH_BYTES of patches, and about as many each time."""
    most = max(1, PATCH_BYTES // (PLACES * VECTORS * lanes(zero) * element_size(zero)))
    return max(1, -(-C // max(1, -(-C // most))))


@compiled
def _layout(scratch, sizes, zero):
    """Addresses in scratch: weights, patches, sums, zeros, ones, and the end. A vector behind sums is read."""
    vector = lanes(zero) * element_size(zero)
    weights = -(-scratch // LINE) * LINE
    channels = channels_of_patches(sizes[1], zero)
    blocks = -(-sizes[1] // channels) * -(-sizes[2] // full_rows(zero))
    patches = weights + blocks * PLACES * weight_step(channels, zero)
    sums = patches + PLACES * patch_step(channels, zero)
    nothing = sums + (PLACES * VECTORS * full_rows(zero) + 1) * vector
    ones = nothing + 3 * vector
    return weights, patches, sums, nothing, ones, ones + VECTORS * vector


@tiled
def winograd(sizes: Sizes, window: Window, image: Images, weights: Weights, out: Images, scratch: int, zero: float) -> None:
    """All samples of one group, with the arguments of `correlate`; the cells of a row of image and out are neighbours."""
    m, C, K, H, W, H_out, W_out = sizes
    size, wide, rows, channels = element_size(zero), VECTORS * lanes(zero), full_rows(zero), channels_of_patches(C, zero)
    where = _layout(scratch, sizes, zero)
    for place in range(where[2], where[4], size):
        write(zero, place)
    for place in range(where[4], where[5], size):
        write(zero + np.float32(1), place)
    transform_weights(weights[0], (K, C), channels, where[0], zero)
    grid = grid_of(sizes)
    each = grid[0] * grid[1]
    tiles, done, again = m * each, 0, (0, 0)
    for t in range(0, tiles, wide):
        behind, finite, above = min(t + wide, tiles), True, where[0]
        for c in range(0, C, channels):
            some = (m, min(channels, C - c), K, H, W, H_out, W_out)
            source = (image[0] + c * image[2], image[1], image[2], image[3], image[4])
            lines = (where[1], patch_step(some[1], zero), wide * size)
            transform_patches(source, some, (window[4], window[5]), (t, behind), lines, where[3], zero)
            for k in range(0, K, rows):
                last = min(rows, K - k) - 1
                bias = (weights[1] + k * weights[2], weights[2], last, where[4]) if c == 0 else (where[3], 0, last, where[3])
                _products(above, where[1], some[1], bias, where[2], behind - t, zero)
                above += PLACES * weight_step(some[1], zero)
                cells = (out[0] + k * out[2], out[1], out[2], out[3], out[4])
                sums = (where[2], rows * wide * size, wide * size)
                if transform_sums(sums, last, sizes, (t, behind), cells, c, zero) == 0:
                    finite = False
        complete = behind // each
        if weights[3] != IDENTITY and complete > done:  # these samples' cells are in the cache still
            activate_planes(weights[3], out[0] + done * out[1], (out[1], out[2]), (complete - done, K, H_out * W_out), zero)
        done = complete
        if not finite:
            if t // each > again[1]:  # whoever comes next is in none of those samples
                _directly(again, sizes, window, image, weights, out, where[5], zero)
                again = (t // each, t // each)
            again = (again[0] if again[1] > again[0] else t // each, -(-behind // each))
    _directly(again, sizes, window, image, weights, out, where[5], zero)


@compiled
def _directly(samples, sizes, window, image, weights, out, scratch, zero):
    """Samples, from one to another, by the sums of the equation."""
    first, behind = samples
    if behind > first:
        some = (behind - first, sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6])
        source = (image[0] + first * image[1], image[1], image[2], image[3], image[4])
        target = (out[0] + first * out[1], out[1], out[2], out[3], out[4])
        correlate(some, window, source, weights, target, scratch, zero)


@compiled
def _products(above, patches, C, bias, sums, tiles, zero):
    """The sums over C of a tile of rows with some tiles: a full register tile's, or, behind the last, vector by vector."""
    wide, width = VECTORS * lanes(zero), lanes(zero)
    if tiles > wide - width:
        _sums(form(zero, full_rows(zero), VECTORS), above, patches, C, bias, sums)
    else:
        for j in range(0, tiles, width):
            offset = j * element_size(zero)
            _sums(form(zero, full_rows(zero), 1), above, patches + offset, C, bias, sums + offset)


@compiled
def _sums(kind, above, patches, C, bias, target):
    """At each place, of a register tile: b, which counts as it is at place (1, 1), and the products."""
    zero, t = zero_of(kind), zeros(kind)
    size, rows, row = element_size(zero), full_rows(zero), VECTORS * lanes(zero) * element_size(zero)
    for place in range(PLACES):
        total = t
        if place == 5:
            total = rank_one(total, bias[0], bias[1], bias[2], bias[3], None)
        weights, patch = above, patches
        for _ in range(C):
            total = rank_one(total, weights, size, rows - 1, patch, None)
            weights += rows * size
            patch += row
        store(total, target, row, rows - 1, None)
        above, patches, target = above + weight_step(C, zero), patches + patch_step(C, zero), target + rows * row
