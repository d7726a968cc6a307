"""Pooling by windows of 3 x 3 with strides of 2: a strip of windows at a time, down the rows of an image.

Lane l of a vector belongs to window j + l. Its cells in a row are the even and the odd ones of two vectors of neighbours,
and the next lane's even one. A row of cells is read once: as the last of a row of windows and the first of the next. On the
way back every cell of da is a sum over the windows around it, of whose dz those count whose first largest cell it is; what
windows have for the row that they share with the next ones is carried on.

    strip   windows j to j + lanes - 2, for the last lane's third column is beyond it. The first lane of all but the first
            strip is the window before, again, for what it has for the next one's cells; its own are written already
    group   up to four images of short rows side by side, `width` lanes of the two vectors of cells apart, and half as many
            of windows; one lane behind the windows of each is free. It is a tuple: how many images there is room for and
            there are, the width, and whether there are more than two

A strip is a tuple: two pieces of a row of cells, one of each vector, and then one or none more of each; the pieces of a row
of windows, an image's each; how many of the cells are written already; and whether there are more than two images. A piece
is where its lane 0 would be in memory, in bytes from the row's first element on, and which lanes exist, first <= l < behind.
Addresses and sizes are as in pool_windows.py.
"""

from fastnn.kernels.jit import compiled, inlined
from fastnn.kernels.lanes import (
    evens,
    filled,
    first_half,
    load_lanes,
    moved_down,
    moved_up,
    odds,
    scaled,
    second_half,
    store_lanes,
    where_equal,
    where_larger,
)
from fastnn.kernels.layout import on_stack
from fastnn.kernels.memory import element_size, write
from fastnn.kernels.pool_windows import larger, total
from fastnn.kernels.shared import shared
from fastnn.kernels.tiles import added, lanes, tile

Sizes = tuple[int, int, int, int, int]
Padding = tuple[int, int]

RUN = 2**14  # bytes of cells that a strip is worked out for: that takes as long as the windows of a small image do


@compiled
def fits(f, S, zero):
    """Whether the windows are of this kind, and a vector long enough for strips."""
    return f[0] == 3 and f[1] == 3 and S[0] == 2 and S[1] == 2 and lanes(zero) >= 4


# From memory and back ------------------------------------------------------------------------------------------------


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
    return (image * step - lane) * element_size(zero), lane, lane + count if image < present else 0


@inlined
def _loaded(vector, place, piece):
    offset, first, behind = piece
    return load_lanes(vector, place + offset, first, behind)


@inlined
def _stored(vector, place, piece):
    offset, first, behind = piece
    store_lanes(vector, place + offset, first, behind)


@inlined
def _read_row(place, strip, nothing, zero):
    """The three cells of each window in a row, `nothing` where one does not exist."""
    cells, _, _, more = strip
    low, high = _loaded(nothing, place, cells[0]), _loaded(nothing, place, cells[1])
    if more:
        low, high = _loaded(low, place, cells[2]), _loaded(high, place, cells[3])
    even = evens(low, high, lanes(zero))
    return even, odds(low, high, lanes(zero)), moved_down(even)


@inlined
def _write_row(even, odd, place, strip, zero):
    cells, _, written, more = strip
    low, high = first_half(even, odd, lanes(zero)), second_half(even, odd, lanes(zero))
    store_lanes(low, place + cells[0][0], max(cells[0][1], written), cells[0][2])
    _stored(high, place, cells[1])
    if more:
        _stored(low, place, cells[2])
        _stored(high, place, cells[3])


@compiled
def _read_windows(place, strip, zero):
    _, windows, _, more = strip
    found = _loaded(_loaded(tile(zero, 1, 1), place, windows[0]), place, windows[1])
    return _loaded(_loaded(found, place, windows[2]), place, windows[3]) if more else found


@compiled
def _write_windows(vector, place, strip, zero):
    _, windows, _, more = strip
    _stored(vector, place, windows[0])
    _stored(vector, place, windows[1])
    if more:
        _stored(vector, place, windows[2])
        _stored(vector, place, windows[3])


@inlined
def _by_strips(work, places, sizes, P, number):
    """work(cell, window, strip, places, (H, W, H', W', P, run), number) for all strips; number is what the work takes.

    cell and window are the offsets, in bytes, of a strip's first ones; the first cell is in row 0 of the padded image. A run
    is how many groups one behind the other the work is for, and the steps to the next one's cells and windows.
    """
    planes, H, W, H_out, W_out = sizes
    size, (most, _, width, more), p = element_size(number), _group_of(sizes, P, number), 0
    while p < planes:
        present = min(most, planes - p)
        count = max(1, min((planes - p) // most, RUN // (most * H * W * size)))
        run = count, most * H * W * size, most * H_out * W_out * size
        for j in range(0, max(1, W_out - 1), lanes(number) - 2):
            strip = _strip(j, sizes, P, (most, present, width, more), number)
            cell, window = ((p * H - P[0]) * W + 2 * j - P[1]) * size, (p * H_out * W_out + j) * size
            work(cell, window, strip, places, (H, W, H_out, W_out, P, run), number)
        p += count * present


# Forward -------------------------------------------------------------------------------------------------------------


@shared
def forward_max(images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z = max_rs a_rs for each window; low is minus infinity."""
    _by_strips(_largest_down, (images, target), sizes, P, low)


@shared
def forward_avg(images: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    _by_strips(_mean_down, (images, target), sizes, P, share)


@inlined
def _largest_down(cell, window, strip, places, shape, low):
    nothing = filled(tile(low, 1, 1), low)
    _pool_down(places[0] + cell, places[1] + window, strip, shape, nothing, larger, type(low)(1))


@inlined
def _mean_down(cell, window, strip, places, shape, share):
    _pool_down(places[0] + cell, places[1] + window, strip, shape, tile(share, 1, 1), total, share)


@inlined
def _pool_down(cell, window, strip, shape, nothing, join, share):
    """share times the join of each window's cells, for the rows of windows of a strip."""
    for _ in range(shape[5][0]):
        top = _joined_row(0, cell, strip, shape, nothing, join, share)
        for i in range(shape[2]):
            middle = _joined_row(2 * i + 1, cell, strip, shape, nothing, join, share)
            bottom = _joined_row(2 * i + 2, cell, strip, shape, nothing, join, share)
            joined = scaled(join(join(top, middle), bottom), share)
            _write_windows(joined, window + i * shape[3] * element_size(share), strip, share)
            top = bottom
        cell += shape[5][1]
        window += shape[5][2]


@compiled
def _is_row(y, shape):
    """Whether row y of the padded image is one of the image's."""
    return shape[4][0] <= y < shape[0] + shape[4][0]


@compiled
def _joined_row(y, cell, strip, shape, nothing, join, share):
    """The join of the three cells of each window in row y of the padded image."""
    if not _is_row(y, shape):
        return nothing
    first, second, third = _read_row(cell + y * shape[1] * element_size(share), strip, nothing, share)
    return join(join(first, second), third)


# Backward ------------------------------------------------------------------------------------------------------------


@shared
def backward_max(gradients: int, images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(18) da: each dz goes to the first of the largest cells of its window; low is minus infinity."""
    _by_strips(_route_down, (gradients, images, target), sizes, P, low)


@shared
def backward_avg(gradients: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(19) da = share times the sum of the dz of the windows over each cell."""
    _by_strips(_spread_down, (gradients, target), sizes, P, share)


@inlined
def _route_down(cell, window, strip, places, shape, low):
    dz, a, da = places
    begin, nothing = _first_columns(strip, shape[4][1], low), tile(low, 1, 1)
    for _ in range(shape[5][0]):
        carried, top = nothing, _largest_in_row(0, a + cell, strip, shape, begin, low)
        for i in range(shape[2]):
            middle = _largest_in_row(2 * i + 1, a + cell, strip, shape, begin, low)
            bottom = _largest_in_row(2 * i + 2, a + cell, strip, shape, begin, low)
            amount = _read_windows(dz + window + i * shape[3] * element_size(low), strip, low)
            parts = _parted(amount, (top[0], middle[0], bottom[0]), shape[4][0] - 2 * i, nothing)
            _put_row(2 * i, _routed(added(carried, parts[0]), top[1], low), da + cell, strip, shape, low)
            _put_row(2 * i + 1, _routed(parts[1], middle[1], low), da + cell, strip, shape, low)
            carried, top = parts[2], bottom
        _put_row(2 * shape[2], _routed(carried, top[1], low), da + cell, strip, shape, low)
        _put_row(2 * shape[2] + 1, (nothing, nothing), da + cell, strip, shape, low)
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def _first_columns(strip, padding, zero):
    """Which column of each window is the first that is not padding: `padding` in the lanes of an image's first windows."""
    cells, windows, _, _ = strip
    number, begin = on_stack(1, zero), tile(zero, 1, 1)
    write(type(zero)(padding), number)
    if cells[0][1] > 0:
        for _, first, behind in windows:
            begin = load_lanes(begin, number - first * element_size(zero), first, min(first + 1, behind))
    return begin


@inlined
def _largest_in_row(y, cell, strip, shape, begin, low):
    """Of row y of the padded image, each window's largest cell and its column; the first one, where several are."""
    nothing = filled(begin, low)
    if not _is_row(y, shape):
        return nothing, begin
    first, second, third = _read_row(cell + y * shape[1] * element_size(low), strip, nothing, low)
    column = where_larger(first, second, filled(begin, type(low)(1)), begin)
    best = larger(first, second)
    return larger(best, third), where_larger(best, third, filled(begin, type(low)(2)), column)


@compiled
def _parted(amount, rows, missing, nothing):
    """What each row of a window gets: the first with the largest cell all; so many of its first rows are padding."""
    upper = larger(rows[0], rows[1])
    below, above = where_larger(upper, rows[2], amount, nothing), where_larger(upper, rows[2], nothing, amount)
    middle, top = where_larger(rows[0], rows[1], above, nothing), where_larger(rows[0], rows[1], nothing, above)
    if missing <= 0:
        return top, middle, below
    if missing == 1:
        return nothing, above, below
    return nothing, nothing, amount


@compiled
def _routed(amount, column, zero):
    """What the even and the odd cells of a row get of each window's amount, which goes to one column of three."""
    none = tile(zero, 1, 1)
    left, right = where_equal(column, none, amount, none), where_equal(column, filled(none, type(zero)(2)), amount, none)
    return added(left, moved_up(right)), where_equal(column, filled(none, type(zero)(1)), amount, none)


@compiled
def _put_row(y, row, cell, strip, shape, zero):
    """Write row y of the padded image, if the image has it."""
    if _is_row(y, shape):
        _write_row(row[0], row[1], cell + y * shape[1] * element_size(zero), strip, zero)


@inlined
def _spread_down(cell, window, strip, places, shape, share):
    dz, da = places
    nothing = tile(share, 1, 1)
    for _ in range(shape[5][0]):
        carried = nothing
        for i in range(shape[2]):
            amount = scaled(_read_windows(dz + window + i * shape[3] * element_size(share), strip, share), share)
            _put_row(2 * i, _spread(added(carried, amount)), da + cell, strip, shape, share)
            _put_row(2 * i + 1, _spread(amount), da + cell, strip, shape, share)
            carried = amount
        _put_row(2 * shape[2], _spread(carried), da + cell, strip, shape, share)
        _put_row(2 * shape[2] + 1, _spread(nothing), da + cell, strip, shape, share)
        cell += shape[5][1]
        window += shape[5][2]


@compiled
def _spread(amount):
    """What the even and the odd cells of a row get, where each window's amount goes to all of its columns."""
    return added(amount, moved_up(amount)), amount
