"""The sum over a window's taps, for output cell by output cell: a convolution's forward pass, and its way back to da.

z_(k,i,j) = b_k + sum_t weight_kt patch_t(i,j), a product of matrices whose right side is never made as a whole: a tile's panel
of it at a time (patches.py), at most BLOCK taps, each block's sum from zero. The bias is one more tap, whose patch is 1.
Where a group has only one to three rows k, a patch would be used as often as it is copied: then the tile reads the
planes where they are, eight vectors that each lie within a row.

Tuples as in planes.py, and
    out      address, and the steps from one sample, row k, row i and cell j to the next
    weights  address of the packed weights, address of the bias, and its step: 0 and a 0 for none
    room     addresses in scratch (`_layout`)
"""

import numpy as np

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.jit import compiled
from fastnn.kernels.patches import RUN_BYTES, pack_patches, pixel_offset
from fastnn.kernels.planes import Images, Sizes, Window, fill_planes, in_place, parts, plane_bytes, tap_offsets
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.tiles import (
    added,
    element_size,
    full_rows,
    half_rows,
    lanes,
    load,
    low_tile,
    rank_one,
    rank_one_from,
    read,
    read_integer,
    read_integers,
    store,
    tile,
    vectors_of,
    write,
    write_integer,
    zero_of,
)

Weights = tuple[int, int, int]
Shape = tuple[int, int, int, int]

LOW = 3  # rows of a group for which patches are not copied
LOW_VECTORS = 8  # at most, of a tile of so few rows
NOTES = 32 * RUN_BYTES  # a vector has at most 16 runs


@compiled
def packed_weights(K, taps, zero):
    """How many elements: whole tiles of rows."""
    return -(-K // full_rows(zero)) * full_rows(zero) * taps


@shared
def pack_weights(theta: Images, sizes: Shape, target: int, zero: float) -> None:
    """Weights (K, C, f_h, f_w), by steps of any sign, as tiles of rows: the rows of a tile are neighbours, then taps."""
    K, C, f_h, f_w = sizes
    first, step_k, step_c, step_h, step_w = theta
    size, rows = element_size(zero), full_rows(zero)
    for k in range(0, K, rows):
        count = min(rows, K - k)
        for c in range(C):
            for r in range(f_h):
                for s in range(f_w):
                    place = first + k * step_k + c * step_c + r * step_h + s * step_w
                    for row in range(count):
                        write(read(zero, place + row * step_k), target + row * size)
                    for row in range(count, rows):
                        write(zero, target + row * size)
                    target += rows * size


@compiled
def correlate_bytes(sizes, window, zero):
    """The scratch of `correlate`: planes, ones, a tile, a panel, notes on runs, tap offsets. None of it grows with m or K."""
    part = parts(sizes, window, element_size(zero))
    return _layout(0, part, window[0] * window[1], zero)[5] + 8 * part[1] * window[0] * window[1] + LINE


@compiled
def _layout(scratch, part, cells, zero):
    """Addresses in scratch of planes, ones, a tile, a panel, notes on runs, and the table of tap offsets."""
    vector = lanes(zero) * element_size(zero)
    planes = -(-scratch // LINE) * LINE
    ones = -(-(planes + plane_bytes(part)) // LINE) * LINE
    buffer = ones + LOW_VECTORS * vector
    panel = buffer + max(full_rows(zero) * VECTORS, LOW * LOW_VECTORS) * vector
    notes = panel + min(BLOCK, part[1] * cells) * VECTORS * vector
    return planes, ones, buffer, panel, notes, notes + NOTES


@shared
def correlate(sizes: Sizes, window: Window, image: Images, weights: Weights, out: Images, scratch: int, zero: float) -> None:
    """All samples of one group."""
    m, C, K, H, W, H_out, W_out = sizes
    size, cells = element_size(zero), window[0] * window[1]
    part = parts(sizes, window, size)
    room = _layout(scratch, part, cells, zero)
    planes, ones = room[0], room[1]
    if K > LOW:
        part = in_place(part, sizes, window, image, size)
    samples, channels, rows = part[0], part[1], part[2]
    for i in range(LOW_VECTORS * lanes(zero)):
        write(zero + np.float32(1), ones + i * size)
    tap_offsets(room[5], channels, window, part, size)
    for n in range(0, m, samples):
        for i in range(0, H_out, rows):
            target = (out[0] + n * out[1] + i * out[3], out[1], out[2], out[3], out[4])
            for c in range(0, max(C, 1), channels):
                some = (min(samples, m - n), min(channels, C - c), K, H, W, min(rows, H_out - i), W_out)
                place = image[0] + n * image[1] + c * image[2]
                if part[3] != 0:
                    fill_planes((place, image[1], image[2], image[3], image[4]), some, window, part, i, planes, zero)
                else:
                    planes = place + i * image[3]
                grid = (some[5], W_out, part[4], part[7])
                packed = (weights[0] + c * cells * full_rows(zero) * size, weights[1], weights[2])
                taps = some[1] * cells
                for t in range(0, max(taps, 1), BLOCK):
                    block = (min(BLOCK, taps - t), C * cells, t, c + t > 0)
                    if K == 1:
                        _low(low_tile(zero, 1), planes, some, grid, packed, target, room, block)
                    elif K <= LOW:
                        _low(low_tile(zero, LOW), planes, some, grid, packed, target, room, block)
                    else:
                        _packed(planes, some, grid, packed, target, room, block, zero)


@compiled
def _packed(planes, sizes, grid, weights, out, room, block, zero):
    """A block of taps for all pixels of a part, panel by panel. block: how many taps, of how many, the first, add to out?"""
    m, K, rows, W_out = sizes[0], sizes[2], sizes[5], sizes[6]
    taps, all_taps, first, adds = block
    _, ones, buffer, panel, notes, table = room
    size, width, full = element_size(zero), VECTORS * lanes(zero), full_rows(zero)
    dense = out[4] == size and out[3] == W_out * size
    pixels = m * rows * W_out
    for p in range(0, pixels, width):
        behind = min(pixels, p + width)
        pack_patches(planes, table + 8 * first, taps, (p, behind), grid, (panel, width * size, notes), zero)
        n, rest = p // (rows * W_out), p % (rows * W_out)
        within = dense and rest + behind - p <= rows * W_out
        place = out[0] + n * out[1] + rest * size
        above = weights[0] + first * full * size
        for k in range(0, K, full):
            last = min(full, K - k) - 1
            bias = (weights[1] + k * weights[2], weights[2], ones)
            counts = (taps, last, behind - p, within and adds, adds)
            target = (place + k * out[2], out[2]) if within else (buffer, width * size)
            if last < half_rows(zero):
                wide, narrow = tile(zero, half_rows(zero), VECTORS), tile(zero, half_rows(zero), 1)
                _row_of_tiles(wide, narrow, counts, above, panel, bias, target, zero)
            else:
                wide, narrow = tile(zero, full_rows(zero), VECTORS), tile(zero, full_rows(zero), 1)
                _row_of_tiles(wide, narrow, counts, above, panel, bias, target, zero)
            if not within:
                corner = (out[0] + k * out[2], out[1], out[2], out[3], out[4])
                _deliver(buffer, width * size, (p, behind, last + 1, adds), (rows, W_out), dense, corner, zero)
            above += all_taps * full * size


@compiled
def _row_of_tiles(wide, narrow, counts, above, panel, bias, target, zero):
    """One wide tile, or as many narrow ones as there are vectors of pixels."""
    pixels, size, width = counts[2], element_size(zero), lanes(zero)
    if pixels == VECTORS * width:
        _run(wide, counts, above, panel, bias, target, None, zero)
        return
    for v in range(0, pixels, width):
        _run(narrow, counts, above, panel + v * size, bias, (target[0] + v * size, target[1]), min(width, pixels - v), zero)


@compiled
def _run(t, counts, above, panel, bias, target, count, zero):
    """One tile. Weights are packed with zeros behind the last row, so that rows lie at constant distances."""
    taps, last, _, adds, later = counts
    size, rows = element_size(zero), full_rows(zero)
    total = t
    if not later:
        total = rank_one(total, bias[0], bias[1], last, bias[2], None)
    for _ in range(taps):
        total = rank_one(total, above, size, rows - 1, panel, None)
        above += rows * size
        panel += VECTORS * lanes(zero) * size
    if adds:
        total = added(total, load(t, target[0], target[1], last, count))
    store(total, target[0], target[1], last, count)


@compiled
def _deliver(buffer, buffer_row, block, grid, dense, out, zero):
    """Pixels of a tile that do not lie together in `out`. block: first pixel, the one behind the last, rows, add to out?"""
    p, behind, count, adds = block
    rows, W_out = (1, grid[0] * grid[1]) if dense else grid
    size = element_size(zero)
    while p < behind:
        n, rest = p // (rows * W_out), p % (rows * W_out)
        i, j = rest // W_out, rest % W_out
        length = min(min(lanes(zero), W_out - j), behind - p)
        place = out[0] + n * out[1] + i * out[3] + j * out[4]
        _put(buffer, buffer_row, (count, length), place, (out[2], out[4]), adds, zero)
        buffer += length * size
        p += length


@compiled
def _put(source, source_row, counts, target, steps, adds, zero):
    """target = or += some rows of at most one vector."""
    rows, length = counts
    size, vector = element_size(zero), tile(zero, 1, 1)
    for r in range(rows):
        place, values = target + r * steps[0], source + r * source_row
        if steps[1] == size:
            total = load(vector, values, 0, 0, length)
            if adds:
                total = added(total, load(vector, place, 0, 0, length))
            store(total, place, 0, 0, length)
        else:
            for i in range(length):
                value = read(zero, values + i * size)
                if adds:
                    value += read(zero, place + i * steps[1])
                write(value, place + i * steps[1])


@compiled
def _low(t, planes, sizes, grid, weights, out, room, block):
    """Few rows: vectors are read from the planes, so each lies within an output row. block as in `_packed`."""
    m, K, rows, W_out = sizes[0], sizes[2], sizes[5], sizes[6]
    taps, _, first, adds = block
    _, ones, buffer, _, notes, table = room
    zero = zero_of(t)
    size, width, full, many = element_size(zero), lanes(zero), full_rows(zero), vectors_of(t)
    across = -(-W_out // width)
    vectors = m * rows * across
    for v in range(0, vectors, many):
        for i in range(many):
            p = min(v + i, vectors - 1)
            pixel = p // across * W_out + p % across * width
            write_integer(planes + pixel_offset(pixel, grid, size), notes + 8 * i)
        places = read_integers(notes, many)
        total = t
        if not adds:
            total = rank_one(t, weights[1], weights[2], K - 1, ones, None)
        above = weights[0] + first * full * size
        for tap in range(first, first + taps):
            total = rank_one_from(total, above, size, places, read_integer(table + 8 * tap))
            above += full * size
        store(total, buffer, many * width * size, K - 1, None)
        for i in range(min(many, vectors - v)):
            p = v + i
            n, rest, j = p // across // rows, p // across % rows, p % across * width
            place = out[0] + n * out[1] + rest * out[3] + j * out[4]
            counts = (K, min(width, W_out - j))
            _put(buffer + i * width * size, many * width * size, counts, place, (out[2], out[4]), adds, zero)
