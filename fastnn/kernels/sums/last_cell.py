"""The last cell of a convolution's part, where it would have a vector of cells to itself: rows k are its lanes instead.

An odd square of cells is one more than whole vectors of 8. For a tile of rows k that vector costs as much as any other, and
of 7 x 7 cells, with 16 lanes, it is the fourth of four: 256 channels took a seventh longer. Packed weights of a tap are
neighbours (weights.py), so they are a vector, too, and go with a cell in all lanes. The sums have the same terms in the same
order.
"""

from fastnn.kernels.arrays.memory import element_size, read, read_integer, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import column_form, full_rows, lanes, vectors_of, zero_of, zeros
from fastnn.kernels.registers.tiles import load, rank_one, store

TILES = 4  # of rows k at a time: each product waits for the one before it
FEW = 32  # vectors of cells: of more it is a part too small to compile this for

Terms = tuple[int, int, int, int]
Weights = tuple[int, int, int, int]
Places = tuple[int, int, int]
Pair = tuple[int, int]


@compiled
def is_alone(cells, zero):
    """Whether the last of some cells has a vector to itself, and others are few."""
    return lanes(zero) < cells <= FEW * lanes(zero) and cells % lanes(zero) == 1


@tiled
def sum_last_cell(terms: Terms, weights: Weights, cell: Places, out: Pair, zero: float) -> None:
    """All rows k, or added to what is there.

    terms: taps, whether to add, K and the terms of a row k; weights: their address, the bias and its step; and the tap that
    comes first; cell: its place under a tap with offset 0, the table of offsets, a place for TILES tiles of rows; out:
    the place, and the step from row to row.
    """
    _sum(column_form(zero), terms, weights, cell, out)


@compiled
def _sum(kind, terms, weights, cell, out):
    (taps, adds, K, each), (packed, bias, step, skipped), (place, table, buffer) = terms, weights, cell
    zero, t = zero_of(kind), zeros(kind)
    size, rows = element_size(zero), full_rows(zero)
    row, count = rows * size, rows - (vectors_of(kind) - 1) * lanes(zero)
    final = (K - 1) // rows * rows
    for k in range(0, K, TILES * rows):
        some = min(TILES * rows, K - k)
        for r in range(TILES * rows):
            write(zero if adds else read(zero, bias + min(k + r, K - 1) * step), buffer + r * size)
        first = packed + (k * each + skipped * rows) * size
        second = packed + (min(k + rows, final) * each + skipped * rows) * size
        third = packed + (min(k + 2 * rows, final) * each + skipped * rows) * size
        fourth = packed + (min(k + 3 * rows, final) * each + skipped * rows) * size
        a, b = load(t, buffer, 0, 0, count), load(t, buffer + row, 0, 0, count)
        c, d = load(t, buffer + 2 * row, 0, 0, count), load(t, buffer + 3 * row, 0, 0, count)
        for tap in range(taps):
            source, offset = place + read_integer(table + 8 * tap), tap * row
            a = rank_one(a, source, 0, 0, first + offset, count)
            b = rank_one(b, source, 0, 0, second + offset, count)
            c = rank_one(c, source, 0, 0, third + offset, count)
            d = rank_one(d, source, 0, 0, fourth + offset, count)
        store(a, buffer, 0, 0, count)
        store(b, buffer + row, 0, 0, count)
        store(c, buffer + 2 * row, 0, 0, count)
        store(d, buffer + 3 * row, 0, 0, count)
        for r in range(some):
            target, total = out[0] + (k + r) * out[1], read(zero, buffer + r * size)
            write(total + read(zero, target) if adds else total, target)
