"""dtheta where k or taps are few: lanes are output cells, and a register tile has some k in its rows and some taps.

Each (k, t) keeps a vector of partial sums in scratch, whose lanes are added up at the end. A tile's sum is over NEAR vectors
of cells at most, from zero. A tile has three k and nine taps, as a window of 3 x 3, or four and five, as a row of 5 x 5:
what leaves less of a tile unused. (Of tiles with 8 k and 3 taps dz had to be packed, which took up to a fifth of the time.)
Tuples as in theta_gradient.py, and
    planes  address of the first sample's, and the step to the next's
    counts  k, taps, output cells, samples
    sums    address, step from k to k
    room    addresses in scratch: planes, sums, the places of a tile's taps, offsets of taps
"""

from fastnn.kernels.arrays.memory import ask_to_read, element_size, read_integer, read_integers, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes, long_form, rows_of, vectors_of, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, constant, long_vectors_of, registers
from fastnn.kernels.registers.tiles import added, lane_sums, load, products, store, tile
from fastnn.kernels.sums.filling import fill_planes
from fastnn.kernels.sums.planes import (
    IN_PLACE,
    PLANE_BYTES,
    Images,
    Sizes,
    Window,
    channels_of,
    evenly,
    framed,
    halo,
    in_place,
    line_apart,
    parts,
    phases,
    plane_bytes,
    tap_offsets,
)
from fastnn.kernels.sums.theta_rows import Gradients, Rows

Pair = tuple[int, int]
Counts = tuple[int, int, int, int]

WIDEST = 9  # vectors of any tile
LOW, SQUARE = 3, 4  # rows of a tile
# Vectors of each line that a tile goes along: rows of dz and planes stay in the first-level cache. 24 took a tenth longer.
NEAR = 64
# Cycles, as measured: to copy a vector of a plane, and every other cell; of a tile for its loads, beside one a product, and
# for cells that fill no vector; of a number of dtheta, for the sum over its lanes.
FILL, FILL_APART, LOADS, REST, ENDS = 6, 12, 3, 25, 4
# Over how many samples that sum is spread: a fixed number, for the way, and its scratch, must not depend on theirs.
ENDS_SAMPLES = 8


@constant
def _low_vectors(zero):
    """Of a tile of LOW rows."""
    return long_vectors_of(registers()[1], LOW)


@constant
def _square_vectors(zero):
    """Of a tile of SQUARE rows."""
    return long_vectors_of(registers()[1], SQUARE)


@compiled
def _cycles(K, taps, vectors, rest, rows, columns):
    """Of so many vectors of cells, and one more if some are left, in tiles of so many rows and vectors of taps."""
    products = (vectors + (1 if rest > 0 else 0)) * (rows * columns + LOADS)
    return -(-K // rows) * -(-taps // columns) * (products + (REST if rest > 0 else 0))


@compiled
def _is_square(K, taps, zero):
    return _cycles(K, taps, 1, 0, SQUARE, _square_vectors(zero)) < _cycles(K, taps, 1, 0, LOW, _low_vectors(zero))


@compiled
def _channels(sizes, window, size):
    """How many at a time: as many as can be, for then dz comes from far away once for all of them."""
    _, C, _, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    channel = phases(f_h, S_h, D_h) * f_w * line_apart((H_out + halo(f_h, S_h, D_h)) * W_out * size)
    if C * (channel + 1) <= PLANE_BYTES:
        return max(1, C)
    return evenly(C, max(channels_of(C, f_h, f_w), PLANE_BYTES // (channel + 1)))


@compiled
def _parts(sizes, window, size):
    """Parts of whole images where they fit."""
    return parts(sizes, window, 1, _channels(sizes, window, size), size)


@compiled
def _sums(sizes, window, channels, zero):
    """Of the scratch for sums, the step from k to k and the bytes in all."""
    C, K, cells = sizes[1], sizes[2], window[0] * window[1]
    blocks = 1 if channels >= C else -(-C // channels)
    row = blocks * (channels * cells + WIDEST) * lanes(zero) * element_size(zero)
    return row, row * K


@compiled
def sums_of_lanes(sizes, window, zero):
    """The bytes of the scratch for sums."""
    return _sums(sizes, window, _channels(sizes, window, element_size(zero)), zero)[1]


@compiled
def cycles_by_lanes(sizes, window, zero):
    """Of a vector of cells, in the mean."""
    _, C, K, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, _, _, D_h, _ = window
    taps, planes = C * f_h * f_w, C * f_w * phases(f_h, S_h, D_h) * (FILL if S_w == 1 else FILL_APART)
    cells, width = max(1, H_out * W_out), lanes(zero)
    low = _cycles(K, taps, cells // width, cells % width, LOW, _low_vectors(zero))
    square = _cycles(K, taps, cells // width, cells % width, SQUARE, _square_vectors(zero))
    return (min(low, square) + 1.0 * ENDS * K * taps / ENDS_SAMPLES) * width / cells + planes


@compiled
def _samples(sizes, part, zero):
    """How many samples a tile's sum goes over: of small images several, but NEAR vectors and PLANE_BYTES at most."""
    vectors = -(-part[2] * sizes[6] // lanes(zero))
    if sizes[0] < 2 or part[2] != sizes[5] or 2 * vectors > NEAR:
        return 1
    return max(1, min(sizes[0], min(NEAR // vectors, PLANE_BYTES // plane_bytes(part))))


@compiled
def _layout(scratch, sizes, part, sums_bytes, zero):
    """`room`."""
    planes = -(-scratch // LINE) * LINE
    sums = -(-(planes + _samples(sizes, part, zero) * plane_bytes(part)) // LINE) * LINE
    places = sums + sums_bytes + lanes(zero) * lanes(zero) * element_size(zero)  # read, and not used, by `_to_theta`
    return planes, sums, places, places + 8 * WIDEST


@compiled
def lanes_bytes(sizes, window, zero):
    """The scratch of `theta_by_lanes`."""
    part = _parts(sizes, window, element_size(zero))
    room = _layout(0, sizes, part, _sums(sizes, window, part[1], zero)[1], zero)
    return room[3] + 8 * part[1] * window[0] * window[1] + LINE


@tiled
def theta_by_lanes(sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float) -> None:
    """All samples of one group."""
    m, C, K, H, W, H_out, W_out = sizes
    size, cells = element_size(zero), window[0] * window[1]
    part = _parts(sizes, window, size)
    row, sums_bytes = _sums(sizes, window, part[1], zero)
    room = _layout(scratch, sizes, part, sums_bytes, zero)
    planes, sums = room[0], room[1]
    samples, apart = _samples(sizes, part, zero), plane_bytes(part)
    part = in_place(part, sizes, window, image, size)
    channels, rows = part[1], part[2]
    if part[6] == IN_PLACE:
        apart = image[1]
    if m * H_out * W_out == 0:  # else what is added first is not added to anything
        for place in range(sums, sums + sums_bytes, lanes(zero) * size):
            store(tile(zero, 1, 1), place, 0, 0, None)
    tap_offsets(room[3], channels, window, part, False)
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
                    _add_single(n + i, lines, counts, source, corner, room, zero)
                elif _is_square(K, counts[1], zero):
                    _add_square(n + i, lines, counts, source, corner, room, zero)
                else:
                    _add_low(n + i, lines, counts, source, corner, room, zero)
    for c in range(0, C, channels):
        corner = (sums + c // channels * (channels * cells + WIDEST) * lanes(zero) * size, row)
        _to_theta((K, min(channels, C - c) * cells), corner, (out[0] + c * cells * size, out[1]), zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _add_single(later: int, planes: Pair, counts: Counts, dz: Gradients, sums: Pair, room: Counts, zero: float) -> None:
    _add(long_form(zero, 1), later, planes, counts, dz, sums, room)


@tiled
def _add_low(later: int, planes: Pair, counts: Counts, dz: Gradients, sums: Pair, room: Counts, zero: float) -> None:
    _add(long_form(zero, LOW), later, planes, counts, dz, sums, room)


@tiled
def _add_square(later: int, planes: Pair, counts: Counts, dz: Gradients, sums: Pair, room: Counts, zero: float) -> None:
    _add(long_form(zero, SQUARE), later, planes, counts, dz, sums, room)


@compiled
def _places(table, tap, taps, notes, count):
    """Where the offsets of a tile's taps stand; those behind the last are the last again."""
    if tap + count <= taps:
        return table + 8 * tap
    for r in range(count):
        write_integer(read_integer(table + 8 * min(tap + r, taps - 1)), notes + 8 * r)
    return notes


@compiled
def _add(kind, later, planes, counts, dz, sums, room):
    """A tile has the partial sums of some k with some taps; `later` is 0 for the first cells of all."""
    K, taps, cells, samples = counts
    zero, t = zero_of(kind), zeros(kind)
    row, near = lanes(zero) * element_size(zero), NEAR * lanes(zero)
    for p in range(0, cells, near):
        count = min(cells - p, near)
        for k in range(0, K, rows_of(kind)):
            last, source = min(rows_of(kind), K - k) - 1, dz[0] + k * dz[2] + p * element_size(zero)
            for tap in range(0, taps, vectors_of(kind)):
                places, total = read_integers(_places(room[3], tap, taps, room[2], vectors_of(kind)), vectors_of(kind)), t
                for n in range(samples):
                    x, y = source + n * dz[1], planes[0] + n * planes[1] + p * element_size(zero)
                    for _ in range(count // lanes(zero)):
                        total = products(total, x, dz[2], last, places, y, None)
                        if rows_of(kind) == LOW:  # what the next k read comes from far away; other tiles have no time to ask
                            ask_to_read(x + 3 * dz[2])
                            ask_to_read(x + 4 * dz[2])
                            ask_to_read(x + 5 * dz[2])
                        x, y = x + row, y + row
                    if count % lanes(zero) != 0:
                        total = products(total, x, dz[2], last, places, y, count % lanes(zero))
                place = sums[0] + k * sums[1] + tap * row
                if later + p > 0:
                    total = added(total, load(t, place, sums[1], last, None))
                store(total, place, sums[1], last, None)


@compiled
def _to_theta(counts, sums, out, zero):
    """The sums over the lanes -> dtheta, of counts (K, taps)."""
    (K, taps), size, width = counts, element_size(zero), lanes(zero)
    square, vector = tile(zero, lanes(zero), 1), width * size
    for k in range(K):
        for tap in range(0, taps, width):
            partial = load(square, sums[0] + k * sums[1] + tap * vector, vector, width - 1, None)
            store(lane_sums(partial), out[0] + k * out[1] + tap * size, 0, 0, min(width, taps - tap))
