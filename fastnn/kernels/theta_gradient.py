"""dtheta_kt = sum over samples and output cells of dz_k(n,i,j) patch_t(n,i,j), in one of two ways.

    by lanes   where k or taps are few: lanes are output cells, both sides are vectors, and each (k, t) keeps a vector of
               partial sums in scratch, whose lanes are added up once, at the end
    by rows    else: lanes are k. dz is packed, transposed, once for all taps; the patches are read from the planes where
               they are, one element for each row of the tile

theta_tiles.py has the tiles of both. Tuples as in planes.py, and
    dz     address, and the steps from one sample and k to the next; cells of an image are neighbours
    out    address, and the step from one k to the next; its taps are neighbours
    sums   address, step from row to row, step from tile to tile
"""

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import element_size, write
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
from fastnn.kernels.theta_tiles import NEAR, TALLEST, WIDEST, Room, Rows, add_lanes, add_rows
from fastnn.kernels.tiles import added, form, full_rows, lanes, load, low_form, store, store_sums, tile, transposed

Gradients = tuple[int, int, int]
Counts = tuple[int, int, int, int]

SUMS_BYTES = 256 * 1024  # of partial sums for which lanes are output cells: they stay in the second-level cache
# Taps that use each transposed panel of dz often enough. With fewer, packing takes as long as the sums: 32 x 27 gains 1.15
# times by lanes; 16 x 200 loses as much in float64.
MANY = 64
LOW = 3  # rows k of a group for which the tile has few rows and more taps


@compiled
def _by_lanes(sizes, part, cells, zero):
    """Whether lanes are output cells; and of the scratch for sums, the step from row to row and the bytes in all."""
    _, C, K, _, _, _, _ = sizes
    size, width = element_size(zero), lanes(zero)
    blocks, taps = -(-C // part[1]), C * cells
    row = blocks * (part[1] * cells + WIDEST) * width * size
    if (width // 2 >= K or taps < MANY) and row * K <= SUMS_BYTES:
        return True, row, row * K
    row = -(-K // width) * width * size
    return False, row, row * C * cells


@compiled
def _samples(sizes, part, by_lanes, zero):
    """How many samples a tile's sum goes over: of small images several, but BLOCK terms and PLANE_BYTES at most."""
    cells = part[2] * sizes[6]
    most = NEAR // -(-cells // lanes(zero)) if by_lanes else BLOCK // cells
    return max(1, min(sizes[0], min(most, PLANE_BYTES // plane_bytes(part)))) if part[2] == sizes[5] else 1


@compiled
def _parts(sizes, window, size):
    """Parts of whole images where they fit, with as many channels as can be: dz is packed once for all of them."""
    _, C, _, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    channel = phases(f_h, S_h, D_h) * f_w * line_apart((H_out + halo(f_h, S_h, D_h)) * W_out * size)
    channels = max(channels_of(C, f_h, f_w), min(C, PLANE_BYTES // (channel + 1)))
    return parts(sizes, window, 1, max(1, -(-C // max(1, -(-C // channels)))), size)


@compiled
def gradient_bytes(sizes, window, zero):
    """The scratch of `theta_gradient`: it grows with dtheta, not with m."""
    part = _parts(sizes, window, element_size(zero))
    return _layout(0, sizes, part, window[0] * window[1], zero)[4] + 8 * part[1] * window[0] * window[1] + LINE


@compiled
def _layout(scratch, sizes, part, cells, zero):
    """Addresses in scratch: planes, sums, panels of dz, the places of a tile's rows, and the table of tap offsets."""
    vector = lanes(zero) * element_size(zero)
    by_lanes, _, sums_bytes = _by_lanes(sizes, part, cells, zero)
    planes = -(-scratch // LINE) * LINE
    sums = -(-(planes + _samples(sizes, part, by_lanes, zero) * plane_bytes(part)) // LINE) * LINE
    panel = sums + -(-sums_bytes // LINE) * LINE
    lines, panels = full_rows(zero) * NEAR, -(-sizes[2] // (VECTORS * lanes(zero))) * BLOCK * VECTORS
    places = panel + (lines if by_lanes else panels) * vector
    return planes, sums, panel, places, places + 8 * TALLEST


@shared
def theta_gradient(sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float) -> None:
    """All samples of one group."""
    m, C, K, H, W, H_out, W_out = sizes
    size, cells = element_size(zero), window[0] * window[1]
    part = _parts(sizes, window, size)
    by_lanes, row, sums_bytes = _by_lanes(sizes, part, cells, zero)
    room = _layout(scratch, sizes, part, cells, zero)
    planes, sums = room[0], room[1]
    samples, apart = _samples(sizes, part, by_lanes, zero), plane_bytes(part)
    part = in_place(part, sizes, window, image, size)
    channels, rows = part[1], part[2]
    if part[6] == IN_PLACE:
        apart = image[1]
    for place in range(sums, sums + sums_bytes, size):
        write(zero, place)
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
                if not by_lanes:
                    _rows(lines, counts, source, (sums + c * cells * row, row), room, zero)
                    continue
                corner = (sums + c // channels * (channels * cells + WIDEST) * lanes(zero) * size, row)
                if K == 1:
                    _lanes_of_one(lines, counts, source, corner, room, zero)
                elif K <= LOW:
                    _lanes_of_few(lines, counts, source, corner, room, zero)
                else:
                    _lanes_of_many(lines, counts, source, corner, room, zero)
    if by_lanes:
        _sums_of_lanes(K, C, cells, channels, (sums, row), out, zero)
    else:
        sums_by_rows(K, C * cells, (sums, row), out, zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@shared
def _lanes_of_one(planes: Rows, counts: Counts, dz: Gradients, sums: Rows, room: Room, zero: float) -> None:
    add_lanes(low_form(zero, 1), form(zero, 1, 1), planes, counts, dz, sums, room)


@shared
def _lanes_of_few(planes: Rows, counts: Counts, dz: Gradients, sums: Rows, room: Room, zero: float) -> None:
    add_lanes(low_form(zero, LOW), form(zero, LOW, 1), planes, counts, dz, sums, room)


@shared
def _lanes_of_many(planes: Rows, counts: Counts, dz: Gradients, sums: Rows, room: Room, zero: float) -> None:
    add_lanes(form(zero, full_rows(zero), VECTORS), form(zero, full_rows(zero), 1), planes, counts, dz, sums, room)


@shared
def _rows(planes: Rows, counts: Counts, dz: Gradients, sums: Rows, room: Room, zero: float) -> None:
    add_rows(planes, counts, dz, sums, room, zero)


@compiled
def _sums_of_lanes(K, C, cells, channels, sums, out, zero):
    """Sums -> dtheta where lanes are output cells."""
    size, width = element_size(zero), lanes(zero)
    vector = tile(zero, 1, 1)
    for k in range(K):
        for c in range(C):
            number = c // channels * (channels * cells + WIDEST) + c % channels * cells
            source, place = sums[0] + k * sums[1] + number * width * size, out[0] + k * out[1] + c * cells * size
            for tap in range(cells):
                store_sums(load(vector, source + tap * width * size, 0, 0, None), place + tap * size, 0, 0)


@compiled
def sums_by_rows(K, taps, sums, out, zero):
    """Sums -> dtheta where lanes are k: squares are transposed."""
    size, width, square = element_size(zero), lanes(zero), tile(zero, lanes(zero), 1)
    for tap in range(0, taps, width):
        rows = min(width, taps - tap)
        for k in range(0, K, width):
            columns, source = min(width, K - k), sums[0] + tap * sums[1] + k * size
            values = transposed(load(square, source, sums[1], rows - 1, columns))
            store(values, out[0] + k * out[1] + tap * size, out[1], columns - 1, rows)


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
