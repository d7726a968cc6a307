"""Products of matrices whose left side is read from images, one element for each row of a register tile, where lanes are k.

Some cells at a time go by all k, panel by panel of theta, and by a block of taps before they go by the next: what they meet
stays in the second-level cache, and so does the block. Their sums are put in their places panel by panel (cell_rows.py and
cell_rows_back.py say how). Tuples as in planes.py, and
    theta   address, and the steps from one k, channel, row and cell to the next
    bias    address, step, and the number of g
    room    addresses in scratch (`layout`)
    cells   address of what the first tap meets, and the steps in the image from one sample, row and cell to the next
    counts  samples, K, taps, H', W'
    runs    of taps: the address of their table, how many, the length of the first, the step from tap to tap
    panel   its address, that of its bias, sums, and cells; how many cells, how many of the next share a line, or 0
    soon    what will be written: the first cell's place, the steps from one sample, row and cell to the next, a cell's
            bytes; the first cell, how many a sample and a row have; a table of lines, from there, and how many
"""

from fastnn.kernels.arrays.memory import (
    ask_to_read,
    ask_to_write,
    element_size,
    read,
    read_integer,
    read_integers,
    write,
    write_integer,
)
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.products.packing import pack_panels
from fastnn.kernels.registers.forms import form, full_rows, half_rows, lanes, rows_of, tall_form, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, rank_one_at, store
from fastnn.kernels.sums.padded import copied_part, is_padded
from fastnn.kernels.sums.planes import evenly
from fastnn.kernels.sums.theta_rows import columns_of

Panel = tuple[int, int, int, int, int, int]
Runs = tuple[int, int, int, int]
Soon = tuple[int, int, int, int, int, int, int, int, int, int]

# Of what cells meet that go by all k: it stays in the second-level cache beside a block of theta.
CELLS_BYTES = 256 * 1024
# Of images, or of results: of less it is not asked for what comes next. Without, an image of 10 MB took 1.6 times as long
# with 48 k, and results of 5 MB a twentieth longer.
FAR_BYTES = 512 * 1024
RUN = 24  # channels that are a run: with each, what comes next is asked for
# As measured: the share of the tile's peak, and cycles of a tile beside its products.
PEAK, TILE_CYCLES = 0.95, 40


@compiled
def product_cycles(K, taps, zero):
    """Of a cell."""
    vectors = -(-K // lanes(zero))
    return taps * vectors / PEAK + TILE_CYCLES * -(-taps // BLOCK) * vectors / (full_rows(zero) * VECTORS)


@compiled
def _together(taps, zero):
    """How many cells go together, at most: whole tiles of any form."""
    rows = full_rows(zero) * VECTORS
    return max(1, CELLS_BYTES // (taps * element_size(zero) * rows)) * rows


@compiled
def layout(scratch, sizes, window, zero):
    """`room`: addresses of panels of theta, the bias, sums, cells, runs, the copy, and the end; and lines of results."""
    _, C, K, _, _, _, _ = sizes
    taps, row = C * window[0] * window[1], VECTORS * lanes(zero) * element_size(zero)
    panels = -(-scratch // LINE) * LINE
    bias = panels + -(-K // (VECTORS * lanes(zero))) * taps * row
    sums = bias + -(-K // (VECTORS * lanes(zero))) * row
    cells = sums + _together(taps, zero) * row
    table = cells + _together(taps, zero) * 8
    lines = table + 16 * taps
    copy, behind = -(-(lines + 8 * VECTORS * lanes(zero)) // LINE) * LINE, 0
    if is_padded(sizes, window):
        samples, _, step_c, _ = copied_part(sizes, window, zero)
        behind = samples * C * step_c
    return panels, bias, sums, cells, table, copy, copy + behind, lines


@compiled
def note_runs(C, window, image, table):
    """Writes where taps that lie evenly in the image begin, from the first one on, and their number: of a row, or a column
    of single cells, or of RUN channels; returns how many these are, the length of the first, and the step.

    An offset of each tap by itself took one more register than there are, and sums were spilled for it.
    """
    f_h, f_w, _, _, _, _, D_h, D_w = window
    if f_w > 1:
        for c in range(C):
            for r in range(f_h):
                _note_run(c * image[2] + r * D_h * image[3], f_w, table + 16 * (c * f_h + r))
        return C * f_h, f_w, D_w * image[4]
    if f_h > 1:
        for c in range(C):
            _note_run(c * image[2], f_h, table + 16 * c)
        return C, f_h, D_h * image[3]
    length, runs = evenly(C, RUN), 0
    for c in range(0, C, length):
        _note_run(c * image[2], min(length, C - c), table + 16 * runs)
        runs += 1
    return runs, length, image[2]


@compiled
def _note_run(place, length, entry):
    write_integer(place, entry)
    write_integer(length, entry + 8)


@compiled
def pack(shape, theta, bias, room, zero):
    """theta (K, C, f_h, f_w) by steps of any sign, as panels of k, a vector or three, whose rows are taps; and the bias."""
    K, C, f_h, f_w = shape
    first, step_k, step_c, step_h, step_w = theta
    size, row = element_size(zero), VECTORS * lanes(zero) * element_size(zero)
    taps, k, panel = C * f_h * f_w, 0, room[0]
    near = step_w == size and step_h == f_w * size and step_c == f_h * f_w * size
    together, step = (taps, size) if near else (f_w, step_w)
    if f_h * f_w == 1:
        together, step = C, step_c
    while k < K:
        columns = columns_of(K - k, lanes(zero))
        for part in range(taps // together):
            source = first + k * step_k + part // f_h * step_c + part % f_h * step_h
            pack_panels(source, step, step_k, together, columns, panel + part * together * row, 0, zero)
        beside = room[1] + (panel - room[0]) // taps
        for i in range(columns):
            write(read(zero, bias[0] + (k + i) * bias[1]), beside + i * size)
        k, panel = k + columns, panel + taps * row


@compiled
def sum_part(note, finish, counts, cells, out, runs, place, room, zero):
    """Whole images, or output rows of one. `note` lists which lines of results a panel has, and `finish` puts sums there;
    place is that of the first cell's results, the steps from one sample, row and cell to the next, and a cell's bytes.
    """
    m, K, taps, H_out, W_out = counts
    each, width, size = H_out * W_out, lanes(zero), element_size(zero)
    row, rows = VECTORS * width * size, full_rows(zero) * VECTORS
    together = -(-evenly(m * each, _together(taps, zero)) // rows) * rows
    asks = max(1, LINE // max(1, 2 * abs(cells[3]))) if m * abs(cells[1]) > FAR_BYTES else 0
    for p in range(0, m * each, together):
        count, k, panel = min(together, m * each - p), 0, room[0]
        _note_cells(cells, counts, (p, count), room[3], zero)
        while k < K:
            columns = columns_of(K - k, width)
            some = (panel, room[1] + (panel - room[0]) // taps, room[2], room[3], count, asks if k == 0 else 0)
            lines = note(out, (k, columns), room[7], zero) if m * abs(place[1]) > FAR_BYTES else 0
            soon = (place[0], place[1], place[2], place[3], place[4], p, each, W_out, room[7], lines)
            if columns > 2 * width:
                _sum_wide(some, (room[4], runs[0], runs[1], runs[2]), soon, zero)
            elif columns > width:
                _sum_tall(some, (room[4], runs[0], runs[1], runs[2]), soon, zero)
            else:
                _sum_narrow(some, (room[4], runs[0], runs[1], runs[2]), soon, zero)
            finish(out, (p, count, each, W_out), (k, columns), room[2], zero)
            k, panel = k + columns, panel + taps * row


@compiled
def _note_cells(cells, counts, block, table, zero):
    """Writes where each cell of a block lies, and, for whole tiles, where the last one does again."""
    (first, step_n, step_h, step_w), (_, _, _, H_out, W_out), (p, count) = cells, counts, block
    n, i, j = p // (H_out * W_out), p // W_out % H_out, p % W_out
    place, last = first + n * step_n + i * step_h + j * step_w, 0
    for x in range(count):
        write_integer(place, table + 8 * x)
        last, place, j = place, place + step_w, j + 1
        if j == W_out:
            i, j = i + 1, 0
            if i == H_out:
                n, i = n + 1, 0
            place = first + n * step_n + i * step_h
    rows = full_rows(zero) * VECTORS
    for x in range(count, -(-count // rows) * rows):
        write_integer(last, table + 8 * x)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _sum_wide(panel: Panel, runs: Runs, soon: Soon, zero: float) -> None:
    _sum_panel(form(zero, full_rows(zero), VECTORS), form(zero, half_rows(zero), VECTORS), panel, runs, soon)


@tiled
def _sum_tall(panel: Panel, runs: Runs, soon: Soon, zero: float) -> None:
    _sum_panel(tall_form(zero), form(zero, half_rows(zero), 2), panel, runs, soon)


@tiled
def _sum_narrow(panel: Panel, runs: Runs, soon: Soon, zero: float) -> None:
    _sum_panel(form(zero, full_rows(zero), 1), form(zero, half_rows(zero), 1), panel, runs, soon)


@compiled
def _sum_panel(kind, low, panel, runs, soon):
    """All cells with the k of a panel. What few are left take lower tiles."""
    (above, _, _, _, count, _), (table, number, length, step) = panel, runs
    zero, near = zero_of(kind), max(1, LINE // max(1, abs(step)))
    together = evenly(number, max(1, BLOCK // length))
    for first in range(0, number, together):
        row, here = 0, min(together, number - first)
        some = (table + 16 * first, here, step, near, -(-soon[9] // here), first == 0)
        asked = soon if first + together >= number else (0, 0, 0, 0, 0, 0, 1, 1, 0, 0)
        weights = above + first * length * VECTORS * lanes(zero) * element_size(zero)
        while row < count:
            if count - row > rows_of(kind) - rows_of(low):
                _sum_tile(kind, row, weights, some, panel, asked)
                row += rows_of(kind)
            else:
                _sum_tile(low, row, weights, some, panel, asked)
                row += rows_of(low)


@inlined
def _sum_tile(kind, row, weights, runs, panel, soon):
    """A block of taps of as many cells as a tile has rows. A few lines are asked for at a time: more than a cache waits for
    would be waited for here.
    """
    (_, bias, sums, cells, count, asks), (table, number, step, near, share, first) = panel, runs
    zero, t = zero_of(kind), zeros(kind)
    below, last = VECTORS * lanes(zero) * element_size(zero), min(rows_of(kind), count - row) - 1
    places, total = read_integers(cells + 8 * row, rows_of(kind)), t
    (place, length), behind = _place_of(soon, row, rows_of(kind)), min(count, row + 2 * rows_of(kind))
    done = 0 if length > 0 else soon[9]
    for run in range(number):
        offset, taps = read_integer(table + 16 * run), read_integer(table + 16 * run + 8)
        if done < soon[9]:
            done = _ask_for_results(place, length, soon, done, share)
        x = row + rows_of(kind)
        while asks > 0 and x < behind:  # a `range` would divide
            tap = 0
            while tap < taps:
                ask_to_read(read_integer(cells + 8 * x) + offset + tap * step)
                tap += near
            x += asks
        for _ in range(taps):
            total = rank_one_at(total, places, offset, weights, None)
            offset += step
            weights += below
    so_far, apart = (bias, 0) if first else (sums + row * below, below)
    total = added(total, load(t, so_far, apart, last, None))
    store(total, sums + row * below, below, last, None)


@compiled
def _place_of(soon, row, rows):
    """Where the results of a tile's first cell lie, and their bytes, if its cells are of one row; 0 for the second
    of two tiles that share a line.
    """
    first, step_n, step_h, step_w, each_cell, p, each, W_out, _, lines = soon
    length = (rows - 1) * step_w + each_cell
    if lines == 0 or (2 * length <= LINE and row // rows % 2 == 1):
        return 0, 0
    n, cell = (p + row) // each, (p + row) % each
    return first + n * step_n + cell // W_out * step_h + cell % W_out * step_w, length


@compiled
def _ask_for_results(place, length, soon, done, share):
    """For some more lines of a tile's results; returns how many it has asked for."""
    behind = min(soon[9], done + share)
    for line in range(done, behind):
        for x in range(0, length, LINE):
            ask_to_write(place + x + read_integer(soon[8] + 8 * line))
    return behind
