"""Sums over windows of one cell, with stride 1 and no padding: a product of matrices, over the cells of all samples.

z_(k,p) = b_k + sum_c theta_kc a_(c,p), for the cells p of each sample. A panel is as many of them as a tile has columns, of
at most BLOCK channels. All k meet it before the next one, and read it where it is: theta streams by, and to copy the panel,
too, took 2 % longer. What is left of samples behind their last whole panel makes panels together, put together in scratch,
whose sums are taken apart: so no vector is lost to the end of a sample. Meanwhile lines of the next panel are asked for, and
of z, one between a few products and the next: without, 256 channels of 56 x 56 cells took a quarter longer.

Tuples as in planes.py and correlate.py, and
    counts  channels, K, and how many cells of each sample panels are made of: those of one panel, or what is left
    cells   the first of a panel, over the samples, and how many
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.products.blocking import GROUP
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import form, full_rows, half_rows, lanes, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, prefetch_row, prefetch_row_to_read, rank_one, spread, store, tile
from fastnn.kernels.sums.correlate import Weights
from fastnn.kernels.sums.planes import Images, Sizes, channels_of


@compiled
def can_be_cells(sizes, window, zero):
    """Whether windows are of one cell, and whether there are more rows k than in half a tile."""
    _, C, K, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, _, _ = window
    met = f_h * f_w * S_h * S_w == 1 and P_h == 0 and P_w == 0 and (H_out, W_out) == (H, W)
    return met and C > 0 and half_rows(zero) < K


@compiled
def cells_bytes(zero):
    """The scratch of `sum_cells`: a panel, and a tile's sums."""
    return (BLOCK + full_rows(zero)) * VECTORS * lanes(zero) * element_size(zero) + LINE


@tiled
def sum_cells(sizes: Sizes, image: Images, weights: Weights, out: Images, scratch: int, zero: float) -> None:
    """All samples of one group. A sample's cells of a channel lie one behind the other."""
    m, C, K, H, W, _, _ = sizes
    wide, size = VECTORS * lanes(zero), element_size(zero)
    rest, done, activated = H * W % wide, 0, 0
    behind = (H * W - rest) * size
    left, sums = (image[0] + behind, image[1], image[2]), (out[0] + behind, out[1], out[2])
    for n in range(m):
        source, target = image[0] + n * image[1], out[0] + n * out[1]
        for x in range(0, behind, wide * size):
            ahead = source + x + wide * size if x + wide * size < behind else source + image[1]
            here, there = (source + x, image[1], image[2]), (target + x, out[1], out[2])
            _sum_panel((C, K, wide), (0, wide), here, weights, there, (scratch, ahead), zero)
        while (n + 1) * rest - done >= wide or (n == m - 1 and m * rest > done):
            count = min(wide, m * rest - done)
            _sum_panel((C, K, rest), (done, count), left, weights, sums, (scratch, source + image[1]), zero)
            done += count
        if weights[3] != IDENTITY:  # these cells are in the cache still
            activate_planes(weights[3], target, (out[1], out[2]), (1, K, H * W - rest), zero)
            complete = done // max(1, rest)
            some, place = (complete - activated, K, rest), sums[0] + activated * out[1]
            activate_planes(weights[3], place, (out[1], out[2]), some, zero)
            activated = complete


@compiled
def _sum_panel(counts, cells, image, weights, out, room, zero):
    """All k of a panel's cells. room: where it may be put together, and where the next one lies."""
    (C, K, each), (p, count), (scratch, ahead) = counts, cells, room
    size, rows, width, channels = element_size(zero), full_rows(zero), lanes(zero), channels_of(C, 1, 1)
    row, panel, whole = VECTORS * width * size, -(-scratch // LINE) * LINE, each == VECTORS * width
    buffer, place = panel + BLOCK * row, out[0] + p // each * out[1] + p % each * size
    for c in range(0, C, channels):
        some, asked, source = min(channels, C - c), 0, (image[0] + c * image[2], image[2])
        share, soon = -(-some * rows // K), image[0] + (c + channels) * image[2] if c + channels < C else ahead
        if not whole:
            _gather((some, each), cells, (source[0], image[1], image[2]), panel, zero)
            source = (panel, row)
        for k in range(0, K, rows):
            last, bias = min(rows, K - k) - 1, (weights[1] + k * weights[2], weights[2])
            above, there = weights[0] + (k * C + c * rows) * size, (place + k * out[2], out[2])
            target, terms = there if whole else (buffer, row), (some, last, c > 0, whole and c > 0)
            lines = (there, (soon + asked * image[2], image[2]), share)
            asked += share
            if count <= 2 * width:
                for j in range(0, count, width):
                    beside, sums = (panel + j * size, row), (buffer + j * size, row)
                    _run(form(zero, full_rows(zero), 1), terms, above, beside, bias, sums, lines)
            elif last < half_rows(zero):
                _run(form(zero, half_rows(zero), VECTORS), terms, above, source, bias, target, lines)
            else:
                _run(form(zero, full_rows(zero), VECTORS), terms, above, source, bias, target, lines)
            if not whole:
                _deliver((last, each), cells, buffer, (out[0] + k * out[2], out[1], out[2]), c > 0, zero)


@inlined
def _run(kind, terms, above, beside, bias, target, soon):
    """One tile. It asks for lines in as many steps as it takes; those behind the last channel of a panel are of no use."""
    channels, last, later, adds = terms
    (b, b_row), (c, c_row), (there, (ahead, step), share) = beside, target, soon
    zero, t = zero_of(kind), zeros(kind)
    size, rows, total, asked = element_size(zero), full_rows(zero), t, min(last + 1 + share, channels)
    group = min(GROUP, channels // asked)
    if not later:
        total = spread(total, bias[0], bias[1], last)
    for row in range(asked):
        if row <= last:
            prefetch_row(t, there[0] + row * there[1])
        else:
            prefetch_row_to_read(t, ahead)
            ahead += step
        for _ in range(group):
            total = rank_one(total, above, size, rows - 1, b, None)
            above += rows * size
            b += b_row
    for _ in range(channels - asked * group):
        total = rank_one(total, above, size, rows - 1, b, None)
        above += rows * size
        b += b_row
    if adds:
        total = added(total, load(t, c, c_row, last, None))
    store(total, c, c_row, last, None)


@compiled
def _gather(counts, cells, image, panel, zero):
    """Cells of some channels -> panel."""
    (channels, each), (p, count), vector = counts, cells, tile(zero, 1, 1)
    while count > 0:
        length = min(min(count, lanes(zero)), each - p % each)
        place, target = image[0] + p // each * image[1] + p % each * element_size(zero), panel
        for _ in range(channels):
            store(load(vector, place, 0, 0, length), target, 0, 0, length)
            place += image[2]
            target += VECTORS * lanes(zero) * element_size(zero)
        p, count, panel = p + length, count - length, panel + length * element_size(zero)


@compiled
def _deliver(counts, cells, buffer, out, adds, zero):
    """A tile's sums -> out."""
    (last, each), (p, count), vector = counts, cells, tile(zero, 1, 1)
    while count > 0:
        length = min(min(count, lanes(zero)), each - p % each)
        place, source = out[0] + p // each * out[1] + p % each * element_size(zero), buffer
        for _ in range(last + 1):
            total = load(vector, source, 0, 0, length)
            if adds:
                total = added(total, load(vector, place, 0, 0, length))
            store(total, place, 0, 0, length)
            place += out[2]
            source += VECTORS * lanes(zero) * element_size(zero)
        p, count, buffer = p + length, count - length, buffer + length * element_size(zero)
