"""Depthwise convolutions of small images, or with strides: a channel in each lane.

Rows of few cells leave most lanes of depthwise.py's vectors empty, and with a stride each vector it loads comes from a copy.
Here squares of channels and cells are transposed (sample_turns.py), so that a cell of as many channels as there are lanes is
one vector, and a tap of their theta another. Then every stride and size has full lanes, and what a tap meets outside the
image is left out: columns by the loop, rows as zeros above and below. A register tile is output cells of a column.

Tuples as in planes.py and depthwise.py; `back` is 1 for da, where the image is dz, and else 0. Of scratch,
    room     addresses of theta, bias, the image's first cell, results, and the stage; the bytes behind all of it
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.registers.column_tiles import add_columns
from fastnn.kernels.registers.forms import form, lanes, rows_of, zero_of, zeros
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.planes import Images, Sizes, Window, phases, plane_of, shape_of
from fastnn.kernels.sums.sample_turns import deliver, fill, into_lanes, stage_step

Theta = tuple[int, int, int, int]
Bias = tuple[int, int, int]

# Rows of a tile, and where no more than FEW are left of the image.
ROWS, FEW = 8, 4
MOST_BYTES = 512 * 1024  # of scratch: it stays in the second-level cache


@compiled
def _reach(back, sizes, window):
    """How many rows windows reach above the image and below: of dz, in any of da's planes."""
    above = below = 0
    for q in range(phases(window[0], window[2], window[6]) if back else 1):
        met, taps = sizes, window
        if back:
            met, taps, _, _ = plane_of(q, 0, sizes, window)
        if met[5] > 0:
            above = max(above, taps[4])
            below = max(below, (met[5] - 1) * taps[2] + (taps[0] - 1) * taps[6] - taps[4] - (met[3] - 1))
    return above, below


@compiled
def _layout(scratch, back, sizes, window, zero):
    """`room`, from an address on."""
    _, _, _, H, W, H_out, W_out = shape_of(back, sizes)
    (above, below), step = _reach(back, sizes, window), lanes(zero) * element_size(zero)
    theta = -(-scratch // LINE) * LINE
    bias = theta + window[0] * window[1] * step
    cells = bias + (1 + above * W) * step
    results = cells + (H + below + (ROWS - 1) * (1 if back else window[2])) * W * step
    stage = results + (H_out + (ROWS - 1) * (window[2] if back else 1)) * W_out * step
    return theta, bias, cells, results, stage, stage + lanes(zero) * stage_step(zero)


@tiled
def channels_bytes(back: int, sizes: Sizes, window: Window, zero: float) -> int:
    """The scratch of `sum_channels`; 0 where it would be more than MOST_BYTES, and depthwise.py has to do."""
    count = _layout(0, back, sizes, window, zero)[5] + LINE
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
    size, width = element_size(zero), lanes(zero)
    step, room = width * size, _layout(scratch, back, sizes, window, zero)
    turns = (room[2], room[3], 0, room[4], 0), (step, W * step, step, W_out * step), (H, 0, 0)
    for place in range(room[1] + step, room[3], step):
        store(tile(zero, 1, 1), place, 0, 0, None)
    for c in range(0, channels, width):
        some = min(width, channels - c)
        into_lanes((theta[0] + c * theta[1], theta[1]), some - 1, room[0], step, window[0] * window[1], zero)
        for k in range(width):
            write(read(zero, bias[0] + (c + k) * bias[1]) if bias[0] != 0 and k < some else zero, room[1] + k * size)
        for n in range(m):
            fill((0, H), (image[0] + n * image[1] + c * image[2], image[2], 0), some, (m, 1, 1, H, W), turns, zero)
            if back:
                _sum_planes(sizes, window, room, zero)
            else:
                _sum_plane(sizes, window, (room[0], window[1] * step, step), room, (room[3], W_out * step, step), zero)
            place = out[0] + n * out[1] + c * out[2]
            deliver((some, 1, H_out * W_out), (place, out[2], 0), turns, zero)
            if bias[2] != IDENTITY:
                activate_planes(bias[2], place, (0, out[2]), (1, some, H_out * W_out), zero)


@compiled
def _sum_planes(sizes, window, room, zero):
    """da, plane by plane of image_gradient.py."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    step, phases_h, phases_w = lanes(zero) * element_size(zero), phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    row = sizes[4] * step
    for q_h in range(phases_h):
        for q_w in range(phases_w):
            turned, taps, i, j = plane_of(q_h, q_w, sizes, window)
            r, s = q_h + (taps[0] - 1) * phases_h, q_w + (taps[1] - 1) * phases_w
            theta = (room[0] + (r * f_w + s) * step, -phases_h * f_w * step, -phases_w * step)
            _sum_plane(turned, taps, theta, room, (room[3] + i * row + j * step, S_h * row, S_w * step), zero)


@compiled
def _sum_plane(sizes, window, theta, room, out, zero):
    """All output cells; theta and out are addresses, and steps of rows and columns."""
    for i in range(0, sizes[5], ROWS):
        place = (out[0] + i * out[1], out[1], out[2])
        if sizes[5] - i > FEW:
            _sum_rows(form(zero, ROWS, 1), i, sizes, window, theta, room, place)
        else:
            _sum_rows(form(zero, FEW, 1), i, sizes, window, theta, room, place)


@compiled
def _sum_rows(kind, i, sizes, window, theta, room, out):
    """Rows of output cells from the i-th on. Loops over a column's two, three or five taps took a third as long as they."""
    zero, f_h, near = zero_of(kind), window[0], window[2] == 1 and window[6] == 1
    for j in range(sizes[6]):
        place = (out[0] + j * out[2], out[1])
        if near and f_h == 3:
            _sum_column(kind, form(zero, 3, 1), (i, j), sizes[4], window, theta, room, place)
        elif near and f_h == 5:
            _sum_column(kind, form(zero, 5, 1), (i, j), sizes[4], window, theta, room, place)
        elif near and f_h == 2:
            _sum_column(kind, form(zero, 2, 1), (i, j), sizes[4], window, theta, room, place)
        else:
            _sum_column(kind, form(zero, 1, 1), (i, j), sizes[4], window, theta, room, place)


@inlined
def _sum_column(kind, taps, cell, W, window, theta, room, out):
    """A tile: column j's output cells from i on. Several taps meet rows that lie one below the other."""
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    zero, (i, j), (first, step_r, step_s) = zero_of(kind), cell, theta
    step = lanes(zero) * element_size(zero)
    row, t = W * step, load(zeros(kind), room[1], 0, 0, None)
    for s in range(f_w):
        x = j * S_w + s * D_w - P_w
        if 0 <= x < W:
            met, weights = room[2] + (i * S_h - P_h) * row + x * step, first + s * step_s
            if rows_of(taps) > 1:
                t = add_columns(t, load(zeros(taps), weights, step_r, rows_of(taps) - 1, None), met, row)
            else:
                for _ in range(f_h):
                    t = add_columns(t, load(zeros(taps), weights, 0, 0, None), met, S_h * row)
                    met, weights = met + D_h * row, weights + step_r
    store(t, out[0], out[1], rows_of(kind) - 1, None)
