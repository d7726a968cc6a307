"""Strips of windows of 3 x 3 with strides of 2 (pool3x3.py): where their cells lie, from memory and back.

    strip   windows j to j + lanes - 2, for the last lane's third column is beyond it. The first lane of all but the first
            strip is the window before, again, for what it has for the next one's cells; its own are written already
    pair    where rows are short, two images side by side: the one's cells in the first vector of cells, the other's in the
            second. It is a tuple: how many images there is room for, and how many there are. Three or four images, with two
            pieces of memory in a vector, took up to a third less for 8 x 8 in float32, but half as long again by an index,
            for a store of a few lanes takes as long as one of all, and a third longer for all other images: their loops
            then have more masks than there are registers for

A strip is a tuple: two pieces of a row of cells, one of each vector; two of a row of windows, an image's each; and how many
of the cells are written already. A piece is where its lane 0 would be in memory, from the row's first element on, and which
lanes exist, first <= l < behind: in bytes for cells, and in windows for windows, which have a float, or a byte, each.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_lanes, store_lanes
from fastnn.kernels.registers.shuffles import evens, first_half, moved_down, odds, second_half

RUN = 2**14  # bytes of cells that a strip is worked out for: that takes as long as the windows of a small image do


@inlined
def _room_of(sizes, P, zero):
    """How many images there is room for side by side."""
    planes, _, W, _, W_out = sizes
    return 2 if planes > 1 and max(W + P[1], 2 * W_out + 2) <= lanes(zero) else 1


@inlined
def _strip(j, sizes, P, pair, zero):
    (_, H, W, H_out, W_out), (room, present), every = sizes, pair, lanes(zero)
    x, count, size = 2 * j - P[1], min(W_out - j, every - 1), element_size(zero)
    low = 0, max(0, -x), W - x
    if room == 1:
        return (low, (every * size, 0, W - x - every)), ((0, 0, count), (0, 0, 0)), 2 if j > 0 else 0
    half = every // 2
    cells = H * W * size, low[1], low[2] if present == 2 else 0
    windows = H_out * W_out - half, half, half + count if present == 2 else 0
    return (low, cells), ((0, 0, count), windows), 0


@inlined
def _loaded(vector, place, piece, size):
    begin, first, behind = piece
    return load_lanes(vector, place + begin * size, first, behind)


@inlined
def _stored(vector, place, piece, size):
    begin, first, behind = piece
    store_lanes(vector, place + begin * size, first, behind)


@inlined
def read_row(place, strip, nothing, zero):
    """The three cells of each window in a row, `nothing` where one does not exist."""
    cells, _, _ = strip
    low, high = _loaded(nothing, place, cells[0], 1), _loaded(nothing, place, cells[1], 1)
    even = evens(low, high, lanes(zero))
    return even, odds(low, high, lanes(zero)), moved_down(even)


@inlined
def write_row(even, odd, place, strip, zero):
    cells, _, written = strip
    low, high = first_half(even, odd, lanes(zero)), second_half(even, odd, lanes(zero))
    store_lanes(low, place + cells[0][0], max(cells[0][1], written), cells[0][2])
    _stored(high, place, cells[1], 1)


@compiled
def read_windows(nothing, place, strip, size):
    """What a row of windows has at a place, elements of such a size, and `nothing` in the other lanes."""
    _, windows, _ = strip
    return _loaded(_loaded(nothing, place, windows[0], size), place, windows[1], size)


@compiled
def write_windows(vector, place, strip, size):
    _, windows, _ = strip
    _stored(vector, place, windows[0], size)
    _stored(vector, place, windows[1], size)


@inlined
def by_strips(work, places, sizes, P, number):
    """work(cell, window, strip, places, (H, W, H', W', P, run), number) for all strips; number is what the work takes.

    cell is the offset, in bytes, of a strip's first one, which is in row 0 of the padded image, window the number of its
    first one. A run is how many images or pairs one behind the other the work is for, and the steps to the next one's
    cells and windows.
    """
    planes, H, W, H_out, W_out = sizes
    size, room, p = element_size(number), _room_of(sizes, P, number), 0
    while p < planes:
        present = min(room, planes - p)
        count = max(1, min((planes - p) // room, RUN // (room * H * W * size)))
        run = count, room * H * W * size, room * H_out * W_out
        for j in range(0, max(1, W_out - 1), lanes(number) - 2):
            strip = _strip(j, sizes, P, (room, present), number)
            cell, window = ((p * H - P[0]) * W + 2 * j - P[1]) * size, p * H_out * W_out + j
            work(cell, window, strip, places, (H, W, H_out, W_out, P, run), number)
        p += count * present
