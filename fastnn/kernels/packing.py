"""Copies of parts of a matrix in the order in which a tile reads them; addresses and steps in bytes, as in simd.py."""

from fastnn.kernels.jit import compiled
from fastnn.kernels.simd import VECTORS, element_size, lanes, load, read, store, tile, transposed, write


@compiled
def pack_panels(b, b_row, b_col, k, n, packed, panel, zero):
    """Panels of VECTORS vectors: row t of each follows row t - 1, the next panel lies `panel` bytes on; zeros behind column n."""
    size, width = element_size(zero), VECTORS * lanes(zero)
    step = width * size
    for j in range(0, n, width):
        columns = min(width, n - j)
        done = 0
        if b_col == size and columns == width:
            row = tile(zero, 1, VECTORS)
            for t in range(k):
                store(load(row, b + t * b_row, 0, 0, None), packed + t * step, 0, 0, None)
            done = k
        elif b_row == size and columns == width:
            done = _pack_transposed(b, b_col, k, packed, step, zero)
        for t in range(done, k):
            for i in range(columns):
                write(read(zero, b + t * b_row + i * b_col), packed + t * step + i * size)
            for i in range(columns, width):
                write(zero, packed + t * step + i * size)
        b += width * b_col
        packed += panel


@compiled
def _pack_transposed(b, b_col, k, packed, step, zero):
    """A panel of columns whose elements are neighbours, by squares of lanes x lanes; returns how many rows were packed."""
    size, width = element_size(zero), lanes(zero)
    square = tile(zero, lanes(zero), 1)
    whole = k - k % width
    for t in range(0, whole, width):
        for v in range(VECTORS):
            columns = load(square, b + t * size + v * width * b_col, b_col, width - 1, None)
            store(transposed(columns), packed + t * step + v * width * size, step, width - 1, None)
    return whole


@compiled
def pack_rows(a, a_row, a_col, rows, k, packed, zero):
    """Some rows of k elements; returns the steps from row to row and along a row: columns stay neighbours where a has it so."""
    size, width = element_size(zero), lanes(zero)
    vector = tile(zero, 1, 1)
    if a_row == size and rows <= width:
        for t in range(k):
            store(load(vector, a + t * a_col, 0, 0, rows), packed + t * rows * size, 0, 0, rows)
        return size, rows * size
    step = (k + width) * size  # not a power of two, which would send all rows to the same few sets of a cache
    for r in range(rows):
        if a_col == size:
            for t in range(0, k, width):
                count = min(width, k - t)
                store(load(vector, a + t * size, 0, 0, count), packed + r * step + t * size, 0, 0, count)
        else:
            for t in range(k):
                write(read(zero, a + t * a_col), packed + r * step + t * size)
        a += a_row
    return step, size
