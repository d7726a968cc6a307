"""Winograd's transforms in vectors: of weights, of patches, and of sums of products to output cells.

    z = A^T [sum_c (G theta_c G^T) (B^T d_c B)] A,   the products being elementwise.
What is here serves all schemes (winograd_schemes.py), but for B and A, which are those of stride 1: there a tile is 2 x 2
output cells, under which lies a patch d of 4 x 4 cells. Transformed patches and weights, and sums, have places, numbered row
by row. Lanes are tiles, which follow each other by sample, row and column; those of one row, at most a vector, are a run.

    grid     rows and columns of tiles in a sample
    corner   where the first patch begins (`corner_of`)
    tiles    the first of some tiles, and the one behind the last
    lines    address of place 0 of the first tile, and the steps from one place and one channel to the next
"""

import numpy as np

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, read
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.lanes import added_lanes, load_lanes, scaled, store_lanes, subtracted
from fastnn.kernels.registers.shuffles import evens, first_half, odds, row_of, second_half, stacked
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, store, store_sums, tile
from fastnn.kernels.sums.planes import Images, Sizes, channels_of, line_apart
from fastnn.kernels.winograd.winograd_schemes import ONE, WEIGHTS, cells_of, grid_of, patch_apart, tile_side

# Whose patches a panel's runs fill one after the other: they stay in the first-level cache until their lines are full.
CHANNELS = 8

Pair = tuple[int, int]
Corner = tuple[int, int, int, int]
Lines = tuple[int, int, int]


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


@shared
def transform_weights(scheme: int, packed: int, counts: Pair, channels: int, target: int, zero: float) -> None:
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
                    _weights(scheme, source + offset, (3 * near * row, row), (place, weight_step(some, zero)), count, zero)
            target += WEIGHTS * WEIGHTS * weight_step(some, zero)


@compiled
def _weights(scheme, source, steps, target, count, zero):
    """Those of a channel and a vector of k; steps from one row and one column of theta to the next."""
    upper = _spread(scheme, source, steps[1], count, zero)
    middle = _spread(scheme, source + steps[0], steps[1], count, zero)
    lower = _spread(scheme, source + 2 * steps[0], steps[1], count, zero)
    outer = added(upper, lower)
    place, step = target
    store(upper, place, step, 3, count)
    if scheme == ONE:
        store(half(added(outer, middle), zero), place + 4 * step, step, 3, count)
        store(half(subtracted(outer, middle), zero), place + 8 * step, step, 3, count)
    else:
        store(middle, place + 4 * step, step, 3, count)
        store(outer, place + 8 * step, step, 3, count)
    store(lower, place + 12 * step, step, 3, count)


@compiled
def _spread(scheme, place, step, count, zero):
    """One row of theta G^T."""
    vector = tile(zero, 1, 1)
    left, middle = load(vector, place, 0, 0, count), load(vector, place + step, 0, 0, count)
    right = load(vector, place + 2 * step, 0, 0, count)
    outer = added(left, right)
    if scheme == ONE:
        return stacked(left, half(added(outer, middle), zero), half(subtracted(outer, middle), zero), right)
    return stacked(left, middle, outer, right)


@compiled
def half(t, zero):
    return scaled(t, zero + np.float32(0.5))


@shared
def transform_patches(
    image: Images, sizes: Sizes, corner: Corner, tiles: Pair, lines: Lines, nothing: int, zero: float
) -> None:
    """B^T d B of some tiles and all channels that sizes has; zeros follow up to the end of a vector.

    At `nothing` are zeros, two vectors and two more, for rows outside the image.
    """
    all_patches(ONE, _patches, image, sizes, corner, tiles, lines, nothing, zero)


@compiled
def all_patches(scheme, patches, image, sizes, corner, tiles, lines, nothing, zero):
    """What `patches` writes for a run, of some tiles and all channels that sizes has."""
    for c in range(0, sizes[1], CHANNELS):
        some = min(CHANNELS, sizes[1] - c)
        source = (image[0] + c * image[2], image[1], image[2], image[3], image[4])
        target = (lines[0] + c * lines[2], lines[1], lines[2])
        _channels(scheme, patches, source, some, sizes, corner, tiles, target, nothing, zero)


@compiled
def _channels(scheme, patches, image, C, sizes, corner, tiles, lines, nothing, zero):
    """All tiles of some channels."""
    first, step_n, step_c, step_h, step_w = image
    H, W, grid = sizes[3], sizes[4], grid_of(scheme, sizes)
    (t, behind), place = tiles, lines[0]
    while t < behind:
        n, i, j, count = run_at(t, behind, grid, zero)
        y, x = patch_apart(scheme) * i + corner[0], patch_apart(scheme) * j + corner[1]
        place_in, inside = first + n * step_n + y * step_h + x * step_w, (max(0, -x), W - x)
        rows = (
            _row(y, H, place_in, step_c, nothing),
            _row(y + 1, H, place_in + step_h, step_c, nothing),
            _row(y + 2, H, place_in + 2 * step_h, step_c, nothing),
            _row(y + 3, H, place_in + 3 * step_h, step_c, nothing),
            _row(y + 4, H, place_in + 4 * step_h, step_c, nothing),
        )
        patches(rows, C, inside, corner, (place, lines[1], lines[2]), count, zero)
        t, place = t + count, place + count * element_size(zero)
    rest = -(behind - tiles[0]) % lanes(zero)
    if rest > 0:
        for c in range(C):
            for p in range(cells_of(scheme) * cells_of(scheme)):
                store(tile(zero, 1, 1), place + c * lines[2] + p * lines[1], 0, 0, rest)


@compiled
def _row(y, H, place, step, nothing):
    """A row of the image and its step from channel to channel, or zeros."""
    return (place, step) if 0 <= y < H else (nothing, 0)


@compiled
def _patches(rows, C, inside, _corner, target, count, zero):
    """Those of a run."""
    (one, step_1), (two, step_2), (three, step_3), (four, step_4), _ = rows
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


@shared
def transform_sums(
    lines: Lines, last: int, sizes: Sizes, corner: Corner, tiles: Pair, out: Images, adds: int, zero: float
) -> int:
    """A^T M A of some tiles and rows k up to the last -> out, or added to it; whether all of them are finite."""
    return all_sums(ONE, _cells, lines, last, sizes, corner, tiles, out, adds, zero)


@compiled
def all_sums(scheme, cells, lines, last, sizes, corner, tiles, out, adds, zero):
    """What `cells` writes for a run, of some tiles."""
    grid, (t, behind), size, side = grid_of(scheme, sizes), tiles, element_size(zero), tile_side(scheme)
    source, found = lines[0], tile(zero, 1, 1)
    while t < behind:
        n, i, j, count = run_at(t, behind, grid, zero)
        place = out[0] + n * out[1] + side * i * out[3] + side * j * size
        inside = (sizes[5] - side * i, min(side * count, sizes[6] - side * j))
        places = (source, lines[1], lines[2])
        if adds != 0:
            found = cells(found, places, last, corner, (place, out[2], out[3]), inside, True, zero)
        else:
            found = cells(found, places, last, corner, (place, out[2], out[3]), inside, False, zero)
        t, source = t + count, source + count * size
    total = on_stack(1, zero)
    store_sums(found, total, 0, 0)
    return 1 if read(zero, total) == 0 else 0


@compiled
def _cells(found, source, last, _corner, target, cells, adds, zero):
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
    """One row of cells."""
    m = row_of(row, 1)
    left = added(added(row_of(row, 0), m), row_of(row, 2))
    return put_pairs(left, subtracted(subtracted(m, row_of(row, 2)), row_of(row, 3)), place, count, adds, zero)


@compiled
def put_pairs(left, right, place, count, adds, zero):
    """Left and right cells in turn; returns the sums of both, which are not finite if one is not."""
    width, size = lanes(zero), element_size(zero)
    low, high = first_half(left, right, lanes(zero)), second_half(left, right, lanes(zero))
    if adds:
        low = added_lanes(low, place, 0, count)
        high = added_lanes(high, place + width * size, 0, count - width)
    store_lanes(low, place, 0, count)
    store_lanes(high, place + width * size, 0, count - width)
    return added(low, high)
