"""Copies of parts of a matrix in the order in which a tile reads them; addresses and steps in bytes, as in tiles.py."""

from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.simd import VECTORS
from fastnn.kernels.registers.tiles import load, store, tile


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
            source, target = a + t * a_col, packed + t * rows * size
            for i in range(0, m - rows + 1, rows):
                store(load(vector, source + i * size, 0, 0, rows), target + i // rows * part, 0, 0, rows)
            if m % rows > 0:
                i = m - m % rows
                store(load(vector, source + i * size, 0, 0, m - i), target + i // rows * part, 0, 0, m - i)
        return size, rows * size
    step, whole = part // rows, k // width * width * size
    column = tile(zero, full_rows(zero), 1)
    for i in range(0, m, rows):
        last, source, target = min(rows, m - i) - 1, a + i * a_row, packed + i // rows * part
        if a_col == size:
            for t in range(0, whole, width * size):
                store(load(column, source + t, a_row, last, None), target + t, step, last, None)
            if whole < k * size:
                rest = k - whole // size
                store(load(column, source + whole, a_row, last, rest), target + whole, step, last, rest)
        else:
            for r in range(last + 1):
                for t in range(k):
                    write(read(zero, source + r * a_row + t * a_col), target + r * step + t * size)
    return step, size


@compiled
def copy_columns(k, n, right, copy, step, zero):
    """b's columns, contiguous, `step` bytes apart."""
    (b, b_row, b_col), size = right, element_size(zero)
    for t in range(k):
        for j in range(n):
            write(read(zero, b + t * b_row + j * b_col), copy + j * step + t * size)


@tiled
def copy_turned(b: int, b_col: int, k: int, n: int, copy: int, zero: float) -> None:
    """n contiguous columns of k elements -> k contiguous rows of n."""
    size, width, square = element_size(zero), lanes(zero), tile(zero, lanes(zero), 1)
    for j in range(0, n, width):
        columns = min(width, n - j)
        for t in range(0, k, width):
            rows, source = min(width, k - t), b + j * b_col + t * size
            turned = transposed(load(square, source, b_col, columns - 1, rows))
            store(turned, copy + (t * n + j) * size, n * size, rows - 1, columns)
