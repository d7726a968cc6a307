"""dtheta where k and taps are many: lanes are k, and a row of a register tile is a tap.

A panel of dz, some k and CELLS output cells at most, is packed transposed, and all taps go by it while it stays near. They
are read from the image where it is, one element for each row of the tile, along the rows of the output. Only where there is
padding, or cells of a row are not neighbours, it is copied first. Windows of one cell have a way of their own, in
theta_cells.py. Tuples as in theta_gradient.py, and
    cells   address of what the first tap meets, and the steps in the image from one sample, row and cell of dz to the next
    counts  samples, K, taps, H', W'
    room    addresses in scratch: sums, panel, the places of a tile's rows, runs, offsets of taps, the copy
    sums    address, step from tap to tap
    soon    address of dz that is packed next, the step from k to k, how many k, and the bytes of each; what the first tap of
            the next panel meets, or 0 where it is not met by the last k, or its cells are no neighbours
"""

from fastnn.kernels.arrays.memory import ask_to_read, element_size, read_integer, read_integers, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.products.packing import pack_panels
from fastnn.kernels.registers.forms import form, full_rows, half_rows, lanes, rows_of, tall_form, zero_of, zeros
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, rank_one_at, store, tile
from fastnn.kernels.sums.padded import clear, copied_part, copy_padded, is_padded
from fastnn.kernels.sums.planes import Images, Sizes, Window
from fastnn.kernels.sums.theta_room import CELLS, layout

Gradients = tuple[int, int, int]
Rows = tuple[int, int]
Lines = tuple[int, int, int]
Ahead = tuple[int, int, int, int, int]
Room = tuple[int, int, int, int, int, int, int]

SUMS_BYTES = 512 * 1024  # of sums that stay in the second-level cache


@tiled
def theta_by_rows(sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float) -> None:
    """All samples of one group."""
    size, width = element_size(zero), lanes(zero)
    m, C, K, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    room = layout(scratch, sizes, window, zero)
    samples, rows, step_c, step_h = copied_part(sizes, window, zero)
    source, copies = (room[5], C * step_c, step_c, step_h, size), is_padded(sizes, window) or image[4] != size
    if not copies:
        samples, rows, source = max(1, m), H_out, image
    if copies:
        clear(room[5], room[6], zero)
    for c in range(C):
        for r in range(f_h):
            for s in range(f_w):
                number = (c * f_h + r) * f_w + s
                write_integer(c * source[2] + r * D_h * source[3] + s * D_w * source[4], room[4] + 8 * number)
    taps, first = C * f_h * f_w, 0
    alone = samples >= m and rows == H_out and _are_alone(sizes, taps, zero)
    while first < K:
        count = columns_of(K - first, width) if alone else K
        row = -(-count // width) * width * size
        clear(room[0], room[0] + taps * row, zero)
        for n in range(0, m, samples):
            for i in range(0, H_out, rows):
                many, some = min(samples, m - n), min(rows, H_out - i)
                if copies and first == 0:
                    part = (image[0] + n * image[1], image[1], image[2], image[3], image[4])
                    copy_padded((many, C, sizes[3], sizes[4], some, W_out), part, window, i, source, zero)
                cells = (source[0], source[1], S_h * source[3], S_w * source[4])
                gradients = (dz[0] + n * dz[1] + first * dz[2] + i * W_out * size, dz[1], dz[2])
                counts, panels = (many, count, taps, some, W_out), (_add_wide, _add_tall, _add_narrow)
                add(panels, cells, counts, gradients, (room[0], row), room, zero)
        sums_by_rows(count, taps, (room[0], row), (out[0] + first * out[1], out[1]), zero)
        first += count


@compiled
def _are_alone(sizes, taps, zero):
    """Whether the k of a panel meet all cells before the next ones do: where sums are many, and cells few.

    Then their sums stay near, and the image comes once for each panel. Of 512 channels of an image of 7 x 7 cells, and 1024
    k, dtheta took three times as long in float64, whose sums were 38 MB.
    """
    m, C, K, H, W, H_out, W_out = sizes
    sums, size, panel = taps * K * element_size(zero), element_size(zero), VECTORS * lanes(zero)
    image = m * C * H * W * size * -(-K // panel)
    return sums > SUMS_BYTES and image < 2 * sums * -(-m * H_out * W_out // CELLS)


@compiled
def columns_of(K, width):
    """Columns of the next panel, of K that are left: of two vectors where that leaves none of a single one."""
    vectors = -(-K // width)
    return min(K, (2 if vectors == 2 or vectors == 4 else VECTORS) * width)


@compiled
def add(panels, cells, counts, dz, sums, room, zero):
    """The sums of a part, panel by panel: of whole images, or of about as much of one each time.

    panels are the functions for those of three vectors of k, of two and of one.
    """
    (wide, tall, narrow), (m, K, taps, H_out, W_out) = panels, counts
    each, size, width = max(1, H_out * W_out), element_size(zero), lanes(zero)
    blocks, p = -(-each // CELLS), 0
    together = -(-each // blocks // width) * width if blocks > 1 else CELLS // each * each
    while p < m * H_out * W_out:
        count, k = min(together, m * each - p), 0
        if blocks > 1:
            count = min(count, each - p % each)
        lines = (cells[0], cells[3], _runs(cells, (each, W_out), (p, count), room[3]))
        asks = lines[2] == 1 and cells[3] == size and count >= LINE // size
        while k < K:
            columns, corner = columns_of(K - k, width), (sums[0] + k * size, sums[1])
            _pack(dz[0] + p // each * dz[1] + k * dz[2] + p % each * size, dz, (count, each, columns), room[1], zero)
            k += columns
            cell, row_k = (p, k) if k < K else (min(p + count, m * each - 1), 0)
            ahead = dz[0] + cell // each * dz[1] + row_k * dz[2] + cell % each * size
            beyond = cells[0] + cell // each * cells[1] + cell % each * size if k == K and asks and cell > p else 0
            soon = (ahead, dz[2], columns_of(K - row_k, width), count * size, beyond)
            if columns > 2 * width:
                wide(lines, taps, corner, room, soon, zero)
            elif columns > width:
                tall(lines, taps, corner, room, soon, zero)
            else:
                narrow(lines, taps, corner, room, soon, zero)
        p += count


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
def _pack(source, dz, counts, target, zero):
    """A panel of dz: some cells, of one image or of whole ones."""
    count, each, columns = counts
    size, step = element_size(zero), VECTORS * lanes(zero) * element_size(zero)
    while count > 0:
        pack_panels(source, size, dz[2], min(count, each), columns, target, 0, zero)
        source, target, count = source + dz[1], target + each * step, count - each


@compiled
def _runs(cells, shape, block, table):
    """Writes where each run of cells that lie evenly in the image begins, and its length; returns how many there are."""
    (_, step_n, step_h, step_w), (each, W_out), (p, count) = cells, shape, block
    run, behind, number = each if step_h == W_out * step_w else W_out, p + count, 0
    while p < behind:
        n, cell = p // each, p % each
        length = min(run - cell % run, behind - p)
        write_integer(n * step_n + cell // run * step_h + cell % run * step_w, table + 16 * number)
        write_integer(length, table + 16 * number + 8)
        number, p = number + 1, p + length
    return number


@compiled
def add_panel(add_tile, kind, low, lines, taps, sums, room, soon):
    """All taps with the k of a panel, a tile of them by each `add_tile`. Tiles ask for what is packed next, which comes from
    far away: without, windows of one cell took 1 to 2 hundredths longer, 256 channels of 14 x 14 cells. What few taps are
    left take lower tiles.
    """
    (ahead, step, asked, length, beyond), tap = soon, 0
    share = -(-asked // -(-taps // rows_of(kind)))
    while tap < taps:
        for _ in range(min(share, asked)):
            for x in range(0, length, LINE):
                ask_to_read(ahead + x)
            ahead, asked = ahead + step, asked - 1
        if taps - tap > rows_of(kind) - rows_of(low):
            _add_rows(add_tile, kind, tap, lines, taps, sums, room, beyond)
            tap += rows_of(kind)
        else:
            _add_rows(add_tile, low, tap, lines, taps, sums, room, beyond)
            tap += rows_of(low)


@inlined
def _add_rows(add_tile, kind, tap, lines, taps, sums, room, beyond):
    """As many taps as a tile has rows; those behind the last are the last again."""
    places, last = room[4] + 8 * tap, min(rows_of(kind), taps - tap) - 1
    if last < rows_of(kind) - 1:
        for r in range(rows_of(kind)):
            write_integer(read_integer(room[4] + 8 * (tap + min(r, last))), room[2] + 8 * r)
        places = room[2]
    target = (sums[0] + tap * sums[1], sums[1], last)
    add_tile(kind, read_integers(places, rows_of(kind)), lines, (room[1], room[3]), target, (beyond, places))


@compiled
def _add_tile(kind, places, lines, block, target, _):
    """One tile over the cells of a panel."""
    zero, t = zero_of(kind), zeros(kind)
    (first, step, runs), (panel, table), (place, row, last) = lines, block, target
    total = t
    for x in range(runs):
        source = first + read_integer(table + 16 * x)
        for _ in range(read_integer(table + 16 * x + 8)):
            total = rank_one_at(total, places, source, panel, None)
            source += step
            panel += VECTORS * lanes(zero) * element_size(zero)
    store(added(total, load(t, place, row, last, None)), place, row, last, None)


@compiled
def sums_by_rows(K, taps, sums, out, zero):
    """Sums -> dtheta where lanes are k: squares are transposed."""
    size, width, square = element_size(zero), lanes(zero), tile(zero, lanes(zero), 1)
    for k in range(0, K, width):
        columns = min(width, K - k)
        for tap in range(0, taps, width):
            rows, source = min(width, taps - tap), sums[0] + tap * sums[1] + k * size
            values = transposed(load(square, source, sums[1], rows - 1, columns))
            store(values, out[0] + k * out[1] + tap * size, out[1], columns - 1, rows)
