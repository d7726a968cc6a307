"""The transforms of winograd_theta.py: of dz, and of sums of products to windows.

tiles    the first of some tiles, and the one behind the last
lines    address of place 0 of the first tile, and the steps from one place and one tile to the next
squares  room for cells of dz that have been transposed
"""

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, read
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import scaled, subtracted
from fastnn.kernels.registers.shuffles import row_of, stacked, transposed
from fastnn.kernels.registers.tiles import added, load, store, store_sums, tile
from fastnn.kernels.sums.planes import Sizes
from fastnn.kernels.sums.theta_rows import Gradients
from fastnn.kernels.winograd.winograd_schemes import ONE, TWO, WEIGHTS, grid_of
from fastnn.kernels.winograd.winograd_tiles import Lines, Pair, half, run_at


@shared
def transform_gradients(dz: Gradients, sizes: Sizes, tiles: Pair, lines: Lines, squares: int, zero: float) -> None:
    """A dz A^T of some tiles: for each place a row for each tile, with all k."""
    _all_gradients(ONE, _gradients, dz, sizes, tiles, lines, squares, zero)


@shared
def transform_gradients_apart(dz: Gradients, sizes: Sizes, tiles: Pair, lines: Lines, squares: int, zero: float) -> None:
    """The same for stride 2."""
    _all_gradients(TWO, _gradients_apart, dz, sizes, tiles, lines, squares, zero)


@compiled
def _all_gradients(scheme, gradients, dz, sizes, tiles, lines, squares, zero):
    """What `gradients` writes for a tile and a vector of k, of some tiles and all k."""
    width, size, grid = lanes(zero), element_size(zero), grid_of(scheme, sizes)
    vector, square, row = width * size, tile(zero, lanes(zero), 1), sizes[6] * size
    t, behind = tiles
    place = lines[0]
    while t < behind:
        n, i, j, count = run_at(t, behind, grid, zero)
        for begin in range(0, count, width // 2):
            some = min(width // 2, count - begin)
            corner, cells = dz[0] + n * dz[1] + 2 * i * row + 2 * (j + begin) * size, sizes[6] - 2 * (j + begin)
            cells = min(cells, 2 * some)
            for k in range(0, sizes[2], width):
                last, source = min(width, sizes[2] - k) - 1, corner + k * dz[2]
                store(transposed(load(square, source, dz[2], last, cells)), squares, vector, width - 1, None)
                if 2 * i + 1 < sizes[5]:
                    below = transposed(load(square, source + row, dz[2], last, cells))
                    store(below, squares + width * vector, vector, width - 1, None)
                else:
                    store(square, squares + width * vector, vector, width - 1, None)
                target, above = place + k * size, squares
                for _ in range(some):
                    gradients(above, above + width * vector, vector, target, lines[1], zero)
                    above += 2 * vector
                    target += lines[2]
            place += some * lines[2]
        t += count


@compiled
def _gradients(above, below, step, target, place, zero):
    """Those of a tile and a vector of k."""
    vector = tile(zero, 1, 1)
    first = _spread(load(vector, above, 0, 0, None), load(vector, above + step, 0, 0, None), zero)
    second = _spread(load(vector, below, 0, 0, None), load(vector, below + step, 0, 0, None), zero)
    store(first, target, place, 3, None)
    store(added(first, second), target + 4 * place, place, 3, None)
    store(subtracted(first, second), target + 8 * place, place, 3, None)
    store(subtracted(tile(zero, 4, 1), second), target + 12 * place, place, 3, None)


@compiled
def _spread(left, right, zero):
    """One row of dz A^T."""
    return stacked(left, added(left, right), subtracted(left, right), subtracted(tile(zero, 1, 1), right))


@compiled
def _gradients_apart(above, below, step, target, place, zero):
    vector = tile(zero, 1, 1)
    first_left, first_right = load(vector, above, 0, 0, None), load(vector, above + step, 0, 0, None)
    last_left, last_right = load(vector, below, 0, 0, None), load(vector, below + step, 0, 0, None)
    _put_spread(first_left, first_right, target, place)
    _put_spread(added(first_left, last_left), added(first_right, last_right), target + 3 * place, place)
    _put_spread(last_left, last_right, target + 6 * place, place)


@compiled
def _put_spread(left, right, target, place):
    store(left, target, 0, 0, None)
    store(added(left, right), target + place, 0, 0, None)
    store(right, target + 2 * place, 0, 0, None)


@shared
def to_windows(counts: Pair, sums: Pair, zero: float) -> int:
    """G^T S G of counts (C, K), in place: 16 rows of each c become 9; whether all of them are finite."""
    return _all_windows(_window, counts, sums, zero)


@shared
def to_windows_apart(counts: Pair, sums: Pair, zero: float) -> int:
    """The same for stride 2."""
    return _all_windows(_window_apart, counts, sums, zero)


@compiled
def _all_windows(window, counts, sums, zero):
    """What `window` writes for a c and a vector of k, of all; adds 0 times each of them to `found`."""
    (C, K), (first, row) = counts, sums
    vector, found = lanes(zero) * element_size(zero), tile(zero, 1, 1)
    for c in range(C):
        for offset in range(0, -(-K // lanes(zero)) * vector, vector):
            source, target = first + WEIGHTS * WEIGHTS * c * row + offset, first + 9 * c * row + offset
            found = added(found, scaled(window(source, target, row, zero), zero))
    total = on_stack(1, zero)
    store_sums(found, total, 0, 0)
    return 1 if read(zero, total) == 0 else 0


@compiled
def _window(place, target, row, zero):
    """All of it is read before any of it is written: returns the sum of what is."""
    square = tile(zero, 4, 1)
    one, two = load(square, place, row, 3, None), load(square, place + 4 * row, row, 3, None)
    three, four = load(square, place + 8 * row, row, 3, None), load(square, place + 12 * row, row, 3, None)
    both = half(added(two, three), zero)
    total = _put_row(added(one, both), target, row, zero)
    total = added(total, _put_row(half(subtracted(two, three), zero), target + 3 * row, row, zero))
    return added(total, _put_row(added(both, four), target + 6 * row, row, zero))


@compiled
def _put_row(t, place, row, zero):
    """t G, one row of a window; returns its sum."""
    both = half(added(row_of(t, 1), row_of(t, 2)), zero)
    left, right = added(row_of(t, 0), both), added(both, row_of(t, 3))
    return _put_three(left, half(subtracted(row_of(t, 1), row_of(t, 2)), zero), right, place, row)


@compiled
def _put_three(left, middle, right, place, row):
    store(left, place, 0, 0, None)
    store(middle, place + row, 0, 0, None)
    store(right, place + 2 * row, 0, 0, None)
    return added(added(left, middle), right)


@compiled
def _window_apart(place, target, row, zero):
    square = tile(zero, 4, 1)
    one, two = load(square, place, row, 3, None), load(square, place + 4 * row, row, 3, None)
    three, four = load(square, place + 8 * row, row, 3, None), load(square, place + 12 * row, row, 3, None)
    total = _put_row_apart(added(one, three), target, row)
    total = added(total, _put_row_apart(two, target + 3 * row, row))
    return added(total, _put_row_apart(added(three, four), target + 6 * row, row))


@compiled
def _put_row_apart(t, place, row):
    outer = row_of(t, 2)
    return _put_three(added(row_of(t, 0), outer), row_of(t, 1), added(outer, row_of(t, 3)), place, row)
