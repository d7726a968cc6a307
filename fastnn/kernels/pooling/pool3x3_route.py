"""The way back through windows of 3 x 3 with strides of 2 (pool3x3.py) by an index: cells in the order of memory.

A strip is a vector of neighbouring cells, or half of one, down the rows of an image; its first column is even, counted from
the padding's first. Such columns are the first one of a window and the last one of the window before, odd columns are the
middle one of a window: so each lane compares its own window's number with that of its cell, and even ones the left window's
too. What windows have for the row that they share with the next ones is carried on.

Windows in lanes (pool3x3_back.py) need two thirds of these comparisons, but two vectors of cells at a time, a seventh or
more of which no window fills, and shuffles to put the cells into order: 24 x 24 in float64 took a quarter longer, 8 x 8 in
float32 half as long again.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool3x3 import Padding, Sizes
from fastnn.kernels.pooling.pool3x3_strips import RUN
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lane_bytes import added_where_numbers, numbered, where_numbers
from fastnn.kernels.registers.lanes import load_lanes, store_lanes
from fastnn.kernels.registers.shuffles import apart, pairs_from
from fastnn.kernels.registers.tiles import half_vector, tile


@tiled
def backward_max_index(gradients: int, index: int, target: int, sizes: Sizes, P: Padding, zero: float) -> None:
    """(18) da: each dz goes to the cell of its window that has the number, if the image has that cell."""
    (planes, H, W, H_out, W_out), size, every = sizes, element_size(zero), lanes(zero)
    run = max(1, RUN // (H * W * size))
    for p in range(0, planes, run):
        windows, count = p * H_out * W_out, min(run, planes - p)
        places, x = (gradients + windows * size, index + windows, target + p * H * W * size), -P[1]
        while W - x > every // 2:
            _down(x, count, tile(zero, 1, 1), places, sizes, P, zero)
            x += every
        if x < W:
            _down(x, count, half_vector(zero), places, sizes, P, zero)


@inlined
def _down(x, count, nothing, places, sizes, P, zero):
    """The strip from column x on, of so many images."""
    (_, H, W, H_out, W_out), size, j = sizes, element_size(zero), (x + P[1]) // 2 - 1
    window, cells, row = (max(0, -j), W_out - j), (max(0, -x), W - x), W * size
    dz, index, da = places[0] + j * size, places[1] + j, places[2] + x * size
    for _ in range(count):
        carried, image = nothing, da
        for i in range(H_out):
            amounts = load_lanes(nothing, dz, window[0], window[1])
            numbers = load_lanes(numbered(nothing, 0), index, window[0], window[1])
            own, left = pairs_from(amounts, 1), pairs_from(amounts, 0)
            number, number_left = pairs_from(numbers, 1), apart(numbers)
            upper = added_where_numbers(carried, number, 0, 1, own)
            upper = added_where_numbers(upper, number_left, 2, 1, left)
            middle = added_where_numbers(where_numbers(number, 3, 4, own), number_left, 5, 1, left)
            carried = added_where_numbers(where_numbers(number, 6, 7, own), number_left, 8, 1, left)
            if i > 0 or P[0] == 0:
                store_lanes(upper, image, cells[0], cells[1])
                image += row
            store_lanes(middle, image, cells[0], cells[1])
            image += row
            dz += W_out * size
            index += W_out
        _end(carried, nothing, image, cells, H + P[0] - 2 * H_out, row)
        da += H * row


@inlined
def _end(carried, nothing, image, cells, rows, row):
    """The last row under windows, and one more, as far as there are such rows."""
    if rows > 0:
        store_lanes(carried, image, cells[0], cells[1])
    if rows > 1:
        store_lanes(nothing, image + row, cells[0], cells[1])
