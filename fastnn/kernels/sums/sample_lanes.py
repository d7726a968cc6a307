"""Sums over windows with a sample in each lane: what a convolution's forward pass, and its way back to da, have in common.

z_(k,i,j) = b_k + sum_t weight_kt a_t, with a_t a vector: the cell that tap t meets under (i, j), of as many samples as a
vector has lanes. Cells are brought into that order once, and results back (sample_turns.py). Then each tap of each cell is
met by itself: no lane is lost to the end of a row, no product is one with padding or with the zeros between strides, and a
stride costs nothing. What is lost is lanes without a sample.

Back to da, cell o of an axis meets tap t at cell (o + P - t D) / S of dz, if that is whole, where forward it is
o S + t D - P. Taps that one cell meets are `kinds` apart, and the cells that they meet `apart` (`_steps`). Columns with the
same rest by S that meet the same taps are a class. A tile is some rows k of as many columns of a class as it has vectors, or
of one.

Tuples as in planes.py, and
    shape    m, C, K, H, W, H', W' of what is read and what is written: back, C and K, and the sizes, have changed places
    weights  address of the packed weights (correlate.py), address of the bias, its step, and the number of g
    room     addresses in scratch and steps (`_layout`)
    soon     the address of notes on lines that are needed soon (requests.py), and how many products lie between two requests
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read_integer, read_integers, write_integer
from fastnn.kernels.arrays.requests import NOTES_BYTES, TO_READ, TO_WRITE, ask, note
from fastnn.kernels.compiler.jit import compiled, exactly
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.products.blocking import GROUP
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import form, full_rows, lanes, vectors_of, wide_form, wide_rows, zero_of, zeros
from fastnn.kernels.registers.sample_tiles import added_over, rank_one_over, store_over
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import spread
from fastnn.kernels.sums.planes import Images, Sizes, Window, channels_of, line_apart, phases, shape_of
from fastnn.kernels.sums.sample_turns import deliver, fill, stage_step
from fastnn.kernels.sums.weights import are_wide

Four = tuple[int, int, int, int]
Three = tuple[int, int, int]
Two = tuple[int, int]
Room = tuple[tuple[int, int, int, int, int], tuple[int, int, int, int], tuple[int, int, int]]

RING_BYTES = 384 * 1024  # of cells in the order of lanes, unless a row of results needs more, and
CELL_BYTES = 128 * 1024  # of results: they stay in the second-level cache beside the weights and what is needed soon
FACTS = 4  # that are noted on columns: the first tap, how many, where the cell lies that it meets, and results; all of each


@compiled
def met(back, o, axis):
    """The first tap that cell o meets, how many there are, and the cell at which it meets the first.

    axis: how many cells are read, f, S, P, D.
    """
    n, f, S, P, D = axis
    first, taps, x = 0, 0, 0
    for tap in range(f):
        place = o + P - tap * D if back else (o * S + tap * D - P) * S
        if place % S == 0 and 0 <= place < n * S:
            first, x = (first, x) if taps > 0 else (tap, place // S)
            taps += 1
    return first, taps, x


@compiled
def _span(back, window):
    """How many rows of cells, at most, those of one row of results lie in."""
    return (window[0] - 1) * window[6] // window[2] + 2 if back else (window[0] - 1) * window[6] + 1


@compiled
def least_bytes(back, shape, window, zero):
    """Of these rows."""
    return min(shape[3], _span(back, window)) * shape[4] * line_apart(shape[1] * lanes(zero) * element_size(zero))


@compiled
def _layout(scratch, back, shape, window, zero):
    """Addresses in scratch: cells, results, notes on columns, lines of cells, the end. Steps from cell to cell and row to
    row of both. How many rows of cells there are, rows of results, and k at a time.
    """
    _, C, K, H, W, H_out, W_out = shape
    vector = lanes(zero) * element_size(zero)
    step = line_apart(C * vector)
    kept = min(H, max(_span(back, window), RING_BYTES // (W * step)))
    together = min(K, max(1, CELL_BYTES // (W_out * vector * full_rows(zero))) * full_rows(zero))
    out_step = line_apart(together * vector)
    rows = max(1, min(H_out, CELL_BYTES // (W_out * out_step))) if together == K else 1
    cells = -(-scratch // LINE) * LINE
    results = cells + kept * W * step
    columns = results + rows * W_out * out_step + NOTES_BYTES
    stage = -(-(columns + 8 * FACTS * W_out) // LINE) * LINE
    end = stage + lanes(zero) * stage_step(zero)
    return (cells, results, columns, stage, end), (step, W * step, out_step, W_out * out_step), (kept, rows, together)


@compiled
def samples_bytes(back, sizes, window, zero):
    """The scratch of `sum_samples`; it does not grow with m."""
    return _layout(0, back, shape_of(back, sizes), window, zero)[0][4] + LINE


@tiled
def sum_samples(
    back: int, sizes: Sizes, window: Window, image: Images, weights: Four, out: Images, scratch: int, zero: float
) -> None:
    """All samples of one group; sizes and window are the forward pass's. Rows of image and out lie one behind the other."""
    shape = shape_of(back, sizes)
    m, C, K, H, W, H_out, W_out = shape
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    size, width, axis = element_size(zero), lanes(zero), (H, f_h, S_h, P_h, D_h)
    room = _layout(scratch, back, shape, window, zero)
    (kept, rows, together), notes, read = room[2], room[0][2] - NOTES_BYTES, 0
    steps_h, steps_w = _steps(back, f_h, S_h, D_h), _steps(back, f_w, S_w, D_w)
    steps = (steps_h[0], steps_h[1], steps_w[0], steps_w[1])
    _note_columns(back, W_out, (W, f_w, S_w, P_w, D_w), room)
    for n in range(0, m, width):
        samples, filled = min(width, m - n), 0
        source = (image[0] + n * image[1], image[1], image[2])
        for i in range(0, H_out, rows):
            some = min(rows, H_out - i)
            for k in range(0, K, together):
                count = min(together, K - k)
                target = (out[0] + n * out[1] + k * out[2] + i * W_out * size, out[1], out[2])
                written = note(notes + TO_WRITE, target[0], (out[1], out[2]), (samples, count), some * W_out * size) // some
                for row in range(some):
                    taps = met(back, i + row, axis)
                    wanted = _wanted(back, i + row, axis, steps[1], (kept, filled))
                    if wanted[1] > filled:
                        fill(wanted, source, samples, shape, room, zero)
                        filled = wanted[1]
                        read = _note_next(back, (n, i + row, filled), image, shape, (axis, steps[1]), room, zero)
                    terms = C * taps[1] * f_w * -(-count // full_rows(zero)) * (W_out // VECTORS)
                    soon, part = (notes, max(1, min(GROUP, terms // max(1, written + read)))), (row, k, count)
                    if are_wide(K, zero):
                        _row_of_wide(taps, steps, part, shape, window, weights, soon, room, zero)
                    else:
                        _row_of_full(taps, steps, part, shape, window, weights, soon, room, zero)
                deliver((samples, count, some * W_out), target, room, zero)
                if weights[3] != IDENTITY:
                    activate_planes(weights[3], target[0], (out[1], out[2]), (samples, count, some * W_out), zero)


@compiled
def _wanted(back, o, axis, apart, ring):
    """The rows of cells, from one to another, that are brought into the order of lanes before row o of results is summed.

    ring: how many rows there is room for, and behind which one there is none yet.
    """
    (H, f, S, P, D), (kept, filled) = axis, ring
    _, taps, y = met(back, o, axis)
    if taps == 0 or max(y, y + (taps - 1) * apart) < filled:
        return filled, filled
    lowest = max(0, (o + P - (f - 1) * D) // S if back else o * S - P)  # no cell before this one is met from o on
    return max(filled, lowest), min(H, lowest + kept)


@compiled
def _note_next(back, done, image, shape, taps, room, zero):
    """Notes the cells that a row behind o or the next samples want next; how many lines a row until then, is returned."""
    (n, o, filled), (axis, apart), m, size, first = done, taps, shape[0], element_size(zero), 0
    row, behind, notes, kept = o + 1, filled, room[0][2] - NOTES_BYTES + TO_READ, room[2][0]
    while row < shape[5] and behind == filled:
        first, behind = _wanted(back, row, axis, apart, (kept, filled))
        row += 1
    if behind == filled:
        n += lanes(zero)
        first, behind = _wanted(back, 0, axis, apart, (kept, 0))
    place, samples = image[0] + n * image[1] + first * shape[4] * size, max(0, min(lanes(zero), m - n))
    lines = note(notes, place, (image[1], image[2]), (samples, shape[1]), (behind - first) * shape[4] * size)
    return lines // max(1, row - 1 - o)


@compiled
def _steps(back, f, S, D):
    """How far taps of a cell are apart, along an axis, and the cells that they meet."""
    kinds = phases(f, S, D) if back else 1
    return kinds, -max(1, kinds * D // S) if back else D


@compiled
def _note_columns(back, W_out, axis, room):
    """Note what columns meet, those of a class one after the other."""
    (cells, results, place, _, _), (step, _, out_step, _), _ = room
    apart, line = axis[2] if back else 1, 8 * W_out
    for first in range(apart):
        for j in range(first, W_out, apart):
            tap, taps, x = met(back, j, axis)
            write_integer(tap, place)
            write_integer(taps, place + line)
            write_integer(cells + x * step, place + 2 * line)
            write_integer(results + j * out_step, place + 3 * line)
            place += 8


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _row_of_wide(
    taps: Three, steps: Four, part: Three, shape: Sizes, window: Window, weights: Four, soon: Two, room: Room, zero: float
) -> None:
    _sum_row(wide_form(zero), form(zero, wide_rows(zero), 1), taps, steps, part, shape, window, weights, soon, room)


@tiled
def _row_of_full(
    taps: Three, steps: Four, part: Three, shape: Sizes, window: Window, weights: Four, soon: Two, room: Room, zero: float
) -> None:
    tall, narrow = form(zero, full_rows(zero), VECTORS), form(zero, full_rows(zero), 1)
    _sum_row(tall, narrow, taps, steps, part, shape, window, weights, soon, room)


@compiled
def _sum_row(wide, narrow, taps_h, steps, part, shape, window, weights, soon, room):
    """Some k of one row of results, class by class: as many columns at a time as a tile has vectors, then one."""
    (_, _, notes, _, _), (_, _, _, out_h), _ = room
    row, first_k, count = part
    zero, j, line = zero_of(wide), 0, 8 * shape[6]
    size, full, terms = element_size(zero), full_rows(zero), shape[1] * window[0] * window[1]
    while j < shape[6]:
        tap, taps, first = read_integer(notes + 8 * j), read_integer(notes + line + 8 * j), j
        while j < shape[6] and read_integer(notes + 8 * j) == tap and read_integer(notes + line + 8 * j) == taps:
            j += 1
        sums = _terms(taps_h, (tap, taps), steps, shape, window, room, zero)
        for k in range(first_k, first_k + count, full):
            last, column = min(full, first_k + count - k) - 1, first
            above, bias = weights[0] + k * terms * size, (weights[1] + k * weights[2], weights[2])
            offset = row * out_h + (k - first_k) * lanes(zero) * size
            while column < j:
                place = notes + 2 * line + 8 * column
                if column + vectors_of(wide) <= j:
                    places, targets = read_integers(place, vectors_of(wide)), read_integers(place + line, vectors_of(wide))
                    _run(wide, sums, above, bias, places, targets, offset, last, soon)
                    column += vectors_of(wide)
                else:
                    places, targets = read_integers(place, 1), read_integers(place + line, 1)
                    _run(narrow, sums, above, bias, places, targets, offset, last, soon)
                    column += 1


@compiled
def _terms(rows, columns, steps, shape, window, room, zero):
    """Channels, of a group and in all; how many taps there are; where the first finds its weights in a group of one channel,
    along both axes, and steps; where it finds its cells, and steps; the ring's bytes; the step from channel to channel.
    """
    (tap_h, taps_h, y), (tap_w, taps_w), (kinds_h, apart_h, kinds_w, apart_w) = rows, columns, steps
    _, (step, step_h, _, _), (kept, _, _) = room
    weight, f_w = full_rows(zero) * element_size(zero), window[1]
    line = y % kept * step_h if taps_h > 0 else 0
    above = (tap_h * f_w * weight, kinds_h * f_w * weight, tap_w * weight, kinds_w * weight)
    channels = (channels_of(shape[1], window[0], f_w), shape[1], f_w * weight, window[0] * f_w * weight)
    return channels, (taps_h, taps_w), above, (line, apart_h * step_h, apart_w * step, kept * step_h)


@exactly
def _run(kind, terms, above, bias, places, targets, offset, last, soon):
    """One tile: groups of channels one after the other, as many as make BLOCK terms from zero, the first from b."""
    zero, t = zero_of(kind), zeros(kind)
    (channels, C, step_c, group), (taps_h, taps_w), (first_h, step_h, first_w, step_w), cells = terms
    vector, (notes, every) = lanes(zero) * element_size(zero), soon
    block = channels * max(1, BLOCK // max(1, channels * taps_h * taps_w))
    for first in range(0, C, block):
        total = t
        if first == 0:
            total = spread(total, bias[0], bias[1], last)
        for c in range(first, min(C, first + block), channels):
            some = min(channels, C - c)
            line, weight_h = cells[0], above + c * group + first_h * some + first_w
            for _ in range(taps_h):
                weight_w, cell = weight_h, line + c * vector
                for _ in range(taps_w):
                    weight, place = weight_w, cell
                    for _ in range(0, some, every):
                        ask(notes)
                    for _ in range(some):
                        total = rank_one_over(total, weight, places, place)
                        weight += step_c
                        place += vector
                    weight_w += step_w
                    cell += cells[2]
                weight_h += step_h * some
                line += cells[1]
                line -= cells[3] if line >= cells[3] else 0
                line += cells[3] if line < 0 else 0
        if first > 0:
            total = added_over(total, targets, offset, vector, last)
        store_over(total, targets, offset, vector, last)
