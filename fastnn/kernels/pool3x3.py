"""Pooling by windows of 3 x 3 with strides of 2: a strip of windows at a time, down the rows of an image.

Lane l of a vector belongs to window j + l. Its cells in a row are the even and the odd ones of two vectors of neighbours,
and the next lane's even one. A row of cells is read once: as the last of a row of windows and the first of the next. The
cell that is a window's largest has a number, 3 r + s. On the way back every cell of da is a sum over the windows around it,
of whose dz those count whose number it has; what windows have for the row that they share with the next ones is carried on.

Strips and groups of images are pool3x3_strips.py's. Addresses and sizes are as in pool_windows.py.
"""

from fastnn.kernels.forms import lanes
from fastnn.kernels.jit import compiled, inlined
from fastnn.kernels.lane_bytes import added_where_number, numbered, raised, where_number
from fastnn.kernels.lanes import filled, load_lanes, moved_up, scaled, where_larger
from fastnn.kernels.layout import on_stack
from fastnn.kernels.memory import element_size, write_integer
from fastnn.kernels.pool3x3_strips import by_strips, read_row, read_windows, write_row, write_windows
from fastnn.kernels.pool_windows import larger, total
from fastnn.kernels.shared import shared
from fastnn.kernels.tiles import added, tile

Sizes = tuple[int, int, int, int, int]
Padding = tuple[int, int]


@compiled
def fits(f, S, zero):
    """Whether the windows are of this kind, and a vector long enough for strips."""
    return f[0] == 3 and f[1] == 3 and S[0] == 2 and S[1] == 2 and lanes(zero) >= 4


# Forward -------------------------------------------------------------------------------------------------------------


@shared
def forward_max(images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z = max_rs a_rs for each window; low is minus infinity."""
    by_strips(_largest_down, (images, target), sizes, P, low)


@shared
def forward_avg(images: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    by_strips(_mean_down, (images, target), sizes, P, share)


@inlined
def _largest_down(cell, window, strip, places, shape, low):
    nothing = filled(tile(low, 1, 1), low)
    _pool_down(places[0] + cell, places[1] + window * element_size(low), strip, shape, nothing, larger, type(low)(1))


@inlined
def _mean_down(cell, window, strip, places, shape, share):
    _pool_down(places[0] + cell, places[1] + window * element_size(share), strip, shape, tile(share, 1, 1), total, share)


@inlined
def _pool_down(cell, window, strip, shape, nothing, join, share):
    """share times the join of each window's cells, for the rows of windows of a strip."""
    for _ in range(shape[5][0]):
        top = _joined_row(0, cell, strip, shape, nothing, join, share)
        for i in range(shape[2]):
            middle = _joined_row(2 * i + 1, cell, strip, shape, nothing, join, share)
            bottom = _joined_row(2 * i + 2, cell, strip, shape, nothing, join, share)
            joined = scaled(join(join(top, middle), bottom), share)
            write_windows(joined, window + i * shape[3] * element_size(share), strip, element_size(share))
            top = bottom
        cell += shape[5][1]
        window += shape[5][2] * element_size(share)


@compiled
def _is_row(y, shape):
    """Whether row y of the padded image is one of the image's."""
    return shape[4][0] <= y < shape[0] + shape[4][0]


@compiled
def _joined_row(y, cell, strip, shape, nothing, join, share):
    """The join of the three cells of each window in row y of the padded image."""
    if not _is_row(y, shape):
        return nothing
    first, second, third = read_row(cell + y * shape[1] * element_size(share), strip, nothing, share)
    return join(join(first, second), third)


@shared
def forward_max_index(images: int, target: int, index: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z, and the number of the first of the largest cells of each window; low is minus infinity."""
    by_strips(_find_down, (images, target, index), sizes, P, low)


@inlined
def _find_down(cell, window, strip, places, shape, low):
    (a, z, index), size, begin = places, element_size(low), _first_columns(strip, shape[4][1], low)
    for _ in range(shape[5][0]):
        top = _largest_in_row(0, a + cell, strip, shape, begin, low)
        for i in range(shape[2]):
            middle = _largest_in_row(2 * i + 1, a + cell, strip, shape, begin, low)
            bottom = _largest_in_row(2 * i + 2, a + cell, strip, shape, begin, low)
            best, number = _found(top, middle, bottom, shape[4][0] - 2 * i)
            write_windows(best, z + (window + i * shape[3]) * size, strip, size)
            write_windows(number, index + window + i * shape[3], strip, 1)
            top = bottom
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def _first_columns(strip, padding, zero):
    """Which column of each window is the first that is not padding: `padding` in the lanes of an image's first windows."""
    cells, windows, _, _ = strip
    begin, place = numbered(tile(zero, 1, 1), 0), on_stack(1, 0.0)
    if cells[0][1] > 0:
        write_integer(padding * 0x0101010101010101, place)
        for _, first, behind in windows:
            begin = load_lanes(begin, place - first, first, min(first + 1, behind))
    return begin


@inlined
def _largest_in_row(y, cell, strip, shape, begin, low):
    """Of row y of the padded image, each window's largest cell and its column; the first one, where several are."""
    nothing = filled(tile(low, 1, 1), low)
    if not _is_row(y, shape):
        return nothing, begin
    first, second, third = read_row(cell + y * shape[1] * element_size(low), strip, nothing, low)
    column = where_larger(first, second, numbered(nothing, 1), begin)
    best = larger(first, second)
    return larger(best, third), where_larger(best, third, numbered(nothing, 2), column)


@compiled
def _found(top, middle, bottom, missing):
    """Of each window the largest cell and its number, from those of its rows; so many of the first ones are padding."""
    in_middle, in_bottom = raised(middle[1], 3), raised(bottom[1], 6)
    if missing >= 2:
        return bottom[0], in_bottom
    best, number = middle[0], in_middle
    if missing <= 0:
        best, number = larger(top[0], best), where_larger(top[0], best, number, top[1])
    return larger(best, bottom[0]), where_larger(best, bottom[0], in_bottom, number)


# Backward ------------------------------------------------------------------------------------------------------------


@shared
def backward_max(gradients: int, images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(18) da: each dz goes to the first of the largest cells of its window; low is minus infinity."""
    by_strips(_search_down, (gradients, images, target), sizes, P, low)


@shared
def backward_max_index(gradients: int, index: int, target: int, sizes: Sizes, P: Padding, zero: float) -> None:
    """(18) da: each dz goes to the cell of its window that has the number, if the image has that cell."""
    by_strips(_route_down, (gradients, index, target), sizes, P, zero)


@shared
def backward_avg(gradients: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(19) da = share times the sum of the dz of the windows over each cell."""
    by_strips(_spread_down, (gradients, target), sizes, P, share)


@inlined
def _search_down(cell, window, strip, places, shape, low):
    dz, a, da = places
    begin, nothing, size = _first_columns(strip, shape[4][1], low), tile(low, 1, 1), element_size(low)
    for _ in range(shape[5][0]):
        carried, top = (nothing, nothing, nothing), _largest_in_row(0, a + cell, strip, shape, begin, low)
        for i in range(shape[2]):
            middle = _largest_in_row(2 * i + 1, a + cell, strip, shape, begin, low)
            bottom = _largest_in_row(2 * i + 2, a + cell, strip, shape, begin, low)
            _, number = _found(top, middle, bottom, shape[4][0] - 2 * i)
            amount = read_windows(nothing, dz + (window + i * shape[3]) * size, strip, size)
            carried = _put_windows(i, amount, number, carried, da + cell, strip, shape, low)
            top = bottom
        _put_last(carried, da + cell, strip, shape, low)
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def _route_down(cell, window, strip, places, shape, zero):
    dz, index, da = places
    nothing, size = tile(zero, 1, 1), element_size(zero)
    for _ in range(shape[5][0]):
        carried = nothing, nothing, nothing
        for i in range(shape[2]):
            number = read_windows(numbered(nothing, 0), index + window + i * shape[3], strip, 1)
            amount = read_windows(nothing, dz + (window + i * shape[3]) * size, strip, size)
            carried = _put_windows(i, amount, number, carried, da + cell, strip, shape, zero)
        _put_last(carried, da + cell, strip, shape, zero)
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def _put_windows(i, amount, number, carried, cell, strip, shape, zero):
    """Writes the first two rows under row i of windows; returns what the columns of the third get of these windows."""
    left = added_where_number(carried[0], number, 0, amount)
    middle = added_where_number(carried[1], number, 1, amount)
    right = added_where_number(carried[2], number, 2, amount)
    _put_row(2 * i, (added(left, moved_up(right)), middle), cell, strip, shape, zero)
    left, right = where_number(number, 3, amount), where_number(number, 5, amount)
    _put_row(2 * i + 1, (added(left, moved_up(right)), where_number(number, 4, amount)), cell, strip, shape, zero)
    return where_number(number, 6, amount), where_number(number, 7, amount), where_number(number, 8, amount)


@inlined
def _put_last(carried, cell, strip, shape, zero):
    """Writes the last row under windows, and one more."""
    nothing, (left, middle, right) = tile(zero, 1, 1), carried
    _put_row(2 * shape[2], (added(left, moved_up(right)), middle), cell, strip, shape, zero)
    _put_row(2 * shape[2] + 1, (nothing, nothing), cell, strip, shape, zero)


@compiled
def _put_row(y, row, cell, strip, shape, zero):
    """Write row y of the padded image, if the image has it."""
    if _is_row(y, shape):
        write_row(row[0], row[1], cell + y * shape[1] * element_size(zero), strip, zero)


@inlined
def _spread_down(cell, window, strip, places, shape, share):
    dz, da = places
    nothing = tile(share, 1, 1)
    for _ in range(shape[5][0]):
        carried = nothing
        for i in range(shape[2]):
            place = dz + (window + i * shape[3]) * element_size(share)
            amount = scaled(read_windows(nothing, place, strip, element_size(share)), share)
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
