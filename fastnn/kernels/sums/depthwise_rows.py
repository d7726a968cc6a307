"""Depthwise convolutions whose windows go from cell to cell of a row: the image is read where it is.

A register tile is output rows, one below the other, or where windows are dilated D_h apart, so that taps share what they
meet; its vectors are cells of these rows. Each row of the image is found in a table, in which those above and below are a
row of zeros; cells beside the image are left out by masks, the same for all channels. (To copy each channel first, padded,
took as long as half of the products of 3 x 3 taps, and twice as long where images come from far away.)

Tuples as in planes.py and depthwise.py, and
    room     addresses in scratch: zeros, masks, and the table; the address behind it
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import ask_to_read, ask_to_write, element_size, read, read_integer, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.registers.column_tiles import add_rows
from fastnn.kernels.registers.forms import form, lanes, rows_of, zero_of, zeros
from fastnn.kernels.registers.lanes import filled
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import store, tile
from fastnn.kernels.sums.planes import Images, Sizes, Window, reached

Theta = tuple[int, int, int, int]
Bias = tuple[int, int, int]
Pair = tuple[int, int]
Triple = tuple[int, int, int]

# Rows of a tile, and where no more than FEW are left; taps of a column that are summed together, and if that is all of them.
ROWS, FEW, TAPS, MOST_TAPS = 8, 4, 3, 5
# Of images and results: more come from memory, not from a cache, and what the next tiles need is asked for. Without, they
# took a fifth longer; images that are near took a tenth longer with it.
FAR_BYTES = 8 * 1024 * 1024


@compiled
def _room(scratch, sizes, window, zero):
    (_, _, _, _, W, H_out, W_out), (f_h, f_w, _, _, _, _, D_h, _) = sizes, window
    empty = -(-scratch // LINE) * LINE
    masks = empty + -(-W // lanes(zero)) * lanes(zero) * element_size(zero)
    table = masks + 8 * f_w * -(-W_out // lanes(zero))
    return empty, masks, table, table + 8 * (H_out + (ROWS + f_h - 2) * D_h)


@compiled
def rows_bytes(sizes, window, zero):
    """The scratch of `depthwise_rows`."""
    return _room(0, sizes, window, zero)[3] + LINE


@compiled
def are_rows(window, image, out, zero):
    """Whether windows go from cell to cell, and rows' cells are neighbours."""
    return window[2] == 1 and window[3] == 1 and image[4] == element_size(zero) and out[4] == element_size(zero)


@tiled
def depthwise_rows(
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
    """(15), (16) z = theta a + b for so many channels, and g of it."""
    (m, _, _, H, W, H_out, W_out), (f_h, _, _, _, P_h, _, D_h, _) = sizes, window
    room, size = _room(scratch, sizes, window, zero), element_size(zero)
    _note(sizes, window, room, zero)
    far = m * channels * (H * W + H_out * W_out) * size > FAR_BYTES
    for n in range(m):
        for k in range(channels):
            source, target = image[0] + n * image[1] + k * image[2], out[0] + n * out[1] + k * out[2]
            for i in range(max(0, -P_h), min(H, H_out + (ROWS + f_h - 2) * D_h - P_h)):
                write_integer(source + i * image[3], room[2] + 8 * (i + P_h))
            weights = theta[0] + k * theta[1], theta[2], theta[3]
            b = read(zero, bias[0] + k * bias[1]) if bias[0] != 0 else zero
            for q in range(min(D_h, H_out)):
                rows = (H_out - q - 1) // D_h + 1
                few = rows % ROWS if rows % ROWS <= FEW else 0
                places = room[2] + 8 * q, room[1], source + (q + ROWS * D_h) * image[3] if far else 0
                line = target + q * out[3], D_h * out[3]
                if rows > few:
                    _sum_many(rows - few, W_out, window, weights, b, places, image[3], line, zero)
                if few > 0:
                    done = (rows - few) * D_h
                    if far:
                        places = room[2] + 8 * (q + done), room[1], places[2] + done * image[3]
                    else:
                        places = room[2] + 8 * (q + done), room[1], 0
                    line = line[0] + done * out[3], line[1]
                    _sum_few(few, W_out, window, weights, b, places, image[3], line, zero)
            if bias[2] != IDENTITY:  # the cells are neighbours then, and in the cache still
                activate_planes(bias[2], target, (0, 0), (1, 1, H_out * W_out), zero)


@compiled
def _note(sizes, window, room, zero):
    """The table's rows of zeros; and for each vector of output cells and column of taps, the lanes that meet cells."""
    (_, _, _, _, W, _, W_out), (_, f_w, _, _, _, P_w, _, D_w), width = sizes, window, lanes(zero)
    for place in range(room[0], room[1], width * element_size(zero)):
        store(tile(zero, 1, 1), place, 0, 0, None)
    for place in range(room[2], room[3], 8):
        write_integer(room[0], place)
    place = room[1]
    for j in range(0, W_out, width):
        for s in range(f_w):
            first, behind = reached(W, W_out, s * D_w - P_w, 1)
            begin, end = max(0, first - j), min(width, behind - j)
            write_integer((1 << end) - (1 << begin) if end > begin else 0, place)
            place += 8


# Functions of their own: among other loops LLVM steps each row's address by itself, in memory.
@tiled
def _sum_many(
    rows: int, W_out: int, window: Window, theta: Triple, b: float, room: Triple, step: int, out: Pair, zero: float
) -> None:
    _sum_rows(form(zero, ROWS, 1), rows, W_out, window, theta, b, room, step, out)


@tiled
def _sum_few(
    rows: int, W_out: int, window: Window, theta: Triple, b: float, room: Triple, step: int, out: Pair, zero: float
) -> None:
    _sum_rows(form(zero, FEW, 1), rows, W_out, window, theta, b, room, step, out)


@compiled
def _sum_rows(kind, rows, W_out, window, theta, b, room, step, out):
    """Tiles beside and below each other: room has the table of their rows, masks, and where the next tiles' rows begin in
    the image, 0 if these are not asked for.
    """
    (_, f_w, _, _, _, P_w, D_h, D_w), (table, masks, soon), (line, next_line) = window, room, out
    size, all_lanes, next_row = element_size(zero_of(kind)), (1 << lanes(zero_of(kind))) - 1, 8 * D_h
    for i in range(0, rows, ROWS):
        bits, last = masks, min(rows_of(kind), rows - i) - 1
        for j in range(0, W_out, lanes(zero_of(kind))):
            t = filled(zeros(kind), b)
            for s in range(f_w):
                offset, weights = (j + s * D_w - P_w) * size, (theta[0] + s * theta[2], theta[1])
                if read_integer(bits) == all_lanes:
                    t = _add_column(t, window[0], weights, (table, next_row), offset, None)
                else:
                    t = _add_column(t, window[0], weights, (table, next_row), offset, bits)
                bits += 8
            if soon != 0:
                for r in range(rows_of(kind)):
                    ask_to_read(soon + r * D_h * step + j * size)
                    ask_to_write(line + (r + ROWS) * next_line + j * size)
            count = W_out - j
            if count >= lanes(zero_of(kind)):
                store(t, line + j * size, next_line, last, None)
            else:
                store(t, line + j * size, next_line, last, count)
        table, line = table + ROWS * next_row, line + ROWS * next_line
        soon += ROWS * D_h * step if soon != 0 else 0


@inlined
def _add_column(t, f_h, weights, table, offset, bits):
    """A column of taps."""
    (place, step), (row, next_row), r = weights, table, 0
    if f_h == MOST_TAPS:
        return add_rows(t, place, step, row, next_row, offset, bits, MOST_TAPS)
    while r + TAPS <= f_h:
        t = add_rows(t, place, step, row, next_row, offset, bits, TAPS)
        place, row, r = place + TAPS * step, row + TAPS * next_row, r + TAPS
    while r < f_h:
        t = add_rows(t, place, step, row, next_row, offset, bits, 1)
        place, row, r = place + step, row + next_row, r + 1
    return t
