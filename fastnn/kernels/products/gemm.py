"""The product of matrices that every dense kernel is made of: c = start + a b, any strides on all of them.

Below `product` all is addresses and steps in bytes, so that there is one specialisation for a dtype, whatever the arrays'
types: a is m x k with steps a_row and a_col, b is k x n, c is m x n; c starts from s, with its columns and s_row, or from 0
where that is its address.
How it is computed where c's rows are contiguous, blocking.py says; columns are the transposed product's rows.
"""

import numpy as np

from fastnn.kernels.arrays.layout import address, empty, in_use_until_here
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.products.blocking import Place, Sizes, product_by_rows
from fastnn.kernels.products.dots import Rows

COPIED = 128, 512  # elements of c that are copied at a time where neither its rows nor its columns are contiguous


@compiled
def product(a, b, start, c):
    """c = start + a b, with a (m, k), b (k, n), c (m, n).

    start is None for 0, a contiguous row (n,) that is added to every row of c, or c itself. c shares no memory with a and b.
    """
    (m, k), n = a.shape, b.shape[1]
    s, s_row = _place(start)
    left = (address(a), a.strides[0], a.strides[1])
    right = (address(b), b.strides[0], b.strides[1])
    zero = c.dtype.type(0)
    if m > 0 and n > 0:
        product_at((m, k, n), left, right, (s, s_row), (address(c), c.strides[0], c.strides[1]), 0, zero)


@compiled
def column_sums(b, c):
    """c_j = sum_t b_tj, with b (k, n), c (n,): a row of ones times b, which is one element again and again.

    Where b's columns are contiguous it is a row indeed, for dot products.
    """
    along = b.strides[0] == b.itemsize and b.strides[1] != b.itemsize
    ones = np.ones(b.shape[0] if along else 1, b.dtype)
    _ones_times(ones, b.itemsize if along else 0, b, c)


@compiled
def _ones_times(ones, step, b, c):
    left, right, zero = (address(ones), 0, step), (address(b), b.strides[0], b.strides[1]), c.dtype.type(0)
    if b.shape[1] > 0:
        product_at((1, b.shape[0], b.shape[1]), left, right, (0, 0), (address(c), 0, c.strides[0]), 0, zero)
        in_use_until_here(ones)


@compiled
def add_product(a, b, c):
    """c += a b."""
    product(a, b, c, c)


@compiled
def _place(start):
    """Where tiles find what they start from, and the step from row to row; address 0 for nothing."""
    if start is None:
        return 0, np.int64(0)
    elif start.ndim == 1:  # noqa: RET505 (a branch that the type rules out is dropped only as a branch)
        return address(start), 0
    else:
        return address(start), np.int64(start.strides[0])


@shared
def product_at(sizes: Sizes, left: Place, right: Place, start: Rows, target: Place, scratch: int, zero: float) -> None:
    """The product for any layout of c: rows, columns, or neither contiguous."""
    (m, k, n), (s, _), (c, c_row, c_col), size = sizes, start, target, element_size(zero)
    if c_col == size or n == 1:
        product_by_rows(sizes, left, right, start, (c, c_row), scratch, zero)
        return
    if c_row == size and (s == 0 or s == c):
        (a, a_row, a_col), (b, b_row, b_col), begin = left, right, (s, c_col if s != 0 else 0)
        product_by_rows((n, k, m), (b, b_col, b_row), (a, a_col, a_row), begin, (c, c_col), scratch, zero)
        return
    if scratch != 0:
        rest = scratch + COPIED[0] * COPIED[1] * size
        _by_copies(sizes, left, right, start, target, scratch, rest, zero)
    else:
        held = empty(COPIED[0] * COPIED[1], zero)
        _by_copies(sizes, left, right, start, target, address(held), 0, zero)
        in_use_until_here(held)


@shared
def _by_copies(
    sizes: Sizes, left: Place, right: Place, start: Rows, target: Place, place: int, scratch: int, zero: float
) -> None:
    """Part by part, through a contiguous copy at a place."""
    (m, k, n), (a, a_row, a_col), (b, b_row, b_col), (s, s_row), (c, c_row, c_col) = sizes, left, right, start, target
    size = element_size(zero)
    step = COPIED[1] * size
    adds = s == c
    for i in range(0, m, COPIED[0]):
        rows = min(COPIED[0], m - i)
        for j in range(0, n, COPIED[1]):
            columns = min(COPIED[1], n - j)
            corner, copy = (c + i * c_row + j * c_col, c_row, c_col), (place, step, size)
            begin = (place, step) if adds else (s + j * size if s != 0 else 0, s_row)
            if adds:
                _copy(rows, columns, corner, copy, zero)
            above, beside = (a + i * a_row, a_row, a_col), (b + j * b_col, b_row, b_col)
            product_by_rows((rows, k, columns), above, beside, begin, (place, step), scratch, zero)
            _copy(rows, columns, copy, corner, zero)


@compiled
def _copy(m, n, source, target, zero):
    """y = x, element by element, x and y at places."""
    (x, x_row, x_col), (y, y_row, y_col) = source, target
    for i in range(m):
        for j in range(n):
            write(read(zero, x + i * x_row + j * x_col), y + i * y_row + j * y_col)
