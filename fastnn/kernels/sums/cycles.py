"""How long `correlate` takes, in cycles: one for a vector of products, and what was measured.

Tuples as in planes.py.
"""

import numpy as np

from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.sums.planes import Sizes, Window, halo, phases, plane_of, reached
from fastnn.kernels.sums.weights import rows_of_time

PEAK = 0.9  # of what the tile can, that products reach
# To copy a vector to a plane, and to put one of results in its place, where the stride is 1, 2 or more.
COPY_CYCLES, PUT_CYCLES = (5, 10, 40), (0, 20, 60)
# And of windows of one cell and stride 2 (spreading.py): a row, and a vector of it.
ROW_CYCLES, SPREAD_CYCLES = 12, 6


@compiled
def inside(axis, sizes, window):
    """Pairs of an output cell and a tap, along an axis, that meet a cell of the image."""
    pairs = 0
    for r in range(window[axis]):
        first, behind = reached(sizes[3 + axis], sizes[5 + axis], r * window[6 + axis] - window[4 + axis], window[2 + axis])
        pairs += behind - first
    return pairs


@compiled
def correlate_cycles(sizes, window, zero):
    """A sample's time by `correlate`: where some tap rows meet much padding they are left out, and columns never are."""
    _, C, K, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, _ = window
    width, met = lanes(zero), inside(0, sizes, window)
    rows = 1.0 * met if met * 8 < f_h * H_out * 7 and C * f_h * f_w <= BLOCK else 1.0 * f_h * H_out
    vectors = 1.0 * H_out * W_out / width
    if vectors > 7:  # with fewer, several samples go together (correlate.py)
        vectors = 1.0 * -(-H_out * W_out // width)
    products = rows / H_out * vectors * C * f_w * rows_of_time(K, zero) / PEAK
    if f_w == 1 and S_h == 1 and S_w == 1 and P_h == 0 and P_w == 0:
        return products
    return products + COPY_CYCLES[min(S_w, 3) - 1] * C * f_w * phases(f_h, S_h, D_h) * (H_out + halo(f_h, S_h, D_h)) * -(
        -W_out // width
    )


@shared
def gather_cycles(sizes: Sizes, window: Window, zero: float) -> np.float64:
    """A sample's time back to da by `correlate`, plane by plane."""
    if window[0] * window[1] == 1 and window[3] == 2:
        cycles = 1.0 * (ROW_CYCLES + SPREAD_CYCLES * -(-sizes[4] // lanes(zero))) * sizes[1] * sizes[3]
    else:
        cycles = 1.0 * PUT_CYCLES[min(window[3], 3) - 1] * sizes[1] * sizes[3] * sizes[4] / lanes(zero)
    for q_h in range(phases(window[0], window[2], window[6])):
        for q_w in range(phases(window[1], window[3], window[7])):
            turned, met, _, _ = plane_of(q_h, q_w, sizes, window)
            if turned[5] > 0 and turned[6] > 0:
                cycles += correlate_cycles(turned, met, zero)
    return np.float64(cycles)
