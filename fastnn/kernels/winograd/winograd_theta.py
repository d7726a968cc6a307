"""dtheta of windows of 3 x 3: with stride 1 in 16 products a tile of 2 x 2 cells, where 36 stand in the equation, and with
stride 2 in 25.

dtheta_kc = G^T [sum over tiles of (A dz_k A^T) (B^T d_c B)] G, the way back of winograd.py's z, with its transforms. Each of
16 sums, over tiles and the products that a weight is in, is a product of matrices, (C, tiles) times (tiles, K), in register
tiles: a row for each c, lanes for k. As many panels of tiles as NEAR_BYTES hold, PANELS at most, are transformed and added
up together.

Accuracy is what winograd.py says; if something in dtheta is not finite, it is computed again by `theta_gradient`.
"""

from fastnn.constants import ALGORITHM_BITS, AUTO, WINOGRAD
from fastnn.kernels.arrays.memory import element_size, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import form, full_rows, lanes, rows_of, tall_form, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, prefetch, rank_one, store, tile
from fastnn.kernels.sums.cycles import PEAK
from fastnn.kernels.sums.few_products import are_many, can_be_products, is_far, products_bytes, theta_by_products
from fastnn.kernels.sums.planes import Images, Sizes, Window, line_apart
from fastnn.kernels.sums.theta_gradient import gradient_bytes, theta_gradient
from fastnn.kernels.sums.theta_room import TALLEST
from fastnn.kernels.sums.theta_rows import Gradients, Rows, columns_of, sums_by_rows
from fastnn.kernels.winograd.winograd import channels_of_patches
from fastnn.kernels.winograd.winograd_choices import PATCH_CYCLES, can_be, runs_of
from fastnn.kernels.winograd.winograd_gradients import (
    to_windows,
    to_windows_apart,
    transform_gradients,
    transform_gradients_apart,
)
from fastnn.kernels.winograd.winograd_schemes import (
    ONE,
    WEIGHTS,
    cells_of,
    corner_of,
    grid_of,
    products_of,
    products_with,
    scheme_of,
    sum_of,
    sums_of,
)
from fastnn.kernels.winograd.winograd_strided import transform_patches_apart
from fastnn.kernels.winograd.winograd_tiles import Pair, patch_step, transform_patches

Three = tuple[int, int, int]

# Panels that are added up at a time, at most: with vectors of 16, as many terms of a sum as BLOCK; of stride 2, where up to
# four products of a tile belong to one sum, half as many panels. And the bytes of patches and dz's: they stay in the
# second-level cache beside some of the sums.
PANELS, NEAR_BYTES = (4, 2), 512 * 1024
# Cycles, as measured: of a tile's dz for each vector of k; of each vector of sums, once, and each time that some are added.
GRADIENT_CYCLES, SUM_CYCLES, ADD_CYCLES = 65, 20, 6
# And of `theta_gradient`, to copy a vector of a row.
PLANE_CYCLES = 14


@compiled
def _cycles(scheme, sizes, zero):
    """A sample's time by `winograd_theta` and by `theta_gradient`, and what comes once."""
    _, C, K, H, _, H_out, W_out = sizes
    width, grid, (runs, short) = lanes(zero), grid_of(scheme, sizes), runs_of(scheme, sizes, zero)
    vectors, tiles, rows = -(-K // width), grid[0] * grid[1], -(-C // full_rows(zero)) * full_rows(zero)
    sums, products = WEIGHTS * WEIGHTS * vectors, 1.0 * products_of(scheme) * products_of(scheme) * tiles * rows * vectors
    adds = 1.0 * ADD_CYCLES * sums * rows * tiles / (_panels(scheme, sizes, zero) * VECTORS * width)
    fewer = products / PEAK + adds + runs * PATCH_CYCLES[short][scheme] * C + GRADIENT_CYCLES * tiles * vectors
    direct = 9.0 * H_out * W_out * C * vectors / PEAK + PLANE_CYCLES * C * H * -(-W_out // width)
    return fewer, direct, 1.0 * SUM_CYCLES * sums * C


@shared
def theta_takes(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `winograd_theta` sums gradients: where it can, and, if it may choose, by the cycles of both."""
    scheme = scheme_of(window)
    if not can_be(scheme, algorithm, sizes, window, zero):
        return 0
    if algorithm == WINOGRAD:
        return 1
    fewer, direct, once = _cycles(scheme, sizes, zero)
    return 1 if sizes[2] > lanes(zero) // 2 and sizes[0] * fewer + once < sizes[0] * direct else 0


@compiled
def theta_bytes(sizes, window, algorithm, zero):
    """The scratch of `theta_summed`, for so many samples or fewer; `theta_takes` is true only if a sample is faster."""
    most, meant, scheme = gradient_bytes(algorithm, sizes, window, zero), algorithm & ALGORITHM_BITS, scheme_of(window)
    if can_be(scheme, meant, sizes, window, zero):
        fewer, direct, _ = _cycles(scheme, sizes, zero)
        if meant == WINOGRAD or fewer < direct:
            most += _layout(0, scheme, sizes, zero)[5] + LINE
    if can_be_products(sizes, window, zero) and is_far(sizes, window, zero):
        most = max(most, products_bytes(sizes, window, zero))
    return most


@compiled
def theta_summed(algorithm, sizes, window, image, dz, out, scratch, zero):
    """What `theta_gradient` computes, by `winograd_theta` where that is faster and cells of a row are neighbours."""
    meant, scheme = algorithm & ALGORITHM_BITS, scheme_of(window)
    many = meant != WINOGRAD and are_many(sizes, window)
    if many and theta_by_products(sizes, window, image, dz, out, scratch, zero) != 0:
        return
    can = image[4] == element_size(zero) and can_be(scheme, meant, sizes, window, zero)
    if can and theta_takes(meant, sizes, window, zero) != 0:
        winograd_theta(scheme, sizes, window, image, dz, out, scratch, zero)
    else:
        theta_gradient(algorithm, sizes, window, image, dz, out, scratch, zero)


@compiled
def _row(K, zero):
    """From one row of k to the next: an odd number of lines.

    16 of them lie between the rows of a tile of sums: a multiple of 4096 bytes, for K = 64, took a fifth longer.
    """
    return line_apart(-(-K // lanes(zero)) * lanes(zero) * element_size(zero))


@compiled
def _places(scheme):
    """How many patches there are, and gradients."""
    return cells_of(scheme) * cells_of(scheme), sums_of(scheme) * sums_of(scheme)


@compiled
def _panels(scheme, sizes, zero):
    """Panels that are added up together."""
    channels, (cells, gradients) = channels_of_patches(scheme, sizes[1], zero), _places(scheme)
    each = VECTORS * lanes(zero) * (cells * channels * element_size(zero) + gradients * _row(sizes[2], zero))
    return max(1, min(PANELS[scheme], NEAR_BYTES // each))


@compiled
def _layout(scratch, scheme, sizes, zero):
    """Addresses in scratch: sums, patches of each panel, dz's, squares of dz, zeros, the end; and the step of rows of k."""
    C, vector, panels, row = sizes[1], lanes(zero) * element_size(zero), _panels(scheme, sizes, zero), _row(sizes[2], zero)
    sums = -(-scratch // LINE) * LINE
    patches = sums + WEIGHTS * WEIGHTS * C * row
    patches = -(-patches // LINE) * LINE
    beyond = (VECTORS * TALLEST + 1) * vector
    gradients = patches + panels * _places(scheme)[0] * patch_step(channels_of_patches(scheme, C, zero), zero) + beyond
    gradients = -(-gradients // LINE) * LINE
    squares = gradients + _places(scheme)[1] * line_apart(panels * VECTORS * lanes(zero) * row)
    nothing = squares + 4 * lanes(zero) * vector
    return sums, patches, gradients, squares, nothing, nothing + 5 * vector, row


@shared
def winograd_theta(
    scheme: int, sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float
) -> None:
    """All samples of one group, with the arguments of `theta_gradient`; the cells of a row of image are neighbours."""
    m, C, K, H, W, H_out, W_out = sizes
    size, wide, corner = element_size(zero), VECTORS * lanes(zero), corner_of(scheme, window)
    panels, channels = _panels(scheme, sizes, zero), channels_of_patches(scheme, C, zero)
    where = _layout(scratch, scheme, sizes, zero)
    row, vector = where[6], tile(zero, 1, 1)
    for place in range(where[0], where[0] + WEIGHTS * WEIGHTS * C * row, lanes(zero) * size):
        store(vector, place, 0, 0, None)
    for place in range(where[4], where[5], size):
        write(zero, place)
    grid = grid_of(scheme, sizes)
    tiles = m * grid[0] * grid[1]
    for t in range(0, tiles, panels * wide):
        behind = min(t + panels * wide, tiles)
        gradients = (where[2], line_apart(panels * wide * row), row)
        if scheme == ONE:
            transform_gradients(dz, sizes, (t, behind), gradients, where[3], zero)
        else:
            transform_gradients_apart(dz, sizes, (t, behind), gradients, where[3], zero)
        for c in range(0, C, channels):
            some, step = (m, min(channels, C - c), K, H, W, H_out, W_out), patch_step(min(channels, C - c), zero)
            source = (image[0] + c * image[2], image[1], image[2], image[3], image[4])
            patches = (where[1], step, _places(scheme)[0] * step)
            for p in range(t, behind, wide):
                lines, here = (where[1] + (p - t) // wide * patches[2], step, wide * size), (p, min(p + wide, behind))
                if scheme == ONE:
                    transform_patches(source, some, corner, here, lines, where[4], zero)
                else:
                    transform_patches_apart(source, some, corner, here, lines, where[4], zero)
            sums = (where[0] + WEIGHTS * WEIGHTS * c * row, row)
            _add_products(scheme, (some[1], K, behind - t), patches, gradients, sums, zero)
    results = (where[0], row)
    finite = to_windows((C, K), results, zero) if scheme == ONE else to_windows_apart((C, K), results, zero)
    if finite != 0:
        sums_by_rows(K, 9 * C, results, out, zero)
    else:
        theta_gradient(AUTO, sizes, window, image, dz, out, where[5], zero)


@shared
def _add_products(scheme: int, counts: Three, patches: Three, gradients: Three, sums: Pair, zero: float) -> None:
    """Of some tiles: at each place (C, tiles) times (tiles, K); counts are C, K and tiles.

    patches and gradients: address, and the steps from one place to the next, and to the next panel, or tile.
    """
    C, K, tiles = counts
    size, width = element_size(zero), lanes(zero)
    for place in range(WEIGHTS * WEIGHTS):
        k = 0
        while k < K:
            columns, tall = columns_of(K - k, width), rows_of(tall_form(zero))
            beside = (gradients[0] + k * size, gradients[1], gradients[2])
            target = (sums[0] + place * sums[1] + k * size, WEIGHTS * WEIGHTS * sums[1])
            if columns > 2 * width:
                _add_columns(form(zero, full_rows(zero), VECTORS), scheme, place, C, tiles, patches, beside, target)
            elif columns > width and -(-C // full_rows(zero)) * full_rows(zero) < -(-C // tall) * tall:
                _add_columns(form(zero, full_rows(zero), 2), scheme, place, C, tiles, patches, beside, target)
            elif columns > width:
                _add_columns(tall_form(zero), scheme, place, C, tiles, patches, beside, target)
            else:
                _add_columns(form(zero, full_rows(zero), 1), scheme, place, C, tiles, patches, beside, target)
            k += columns


@compiled
def _add_columns(kind, scheme, place, C, tiles, patches, gradients, sums):
    """All c with the k of a tile's columns, where the products of one place or several meet."""
    zero, t = zero_of(kind), zeros(kind)
    size, row = element_size(zero), VECTORS * lanes(zero) * element_size(zero)
    upper, left = products_with(scheme, place // WEIGHTS), products_with(scheme, place % WEIGHTS)
    for c in range(0, C, rows_of(kind)):
        last, target = min(rows_of(kind), C - c) - 1, sums[0] + c * sums[1]
        prefetch(t, target, sums[1], last)
        total = t
        for p in range(upper[0], upper[1], 2):
            for q in range(left[0], left[1], 2):
                panel = patches[0] + (cells_of(scheme) * p + q) * patches[1] + c * row
                line = gradients[0] + (sums_of(scheme) * sum_of(scheme, p) + sum_of(scheme, q)) * gradients[1]
                for begin in range(0, tiles, VECTORS * lanes(zero)):
                    address = panel
                    for _ in range(min(VECTORS * lanes(zero), tiles - begin)):
                        total = rank_one(total, address, row, rows_of(kind) - 1, line, None)
                        address += size
                        line += gradients[2]
                    panel += patches[2]
        store(added(total, load(t, target, sums[1], last, None)), target, sums[1], last, None)
