"""A product whose result has contiguous rows, in register tiles: c = s + a b.

A tile of c stays in registers while the columns of a and the rows of b go by (tiles.py). Its sum over k is taken in blocks
of at most BLOCK terms, each from zero, and the blocks are added up: the rounding error of a long sum then grows with
BLOCK + k / BLOCK and not with k. An element is the same sum, bit for bit, in whatever tile or panel;
dot products order theirs by lanes.

    direct    b's rows are contiguous, and it is small or meets few rows of a: tiles read a and b where they are
    dots      a's rows and b's columns are contiguous, one side has few: dot products
    packed    else: blocks of b go into panels as wide as a tile, which stay in the second-level cache, rows of a beside them
"""

from fastnn.kernels.dots import BLOCK, add_row, dot_products
from fastnn.kernels.jit import compiled
from fastnn.kernels.layout import address, empty
from fastnn.kernels.packing import pack_panels, pack_rows
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.tiles import (
    added,
    element_size,
    full_rows,
    lanes,
    load,
    prefetch,
    prefetch_line,
    rank_one,
    store,
    tile,
)

Place = tuple[int, int, int]  # of a matrix: its address, and the steps from row to row and from column to column

# Bytes of packed b: half of the 1 MB second-level cache that today's cores have at least; a and c fit beside it.
PACKED_BYTES = 512 * 1024
# b is read where it is, if its rows are contiguous, where packing would not pay: few rows of a meet it, or it is small.
UNPACKED_ROWS = 16
UNPACKED_BYTES = 128 * 1024
PACKED_ROWS = 64  # rows of a that are packed together: they fill whole cache lines where a is transposed
FEW = 4  # vectors for which dot products need less than packing would
FAR = 32  # terms of a tile that take longer than it takes to ask for its part of c
WIDE = 8  # vectors of a tile with one row: enough independent sums to hide the latency of a multiply-add

# Bytes of scratch that a product needs at most, whatever its size, where rows of c are contiguous. An address of so many
# goes through all of the functions below; where it is 0, they allocate what they need.
SCRATCH = PACKED_BYTES + PACKED_ROWS * (8 * BLOCK + LINE) + 3 * LINE


@shared
def product_by_rows(
    m: int,
    k: int,
    n: int,
    left: Place,
    right: Place,
    s: int,
    s_row: int,
    c: int,
    c_row: int,
    scratch: int,
    zero: float,
) -> None:
    """The product where c's rows are contiguous: chooses among the three ways."""
    (a, a_row, a_col), (b, b_row, b_col) = left, right
    size, width, rows = element_size(zero), VECTORS * lanes(zero), full_rows(zero)
    rows_of_b = b_col == size or n == 1
    along_k = (a_col == size and b_row == size and k > 0) or k == 1
    if along_k and n <= FEW and s != c:
        for j in range(n):
            dot_products(m, k, a, a_row, b + j * b_col, c + j * size, c_row, zero)
        add_row(m, n, s, c, c_row, zero)
    elif along_k and m <= FEW and s != c and not rows_of_b:
        for i in range(m):
            dot_products(n, k, b, b_col, a + i * a_row, c + i * c_row, size, zero)
        add_row(m, n, s, c, c_row, zero)
    elif k == 0 or (rows_of_b and (m <= UNPACKED_ROWS or k * n * size <= UNPACKED_BYTES)):
        columns = max(1, PACKED_BYTES // (max(k, 1) * width * size)) * width
        for j in range(0, n, columns):
            origin, corner = (s + j * size if s != 0 else 0), c + j * size
            for i in range(0, m, rows):
                last, above = min(rows, m - i) - 1, (a + i * a_row, a_row, a_col)
                place, target = origin + i * s_row, corner + i * c_row
                _row_of_tiles(last, min(columns, n - j), k, above, b + j * size, b_row, 0, place, s_row, target, c_row, zero)
    else:
        block = blocks_of(k)
        most = max(1, PACKED_BYTES // (block * width * size))
        columns = min(most, -(-n // width)) * width
        if scratch != 0:
            _packed(m, k, n, left, right, s, s_row, c, c_row, columns, scratch, zero)
        else:
            held = empty(columns * block + PACKED_ROWS * (block + lanes(zero)) + 2 * LINE // size, zero)
            _packed(m, k, n, left, right, s, s_row, c, c_row, columns, address(held), zero)
            held[0] = zero  # it is in use until here


@compiled
def blocks_of(k):
    """The terms of each block but the last, where a sum of k terms is cut into equal blocks of at most BLOCK."""
    return max(1, -(-k // max(1, -(-k // BLOCK))))


@shared
def _packed(
    m: int,
    k: int,
    n: int,
    left: Place,
    right: Place,
    s: int,
    s_row: int,
    c: int,
    c_row: int,
    columns: int,
    scratch: int,
    zero: float,
) -> None:
    """Blocks of b, so many columns packed into panels, meet all rows of a, packed too; each later block adds to c."""
    (a, a_row, a_col), (b, b_row, b_col) = left, right
    size, rows, width, block = element_size(zero), full_rows(zero), VECTORS * lanes(zero), blocks_of(k)
    # a row longer by a vector: powers of two would send all rows of a tile to the same few sets of the cache
    part = rows * (block + lanes(zero)) * size
    panels = -(-scratch // LINE) * LINE
    rows_of_a = -(-(panels + columns * block * size) // LINE) * LINE
    for j in range(0, n, columns):
        n_j = min(columns, n - j)
        begin, begin_row = (s + j * size if s != 0 else 0), s_row
        for t in range(0, k, block):
            terms = min(block, k - t)
            pack_panels(b + t * b_row + j * b_col, b_row, b_col, terms, n_j, panels, block * width * size, zero)
            for i in range(0, m, PACKED_ROWS):
                m_i = min(PACKED_ROWS, m - i)
                first = a + i * a_row + t * a_col
                steps = pack_rows(first, a_row, a_col, m_i, terms, rows_of_a, part, zero)
                for r in range(0, m_i, rows):
                    if m_i + i < m:
                        _ask_for_rows(
                            first + PACKED_ROWS * a_row, a_row, a_col, r, min(PACKED_ROWS, m - m_i - i), terms, zero
                        )
                    above = (rows_of_a + r // rows * part, steps[0], steps[1])
                    corner, origin = c + (i + r) * c_row + j * size, begin + (i + r) * begin_row
                    last = min(rows, m_i - r) - 1
                    _row_of_tiles(
                        last, n_j, terms, above, panels, width * size, block * width * size, origin, begin_row,
                        corner, c_row, zero,
                    )  # fmt: skip
            begin, begin_row = c + j * size, c_row


@compiled
def _ask_for_rows(a, a_row, a_col, r, m, k, zero):
    """Ask for a part of the rows of a that are packed next, while tiles are computed: as much of it as r is of m."""
    rows, size = full_rows(zero), element_size(zero)
    if a_row == size:
        share = -(-k * rows // PACKED_ROWS)
        begin = r // rows * share
        for t in range(begin, min(k, begin + share)):
            for offset in range(0, m * size, LINE):
                prefetch_line(a + t * a_col + offset)
    elif a_col == size:
        for i in range(r, min(m, r + rows)):
            for offset in range(0, k * size, LINE):
                prefetch_line(a + i * a_row + offset)


@shared
def _row_of_tiles(
    last: int,
    n: int,
    k: int,
    above: Place,
    b: int,
    b_row: int,
    panel: int,
    s: int,
    s_row: int,
    c: int,
    c_row: int,
    zero: float,
) -> None:
    """n columns of c under last + 1 rows of a: wide tiles while they fit, then single vectors, cut off at column n.

    b's columns for the next wide tile lie `panel` bytes further, or right behind, where panel is 0.
    """
    size, width = element_size(zero), lanes(zero)
    wide = VECTORS if last > 0 or panel != 0 else WIDE
    while n > 0:
        columns = wide * width if n >= wide * width else min(n, width)
        if columns <= width:
            if last == 0:
                _run(tile(zero, 1, 1), k, above, last, b, b_row, s, s_row, c, c_row, columns)
            else:
                _run(tile(zero, full_rows(zero), 1), k, above, last, b, b_row, s, s_row, c, c_row, columns)
        elif wide == WIDE:
            _run(tile(zero, 1, WIDE), k, above, last, b, b_row, s, s_row, c, c_row, None)
        else:
            _run(tile(zero, full_rows(zero), VECTORS), k, above, last, b, b_row, s, s_row, c, c_row, None)
        n -= columns
        c += columns * size
        b += panel if panel != 0 and columns > width else columns * size
        s += columns * size if s != 0 else 0


@compiled
def _run(t, k, above, last, b, b_row, s, s_row, c, c_row, count):
    """One tile: c = s + a b, block by block; t is a tile of zeros."""
    a, a_row, a_col = above
    block = blocks_of(k)
    done = 0
    while True:
        terms = min(block, k - done)
        total = t
        if terms >= FAR:
            prefetch(t, c, c_row, last)
        for _ in range(terms):
            total = rank_one(total, a, a_row, last, b, count)
            a += a_col
            b += b_row
        if s != 0:
            total = added(total, load(t, s, s_row, last, count))
        store(total, c, c_row, last, count)
        s, s_row = c, c_row
        done += terms
        if done >= k:
            return
