"""A product whose result has contiguous rows, in register tiles: c = s + a b.

A tile of c stays in registers while the columns of a and the rows of b go by (tiles.py). Its sum over k is taken in blocks
of at most BLOCK terms, each from zero, and the blocks are added up: the rounding error of a long sum then grows with
BLOCK + k / BLOCK and not with k. An element is the same sum, bit for bit, in whatever tile or panel;
dot products order theirs by lanes.

    panel     b's part that is packed, as wide as a tile and of one block's terms, by the first tiles under it: it stays in
              the first-level cache while rows of a pass by, packed too if many panels follow, in the second-level cache

product_ways.py says when it is read where it is instead, and when other ways are faster.
"""

from fastnn.kernels.arrays.layout import address, empty, in_use_until_here
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import shared, tiled
from fastnn.kernels.products.dots import BLOCK, Rows, dot_products
from fastnn.kernels.products.packing import copy_columns, copy_turned, pack_panels, pack_rows
from fastnn.kernels.products.product_ways import (
    ACROSS,
    ACROSS_COLUMNS,
    COPIED_DOTS,
    COPIED_ROWS,
    DOTS,
    HIGH,
    PACKED,
    copied_step,
    scratch_of,
    way_of,
)
from fastnn.kernels.registers.forms import form, full_rows, half_rows, lanes, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, prefetch_row, prefetch_row_to_read, rank_one, rank_one_kept, store

Sizes = tuple[int, int, int]  # m, k, n of a product c = s + a b with a (m, k) and b (k, n)
Place = tuple[int, int, int]  # of a matrix: its address, and the steps from row to row and from column to column

# Panels up to which a is read where it is: where its rows are contiguous, and where they are not, as long as the columns of
# a block lie within NEAR bytes. Further apart each is a page of its own, and only one panel pays for no copy: with more,
# 1024 x 1024 -> 96 and 160 took 1.3 to 1.8 times as long.
IN_PLACE, IN_PLACE_ACROSS = 12, 8
NEAR = 128 * 1024
# Terms of a tile between two requests for a row of what is needed next: a burst of them would hold up the tile. Behind the
# last one its loop runs through: to stop every GROUP terms until its end took 2 % of the time.
GROUP = 8
WIDE = 8  # vectors of a tile with one row: enough independent sums to hide the latency of a multiply-add


@shared
def product_by_rows(sizes: Sizes, left: Place, right: Place, start: Rows, target: Rows, scratch: int, zero: float) -> None:
    """The product where c's rows are contiguous. scratch: the address of SCRATCH bytes, or 0 to allocate what is needed."""
    m, k, n = sizes
    way = way_of(m, k, n, left, right, start[0] != target[0], zero)
    needed = scratch_of(way, k, n, zero) if scratch == 0 else 0
    if needed == 0:
        _by_way(way, sizes, left, right, start, target, scratch, zero)
    else:
        held = empty(needed, zero)
        _by_way(way, sizes, left, right, start, target, address(held), zero)
        in_use_until_here(held)


@shared
def _by_way(way: int, sizes: Sizes, left: Place, right: Place, start: Rows, target: Rows, scratch: int, zero: float) -> None:
    """The product by one of product_ways.py's ways, with the scratch that it needs."""
    (m, k, n), (a, a_row, a_col), (b, b_row, b_col), (s, s_row), (c, c_row) = sizes, left, right, start, target
    size, rows = element_size(zero), full_rows(zero)
    if way == DOTS:
        dot_products(m, k, n, (a, a_row), (b, b_col), s, c, c_row, size, zero)
    elif way == COPIED_DOTS:
        step = copied_step(k, zero) * size
        copy_columns(k, n, right, scratch, step, zero)
        dot_products(m, k, n, (a, a_row), (scratch, step), s, c, c_row, size, zero)
    elif way == ACROSS:
        _across(sizes, left, right, s, target, scratch, zero)
    elif way != PACKED:
        if way == COPIED_ROWS:
            copy_turned(b, b_col, k, n, scratch, zero)
            b, b_row = scratch, n * size
        some = _terms_at_a_time(k, n, size)
        for t in range(0, max(k, 1), some):
            place, terms, beside = a + t * a_col, min(some, k - t), (b + t * b_row, b_row)
            for i in range(0, m, rows):
                last, above, begin = min(rows, m - i) - 1, (place + i * a_row, a_row, a_col), s + i * s_row if s != 0 else 0
                _row_of_tiles(last, n, terms, above, beside, (begin, s_row), (c + i * c_row, c_row), zero)
            s, s_row = c, c_row
    else:
        _packed(sizes, left, right, start, target, scratch, zero)


@shared
def _across(sizes: Sizes, left: Place, right: Place, s: int, target: Rows, copy: int, zero: float) -> None:
    """c^T = b^T a^T for few columns of b, some columns of a at a time, and its copy."""
    (m, k, n), (a, _, a_col), (b, b_row, b_col), (c, c_row), size = sizes, left, right, target, element_size(zero)
    for i in range(0, m, ACROSS_COLUMNS):
        columns, start, some = min(ACROSS_COLUMNS, m - i), (0, 0), _terms_at_a_time(k, m, size)
        target = (copy, columns * size)
        for t in range(0, max(k, 1), some):
            terms, above, beside = min(some, k - t), (b + t * b_row, b_col, b_row), (a + t * a_col + i * size, a_col)
            _row_of_tiles(n - 1, columns, terms, above, beside, start, target, zero)
            start = target
        for j in range(n):
            first = read(zero, s + j * size) if s != 0 else zero
            for r in range(columns):
                write(first + read(zero, copy + (j * columns + r) * size), c + (i + r) * c_row + j * size)


@compiled
def blocks_of(k):
    """The terms of each block but the last, where a sum of k terms is cut into equal blocks of at most BLOCK."""
    return max(1, -(-k // max(1, -(-k // BLOCK))))


@compiled
def _terms_at_a_time(k, n, size):
    """Of k rows of n, which tiles read where they are: a block of a large matrix, all of a small one.

    The parts of its rows under the first tiles bring those under the next ones near. One tile's column by itself goes from
    page to page: for one sample, 2000 x 2000, that took 1.2 times as long.
    """
    return blocks_of(k) if k * n * size > NEAR else max(1, k)


@tiled
def _packed(sizes: Sizes, left: Place, right: Place, start: Rows, target: Rows, scratch: int, zero: float) -> None:
    """Some rows of a, in one block of the sum after the other, meet all panels of b."""
    (m, k, n), (a, a_row, a_col), (b, b_row, b_col), (s, s_row), (c, c_row) = sizes, left, right, start, target
    size, rows, width, block = element_size(zero), full_rows(zero), VECTORS * lanes(zero), blocks_of(k)
    # a row longer by a vector: powers of two would send all rows of a tile to the same few sets of the cache
    part = rows * (block + lanes(zero)) * size
    panel = -(-scratch // LINE) * LINE
    packed_a = panel + block * width * size
    high = HIGH // size
    for i in range(0, m, high):
        m_i = min(high, m - i)
        begin, begin_row, corner = (s + i * s_row if s != 0 else 0), s_row, c + i * c_row
        for t in range(0, k, block):
            terms, source = min(block, k - t), a + i * a_row + t * a_col
            across = IN_PLACE_ACROSS if abs(a_col) * terms <= NEAR else 1
            if n <= (IN_PLACE if a_col == size else across) * width:
                above, step = (source, a_row, a_col), rows * a_row
            else:
                steps = pack_rows(source, a_row, a_col, m_i, terms, packed_a, part, zero)
                above, step = (packed_a, steps[0], steps[1]), part
            for j in range(0, n, width):
                place = b + t * b_row + j * b_col
                ahead = b + (t * b_row + (j + width) * b_col if j + width < n else (t + block) * b_row)
                here = (m_i, terms, min(width, n - j))
                first, result = (begin + j * size if begin != 0 else 0, begin_row), (corner + j * size, c_row)
                _under_panel(here, above, step, (place, b_row, b_col), panel, ahead, first, result, zero)
            begin, begin_row = corner, c_row


@tiled
def _under_panel(
    sizes: Sizes,
    left: Place,
    part: int,
    right: Place,
    panel: int,
    ahead: int,
    start: Rows,
    target: Rows,
    zero: float,
) -> None:
    """m rows of c under a panel of b, at most as wide as a tile, which stays in the first-level cache.

    The first tile packs it, if it is full and b's rows are contiguous. Tiles of a lie `part` bytes apart; the next panel is
    at `ahead`.
    """
    size, rows, width = element_size(zero), full_rows(zero), lanes(zero)
    (m, k, n), (a, a_row, a_col), (b, b_row, b_col), (s, s_row), (c, c_row) = sizes, left, right, start, target
    whole, by_rows = VECTORS * width, b_col == size or n == 1
    beside = (panel, whole * size)
    if n < whole or not by_rows:
        pack_panels(b, b_row, b_col, k, n, panel, 0, zero)
    # the next panel's rows, or parts of columns
    near, further = (b_row, whole * b_row) if by_rows else (b_col, whole * size)
    share = -(-k * rows // m)
    begin = 0
    for r in range(0, m, rows):
        above, last = (a, a_row, a_col), min(rows, m - r) - 1
        start, target, soon = (s, s_row), (c, c_row), (ahead, near, further, begin, begin + share)
        if n == whole:
            if by_rows and r == 0:
                _run(form(zero, full_rows(zero), VECTORS), k, above, last, (b, b_row), start, target, None, soon, panel)
            elif last < half_rows(zero):
                _run(form(zero, half_rows(zero), VECTORS), k, above, last, beside, start, target, None, soon, None)
            else:
                _run(form(zero, full_rows(zero), VECTORS), k, above, last, beside, start, target, None, soon, None)
        else:
            for j in range(0, n, 2 * width):
                start, target = (s + j * size if s != 0 else 0, s_row), (c + j * size, c_row)
                columns, here = min(2 * width, n - j), (panel + j * size, whole * size)
                count = (columns - 1) % width + 1
                if columns <= width:
                    _run(form(zero, full_rows(zero), 1), k, above, last, here, start, target, count, soon, None)
                else:
                    _run(form(zero, full_rows(zero), 2), k, above, last, here, start, target, count, soon, None)
        begin += share
        a += part
        c += rows * c_row
        s += rows * s_row if s != 0 else 0


@shared
def _row_of_tiles(last: int, n: int, k: int, above: Place, beside: Rows, start: Rows, target: Rows, zero: float) -> None:
    """n columns of c under last + 1 rows of a: wide tiles while they fit, then narrower ones, cut off at column n."""
    (b, b_row), (s, s_row), (c, c_row), size, width = beside, start, target, element_size(zero), lanes(zero)
    wide = VECTORS if last > 0 else WIDE
    while n > 0:
        columns = wide * width if n >= wide * width else min(n, width if last == 0 else 2 * width)
        beside, start, target = (b, b_row), (s, s_row), (c, c_row)
        if columns <= width:
            if last == 0:
                _run(form(zero, 1, 1), k, above, last, beside, start, target, columns, None, None)
            else:
                _run(form(zero, full_rows(zero), 1), k, above, last, beside, start, target, columns, None, None)
        elif columns <= 2 * width and last > 0:
            count = columns - width
            _run(form(zero, full_rows(zero), 2), k, above, last, beside, start, target, count, None, None)
        elif wide == WIDE:
            _run(form(zero, 1, WIDE), k, above, last, beside, start, target, None, None, None)
        elif last < half_rows(zero):
            _run(form(zero, half_rows(zero), VECTORS), k, above, last, beside, start, target, None, None, None)
        else:
            _run(form(zero, full_rows(zero), VECTORS), k, above, last, beside, start, target, None, None, None)
        n -= columns
        c += columns * size
        b += columns * size
        s += columns * size if s != 0 else 0


@inlined
def _run(kind, k, above, last, beside, start, target, count, soon, copy):
    """One tile of a form: c = s + a b, block by block. b's rows go to copy, a full tile's apart, or to None.

    Unless `soon` is None, it first asks for its part of c, and for rows begin <= i < end, as wide as a full tile, of what is
    needed soon: they are `near` each other, as many as a row has elements; then come the next ones, `further` on.
    """
    (a, a_row, a_col), (b, b_row), (s, s_row), (c, c_row) = above, beside, start, target
    zero, t = zero_of(kind), zeros(kind)
    wide, panel = VECTORS * lanes(zero), VECTORS * lanes(zero) * element_size(zero)
    block = blocks_of(k)
    done, offset = 0, 0
    while True:
        terms, requests, total = min(block, k - done), 0, t
        if soon is not None:
            ahead, near, further, begin, end = soon
            requests = min(last + 1 + max(end - begin, 0), terms // GROUP)
            for row in range(requests):
                if row <= last:
                    prefetch_row(t, c + row * c_row)
                else:
                    prefetch_row_to_read(t, ahead + begin % wide * near + begin // wide * further)
                    begin += 1
                for _ in range(min(GROUP, k)):  # a constant would have it unrolled, and sums spilled where registers are 16
                    if copy is None:
                        total = rank_one(total, a, a_row, last, b, count)
                    else:
                        total = rank_one_kept(total, a, a_row, last, b, count, copy + offset)
                        offset += panel
                    a += a_col
                    b += b_row
        for _ in range(terms - requests * GROUP):
            if copy is None:
                total = rank_one(total, a, a_row, last, b, count)
            else:
                total = rank_one_kept(total, a, a_row, last, b, count, copy + offset)
                offset += panel
            a += a_col
            b += b_row
        if s != 0:
            total = added(total, load(t, s, s_row, last, count))
        store(total, c, c_row, last, count)
        s, s_row = c, c_row
        done += terms
        if done >= k:
            return
