"""Bands of rows with a channel in each lane, for channel_lanes.py and channel_theta.py.

Squares of channels and cells are transposed (sample_turns.py), so that a cell of as many channels as there are lanes is one
vector. Large images are taken band by band. Above and below the image rows are zeros.

A grid is what one array has of a band:
    address of row 0, though it may lie before the band; the step from one row to the next; how many cells a row has
"""

from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.tiles import store, tile
from fastnn.kernels.sums.planes import evenly
from fastnn.kernels.sums.sample_turns import STAGED, copy_lines, from_lanes, in_one_set, into_lanes, stage_step

BAND_BYTES = 128 * 1024  # of a band: it stays in the second-level cache, and rows that two bands meet are turned twice
MOST_BYTES = 512 * 1024  # of a band that has the least rows
ALONE = 2  # cells of a square that are taken one by one


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
    begin, end = min(max(first, 0), H), max(min(behind, H), 0)
    clear(first, min(behind, begin), grid, zero)
    clear(max(end, first), behind, grid, zero)
    size, (staged, together, length) = element_size(zero), _runs(begin, end, source[1], grid, zero)
    for i in range(begin, end, together):
        place, target, count = (source[0] + i * W * size, source[1]), cells + i * line, min(together, end - i) * W
        if staged:
            copied = stage, stage_step(zero)
            copy_lines((some, 1, count), (place[0], place[1], 0), (copied[0], copied[1], 0), zero)
            place = copied
        for x in range(0, count, length):
            _line_in(place, some, target, min(length, count - x), zero)
            place, target = (place[0] + length * size, place[1]), target + line


@compiled
def turn_out(rows, grid, some, target, stage, zero):
    """Lanes -> rows: target is the address of a channel's row 0 and the step to the next's."""
    (begin, end), (cells, line, W) = rows, grid
    size, (staged, together, length) = element_size(zero), _runs(begin, end, target[1], grid, zero)
    for i in range(begin, end, together):
        place, source = (target[0] + i * W * size, target[1]), cells + i * line
        there, count = (stage, stage_step(zero)) if staged else place, min(together, end - i) * W
        for x in range(0, count, length):
            _line_out(source, (there[0] + x * size, there[1]), some, min(length, count - x), zero)
            source += line
        if staged:
            copy_lines((some, 1, count), (stage, stage_step(zero), 0), (place[0], place[1], 0), zero)


@compiled
def _runs(begin, end, apart, grid, zero):
    """Whether lines of cells so many bytes apart are staged; rows that are turned at a time; and cells of a run of them."""
    _, line, W = grid
    staged, together, length = in_one_set(apart) and W <= STAGED, end - begin, W
    if staged:
        together = STAGED // W
    if line == W * lanes(zero) * element_size(zero):
        length *= min(together, end - begin)
    return staged, max(1, together), length


@compiled
def _line_in(place, some, target, count, zero):
    """A run of cells. A square with few is nearly empty: 7 x 7 cells are three squares and one cell."""
    size, alone = element_size(zero), count % lanes(zero)
    step = lanes(zero) * size
    alone = alone if alone <= ALONE else 0
    into_lanes(place, some - 1, target, step, count - alone, zero)
    for x in range(count - alone, count):
        for k in range(some):
            write(read(zero, place[0] + k * place[1] + x * size), target + x * step + k * size)


@compiled
def _line_out(source, target, some, count, zero):
    size, alone = element_size(zero), count % lanes(zero)
    step = lanes(zero) * size
    alone = alone if alone <= ALONE else 0
    from_lanes(source, step, target, some - 1, count - alone, zero)
    for x in range(count - alone, count):
        for k in range(some):
            write(read(zero, source + x * step + k * size), target[0] + k * target[1] + x * size)


@compiled
def clear(first, behind, grid, zero):
    """0 for some rows."""
    step = lanes(zero) * element_size(zero)
    for i in range(first, behind):
        for j in range(grid[2]):
            store(tile(zero, 1, 1), grid[0] + i * grid[1] + j * step, 0, 0, None)
