"""Pooling by windows of 3 x 3 with strides of 2: a strip of windows at a time, down the rows of an image.

Lane l of a vector belongs to window j + l. Its cells in a row are the even and the odd ones of two vectors of neighbours,
and the next lane's even one. A row of cells is read once: as the last of a row of windows and the first of the next. On the
way back every cell of da is a sum over the windows around it, of whose dz those count whose first largest cell it is; what
windows have for the row that they share with the next ones is carried on.

Strips and groups of images are pool3x3_strips.py's. Addresses and sizes are as in pool_windows.py.
"""

from fastnn.kernels.forms import lanes
from fastnn.kernels.jit import compiled, inlined
from fastnn.kernels.lanes import (
    filled,
    load_lanes,
    moved_up,
    scaled,
    where_equal,
    where_larger,
)
from fastnn.kernels.layout import on_stack
from fastnn.kernels.memory import element_size, write
from fastnn.kernels.pool3x3_strips import by_strips, read_row, read_windows, write_row, write_windows
from fastnn.kernels.pool_windows import larger, total
from fastnn.kernels.shared import tiled
from fastnn.kernels.tiles import added, tile

Sizes = tuple[int, int, int, int, int]
Padding = tuple[int, int]


@compiled
def fits(f, S, zero):
    """Whether the windows are of this kind, and a vector long enough for strips."""
    return f[0] == 3 and f[1] == 3 and S[0] == 2 and S[1] == 2 and lanes(zero) >= 4


# Forward -------------------------------------------------------------------------------------------------------------


@tiled
def forward_max(images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z = max_rs a_rs for each window; low is minus infinity."""
    by_strips(_largest_down, (images, target), sizes, P, low)


@tiled
def forward_avg(images: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    by_strips(_mean_down, (images, target), sizes, P, share)


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
            write_windows(joined, window + i * shape[3] * element_size(share), strip, share)
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
    first, second, third = read_row(cell + y * shape[1] * element_size(share), strip, nothing, share)
    return join(join(first, second), third)


# Backward ------------------------------------------------------------------------------------------------------------


@tiled
def backward_max(gradients: int, images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(18) da: each dz goes to the first of the largest cells of its window; low is minus infinity."""
    by_strips(_route_down, (gradients, images, target), sizes, P, low)


@tiled
def backward_avg(gradients: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(19) da = share times the sum of the dz of the windows over each cell."""
    by_strips(_spread_down, (gradients, target), sizes, P, share)


@inlined
def _route_down(cell, window, strip, places, shape, low):
    dz, a, da = places
    begin, nothing = _first_columns(strip, shape[4][1], low), tile(low, 1, 1)
    for _ in range(shape[5][0]):
        carried, top = nothing, _largest_in_row(0, a + cell, strip, shape, begin, low)
        for i in range(shape[2]):
            middle = _largest_in_row(2 * i + 1, a + cell, strip, shape, begin, low)
            bottom = _largest_in_row(2 * i + 2, a + cell, strip, shape, begin, low)
            amount = read_windows(dz + window + i * shape[3] * element_size(low), strip, low)
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
    first, second, third = read_row(cell + y * shape[1] * element_size(low), strip, nothing, low)
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
        write_row(row[0], row[1], cell + y * shape[1] * element_size(zero), strip, zero)


@inlined
def _spread_down(cell, window, strip, places, shape, share):
    dz, da = places
    nothing = tile(share, 1, 1)
    for _ in range(shape[5][0]):
        carried = nothing
        for i in range(shape[2]):
            amount = scaled(read_windows(dz + window + i * shape[3] * element_size(share), strip, share), share)
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
