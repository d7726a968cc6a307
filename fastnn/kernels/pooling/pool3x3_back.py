"""The ways back through windows of 3 x 3 with strides of 2 (pool3x3.py): a strip of windows at a time, down an image.

Every cell of da is a sum over the windows around it, of whose dz those count whose number it has; what windows have for the
row that they share with the next ones is carried on.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool3x3 import Padding, Sizes, first_columns, found, is_row, row_at, top_row
from fastnn.kernels.pooling.pool3x3_strips import by_strips, read_windows, write_row
from fastnn.kernels.registers.lane_bytes import added_where_equal, kept_number, where_equal
from fastnn.kernels.registers.lanes import filled, scaled
from fastnn.kernels.registers.shuffles import moved_up
from fastnn.kernels.registers.tiles import added, tile


@tiled
def backward_max(gradients: int, images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(18) da: each dz goes to the first of the largest cells of its window; low is minus infinity."""
    by_strips(_search_down, (gradients, images, target), sizes, P, low)


@tiled
def backward_avg(gradients: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(19) da = share times the sum of the dz of the windows over each cell."""
    by_strips(_spread_down, (gradients, target), sizes, P, share)


@inlined
def _search_down(cell, window, strip, places, shape, low):
    dz, a, da = places
    begin, zeros, size = first_columns(strip, shape[4][1], low), tile(low, 1, 1), element_size(low)
    nothing, numbers = filled(zeros, low), _numbers(low)
    for _ in range(shape[5][0]):
        carried, top = (zeros, zeros, zeros), top_row(a + cell, strip, shape, begin, nothing, low)
        for i in range(shape[2]):
            _, number, top = found(i, top, a + cell, strip, shape, begin, nothing, low)
            amount = read_windows(zeros, dz + (window + i * shape[3]) * size, strip, size)
            carried = _put_windows(i, amount, number, numbers, carried, da + cell, strip, shape, low)
        _put_last(carried, da + cell, strip, shape, low)
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def _numbers(zero):
    """Those of a window's cells, in rows."""
    t = tile(zero, 1, 1)
    upper = kept_number(t, 0), kept_number(t, 1), kept_number(t, 2)
    middle = kept_number(t, 3), kept_number(t, 4), kept_number(t, 5)
    return upper, middle, (kept_number(t, 6), kept_number(t, 7), kept_number(t, 8))


@inlined
def _put_windows(i, amount, number, numbers, carried, cell, strip, shape, zero):
    """Writes the first two rows under row i of windows; returns what the columns of the third get of these windows.

    Where the image has no first row, the second one's place gets what that would, and then its own.
    """
    upper, middle, lower = numbers
    left = added_where_equal(carried[0], number, upper[0], amount)
    centre = added_where_equal(carried[1], number, upper[1], amount)
    right = added_where_equal(carried[2], number, upper[2], amount)
    place = cell + row_at(max(2 * i, shape[4][0]), shape, zero)
    write_row(added(left, moved_up(right)), centre, place, strip, zero)
    left, right = where_equal(number, middle[0], amount), where_equal(number, middle[2], amount)
    place = cell + row_at(2 * i + 1, shape, zero)
    write_row(added(left, moved_up(right)), where_equal(number, middle[1], amount), place, strip, zero)
    return (
        where_equal(number, lower[0], amount),
        where_equal(number, lower[1], amount),
        where_equal(number, lower[2], amount),
    )


@inlined
def _put_last(carried, cell, strip, shape, zero):
    """Writes the last row under windows, and one more."""
    nothing, (left, middle, right) = tile(zero, 1, 1), carried
    _put_row(2 * shape[2], (added(left, moved_up(right)), middle), cell, strip, shape, zero)
    _put_row(2 * shape[2] + 1, (nothing, nothing), cell, strip, shape, zero)


@compiled
def _put_row(y, row, cell, strip, shape, zero):
    """Write row y of the padded image, if the image has it."""
    if is_row(y, shape):
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
            even, odd = _spread(added(carried, amount))
            write_row(even, odd, da + cell + row_at(max(2 * i, shape[4][0]), shape, share), strip, share)
            even, odd = _spread(amount)
            write_row(even, odd, da + cell + row_at(2 * i + 1, shape, share), strip, share)
            carried = amount
        _put_row(2 * shape[2], _spread(carried), da + cell, strip, shape, share)
        _put_row(2 * shape[2] + 1, _spread(nothing), da + cell, strip, shape, share)
        cell += shape[5][1]
        window += shape[5][2]


@compiled
def _spread(amount):
    """What the even and the odd cells of a row get, where each window's amount goes to all of its columns."""
    return added(amount, moved_up(amount)), amount
