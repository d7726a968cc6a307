"""Pooling by windows of 3 x 3 with strides of 2: a strip of windows at a time, down the rows of an image.

Lane l of a vector belongs to window j + l. Its cells in a row are the even and the odd ones of two vectors of neighbours,
and the next lane's even one. A row of cells is read once: as the last of a row of windows and the first of the next. On the
way back every cell of da is a sum over the windows around it, of whose dz those count whose first largest cell it is; what
windows have for the row that they share with the next ones is carried on.

    strip   windows j to j + lanes - 2, for the last lane's third column is beyond it. The first lane of all but the first
            strip is the window before, again, for what it has for the next one's cells; its own are written already
    twins   images of up to a vector of cells a row go two at a time, one in each half of the lanes

A strip is a tuple: the bytes from the first vector of cells to the second, and from the windows of the first to those of the
second half of the lanes; which lanes exist, first <= l < behind, of both vectors of cells; how many windows lie in the lanes
from 0 and from half the lanes on; and how many of the cells are written already. Addresses and sizes are as in
pool_windows.py.
"""

from fastnn.kernels.jit import compiled
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


@compiled
def fits(f, S, zero):
    """Whether the windows are of this kind, and a vector long enough for strips."""
    return f[0] == 3 and f[1] == 3 and S[0] == 2 and S[1] == 2 and lanes(zero) >= 4


# From memory and back ------------------------------------------------------------------------------------------------


@compiled
def _are_twins(sizes, P, zero):
    (planes, _, W, _, W_out), half = sizes, lanes(zero) // 2
    return planes > 1 and W + P[1] <= 2 * half and W_out < half


@compiled
def _strip(j, sizes, P, twins, zero):
    (_, H, W, H_out, W_out), size, every = sizes, element_size(zero), lanes(zero)
    if twins:
        half, both = every // 2, (P[1], W + P[1])
        return (H * W * size, (H_out * W_out - half) * size), (both, both), (W_out, W_out), 0
    x = 2 * j - P[1]
    cells = (max(0, -x), W - x), (0, W - x - every)
    return (every * size, 0), cells, (min(W_out - j, every - 1), 0), 2 if j > 0 else 0


@compiled
def _alone(strip):
    """A strip of twins whose second does not exist."""
    beside, cells, windows, written = strip
    return beside, (cells[0], (0, 0)), (windows[0], 0), written


@compiled
def _read_row(place, strip, nothing, zero):
    """The three cells of each window in a row, `nothing` where one does not exist."""
    (beside, _), (one, two), _, _ = strip
    low, high = load_lanes(nothing, place, one[0], one[1]), load_lanes(nothing, place + beside, two[0], two[1])
    even = evens(low, high, lanes(zero))
    return even, odds(low, high, lanes(zero)), moved_down(even)


@compiled
def _write_row(even, odd, place, strip, zero):
    (beside, _), (one, two), _, written = strip
    store_lanes(first_half(even, odd, lanes(zero)), place, max(one[0], written), one[1])
    store_lanes(second_half(even, odd, lanes(zero)), place + beside, two[0], two[1])


@compiled
def _read_windows(place, strip, zero):
    (_, beside), _, windows, _ = strip
    half = lanes(zero) // 2
    first = load_lanes(tile(zero, 1, 1), place, 0, windows[0])
    return load_lanes(first, place + beside, half, half + windows[1])


@compiled
def _write_windows(vector, place, strip, zero):
    (_, beside), _, windows, _ = strip
    half = lanes(zero) // 2
    store_lanes(vector, place, 0, windows[0])
    store_lanes(vector, place + beside, half, half + windows[1])


@compiled
def _by_strips(work, places, sizes, P, number):
    """work(cell, window, strip, places, (H, W, H', W', P), number) for all strips; number is what the work takes.

    cell and window are the offsets, in bytes, of a strip's first ones; the first cell is in row 0 of the padded image.
    """
    planes, H, W, H_out, W_out = sizes
    size, twins, shape = element_size(number), _are_twins(sizes, P, number), (H, W, H_out, W_out, P)
    for p in range(0, planes, 2 if twins else 1):
        for j in range(0, 1 if twins else max(1, W_out - 1), lanes(number) - 2):
            strip = _strip(j, sizes, P, twins, number)
            if twins and p + 1 == planes:
                strip = _alone(strip)
            cell, window = ((p * H - P[0]) * W + 2 * j - P[1]) * size, (p * H_out * W_out + j) * size
            work(cell, window, strip, places, shape, number)


# Forward -------------------------------------------------------------------------------------------------------------


@shared
def forward_max(images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z = max_rs a_rs for each window; low is minus infinity."""
    _by_strips(_largest_down, (images, target), sizes, P, low)


@shared
def forward_avg(images: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    _by_strips(_mean_down, (images, target), sizes, P, share)


@compiled
def _largest_down(cell, window, strip, places, shape, low):
    nothing = filled(tile(low, 1, 1), low)
    _pool_down(places[0] + cell, places[1] + window, strip, shape, nothing, larger, type(low)(1))


@compiled
def _mean_down(cell, window, strip, places, shape, share):
    _pool_down(places[0] + cell, places[1] + window, strip, shape, tile(share, 1, 1), total, share)


@compiled
def _pool_down(cell, window, strip, shape, nothing, join, share):
    """share times the join of each window's cells, for the rows of windows of a strip."""
    top = _joined_row(0, cell, strip, shape, nothing, join, share)
    for i in range(shape[2]):
        middle = _joined_row(2 * i + 1, cell, strip, shape, nothing, join, share)
        bottom = _joined_row(2 * i + 2, cell, strip, shape, nothing, join, share)
        joined = scaled(join(join(top, middle), bottom), share)
        _write_windows(joined, window + i * shape[3] * element_size(share), strip, share)
        top = bottom


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


@compiled
def _route_down(cell, window, strip, places, shape, low):
    dz, a, da = places
    begin, nothing = _first_columns(strip, shape[4][1], low), tile(low, 1, 1)
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


@compiled
def _first_columns(strip, padding, zero):
    """Which column of each window is the first that is not padding: `padding` in the lanes of an image's first windows."""
    one, two = strip[1]
    number, half = on_stack(1, zero), lanes(zero) // 2
    write(type(zero)(padding), number)
    none = tile(zero, 1, 1)
    begin = load_lanes(none, number, 0, 1) if one[0] > 0 else none
    return load_lanes(begin, number - half * element_size(zero), half, half + 1) if two[0] > 0 else begin


@compiled
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


@compiled
def _spread_down(cell, window, strip, places, shape, share):
    dz, da = places
    nothing = tile(share, 1, 1)
    carried = nothing
    for i in range(shape[2]):
        amount = scaled(_read_windows(dz + window + i * shape[3] * element_size(share), strip, share), share)
        _put_row(2 * i, _spread(added(carried, amount)), da + cell, strip, shape, share)
        _put_row(2 * i + 1, _spread(amount), da + cell, strip, shape, share)
        carried = amount
    _put_row(2 * shape[2], _spread(carried), da + cell, strip, shape, share)
    _put_row(2 * shape[2] + 1, _spread(nothing), da + cell, strip, shape, share)


@compiled
def _spread(amount):
    """What the even and the odd cells of a row get, where each window's amount goes to all of its columns."""
    return added(amount, moved_up(amount)), amount
