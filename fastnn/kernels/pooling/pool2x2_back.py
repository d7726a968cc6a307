"""The ways back through windows of 2 x 2 that neither overlap nor meet padding (pool2x2.py).

Each cell is its window's dz, if it is the window's largest by its number, or without an index if the comparisons say so.

Beyond the second-level cache all this takes little longer than to copy the images (max backward of 128 x 6 x 24 x 24
float32: 46 us beside 41 to 46), and stores past the caches longer still, as soon as somebody reads what they wrote.
"""

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, opaque, read_integer, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool2x2_strips import (
    against,
    by_cells,
    by_rows,
    by_short_rows,
    flat_vectors,
    is_narrow,
    joined,
    read_flat,
    read_row,
    read_windows,
    window_cells,
    write_flat,
    write_row,
)
from fastnn.kernels.pooling.pool_order import nan_in, where_above_of, where_larger_of
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lane_bytes import numbered, where_numbers
from fastnn.kernels.registers.lanes import scaled
from fastnn.kernels.registers.shuffles import dealt, first_half, high_pairs, low_pairs, paired, second_half
from fastnn.kernels.registers.tiles import load, store, tile


@tiled
def backward_max(gradients: int, images: int, target: int, planes: int, H: int, W: int, zero: float) -> None:
    """(18) da: each dz goes to the first of the largest cells of its window. Cells in no window are not written."""
    met = on_stack(1, 0.0)
    write_integer(0, met)
    _search(where_above_of, (gradients, images, target, met), joined(planes, H, W), zero)
    if read_integer(met) != 0:
        backward_max_nan(gradients, images, target, planes, H, W, zero)


@tiled
def backward_max_nan(gradients: int, images: int, target: int, planes: int, H: int, W: int, zero: float) -> None:
    """The same for images with NaN."""
    unread = on_stack(1, 0.0)
    _search(where_larger_of, (gradients, images, target, unread), joined(planes, H, W), zero)


@compiled
def _search(where, places, sizes, zero):
    down = against(places[1], places[2], sizes[2], zero)
    done = _search_flat(where, places, sizes, 1, down, zero) + _search_flat(where, places, sizes, 2, down, zero)
    by_rows(_search_strip, where, places, sizes, done, down, zero)


@tiled
def backward_max_index(gradients: int, index: int, target: int, planes: int, H: int, W: int, zero: float) -> None:
    """(18) da: each dz goes to the cell of its window that has the number. Cells in no window are not written."""
    sizes, places = joined(planes, H, W), (gradients, index, target)
    if is_narrow(W, zero):
        done = _route_flat(places, sizes, 1, zero) + _route_flat(places, sizes, 2, zero)
        by_short_rows(_route_strip, zero, places, sizes, done, False, zero)
    else:
        by_cells(_route_cells, gradients, index, target, sizes, zero)


@inlined
def _route_cells(t, dz, index, da, row, zero):
    amount, number = paired(t, dz), paired(numbered(t, 0), index)
    store(where_numbers(number, 0, 1, amount), da, 0, 0, None)
    store(where_numbers(number, 2, 3, amount), da + row, 0, 0, None)


@compiled
def _search_strip(where, places, cell, window, strip, zero):
    (dz, a, da, met), row = places, strip[3]
    image, target = opaque(a + cell), opaque(da + cell)
    amount = read_windows(tile(zero, 1, 1), dz, window, strip, element_size(zero))
    upper, lower = read_row(image, strip, zero), read_row(image + row, strip, zero)
    nan_in(upper, lower, met)
    upper, lower = _sent(amount, upper, lower, where, zero)
    write_row(upper, target, strip)
    write_row(lower, target + row, strip)


@compiled
def _route_strip(_, places, cell, window, strip, zero):
    dz, index, da = places
    number = read_windows(numbered(tile(zero, 1, 1), 0), index, window, strip, 1)
    amount = read_windows(tile(zero, 1, 1), dz, window, strip, element_size(zero))
    upper, lower = _routed(amount, number, zero)
    write_row(upper, da + cell, strip)
    write_row(lower, da + cell + strip[3], strip)


@compiled
def _search_flat(where, places, sizes, parts, down, zero):
    step, vectors, (dz, a, da, met) = element_size(zero) * lanes(zero), flat_vectors(sizes, parts, zero), places
    window, on = ((vectors - 1) * step, -step) if down else (0, step)
    for _ in range(vectors):
        upper, lower = read_flat(a + 4 * window, parts, zero)
        nan_in(upper, lower, met)
        upper, lower = _sent(load(tile(zero, 1, 1), dz + window, 0, 0, None), upper, lower, where, zero)
        write_flat(upper, lower, da + 4 * window, parts, zero)
        window += on
    return vectors * lanes(zero)


@compiled
def _sent(amount, upper, lower, where, zero):
    """(18) da of a vector of windows: the amount in the first of the largest cells, 0 in the others."""
    nothing, amount = tile(zero, 1, 1), dealt(amount, element_size(zero))
    first, second, third, fourth = window_cells(upper, lower)
    above, below = where(first, second, second, first), where(third, fourth, fourth, third)
    up, down = where(above, below, nothing, amount), where(above, below, amount, nothing)
    left, right = where(first, second, nothing, up), where(first, second, up, nothing)
    upper = low_pairs(left, right), high_pairs(left, right)
    left, right = where(third, fourth, nothing, down), where(third, fourth, down, nothing)
    return upper, (low_pairs(left, right), high_pairs(left, right))


@compiled
def _route_flat(places, sizes, parts, zero):
    every, vectors, (dz, index, da), t = lanes(zero), flat_vectors(sizes, parts, zero), places, tile(zero, 1, 1)
    step = element_size(zero) * every
    for v in range(vectors):
        number = load(numbered(t, 0), index + v * every, 0, 0, None)
        upper, lower = _routed(load(t, dz + v * step, 0, 0, None), number, zero)
        write_flat(upper, lower, da + 4 * v * step, parts, zero)
    return vectors * every


@compiled
def _routed(amount, number, zero):
    """(18) da of a vector of windows: the amount in the cell that has the number, 0 in the others."""
    every = lanes(zero)
    low, high = first_half(amount, amount, every), second_half(amount, amount, every)
    left, right = first_half(number, number, every), second_half(number, number, every)
    upper = where_numbers(left, 0, 1, low), where_numbers(right, 0, 1, high)
    return upper, (where_numbers(left, 2, 3, low), where_numbers(right, 2, 3, high))


@tiled
def backward_avg(gradients: int, target: int, planes: int, H: int, W: int, share: float) -> None:
    """(19) da = share dz in each cell of a window. Cells in no window are not written."""
    sizes, places = joined(planes, H, W), (gradients, target)
    if is_narrow(W, share):
        done = _spread_flat(places, sizes, 1, share) + _spread_flat(places, sizes, 2, share)
        by_short_rows(_spread_strip, share, places, sizes, done, False, share)
    else:
        by_cells(_spread_cells, gradients, 0, target, sizes, share)


@inlined
def _spread_cells(t, dz, _, da, row, share):
    amount = scaled(paired(t, dz), share)
    store(amount, da, 0, 0, None)
    store(amount, da + row, 0, 0, None)


@compiled
def _spread_strip(_, places, cell, window, strip, share):
    amount = scaled(read_windows(tile(share, 1, 1), places[0], window, strip, element_size(share)), share)
    row = _both(amount, share)
    write_row(row, places[1] + cell, strip)
    write_row(row, places[1] + cell + strip[3], strip)


@compiled
def _spread_flat(places, sizes, parts, share):
    step, vectors, (dz, da) = element_size(share) * lanes(share), flat_vectors(sizes, parts, share), places
    for v in range(vectors):
        row = _both(scaled(load(tile(share, 1, 1), dz + v * step, 0, 0, None), share), share)
        write_flat(row, row, da + 4 * v * step, parts, share)
    return vectors * lanes(share)


@compiled
def _both(amount, share):
    """A row of the image that has a window's amount in both of its cells."""
    every = lanes(share)
    return first_half(amount, amount, every), second_half(amount, amount, every)
