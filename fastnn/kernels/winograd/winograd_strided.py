"""The transforms of winograd_tiles.py for stride 2: patches of 5 x 5 cells, 4 apart, and 9 sums for 2 x 2 cells.

Rows meet first, then columns: lanes are neighbouring cells until they are every fourth one.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_lanes, scaled, subtracted
from fastnn.kernels.registers.shuffles import evens, moved_in, odds, row_of, stacked
from fastnn.kernels.registers.tiles import added, load, store, tile
from fastnn.kernels.sums.planes import Images, Sizes
from fastnn.kernels.winograd.winograd_schemes import TWO
from fastnn.kernels.winograd.winograd_tiles import Corner, Lines, Pair, all_patches, all_sums, put_pairs


@shared
def transform_patches_apart(
    image: Images, sizes: Sizes, corner: Corner, tiles: Pair, lines: Lines, nothing: int, zero: float
) -> None:
    """As `transform_patches`; at `nothing` are five vectors."""
    all_patches(TWO, _patches, image, sizes, corner, tiles, lines, nothing, zero)


@compiled
def _patches(rows, C, inside, _corner, target, count, zero):
    """Those of a run. Short ones lie in two vectors, which halves what is loaded and turned: 7 tiles have 29 cells."""
    if 2 * count < lanes(zero):
        _channels(_two_vectors, rows, C, inside, target, count, zero)
    else:
        _channels(_five_vectors, rows, C, inside, target, count, zero)


@compiled
def _channels(vectors, rows, C, inside, target, count, zero):
    (one, step_1), (two, step_2), (three, step_3), (four, step_4), (five, step_5) = rows
    place, step, step_c = target
    for _ in range(C):
        middle, beyond = vectors(three, inside, zero)
        cells, behind = vectors(one, inside, zero)
        _across(subtracted(cells, middle), subtracted(behind, beyond), place, step, count, zero)
        cells, behind = vectors(two, inside, zero)
        _across(cells, behind, place + 5 * step, step, count, zero)
        _across(middle, beyond, place + 10 * step, step, count, zero)
        cells, behind = vectors(four, inside, zero)
        _across(cells, behind, place + 15 * step, step, count, zero)
        cells, behind = vectors(five, inside, zero)
        _across(subtracted(cells, middle), subtracted(behind, beyond), place + 20 * step, step, count, zero)
        one, two, three, four, five = one + step_1, two + step_2, three + step_3, four + step_4, five + step_5
        place += step_c


@compiled
def _five_vectors(place, inside, zero):
    """The cells under a run, as four vectors and the one behind: cells outside the image are 0, and not read."""
    (first, behind), width, vector = inside, lanes(zero), tile(zero, 1, 1)
    step = width * element_size(zero)
    one = load_lanes(vector, place, first, behind)
    two = load_lanes(vector, place + step, first - width, behind - width)
    three = load_lanes(vector, place + 2 * step, first - 2 * width, behind - 2 * width)
    four = load_lanes(vector, place + 3 * step, first - 3 * width, behind - 3 * width)
    return stacked(one, two, three, four), load_lanes(vector, place + 4 * step, first - 4 * width, behind - 4 * width)


@compiled
def _two_vectors(place, inside, zero):
    """The same of a run with fewer tiles than half a vector."""
    (first, behind), width, vector = inside, lanes(zero), tile(zero, 1, 1)
    one = load_lanes(vector, place, first, behind)
    two = load_lanes(vector, place + width * element_size(zero), first - width, behind - width)
    return stacked(one, two, one, two), one


@compiled
def _across(cells, behind, place, step, count, zero):
    """d B of one row of the patches, from its cells and the vector behind them."""
    one, two, three, four = row_of(cells, 0), row_of(cells, 1), row_of(cells, 2), row_of(cells, 3)
    left, right = evens(one, two, lanes(zero)), evens(three, four, lanes(zero))
    d_0, d_2 = evens(left, right, lanes(zero)), odds(left, right, lanes(zero))
    left, right = odds(one, two, lanes(zero)), odds(three, four, lanes(zero))
    d_1, d_3 = evens(left, right, lanes(zero)), odds(left, right, lanes(zero))
    store(stacked(subtracted(d_0, d_2), d_1, d_2, d_3), place, step, 3, count)
    store(subtracted(moved_in(d_0, behind), d_2), place + 4 * step, 0, 0, count)


@shared
def transform_sums_apart(
    lines: Lines, last: int, sizes: Sizes, corner: Corner, tiles: Pair, out: Images, adds: int, zero: float
) -> int:
    """As `transform_sums`."""
    return all_sums(TWO, _cells, lines, last, sizes, corner, tiles, out, adds, zero)


@compiled
def _cells(found, source, last, _corner, target, cells, adds, zero):
    """Those of a run; adds 0 times each of them to `found`."""
    place, step, step_k = source
    out, out_k, out_h = target
    row = tile(zero, 3, 1)
    for _ in range(last + 1):
        middle = load(row, place + 3 * step, step, 2, None)
        total = _put(added(load(row, place, step, 2, None), middle), out, cells[1], adds, zero)
        if cells[0] > 1:
            lower = added(middle, load(row, place + 6 * step, step, 2, None))
            total = added(total, _put(lower, out + out_h, cells[1], adds, zero))
        found = added(found, scaled(total, zero))
        place, out = place + step_k, out + out_k
    return found


@compiled
def _put(row, place, count, adds, zero):
    """One row of cells."""
    m = row_of(row, 1)
    return put_pairs(added(row_of(row, 0), m), added(m, row_of(row, 2)), place, count, adds, zero)
