"""Depthwise convolutions: a channel in each lane.

Rows of few cells leave most lanes of depthwise.py's vectors empty, and with a stride each vector it loads comes from a copy.
With a cell of many channels as one vector (channel_bands.py), and a tap of their theta as another, every stride and size has
full lanes. What a tap meets outside the image is left out: columns by the loop, rows as zeros above and below. A register
tile is output cells of a column.

Tuples as in planes.py, depthwise.py and channel_bands.py; `back` is 1 for da, where the image is dz, and else 0. Of scratch,
    room     addresses of theta, bias, the image's cells, results, and the stage; the bytes behind all of it
    plan     rows that windows reach above the image, and from a band's last row on; output rows of a band
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.registers.column_tiles import add_apart, add_columns
from fastnn.kernels.registers.forms import form, lanes, rows_of, zero_of, zeros
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import load, store
from fastnn.kernels.sums.channel_bands import MOST_BYTES, band_rows, clear, row_step, turn_in, turn_out
from fastnn.kernels.sums.depthwise_rows import Bias, Theta
from fastnn.kernels.sums.planes import Images, Sizes, Window, phases, plane_of, shape_of
from fastnn.kernels.sums.sample_turns import into_lanes, stage_step

Grid = tuple[int, int, int]

# Rows of a tile, and where no more than FEW are left of the image; taps of a column that are summed together.
ROWS, FEW = 8, 4
TAPS = 3


@compiled
def _plan(back, sizes, window, zero):
    above, beyond, shape = 0, 0, shape_of(back, sizes)
    for q in range(phases(window[0], window[2], window[6]) if back else 1):
        met, taps = sizes, window
        if back:
            met, taps, _, _ = plane_of(q, 0, sizes, window)
        if met[5] > 0:
            above = max(above, taps[4])
            beyond = max(beyond, (taps[0] - 1) * taps[6] - taps[4])
    each, line = _bytes_of_row(back, sizes, window, zero), row_step(shape[4], zero)
    return above, beyond, band_rows(shape[5], ROWS * (window[2] if back else 1), (above + beyond) * line, each)


@compiled
def _bytes_of_row(back, sizes, window, zero):
    """Of an output row, and of what it needs of the image."""
    shape, S = shape_of(back, sizes), window[2]
    return row_step(shape[6], zero) + (-(-row_step(shape[4], zero) // S) if back else S * row_step(shape[4], zero))


@compiled
def _met(rows, back, plan, window):
    """The rows of the image that some output rows meet, but for the last tile's, which are not kept."""
    S = window[2]
    first, last = (rows[0] // S, (rows[1] - 1) // S) if back else (rows[0] * S, (rows[1] - 1) * S)
    return first - plan[0], last + plan[1] + 1


@compiled
def _layout(scratch, back, plan, sizes, window, zero):
    """`room`, from an address on."""
    _, _, _, _, W, _, W_out = shape_of(back, sizes)
    step, S = lanes(zero) * element_size(zero), window[2]
    first, behind = _met((0, plan[2]), back, plan, window)
    theta = -(-scratch // LINE) * LINE
    bias = theta + window[0] * window[1] * step
    cells = bias + step
    results = cells + (behind - first + (ROWS - 1) * (1 if back else S)) * row_step(W, zero)
    stage = results + (plan[2] + (ROWS - 1) * (S if back else 1)) * row_step(W_out, zero)
    return theta, bias, cells, results, stage, stage + lanes(zero) * stage_step(zero)


@tiled
def channels_bytes(back: int, sizes: Sizes, window: Window, zero: float) -> int:
    """The scratch of `sum_channels`; 0 where it would be more than MOST_BYTES, and depthwise.py has to do."""
    count = _layout(0, back, _plan(back, sizes, window, zero), sizes, window, zero)[5] + LINE
    return count if count <= MOST_BYTES else 0


@tiled
def sum_channels(
    back: int,
    channels: int,
    sizes: Sizes,
    window: Window,
    image: Images,
    theta: Theta,
    bias: Bias,
    out: Images,
    scratch: int,
    zero: float,
) -> None:
    """(15), (16) z = theta a + b for so many channels, and g of it; or (19) da. Rows lie one behind the other, and taps."""
    m, _, _, H, W, H_out, W_out = shape_of(back, sizes)
    size, width, plan = element_size(zero), lanes(zero), _plan(back, sizes, window, zero)
    step, room = width * size, _layout(scratch, back, plan, sizes, window, zero)
    line, out_line = row_step(W, zero), row_step(W_out, zero)
    for c in range(0, channels, width):
        some = min(width, channels - c)
        into_lanes((theta[0] + c * theta[1], theta[1]), some - 1, room[0], step, window[0] * window[1], zero)
        for k in range(width):
            write(read(zero, bias[0] + (c + k) * bias[1]) if bias[0] != 0 and k < some else zero, room[1] + k * size)
        for n in range(m):
            source = (image[0] + n * image[1] + c * image[2], image[2])
            place = out[0] + n * out[1] + c * out[2]
            for i in range(0, H_out, plan[2]):
                rows = i, min(i + plan[2], H_out)
                met = _met(rows, back, plan, window)
                cells = (room[2] - met[0] * line, line, W)
                grid = (room[3] - i * out_line, out_line, W_out)
                turn_in(met, H, source, some, cells, room[4], zero)
                if back:
                    _sum_planes(rows, sizes, window, room, cells, grid, zero)
                else:
                    taps = (room[0], window[1] * step, step, room[1])
                    _sum_plane(rows, sizes, window, taps, cells, (grid[0], out_line, step), zero)
                turn_out(rows, grid, some, (place, out[2]), room[4], zero)
            if bias[2] != IDENTITY:
                activate_planes(bias[2], place, (0, out[2]), (1, some, H_out * W_out), zero)


@compiled
def _sum_planes(rows, sizes, window, room, cells, grid, zero):
    """Some rows of da, plane by plane of image_gradient.py. Cells that no tap meets get 0."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    step, phases_h, phases_w = lanes(zero) * element_size(zero), phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    if phases_h < S_h or phases_w < S_w:
        clear(rows[0], rows[1], grid, zero)
    for q_h in range(phases_h):
        for q_w in range(phases_w):
            turned, taps, i, j = plane_of(q_h, q_w, sizes, window)
            r, s = q_h + (taps[0] - 1) * phases_h, q_w + (taps[1] - 1) * phases_w
            theta = (room[0] + (r * f_w + s) * step, -phases_h * f_w * step, -phases_w * step, room[1])
            some = rows[0] // S_h, min(turned[5], -(-rows[1] // S_h))
            _sum_plane(some, turned, taps, theta, cells, (grid[0] + i * grid[1] + j * step, S_h * grid[1], S_w * step), zero)


@compiled
def _sum_plane(rows, sizes, window, theta, cells, out, zero):
    """Some rows of output cells; theta and out are addresses, and steps of rows and columns, and theta has the bias."""
    for i in range(rows[0], rows[1], ROWS):
        place = (out[0] + i * out[1], out[1], out[2])
        if rows[1] - i > FEW:
            _sum_many(i, sizes, window, theta, cells, place, zero)
        else:
            _sum_few(i, sizes, window, theta, cells, place, zero)


# Functions of their own: among other loops LLVM steps each row's address by itself, in memory, which took half the time.
@tiled
def _sum_many(i: int, sizes: Sizes, window: Window, theta: Theta, cells: Grid, out: Grid, zero: float) -> None:
    _sum_rows(form(zero, ROWS, 1), i, sizes, window, theta, cells, out)


@tiled
def _sum_few(i: int, sizes: Sizes, window: Window, theta: Theta, cells: Grid, out: Grid, zero: float) -> None:
    _sum_rows(form(zero, FEW, 1), i, sizes, window, theta, cells, out)


@compiled
def _sum_rows(kind, i, sizes, window, theta, cells, out):
    """Rows of output cells from the i-th on, tile by tile: a column of them."""
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    zero, (weights, step_r, step_s, bias), (first, row, W) = zero_of(kind), theta, cells
    step, near = lanes(zero) * element_size(zero), S_h == 1 and D_h == 1
    first += (i * S_h - P_h) * row
    for j in range(sizes[6]):
        t = load(zeros(kind), bias, 0, 0, None)
        for s in range(f_w):
            x = j * S_w + s * D_w - P_w
            if 0 <= x < W:
                met, taps = first + x * step, (weights + s * step_s, step_r)
                if near:
                    t = _add_column(kind, True, t, f_h, taps, met, (row, row))
                else:
                    t = _add_column(kind, False, t, f_h, taps, met, (S_h * row, D_h * row))
        store(t, out[0] + j * out[2], out[1], rows_of(kind) - 1, None)


@inlined
def _add_column(kind, near, t, f_h, weights, met, steps):
    """A column of taps. Loops over its two, three or five taps took a third as long as they."""
    several, one = zeros(form(zero_of(kind), TAPS, 1)), zeros(form(zero_of(kind), 1, 1))
    place, r = weights[0], 0
    while r + TAPS <= f_h:
        if near:
            t = add_columns(t, load(several, place, weights[1], TAPS - 1, None), met, steps[0])
        else:
            t = add_apart(t, load(several, place, weights[1], TAPS - 1, None), met, steps[0], steps[1])
        met, place, r = met + TAPS * steps[1], place + TAPS * weights[1], r + TAPS
    while r < f_h:
        t = add_columns(t, load(one, place, 0, 0, None), met, steps[0])
        met, place, r = met + steps[1], place + weights[1], r + 1
    return t
