"""The sum over a window's taps, for all output cells: a convolution's forward pass, and its way back to da.

z_(k,i,j) = b_k + sum_t weight_kt patch_t(i,j), a product of matrices whose right side is never made: row t of it is a
line in the planes (planes.py), and a tile reads the rows where they are. At most BLOCK taps at a time, each block's sum
from zero. The bias is one more tap, whose patch is 1.

Tuples as in planes.py, and
    out      address, and the steps from one sample, row k, row i and cell j to the next
    weights  address of the packed weights, address of the bias, its step: 0 and a 0 for none, and the number of g
    room     addresses in scratch (`_layout`)
    block    how many taps, of how many; whether to add to what `out` has; edges (`_edges`); cells at a time (`_sweep`), and
             how many of a part's are summed
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import (
    form,
    full_rows,
    half_rows,
    lanes,
    low_form,
    vectors_of,
    wide_form,
    wide_rows,
    zero_of,
    zeros,
)
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, prefetch, rank_one, spread, store
from fastnn.kernels.sums.filling import fill_planes
from fastnn.kernels.sums.last_cell import is_alone, sum_last_cell
from fastnn.kernels.sums.planes import (
    COPIED,
    IN_PLACE,
    Images,
    Sizes,
    Window,
    channels_of,
    framed,
    halo,
    in_place,
    parts,
    phases,
    plane_bytes,
    reached,
    tap_offsets,
)
from fastnn.kernels.sums.results import deliver
from fastnn.kernels.sums.weights import LOW, are_wide, rest_of

Weights = tuple[int, int, int, int]
Packed = tuple[int, int, int]
Room = tuple[int, int, int]
Block = tuple[int, int, int, tuple[int, int, tuple[int, int, int, int, int]], int, int]

LOW_VECTORS = 8  # at most, of a tile of few rows
# Bytes of planes that one tile of rows k goes along before the next does: they stay in the second-level cache, and z is
# written line after line of the same few rows, which the hardware sees coming. Tile by tile through all k, a z of 11 MB that
# lay in memory took twice as long.
SWEEP_BYTES = 128 * 1024
FAR = 32  # terms of a tile that take longer than it takes to ask for its part of z


@compiled
def _together(sizes, window, zero):
    """How many samples are computed together: one, unless an eighth would be lost.

    With one, the last vector of cells may have few of them; and its cells are of so many output rows that all taps count,
    where with several some meet nothing but padding. Two tiles a row leave most of them out.
    """
    H, H_out, W_out, width, inside = sizes[3], sizes[5], sizes[6], lanes(zero), 0
    for r in range(window[0]):
        first, behind = reached(H, H_out, r * window[6] - window[4], window[2])
        inside += behind - first
    if inside * 8 < window[0] * H_out * 7:
        return -(-2 * width * VECTORS // W_out)
    cells = H_out * W_out
    return 1 if -(-cells // width) * width * 7 <= cells * 8 else -(-8 * width * VECTORS // cells)


@compiled
def _parts(sizes, window, zero):
    channels = channels_of(sizes[1], window[0], window[1])
    return parts(sizes, window, _together(sizes, window, zero), channels, element_size(zero))


@compiled
def correlate_bytes(sizes, window, zero):
    """The scratch of `correlate`: planes, a tile, tap offsets. None of it grows with m or K."""
    part = _parts(sizes, window, zero)
    return _layout(0, part, zero)[2] + 8 * part[1] * window[0] * window[1] + LINE


@compiled
def _layout(scratch, part, zero):
    """Addresses in scratch of planes, a tile, and the table of tap offsets."""
    vector = lanes(zero) * element_size(zero)
    planes = -(-scratch // LINE) * LINE
    buffer = -(-(planes + plane_bytes(part)) // LINE) * LINE
    return planes, buffer, buffer + max(full_rows(zero) * VECTORS, LOW * LOW_VECTORS) * vector


@tiled
def correlate(
    later: int, sizes: Sizes, window: Window, image: Images, weights: Weights, out: Images, scratch: int, zero: float
) -> None:
    """All samples of one group; if `later` is not 0, added to what `out` has: the sums of channels before these."""
    m, C, K, H, W, H_out, W_out = sizes
    size, cells, most = element_size(zero), window[0] * window[1], K - rest_of(K, zero)
    part = _parts(sizes, window, zero)
    room = _layout(scratch, part, zero)
    planes = room[0]
    part = in_place(part, sizes, window, image, size)
    samples, channels, rows = part[0], part[1], part[2]
    noted, sweep = 0, _sweep((samples, channels, most, H, W, rows, W_out), window, zero)
    for n in range(0, m, samples):
        if samples > m - n:  # fewer samples side by side: their rows are closer together
            samples, noted = m - n, 0
            part = (samples, channels, rows, part[3], part[4], samples * W_out * size, min(part[6], COPIED))
        for i in range(0, H_out, rows):
            target = (out[0] + n * out[1] + i * out[3], out[1], out[2], out[3], out[4])
            for c in range(0, max(C, 1), channels):
                some = (samples, min(channels, C - c), K, H, W, min(rows, H_out - i), W_out)
                place = image[0] + n * image[1] + c * image[2]
                if part[6] != IN_PLACE:
                    fill_planes((place, image[1], image[2], image[3], image[4]), some, window, part, i, planes, zero)
                    part = framed(part, sizes)
                else:
                    planes = place + i * image[3]
                if noted != some[1]:
                    noted = some[1]
                    tap_offsets(room[2], noted, window, part, True)
                taps, edges = some[1] * cells, _edges(some, window, i, zero)
                for t in range(0, max(taps, 1), BLOCK):
                    packed = (weights[0] + (c * cells + t) * full_rows(zero) * size, weights[1], weights[2])
                    adds, count = 1 if later + c + t > 0 else 0, some[0] * some[5] * W_out
                    block = (min(BLOCK, taps - t), C * cells, adds, edges, sweep, count)
                    where = (planes, room[2] + 8 * t, room[1])
                    _cells_of_rows((some[0], some[1], most, H, W, some[5], W_out), packed, target, where, block, zero)
                    if most < K:
                        _cells_of_rest(most, some, window, packed, target, where, block, zero)
            if weights[3] != IDENTITY:  # rows of `out` are contiguous then; its cells are in the cache still
                counts = (samples, K, min(rows, H_out - i) * W_out)
                activate_planes(weights[3], target[0], (out[1], out[2]), counts, zero)


@compiled
def _cells_of_rows(sizes, weights, out, room, block, zero):
    """By the tile that so many rows k fill best."""
    K = sizes[2]
    if K == 1:
        _cells_of_one(sizes, weights, out, room, block, zero)
    elif K <= LOW:
        _cells_of_few(sizes, weights, out, room, block, zero)
    elif half_rows(zero) >= K:
        _cells_of_half(sizes, weights, out, room, block, zero)
    elif are_wide(K, zero):
        _cells_of_wide(sizes, weights, out, room, block, zero)
    elif is_alone(block[5], zero):
        _cells_and_last(sizes, weights, out, room, block, zero)
    else:
        _cells_of_full(sizes, weights, out, room, block, zero)


@tiled
def _cells_of_rest(
    most: int, sizes: Sizes, window: Window, weights: Packed, out: Images, room: Room, block: Block, zero: float
) -> None:
    """The rows k behind so many, in a lower tile of their own (`rest_of`)."""
    m, C, K, H, W, rows, W_out = sizes
    few = (m, C, K - most, H, W, rows, W_out)
    below = (weights[0] + most * block[1] * element_size(zero), weights[1] + most * weights[2], weights[2])
    beside = (out[0] + most * out[2], out[1], out[2], out[3], out[4])
    again = (block[0], block[1], block[2], block[3], _sweep(few, window, zero), block[5])
    _cells_of_rows(few, below, beside, room, again, zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _cells_of_one(sizes: Sizes, weights: Packed, out: Images, room: Room, block: Block, zero: float) -> None:
    _cells(low_form(zero, 1), form(zero, 1, 1), sizes, weights, out, room, block)


@tiled
def _cells_of_few(sizes: Sizes, weights: Packed, out: Images, room: Room, block: Block, zero: float) -> None:
    _cells(low_form(zero, LOW), form(zero, LOW, 1), sizes, weights, out, room, block)


@tiled
def _cells_of_half(sizes: Sizes, weights: Packed, out: Images, room: Room, block: Block, zero: float) -> None:
    _cells(form(zero, half_rows(zero), VECTORS), form(zero, half_rows(zero), 1), sizes, weights, out, room, block)


@tiled
def _cells_of_wide(sizes: Sizes, weights: Packed, out: Images, room: Room, block: Block, zero: float) -> None:
    _cells(wide_form(zero), form(zero, wide_rows(zero), 1), sizes, weights, out, room, block)


@tiled
def _cells_of_full(sizes: Sizes, weights: Packed, out: Images, room: Room, block: Block, zero: float) -> None:
    _cells(form(zero, full_rows(zero), VECTORS), form(zero, full_rows(zero), 1), sizes, weights, out, room, block)


@tiled
def _cells_and_last(sizes: Sizes, weights: Packed, out: Images, room: Room, block: Block, zero: float) -> None:
    """The last cell has a vector to itself."""
    m, _, K, _, _, rows, W_out = sizes
    taps, each, adds, edges, sweep, cells = block
    _cells_of_full(sizes, weights, out, room, (taps, each, adds, edges, sweep, cells - 1), zero)
    skipped, some = _share(block, cells - 1, cells, m * W_out)
    source = (room[0] + (cells - 1) * element_size(zero), room[1] + 8 * skipped, room[2])
    place = out[0] + (m - 1) * out[1] + (rows - 1) * out[3] + (W_out - 1) * out[4]
    sum_last_cell((some, adds, K, each), (weights[0], weights[1], weights[2], skipped), source, (place, out[2]), zero)


@compiled
def _vectors(K, zero):
    """Of the tile for so many rows k, or a multiple."""
    if K <= LOW:
        return vectors_of(low_form(zero, 1)) if K == 1 else vectors_of(low_form(zero, LOW))
    return vectors_of(wide_form(zero)) if are_wide(K, zero) else VECTORS


@compiled
def _edges(sizes, window, row, zero):
    """The cells of a part that begins with a row, from one to another, all of whose taps meet rows of the image; and these.

    All are said to do if the taps are more than one block, or if a tile is longer than two rows: few would be left out.
    """
    m, C, K, H, _, rows, W_out = sizes
    f_h, f_w, S_h, _, P_h, _, D_h, _ = window
    if C * f_h * f_w > BLOCK or _vectors(K, zero) * lanes(zero) > 2 * m * W_out:
        return 0, m * rows * W_out, (0, 0, 0, 0, 0)
    top = row * S_h - P_h
    first, behind = reached(H - (f_h - 1) * D_h, rows, top, S_h)
    return first * m * W_out, behind * m * W_out, (f_h, H, top, S_h, D_h)


@compiled
def _sweep(sizes, window, zero):
    """Cells that meet all K before the next ones do: whole tiles whose part of the planes is SWEEP_BYTES."""
    m, C, K, _, _, _, W_out = sizes
    kinds, beyond = phases(window[0], window[2], window[6]) * window[1], halo(window[0], window[2], window[6])
    wide = _vectors(K, zero) * lanes(zero)
    cells = SWEEP_BYTES // (max(C, 1) * kinds * element_size(zero)) - beyond * m * W_out
    return max(1, cells // wide) * wide


@inlined
def _share(block, done, behind, row_cells):
    """Which share of a block's taps, from one tap row to another, meets rows of the image under some cells; if not all."""
    taps, (first_cell, last_cell, (f_h, H, top, S_h, D_h)) = block[0], block[3]
    if done >= first_cell and behind <= last_cell:
        return 0, taps
    low, high = top + done // row_cells * S_h, top + (behind - 1) // row_cells * S_h
    first = min(f_h, max(0, -(high // D_h)))
    return first * (taps // f_h), (max(first, min(f_h, (H - 1 - low) // D_h + 1)) - first) * (taps // f_h)


@compiled
def _cells(wide, narrow, sizes, weights, out, room, block):
    """A block of taps for all cells of a part: wide tiles while they fit, then single vectors, cut off at the last cell."""
    m, K, W_out = sizes[0], sizes[2], sizes[6]
    planes, table, buffer = room
    zero = zero_of(wide)
    size, full, width = element_size(zero), full_rows(zero), lanes(zero)
    dense = m == 1 and out[4] == size and out[3] == W_out * size
    cells, begin = block[5], (0, 0, 0)
    for first in range(0, cells, block[4]):
        until, behind = min(cells, first + block[4]), begin
        for k in range(0, K, full):
            last, done, behind = min(full, K - k) - 1, first, begin
            bias = (weights[1] + k * weights[2], weights[2])
            corner = (out[0] + k * out[2], out[1], out[2], out[3], out[4])
            while done < until:
                is_wide = cells - done >= vectors_of(wide) * width
                count = vectors_of(wide) * width if is_wide else min(width, cells - done)
                skipped, taps = _share(block, done, done + count, m * W_out)
                above = weights[0] + (k * block[1] + skipped * full) * size
                source = planes + done * size, table + 8 * skipped
                target = (corner[0] + done * size, out[2]) if dense else (buffer, vectors_of(wide) * width * size)
                counts = (taps, last, dense and block[2] != 0, block[2] != 0)
                if is_wide:
                    _run(wide, counts, above, source, bias, target, None)
                else:
                    _run(narrow, counts, above, source, bias, target, count)
                if not dense:
                    behind = deliver(target, (count, last + 1, block[2] != 0), behind, (m, W_out), corner, zero)
                done += count
        begin = behind


@inlined
def _run(kind, counts, above, source, bias, target, count):
    """One tile. Weights are packed with zeros behind the last row, so that rows lie at constant distances."""
    taps, last, adds, later = counts
    zero, t = zero_of(kind), zeros(kind)
    size, rows, total, (first, table) = element_size(zero), full_rows(zero), t, source
    if taps >= FAR:
        prefetch(t, target[0], target[1], last)
    if not later:
        total = spread(total, bias[0], bias[1], last)
    for _ in range(taps):
        total = rank_one(total, above, size, rows - 1, first + read_integer(table), count)
        above += rows * size
        table += 8
    if adds:
        total = added(total, load(t, target[0], target[1], last, count))
    store(total, target[0], target[1], last, count)
