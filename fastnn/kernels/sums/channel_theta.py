"""dtheta of depthwise convolutions, a channel in each lane: of windows with strides above all.

depthwise_theta.py copies a plane for each rest by the strides. Here the cells of many channels, the image's and dz's, are
vectors (channel_bands.py), and a register tile has the sums of some taps, each of which meets the same cell of dz. Rows
above and below the image are zeros; of columns beside it a tap is left out.

Tuples as in planes.py and channel_bands.py. Of scratch,
    room     addresses of the sums, the image's cells, dz's, and the stage; the address behind all of it
    plan     rows of dz of a band, and how many of the image these meet at most
"""

from fastnn.kernels.arrays.memory import element_size
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

TAPS = 3  # rows and columns of a tile of sums; what is left over goes one by one
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
    return sums, cells, dz, stage, stage + lanes(zero) * stage_step(zero)


@tiled
def channel_theta_bytes(sizes: Sizes, window: Window, zero: float) -> int:
    """The scratch of `channel_theta`; 0 where it would be more than MOST_BYTES, and depthwise_theta.py has to do."""
    count = _room(0, _plan(sizes, window, zero), sizes, window, zero)[4] + LINE
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
    line, dz_line = row_step(W, zero), row_step(W_out, zero)
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
                _add_taps(behind - i, sizes, window, (room[0], room[1], room[2]), zero)
        from_lanes(room[0], step, (out[0] + c * out[1], out[1]), some - 1, f_h * f_w, zero)
    if may_miss(channels, sizes, window, out, zero):
        add_beside(channels, sizes, window, dz, out, zero)


@compiled
def _add_taps(rows, sizes, window, room, zero):
    """All taps of a band: rows of them and columns, TAPS at a time or one by one."""
    r = 0
    while r < window[0]:
        tall = TAPS if r + TAPS <= window[0] else 1
        s = 0
        while s < window[1]:
            wide, done = TAPS if s + TAPS <= window[1] else 1, (0, 0)
            if wide == TAPS:
                done = _columns(s, TAPS, sizes, window)
                _add_some(tall, TAPS, (r, s), rows, done, sizes, window, room, zero)
            for x in range(s, s + wide):
                first, behind = _columns(x, 1, sizes, window)
                if done[0] >= done[1]:
                    _add_some(tall, 1, (r, x), rows, (first, behind), sizes, window, room, zero)
                else:
                    _add_some(tall, 1, (r, x), rows, (first, done[0]), sizes, window, room, zero)
                    _add_some(tall, 1, (r, x), rows, (done[1], behind), sizes, window, room, zero)
            s += wide
        r += tall


@compiled
def _columns(s, count, sizes, window):
    """The output columns at which so many columns of taps from the s-th on meet cells of the image."""
    first, _ = reached(sizes[4], sizes[6], s * window[7] - window[5], window[3])
    _, behind = reached(sizes[4], sizes[6], (s + count - 1) * window[7] - window[5], window[3])
    return first, behind


@compiled
def _add_some(tall, wide, tap, rows, columns, sizes, window, room, zero):
    """A tile of taps over some columns of a band: along its rows, or where these are few, along the columns."""
    (first, behind), (_, f_w, S_h, S_w, _, P_w, D_h, D_w) = columns, window
    if first >= behind:
        return
    step = lanes(zero) * element_size(zero)
    line, dz_line = row_step(sizes[4], zero), row_step(sizes[6], zero)
    cells = room[1] + tap[0] * D_h * line + (first * S_w + tap[1] * D_w - P_w) * step
    places = room[0] + (tap[0] * f_w + tap[1]) * step, cells, room[2] + first * step
    steps = f_w * step, D_h * line, D_w * step
    down, along = (rows, S_h * line, dz_line), (behind - first, S_w * step, step)
    if along[0] < down[0] // 2:
        down, along = along, down
    if tall == TAPS and wide == TAPS:
        _add_square(places, steps, down, along, zero)
    elif tall == TAPS:
        _add_tall(places, steps, down, along, zero)
    elif wide == TAPS:
        _add_wide(places, steps, down, along, zero)
    else:
        _add_single(places, steps, down, along, zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _add_square(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, TAPS, TAPS), places, steps, down, along)


@tiled
def _add_tall(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, TAPS, 1), places, steps, down, along)


@tiled
def _add_wide(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, 1, TAPS), places, steps, down, along)


@tiled
def _add_single(places: Triple, steps: Triple, down: Triple, along: Triple, zero: float) -> None:
    _add_tile(form(zero, 1, 1), places, steps, down, along)


@compiled
def _add_tile(kind, places, steps, down, along):
    """places: sums, and what the first tap and it meet. Lines of cells `down`, and cells `along` each: how many, and the
    steps in the image and in dz.
    """
    zero, t, one = zero_of(kind), zeros(kind), zeros(form(zero_of(kind), 1, 1))
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
