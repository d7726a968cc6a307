"""Strips of windows of 3 x 3 with strides of 2 (pool3x3.py): where their cells lie, from memory and back.

    strip   windows j to j + lanes - 2, for the last lane's third column is beyond it. The first lane of all but the first
            strip is the window before, again, for what it has for the next one's cells; its own are written already
    group   up to four images of short rows side by side, `width` lanes of the two vectors of cells apart, and half as many
            of windows; one lane behind the windows of each is free. It is a tuple: how many images there is room for and
            there are, the width, and whether there are more than two

A strip is a tuple: two pieces of a row of cells, one of each vector, and then one or none more of each; the pieces of a row
of windows, an image's each; how many of the cells are written already; and whether there are more than two images. A piece
is where its lane 0 would be in memory, from the row's first element on, and which lanes exist, first <= l < behind: in bytes
for cells, and in windows for windows, which have a float, or a byte, each.
"""

from fastnn.kernels.forms import lanes
from fastnn.kernels.jit import compiled, inlined
from fastnn.kernels.lanes import evens, first_half, load_lanes, moved_down, odds, second_half, store_lanes
from fastnn.kernels.memory import element_size

RUN = 2**14  # bytes of cells that a strip is worked out for: that takes as long as the windows of a small image do


@inlined
def _group_of(sizes, P, zero):
    """The largest group that there is room for."""
    (planes, _, W, _, W_out), every = sizes, lanes(zero)
    for most in (4, 3, 2):
        width = 2 * every // most // 2 * 2
        if planes > 1 and max(W + P[1], 2 * W_out + 2) <= width:
            return most, most, width, most > 2
    return 1, 1, 2 * every, False


@inlined
def _strip(j, sizes, P, group, zero):
    (_, H, W, H_out, W_out), (most, _, _, more), every = sizes, group, lanes(zero)
    x, count, none = 2 * j - P[1], min(W_out - j, every - 1), (0, 0, 0)
    if most == 1:
        cells = (0, max(0, -x), W - x), (every * element_size(zero), 0, W - x - every), none, none
        return cells, ((0, 0, count), none, none, none), 2 if j > 0 else 0, False
    cells = (
        _piece_of_cells(0, 0, x, H, W, group, zero),
        _piece_of_cells(1, min(most - 1, 2), x, H, W, group, zero),
        _piece_of_cells(0, 1, x, H, W, group, zero),
        _piece_of_cells(1, 1 if most == 3 else 3, x, H, W, group, zero),
    )
    windows = (
        _piece_of_windows(0, count, H_out * W_out, group, zero),
        _piece_of_windows(1, count, H_out * W_out, group, zero),
        _piece_of_windows(2, count, H_out * W_out, group, zero),
        _piece_of_windows(3, count, H_out * W_out, group, zero),
    )
    return cells, windows, 0, more


@inlined
def _piece_of_cells(v, image, x, H, W, group, zero):
    """What vector v has of an image of the group, from cell x on."""
    _, present, width, _ = group
    lane = image * width - v * lanes(zero)  # of cell x
    first, behind = (lane - min(x, 0), lane - x + W) if image < present else (0, 0)
    return (image * H * W - lane) * element_size(zero), first, behind


@inlined
def _piece_of_windows(image, count, step, group, zero):
    _, present, width, _ = group
    lane = image * (width // 2)
    return image * step - lane, lane, lane + count if image < present else 0


@inlined
def _loaded(vector, place, piece):
    offset, first, behind = piece
    return load_lanes(vector, place + offset, first, behind)


@inlined
def _stored(vector, place, piece):
    offset, first, behind = piece
    store_lanes(vector, place + offset, first, behind)


@inlined
def _loaded_windows(vector, place, piece, size):
    begin, first, behind = piece
    return load_lanes(vector, place + begin * size, first, behind)


@inlined
def _stored_windows(vector, place, piece, size):
    begin, first, behind = piece
    store_lanes(vector, place + begin * size, first, behind)


@inlined
def read_row(place, strip, nothing, zero):
    """The three cells of each window in a row, `nothing` where one does not exist."""
    cells, _, _, more = strip
    low, high = _loaded(nothing, place, cells[0]), _loaded(nothing, place, cells[1])
    if more:
        low, high = _loaded(low, place, cells[2]), _loaded(high, place, cells[3])
    even = evens(low, high, lanes(zero))
    return even, odds(low, high, lanes(zero)), moved_down(even)


@inlined
def write_row(even, odd, place, strip, zero):
    cells, _, written, more = strip
    low, high = first_half(even, odd, lanes(zero)), second_half(even, odd, lanes(zero))
    store_lanes(low, place + cells[0][0], max(cells[0][1], written), cells[0][2])
    _stored(high, place, cells[1])
    if more:
        _stored(low, place, cells[2])
        _stored(high, place, cells[3])


@compiled
def read_windows(nothing, place, strip, size):
    """What a row of windows has at a place, elements of such a size, and `nothing` in the other lanes."""
    _, windows, _, more = strip
    found = _loaded_windows(_loaded_windows(nothing, place, windows[0], size), place, windows[1], size)
    if more:
        found = _loaded_windows(_loaded_windows(found, place, windows[2], size), place, windows[3], size)
    return found


@compiled
def write_windows(vector, place, strip, size):
    _, windows, _, more = strip
    _stored_windows(vector, place, windows[0], size)
    _stored_windows(vector, place, windows[1], size)
    if more:
        _stored_windows(vector, place, windows[2], size)
        _stored_windows(vector, place, windows[3], size)


@inlined
def by_strips(work, places, sizes, P, number):
    """work(cell, window, strip, places, (H, W, H', W', P, run), number) for all strips; number is what the work takes.

    cell is the offset, in bytes, of a strip's first one, which is in row 0 of the padded image, window the number of its
    first one. A run is how many groups one behind the other the work is for, and the steps to the next one's cells and
    windows.
    """
    planes, H, W, H_out, W_out = sizes
    size, (most, _, width, more), p = element_size(number), _group_of(sizes, P, number), 0
    while p < planes:
        present = min(most, planes - p)
        count = max(1, min((planes - p) // most, RUN // (most * H * W * size)))
        run = count, most * H * W * size, most * H_out * W_out
        for j in range(0, max(1, W_out - 1), lanes(number) - 2):
            strip = _strip(j, sizes, P, (most, present, width, more), number)
            cell, window = ((p * H - P[0]) * W + 2 * j - P[1]) * size, p * H_out * W_out + j
            work(cell, window, strip, places, (H, W, H_out, W_out, P, run), number)
        p += count * present
