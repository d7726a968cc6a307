"""Whether winograd.py sums windows of 3 x 3: by the cycles that it takes, and by those of the sums as they stand."""

import numpy as np

from fastnn.constants import DIRECT, WINOGRAD
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.simd import VECTORS
from fastnn.kernels.sums.cycles import PEAK, correlate_cycles, gather_cycles
from fastnn.kernels.sums.planes import Sizes, Window, shape_of
from fastnn.kernels.winograd.winograd_schemes import BACK, ONE, WEIGHTS, grid_of, products_of, sums_of

# Of transformed weights: each panel reads all of them, from a third-level cache where they are many. With twice as many,
# 512 x 512 in float64, it took 2.5 times as long as `correlate`.
WEIGHT_BYTES = 16 * 1024 * 1024
# Cycles, as measured, by scheme: of a run's patches for each channel and its cells for each k, where it fills half a vector
# or more, and where not; of each (k, c) of theta. To store a tile takes as long as STORED more channels.
PATCH_CYCLES, CELL_CYCLES = ((75, 150, 80), (70, 115, 65)), ((35, 28, 110), (35, 26, 75))
WEIGHT_CYCLES, STORED = 30, 2
# With stride 2 less is to be had, and few channels in small images lose it to what is uncertain here.
MARGIN = (1.0, 0.92, 0.92)


@compiled
def can_be(scheme, algorithm, sizes, window, zero):
    """Whether `winograd` is right for these windows, and products are fewer, unless it is to be taken whatever it takes."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    S, grid = 1 if scheme == ONE else 2, grid_of(scheme, sizes)
    windows = sizes[3] * sizes[4] if scheme == BACK else sizes[5] * sizes[6]
    products = products_of(scheme) * products_of(scheme) * grid[0] * grid[1]
    wanted = algorithm == WINOGRAD or products < 9 * windows
    near = WEIGHTS * WEIGHTS * sizes[1] * sizes[2] * element_size(zero) <= WEIGHT_BYTES
    is_such = f_h == 3 and f_w == 3 and S_h == S and S_w == S and D_h * D_w == 1
    return algorithm != DIRECT and is_such and sizes[1] > 0 and wanted and near


@compiled
def runs_of(scheme, sizes, zero):
    """How many runs a sample has, and 1 if they fill less than half a vector, else 0."""
    grid, width = grid_of(scheme, sizes), lanes(zero)
    runs = grid[0] * -(-grid[1] // width) + grid[0] * grid[1] / (VECTORS * width)  # a panel's end cuts one in two
    return runs, 1 if 2 * grid[1] < width else 0


@shared
def sample_cycles(scheme: int, sizes: Sizes, window: Window, zero: float) -> tuple[np.float64, np.float64]:
    """A sample's time by `winograd` and by `correlate`."""
    _, C, K, _, _, _, _ = sizes
    width, rows, grid, (runs, short) = lanes(zero), full_rows(zero), grid_of(scheme, sizes), runs_of(scheme, sizes, zero)
    vectors = products_of(scheme) * products_of(scheme) * C + sums_of(scheme) * sums_of(scheme) * STORED
    products = 1.0 * vectors * -(-K // rows) * rows * grid[0] * grid[1] / width
    fewer = products / PEAK + runs * (PATCH_CYCLES[short][scheme] * C + CELL_CYCLES[short][scheme] * K)
    direct = gather_cycles(shape_of(1, sizes), window, zero) if scheme == BACK else correlate_cycles(sizes, window, zero)
    return fewer, direct


@shared
def takes(scheme: int, algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """Whether `winograd` sums windows: where it can, and, if it may choose, by the cycles of both.

    Callers ask `can_be` first: a network without such windows compiles none of this.
    """
    if not can_be(scheme, algorithm, sizes, window, zero):
        return 0
    if algorithm == WINOGRAD:
        return 1
    (fewer, direct), grid, rows = sample_cycles(scheme, sizes, window, zero), grid_of(scheme, sizes), full_rows(zero)
    unused = -(sizes[0] * grid[0] * grid[1]) % lanes(zero)
    lost = products_of(scheme) * products_of(scheme) * unused * -(-sizes[2] // rows) * rows / lanes(zero)
    once = 1.0 * sizes[1] * (WEIGHT_CYCLES * sizes[2] + lost)
    return 1 if sizes[0] * fewer + once < MARGIN[scheme] * sizes[0] * direct else 0
