"""Panels of patches: row t holds what tap t meets under some output pixels, which run on over the ends of rows and samples.

A vector of pixels is put together from the runs in which its cells are neighbours in the planes, the same runs for each tap:
only the tap's offset differs. Later runs are loaded first, and each earlier one lays its lanes over them, so that a mask is a
number of lanes. What a run reads before its own lanes lies between its predecessors, so inside the planes.
"""

from fastnn.kernels.jit import compiled
from fastnn.kernels.tiles import (
    element_size,
    lanes,
    load,
    overlaid,
    read_integer,
    store,
    tile,
    write_integer,
)

RUN_BYTES = 16  # of a run: its last lane + 1, and where lane 0 would be
KNOWN = 4  # runs of a vector for which the loop over taps keeps addresses and masks in registers


@compiled
def pack_patches(planes, table, taps, pixels, grid, panel, zero):
    """The patches of `pixels` = (first, behind) in rows of `panel` = (address, row step, where runs can be noted).

    grid = (output rows, W', and the steps in bytes from sample to sample and from row to row of a plane). The last vector's
    lanes behind the last pixel are 0.
    """
    target, step, runs = panel
    width = lanes(zero)
    for p in range(pixels[0], pixels[1], width):
        count = min(width, pixels[1] - p)
        found = _find_runs(p, count, grid, runs, element_size(zero))
        _pack_vector(planes, table, taps, found, runs, target, step, zero)
        target += width * element_size(zero)


@compiled
def pixel_offset(p, grid, size):
    """Where output pixel p is in the planes."""
    rows, W_out, step_n, step_h = grid
    n, rest = p // (rows * W_out), p % (rows * W_out)
    return n * step_n + rest // W_out * step_h + rest % W_out * size


@compiled
def _find_runs(p, count, grid, runs, size):
    """Note the runs of `count` pixels from p on; returns how many there are."""
    rows, W_out, step_n, step_h = grid
    i, j = p // W_out, p % W_out
    n, i = i // rows, i % rows
    lane, found, before = 0, 0, 0
    while lane < count:
        place = n * step_n + i * step_h + (j - lane) * size
        lane = min(count, lane + W_out - j)
        if found > 0 and place == before:
            found -= 1
        write_integer(lane, runs + found * RUN_BYTES)
        write_integer(place, runs + found * RUN_BYTES + 8)
        before = place
        found, j, i = found + 1, 0, i + 1
        if i == rows:
            n, i = n + 1, 0
    return found


@compiled
def _pack_vector(planes, table, taps, found, runs, target, step, zero):
    """One vector of each tap's row."""
    vector = tile(zero, 1, 1)
    last = runs + (found - 1) * RUN_BYTES
    end, place = read_integer(last), planes + read_integer(last + 8)
    if found == 1:
        for t in range(taps):
            store(load(vector, place + read_integer(table + 8 * t), 0, 0, end), target + t * step, 0, 0, None)
    elif found == 2:
        end_0, place_0 = read_integer(runs), planes + read_integer(runs + 8)
        for t in range(taps):
            offset = read_integer(table + 8 * t)
            store(overlaid(load(vector, place + offset, 0, 0, end), place_0 + offset, end_0), target + t * step, 0, 0, None)
    elif found <= KNOWN:
        second = runs + (found - 2) * RUN_BYTES
        end_2, place_2 = read_integer(second), planes + read_integer(second + 8)
        end_1, place_1 = read_integer(runs + RUN_BYTES), planes + read_integer(runs + RUN_BYTES + 8)
        end_0, place_0 = read_integer(runs), planes + read_integer(runs + 8)
        for t in range(taps):
            offset = read_integer(table + 8 * t)
            values = overlaid(load(vector, place + offset, 0, 0, end), place_2 + offset, end_2)
            values = overlaid(overlaid(values, place_1 + offset, end_1), place_0 + offset, end_0)
            store(values, target + t * step, 0, 0, None)
    else:
        for t in range(taps):
            offset = read_integer(table + 8 * t)
            values = load(vector, place + offset, 0, 0, end)
            for run in range(found - 2, -1, -1):
                values = overlaid(
                    values, planes + read_integer(runs + run * RUN_BYTES + 8) + offset, read_integer(runs + run * RUN_BYTES)
                )
            store(values, target + t * step, 0, 0, None)
