"""Which engine sums windows: by the cycles that each takes, one for a vector of products, and for what else was measured.

Tuples as in planes.py. `back` is 1 for da, whose sizes and window are the forward pass's, and 0 for z.
"""

import numpy as np

from fastnn.constants import BY_LANES, BY_ROWS, FEWEST, FEWEST_BACK, FEWEST_LIMIT, GATHERED, SAMPLES, SCATTERED, WINOGRAD
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import full_rows, half_rows, lanes, wide_rows
from fastnn.kernels.sums.cell_rows import can_be_rows, cell_rows_cycles
from fastnn.kernels.sums.cell_rows_back import apart_cycles, are_apart
from fastnn.kernels.sums.cropping import cropped
from fastnn.kernels.sums.cycles import correlate_cycles, gather_cycles, inside
from fastnn.kernels.sums.planes import Images, Sizes, Window, phases, shape_of
from fastnn.kernels.sums.sample_lanes import least_bytes
from fastnn.kernels.sums.scatter import tile_rows
from fastnn.kernels.sums.single_cells import can_be_cells
from fastnn.kernels.sums.theta_gradient import is_by_lanes
from fastnn.kernels.sums.weights import LOW, are_wide
from fastnn.kernels.winograd.winograd_choices import can_be, sample_cycles, takes
from fastnn.kernels.winograd.winograd_schemes import scheme_of, way_back

# Cycles, as measured: of `sum_samples`, to turn a vector, and of a tile's rows k of a cell beside their products.
TURN_CYCLES, CELL_CYCLES = 10, 65
# Of `scatter`, whose products reach SCATTER_PEAK: a tile, of so many vectors in the mean, beside these; a row of da, of a
# channel and a kind of columns, and a cell of it where the stride is 3 or more; a vector that is added. Where C fills more
# than half a tile of `correlate`, which a network has compiled already, it must be faster by what is uncertain: 10 and 12
# channels took 0.84 of the time where 0.9 was expected.
SCATTER_PEAK, SCATTER_TILE, SCATTER_VECTORS, SCATTER_PUT, SCATTER_CELL, SCATTER_SUM = 0.77, 130, 5, 26, 2.6, 5.2
SCATTER_MARGIN = 0.92
# `sum_cell_rows` must be faster than `correlate`, which most networks have compiled, by more than what is uncertain here.
CELLS_MARGIN = 0.95
# Of what a row of results needs, with its weights: where it is more, which leaves no room for them in a second-level cache
# of 1 MB, vectors take twice as long to turn.
NEAR_BYTES = 512 * 1024
# `sum_samples` takes 2 s to compile: for these it must be faster by more than what is uncertain here, and save 15 us a call,
# which 150,000 calls make up for. LeNet's da of 16 samples saves twice as much, its epoch of 60,000 images a seventh.
MARGIN, LEAST_CYCLES = 0.92, 5e4


@compiled
def _scatter_cycles(sizes, window, zero):
    """A sample's time by `scatter`: rows that meet all taps go together, others one by one."""
    _, C, K, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, _, D_h, D_w = window
    width, kinds, kinds_w, rows = lanes(zero), phases(f_h, S_h, D_h), phases(f_w, S_w, D_w), tile_rows(C * f_w)
    whole, tiles, single, apart = 0.0, 0.0, 1.0 * inside(0, sizes, window), max(1, kinds * D_h // S_h)
    for q in range(kinds):
        taps, begin, behind = (f_h - q + kinds - 1) // kinds, -((q * D_h - P_h) // S_h), (H - 1 + P_h - q * D_h) // S_h + 1
        count = max(0, min(behind, H_out) - max((taps - 1) * apart, begin))
        whole, single = whole + 1.0 * taps * count * W_out / width, single - taps * count
        tiles += 1 + count * W_out / (SCATTER_VECTORS * width) + (behind - begin - count) * -(-W_out // (2 * width))
    products = -(-C * f_w // rows) * rows * K * (whole + max(0.0, single) * -(-W_out // width))
    sums = SCATTER_SUM * -(-W // (S_w * width)) * f_w + SCATTER_PUT * kinds_w + (SCATTER_CELL * W if S_w > 2 else 0.0)
    return products / SCATTER_PEAK + -(-C * f_w // rows) * SCATTER_TILE * tiles + 1.0 * H * C * sums


@tiled
def scatters(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `scatter` takes the place of `correlate`, or of `winograd`: by the cycles of a sample."""
    _, f_w, S_h, S_w, P_h, P_w, _, _ = window
    if f_w == 1 and S_h == 1 and S_w == 1 and P_h == 0 and P_w == 0:
        return 0  # dz is its own plane
    scheme, turned, met = way_back(sizes, window)
    if can_be(scheme, algorithm, turned, met, zero) and takes(scheme, algorithm, turned, met, zero) != 0:
        other = sample_cycles(scheme, turned, met, zero)[0]
        return 1 if algorithm != WINOGRAD and _scatter_cycles(sizes, window, zero) < other else 0
    most = 1.0 if half_rows(zero) >= sizes[1] else SCATTER_MARGIN
    return 1 if _scatter_cycles(sizes, window, zero) < most * gather_cycles(sizes, window, zero) else 0


@tiled
def takes_cell_rows(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `sum_cell_rows` takes the place of `correlate` and of `winograd`: by the cycles of a sample.

    Where cells are neighbours, a vector of them is copied at once.
    """
    if window[2] * window[3] == 1 or algorithm == WINOGRAD or not can_be_rows(sizes, window, zero):
        return 0
    cycles, scheme = cell_rows_cycles(sizes, window, zero), scheme_of(window)
    if can_be(scheme, algorithm, sizes, window, zero) and sample_cycles(scheme, sizes, window, zero)[0] <= cycles:
        return 0
    return 1 if cycles < CELLS_MARGIN * correlate_cycles(sizes, window, zero) else 0


@tiled
def takes_apart(algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `spread_cell_rows` takes the place of both on the way back to da: by the cycles of a sample, where it can."""
    if algorithm == WINOGRAD or not are_apart(sizes, window):
        return 0
    cycles = apart_cycles(sizes, window, zero)
    return 1 if cycles < min(gather_cycles(sizes, window, zero), _scatter_cycles(sizes, window, zero)) else 0


@compiled
def _other_cycles(back, algorithm, sizes, window, zero):
    """A sample's time by the engine that would be taken instead of `sum_samples`, and by the slowest of them: which one it
    is depends on how many samples there are.
    """
    scheme, turned, met = way_back(sizes, window) if back else (scheme_of(window), sizes, window)
    direct = gather_cycles(sizes, window, zero) if back else correlate_cycles(sizes, window, zero)
    if not back and takes_cell_rows(algorithm, sizes, window, zero) != 0:
        cells = cell_rows_cycles(sizes, window, zero)
        return cells, max(cells, direct)
    if back and takes_apart(algorithm, sizes, window, zero) != 0:
        cells = apart_cycles(sizes, window, zero)
        return cells, max(cells, direct, _scatter_cycles(sizes, window, zero))
    taken = slowest = direct
    if can_be(scheme, algorithm, turned, met, zero):
        fewer = sample_cycles(scheme, turned, met, zero)[0]
        taken, slowest = fewer if takes(scheme, algorithm, turned, met, zero) != 0 else direct, max(fewer, direct)
    if back:
        scattered = _scatter_cycles(sizes, window, zero)
        taken = scattered if scatters(algorithm, sizes, window, zero) != 0 else taken
        slowest = max(slowest, scattered)
    return taken, slowest


@compiled
def _samples_cycles(back, sizes, window, zero):
    """The time of a vector's samples by `sum_samples`."""
    shape = shape_of(back, sizes)
    _, C, K, H, W, H_out, W_out = shape
    tiles = -(-K // full_rows(zero))
    rows = wide_rows(zero) if are_wide(K, zero) else tiles * full_rows(zero)
    products = 1.0 * inside(0, sizes, window) * inside(1, sizes, window) * C * rows
    read = min(H, H_out * window[0] * window[2] if back else H_out * window[0])
    turned = 1.0 * TURN_CYCLES * (C * read * W + K * H_out * W_out)
    weights = C * K * window[0] * window[1] * element_size(zero)
    if least_bytes(back, shape, window, zero) + weights + W_out * K * lanes(zero) * element_size(zero) > NEAR_BYTES:
        turned *= 2
    return products + turned + 1.0 * CELL_CYCLES * tiles * H_out * W_out


@compiled
def _can_take_samples(back, algorithm, sizes, window, zero):
    """Whether `sum_samples` is right for these windows: few rows k would leave most of a tile unused, and for windows of one
    cell there is `sum_cells`.
    """
    _, C, K, H, W, H_out, W_out = shape = shape_of(back, sizes)
    if algorithm == WINOGRAD or window[0] * window[1] > BLOCK or C * K * H * W * H_out * W_out == 0:
        return False
    if algorithm == SAMPLES:
        return True
    return K > LOW and least_bytes(back, shape, window, zero) <= NEAR_BYTES and not can_be_cells(shape, window, zero)


@tiled
def may_take_samples(back: int, algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `in_lanes` finds some among some number of samples: whole vectors at least, beside the slowest."""
    if not _can_take_samples(back, algorithm, sizes, window, zero):
        return 0
    if algorithm == SAMPLES:
        return 1
    slowest = _other_cycles(back, algorithm, sizes, window, zero)[1]
    return 1 if _samples_cycles(back, sizes, window, zero) < MARGIN * lanes(zero) * slowest else 0


@tiled
def fewest_in_lanes(back: int, algorithm: int, sizes: Sizes, window: Window, image: Images, out: Images, zero: float) -> int:
    """Of how many samples at least `sum_samples` takes a vector, by the cycles of both; more than fill it where none is.

    Rows of an image lie one behind the other.
    """
    shape, size, most = shape_of(back, sizes), element_size(zero), lanes(zero)
    if image[4] != size or out[4] != size or image[3] != shape[4] * size or out[3] != shape[6] * size:
        return most + 1
    if algorithm != SAMPLES and sizes[0] * 4 < most:  # so few are not worth the thought
        return most + 1
    if not _can_take_samples(back, algorithm, sizes, window, zero):
        return most + 1
    if algorithm == SAMPLES:
        return 1
    vector, other = _samples_cycles(back, sizes, window, zero), _other_cycles(back, algorithm, sizes, window, zero)[0]
    if vector >= MARGIN * most * other:  # also where windows meet padding alone, and `other` is 0
        return most + 1
    fewest, rest = int(vector / (MARGIN * other)) + 1, sizes[0] % most
    saved = sizes[0] // most * (most * other - vector) + (rest * other - vector if rest >= fewest else 0.0)
    return fewest if saved > LEAST_CYCLES else most + 1


@compiled
def in_lanes(back, algorithm, sizes, window, image, out, zero):
    """How many samples `sum_samples` takes: whole vectors, from the first on, and what is left if it is enough for another.

    A network's table says how many are enough. All or none of 17 samples would take twice the time of 16, or half as much
    again as 16 and one.
    """
    fewest = algorithm // (FEWEST_BACK if back else FEWEST) % FEWEST_LIMIT
    if fewest == 0:
        fewest = fewest_in_lanes(back, algorithm, sizes, window, image, out, zero)
    rest = sizes[0] % lanes(zero)
    return 0 if fewest > lanes(zero) else sizes[0] - (rest if rest < fewest else 0)


def known(algorithm: int, sizes: Sizes, window: Window, image: Images, grid: Images, zero: np.floating) -> int:
    """What is noted of these sizes, for any number of samples up to theirs: fewer go the way of all. In Python.

    Whether to scatter depends on that number only beside `winograd`.
    """
    window, _, _ = cropped(sizes, window)
    noted = algorithm + FEWEST * fewest_in_lanes(0, algorithm, sizes, window, image, grid, zero)
    noted += FEWEST_BACK * fewest_in_lanes(1, algorithm, sizes, window, grid, image, zero)
    noted += BY_LANES if is_by_lanes(sizes, window, zero) else BY_ROWS
    scheme, turned, met = way_back(sizes, window)
    if can_be(scheme, algorithm, turned, met, zero):
        return noted
    return noted + (SCATTERED if scatters(algorithm, sizes, window, zero) else GATHERED)
