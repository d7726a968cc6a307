"""dtheta_kt = sum over samples and output cells of dz_k(n,i,j) patch_t(n,i,j), in one of two ways.

    by lanes   (theta_lanes.py) where k or taps are few: lanes are output cells, both sides are vectors, and each (k, t)
               keeps a vector of partial sums in scratch, whose lanes are added up once, at the end
    by rows    (theta_rows.py) else: lanes are k; theta_cells.py for windows of one cell

Tuples as in planes.py, and
    dz     address, and the steps from one sample and k to the next; cells of an image are neighbours
    out    address, and the step from one k to the next; its taps are neighbours
"""

from fastnn.constants import BY_LANES, BY_ROWS
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared, tiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.tiles import added, load, store_sums, tile
from fastnn.kernels.sums.planes import Sizes, Window
from fastnn.kernels.sums.theta_cells import takes_cells, theta_of_cells
from fastnn.kernels.sums.theta_lanes import cycles_by_lanes, lanes_bytes, sums_of_lanes, theta_by_lanes
from fastnn.kernels.sums.theta_room import cycles_by_rows, rows_bytes
from fastnn.kernels.sums.theta_rows import Gradients, theta_by_rows

# Of partial sums for which lanes are output cells: they stay in the second-level cache, or are near it. With 256 KB 8 k took
# 1.4 to 2.4 times as long where taps are more than 500, with 2 MB some a tenth longer.
SUMS_BYTES = 1024 * 1024


@shared
def is_by_lanes(sizes: Sizes, window: Window, zero: float) -> int:
    """Whether lanes are output cells: by the cycles of both ways, whatever the number of samples."""
    fewer = cycles_by_lanes(sizes, window, zero) < cycles_by_rows(sizes, window, zero)
    return 1 if fewer and sums_of_lanes(sizes, window, zero) <= SUMS_BYTES else 0


@compiled
def with_way(algorithm, sizes, window, zero):
    """The algorithm, and with it BY_LANES or BY_ROWS: what asks twice need not work it out twice."""
    if algorithm & (BY_LANES | BY_ROWS) != 0:
        return algorithm
    return algorithm + (BY_LANES if is_by_lanes(sizes, window, zero) != 0 else BY_ROWS)


@compiled
def gradient_bytes(algorithm, sizes, window, zero):
    """The scratch of `theta_gradient`: it grows with dtheta, not with m."""
    known = with_way(algorithm, sizes, window, zero)
    return lanes_bytes(sizes, window, zero) if known & BY_LANES != 0 else rows_bytes(sizes, window, zero)


@compiled
def theta_gradient(algorithm, sizes, window, image, dz, out, scratch, zero):
    """All samples of one group."""
    if with_way(algorithm, sizes, window, zero) & BY_LANES != 0:
        theta_by_lanes(sizes, window, image, dz, out, scratch, zero)
    elif takes_cells(sizes, window, image, zero):
        theta_of_cells(sizes, window, image, dz, out, scratch, zero)
    else:
        theta_by_rows(sizes, window, image, dz, out, scratch, zero)


@tiled
def bias_gradient(sizes: tuple[int, int, int], dz: Gradients, db: int, step: int, zero: float) -> None:
    """db_k, the sum of all dz_k: full_rows of them at a time, BLOCK vectors at a time from zero, and lanes at the end."""
    m, K, pixels = sizes
    size, width, full = element_size(zero), lanes(zero), full_rows(zero)
    t = tile(zero, full_rows(zero), 1)
    for k in range(0, K, full):
        last, total = min(full, K - k) - 1, t
        for n in range(m):
            place, rest = dz[0] + n * dz[1] + k * dz[2], pixels
            while rest > 0:
                part = t
                for _ in range(min(BLOCK, rest // width)):
                    part = added(part, load(t, place, dz[2], last, None))
                    place += width * size
                done = min(BLOCK, rest // width) * width
                if done == 0:
                    part, done = load(t, place, dz[2], last, rest), rest
                total = added(total, part)
                rest -= done
        store_sums(total, db + k * step, step, last)
