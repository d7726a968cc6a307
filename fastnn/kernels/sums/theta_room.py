"""What theta_rows.py and theta_cells.py need: their scratch, `room`, and their time. Tuples as in theta_rows.py."""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.sums.padded import copied_part

PACK = 9  # cycles to pack a row of a square of dz, as measured
# Cells of a panel: whole small images. 192 took 1 to 2 hundredths longer.
CELLS = 256
TALLEST = 12  # rows of any tile


@compiled
def layout(scratch, sizes, window, zero):
    """`room`, and the end of it."""
    _, C, K, _, _, _, _ = sizes
    vector, taps = lanes(zero) * element_size(zero), C * window[0] * window[1]
    sums = -(-scratch // LINE) * LINE
    panel = sums + taps * -(-K // lanes(zero)) * vector
    places = panel + CELLS * VECTORS * vector
    runs = places + 8 * TALLEST
    table = runs + 16 * CELLS
    copy = -(-(table + 8 * taps) // LINE) * LINE
    samples, _, step_c, _ = copied_part(sizes, window, zero)
    return sums, panel, places, runs, table, copy, copy + samples * C * step_c


@compiled
def rows_bytes(sizes, window, zero):
    """The scratch of this way and of theta_cells.py's, whatever the image's layout: it grows with dtheta, not with m."""
    most = layout(0, sizes, window, zero)[6]
    if is_turned(sizes, window, zero):
        most = max(most, layout(0, turned(sizes), window, zero)[6])
    return most + LINE


@compiled
def _cycles(K, taps, zero):
    """Of a vector of cells."""
    return (-(-taps // full_rows(zero)) * full_rows(zero) + PACK) * lanes(zero) * -(-K // lanes(zero))


@compiled
def turned(sizes):
    """C and K have changed places."""
    return sizes[0], sizes[2], sizes[1], sizes[3], sizes[4], sizes[5], sizes[6]


@compiled
def are_single(sizes, window):
    """Whether windows are single cells, and each is met by one."""
    f_h, f_w, S_h, S_w, P_h, P_w, _, _ = window
    return f_h * f_w * S_h * S_w == 1 and P_h == 0 and P_w == 0 and sizes[3] == sizes[5] and sizes[4] == sizes[6]


@compiled
def is_turned(sizes, window, zero):
    """Whether lanes are channels, and rows k, if the cells of an image are neighbours."""
    return are_single(sizes, window) and _cycles(sizes[1], sizes[2], zero) < _cycles(sizes[2], sizes[1], zero)


@compiled
def cycles_by_rows(sizes, window, zero):
    """Of a vector of cells."""
    cycles = _cycles(sizes[2], sizes[1] * window[0] * window[1], zero)
    return _cycles(sizes[1], sizes[2], zero) if is_turned(sizes, window, zero) else cycles
