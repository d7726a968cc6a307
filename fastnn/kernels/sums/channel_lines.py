"""The images and dz of single channels as lines of cells, with rows of one length, for depthwise_theta.py.

Of a channel's cells those that leave the same rest by S are a plane. Tuples as in planes.py and depthwise_theta.py, and
    source   address, the steps from one row and cell to the next, and how many cells a row has
"""

from fastnn.kernels.arrays.memory import ask_to_read, element_size, read, read_integer, read_integers, write, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_halves, load_lanes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import store, tile

WIDE = 3  # columns of taps that are summed together
FACTS = 5  # that are noted of a plane


@compiled
def cells_of(q, axis, sizes, window):
    """Of the cells that taps q, q + S, ... meet, along an axis: the cell before which windows begin, the first, how many."""
    S, P, D = window[2 + axis], window[4 + axis], window[6 + axis]
    first = -((q * D - P) // S)
    cell = first * S + q * D - P
    return first, cell, max(0, (sizes[3 + axis] - 1 - cell) // S + 1)


@compiled
def note_planes(sizes, window, steps, grid, near, room, size):
    """Where a column of taps begins in a row's planes, beside output column 0; behind the last column is the last again.

    And of each plane where its first cell lies in an image, how many rows and columns it has, before which of its rows the
    windows begin, and how many rows of taps meet it.
    """
    (f_h, f_w, S_h, S_w, _, _, _, D), plane = window, 0 if near else grid[2]
    for s in range(grid[4]):
        q, u = min(s, f_w - 1) % S_w, min(s, f_w - 1) // S_w
        write_integer(q * plane + (u * D - cells_of(q, 1, sizes, window)[0]) * size, room[3] + 8 * s)
    for q_h in range(S_h):
        for q_w in range(S_w):
            (first, top, height), (_, left, width) = cells_of(q_h, 0, sizes, window), cells_of(q_w, 1, sizes, window)
            place = room[4] + 8 * FACTS * (q_h * S_w + q_w)
            write_integer(top * steps[0] + left * steps[1], place)
            write_integer(height, place + 8)
            write_integer(width, place + 16)
            write_integer(first, place + 24)
            write_integer((f_h - 1 - q_h) // S_h + 1, place + 32)


@compiled
def note_masks(band, sizes, window, grid, notes, zero):
    """For each vector of a line, as bits, the lanes that meet cells of a with each column of taps, and of dz with each row.

    Returns the range of vectors that meet cells of dz in all lanes, and whose neighbours in a are cells, too.
    """
    (x, rows), (length, _, _, _, columns, _), width = band, grid, lanes(zero)
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    cells, vectors, H_out, W_out = rows * length, -(-rows * length // width), sizes[5], sizes[6]
    step, low, high = 8 * (columns + f_h), 0, cells
    for s in range(columns):
        q, u = min(s, f_w - 1) % S_w, min(s, f_w - 1) // S_w
        first, _, count = cells_of(q, 1, sizes, window)
        begin, place = u * D_w - first, notes + 8 * s
        j, behind = max(0, -begin), min(W_out, count - begin)
        low, high = max(low, -begin), min(high, cells - begin)
        for v in range(vectors):
            bits, row = 0, v * width // length * length
            while row < min(cells, (v + 1) * width):
                a, b = max(0, row + j - v * width), min(width, row + behind - v * width)
                bits, row = bits + ((1 << b) - (1 << a) if b > a else 0), row + length
            write_integer(bits, place + v * step)
    for r in range(f_h):
        begin = (x + cells_of(r % S_h, 0, sizes, window)[0] - r // S_h * D_h) * length
        behind = min(cells, H_out * length - begin)
        low, high = max(low, -begin), min(high, behind)
        for v in range(vectors):
            a, b = min(width, max(0, -begin - v * width)), min(width, max(0, behind - v * width))
            write_integer((1 << b) - (1 << a) if b > a else 0, notes + 8 * (columns + r) + v * step)
    begin = min(vectors, -(-low // width))
    return begin, max(begin, min(vectors, high // width)), vectors


@compiled
def copy_planes(some, band, W, window, image, grid, room, zero):
    """Some rows of the cells that leave the same rest by S, for each rest; behind the last are zeros."""
    (x, rows), (length, _, plane, _, _, _), S_h, S_w = band, grid, window[2], window[3]
    size = element_size(zero)
    for k in range(some):
        for q_h in range(S_h):
            facts, place = room[4] + 8 * FACTS * q_h * S_w, room[0] + (k * S_h + q_h) * S_w * plane
            first, height = read_integers(facts, 2)
            inside = max(0, min(rows, height - x))
            cell, step = image[0] + k * image[1] + x * S_h * image[2], S_h * image[2]
            if S_w == 2 and image[3] == size:
                second = read_integer(facts + 8 * FACTS)
                target = (place, plane) if first < second else (place + plane, -plane)
                _copy_halves(inside, (cell + min(first, second), step, W, some * image[1]), target, length, zero)
            else:
                for q in range(S_w):
                    offset, _, count = read_integers(facts + 8 * FACTS * q, 3)
                    _copy(inside, (cell + offset, step, S_w * image[3], count), place + q * plane, length, zero)
            for at in range(inside * length * size, rows * length * size, lanes(zero) * size):
                for q in range(S_w):
                    store(tile(zero, 1, 1), place + q * plane + at, 0, 0, None)


@compiled
def copy_dz(some, band, sizes, window, dz, grid, target, zero):
    """The rows of dz that a band meets; returns where the first one's row 0 would be."""
    (x, rows), length, (H_out, W_out), size = band, grid[0], (sizes[5], sizes[6]), element_size(zero)
    f_h, _, S_h, _, _, _, D_h, _ = window
    begin, behind = H_out, 0
    for r in range(f_h):
        i = x + cells_of(r % S_h, 0, sizes, window)[0] - r // S_h * D_h
        begin, behind = min(begin, i), max(behind, i + rows)
    begin, behind = max(0, begin), min(H_out, behind)
    for k in range(some):
        line = (dz[0] + k * dz[1] + begin * W_out * size, W_out * size, size, W_out)
        _copy(behind - begin, line, target + k * grid[3], length, zero)
    return target - begin * length * size


@compiled
def _copy(rows, source, target, length, zero):
    """Rows of cells, one behind the other, with zeros where they are shorter. What is written behind one is the next's."""
    (first, row, step, count), size, width, vector = source, element_size(zero), lanes(zero), tile(zero, 1, 1)
    for begin in range(0, length, width):
        j = max(0, min(begin, length - width))
        cell, place, behind = first + j * step, target + j * size, target + (rows * length + j) * size
        if step == size:
            while place < behind:
                store(load_lanes(vector, cell, 0, count - j), place, 0, 0, None)
                cell, place = cell + row, place + length * size
        else:
            while place < behind:  # a gather takes longer
                store(vector, place, 0, 0, None)
                for i in range(min(width, count - j)):
                    write(read(zero, cell + i * step), place + i * size)
                cell, place = cell + row, place + length * size


@compiled
def _copy_halves(rows, source, target, length, zero):
    """The same of every other cell to one plane, and of those between to another."""
    (first, row, count, ahead), size, width, t = source, element_size(zero), lanes(zero), tile(zero, 2, 1)
    for begin in range(0, length, width):
        j = max(0, min(begin, length - width))
        cell, place, behind = first + 2 * j * size, target[0] + j * size, target[0] + (rows * length + j) * size
        while place < behind:
            store(load_halves(t, cell, count - 2 * j), place, target[1], 1, None)
            ask_to_read(cell + ahead)
            ask_to_read(cell + ahead + LINE)
            cell, place = cell + row, place + length * size
