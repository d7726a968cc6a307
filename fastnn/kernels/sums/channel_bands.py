"""Bands of rows with a channel in each lane, for channel_lanes.py and channel_theta.py.

Squares of channels and cells are transposed (sample_turns.py), so that a cell of as many channels as there are lanes is one
vector. Large images are taken band by band. Above and below the image rows are zeros.

A grid is what one array has of a band:
    address of row 0, though it may lie before the band; the step from one row to the next; how many cells a row has
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.tiles import store, tile
from fastnn.kernels.sums.planes import evenly
from fastnn.kernels.sums.sample_turns import deliver, fill

BAND_BYTES = 256 * 1024  # of a band: it stays in the second-level cache, and rows that two bands meet are turned twice
MOST_BYTES = 512 * 1024  # of a band that has the least rows


@compiled
def row_step(W, zero):
    """From one row to the next. Rows of whole vectors of cells, which need not be turned with the next ones, lie one cell
    apart: rows of 64 cells would lie in one set of the first-level cache.
    """
    return (W + (1 if W % lanes(zero) == 0 else 0)) * lanes(zero) * element_size(zero)


@compiled
def band_rows(rows, least, fixed, each):
    """How many of so many rows go together, in multiples of `least`: bytes are `fixed` and `each` for one of them."""
    most = max(1, (BAND_BYTES - fixed) // each // least) * least
    return rows if rows <= most else -(-evenly(rows, most) // least) * least


@compiled
def turn_in(rows, H, source, some, grid, stage, zero):
    """Rows -> lanes: source is the address of a channel's row 0 and the step to the next's. Those beside the image are 0."""
    (first, behind), (cells, line, W) = rows, grid
    step = lanes(zero) * element_size(zero)
    begin, end = min(max(first, 0), H), max(min(behind, H), 0)
    _clear(first, min(behind, begin), grid, zero)
    _clear(max(end, first), behind, grid, zero)
    turns = (cells, 0, 0, stage, 0), (step, line, 0, 0), (H, 0, 0)
    shape, place = (1, 1, 1, H, W), (source[0], source[1], 0)
    if line == W * step:
        fill((begin, end), place, some, shape, turns, zero)
    else:
        for i in range(begin, end):
            fill((i, i + 1), place, some, shape, turns, zero)


@compiled
def _clear(first, behind, grid, zero):
    step = lanes(zero) * element_size(zero)
    for i in range(first, behind):
        for j in range(grid[2]):
            store(tile(zero, 1, 1), grid[0] + i * grid[1] + j * step, 0, 0, None)


@compiled
def turn_out(rows, grid, some, target, stage, zero):
    """Lanes -> rows: target is the address of a channel's row 0 and the step to the next's."""
    (first, behind), (cells, line, W) = rows, grid
    size = element_size(zero)
    step = lanes(zero) * size
    if line == W * step:
        turns = (0, cells + first * line, 0, stage, 0), (0, 0, step, 0), (0, 0, 0)
        deliver((some, 1, (behind - first) * W), (target[0] + first * W * size, target[1], 0), turns, zero)
    else:
        for i in range(first, behind):
            turns = (0, cells + i * line, 0, stage, 0), (0, 0, step, 0), (0, 0, 0)
            deliver((some, 1, W), (target[0] + i * W * size, target[1], 0), turns, zero)
