"""The register tiles of dtheta: sums over a part of the output cells, added to what is in scratch.

A tile's sum is over at most BLOCK terms, from zero. Tuples as in theta_gradient.py, and
    planes  address of the first sample's, and the step to the next's
    counts  k, taps, output cells, samples
    sums    address, step from row to row: rows are k by lanes, taps by rows
    room    addresses in scratch (theta_gradient.py)
"""

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import ask_to_read, element_size, read_integer, read_integers, write_integer
from fastnn.kernels.packing import pack_panels
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import VECTORS
from fastnn.kernels.tiles import (
    added,
    form,
    full_rows,
    lanes,
    load,
    products,
    rank_one_at,
    rows_of,
    store,
    tall_form,
    vectors_of,
    zero_of,
    zeros,
)

Lines = tuple[int, int, int, int]
Rows = tuple[int, int]
Room = tuple[int, int, int, int, int]

WIDEST, TALLEST = 8, 12  # vectors and rows, of any tile
# Vectors of each line that a tile goes along, by lanes: 8 rows of dz, the next 8 and the planes stay in the first-level
# cache. Twice as many took a tenth longer.
NEAR = 20


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
def add_lanes(kind, column, planes, counts, dz, sums, room):
    """By lanes: a tile has the partial sums of some k with some taps; `column` is one with a vector of each k.

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
def columns_of(K, width):
    """Columns of the next panel, of K that are left: of two vectors where that leaves none of a single one."""
    vectors = -(-K // width)
    return min(K, (2 if vectors == 2 or vectors == 4 else VECTORS) * width)


@compiled
def add_rows(planes, counts, dz, sums, room, zero):
    """By rows: a tile has the sums of some taps with some k."""
    K, taps, cells, samples = counts
    size, width, panel = element_size(zero), lanes(zero), room[2]
    near = _even(cells, BLOCK, width)
    for p in range(0, cells, near):
        count, k, block = min(near, cells - p), 0, panel
        while k < K:
            columns = columns_of(K - k, width)
            for n in range(samples):
                source = dz[0] + n * dz[1] + k * dz[2] + p * size
                pack_panels(source, size, dz[2], count, columns, block + n * count * VECTORS * width * size, 0, zero)
            k, block = k + columns, block + BLOCK * VECTORS * width * size
        k, block, lines = 0, panel, (planes[0] + p * size, planes[1], count, samples)
        while k < K:
            columns, corner = columns_of(K - k, width), (sums[0] + k * size, sums[1])
            if columns > 2 * width:
                _add_wide(lines, taps, block, corner, room, zero)
            elif columns > width:
                _add_tall(lines, taps, block, corner, room, zero)
            else:
                _add_narrow(lines, taps, block, corner, room, zero)
            k, block = k + columns, block + BLOCK * VECTORS * width * size


# Each tile by itself, so that a network has only those compiled that it runs.
@shared
def _add_wide(planes: Lines, taps: int, block: int, sums: Rows, room: Room, zero: float) -> None:
    _add_panel(form(zero, full_rows(zero), VECTORS), planes, taps, block, sums, room)


@shared
def _add_tall(planes: Lines, taps: int, block: int, sums: Rows, room: Room, zero: float) -> None:
    _add_panel(tall_form(zero), planes, taps, block, sums, room)


@shared
def _add_narrow(planes: Lines, taps: int, block: int, sums: Rows, room: Room, zero: float) -> None:
    _add_panel(form(zero, full_rows(zero), 1), planes, taps, block, sums, room)


@compiled
def _add_panel(kind, planes, taps, block, sums, room):
    """All taps with the k of a panel."""
    for tap in range(0, taps, rows_of(kind)):
        places = read_integers(_places(room[4], tap, taps, room[3], rows_of(kind)), rows_of(kind))
        target = (sums[0] + tap * sums[1], sums[1], min(rows_of(kind), taps - tap) - 1)
        _add_tile(kind, places, planes, block, target)


@compiled
def _add_tile(kind, places, lines, block, target):
    """One tile over a block of cells."""
    zero, t = zero_of(kind), zeros(kind)
    first, apart, count, samples = lines
    total = t
    for n in range(samples):
        source = first + n * apart
        for _ in range(count):
            total = rank_one_at(total, places, source, block, None)
            source += element_size(zero)
            block += VECTORS * lanes(zero) * element_size(zero)
    place, row, last = target
    store(added(total, load(t, place, row, last, None)), place, row, last, None)
