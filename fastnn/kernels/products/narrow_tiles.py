"""Products of narrow matrices with samples in the lanes, whose vectors are full whatever the width.

Tiles of blocking.py have features in their lanes: a layer of 4 or of 20 leaves most of a tile empty, and its sums are too
short to pay for loading and storing it. Here a matrix of samples lies in blocks:

    block    its features, one row each, of as many samples as a tile is wide, all contiguous. `ones` is 1 where a row of
             ones stands above them: a_0 = 1. The last block may have fewer samples: what stands behind them is any number,
             and no sum over samples has it.

All is addresses, as in tiles.py.
"""

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.products.blocking import Place
from fastnn.kernels.registers.forms import few_rows, form, full_rows, half_rows, lanes, zero_of, zeros
from fastnn.kernels.registers.lanes import store_relu_slope, store_sigmoid_slope, store_tanh_slope
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.simd import VECTORS
from fastnn.kernels.registers.tiles import (
    added,
    lane_sums,
    load,
    load_parts,
    outer,
    products,
    rank_one,
    spread,
    store,
    store_parts,
    tile,
)

Pair = tuple[int, int]

# A slice of fewer blocks than this goes by rows: the last one may be nearly empty.
LEAST_BLOCKS = 2


@compiled
def block_samples(zero):
    """Of a block."""
    return VECTORS * lanes(zero)


@compiled
def row_bytes(zero):
    """Of a block's row."""
    return VECTORS * lanes(zero) * element_size(zero)


@shared
def into_blocks(rows: int, n: int, x: int, ones: int, blocks: int, zero: float) -> None:
    """Rows of n features, one a sample, -> blocks."""
    for first in range(0, rows, block_samples(zero)):
        if ones != 0:
            write_ones(blocks, zero)
            blocks += row_bytes(zero)
        _copy_block(min(block_samples(zero), rows - first), n, x, blocks, True, zero)
        blocks += n * row_bytes(zero)
        x += block_samples(zero) * n * element_size(zero)


@shared
def out_of_blocks(rows: int, n: int, blocks: int, x: int, zero: float) -> None:
    """Blocks without ones -> rows of n features."""
    for first in range(0, rows, block_samples(zero)):
        _copy_block(min(block_samples(zero), rows - first), n, x, blocks, False, zero)
        blocks += n * row_bytes(zero)
        x += block_samples(zero) * n * element_size(zero)


@compiled
def _copy_block(samples, n, x, block, comes, zero):
    """A block's samples from rows or, unless it `comes`, to them: some features of a vector of samples at a time."""
    size, row, few, width = element_size(zero), row_bytes(zero), few_rows(zero), lanes(zero)
    t, whole, vectors = tile(zero, few_rows(zero), 1), n // few * few, samples // width * width
    for j in range(0, vectors, width):
        for i in range(0, whole, few):
            source, target = x + (j * n + i) * size, block + i * row + j * size
            if comes:
                store(transposed(load_parts(t, source, n * size)), target, row, few_rows(zero) - 1, None)
            else:
                store_parts(transposed(load(t, target, row, few_rows(zero) - 1, None)), source, n * size)
    for i in range(n):
        for j in range(0 if i >= whole else vectors, samples):
            source, target = x + (j * n + i) * size, block + i * row + j * size
            if comes:
                write(read(zero, source), target)
            else:
                write(read(zero, target), source)


@compiled
def write_ones(row, zero):
    """a_0 = 1 of a block's samples."""
    one = type(zero)(1)
    for i in range(block_samples(zero)):
        write(one, row + i * element_size(zero))


@compiled
def times_blocks(blocks, counts, left, bias, b, c, stored, zero):
    """c = bias + left b, block by block, and as it is `stored`: left is m x k, an address and its steps; a block of b has k
    rows, one of c has m. b and c are addresses in the first block, and the steps to the next; bias is an address, or 0.

    All blocks meet some rows of left before the next rows: where they lie is then worked out once.
    """
    m, k = counts
    x, x_row, x_col = left
    for i in range(0, m, full_rows(zero)):
        last, passed = min(full_rows(zero), m - i) - 1, i * row_bytes(zero)
        rows, some = (x + i * x_row, x_row, x_col), bias + i * x_row if bias != 0 else 0
        places = b, (c[0] + passed, c[1])
        if last < half_rows(zero):
            _times_tile(form(zero, half_rows(zero), VECTORS), blocks, k, rows, last, some, places, stored)
        else:
            _times_tile(form(zero, full_rows(zero), VECTORS), blocks, k, rows, last, some, places, stored)


@compiled
def _times_tile(kind, blocks, k, left, last, bias, places, stored):
    """Zen 4 cannot fetch what is stored and three numbers for a fused multiply-add at once: the stores of a tile took as
    long as 40 of these, and a third of that beside products without a sum, with which the next tile begins.
    """
    zero, t = zero_of(kind), zeros(kind)
    (x, x_row, x_col), ((b, b_step), (c, c_step)) = left, places
    for _ in range(blocks):
        total, column, line = outer(t, x, x_row, last, b), x, b
        for _ in range(k - 1):
            column += x_col
            line += row_bytes(zero)
            total = rank_one(total, column, x_row, last, line, None)
        if bias != 0:
            total = added(total, spread(t, bias, x_row, last))
        stored(total, c, last, zero)
        b, c = b + b_step, c + c_step


@compiled
def as_it_is(t, c, last, zero):
    """How a tile of z is stored, or of da where a is z."""
    store(t, c, row_bytes(zero), last, None)


@compiled
def tanh_slope(t, a, last, zero):
    """(10) how a tile of da is, as dz, in place of a. Other activations' derivatives take more than a few instructions."""
    store_tanh_slope(t, a, row_bytes(zero), last)


@compiled
def sigmoid_slope(t, a, last, zero):
    """(10) likewise."""
    store_sigmoid_slope(t, a, row_bytes(zero), last)


@compiled
def relu_slope(t, a, last, zero):
    """(10) likewise."""
    store_relu_slope(t, a, row_bytes(zero), last)


@shared
def tanh_back_at(blocks: int, counts: Pair, left: Place, dz: Pair, a: Pair, zero: float) -> None:
    """(9), (10) dz^[l] -> dz^[l-1] in place of a^[l-1], between narrow layers: left is m x k. The next two likewise."""
    times_blocks(blocks, counts, left, 0, dz, a, tanh_slope, zero)


@shared
def sigmoid_back_at(blocks: int, counts: Pair, left: Place, dz: Pair, a: Pair, zero: float) -> None:
    times_blocks(blocks, counts, left, 0, dz, a, sigmoid_slope, zero)


@shared
def relu_back_at(blocks: int, counts: Pair, left: Place, dz: Pair, a: Pair, zero: float) -> None:
    times_blocks(blocks, counts, left, 0, dz, a, relu_slope, zero)


@shared
def plain_back_at(blocks: int, counts: Pair, left: Place, dz: Pair, da: Pair, zero: float) -> None:
    """(9) dz^[l] -> da^[l-1]."""
    times_blocks(blocks, counts, left, 0, dz, da, as_it_is, zero)


@shared
def sums_over_samples(rows: int, counts: Pair, x: Pair, y: Pair, c: int, zero: float) -> None:
    """c = x y^T, contiguous and m x n: sums over samples of m features by n; x and y in blocks, with the steps to the next.

    Whichever needs fewer tiles goes along their rows.
    """
    (m, n), size = counts, element_size(zero)
    if _halves(n, m, zero) < _halves(m, n, zero):
        _sums(rows, n, m, y, x, (c, size, n * size), zero)
    else:
        _sums(rows, m, n, x, y, (c, n * size, size), zero)


@compiled
def _halves(m, n, zero):
    """Tiles of half the rows, for m rows and n columns."""
    return -(-m // half_rows(zero)) * -(-n // VECTORS)


@compiled
def _sums(rows, m, n, x, y, target, zero):
    row = row_bytes(zero)
    c, c_row, c_col = target
    for i in range(0, m, full_rows(zero)):
        last, left = min(full_rows(zero), m - i) - 1, (x[0] + i * row, x[1])
        for j in range(0, n, VECTORS):
            places = (y[0] + j * row, y[0] + min(j + 1, n - 1) * row, y[0] + min(j + 2, n - 1) * row)
            corner = (c + i * c_row + j * c_col, c_row, c_col, min(VECTORS, n - j))
            if last < half_rows(zero):
                _sums_tile(form(zero, half_rows(zero), VECTORS), rows, left, last, (places, y[1]), corner)
            else:
                _sums_tile(form(zero, full_rows(zero), VECTORS), rows, left, last, (places, y[1]), corner)


@compiled
def _sums_tile(kind, rows, left, last, right, corner):
    """A tile of vectors of sums, one for each lane, which are then added up."""
    zero, total = zero_of(kind), zeros(kind)
    (x, x_block), (places, y_block) = left, right
    row, width = row_bytes(zero), lanes(zero)
    step = width * element_size(zero)
    offset = 0
    for _ in range(rows // block_samples(zero)):
        for v in range(VECTORS):
            total = products(total, x + v * step, row, last, places, offset + v * step, None)
        x += x_block
        offset += y_block
    for v in range(-(-(rows % block_samples(zero)) // width)):
        count = min(width, rows % block_samples(zero) - v * width)
        total = products(total, x + v * step, row, last, places, offset + v * step, count)
    c, c_row, c_col, columns = corner
    sums = on_stack(64, zero)
    store(lane_sums(total), sums, 0, 0, None)
    for r in range(last + 1):
        for v in range(columns):
            write(read(zero, sums + (r * VECTORS + v) * element_size(zero)), c + r * c_row + v * c_col)
