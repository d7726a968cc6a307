"""Which way a product of matrices goes, by the time that each would take, and the scratch that it needs.

DOTS         a's rows and b's columns are contiguous, one side has few: dot products (dots.py)
COPIED_DOTS  the same, where b's few columns are made contiguous first
ACROSS       a's columns are contiguous, b has few: the transposed product, whose lanes are full
DIRECT       b's rows are contiguous, and few, or short, or meet few rows of a: tiles read a and b where they are
COPIED_ROWS  the same for b's columns, which are short: its rows are made contiguous first
PACKED       else: panels of b are packed, and rows of a, too (blocking.py)
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import full_rows, half_rows, lanes
from fastnn.kernels.registers.simd import LINE, VECTORS, registers

DOTS, COPIED_DOTS, ACROSS, DIRECT, COPIED_ROWS, PACKED = range(6)

# Bytes of a column of packed a: a block's, 400 KB, lies in the second-level cache, of 1 MB at least. Each panel
# of b is packed once for so many rows; half as many took 5 % longer where the matrices are large.
HIGH = 2048
# Bytes of scratch that a product needs at most, whatever its size, where rows of c are contiguous.
SCRATCH = VECTORS * registers()[0] * BLOCK + HIGH * (BLOCK + LINE) + 3 * LINE
# b is read where it is, if its rows are contiguous, where packing would not pay: few rows of a meet it, or it stays in the
# first-level cache anyway.
UNPACKED_ROWS = 16
UNPACKED_BYTES = 32 * 1024
# Terms of short sums, whose tiles wait for c: it is written row by row, while all of b stays in the second-level cache. By
# panels, which write parts of rows, 10 terms of results that lie in memory took 1.6 times as long.
SHORT, SHORT_BYTES = 32, 384 * 1024
# Bytes of results that pay for copied rows: smaller ones stay near, and took as long either way.
FAR = 1024 * 1024
ACROSS_COLUMNS = 1024  # of a at a time, for a product across, whose results then stay near
# In the time of a vector's products, as measured: to add up the lanes of a dot product and store it, and where c is one row
# or column; to pack an element of b, or to copy one of b's columns or of c; a tile, beside its products.
SUM, SUM_IN_LINE, PACK, COPY, TILE = 9, 3, 0.5, 1.5, 50
# What is not counted here must be made up for.
MARGIN = 0.85
# More rows of a than these change no choice, but for where results lie (FAR), whose ways have the same bits: where c has
# contiguous rows, parts of a that have as many have the bits of the whole.
SETTLED_ROWS = 256


@compiled
def way_of(m, k, n, left, right, anew, zero):
    """The way of c = s + a b, with a (m, k) and b (k, n) at places; anew: s is not c itself."""
    (_, a_row, _), (_, b_row, b_col), size, judged = left, right, element_size(zero), min(m, SETTLED_ROWS)
    if anew and _dots_are_faster(judged, k, n, left, right, zero):
        if b_row == size or k == 1:
            return DOTS
        if n * copied_step(k, zero) * size <= SCRATCH:
            return COPIED_DOTS
    if anew and a_row == size and _is_faster_across(judged, k, n, zero):
        return ACROSS
    rows_of_b = b_col == size or n == 1
    short = k <= SHORT and k * n * size <= SHORT_BYTES
    if k == 0 or (rows_of_b and (m <= UNPACKED_ROWS or k * n * size <= UNPACKED_BYTES or short)):
        return DIRECT
    return COPIED_ROWS if b_row == size and short and m * n * size > FAR else PACKED


@compiled
def copied_step(k, zero):
    """From a copied column of b to the next: powers of two would send all to the same few sets of the cache."""
    return k + lanes(zero)


@compiled
def scratch_of(way, k, n, zero):
    """How many elements of scratch the way needs."""
    if way == COPIED_DOTS:
        return n * copied_step(k, zero)
    if way == COPIED_ROWS:
        return n * k
    if way == ACROSS:
        return n * ACROSS_COLUMNS
    return SCRATCH // element_size(zero) if way == PACKED else 0


@compiled
def _tile_cycles(m, k, n, zero):
    """What tiles with lanes along n take: products, those of empty lanes and rows too, and the tiles themselves."""
    rows, width = full_rows(zero), lanes(zero)
    if n > 2 * width and m <= half_rows(zero):
        rows = 1 if m == 1 else half_rows(zero)
    return 1.0 * -(-m // rows) * (rows * -(-n // width) * k + TILE * -(-n // (VECTORS * width)))


@compiled
def _dots_are_faster(m, k, n, left, right, zero):
    """Whether dot products are faster than tiles: where both sides are contiguous along k, or few columns of b can be."""
    (_, _, a_col), (_, b_row, b_col), size = left, right, element_size(zero)
    if k == 0 or (a_col != size and k > 1):
        return False
    columns, rows = n, half_rows(zero) if min(m, n) > 2 else 1
    if min(m, n) > 2 and (n > m or n % VECTORS != 1):
        columns = -(-n // VECTORS) * VECTORS
    dots = 1.0 * -(-m // rows) * rows * columns * -(-k // lanes(zero)) + (SUM if min(m, n) > 1 else SUM_IN_LINE) * m * n
    if b_row != size and k > 1:
        dots += COPY * k * n
    return dots < MARGIN * (_tile_cycles(m, k, n, zero) + (PACK * k * n if b_col != size and n > 1 else 0.0))


@compiled
def _is_faster_across(m, k, n, zero):
    """Whether c^T = b^T a^T, and its copy, take less than c with hardly filled vectors."""
    return n <= full_rows(zero) and _tile_cycles(n, k, m, zero) + COPY * m * n < MARGIN * _tile_cycles(m, k, n, zero)
