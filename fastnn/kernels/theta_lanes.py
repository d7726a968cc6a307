"""dtheta where k or taps are few: lanes are output cells, and a register tile has some k in its rows and some taps.

Each (k, t) keeps a vector of partial sums in scratch, whose lanes are added up at the end. A tile's sum is over NEAR vectors
of cells at most, from zero. Tuples as in theta_gradient.py, and
    planes  address of the first sample's, and the step to the next's
    counts  k, taps, output cells, samples
    sums    address, step from k to k
    room    addresses in scratch: planes, sums, rows of dz, the places of a tile's taps, offsets of taps
"""

from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import ask_to_read, element_size, read_integer, read_integers, write_integer
from fastnn.kernels.planes import (
    IN_PLACE,
    PLANE_BYTES,
    Images,
    Sizes,
    Window,
    channels_of,
    fill_planes,
    framed,
    halo,
    in_place,
    line_apart,
    parts,
    phases,
    plane_bytes,
    tap_offsets,
)
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.theta_rows import Gradients, Rows
from fastnn.kernels.tiles import (
    added,
    form,
    full_rows,
    lanes,
    load,
    low_form,
    products,
    store,
    store_sums,
    tile,
    vectors_of,
    zero_of,
    zeros,
)

WIDEST = 8  # vectors of any tile
LOW = 3  # rows k of a group for which the tile has few rows and more taps
# Vectors of each line that a tile goes along: 8 rows of dz, the next 8 and the planes stay in the first-level cache. Twice
# as many took a tenth longer.
NEAR = 20


@compiled
def _parts(sizes, window, size):
    """Parts of whole images where they fit, with as many channels as can be: dz is packed once for all of them."""
    _, C, _, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    channel = phases(f_h, S_h, D_h) * f_w * line_apart((H_out + halo(f_h, S_h, D_h)) * W_out * size)
    channels = max(channels_of(C, f_h, f_w), min(C, PLANE_BYTES // (channel + 1)))
    return parts(sizes, window, 1, max(1, -(-C // max(1, -(-C // channels)))), size)


@compiled
def sums_of_lanes(sizes, window, zero):
    """Of the scratch for sums, the step from k to k and the bytes in all."""
    _, C, K, _, _, _, _ = sizes
    channels, cells = _parts(sizes, window, element_size(zero))[1], window[0] * window[1]
    row = -(-C // channels) * (channels * cells + WIDEST) * lanes(zero) * element_size(zero)
    return row, row * K


@compiled
def _samples(sizes, part, zero):
    """How many samples a tile's sum goes over: of small images several, but NEAR vectors and PLANE_BYTES at most."""
    most = NEAR // -(-part[2] * sizes[6] // lanes(zero))
    return max(1, min(sizes[0], min(most, PLANE_BYTES // plane_bytes(part)))) if part[2] == sizes[5] else 1


@compiled
def _layout(scratch, sizes, part, sums_bytes, zero):
    """`room`."""
    planes = -(-scratch // LINE) * LINE
    sums = -(-(planes + _samples(sizes, part, zero) * plane_bytes(part)) // LINE) * LINE
    rows = sums + -(-sums_bytes // LINE) * LINE
    places = rows + full_rows(zero) * NEAR * lanes(zero) * element_size(zero)
    return planes, sums, rows, places, places + 8 * WIDEST


@compiled
def lanes_bytes(sizes, window, zero):
    """The scratch of `theta_by_lanes`."""
    part = _parts(sizes, window, element_size(zero))
    room = _layout(0, sizes, part, sums_of_lanes(sizes, window, zero)[1], zero)
    return room[4] + 8 * part[1] * window[0] * window[1] + LINE


@shared
def theta_by_lanes(sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float) -> None:
    """All samples of one group."""
    m, C, K, H, W, H_out, W_out = sizes
    size, cells = element_size(zero), window[0] * window[1]
    part, (row, sums_bytes) = _parts(sizes, window, size), sums_of_lanes(sizes, window, zero)
    room = _layout(scratch, sizes, part, sums_bytes, zero)
    planes, sums = room[0], room[1]
    samples, apart = _samples(sizes, part, zero), plane_bytes(part)
    part = in_place(part, sizes, window, image, size)
    channels, rows = part[1], part[2]
    if part[6] == IN_PLACE:
        apart = image[1]
    for place in range(sums, sums + sums_bytes, lanes(zero) * size):
        store(tile(zero, 1, 1), place, 0, 0, None)
    tap_offsets(room[4], channels, window, part, False)
    for n in range(0, m, samples):
        for i in range(0, H_out, rows):
            source = (dz[0] + n * dz[1] + i * W_out * size, dz[1], dz[2])
            for c in range(0, C, channels):
                some = (1, min(channels, C - c), K, H, W, min(rows, H_out - i), W_out)
                place, many = image[0] + n * image[1] + c * image[2], min(samples, m - n)
                if part[6] == IN_PLACE:
                    planes = place + i * image[3]
                else:
                    for x in range(many):
                        where = (place + x * image[1], image[1], image[2], image[3], image[4])
                        fill_planes(where, some, window, part, i, planes + x * apart, zero)
                    part = framed(part, sizes)
                counts, lines = (K, some[1] * cells, some[5] * W_out, many), (planes, apart)
                corner = (sums + c // channels * (channels * cells + WIDEST) * lanes(zero) * size, row)
                if K == 1:
                    _add(low_form(zero, 1), form(zero, 1, 1), lines, counts, source, corner, room)
                elif K <= LOW:
                    _add(low_form(zero, LOW), form(zero, LOW, 1), lines, counts, source, corner, room)
                else:
                    wide, column = form(zero, full_rows(zero), VECTORS), form(zero, full_rows(zero), 1)
                    _add(wide, column, lines, counts, source, corner, room)
    _to_theta(K, C, cells, channels, (sums, row), out, zero)


@compiled
def _even(n, most, unit):
    """The length of all parts of n but the last: about the same, whole units, and at most so many."""
    units = -(-n // unit)
    return -(-units // -(-units // (most // unit))) * unit


@compiled
def _places(table, tap, taps, notes, count):
    """Where the offsets of a tile's taps stand; those behind the last are the last again."""
    if tap + count <= taps:
        return table + 8 * tap
    for r in range(count):
        write_integer(read_integer(table + 8 * min(tap + r, taps - 1)), notes + 8 * r)
    return notes


@compiled
def _add(kind, column, planes, counts, dz, sums, room):
    """A tile has the partial sums of some k with some taps; `column` is one with a vector of each k.

    The first tiles of a part ask for what is packed next, in three rows of dz each: taken from the third-level cache line by
    line, dz of 32 x 9 took as long as the sums.
    """
    K, taps, cells, samples = counts
    zero, t = zero_of(kind), zeros(kind)
    size, width, many = element_size(zero), lanes(zero), vectors_of(kind)
    row, near = width * size, _even(cells, NEAR * width, width)
    for p in range(0, cells, near):
        count = min(cells - p, near)
        for k in range(0, K, full_rows(zero)):
            last, lines = min(full_rows(zero), K - k) - 1, (dz[0] + k * dz[2] + p * size, dz[1], dz[2])
            _pack_lines(column, lines, (last, count, samples), room[2])
            ahead = lines[0] + full_rows(zero) * dz[2]
            if k + full_rows(zero) >= K:
                ahead = dz[0] + (p + near) * size if p + near < cells else dz[0] + samples * dz[1]
            soon = 0
            for tap in range(0, taps, many):
                places, total, x = read_integers(_places(room[4], tap, taps, room[3], many), many), t, room[2]
                for n in range(samples):
                    y = planes[0] + n * planes[1] + p * size
                    far, step, far_row = ahead + n * dz[1], row, dz[2]
                    if soon >= full_rows(zero):
                        far, step, far_row = x, 0, 0
                    for _ in range(count // width):
                        ask_to_read(far)
                        ask_to_read(far + far_row)
                        ask_to_read(far + 2 * far_row)
                        far += step
                        total = products(total, x, row, full_rows(zero) - 1, places, y, None)
                        x += full_rows(zero) * row
                        y += row
                    if count % width != 0:
                        total = products(total, x, row, full_rows(zero) - 1, places, y, count % width)
                        x += full_rows(zero) * row
                soon, ahead = soon + 3, ahead + 3 * dz[2]
                place = sums[0] + k * sums[1] + tap * row
                store(added(total, load(t, place, sums[1], last, None)), place, sums[1], last, None)


@compiled
def _pack_lines(column, dz, counts, target):
    """Some rows of dz, vector by vector of each: a tile reads them aligned, which saves a sixth of its time."""
    zero, t = zero_of(column), zeros(column)
    last, cells, samples = counts
    row = lanes(zero) * element_size(zero)
    for n in range(samples):
        source = dz[0] + n * dz[1]
        for j in range(0, cells, lanes(zero)):
            if cells - j >= lanes(zero):
                store(load(t, source, dz[2], last, None), target, row, full_rows(zero) - 1, None)
            else:
                store(load(t, source, dz[2], last, cells - j), target, row, full_rows(zero) - 1, None)
            source += row
            target += full_rows(zero) * row


@compiled
def _to_theta(K, C, cells, channels, sums, out, zero):
    """The sums over the lanes -> dtheta."""
    size, width = element_size(zero), lanes(zero)
    vector = tile(zero, 1, 1)
    for k in range(K):
        for c in range(C):
            number = c // channels * (channels * cells + WIDEST) + c % channels * cells
            source, place = sums[0] + k * sums[1] + number * width * size, out[0] + k * out[1] + c * cells * size
            for tap in range(cells):
                store_sums(load(vector, source + tap * width * size, 0, 0, None), place + tap * size, 0, 0)
