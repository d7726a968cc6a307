"""Pooling by windows of any size, stride and padding: a vector of windows of one output row at a time.

Lane l of a vector belongs to window j + l. Its cells of one column of the windows lie S apart in a row of the image; lanes
whose cell is padding keep what they are given. Addresses are in bytes, as in tiles.py. Planes are the images of all samples
and channels, one behind the other; sizes is (planes, H, W, H', W'), windows (f, S, P).
"""

from fastnn.kernels.jit import compiled
from fastnn.kernels.tiles import (
    added,
    element_size,
    evens,
    filled,
    gathered,
    lanes,
    load_lanes,
    scaled,
    store,
    tile,
    where_larger,
)

EXACT = 2**24  # numbers below it are float32


@compiled
def span(i, f, S, P, n):
    """The range of input cells under window i along one axis, without the padding."""
    first = i * S - P
    return max(first, 0), min(first + f, n)


@compiled
def larger(t, u):
    """The larger of each two lanes; NaN where one is."""
    return where_larger(t, u, u, t)


@compiled
def total(t, u):
    return added(t, u)


@compiled
def _lane(n, every):
    return min(max(n, 0), every)


@compiled
def _cells(others, row, x, S, W, zero):
    """Cells x, x + S, ... of a row with W of them, and `others` in the lanes whose cell does not exist."""
    size, every = element_size(zero), lanes(zero)
    place = row + x * size
    if S == 1:
        return load_lanes(others, place, _lane(-x, every), _lane(W - x, every))
    if S == 2:
        low = load_lanes(others, place, _lane(-x, every), _lane(W - x, every))
        x += every
        high = load_lanes(others, place + every * size, _lane(-x, every), _lane(W - x, every))
        return evens(low, high, every)
    return gathered(others, place, S * size, _lane(-(x // S), every), _lane(-((x - W) // S), every))


@compiled
def _columns(j, f, S, P, W, every):
    """The columns of a vector of windows, from window j on, that meet the image."""
    return max(0, P - (j + every - 1) * S), min(f, W + P - j * S)


@compiled
def forward(a, z, sizes, windows, join, start, share):
    """(15), (16) z = share join_rs a_rs for each window, where start is the join of no cells."""
    (planes, H, W, H_out, W_out), (f, S, P) = sizes, windows
    size, every, nothing = element_size(share), lanes(share), filled(tile(share, 1, 1), start)
    for p in range(planes):
        for i in range(H_out):
            top, bottom = span(i, f[0], S[0], P[0], H)
            for j in range(0, W_out, every):
                joined = nothing
                first, behind = _columns(j, f[1], S[1], P[1], W, every)
                for s in range(first, behind):
                    x = j * S[1] - P[1] + s
                    for y in range(top, bottom):
                        joined = join(joined, _cells(nothing, a + (p * H + y) * W * size, x, S[1], W, share))
                store(scaled(joined, share), z + ((p * H_out + i) * W_out + j) * size, 0, 0, W_out - j)


@compiled
def find_largest(row_of_windows, a, places, sizes, windows, low):
    """(18) Where the largest cell of each window of a row is: place y W + s, the first one in row-major order, or -1.

    row_of_windows is (plane, i); places has a vector more than W' elements; low is minus infinity. -1 stands for the first
    cell of a window that has nothing but low.
    """
    (_, H, W, _, W_out), (f, S, P), (p, i) = sizes, windows, row_of_windows
    size, every, nothing = element_size(low), lanes(low), filled(tile(low, 1, 1), low)
    unit = type(low)(1)
    top, bottom = span(i, f[0], S[0], P[0], H)
    for j in range(0, W_out, every):
        best, place = nothing, filled(nothing, -unit)
        first, behind = _columns(j, f[1], S[1], P[1], W, every)
        for y in range(top, bottom):
            for s in range(first, behind):
                cells = _cells(nothing, a + (p * H + y) * W * size, j * S[1] - P[1] + s, S[1], W, low)
                place = where_larger(best, cells, filled(nothing, type(low)(y * W + s)), place)
                best = larger(best, cells)
        store(place, places + j * size, 0, 0, None)
