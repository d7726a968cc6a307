"""Windows of 2 x 2 that neither overlap nor meet padding (pool2x2.py): where their cells lie, from memory and back.

A vector of windows has an upper and a lower row, each of two vectors of cells that hold the windows as pairs of lanes. Three
ways lead from memory to them and back:

    flat    a row of the image is a vector or half of one: whole vectors follow one another, wherever rows begin, and
            shuffles sort out the upper and the lower rows, of which a vector has as many as `parts`
    rows    else, and for what is left: the windows of one row, or of two where a vector has room for both. Longer rows are
            strips of a vector of windows, of which the last one goes back over a few
    cells   where comparisons are not needed, and rows are longer than a vector: cells in the order of memory

Addresses are in bytes, as in tiles.py. Planes are the images of all samples and channels, one behind the other.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_lanes, store_lanes
from fastnn.kernels.registers.shuffles import evens, first_half, lefts, odds, rights, second_half
from fastnn.kernels.registers.tiles import half_vector, load, store, tile

PAGE = 4096  # bytes


@inlined
def strip_of(W, rows, zero):
    """The windows of one row that a vector has room for, or of two: (beside, cells, windows, row).

    beside    bytes from the first vector of cells to the second, and windows from lane 0's to those of half the lanes
    cells     how many the two vectors have
    windows   which lanes have some: those below the first number, and from the second number to the third
    row       bytes of a row of the image
    """
    size, every, count = element_size(zero), lanes(zero), W // 2
    if rows == 2:
        return (2 * W * size, W // 2 - every // 2), (2 * count, 2 * count), (count, every // 2, every // 2 + count), W * size
    return (every * size, 0), (2 * count, 2 * count - every), (count, 0, 0), W * size


@compiled
def read_row(place, strip, zero):
    """The cells of a strip, in one row of the image, as two vectors."""
    beside, cells, _, _ = strip
    t = tile(zero, 1, 1)
    return load_lanes(t, place, 0, cells[0]), load_lanes(t, place + beside[0], 0, cells[1])


@compiled
def write_row(row, place, strip):
    beside, cells, _, _ = strip
    store_lanes(row[0], place, 0, cells[0])
    store_lanes(row[1], place + beside[0], 0, cells[1])


@compiled
def read_windows(nothing, place, window, strip, size):
    """What the windows of a strip have at a place, elements of such a size, as one vector; `nothing` in the other lanes."""
    beside, _, windows, _ = strip
    begin = place + window * size
    first = load_lanes(nothing, begin, 0, windows[0])
    return load_lanes(first, begin + beside[1] * size, windows[1], windows[2])


@compiled
def write_windows(vector, place, window, strip, size):
    beside, _, windows, _ = strip
    begin = place + window * size
    store_lanes(vector, begin, 0, windows[0])
    store_lanes(vector, begin + beside[1] * size, windows[1], windows[2])


@compiled
def read_flat(place, parts, zero):
    """Four vectors, as the upper and the lower rows of a vector of windows."""
    t, step = tile(zero, 1, 1), element_size(zero) * lanes(zero)
    v = load(t, place, 0, 0, None)
    w = load(t, place + step, 0, 0, None)
    x = load(t, place + 2 * step, 0, 0, None)
    y = load(t, place + 3 * step, 0, 0, None)
    return (evens(v, w, parts), evens(x, y, parts)), (odds(v, w, parts), odds(x, y, parts))


@compiled
def write_flat(upper, lower, place, parts, zero):
    step = element_size(zero) * lanes(zero)
    store(first_half(upper[0], lower[0], parts), place, 0, 0, None)
    store(second_half(upper[0], lower[0], parts), place + step, 0, 0, None)
    store(first_half(upper[1], lower[1], parts), place + 2 * step, 0, 0, None)
    store(second_half(upper[1], lower[1], parts), place + 3 * step, 0, 0, None)


@compiled
def against(a, da, W, zero):
    """Whether to go from the last windows to the first, for who reads a and writes as much at da.

    A load waits for a store before it whose address is the same modulo 4 KB: where da lies 16 to 600 bytes behind a in that,
    such stores are still on their way when a is read there, and all takes up to a quarter longer. The other way round they
    never meet. Rows of several strips take longer that way round.
    """
    behind = (da - a) % PAGE
    return lanes(zero) >= W // 2 and 0 < behind < PAGE // 4


@compiled
def by_rows(work, how, places, sizes, done, down, share):
    """work(how, places, cell, window, strip, share) for each strip of window rows; `done` windows are so already.

    cell is the offset, in bytes, of a strip's first one, window the number of its first one. Rows longer than a strip are
    worked through one after the other, and their last strip goes back over windows that are done, which masks nothing.
    """
    if is_long(sizes[2], share):
        along_rows(work, how, places, sizes, share)
    else:
        by_short_rows(work, how, places, sizes, done, down, share)


@inlined
def by_short_rows(work, how, places, sizes, done, down, share):
    """The same of rows that are one strip, or a part of one."""
    (planes, H, W), every = sizes, lanes(share)
    H_out, first = H // 2, done // max(1, W // 2)
    pairs = (H_out - first) // 2 if every // 2 >= W // 2 else 0
    for p in range(planes):
        _down_rows(work, how, places, (p, first, 2, pairs), sizes, down, share)
        _down_rows(work, how, places, (p, first + 2 * pairs, 1, H_out - first - 2 * pairs), sizes, down, share)


@inlined
def along_rows(work, how, places, sizes, share):
    """The same of longer rows."""
    (planes, H, W), size, every = sizes, element_size(share), lanes(share)
    W_out, cell, window = W // 2, 0, 0
    strip = (every * size, 0), (every, every), (every, 0, 0), W * size
    for _ in range(planes):
        for _ in range(H // 2):
            for start in range(0, W_out, every):
                j = min(start, W_out - every)
                work(how, places, cell + 2 * j * size, window + j, strip, share)
            cell += 2 * W * size
            window += W_out
        cell += H % 2 * W * size


@compiled
def by_cells(put, dz, index, da, sizes, share):
    """put(t, dz, index, da, row, share) for as many cells as t has, in each of the two rows of windows, from left to right.

    The addresses are those of the first window's and of its first cell; row is the bytes of one of the image, which has no
    fewer cells than a vector. What whole vectors leave is a half or a whole one that goes back over a few: nothing is
    masked, and da is written from its first line to its last. (Strips down the rows took up to a third longer.)
    """
    (planes, H, W), size, half = sizes, element_size(share), lanes(share) // 2
    W_out, row = W // 2, W * size
    whole, rest = W_out // half, W_out % half
    is_half = 2 * rest <= half
    back = (half // 2 if is_half else half) - rest
    for _ in range(planes):
        for _ in range(H // 2):
            for _ in range(whole):
                put(tile(share, 1, 1), dz, index, da, row, share)
                dz += half * size
                index += half
                da += 2 * half * size
            if rest > 0 and is_half:
                put(half_vector(share), dz - back * size, index - back, da - 2 * back * size, row, share)
            elif rest > 0:
                put(tile(share, 1, 1), dz - back * size, index - back, da - 2 * back * size, row, share)
            dz += rest * size
            index += rest
            da += 2 * row - 2 * half * whole * size
        da += H % 2 * row


@inlined
def _down_rows(work, how, places, part, sizes, down, share):
    """Of plane p the strips in rows from `first` on, in `rows` of them at a time, `count` times."""
    (p, first, rows, count), (_, H, W), size = part, sizes, element_size(share)
    strip = strip_of(W, rows, share)
    i, step = (first + (count - 1) * rows, -rows) if down else (first, rows)
    for _ in range(count):
        work(how, places, (p * H + 2 * i) * W * size, (p * (H // 2) + i) * (W // 2), strip, share)
        i += step


@compiled
def window_cells(upper, lower):
    """The first, second, third and fourth cells of a vector of windows, in the order of `dealt`."""
    return lefts(upper[0], upper[1]), rights(upper[0], upper[1]), lefts(lower[0], lower[1]), rights(lower[0], lower[1])


@compiled
def flat_vectors(sizes, parts, zero):
    """How many vectors of windows can go the flat way with so many parts."""
    (planes, H, W), every = sizes, lanes(zero)
    return planes * H * W // (4 * every) if planes == 1 and every == parts * W else 0


@compiled
def joined(planes, H, W):
    """Planes with an even number of rows are like one that is as high as all of them."""
    return (1, planes * H, W) if H % 2 == 0 else (planes, H, W)


@compiled
def is_long(W, zero):
    """Whether the windows of a row are more than one strip."""
    return lanes(zero) < W // 2


@compiled
def is_narrow(W, zero):
    """Whether a vector has room for the windows' cells in two rows of windows."""
    every = lanes(zero)
    return every // 2 >= W // 2
