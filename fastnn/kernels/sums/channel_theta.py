"""dtheta of depthwise convolutions, a channel in each lane: of windows with strides above all.

depthwise_theta.py copies a plane for each rest by the strides. Here the cells of many channels, the image's and dz's, are
vectors (channel_bands.py), and a register tile has the sums of some taps, each of which meets the same cell of dz. Rows
above and below the image are zeros; of columns beside it a tap is left out.

Tuples as in planes.py and channel_bands.py. Of scratch,
    room     addresses of the sums, the image's cells, dz's, the stage, and notes (`_note_runs`); the address behind them
    plan     rows of dz of a band, and how many of the image these meet at most
"""

from fastnn.kernels.arrays.memory import element_size, read_integers, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.column_tiles import add_scaled
from fastnn.kernels.registers.forms import form, lanes, rows_of, zero_of, zeros
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import added, load, store, tile
from fastnn.kernels.sums.channel_bands import MOST_BYTES, band_rows, row_step, turn_in
from fastnn.kernels.sums.depthwise_theta import add_beside, may_miss
from fastnn.kernels.sums.planes import Images, Sizes, Window, reached
from fastnn.kernels.sums.sample_turns import from_lanes, stage_step

Pair = tuple[int, int]
Triple = tuple[int, int, int]

TAPS = 3  # rows and columns of a tile of sums; rows that are left over go one by one
FACTS = 5  # that are noted of a tile
NEAR = 256  # products of a sum at most, and of a row more: a band's are added up from zero


@compiled
def _plan(sizes, window, zero):
    _, _, _, _, W, H_out, W_out = sizes
    f_h, _, S_h, _, _, _, D_h, _ = window
    line, beyond = row_step(W, zero), (f_h - 1) * D_h + 1 - S_h
    rows = band_rows(H_out, 1, max(0, beyond) * line, S_h * line + row_step(W_out, zero))
    return rows, rows * S_h + beyond


@compiled
def _room(scratch, plan, sizes, window, zero):
    sums = -(-scratch // LINE) * LINE
    cells = sums + window[0] * window[1] * lanes(zero) * element_size(zero)
    dz = cells + plan[1] * row_step(sizes[4], zero)
    stage = dz + plan[0] * row_step(sizes[6], zero)
    notes = stage + lanes(zero) * stage_step(zero)
    return sums, cells, dz, stage, notes, notes + 8 * FACTS * (2 * TAPS + 1) * window[0] * window[1]


@tiled
def channel_theta_bytes(sizes: Sizes, window: Window, zero: float) -> int:
    """The scratch of `channel_theta`; 0 where it would be more than MOST_BYTES, and depthwise_theta.py has to do."""
    count = _room(0, _plan(sizes, window, zero), sizes, window, zero)[5] + LINE
    return count if count <= MOST_BYTES else 0


@tiled
def channel_theta(
    channels: int, sizes: Sizes, window: Window, image: Images, dz: Images, out: Pair, scratch: int, zero: float
) -> None:
    """(17) dtheta: out is its address and the step from one k to the next; its taps are neighbours, and rows of both follow
    each other.
    """
    (m, _, _, H, W, H_out, W_out), (f_h, f_w, S_h, _, P_h, _, _, _) = sizes, window
    width, plan = lanes(zero), _plan(sizes, window, zero)
    step, room = width * element_size(zero), _room(scratch, plan, sizes, window, zero)
    line, dz_line, runs = row_step(W, zero), row_step(W_out, zero), _note_runs(sizes, window, room, zero)
    for c in range(0, channels, width):
        some = min(width, channels - c)
        for place in range(room[0], room[1], step):
            store(tile(zero, 1, 1), place, 0, 0, None)
        for n in range(m):
            for i in range(0, H_out, plan[0]):
                behind, top = min(i + plan[0], H_out), i * S_h - P_h
                cells, gradients = (room[1] - top * line, line, W), (room[2] - i * dz_line, dz_line, W_out)
                met = top, top + plan[1] - (plan[0] - (behind - i)) * S_h
                turn_in(met, H, (image[0] + n * image[1] + c * image[2], image[2]), some, cells, room[3], zero)
                turn_in((i, behind), H_out, (dz[0] + n * dz[1] + c * dz[2], dz[2]), some, gradients, room[3], zero)
                _add_runs(behind - i, runs, sizes, window, room[4], zero)
        from_lanes(room[0], step, (out[0] + c * out[1], out[1]), some - 1, f_h * f_w, zero)
    if may_miss(channels, sizes, window, out, zero):
        add_beside(channels, sizes, window, dz, out, zero)


@compiled
def _note_runs(sizes, window, room, zero):
    """The tiles that a band is summed with: of TAPS rows and columns of taps, or what is left of them, and of a run of
    output columns at which the same of these meet cells of the image. Returns how many there are. (To work this out for
    each image took as long as a third of its sums, of 7 x 7 cells.)
    """
    f_h, f_w, _, _, _, _, _, _ = window
    number, r = 0, 0
    while r < f_h:
        tall, s = TAPS if r + TAPS <= f_h else 1, 0
        while s < f_w:
            wide, j = min(TAPS, f_w - s), 0
            while j < sizes[6]:
                first, behind, end = _met_at(j, s, s + wide, sizes, window)
                if first < behind:
                    _note(number, (tall, behind - first), (r, first), (j, end), sizes, window, room, zero)
                    number += 1
                j = end
            s += wide
        r += tall
    return number


@compiled
def _met_at(j, begin, end, sizes, window):
    """Of some columns of taps, which meet cells of the image at output column j, and up to which column it is just these."""
    first, behind, until = end, end, sizes[6]
    for s in range(begin, end):
        low, high = reached(sizes[4], sizes[6], s * window[7] - window[5], window[3])
        if low <= j < high:
            first, behind = min(first, s), s + 1
        if low > j:
            until = min(until, low)
        elif high > j:
            until = min(until, high)
    return first, behind, until


@compiled
def _note(number, shape, tap, columns, sizes, window, room, zero):
    (_, f_w, _, S_w, _, P_w, D_h, D_w), (first, behind) = window, columns
    step, place = lanes(zero) * element_size(zero), room[4] + 8 * FACTS * number
    line = tap[0] * D_h * row_step(sizes[4], zero)
    write_integer(shape[0] * 4 + shape[1], place)
    write_integer(room[0] + (tap[0] * f_w + tap[1]) * step, place + 8)
    write_integer(room[1] + line + (first * S_w + tap[1] * D_w - P_w) * step, place + 16)
    write_integer(room[2] + first * step, place + 24)
    write_integer(behind - first, place + 32)


@compiled
def _add_runs(rows, count, sizes, window, notes, zero):
    """All taps of a band."""
    _, f_w, S_h, S_w, _, _, D_h, D_w = window
    step, line, dz_line = lanes(zero) * element_size(zero), row_step(sizes[4], zero), row_step(sizes[6], zero)
    steps = f_w * step, D_h * line, D_w * step
    for place in range(notes, notes + 8 * FACTS * count, 8 * FACTS):
        kind, sums, cells, dz, columns = read_integers(place, FACTS)
        places, down, along = (sums, cells, dz), (rows, S_h * line, dz_line), (columns, S_w * step, step)
        if columns < rows:
            down, along = along, down
        if kind == 4 * TAPS + 3:
            _add_square(places, steps, down, along, zero)
        elif kind == 4 * TAPS + 2:
            _add_two(places, steps, down, along, zero)
        elif kind == 4 * TAPS + 1:
            _add_one(places, steps, down, along, zero)
        elif kind == 4 + 3:
            _add_row(places, steps, down, along, zero)
        elif kind == 4 + 2:
            _add_pair(places, steps, down, along, zero)
        else:
            _add_single(places, steps, down, along, zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _add_square(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, TAPS, TAPS), places, steps, down, along)


@tiled
def _add_two(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, TAPS, 2), places, steps, down, along)


@tiled
def _add_one(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, TAPS, 1), places, steps, down, along)


@tiled
def _add_row(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, 1, TAPS), places, steps, down, along)


@tiled
def _add_pair(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, 1, 2), places, steps, down, along)


@tiled
def _add_single(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, 1, 1), places, steps, down, along)


@compiled
def _add_tile(kind, places, steps, down, along):
    """places: sums, and what the first tap and it meet. Lines of cells `down`, and cells `along` each: how many, and the
    steps in the image and in dz.
    """
    t, one = zeros(kind), zeros(form(zero_of(kind), 1, 1))
    (sums, cells, dz), (next_sums, row, column), (lines, next_line, next_dz) = places, steps, down
    count, next_cell, next_gradient = along
    total, last, done = t, rows_of(kind) - 1, 0
    for i in range(lines):
        a, gradient = cells, dz
        for _ in range(count):
            total = add_scaled(total, load(one, gradient, 0, 0, None), a, row, column)
            a, gradient = a + next_cell, gradient + next_gradient
        cells, dz, done = cells + next_line, dz + next_dz, done + count
        if done >= NEAR or i == lines - 1:
            store(added(total, load(t, sums, next_sums, last, None)), sums, next_sums, last, None)
            total, done = t, 0
