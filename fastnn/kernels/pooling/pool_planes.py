"""Pooling by windows of any kind, of small images: a vector of images at a time.

Lane l of a vector belongs to plane p + l, so that no window, stride or padding leaves one empty. Planes are turned so that
each cell is a vector, in scratch memory, and what becomes of them is turned back: windows of 5 x 5 with strides of 2 over
12 x 12 took a tenth of the time of pool_windows.py's, whose vectors are of neighbouring windows, 4 there. The last planes
go back over some that are done.

The cells of a window have numbers, which are floats in the lanes: (y + y_0) row + x + x_0, which is r f_w + s for an index;
without one it is y W + x, which any float can hold. Addresses and sizes are as in pool_windows.py; f, S and P in
`windows` are pairs.
"""

from fastnn.kernels.arrays.layout import address, empty, in_use_until_here
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool_order import larger
from fastnn.kernels.pooling.pool_windows import span, windows_over
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import added_where_same, filled, scaled, where_larger
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.tiles import added, load, store, tile

MOST = 64 * 64  # cells of an image: vectors of so many are a quarter of a second-level cache of 1 MB

Sizes = tuple[int, int, int, int, int]
Windows = tuple[int, int, int, int, int, int]


@compiled
def fits(sizes, zero):
    """Whether there are enough planes, and small ones."""
    return sizes[0] >= lanes(zero) and max(sizes[1] * sizes[2], sizes[3] * sizes[4]) <= MOST


@compiled
def pairs(windows):
    f_h, f_w, S_h, S_w, P_h, P_w = windows
    return (f_h, f_w), (S_h, S_w), (P_h, P_w)


@compiled
def vector_bytes(zero):
    return lanes(zero) * element_size(zero)


@compiled
def vectors(n, zero):
    """Scratch memory for so many vectors, in whole blocks, as `turned` writes them."""
    every = lanes(zero)
    return empty((n + every) * every, zero)


@inlined
def turned(planes, target, n, zero):
    """n elements of each of as many planes as a vector has lanes -> n vectors, of an element of each plane."""
    every, size = lanes(zero), element_size(zero)
    block = tile(zero, every, 1)
    for c in range(0, n, every):
        cells = transposed(load(block, planes + c * size, n * size, every - 1, n - c))
        store(cells, target + c * every * size, every * size, every - 1, None)


@inlined
def turned_back(source, planes, n, zero):
    every, size = lanes(zero), element_size(zero)
    block = tile(zero, every, 1)
    for c in range(0, n, every):
        cells = transposed(load(block, source + c * every * size, every * size, every - 1, None))
        store(cells, planes + c * size, n * size, every - 1, n - c)


@compiled
def cells_of(window, sizes, windows):
    """The rows and the columns of the image that a window meets."""
    (_, H, W, _, W_out), (f, S, P) = sizes, windows
    return span(window // W_out, f[0], S[0], P[0], H), span(window % W_out, f[1], S[1], P[1], W)


@compiled
def number_at(y, x, i, j, indexed, sizes, windows):
    """The number of cell (y, x) in window (i, j)."""
    f, S, P = windows
    return (y + P[0] - i * S[0]) * f[1] + x + P[1] - j * S[1] if indexed else y * sizes[2] + x


@tiled
def forward_max(a: int, z: int, sizes: Sizes, windows: Windows, low: float) -> None:
    """(16) z = max_rs a_rs for each window; low is minus infinity."""
    _join(larger, a, z, sizes, pairs(windows), (low, type(low)(1)))


@tiled
def forward_avg(a: int, z: int, sizes: Sizes, windows: Windows, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    _join(added_of, a, z, sizes, pairs(windows), (type(share)(0), share))


@compiled
def added_of(t, u):
    return added(t, u)


@inlined
def _join(join, a, z, sizes, windows, numbers):
    (planes, H, W, H_out, W_out), (start, share) = sizes, numbers
    n, n_out, size, step = H * W, H_out * W_out, element_size(share), vector_bytes(share)
    t, scratch, results = tile(share, 1, 1), vectors(n, share), vectors(n_out, share)
    cells, target = address(scratch), address(results)
    for first in range(0, planes, lanes(share)):
        p = min(first, planes - lanes(share))
        turned(a + p * n * size, cells, n, share)
        for window in range(n_out):
            rows, columns = cells_of(window, sizes, windows)
            joined = filled(t, start)
            for x in range(columns[0], columns[1]):
                for y in range(rows[0], rows[1]):
                    joined = join(joined, load(t, cells + (y * W + x) * step, 0, 0, None))
            store(scaled(joined, share), target + window * step, 0, 0, None)
        turned_back(target, z + p * n_out * size, n_out, share)
    in_use_until_here(scratch)
    in_use_until_here(results)


@inlined
def _largest(cells, window, indexed, sizes, windows, zero):
    """Of a window of each plane the largest cell and its number: the first one, where several are, NaN being the largest."""
    (rows, columns), W, step, t = cells_of(window, sizes, windows), sizes[2], vector_bytes(zero), tile(zero, 1, 1)
    i, j = window // sizes[4], window % sizes[4]
    best = load(t, cells + (rows[0] * W + columns[0]) * step, 0, 0, None)
    number = filled(t, type(zero)(number_at(rows[0], columns[0], i, j, indexed, sizes, windows)))
    for y in range(rows[0], rows[1]):
        own = number_at(y, columns[0], i, j, indexed, sizes, windows)
        for x in range(columns[0], columns[1]):
            cell = load(t, cells + (y * W + x) * step, 0, 0, None)
            number = where_larger(best, cell, filled(t, type(zero)(own)), number)
            best = larger(best, cell)
            own += 1
    return best, number


@inlined
def _find(cells, values, numbers, sizes, windows, zero):
    """The largest cells of all windows and their numbers for an index; without one, where values is 0, the numbers alone."""
    step, indexed = vector_bytes(zero), values != 0
    for window in range(sizes[3] * sizes[4]):
        best, number = _largest(cells, window, indexed, sizes, windows, zero)
        store(number, numbers + window * step, 0, 0, None)
        if indexed:
            store(best, values + window * step, 0, 0, None)


@tiled
def find(a: int, z: int, numbers: int, p: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(16) Of as many planes as a vector has lanes, from plane p on, z, and at `numbers` those of the largest cells."""
    n, n_out, size = sizes[1] * sizes[2], sizes[3] * sizes[4], element_size(zero)
    image, values, found = vectors(n, zero), vectors(n_out, zero), vectors(n_out, zero)
    turned(a + p * n * size, address(image), n, zero)
    _find(address(image), address(values), address(found), sizes, pairs(windows), zero)
    turned_back(address(values), z + p * n_out * size, n_out, zero)
    turned_back(address(found), numbers, n_out, zero)
    in_use_until_here(image)
    in_use_until_here(values)
    in_use_until_here(found)


@tiled
def route(dz: int, numbers: int, da: int, p: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) Of as many planes, each dz goes to the cell of its window that has the number, if the image has that cell."""
    n, n_out, size = sizes[1] * sizes[2], sizes[3] * sizes[4], element_size(zero)
    cells, amounts, chosen = vectors(n, zero), vectors(n_out, zero), vectors(n_out, zero)
    turned(dz + p * n_out * size, address(amounts), n_out, zero)
    turned(numbers, address(chosen), n_out, zero)
    _sums(_chosen, True, (address(amounts), address(chosen), address(cells)), sizes, pairs(windows), zero)
    turned_back(address(cells), da + p * n * size, n, zero)
    in_use_until_here(cells)
    in_use_until_here(amounts)
    in_use_until_here(chosen)


@tiled
def backward_max(dz: int, a: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) Each dz goes to the first of the largest cells of its window."""
    n, n_out, size = sizes[1] * sizes[2], sizes[3] * sizes[4], element_size(zero)
    cells, amounts, chosen = vectors(n, zero), vectors(n_out, zero), vectors(n_out, zero)
    for first in range(0, sizes[0], lanes(zero)):
        p = min(first, sizes[0] - lanes(zero))
        turned(a + p * n * size, address(cells), n, zero)
        _find(address(cells), 0, address(chosen), sizes, pairs(windows), zero)
        turned(dz + p * n_out * size, address(amounts), n_out, zero)
        _sums(_chosen, False, (address(amounts), address(chosen), address(cells)), sizes, pairs(windows), zero)
        turned_back(address(cells), da + p * n * size, n, zero)
    in_use_until_here(cells)
    in_use_until_here(amounts)
    in_use_until_here(chosen)


@tiled
def backward_avg(dz: int, da: int, sizes: Sizes, windows: Windows, share: float) -> None:
    """(19) da = share times the sum of the dz of the windows over each cell."""
    n, n_out, size = sizes[1] * sizes[2], sizes[3] * sizes[4], element_size(share)
    cells, amounts = vectors(n, share), vectors(n_out, share)
    for first in range(0, sizes[0], lanes(share)):
        p = min(first, sizes[0] - lanes(share))
        turned(dz + p * n_out * size, address(amounts), n_out, share)
        _sums(_every, False, (address(amounts), 0, address(cells)), sizes, pairs(windows), share)
        turned_back(address(cells), da + p * n * size, n, share)
    in_use_until_here(cells)
    in_use_until_here(amounts)


@inlined
def _sums(add, indexed, places, sizes, windows, share):
    """Of each cell the sum over the windows above it of what `add` adds, which is told the cell's number there."""
    (_, H, W, H_out, W_out), (f, S, P), step = sizes, windows, vector_bytes(share)
    for y in range(H):
        top, bottom = windows_over(y, f[0], S[0], P[0], H_out)
        left, right = 0, 0
        for x in range(W):
            while left * S[1] + f[1] <= x + P[1]:
                left += 1
            while right < W_out and right * S[1] <= x + P[1]:
                right += 1
            total = tile(share, 1, 1)
            for i in range(top, bottom):
                for j in range(left, right):
                    number = number_at(y, x, i, j, indexed, sizes, windows)
                    total = add(total, places, (i * W_out + j) * step, number, share)
            store(total, places[2] + (y * W + x) * step, 0, 0, None)


@inlined
def _chosen(total, places, offset, number, zero):
    """dz where the window's number is the cell's."""
    chosen, own = load(total, places[1] + offset, 0, 0, None), filled(total, type(zero)(number))
    return added_where_same(total, chosen, own, load(total, places[0] + offset, 0, 0, None))


@inlined
def _every(total, places, offset, _, share):
    """Any window's share."""
    return added(total, scaled(load(total, places[0] + offset, 0, 0, None), share))
