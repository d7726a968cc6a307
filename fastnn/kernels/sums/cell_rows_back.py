"""dz -> da of windows that do not overlap: each cell of da is one product of matrices, over k, and nothing is added up.

da_(n,c,iS+r-P,jS+s-P) = sum_k dz_k(n,i,j) theta_k(c,r,s): rows of a register tile are dz cells, and lanes the taps of theta,
which are neighbours (cell_rows.py, with dz for the image and taps for k). A cell's sums are runs of f_w cells of da, which
are written one by one where they are long; short ones are turned first, so that lanes are cells, which lie S_w apart.

Tuples as in cell_rows.py, and
    out     da's place, (H, W), f_h, f_w, S_h, S_w, P_h and P_w, and a place for a square of sums
    block   the first cell, how many, how many a sample has, and a row of one
    some    the first tap, and how many
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.lanes import load_lanes, store_lanes
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.cell_rows import PEAK, TILE_CYCLES, layout, note_runs, pack, sum_part
from fastnn.kernels.sums.planes import Images, Sizes, Window, reached
from fastnn.kernels.sums.results import put

SHORT = 3  # cells of a run that are turned
# Cycles, as measured: of a run of a cell, and of a tap of a vector of cells that are turned.
RUN_CYCLES, TURN_CYCLES = 4, 8
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
    width, vectors, f_w = lanes(zero), -(-taps // lanes(zero)), window[1]
    tiles = H_out * W_out * -(-K // BLOCK) * vectors / (full_rows(zero) * VECTORS)
    if f_w <= SHORT:
        placed = TURN_CYCLES * H_out * -(-W_out // width) * vectors * width
    else:
        placed = RUN_CYCLES * H_out * W_out * (taps // f_w * -(-f_w // width) + vectors // VECTORS)
    return 1.0 * H_out * W_out * K * vectors / PEAK + TILE_CYCLES * tiles + placed


@compiled
def apart_bytes(sizes, window, zero):
    """The scratch of `spread_cell_rows`: it grows with theta, not with m."""
    return _square(0, zero) + layout(0, as_cells(sizes, window), ONE, zero)[6] + LINE


@compiled
def _square(scratch, zero):
    """The end of a square of sums, and a zero."""
    return -(-scratch // LINE) * LINE + lanes(zero) * lanes(zero) * element_size(zero) + LINE


@tiled
def spread_cell_rows(sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float) -> None:
    """All samples of one group, where `are_apart`; cells of da that no window meets are 0 already, and a k's taps and the
    cells of a sample of dz are neighbours.
    """
    m, K, taps, H_out, W_out, _, _ = as_cells(sizes, window)
    square = -(-scratch // LINE) * LINE
    room = layout(_square(scratch, zero), as_cells(sizes, window), ONE, zero)
    nothing = square + lanes(zero) * lanes(zero) * element_size(zero)
    write(zero, nothing)
    pack((taps, K, 1, 1), (theta[0], element_size(zero), theta[1], 0, 0), (nothing, 0, IDENTITY), room, zero)
    runs, cells = note_runs(K, ONE, dz, room[4]), (dz[0], dz[1], dz[3], dz[4])
    steps = (window[0], window[1], window[2], window[3], window[4], window[5])
    out, others = (da, (sizes[3], sizes[4]), steps, square), (0, 0, 0, IDENTITY)
    if window[1] <= SHORT:
        sum_part(_turn, (m, taps, K, H_out, W_out), cells, out, runs, others, room, zero)
    else:
        sum_part(_spread, (m, taps, K, H_out, W_out), cells, out, runs, others, room, zero)


@compiled
def _row_of(block, x):
    """Sample, row and column of a cell of a block, and how many cells of the block follow in its row, with it."""
    p, count, each, W_out = block
    n, cell = (p + x) // each, (p + x) % each
    i, j = cell // W_out, cell % W_out
    return n, i, j, min(W_out - j, count - x)


@compiled
def _spread(out, block, some, sums, zero):
    """The sums of some taps -> da, a run of a row of a window at a time, of at most a vector."""
    (da, (H, W), (f_h, f_w, S_h, S_w, P_h, P_w), _), (tap, columns) = out, some
    size, step, width, x = element_size(zero), VECTORS * lanes(zero) * element_size(zero), lanes(zero), 0
    while x < block[1]:
        n, i, j, count = _row_of(block, x)
        t = 0
        while t < columns:
            s, y = (tap + t) % f_w, (tap + t) // f_w % f_h + i * S_h - P_h
            length, left = min(min(width, columns - t), f_w - s), j * S_w + s - P_w
            if 0 <= y < H:
                place = da[0] + n * da[1] + (tap + t) // (f_w * f_h) * da[2] + y * da[3] + left * size
                _put_runs((count, length, left, W), (sums + x * step + t * size, step), (place, S_w * size), zero)
            t += length
        x += count


@compiled
def _put_runs(counts, source, target, zero):
    """The same run of some cells of a row; what of the first and the last lies outside of the image is left out."""
    (count, length, left, W), (place, step), (cell, apart), vector = counts, source, target, tile(zero, 1, 1)
    size = element_size(zero)
    for j in range(count):
        x = left + j * (apart // size)
        if x >= 0 and x + length <= W:
            store(load(vector, place, 0, 0, length), cell, 0, 0, length)
        else:
            first, behind = max(0, -x), min(length, W - x)
            store_lanes(load_lanes(vector, place, first, behind), cell, first, behind)
        place += step
        cell += apart


@compiled
def _turn(out, block, some, sums, zero):
    """The same of short runs: squares are transposed, and then it is cells of a row that are put in their places."""
    (da, (H, W), (f_h, f_w, S_h, S_w, P_h, P_w), buffer), (tap, columns), square = out, some, tile(zero, lanes(zero), 1)
    size, width, x = element_size(zero), lanes(zero), 0
    step = VECTORS * width * size
    while x < block[1]:
        n, i, j, count = _row_of(block, x)
        count = min(count, width)
        for v in range(0, columns, width):
            values = transposed(load(square, sums + x * step + v * size, step, count - 1, None))
            store(values, buffer, width * size, width - 1, None)
            for t in range(min(width, columns - v)):
                c, r, s = (tap + v + t) // (f_w * f_h), (tap + v + t) // f_w % f_h, (tap + v + t) % f_w
                y, left = i * S_h + r - P_h, j * S_w + s - P_w
                first, behind = reached(W, count, left, S_w)
                if 0 <= y < H and first < behind:
                    place = da[0] + n * da[1] + c * da[2] + y * da[3] + (left + first * S_w) * size
                    here = buffer + (t * width + first) * size
                    put(here, 0, (1, behind - first), place, (0, S_w * size), False, zero)
        x += count
