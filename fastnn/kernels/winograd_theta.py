"""dtheta of windows of 3 x 3 with stride 1 in 16 products a tile of 2 x 2 cells, where 36 stand in the equation.

dtheta_kc = G^T [sum over tiles of (A dz_k A^T) (B^T d_c B)] G, the way back of winograd.py's z, with its transforms. At each
of 16 places the sum over tiles is a product of matrices, (C, tiles) times (tiles, K), in register tiles: a row for each c,
lanes for k. As many panels of tiles as NEAR_BYTES hold, PANELS at most, are transformed and added up together.

Accuracy is what winograd.py says; if something in dtheta is not finite, it is computed again by `theta_gradient`.
"""

import numpy as np

from fastnn.constants import ALGORITHM_BITS, AUTO, WINOGRAD
from fastnn.kernels.forms import form, full_rows, lanes, rows_of, tall_form, zero_of, zeros
from fastnn.kernels.jit import compiled
from fastnn.kernels.lanes import row_of, scaled, stacked, subtracted
from fastnn.kernels.layout import on_stack
from fastnn.kernels.memory import element_size, read, write
from fastnn.kernels.planes import Images, Sizes, Window, line_apart
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.theta_gradient import gradient_bytes, theta_gradient
from fastnn.kernels.theta_rows import TALLEST, Gradients, Rows, columns_of, sums_by_rows
from fastnn.kernels.tiles import added, load, prefetch, rank_one, store, store_sums, tile, transposed
from fastnn.kernels.winograd import PATCH_CYCLES, PEAK, PLANE_CYCLES, can_be, channels_of_patches
from fastnn.kernels.winograd_tiles import PLACES, Pair, grid_of, patch_step, run_at, transform_patches

# Panels that are added up at a time, at most: with vectors of 16, as many terms of a sum as BLOCK. And the bytes of patches
# and dz's: they stay in the second-level cache beside some of the sums.
PANELS, NEAR_BYTES = 4, 512 * 1024
# Cycles, as measured: of a tile's dz for each vector of k; of each vector of sums, once.
GRADIENT_CYCLES, SUM_CYCLES = 65, 20


@compiled
def _cycles(sizes, zero):
    """A sample's time by `winograd_theta` and by `theta_gradient`, and what comes once."""
    _, C, K, H, _, H_out, W_out = sizes
    width, grid = lanes(zero), grid_of(sizes)
    vectors, tiles, rows = -(-K // width), grid[0] * grid[1], -(-C // full_rows(zero)) * full_rows(zero)
    runs = grid[0] * -(-grid[1] // width) + tiles / (VECTORS * width)
    fewer = 1.0 * PLACES * tiles * rows * vectors / PEAK + runs * PATCH_CYCLES * C + GRADIENT_CYCLES * tiles * vectors
    direct = 9.0 * H_out * W_out * C * vectors / PEAK + PLANE_CYCLES * C * H * -(-W_out // width)
    return fewer, direct, 1.0 * SUM_CYCLES * PLACES * C * vectors


@shared
def theta_takes(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `winograd_theta` sums gradients: where it can, and, if it may choose, by the cycles of both."""
    if not can_be(algorithm, sizes, window, zero) or algorithm == WINOGRAD:
        return 1 if can_be(algorithm, sizes, window, zero) else 0
    fewer, direct, once = _cycles(sizes, zero)
    return 1 if sizes[2] > lanes(zero) // 2 and sizes[0] * fewer + once < sizes[0] * direct else 0


@compiled
def theta_bytes(sizes, window, algorithm, zero):
    """The scratch of `theta_summed`, for so many samples or fewer; `theta_takes` is true only if a sample is faster."""
    most, meant = gradient_bytes(algorithm, sizes, window, zero), algorithm & ALGORITHM_BITS
    if can_be(meant, sizes, window, zero):
        fewer, direct, _ = _cycles(sizes, zero)
        if meant == WINOGRAD or fewer < direct:
            most += _layout(0, sizes, zero)[5] + LINE
    return most


@compiled
def theta_summed(algorithm, sizes, window, image, dz, out, scratch, zero):
    """What `theta_gradient` computes, by `winograd_theta` where that is faster and cells of a row are neighbours."""
    meant = algorithm & ALGORITHM_BITS
    can = image[4] == element_size(zero) and can_be(meant, sizes, window, zero)
    if can and theta_takes(meant, sizes, window, zero) != 0:
        winograd_theta(sizes, window, image, dz, out, scratch, zero)
    else:
        theta_gradient(algorithm, sizes, window, image, dz, out, scratch, zero)


@compiled
def _row(K, zero):
    """From one row of k to the next: an odd number of lines.

    16 of them lie between the rows of a tile of sums: a multiple of 4096 bytes, for K = 64, took a fifth longer.
    """
    return line_apart(-(-K // lanes(zero)) * lanes(zero) * element_size(zero))


@compiled
def _panels(sizes, zero):
    """Panels that are added up together."""
    channels = channels_of_patches(sizes[1], zero)
    each = PLACES * VECTORS * lanes(zero) * (channels * element_size(zero) + _row(sizes[2], zero))
    return max(1, min(PANELS, NEAR_BYTES // each))


@compiled
def _layout(scratch, sizes, zero):
    """Addresses in scratch: sums, patches of each panel, dz's, squares of dz, zeros, the end; and the step of rows of k."""
    C, vector, panels, row = sizes[1], lanes(zero) * element_size(zero), _panels(sizes, zero), _row(sizes[2], zero)
    sums = -(-scratch // LINE) * LINE
    patches = sums + PLACES * C * row
    patches = -(-patches // LINE) * LINE
    beyond = (VECTORS * TALLEST + 1) * vector
    gradients = patches + panels * PLACES * patch_step(channels_of_patches(C, zero), zero) + beyond
    gradients = -(-gradients // LINE) * LINE
    squares = gradients + PLACES * line_apart(panels * VECTORS * lanes(zero) * row)
    nothing = squares + 4 * lanes(zero) * vector
    return sums, patches, gradients, squares, nothing, nothing + 3 * vector, row


@shared
def winograd_theta(sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float) -> None:
    """All samples of one group, with the arguments of `theta_gradient`; the cells of a row of image are neighbours."""
    m, C, K, H, W, H_out, W_out = sizes
    size, wide = element_size(zero), VECTORS * lanes(zero)
    panels, channels = _panels(sizes, zero), channels_of_patches(C, zero)
    where = _layout(scratch, sizes, zero)
    row, vector = where[6], tile(zero, 1, 1)
    for place in range(where[0], where[0] + PLACES * C * row, lanes(zero) * size):
        store(vector, place, 0, 0, None)
    for place in range(where[4], where[5], size):
        write(zero, place)
    grid = grid_of(sizes)
    tiles = m * grid[0] * grid[1]
    for t in range(0, tiles, panels * wide):
        behind = min(t + panels * wide, tiles)
        gradients = (where[2], line_apart(panels * wide * row), row)
        _transform_gradients(dz, sizes, (t, behind), gradients, where[3], zero)
        for c in range(0, C, channels):
            some = (m, min(channels, C - c), K, H, W, H_out, W_out)
            source, bytes_ = (
                (image[0] + c * image[2], image[1], image[2], image[3], image[4]),
                PLACES * patch_step(some[1], zero),
            )
            for p in range(t, behind, wide):
                lines = (where[1] + (p - t) // wide * bytes_, patch_step(some[1], zero), wide * size)
                here = (p, min(p + wide, behind))
                transform_patches(source, some, (window[4], window[5]), here, lines, where[4], zero)
            sums = (where[0] + PLACES * c * row, row)
            _add_products((some[1], K, behind - t), (where[1], bytes_), gradients, sums, zero)
    if _to_windows((C, K), (where[0], row), zero):
        sums_by_rows(K, 9 * C, (where[0], row), out, zero)
    else:
        theta_gradient(AUTO, sizes, window, image, dz, out, where[5], zero)


@shared
def _transform_gradients(
    dz: Gradients, sizes: Sizes, tiles: Pair, lines: tuple[int, int, int], squares: int, zero: float
) -> None:
    """A dz A^T of some tiles: for each place a row for each tile, with all k."""
    width, size, grid = lanes(zero), element_size(zero), grid_of(sizes)
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
                    _gradients(above, above + width * vector, vector, target, lines[1], zero)
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


@shared
def _add_products(
    counts: tuple[int, int, int], patches: Pair, gradients: tuple[int, int, int], sums: Pair, zero: float
) -> None:
    """Of some tiles: at each place (C, tiles) times (tiles, K); counts are C, K and tiles."""
    C, K, tiles = counts
    size, width = element_size(zero), lanes(zero)
    for place in range(PLACES):
        k = 0
        above = (patches[0] + place * patch_step(C, zero), patches[1])
        while k < K:
            columns, tall = columns_of(K - k, width), rows_of(tall_form(zero))
            beside = (gradients[0] + place * gradients[1] + k * size, gradients[2])
            target = (sums[0] + place * sums[1] + k * size, PLACES * sums[1])
            if columns > 2 * width:
                _add_columns(form(zero, full_rows(zero), VECTORS), C, tiles, above, beside, target)
            elif columns > width and -(-C // full_rows(zero)) * full_rows(zero) < -(-C // tall) * tall:
                _add_columns(form(zero, full_rows(zero), 2), C, tiles, above, beside, target)
            elif columns > width:
                _add_columns(tall_form(zero), C, tiles, above, beside, target)
            else:
                _add_columns(form(zero, full_rows(zero), 1), C, tiles, above, beside, target)
            k += columns


@compiled
def _add_columns(kind, C, tiles, above, beside, sums):
    """All c with the k of a tile's columns."""
    zero, t = zero_of(kind), zeros(kind)
    size, row = element_size(zero), VECTORS * lanes(zero) * element_size(zero)
    for c in range(0, C, rows_of(kind)):
        last, target = min(rows_of(kind), C - c) - 1, sums[0] + c * sums[1]
        prefetch(t, target, sums[1], last)
        total, panel, line = t, above[0] + c * row, beside[0]
        for begin in range(0, tiles, VECTORS * lanes(zero)):
            place = panel
            for _ in range(min(VECTORS * lanes(zero), tiles - begin)):
                total = rank_one(total, place, row, rows_of(kind) - 1, line, None)
                place += size
                line += beside[1]
            panel += above[1]
        store(added(total, load(t, target, sums[1], last, None)), target, sums[1], last, None)


@shared
def _to_windows(counts: Pair, sums: Pair, zero: float) -> int:
    """G^T S G of counts (C, K), in place: 16 rows of each c become 9; whether all of them are finite."""
    (C, K), (first, row) = counts, sums
    vector, square = lanes(zero) * element_size(zero), tile(zero, 4, 1)
    found = tile(zero, 1, 1)
    for c in range(C):
        for offset in range(0, -(-K // lanes(zero)) * vector, vector):
            place = first + PLACES * c * row + offset
            one, two = load(square, place, row, 3, None), load(square, place + 4 * row, row, 3, None)
            three, four = load(square, place + 8 * row, row, 3, None), load(square, place + 12 * row, row, 3, None)
            both = scaled(added(two, three), zero + np.float32(0.5))
            target = first + 9 * c * row + offset
            middle = scaled(subtracted(two, three), zero + np.float32(0.5))
            total = _put_row(added(one, both), target, row, zero)
            total = added(total, _put_row(middle, target + 3 * row, row, zero))
            total = added(total, _put_row(added(both, four), target + 6 * row, row, zero))
            found = added(found, scaled(total, zero))
    total = on_stack(1, zero)
    store_sums(found, total, 0, 0)
    return 1 if read(zero, total) == 0 else 0


@compiled
def _put_row(t, place, row, zero):
    """t G, one row of a window; returns its sum."""
    half = zero + np.float32(0.5)
    both = scaled(added(row_of(t, 1), row_of(t, 2)), half)
    left, right = added(row_of(t, 0), both), added(both, row_of(t, 3))
    middle = scaled(subtracted(row_of(t, 1), row_of(t, 2)), half)
    store(left, place, 0, 0, None)
    store(middle, place + row, 0, 0, None)
    store(right, place + 2 * row, 0, 0, None)
    return added(added(left, middle), right)
