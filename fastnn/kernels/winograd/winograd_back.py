"""The transforms of winograd_tiles.py for the way back to da of stride 2: patches of 3 x 3 cells of dz, 2 apart, and 25 sums
for 4 x 4 cells of da.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_lanes, scaled, subtracted
from fastnn.kernels.registers.shuffles import evens, first_half, moved_in, odds, row_of, second_half, stacked
from fastnn.kernels.registers.tiles import added, load, store, tile
from fastnn.kernels.sums.planes import Images, Sizes
from fastnn.kernels.winograd.winograd_schemes import BACK
from fastnn.kernels.winograd.winograd_tiles import Corner, Lines, Pair, all_patches, all_sums, put_pairs


@shared
def transform_patches_back(
    image: Images, sizes: Sizes, corner: Corner, tiles: Pair, lines: Lines, nothing: int, zero: float
) -> None:
    """As `transform_patches`."""
    all_patches(BACK, _patches, image, sizes, corner, tiles, lines, nothing, zero)


@compiled
def _patches(rows, C, inside, corner, target, count, zero):
    """Those of a run. Short ones lie in one vector: 7 tiles have 15 cells."""
    if 2 * count < lanes(zero):
        _channels(_one_vector, rows, C, inside, corner, target, count, zero)
    else:
        _channels(_three_vectors, rows, C, inside, corner, target, count, zero)


@compiled
def _channels(vectors, rows, C, inside, corner, target, count, zero):
    (one, step_1), (two, step_2), (three, step_3) = rows[0], rows[1], rows[2]
    place, step, step_c = target
    _, _, odd_h, odd_w = corner
    for _ in range(C):
        first, behind_first = vectors(one, inside, zero)
        middle, behind_middle = vectors(two, inside, zero)
        last, behind_last = vectors(three, inside, zero)
        _across(subtracted(first, middle), subtracted(behind_first, behind_middle), odd_w, place, step, count, zero)
        _across(middle, behind_middle, odd_w, place + 4 * step, step, count, zero)
        _across(subtracted(last, middle), subtracted(behind_last, behind_middle), odd_w, place + 8 * step, step, count, zero)
        if odd_h != 0:
            _across(first, behind_first, odd_w, place + 12 * step, step, count, zero)
        else:
            _across(last, behind_last, odd_w, place + 12 * step, step, count, zero)
        one, two, three, place = one + step_1, two + step_2, three + step_3, place + step_c


@compiled
def _three_vectors(place, inside, zero):
    """The cells under a run, as two vectors and the one behind: cells outside dz are 0, and not read."""
    (first, behind), width, vector = inside, lanes(zero), tile(zero, 1, 1)
    step = width * element_size(zero)
    one = load_lanes(vector, place, first, behind)
    two = load_lanes(vector, place + step, first - width, behind - width)
    return stacked(one, two, one, two), load_lanes(vector, place + 2 * step, first - 2 * width, behind - 2 * width)


@compiled
def _one_vector(place, inside, zero):
    """The same of a run with fewer tiles than half a vector."""
    one = load_lanes(tile(zero, 1, 1), place, inside[0], inside[1])
    return stacked(one, one, one, one), one


@compiled
def _across(cells, behind, odd, place, step, count, zero):
    """One row of the patches, from its cells and the vector behind them."""
    one, two = row_of(cells, 0), row_of(cells, 1)
    d_0, d_1 = evens(one, two, lanes(zero)), odds(one, two, lanes(zero))
    d_2 = moved_in(d_0, behind)
    store(stacked(subtracted(d_0, d_1), d_1, subtracted(d_2, d_1), d_0 if odd != 0 else d_2), place, step, 3, count)


@shared
def transform_sums_back(
    lines: Lines, last: int, sizes: Sizes, corner: Corner, tiles: Pair, out: Images, adds: int, zero: float
) -> int:
    """As `transform_sums`."""
    return all_sums(BACK, _cells, lines, last, sizes, corner, tiles, out, adds, zero)


@compiled
def _cells(found, source, last, corner, target, inside, adds, zero):
    """Those of a run; adds 0 times each of them to `found`."""
    place, step, step_k = source
    out, out_k, out_h = target
    row, (_, _, odd_h, odd_w) = tile(zero, 5, 1), corner
    for _ in range(last + 1):
        middle, lines = load(row, place + 5 * step, step, 4, None), (out, out_h, odd_w)
        upper, lower = load(row, place, step, 4, None), load(row, place + 10 * step, step, 4, None)
        total = _put(added(upper, middle), odd_h, lines, inside, adds, zero)
        total = added(total, _put(added(middle, lower), odd_h + 2, lines, inside, adds, zero))
        total = added(total, _put(load(row, place + 15 * step, step, 4, None), odd_h + 1, lines, inside, adds, zero))
        total = added(total, _put(load(row, place + 20 * step, step, 4, None), 3 - 3 * odd_h, lines, inside, adds, zero))
        found = added(found, scaled(total, zero))
        place, out = place + step_k, out + out_k
    return found


@compiled
def _put(row, number, lines, inside, adds, zero):
    """One row of cells, those that meet g_1 in turn with the others, if it exists; returns their sums."""
    (out, step, odd), (rows, count) = lines, inside
    if number >= rows:
        return tile(zero, 1, 1)
    one, three, place = added(row_of(row, 0), row_of(row, 1)), added(row_of(row, 1), row_of(row, 2)), out + number * step
    two, four = row_of(row, 3), row_of(row, 4)
    if odd != 0:
        one, two, three, four = four, one, two, three
    left, right = first_half(one, three, lanes(zero)), first_half(two, four, lanes(zero))
    put_pairs(left, right, place, count, adds, zero)
    if count > 2 * lanes(zero):
        left, right = second_half(one, three, lanes(zero)), second_half(two, four, lanes(zero))
        beyond = 2 * lanes(zero)
        put_pairs(left, right, place + beyond * element_size(zero), count - beyond, adds, zero)
    return added(added(one, two), added(three, four))
