"""dtheta_kt = sum over samples and output cells of dz_k(n,i,j) patch_t(n,i,j), in one of two ways.

    by lanes   where K x taps is small: lanes are output cells, both sides are vectors, and each (k, t) keeps a vector of
               partial sums in scratch, whose lanes are added up once, at the end
    by rows    else: lanes are k. dz is packed, transposed, in panels as wide as a tile; the patches are read from the planes
               where they are, one element for each row of the tile, with a table of where each cell lies

A tile's sum is over at most BLOCK terms, from zero, and is then added to what is in scratch. Tuples as in planes.py, and
    dz     address, and the steps from one sample and k to the next; cells of an image are neighbours
    out    address, and the steps from one k, c, r and s to the next
    sums   address, step from row to row, step from tile to tile
"""

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.jit import compiled
from fastnn.kernels.packing import pack_panels
from fastnn.kernels.patches import RUN_BYTES, pack_patches, pixel_offset
from fastnn.kernels.planes import Images, Sizes, Window, fill_planes, in_place, parts, plane_bytes, tap_offsets
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.tiles import (
    added,
    element_size,
    full_rows,
    lanes,
    load,
    low_tile,
    products,
    rank_one_at,
    read,
    read_integer,
    read_integers,
    store,
    store_sums,
    tile,
    vectors_of,
    write,
    write_integer,
    zero_of,
)

Gradients = tuple[int, int, int]

SUMS_BYTES = 256 * 1024  # of partial sums for which lanes are output cells: they stay in the second-level cache
PANEL_BYTES = 48 * 1024  # of patches by lanes: what the first-level cache holds
LEAST, MOST = 4, 32  # vectors of a patch by lanes
LOW = 3  # rows k of a group for which the tile has few rows and more taps
WIDEST = 8  # vectors, of any tile
NOTES = 32 * RUN_BYTES


@compiled
def _by_lanes(sizes, part, cells, zero):
    """Whether lanes are output cells; and of the scratch for sums, the step from row to row and the bytes in all."""
    _, C, K, _, _, _, _ = sizes
    size, width = element_size(zero), lanes(zero)
    blocks = -(-C // part[1])
    row = blocks * (part[1] * cells + WIDEST) * width * size
    if row * K <= SUMS_BYTES:
        return True, row, row * K
    row = -(-K // width) * width * size
    return False, row, row * C * cells


@compiled
def gradient_bytes(sizes, window, zero):
    """The scratch of `theta_gradient`: it grows with dtheta, not with m."""
    part = parts(sizes, window, element_size(zero))
    return _layout(0, sizes, part, window[0] * window[1], zero)[5] + 8 * part[1] * window[0] * window[1] + LINE


@compiled
def _layout(scratch, sizes, part, cells, zero):
    """Addresses in scratch: planes, sums, a panel, notes on runs, tables of pixels and of tap offsets; and a panel's vectors."""
    vector = lanes(zero) * element_size(zero)
    by_lanes, _, sums_bytes = _by_lanes(sizes, part, cells, zero)
    planes = -(-scratch // LINE) * LINE
    sums = -(-(planes + plane_bytes(part)) // LINE) * LINE
    panel = sums + -(-sums_bytes // LINE) * LINE
    taps = part[1] * cells
    # vectors of a patch by lanes that are made at a time
    vectors = max(LEAST, min(MOST, PANEL_BYTES // (max(taps, 1) * vector)))
    if by_lanes:
        notes = panel + taps * vectors * vector
    else:
        notes = panel + -(-sizes[2] // (VECTORS * lanes(zero))) * BLOCK * VECTORS * vector
    return planes, sums, panel, notes, notes + NOTES, notes + NOTES + 8 * BLOCK, vectors


@shared
def theta_gradient(
    sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Images, scratch: int, zero: float
) -> None:
    """All samples of one group."""
    m, C, K, H, W, H_out, W_out = sizes
    size, cells = element_size(zero), window[0] * window[1]
    part = parts(sizes, window, size)
    by_lanes, row, sums_bytes = _by_lanes(sizes, part, cells, zero)
    room = _layout(scratch, sizes, part, cells, zero)
    planes, sums = room[0], room[1]
    part = in_place(part, sizes, window, image, size)
    samples, channels, rows = part[0], part[1], part[2]
    for place in range(sums, sums + sums_bytes, size):
        write(zero, place)
    tap_offsets(room[5], channels, window, part, size)
    for n in range(0, m, samples):
        for i in range(0, H_out, rows):
            source = (dz[0] + n * dz[1] + i * W_out * size, dz[1], dz[2])
            for c in range(0, C, channels):
                some = (min(samples, m - n), min(channels, C - c), K, H, W, min(rows, H_out - i), W_out)
                place = image[0] + n * image[1] + c * image[2]
                if part[3] != 0:
                    fill_planes((place, image[1], image[2], image[3], image[4]), some, window, part, i, planes, zero)
                else:
                    planes = place + i * image[3]
                grid, taps = (some[5], W_out, part[4], part[7]), some[1] * cells
                if not by_lanes:
                    _add_rows(planes, some, taps, grid, source, (sums + c * cells * row, row), room, zero)
                    continue
                corner = (sums + c // channels * (channels * cells + WIDEST) * lanes(zero) * size, row)
                if K == 1:
                    _add_lanes(low_tile(zero, 1), planes, some, taps, grid, source, corner, room)
                elif K <= LOW:
                    _add_lanes(low_tile(zero, LOW), planes, some, taps, grid, source, corner, room)
                else:
                    _add_lanes(tile(zero, full_rows(zero), VECTORS), planes, some, taps, grid, source, corner, room)
    _put_out((K, C, window[0], window[1]), (sums, row), (by_lanes, channels), out, zero)


@compiled
def _add_lanes(t, planes, sizes, taps, grid, dz, sums, room):
    """By lanes: a tile has the partial sums of some k with some taps."""
    m, K, rows, W_out = sizes[0], sizes[2], sizes[5], sizes[6]
    _, _, panel, notes, _, table, _ = room
    zero = zero_of(t)
    size, width, many = element_size(zero), lanes(zero), vectors_of(t)
    pixels, vectors = rows * W_out, room[6]
    step = vectors * width * size
    for n in range(m):
        for p in range(0, pixels, vectors * width):
            count = min(pixels - p, vectors * width)
            first = n * pixels + p
            pack_patches(planes, table, taps, (first, first + count), grid, (panel, step, notes), zero)
            source = dz[0] + n * dz[1] + p * size
            for k in range(0, K, full_rows(zero)):
                last = min(full_rows(zero), K - k) - 1
                for tap in range(0, taps, many):
                    total, behind = t, min(many, taps - tap) - 1
                    x, y = source + k * dz[2], panel + tap * step
                    for _ in range(count // width):
                        total = products(total, x, dz[2], last, y, step, behind, None)
                        x += width * size
                        y += width * size
                    if count % width != 0:
                        total = products(total, x, dz[2], last, y, step, behind, count % width)
                    place = sums[0] + k * sums[1] + tap * width * size
                    store(added(total, load(t, place, sums[1], last, None)), place, sums[1], last, None)


@compiled
def _add_rows(planes, sizes, taps, grid, dz, sums, room, zero):
    """By rows: a tile has the sums of some taps with some k."""
    m, K, rows, W_out = sizes[0], sizes[2], sizes[5], sizes[6]
    _, _, panel, notes, cells, table, _ = room
    size, width, full = element_size(zero), VECTORS * lanes(zero), full_rows(zero)
    pixels = m * rows * W_out
    for p in range(0, pixels, BLOCK):
        count = min(BLOCK, pixels - p)
        for q in range(count):
            write_integer(pixel_offset(p + q, grid, size), cells + 8 * q)
        _pack_dz(p, count, rows * W_out, K, dz, panel, zero)
        for k in range(0, K, width):
            block = panel + k * BLOCK * size
            for tap in range(0, taps, full):
                last, where = min(full, taps - tap) - 1, table + 8 * tap
                if last < full - 1:
                    for r in range(full):
                        write_integer(read_integer(where + 8 * min(r, last)), notes + 8 * r)
                    where = notes
                places = read_integers(where, full)
                target = sums[0] + tap * sums[1] + k * size
                columns = min(width, K - k)
                if columns > 2 * lanes(zero):
                    _add_tile(tile(zero, full, VECTORS), places, planes, (cells, count), block, (target, sums[1], last))
                elif columns > lanes(zero):
                    _add_tile(tile(zero, full, 2), places, planes, (cells, count), block, (target, sums[1], last))
                else:
                    _add_tile(tile(zero, full, 1), places, planes, (cells, count), block, (target, sums[1], last))


@compiled
def _pack_dz(p, count, pixels, K, dz, panel, zero):
    """Panels of dz, transposed: a row of k for each pixel, pixels of one sample behind those of another."""
    size, width = element_size(zero), VECTORS * lanes(zero)
    done = 0
    while done < count:
        n, rest = (p + done) // pixels, (p + done) % pixels
        length = min(count - done, pixels - rest)
        source, target = dz[0] + n * dz[1] + rest * size, panel + done * width * size
        pack_panels(source, size, dz[2], length, K, target, BLOCK * width * size, zero)
        done += length


@compiled
def _add_tile(t, places, planes, cells, block, target):
    """One tile over a block of pixels."""
    zero = zero_of(t)
    total, table = t, cells[0]
    for _ in range(cells[1]):
        total = rank_one_at(total, places, planes + read_integer(table), block, None)
        table += 8
        block += VECTORS * lanes(zero) * element_size(zero)
    place, row, last = target
    store(added(total, load(t, place, row, last, None)), place, row, last, None)


@compiled
def _put_out(shape, sums, way, out, zero):
    """Sums -> dtheta."""
    K, C, f_h, f_w = shape
    by_lanes, channels = way
    size, width, cells = element_size(zero), lanes(zero), f_h * f_w
    vector = tile(zero, 1, 1)
    for k in range(K):
        for c in range(C):
            for r in range(f_h):
                for s in range(f_w):
                    tap = r * f_w + s
                    place = out[0] + k * out[1] + c * out[2] + r * out[3] + s * out[4]
                    if by_lanes:
                        number = c // channels * (channels * cells + WIDEST) + c % channels * cells + tap
                        source = sums[0] + k * sums[1] + number * width * size
                        store_sums(load(vector, source, 0, 0, None), place, 0, 0)
                    else:
                        write(read(zero, sums[0] + (c * cells + tap) * sums[1] + k * size), place)


@shared
def bias_gradient(sizes: tuple[int, int, int], dz: Gradients, db: int, step: int, zero: float) -> None:
    """db_k, the sum of all dz_k: full_rows of them at a time, BLOCK vectors at a time from zero, and lanes at the end."""
    m, K, pixels = sizes
    size, width, full = element_size(zero), lanes(zero), full_rows(zero)
    t = tile(zero, full_rows(zero), 1)
    for k in range(0, K, full):
        last, total = min(full, K - k) - 1, t
        for n in range(m):
            place, rest = dz[0] + n * dz[1] + k * dz[2], pixels
            while rest > 0:
                part = t
                for _ in range(min(BLOCK, rest // width)):
                    part = added(part, load(t, place, dz[2], last, None))
                    place += width * size
                done = min(BLOCK, rest // width) * width
                if done == 0:
                    part, done = load(t, place, dz[2], last, rest), rest
                total = added(total, part)
                rest -= done
        store_sums(total, db + k * step, step, last)
