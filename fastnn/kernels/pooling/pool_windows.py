"""Pooling by windows of any size, stride and padding: a vector of windows of one output row at a time.

Lane l of a vector belongs to window j + l, and the cells of one column of such windows lie S apart in a row of the image.
Lanes whose cell is padding must get what changes nothing. It lies beside the rows of a copy of one plane, the only scratch
memory: masks for the ends of rows took longer than all else. Under strides S above 2 a row lies there in S parts, of every
Sth cell: to gather these from the image took up to ten times as long.

Addresses are in bytes, as in tiles.py; the caller keeps the arrays. Planes are the images of all samples and channels, one
behind the other; sizes is (planes, H, W, H', W'), windows (f, S, P).
"""

from fastnn.kernels.arrays.layout import address, empty
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.pooling.pool_order import larger
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import filled, load_lanes, scaled, store_lanes, where_larger
from fastnn.kernels.registers.shuffles import evens, first_half, second_half
from fastnn.kernels.registers.tiles import added, load, store, tile

EXACT = 2**24  # numbers below it are float32


@compiled
def span(i, f, S, P, n):
    """The range of input cells under window i along one axis, without the padding."""
    first = i * S - P
    return max(first, 0), min(first + f, n)


@compiled
def total(t, u):
    return added(t, u)


@compiled
def _lane(n, every):
    return min(max(n, 0), every)


@compiled
def margin(S, zero):
    """Cells beside a row of `scratch_for`, or a part of it: as many as a vector of windows that meets the row can reach."""
    return lanes(zero) * (S if S <= 2 else 1)


@compiled
def _part(W, S, zero):
    """The cells of one of the S parts of a row, with those beside it."""
    return -(-W // S) + 2 * margin(S, zero)


@compiled
def _row(W, S, zero):
    """The cells of a row of `scratch_for`."""
    return W + 2 * margin(S, zero) if S <= 2 else S * _part(W, S, zero)


@compiled
def scratch_for(H, W, S, start):
    """Memory for one plane with a margin of `start` at both ends of its rows, or of their parts."""
    scratch = empty(H * _row(W, S, start), start)
    scratch[:] = start
    return scratch


@compiled
def laid_out(plane, H, W, S, scratch, start):
    """Where the plane's rows begin in the scratch memory, and the step from row to row."""
    size, every = element_size(start), lanes(start)
    nothing, step = filled(tile(start, 1, 1), start), _row(W, S, start) * size
    begin = address(scratch) + margin(S, start) * size
    for y in range(H):
        if S <= 2:
            for x in range(0, W, every):
                cells = load_lanes(nothing, plane + (y * W + x) * size, 0, _lane(W - x, every))
                store(cells, begin + y * step + x * size, 0, 0, None)
        else:
            for s in range(min(S, W)):
                place, part = plane + (y * W + s) * size, begin + y * step + s * _part(W, S, start) * size
                for j in range((W - 1 - s) // S + 1):
                    write(read(start, place + j * S * size), part + j * size)
    return begin, step


@compiled
def _cells(others, row, x, S, W, zero):
    """Cells x, x + S, ... of a row as `laid_out` puts it, and what is in its margin for those that do not exist."""
    size, every = element_size(zero), lanes(zero)
    place = row + x * size
    if S == 1:
        return load(others, place, 0, 0, None)
    if S == 2:
        return evens(load(others, place, 0, 0, None), load(others, place + every * size, 0, 0, None), every)
    return load(others, row + (x % S * _part(W, S, zero) + x // S) * size, 0, 0, None)


@compiled
def _columns(j, f, S, P, W, every):
    """The columns of a vector of windows, from window j on, that meet the image."""
    return max(0, P - (j + every - 1) * S), min(f, W + P - j * S)


@compiled
def forward(a, z, sizes, windows, join, start, share):
    """(15), (16) z = share join_rs a_rs for each window, where start is the join of no cells."""
    (planes, H, W, H_out, W_out), (f, S, P) = sizes, windows
    size, every, nothing = element_size(share), lanes(share), filled(tile(share, 1, 1), start)
    scratch = scratch_for(H, W, S[1], start)
    for p in range(planes):
        rows, step = laid_out(a + p * H * W * size, H, W, S[1], scratch, start)
        for i in range(H_out):
            top, bottom = span(i, f[0], S[0], P[0], H)
            for j in range(0, W_out, every):
                joined = nothing
                first, behind = _columns(j, f[1], S[1], P[1], W, every)
                for s in range(first, behind):
                    x = j * S[1] - P[1] + s
                    for y in range(top, bottom):
                        joined = join(joined, _cells(nothing, rows + y * step, x, S[1], W, share))
                store(scaled(joined, share), z + ((p * H_out + i) * W_out + j) * size, 0, 0, W_out - j)


@compiled
def backward_avg(dz, da, sizes, windows, share):
    """(19) da = share times the sum of the dz of the windows over each cell, for strides of 1 or 2 across.

    Cell x = q S + r - P of a row lies under windows q - k, k = 0, 1, ..., as long as k S + r < f.
    """
    (planes, H, W, H_out, W_out), (f, S, P) = sizes, windows
    size, every, zero = element_size(share), lanes(share), type(share)(0)
    scratch = scratch_for(H_out, W_out, 1, zero)
    for p in range(planes):
        rows = laid_out(dz + p * H_out * W_out * size, H_out, W_out, 1, scratch, zero)
        for y in range(H):
            first, behind = windows_over(y, f[0], S[0], P[0], H_out)
            row = da + (p * H + y) * W * size
            for q in range(P[1] // S[1], (W - 1 + P[1]) // S[1] + 1, every):
                place, x = row + (q * S[1] - P[1]) * size, q * S[1] - P[1]
                even = _sum_over(rows, first, behind, q, (f[1] - 1) // S[1] + 1, W_out, share)
                if S[1] == 1:
                    store_lanes(even, place, _lane(-x, every), _lane(W - x, every))
                else:
                    odd = _sum_over(rows, first, behind, q, (f[1] - 2) // S[1] + 1, W_out, share)
                    store_lanes(first_half(even, odd, every), place, _lane(-x, every), _lane(W - x, every))
                    x += every
                    place += every * size
                    store_lanes(second_half(even, odd, every), place, _lane(-x, every), _lane(W - x, every))


@compiled
def windows_over(y, f, S, P, n_out):
    """The range of windows over cell y along one axis."""
    return max(0, (y + P - f) // S + 1), min(n_out, (y + P) // S + 1)


@compiled
def _sum_over(plane, first, behind, q, count, W_out, share):
    """share times the sum of dz over rows first <= i < behind and columns q - k, k < count, for a vector of q."""
    size, every, nothing, (rows, step) = element_size(share), lanes(share), tile(share, 1, 1), plane
    summed = nothing
    for k in range(max(0, q - W_out + 1), min(count, q + every)):
        for i in range(first, behind):
            summed = added(summed, load(nothing, rows + i * step + (q - k) * size, 0, 0, None))
    return scaled(summed, share)


@compiled
def find_largest(i, plane, targets, numbering, sizes, windows, low):
    """(16), (18) The largest cell of each window of row i, the first one in row-major order, and its number.

    That is (y - begin) step + s in row y, where numbering is begin and step. The plane is as `laid_out` puts it. targets are
    the addresses for the cells, 0 where they are not asked for, and for the numbers, a vector more than W' elements; low is
    minus infinity. -1 stands for the first cell of a window that has nothing but low.
    """
    (_, H, W, _, W_out), (f, S, P), (rows, row_step), (begin, step) = sizes, windows, plane, numbering
    size, every, nothing = element_size(low), lanes(low), filled(tile(low, 1, 1), low)
    unit = type(low)(1)
    top, bottom = span(i, f[0], S[0], P[0], H)
    for j in range(0, W_out, every):
        best, number = nothing, filled(nothing, -unit)
        first, behind = _columns(j, f[1], S[1], P[1], W, every)
        for y in range(top, bottom):
            for s in range(first, behind):
                cells = _cells(nothing, rows + y * row_step, j * S[1] - P[1] + s, S[1], W, low)
                number = where_larger(best, cells, filled(nothing, type(low)((y - begin) * step + s)), number)
                best = larger(best, cells)
        store(number, targets[1] + j * size, 0, 0, None)
        if targets[0] != 0:
            store(best, targets[0] + j * size, 0, 0, W_out - j)
