"""Copies of parts of a matrix in the order in which a tile reads them; addresses and steps in bytes, as in tiles.py."""

from fastnn.kernels.jit import compiled
from fastnn.kernels.simd import VECTORS
from fastnn.kernels.tiles import element_size, full_rows, lanes, load, read, store, tile, transposed, write


@compiled
def pack_panels(b, b_row, b_col, k, n, packed, panel, zero):
    """Panels of VECTORS vectors: row t of each follows row t - 1, the next panel lies `panel` bytes on.

    What stands behind column n is any number: no result of it is kept.
    """
    size, width = element_size(zero), lanes(zero)
    step = VECTORS * width * size
    for j in range(0, n, width):
        columns = min(width, n - j)
        source = b + j * b_col
        target = packed + j // (VECTORS * width) * panel + j % (VECTORS * width) * size
        if b_col == size:
            vector = tile(zero, 1, 1)
            for t in range(k):
                store(load(vector, source + t * b_row, 0, 0, columns), target + t * step, 0, 0, None)
        elif b_row == size:
            square = tile(zero, lanes(zero), 1)
            for t in range(0, k, width):
                rows = min(width, k - t)
                values = load(square, source + t * size, b_col, columns - 1, rows)
                store(transposed(values), target + t * step, step, rows - 1, None)
        else:
            for t in range(k):
                for i in range(columns):
                    write(read(zero, source + t * b_row + i * b_col), target + t * step + i * size)


@compiled
def pack_rows(a, a_row, a_col, m, k, packed, part, zero):
    """Some rows of k elements, full_rows in each part of so many bytes; returns the steps between rows and along them.

    Columns stay neighbours where a has it so.
    """
    size, width, rows = element_size(zero), lanes(zero), full_rows(zero)
    vector = tile(zero, 1, 1)
    if a_row == size and rows <= width:
        for t in range(k):
            for i in range(0, m, rows):
                count = min(rows, m - i)
                values = load(vector, a + t * a_col + i * size, 0, 0, count)
                store(values, packed + i // rows * part + t * rows * size, 0, 0, count)
        return size, rows * size
    step = part // rows
    for i in range(m):
        source, target = a + i * a_row, packed + i // rows * part + i % rows * step
        if a_col == size:
            for t in range(0, k, width):
                count = min(width, k - t)
                store(load(vector, source + t * size, 0, 0, count), target + t * size, 0, 0, count)
        else:
            for t in range(k):
                write(read(zero, source + t * a_col), target + t * size)
    return step, size
