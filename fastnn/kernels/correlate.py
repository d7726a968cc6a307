"""The sum over a window's taps, for output cell by output cell: a convolution's forward pass, and its way back to da.

z_(k,i,j) = b_k + sum_t weight_kt patch_t(i,j), a product of matrices whose right side is never made as a whole: a tile's panel
of it at a time (patches.py), at most BLOCK taps, each block's sum from zero. The bias is one more tap, whose patch is 1.
Where a group has only one to three rows k, a patch would be used as often as it is copied: then the tile reads the
planes where they are, eight vectors that each lie within a row.

Tuples as in planes.py, and
    out      address, and the steps from one sample, row k, row i and cell j to the next
    weights  address of the packed weights, address of the bias, and its step: 0 and a 0 for none
    room     addresses in scratch of the planes, the table of tap offsets, the notes on runs, a panel, a tile and ones
"""

import numpy as np

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.jit import compiled
from fastnn.kernels.patches import RUN_BYTES, pack_patches, pixel_offset
from fastnn.kernels.planes import fill_planes, parts, plane_bytes, tap_offsets
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

LOW = 3  # rows of a group for which patches are not copied
LOW_VECTORS = 8  # at most, of a tile of so few rows
NOTES = 32 * RUN_BYTES  # a vector has at most 16 runs


@compiled
def packed_weights(K, taps, zero):
    """How many elements: whole tiles of rows."""
    return -(-K // full_rows(zero)) * full_rows(zero) * taps


@compiled
def pack_weights(theta, steps, sizes, target, zero):
    """Weights (K, C, f_h, f_w), by steps of any sign, as tiles of rows: the rows of a tile are neighbours, then taps."""
    K, C, f_h, f_w = sizes
    step_k, step_c, step_h, step_w = steps
    size, rows = element_size(zero), full_rows(zero)
    for k in range(0, K, rows):
        count = min(rows, K - k)
        for c in range(C):
            for r in range(f_h):
                for s in range(f_w):
                    place = theta + k * step_k + c * step_c + r * step_h + s * step_w
                    for row in range(count):
                        write(read(zero, place + row * step_k), target + row * size)
                    for row in range(count, rows):
                        write(zero, target + row * size)
                    target += rows * size


@compiled
def scratch_bytes(sizes, window, image, zero):
    """What `correlate` needs: planes, tap offsets, a panel, a tile, and ones. None of it grows with m or K."""
    size = element_size(zero)
    part = parts(sizes, window, image, size, sizes[2] <= LOW)
    vector = lanes(zero) * size
    taps = part[1] * window[0] * window[1]
    panel = 0 if sizes[2] <= LOW else min(BLOCK, taps) * VECTORS * vector
    tiles = max(full_rows(zero) * VECTORS, LOW * LOW_VECTORS) * vector
    return LINE + plane_bytes(part) + LINE + 8 * taps + LINE + NOTES + panel + tiles + LOW_VECTORS * vector


@compiled
def correlate(sizes, window, image, weights, out, scratch, zero):
    """All samples of one group."""
    m, C, K, H, W, H_out, W_out = sizes
    size = element_size(zero)
    part = parts(sizes, window, image, size, K <= LOW)
    samples, channels, rows = part[0], part[1], part[2]
    planes = -(-scratch // LINE) * LINE
    ones = -(-(planes + plane_bytes(part)) // LINE) * LINE
    buffer = ones + LOW_VECTORS * lanes(zero) * size
    panel = buffer + max(full_rows(zero) * VECTORS, LOW * LOW_VECTORS) * lanes(zero) * size
    cells = window[0] * window[1]
    notes = panel + (0 if K <= LOW else min(BLOCK, channels * cells) * VECTORS * lanes(zero) * size)
    room = (planes, notes + NOTES, notes, panel, buffer, ones)
    one = zero + np.float32(1)
    for i in range(LOW_VECTORS * lanes(zero)):
        write(one, ones + i * size)
    tap_offsets(room[1], channels, window, part, size)
    for n in range(0, m, samples):
        m_n = min(samples, m - n)
        for i in range(0, H_out, rows):
            rows_i = min(rows, H_out - i)
            target = (out[0] + n * out[1] + i * out[3], out[1], out[2], out[3], out[4])
            for c in range(0, max(C, 1), channels):
                C_c = min(channels, C - c)
                first = image[0] + n * image[1] + c * image[2]
                where = (first, image[1], image[2], image[3], image[4])
                some = (m_n, C_c, K, H, W, rows_i, W_out)
                if part[3] != 0:
                    fill_planes(where, some, window, part, i, planes, zero)
                else:
                    room = (first + i * image[3], room[1], room[2], room[3], room[4], room[5])
                grid = (rows_i, W_out, part[4], part[7])
                packed = (weights[0] + c * cells * full_rows(zero) * size, weights[1], weights[2])
                for t in range(0, max(C_c * cells, 1), BLOCK):
                    block = (min(BLOCK, C_c * cells - t), C * cells, t, c + t > 0)
                    if K == 1:
                        _low(low_tile(zero, 1), some, grid, packed, target, room, block)
                    elif K <= LOW:
                        _low(low_tile(zero, LOW), some, grid, packed, target, room, block)
                    else:
                        _packed(some, grid, packed, target, room, block, zero)


@compiled
def _packed(sizes, grid, weights, out, room, block, zero):
    """A block of taps for all pixels of a part, panel by panel. block: how many taps, of how many, the first, add to out?"""
    m, K, rows, W_out = sizes[0], sizes[2], sizes[5], sizes[6]
    taps, all_taps, first, adds = block
    planes, table, notes, panel, buffer, ones = room
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
def _low(t, sizes, grid, weights, out, room, block):
    """Few rows: vectors are read from the planes, so each lies within an output row. block as in `_packed`."""
    m, K, rows, W_out = sizes[0], sizes[2], sizes[5], sizes[6]
    taps, _, first, adds = block
    planes, table, notes, _, buffer, ones = room
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
