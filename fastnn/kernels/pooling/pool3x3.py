"""Pooling by windows of 3 x 3 with strides of 2: a strip of windows at a time, down the rows of an image.

Lane l of a vector belongs to window j + l. Its cells in a row are the even and the odd ones of two vectors of neighbours,
and the next lane's even one. A row of cells is read once: as the last of a row of windows and the first of the next. The
cell that is a window's largest has a number, 3 r + s, which the way back reads or finds again (pool3x3_back.py).

A row of 13 windows of float32 takes some 22 cycles on Zen 4 to find the numbers, 20 to add up da by them, and 42 for both:
some 45 instructions of 512 bits, two a cycle at most, and what surrounds them. Masks in place of numbers took 15 to 25 %
longer, for there are few registers for them.

Strips and pairs of images are pool3x3_strips.py's. Addresses and sizes are as in pool_windows.py.
"""

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool3x3_strips import by_strips, read_row, write_windows
from fastnn.kernels.pooling.pool_order import above, larger, where_above_of, where_larger_of
from fastnn.kernels.pooling.pool_windows import total
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lane_bytes import numbered, raised
from fastnn.kernels.registers.lanes import filled, has_nan, load_lanes, scaled
from fastnn.kernels.registers.tiles import tile

Sizes = tuple[int, int, int, int, int]
Padding = tuple[int, int]


@compiled
def fits(f, S, P, zero):
    """Whether the windows are of this kind, each of whose middle cells exists, and a vector long enough for strips."""
    return f[0] == 3 and f[1] == 3 and S[0] == 2 and S[1] == 2 and max(P[0], P[1]) <= 1 and lanes(zero) >= 4


# Forward -------------------------------------------------------------------------------------------------------------


@tiled
def forward_max(images: int, target: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z = max_rs a_rs for each window; low is minus infinity."""
    by_strips(_largest_down, (images, target), sizes, P, low)


@tiled
def forward_max_index(images: int, target: int, index: int, sizes: Sizes, P: Padding, low: float) -> None:
    """(16) z, unless target is 0, and the number of the first of the largest cells of each window; low is minus infinity."""
    by_strips(_find_down, (images, target, index), sizes, P, low)


@tiled
def forward_avg(images: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    by_strips(_mean_down, (images, target), sizes, P, share)


@inlined
def _mean_down(cell, window, strip, places, shape, share):
    (a, z), size, nothing = places, element_size(share), tile(share, 1, 1)
    for _ in range(shape[5][0]):
        top = _joined(_cells(0, a + cell, strip, shape, nothing, share), total)
        for i in range(shape[2]):
            middle = _joined(read_row(a + cell + row_at(2 * i + 1, shape, share), strip, nothing, share), total)
            bottom = _joined(_cells(2 * i + 2, a + cell, strip, shape, nothing, share), total)
            mean = scaled(_joined((top, middle, bottom), total), share)
            write_windows(mean, z + (window + i * shape[3]) * size, strip, size)
            top = bottom
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def _largest_down(cell, window, strip, places, shape, low):
    (a, z), size, nothing = places, element_size(low), filled(tile(low, 1, 1), low)
    for _ in range(shape[5][0]):
        top = _joined(_cells(0, a + cell, strip, shape, nothing, low), larger)
        for i in range(shape[2]):
            middle, bottom = _two_rows(i, a + cell, strip, shape, nothing, low)
            if has_nan(middle[0], middle[1], bottom[0], bottom[1]):
                last = _joined(bottom, larger)
                best = _joined((top, _joined(middle, larger), last), larger)
            else:
                last = _joined(bottom, above)
                best = _joined((top, _joined(middle, above), last), above)
            write_windows(best, z + (window + i * shape[3]) * size, strip, size)
            top = last
        cell += shape[5][1]
        window += shape[5][2]


@compiled
def is_row(y, shape):
    """Whether row y of the padded image is one of the image's."""
    return shape[4][0] <= y < shape[0] + shape[4][0]


@inlined
def _cells(y, cell, strip, shape, nothing, zero):
    """The three cells of each window in row y of the padded image: two with all of its cells, and the second half again."""
    if not is_row(y, shape):
        return nothing, nothing, nothing
    return read_row(cell + y * shape[1] * element_size(zero), strip, nothing, zero)


@compiled
def row_at(y, shape, zero):
    """Where row y of the padded image is, in bytes."""
    return y * shape[1] * element_size(zero)


@inlined
def _two_rows(i, cell, strip, shape, nothing, low):
    """The cells of the middle and the last row of row i of windows: of the middle one again, if the image has no such row.

    That changes neither what is largest nor which is the first of such cells, and takes no branch.
    """
    middle, last = row_at(2 * i + 1, shape, low), row_at(shape[0] - 1 + shape[4][0], shape, low)
    bottom = min(row_at(2 * i + 2, shape, low), last)
    return read_row(cell + middle, strip, nothing, low), read_row(cell + bottom, strip, nothing, low)


@compiled
def _joined(cells, join):
    return join(join(cells[0], cells[1]), cells[2])


# The largest cells' numbers ------------------------------------------------------------------------------------------


@inlined
def _find_down(cell, window, strip, places, shape, low):
    (a, z, index), size = places, element_size(low)
    begin, nothing = first_columns(strip, shape[4][1], low), filled(tile(low, 1, 1), low)
    for _ in range(shape[5][0]):
        top = top_row(a + cell, strip, shape, begin, nothing, low)
        for i in range(shape[2]):
            best, number, top = found(i, top, a + cell, strip, shape, begin, nothing, low)
            if z != 0:
                write_windows(best, z + (window + i * shape[3]) * size, strip, size)
            write_windows(number, index + window + i * shape[3], strip, 1)
        cell += shape[5][1]
        window += shape[5][2]


@inlined
def first_columns(strip, padding, zero):
    """Which column of each window is the first that is not padding: `padding` in the lanes of an image's first windows."""
    cells, windows, _ = strip
    begin, place = numbered(tile(zero, 1, 1), 0), on_stack(1, 0.0)
    if cells[0][1] > 0:
        write_integer(padding * 0x0101010101010101, place)
        for _, first, behind in windows:
            begin = load_lanes(begin, place - first, first, min(first + 1, behind))
    return begin


@inlined
def top_row(cell, strip, shape, begin, nothing, low):
    """Of row 0 of the padded image, each window's largest cell and its number.

    If the image has no such row, it is the number of the first cell in the next one, which stands where none is larger.
    """
    if shape[4][0] > 0:
        return nothing, raised(begin, 3)
    return _largest(read_row(cell, strip, nothing, low), begin, where_larger_of)


@inlined
def found(i, top, cell, strip, shape, begin, nothing, low):
    """Of row i of windows the largest cells and their numbers; and for the next row what `top_row` is for the first."""
    middle, bottom = _two_rows(i, cell, strip, shape, nothing, low)
    if has_nan(middle[0], middle[1], bottom[0], bottom[1]):
        return _largest_of_rows(top, middle, bottom, begin, where_larger_of)
    return _largest_of_rows(top, middle, bottom, begin, where_above_of)


@inlined
def _largest(cells, begin, where):
    """Of a row of cells each window's largest and its column; the first one, where several are."""
    first, second, third = cells
    best, column = where(first, second, second, first), where(first, second, numbered(first, 1), begin)
    return where(best, third, third, best), where(best, third, numbered(first, 2), column)


@inlined
def _largest_of_rows(top, middle, bottom, begin, where):
    """Of each window the largest cell and its number, and what `top_row` has, of its last row."""
    (best, column), last = _largest(middle, begin, where), _largest(bottom, begin, where)
    number, best = where(top[0], best, raised(column, 3), top[1]), where(top[0], best, best, top[0])
    return where(best, last[0], last[0], best), where(best, last[0], raised(last[1], 6), number), last
