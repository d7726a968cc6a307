"""Dot products of contiguous rows with one vector: what is left of a matrix product where one side has few vectors."""

from fastnn.kernels.forms import full_rows, lanes
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import element_size, read, write
from fastnn.kernels.tiles import added, row_products, store_sums, tile

# Terms that are added one after the other. The panel of b under tiles of 8 x 48 floats is then 36 KB, and stays in a
# first-level cache of 48 KB while rows of a and c go by; with 256 or 128 terms large products took some 5 % longer.
BLOCK = 192


@compiled
def dot_products(count, k, x, x_row, y, out, out_step, zero):
    """The products of some rows of x with the vector y, all contiguous: one element each `out_step` bytes.

    Blocks of BLOCK vectors are added up, then the lanes.
    """
    width, rows = lanes(zero), full_rows(zero)
    step = width * element_size(zero)
    t = tile(zero, full_rows(zero), 1)
    for i in range(0, count, rows):
        last = min(rows, count - i) - 1
        total, whole, done = t, k // width, 0
        a, b = x + i * x_row, y
        while done < whole:
            part = t
            for _ in range(min(BLOCK, whole - done)):
                part = row_products(part, a, x_row, last, b, None)
                a += step
                b += step
            total = added(total, part)
            done += BLOCK
        if k > whole * width:
            total = row_products(total, a, x_row, last, b, k - whole * width)
        store_sums(total, out + i * out_step, out_step, last)


@compiled
def add_row(m, n, s, c, c_row, zero):
    """c += the row at s, if there is one."""
    size = element_size(zero)
    if s != 0:
        for i in range(m):
            for j in range(n):
                place = c + i * c_row + j * size
                write(read(zero, place) + read(zero, s + j * size), place)
