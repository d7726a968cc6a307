"""Winograd's transforms in vectors: of weights, of patches, and of sums of products to output cells.

With F(2 x 2, 3 x 3) a tile is 2 x 2 output cells, under which lies a patch d of 4 x 4 cells, and
    z = A^T [sum_c (G theta_c G^T) (B^T d_c B)] A,   the products being elementwise: 16, where windows take 36.
A 4 x 4 has 16 places, numbered row by row. Lanes are tiles, which follow each other by sample, row and column; those of one
row, at most a vector of them, are a run. Source: Winograd (1980), Lavin and Gray (2016).

    grid     rows and columns of tiles in a sample
    tiles    the first of some tiles, and the one behind the last
    lines    address of place 0 of the first tile, and the steps from one place and one channel to the next
"""

import numpy as np

from fastnn.kernels.forms import full_rows, lanes
from fastnn.kernels.jit import compiled
from fastnn.kernels.lanes import (
    added_lanes,
    evens,
    first_half,
    load_lanes,
    odds,
    row_of,
    scaled,
    second_half,
    stacked,
    store_lanes,
    subtracted,
)
from fastnn.kernels.layout import on_stack
from fastnn.kernels.memory import element_size, read
from fastnn.kernels.planes import Images, Sizes, channels_of, line_apart
from fastnn.kernels.shared import tiled
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.tiles import added, load, store, store_sums, tile

PLACES = 16
# Whose patches a panel's runs fill one after the other: they stay in the first-level cache until their lines are full.
CHANNELS = 8

Pair = tuple[int, int]
Lines = tuple[int, int, int]


@compiled
def grid_of(sizes):
    """Tiles of 2 x 2 cells: those at the lower and right edge may have one row or column."""
    return (sizes[5] + 1) // 2, (sizes[6] + 1) // 2


@compiled
def weight_step(C, zero):
    """From one place to the next of transformed weights of C channels, and of patches: to other sets of the cache.

    Places 12288 bytes apart, those of patches of 64 channels, took twice as long to write.
    """
    return line_apart(C * full_rows(zero) * element_size(zero))


@compiled
def patch_step(C, zero):
    step = line_apart(C * VECTORS * lanes(zero) * element_size(zero))
    while (step // LINE + 1) % 64 < 3:
        step += 2 * LINE
    return step


@compiled
def run_at(t, behind, grid, zero):
    """The sample, row and column of tile t, and how many tiles of the same row go with it."""
    row, j = t // grid[1], t % grid[1]
    return row // grid[0], row % grid[0], j, min(min(grid[1] - j, lanes(zero)), behind - t)


@tiled
def transform_weights(packed: int, counts: Pair, channels: int, target: int, zero: float) -> None:
    """G theta G^T: packed weights (`pack_weights`) of counts (K, C) -> tiles of rows of k, for so many channels at a time.

    A tile of rows has all channels of place 0, then those of place 1.
    """
    (K, C), rows, width = counts, full_rows(zero), lanes(zero)
    row = rows * element_size(zero)
    together = channels_of(C, 3, 3)
    for begin in range(0, C, channels):
        some = min(channels, C - begin)
        for k in range(0, K, rows):
            for c in range(begin, begin + some):
                first = c // together * together
                near = min(together, C - first)
                source = packed + 9 * (k * C + first * rows) * element_size(zero) + 3 * (c - first) * row
                for lane in range(0, rows, width):
                    offset, count = lane * element_size(zero), min(width, rows - lane)
                    place = target + (c - begin) * row + offset
                    _weights(source + offset, (3 * near * row, row), (place, weight_step(some, zero)), count, zero)
            target += PLACES * weight_step(some, zero)


@compiled
def _weights(source, steps, target, count, zero):
    """Those of a channel and a vector of k; steps from one row and one column of theta to the next."""
    upper = _spread(source, steps[1], count, zero)
    middle = _spread(source + steps[0], steps[1], count, zero)
    lower = _spread(source + 2 * steps[0], steps[1], count, zero)
    outer = added(upper, lower)
    place, step = target
    store(upper, place, step, 3, count)
    store(_half(added(outer, middle), zero), place + 4 * step, step, 3, count)
    store(_half(subtracted(outer, middle), zero), place + 8 * step, step, 3, count)
    store(lower, place + 12 * step, step, 3, count)


@compiled
def _spread(place, step, count, zero):
    """One row of theta G^T."""
    vector = tile(zero, 1, 1)
    left, middle = load(vector, place, 0, 0, count), load(vector, place + step, 0, 0, count)
    right = load(vector, place + 2 * step, 0, 0, count)
    outer = added(left, right)
    return stacked(left, _half(added(outer, middle), zero), _half(subtracted(outer, middle), zero), right)


@compiled
def _half(t, zero):
    return scaled(t, zero + np.float32(0.5))


@tiled
def transform_patches(
    image: Images, sizes: Sizes, padding: Pair, tiles: Pair, lines: Lines, nothing: int, zero: float
) -> None:
    """B^T d B of some tiles and all channels that sizes has; zeros follow up to the end of a vector.

    At `nothing` are zeros, two vectors and two more, for rows outside the image.
    """
    for c in range(0, sizes[1], CHANNELS):
        some = min(CHANNELS, sizes[1] - c)
        source = (image[0] + c * image[2], image[1], image[2], image[3], image[4])
        _channels(source, some, sizes, padding, tiles, (lines[0] + c * lines[2], lines[1], lines[2]), nothing, zero)


@compiled
def _channels(image, C, sizes, padding, tiles, lines, nothing, zero):
    """All tiles of some channels."""
    first, step_n, step_c, step_h, step_w = image
    H, W, grid = sizes[3], sizes[4], grid_of(sizes)
    (t, behind), place = tiles, lines[0]
    while t < behind:
        n, i, j, count = run_at(t, behind, grid, zero)
        y, x = 2 * i - padding[0], 2 * j - padding[1]
        corner, inside = first + n * step_n + y * step_h + x * step_w, (max(0, -x), W - x)
        rows = (
            _row(y, H, corner, step_c, nothing),
            _row(y + 1, H, corner + step_h, step_c, nothing),
            _row(y + 2, H, corner + 2 * step_h, step_c, nothing),
            _row(y + 3, H, corner + 3 * step_h, step_c, nothing),
        )
        _patches(rows, C, inside, (place, lines[1], lines[2]), count, zero)
        t, place = t + count, place + count * element_size(zero)
    rest = -(behind - tiles[0]) % lanes(zero)
    if rest > 0:
        for c in range(C):
            store(tile(zero, 16, 1), place + c * lines[2], lines[1], PLACES - 1, rest)


@compiled
def _row(y, H, place, step, nothing):
    """A row of the image and its step from channel to channel, or zeros."""
    return (place, step) if 0 <= y < H else (nothing, 0)


@compiled
def _patches(rows, C, inside, target, count, zero):
    """Those of a run."""
    (one, step_1), (two, step_2), (three, step_3), (four, step_4) = rows
    place, step, step_c = target
    for _ in range(C):
        first, second = _across(one, inside, zero), _across(two, inside, zero)
        third, fourth = _across(three, inside, zero), _across(four, inside, zero)
        store(subtracted(first, third), place, step, 3, count)
        store(added(second, third), place + 4 * step, step, 3, count)
        store(subtracted(third, second), place + 8 * step, step, 3, count)
        store(subtracted(second, fourth), place + 12 * step, step, 3, count)
        one, two, three, four = one + step_1, two + step_2, three + step_3, four + step_4
        place += step_c


@compiled
def _across(place, inside, zero):
    """d B of one row of the patches: cells outside the image are 0, and not read."""
    (first, behind), width, size, vector = inside, lanes(zero), element_size(zero), tile(zero, 1, 1)
    low = load_lanes(vector, place, first, behind)
    high = load_lanes(vector, place + width * size, first - width, behind - width)
    d_0, d_1 = evens(low, high, lanes(zero)), odds(low, high, lanes(zero))
    low = load_lanes(vector, place + 2 * size, first - 2, behind - 2)
    high = load_lanes(vector, place + (width + 2) * size, first - width - 2, behind - width - 2)
    d_2, d_3 = evens(low, high, lanes(zero)), odds(low, high, lanes(zero))
    return stacked(subtracted(d_0, d_2), added(d_1, d_2), subtracted(d_2, d_1), subtracted(d_1, d_3))


@tiled
def transform_sums(lines: Lines, last: int, sizes: Sizes, tiles: Pair, out: Images, adds: int, zero: float) -> int:
    """A^T M A of some tiles and rows k up to the last -> out, or added to it; whether all of them are finite."""
    grid, (t, behind), size = grid_of(sizes), tiles, element_size(zero)
    source, found = lines[0], tile(zero, 1, 1)
    while t < behind:
        n, i, j, count = run_at(t, behind, grid, zero)
        place = out[0] + n * out[1] + 2 * i * out[3] + 2 * j * size
        cells = (sizes[5] - 2 * i, min(2 * count, sizes[6] - 2 * j))
        places = (source, lines[1], lines[2])
        if adds != 0:
            found = _cells(found, places, last, (place, out[2], out[3]), cells, True, zero)
        else:
            found = _cells(found, places, last, (place, out[2], out[3]), cells, False, zero)
        t, source = t + count, source + count * size
    total = on_stack(1, zero)
    store_sums(found, total, 0, 0)
    return 1 if read(zero, total) == 0 else 0


@compiled
def _cells(found, source, last, target, cells, adds, zero):
    """Those of a run; adds 0 times each of them to `found`."""
    place, step, step_k = source
    out, out_k, out_h = target
    square = tile(zero, 4, 1)
    for _ in range(last + 1):
        first, second = load(square, place, step, 3, None), load(square, place + 4 * step, step, 3, None)
        third, fourth = load(square, place + 8 * step, step, 3, None), load(square, place + 12 * step, step, 3, None)
        upper = added(added(first, second), third)
        lower = subtracted(subtracted(second, third), fourth)
        total = _put(upper, out, cells[1], adds, zero)
        if cells[0] > 1:
            total = added(total, _put(lower, out + out_h, cells[1], adds, zero))
        found = added(found, scaled(total, zero))
        place, out = place + step_k, out + out_k
    return found


@compiled
def _put(row, place, count, adds, zero):
    """One row of cells, left and right ones in turn; returns the sums of both, which are not finite if one is not."""
    width, size, m = lanes(zero), element_size(zero), row_of(row, 1)
    left = added(added(row_of(row, 0), m), row_of(row, 2))
    right = subtracted(subtracted(m, row_of(row, 2)), row_of(row, 3))
    low, high = first_half(left, right, lanes(zero)), second_half(left, right, lanes(zero))
    if adds:
        low = added_lanes(low, place, 0, count)
        high = added_lanes(high, place + width * size, 0, count - width)
    store_lanes(low, place, 0, count)
    store_lanes(high, place + width * size, 0, count - width)
    return added(low, high)
