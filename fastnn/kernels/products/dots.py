"""Dot products: a product of matrices whose rows on the left and columns on the right are contiguous, a lane for a term.

Nothing is packed, and no lane is empty where one side has few vectors; each sum costs its lanes' adding up.
"""

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import form, full_rows, half_rows, lanes, zero_of, zeros
from fastnn.kernels.registers.simd import VECTORS
from fastnn.kernels.registers.tiles import added, lane_sums, products, row_products, spread, store, tile

Rows = tuple[int, int]  # contiguous vectors: where they begin, and the step from one to the next

# Terms that are added one after the other. The panel of b under tiles of 8 x 48 floats is then 36 KB, and stays in a
# first-level cache of 48 KB while rows of a and c go by; with 256 or 128 terms large products took some 5 % longer.
BLOCK = 192


@tiled
def dot_products(m: int, k: int, n: int, x: Rows, y: Rows, s: int, c: int, c_row: int, c_col: int, zero: float) -> None:
    """c_ij = s_j + x_i y_j, with m vectors x and n vectors y of k terms; s is a row (n,), or 0.

    Blocks of BLOCK vectors of terms are added up, then the lanes. Tiles have 8 x 3 dot products, or 4 x 3, where registers
    are 32. The side of more vectors goes by once; the other one stays in a cache.
    """
    size = element_size(zero)
    if n == 1:
        _column(m, k, x, y[0], s, 0, c, c_row, zero)
    elif n == 2:
        pair_products(m, k, x, y, (s, 0, size), (c, c_row, c_col), zero)
    elif m == 1:
        _column(n, k, y, x[0], s, size, c, c_col, zero)
    elif m == 2:
        pair_products(n, k, y, x, (s, size, 0), (c, c_col, c_row), zero)
    elif n <= m:
        alone = n - 1 if n % VECTORS == 1 else n
        for i in range(0, m, full_rows(zero)):
            for j in range(0, alone, VECTORS):
                _corner(i, j, m, k, n, x, y, s, c, c_row, c_col, zero)
            if alone < n:
                rows, above, corner = min(full_rows(zero), m - i), (x[0] + i * x[1], x[1]), c + i * c_row + alone * c_col
                _column(rows, k, above, y[0] + alone * y[1], s + alone * size if s != 0 else 0, 0, corner, c_row, zero)
    else:
        for j in range(0, n, VECTORS):
            for i in range(0, m, full_rows(zero)):
                _corner(i, j, m, k, n, x, y, s, c, c_row, c_col, zero)


@compiled
def _column(count, k, x, y, s, s_step, c, step, zero):
    """The products of some vectors x with one vector y, `step` bytes apart, and s added, if there is one."""
    width, rows, (source, x_row), size = lanes(zero), full_rows(zero), x, element_size(zero)
    vector, t = width * element_size(zero), tile(zero, full_rows(zero), 1)
    for i in range(0, count, rows):
        last = min(rows, count - i) - 1
        total, whole, done = t, k // width, 0
        a, b = source + i * x_row, y
        while done < whole:
            part = t
            for _ in range(min(BLOCK, whole - done)):
                part = row_products(part, a, x_row, last, b, None)
                a += vector
                b += vector
            total = added(total, part)
            done += BLOCK
        if k > whole * width:
            total = row_products(total, a, x_row, last, b, k - whole * width)
        sums = lane_sums(total)
        if step == size and s_step == 0 and last == rows - 1:
            if s != 0:
                sums = added(sums, spread(sums, s, 0, 0))
            store(sums, c + i * size, 0, 0, (full_rows(zero) - 1) % lanes(zero) + 1)
        else:
            _put(sums, last + 1, 1, (s + i * s_step if s != 0 else 0, s_step, 0), (c + i * step, step, 0), zero)


@compiled
def _put(sums, rows, columns, start, target, zero):
    """Sums in lanes, row by row -> memory, with s added, if there is one; steps go from row to row and along them."""
    (s, s_row, s_col), (c, c_row, c_col), size = start, target, element_size(zero)
    found = on_stack(64, zero)
    store(sums, found, 0, 0, None)
    for r in range(rows):
        for v in range(columns):
            value = read(zero, found + (r * columns + v) * size)
            write(value + read(zero, s + r * s_row + v * s_col) if s != 0 else value, c + r * c_row + v * c_col)


@tiled
def pair_products(
    count: int, k: int, x: Rows, y: Rows, start: tuple[int, int, int], target: tuple[int, int, int], zero: float
) -> None:
    """The products of some vectors x with two vectors y: x goes by once, which took 0.6 of the time of one y by one.

    Steps of start and target go from x to x, and from y to y.
    """
    (s, s_row, s_col), (c, c_row, c_col), (source, x_row), width = start, target, x, lanes(zero)
    t, places, rows = tile(zero, full_rows(zero), 2), (y[0], y[0] + y[1]), full_rows(zero)
    for i in range(0, count, rows):
        last, above = min(rows, count - i) - 1, source + i * x_row
        total, whole, done, offset = t, k // width, 0, 0
        while done < whole:
            part = t
            for _ in range(min(BLOCK, whole - done)):
                part = products(part, above + offset, x_row, last, places, offset, None)
                offset += width * element_size(zero)
            total = added(total, part)
            done += BLOCK
        if k > whole * width:
            total = products(total, above + offset, x_row, last, places, offset, k - whole * width)
        begin = s + i * s_row if s != 0 else 0
        _put(lane_sums(total), last + 1, 2, (begin, s_row, s_col), (c + i * c_row, c_row, c_col), zero)


@compiled
def _corner(i, j, m, k, n, x, y, s, c, c_row, c_col, zero):
    """The tile from (i, j) on."""
    last, size = min(full_rows(zero), m - i) - 1, element_size(zero)
    places = (y[0] + j * y[1], y[0] + min(j + 1, n - 1) * y[1], y[0] + min(j + 2, n - 1) * y[1])
    start, corner = s + j * size if s != 0 else 0, (c + i * c_row + j * c_col, c_row, c_col, min(VECTORS, n - j))
    if last < half_rows(zero):
        _tile(form(zero, half_rows(zero), VECTORS), k, x[0] + i * x[1], x[1], last, places, start, corner)
    else:
        _tile(form(zero, full_rows(zero), VECTORS), k, x[0] + i * x[1], x[1], last, places, start, corner)


@compiled
def _tile(kind, k, x, x_row, last, places, s, corner):
    zero, t = zero_of(kind), zeros(kind)
    width, size = lanes(zero), element_size(zero)
    total, whole, done, offset = t, k // width, 0, 0
    while done < whole:
        part = t
        for _ in range(min(BLOCK, whole - done)):
            part = products(part, x + offset, x_row, last, places, offset, None)
            offset += width * size
        total = added(total, part)
        done += BLOCK
    if k > whole * width:
        total = products(total, x + offset, x_row, last, places, offset, k - whole * width)
    c, c_row, c_col, columns = corner
    sums = on_stack(64, zero)
    store(lane_sums(total), sums, 0, 0, None)
    for r in range(last + 1):
        for v in range(columns):
            found = read(zero, sums + (r * VECTORS + v) * size)
            write(found + read(zero, s + v * size) if s != 0 else found, c + r * c_row + v * c_col)
