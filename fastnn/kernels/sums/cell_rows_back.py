"""dz -> da of windows that do not overlap: each cell of da is one product of matrices, over k, and nothing is added up.

da_(n,c,iS+r-P,jS+s-P) = sum_k dz_k(n,i,j) theta_k(c,r,s): rows of a register tile are dz cells, and lanes the taps of theta,
which are neighbours (cell_panels.py, with dz for the image and taps for k). A cell's sums are runs of f_w cells of da.

Tuples as in cell_panels.py, and
    out     da's place, H and W; f, S and P
    block   the first cell, how many, how many a sample has, and a row of one
    some    the first tap, and how many
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import copy_few, element_size, write, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_lanes, store_lanes
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.cell_panels import layout, note_runs, pack, product_cycles, sum_part
from fastnn.kernels.sums.planes import Images, Sizes, Window

# Cycles, as measured: of a run of a cell, and of the same run of all cells of a row.
RUN_CYCLES, LINE_CYCLES = 2, 25
ONE = (1, 1, 1, 1, 0, 0, 1, 1)  # the window of dz


@compiled
def are_apart(sizes, window):
    """Whether no two windows meet, and there is anything to sum."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    _, C, K, _, _, H_out, W_out = sizes
    return f_h <= S_h and f_w <= S_w and D_h == 1 and D_w == 1 and f_h * f_w > 1 and C * K * H_out * W_out > 0


@compiled
def as_cells(sizes, window):
    """Sizes of the product: k in the place of channels, and taps of k."""
    m, C, K, _, _, H_out, W_out = sizes
    return m, K, C * window[0] * window[1], H_out, W_out, H_out, W_out


@compiled
def apart_cycles(sizes, window, zero):
    """A sample's time."""
    _, K, taps, _, _, H_out, W_out = as_cells(sizes, window)
    width, f_w = lanes(zero), window[1]
    runs = taps // f_w * -(-f_w // width) + -(-taps // width) // VECTORS
    return H_out * (W_out * product_cycles(taps, K, zero) + runs * (RUN_CYCLES * W_out + LINE_CYCLES))


@compiled
def apart_bytes(sizes, window, zero):
    """The scratch of `spread_cell_rows`: it grows with theta, not with m."""
    return LINE + layout(0, as_cells(sizes, window), ONE, zero)[6] + LINE


@tiled
def spread_cell_rows(sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float) -> None:
    """All samples of one group, where `are_apart`; cells of da that no window meets are 0 already, and a k's taps and the
    cells of a sample of dz are neighbours.
    """
    m, K, taps, H_out, W_out, _, _ = as_cells(sizes, window)
    room, nothing = layout(scratch + LINE, as_cells(sizes, window), ONE, zero), scratch
    write(zero, nothing)
    pack((taps, K, 1, 1), (theta[0], element_size(zero), theta[1], 0, 0), (nothing, 0, IDENTITY), room, zero)
    runs, cells = note_runs(K, ONE, dz, room[4]), (dz[0], dz[1], dz[3], dz[4])
    out = (da[0], da[1], da[2], da[3], da[4], sizes[3], sizes[4]), window[:2], window[2:4], window[4:6]
    first = da[0] - window[4] * da[3] - window[5] * da[4]
    place = (first, da[1], window[2] * da[3], window[3] * da[4], window[1] * da[4])
    sum_part(_note_lines, _spread, (m, taps, K, H_out, W_out), cells, out, runs, place, room, zero)


@compiled
def _note_lines(out, some, table, zero):
    """Each run has its own lines."""
    (_, _, step_c, step_h, _, _, _), f, _, _ = out
    behind, tap, lines = some[0] + some[1], some[0], 0
    while tap < behind:
        s = tap % f[1]
        write_integer(
            tap // (f[0] * f[1]) * step_c + tap // f[1] % f[0] * step_h + s * element_size(zero), table + 8 * lines
        )
        tap, lines = tap + f[1] - s, lines + 1
    return lines


@compiled
def _spread(out, block, some, sums, zero):
    """The sums of some taps -> da, a run of a window at a time, a vector at most, for a row of dz."""
    (da, f, S, P), (p, count, each, W_out), (tap, columns), x = out, block, some, 0
    size, width = element_size(zero), lanes(zero)
    step, begin = VECTORS * width * size, (tap // (f[0] * f[1]), tap // f[1] % f[0], tap % f[1])
    while x < count:
        n, cell = (p + x) // each, (p + x) % each
        i, j = cell // W_out, cell % W_out
        together, (c, r, s), t = min(W_out - j, count - x), begin, 0
        while t < columns:
            length, y, left = min(min(width, columns - t), f[1] - s), i * S[0] + r - P[0], j * S[1] + s - P[1]
            if 0 <= y < da[5]:
                place = da[0] + n * da[1] + c * da[2] + y * da[3] + left * size
                _put_runs((together, length, left, da[6]), (sums + x * step + t * size, step), (place, S[1]), zero)
            t, s = t + length, s + length
            if s == f[1]:
                r, s = r + 1, 0
                if r == f[0]:
                    c, r = c + 1, 0
        x += together


@compiled
def _put_runs(counts, source, target, zero):
    """The same run of some cells of a row; what of the first and the last lies outside of the image is left out."""
    (count, length, left, W), (place, step), (cell, S), size = counts, source, target, element_size(zero)
    first, behind = 0, count
    if left < 0 or left + (count - 1) * S + length > W:
        first, behind = min(count, -(min(0, left) // S)), max(0, min(count, (W - length - left) // S + 1))
        for j in range(count):
            if not first <= j < behind:
                here, begin, end = place + j * step, max(0, -left - j * S), min(length, W - left - j * S)
                values = load_lanes(tile(zero, 1, 1), here, begin, end)
                store_lanes(values, cell + j * S * size, begin, end)
    place, cell, until, apart = place + first * step, cell + first * S * size, place + behind * step, S * size
    if length == 2:
        while place < until:
            copy_few(zero, place, cell, 2)
            place, cell = place + step, cell + apart
    elif length == 3:
        while place < until:
            copy_few(zero, place, cell, 3)
            place, cell = place + step, cell + apart
    elif length == 4:
        while place < until:
            copy_few(zero, place, cell, 4)
            place, cell = place + step, cell + apart
    else:
        while place < until:
            store(load(tile(zero, 1, 1), place, 0, 0, length), cell, 0, 0, length)
            place, cell = place + step, cell + apart
