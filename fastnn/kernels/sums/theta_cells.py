"""dtheta of windows of one cell, with stride 1 and no padding, by the panels and tiles of theta_rows.py.

Both sides are alike, and what is packed is the image where that takes less: 16 channels and 96 k took half as long again
otherwise. The sums, and their order, are the same. Tuples as in theta_rows.py.
"""

from fastnn.kernels.arrays.memory import ask_to_read, element_size, read_integer, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import form, full_rows, half_rows, lanes, tall_form, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, rank_one_at, store, tile
from fastnn.kernels.sums.planes import Images, Sizes, Window
from fastnn.kernels.sums.theta_room import are_single, is_turned, layout, turned
from fastnn.kernels.sums.theta_rows import (
    Ahead,
    Gradients,
    Lines,
    Room,
    Rows,
    add,
    add_panel,
    clear,
    sums_by_rows,
)


@compiled
def takes_cells(sizes, window, image, zero):
    """Whether windows are single cells of images whose cells are neighbours."""
    size = element_size(zero)
    return are_single(sizes, window) and image[4] == size and image[3] == sizes[4] * size


@tiled
def theta_of_cells(sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float) -> None:
    """All samples of one group, where `takes_cells` says so."""
    size, width, line = element_size(zero), lanes(zero), sizes[4] * element_size(zero)
    turns = is_turned(sizes, window, zero)
    if turns:
        sizes, image, dz = turned(sizes), (dz[0], dz[1], dz[2], line, size), (image[0], image[1], image[2])
    m, C, K, _, _, H, W = sizes
    room, row = layout(scratch, sizes, window, zero), -(-K // width) * width * size
    clear((room[0], room[1]), zero)
    for c in range(C):
        write_integer(c * image[2], room[4] + 8 * c)
    cells, panels = (image[0], image[1], image[3], size), (_add_wide, _add_tall, _add_narrow)
    add(panels, cells, (m, K, C, H, W), dz, (room[0], row), room, zero)
    if turns:
        _put(K, C, (room[0], row), out, zero)
    else:
        sums_by_rows(K, C, (room[0], row), out, zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _add_wide(lines: Lines, taps: int, sums: Rows, room: Room, soon: Ahead, zero: float) -> None:
    low = form(zero, half_rows(zero), VECTORS)
    add_panel(_add_tile, form(zero, full_rows(zero), VECTORS), low, lines, taps, sums, room, soon)


@tiled
def _add_tall(lines: Lines, taps: int, sums: Rows, room: Room, soon: Ahead, zero: float) -> None:
    add_panel(_add_tile, tall_form(zero), form(zero, half_rows(zero), 2), lines, taps, sums, room, soon)


@tiled
def _add_narrow(lines: Lines, taps: int, sums: Rows, room: Room, soon: Ahead, zero: float) -> None:
    narrow = form(zero, full_rows(zero), 1)
    add_panel(_add_tile, narrow, narrow, lines, taps, sums, room, soon)


@compiled
def _add_tile(kind, places, lines, block, target, later):
    """One tile over the cells of a panel. It asks for what its taps meet next, a line of each amid as many products:
    without, where few k meet what comes from far away, they took a fifth to a third longer.
    """
    zero, t = zero_of(kind), zeros(kind)
    (first, step, runs), (panel, table), (place, row, last), (beyond, offsets) = lines, block, target, later
    total = t
    for x in range(runs):
        source, left = first + read_integer(table + 16 * x), read_integer(table + 16 * x + 8)
        while left > 0:
            if beyond != 0 and left >= LINE // element_size(zero):
                for r in range(last + 1):
                    ask_to_read(beyond + read_integer(offsets + 8 * r))
                beyond += LINE
            for _ in range(min(left, LINE // element_size(zero))):
                total = rank_one_at(total, places, source, panel, None)
                source += step
                panel += VECTORS * lanes(zero) * element_size(zero)
            left -= LINE // element_size(zero)
    store(added(total, load(t, place, row, last, None)), place, row, last, None)


@compiled
def _put(C, K, sums, out, zero):
    """Sums -> dtheta where lanes are channels."""
    width, vector = lanes(zero), tile(zero, 1, 1)
    for k in range(K):
        for c in range(0, C, width):
            offset, count = c * element_size(zero), min(width, C - c)
            store(load(vector, sums[0] + k * sums[1] + offset, 0, 0, count), out[0] + k * out[1] + offset, 0, 0, count)
