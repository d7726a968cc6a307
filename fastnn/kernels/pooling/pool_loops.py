"""Pooling on addresses, for pool.py and for a network's slice: chooses by the windows among the ways.

sizes are (planes, H, W, H', W'), where the planes of all samples and channels are contiguous, one behind the other; windows
(f_h, f_w, S_h, S_w, P_h, P_w). Each way is a shared function, so that only what the windows at hand need is compiled.
"""

import numpy as np

from fastnn.kernels.arrays.layout import address, at, bytes_at, empty, in_use_until_here, rows_at
from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.pooling import pool2x2, pool2x2_back, pool3x3, pool3x3_back, pool3x3_route, pool3x3_strips, pool_planes
from fastnn.kernels.pooling.pool_order import larger
from fastnn.kernels.pooling.pool_windows import (
    EXACT,
    backward_avg,
    find_largest,
    forward,
    laid_out,
    scratch_for,
    span,
    total,
    windows_over,
)
from fastnn.kernels.registers.forms import lanes

Sizes = tuple[int, int, int, int, int]
Windows = tuple[int, int, int, int, int, int]


@compiled
def pairs(windows):
    """f, S and P."""
    f_h, f_w, S_h, S_w, P_h, P_w = windows
    return (f_h, f_w), (S_h, S_w), (P_h, P_w)


@shared
def clear(da: int, count: int, zero: float) -> None:
    """Zeros, for windows that overlap or leave cells out; with others this is not compiled."""
    at(da, count, zero)[:] = 0


@shared
def max_at(a: int, z: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(16) z_ij = max_rs a_(iS+r)(jS+s)."""
    (f, S, P), (planes, H, W, _, _), number = pairs(windows), sizes, at(a, 0, zero).dtype.type
    if pool2x2.fits(f, S, P):
        pool2x2.forward_max(a, z, planes, H, W, zero)
    elif pool3x3.fits(f, S, P, zero):
        pool3x3.forward_max(a, z, sizes, P, number(-np.inf))
    elif pool_planes.fits(sizes, zero):
        pool_planes.forward_max(a, z, sizes, windows, number(-np.inf))
    else:
        any_max_at(a, z, sizes, windows, zero)


@shared
def any_max_at(a: int, z: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(16) for windows of any kind."""
    number = at(a, 0, zero).dtype.type
    forward(a, z, sizes, pairs(windows), larger, number(-np.inf), number(1))


@shared
def max_back_at(dz: int, a: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) da_ij sums the dz of the windows whose largest cell is (i, j)."""
    (f, S, P), (planes, H, W, _, _) = pairs(windows), sizes
    if pool2x2.fits(f, S, P):
        if not pool2x2.covers(f, S, P, H, W):
            clear(da, planes * H * W, zero)
        pool2x2_back.backward_max(dz, a, da, planes, H, W, zero)
    elif pool3x3.fits(f, S, P, zero):
        find_and_route_at(dz, a, da, sizes, P, zero)
    elif pool_planes.fits(sizes, zero):
        pool_planes.backward_max(dz, a, da, sizes, windows, zero)
    else:
        clear(da, planes * H * W, zero)
        route_at(dz, a, da, sizes, windows, zero)


@shared
def find_and_route_at(dz: int, a: int, da: int, sizes: Sizes, P: pool3x3.Padding, zero: float) -> None:
    """(18) for windows of 3 x 3 with strides of 2: their index, of a few images at a time, and then by it."""
    (planes, H, W, H_out, W_out), size, low = sizes, element_size(zero), at(a, 0, zero).dtype.type(-np.inf)
    together = max(1, min(planes, pool3x3_strips.RUN // (H * W * size)))
    scratch = empty(together * H_out * W_out // size + 1, zero)
    index = address(scratch)
    for p in range(0, planes, together):
        some, cells = (min(together, planes - p), H, W, H_out, W_out), p * H * W * size
        pool3x3.forward_max_index(a + cells, 0, index, some, P, low)
        pool3x3_route.backward_max_index(dz + p * H_out * W_out * size, index, da + cells, some, P, zero)
    in_use_until_here(scratch)


@compiled
def largest(image, top, bottom, left, right):
    """Where the largest cell of a window is: the first one, where several are; a NaN counts as the largest."""
    best_y, best_x = top, left
    best = image[top, left]
    for y in range(top, bottom):
        for x in range(left, right):
            if image[y, x] > best or (np.isnan(image[y, x]) and not np.isnan(best)):
                best, best_y, best_x = image[y, x], y, x
    return best_y, best_x


@shared
def route_at(dz: int, a: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) Each dz is added, in da of zeros, to the largest cell of its window."""
    (planes, H, W, H_out, W_out), (f, S, P), size = sizes, pairs(windows), element_size(zero)
    low = at(a, 0, zero).dtype.type(-np.inf)
    vectors = H * W + W + P[1] < EXACT  # else places are no floats
    places = empty(W_out + lanes(zero), zero)
    scratch = scratch_for(H if vectors else 0, W, S[1], low)
    for p in range(planes):
        plane, cells = a + p * H * W * size, at(da + p * H * W * size, H * W, zero)
        image, gradients = rows_at(plane, H, W, zero), rows_at(dz + p * H_out * W_out * size, H_out, W_out, zero)
        if vectors:
            rows = laid_out(plane, H, W, S[1], scratch, low)
        for i in range(H_out):
            top, bottom = span(i, f[0], S[0], P[0], H)
            if vectors:
                find_largest(i, rows, (0, address(places)), (0, W), sizes, (f, S, P), low)
            for j in range(W_out):
                left, right = span(j, f[1], S[1], P[1], W)
                if not vectors:
                    y, x = largest(image, top, bottom, left, right)
                    cell = y * W + x
                elif places[j] >= 0:
                    cell = np.int64(places[j]) + j * S[1] - P[1]
                else:
                    cell = top * W + left
                cells[cell] += gradients[i, j]
    in_use_until_here(places)


@shared
def max_index_at(a: int, z: int, index: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(16) z, and the number r f_w + s, a byte, of the first of each window's largest cells.

    Where the largest are zeros of both signs, z may be the other zero than without a number.
    """
    (f, S, P), (planes, H, W, _, _) = pairs(windows), sizes
    if pool2x2.fits(f, S, P):
        pool2x2.forward_max_index(a, z, index, planes, H, W, zero)
    elif pool3x3.fits(f, S, P, zero):
        pool3x3.forward_max_index(a, z, index, sizes, P, at(a, 0, zero).dtype.type(-np.inf))
    elif pool_planes.fits(sizes, zero):
        planes_max_index_at(a, z, index, sizes, windows, zero)
    else:
        any_max_index_at(a, z, index, sizes, windows, zero)


@shared
def planes_max_index_at(a: int, z: int, index: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(16) for windows of any kind over many small images."""
    (planes, _, _, H_out, W_out), n = sizes, lanes(zero) * sizes[3] * sizes[4]
    numbers = empty(n, zero)
    for first in range(0, planes, lanes(zero)):
        p = min(first, planes - lanes(zero))
        pool_planes.find(a, z, address(numbers), p, sizes, windows, zero)
        target = bytes_at(index + p * H_out * W_out, n)
        for i in range(n):
            target[i] = np.uint8(np.int32(numbers[i]))


@shared
def any_max_index_at(a: int, z: int, index: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(16) for windows of any kind, of no more than 256 cells."""
    (planes, H, W, H_out, W_out), (f, S, P), size = sizes, pairs(windows), element_size(zero)
    low, numbers = at(a, 0, zero).dtype.type(-np.inf), empty(W_out + lanes(zero), zero)
    scratch = scratch_for(H, W, S[1], low)
    for p in range(planes):
        rows = laid_out(a + p * H * W * size, H, W, S[1], scratch, low)
        for i in range(H_out):
            row, begin = (p * H_out + i) * W_out, i * S[0] - P[0]
            find_largest(i, rows, (z + row * size, address(numbers)), (begin, f[1]), sizes, (f, S, P), low)
            target, r = bytes_at(index + row, W_out), max(0, -begin)
            for j in range(W_out):
                number = np.int64(numbers[j])
                target[j] = number if number >= 0 else r * f[1] + max(0, P[1] - j * S[1])
    in_use_until_here(numbers)


@shared
def max_index_back_at(dz: int, index: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) da_ij sums the dz of the windows whose number, in index, is that of (i, j)."""
    (f, S, P), (planes, H, W, _, _) = pairs(windows), sizes
    if pool2x2.fits(f, S, P):
        if not pool2x2.covers(f, S, P, H, W):
            clear(da, planes * H * W, zero)
        pool2x2_back.backward_max_index(dz, index, da, planes, H, W, zero)
    elif pool3x3.fits(f, S, P, zero):
        pool3x3_route.backward_max_index(dz, index, da, sizes, P, zero)
    elif pool_planes.fits(sizes, zero) and 2 * sizes[3] * sizes[4] > H * W:  # else few cells have more than one window
        planes_max_index_back_at(dz, index, da, sizes, windows, zero)
    else:
        clear(da, planes * H * W, zero)
        route_index_at(dz, index, da, sizes, windows, zero)


@shared
def planes_max_index_back_at(dz: int, index: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) for windows of any kind over many small images."""
    (planes, _, _, H_out, W_out), n, number = sizes, lanes(zero) * sizes[3] * sizes[4], at(da, 0, zero).dtype.type
    numbers = empty(n, zero)
    for first in range(0, planes, lanes(zero)):
        p = min(first, planes - lanes(zero))
        chosen = bytes_at(index + p * H_out * W_out, n)
        for i in range(n):
            numbers[i] = number(np.int32(chosen[i]))
        pool_planes.route(dz, address(numbers), da, p, sizes, windows, zero)


@shared
def route_index_at(dz: int, index: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(18) Each dz is added, in da of zeros, to the cell of its window that has the number, if the image has that cell."""
    (planes, H, W, H_out, W_out), (f, S, P), size = sizes, pairs(windows), element_size(zero)
    numbers = np.arange(f[0] * f[1])
    rows, columns = numbers // f[1], numbers % f[1]
    for row in range(planes * H_out):
        p, i = row // H_out, row % H_out
        first, plane = i * S[0] - P[0], da + p * H * W * size
        gradients, chosen = at(dz + row * W_out * size, W_out, zero), bytes_at(index + row * W_out, W_out)
        for j in range(W_out):
            number = np.int64(chosen[j])
            if number < numbers.size:
                y, x = first + rows[number], j * S[1] - P[1] + columns[number]
                if 0 <= y < H and 0 <= x < W:
                    place = plane + (y * W + x) * size
                    write(read(zero, place) + gradients[j], place)


@shared
def avg_at(a: int, z: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(15) z_ij = mean_rs a_(iS+r)(jS+s)."""
    (f, S, P), (planes, H, W, _, _) = pairs(windows), sizes
    share = at(a, 0, zero).dtype.type(1 / (f[0] * f[1]))
    if pool2x2.fits(f, S, P):
        pool2x2.forward_avg(a, z, planes, H, W, share)
    elif pool3x3.fits(f, S, P, zero):
        pool3x3.forward_avg(a, z, sizes, P, share)
    elif pool_planes.fits(sizes, zero):
        pool_planes.forward_avg(a, z, sizes, windows, share)
    else:
        any_avg_at(a, z, sizes, windows, share)


@shared
def any_avg_at(a: int, z: int, sizes: Sizes, windows: Windows, share: float) -> None:
    """(15) for windows of any kind."""
    forward(a, z, sizes, pairs(windows), total, at(a, 0, share).dtype.type(0), share)


@shared
def avg_back_at(dz: int, da: int, sizes: Sizes, windows: Windows, zero: float) -> None:
    """(19) Each dz is spread evenly over its window."""
    (f, S, P), (planes, H, W, _, _) = pairs(windows), sizes
    share = at(da, 0, zero).dtype.type(1 / (f[0] * f[1]))
    if pool2x2.fits(f, S, P):
        if not pool2x2.covers(f, S, P, H, W):
            clear(da, planes * H * W, zero)
        pool2x2_back.backward_avg(dz, da, planes, H, W, share)
    elif pool3x3.fits(f, S, P, zero):
        pool3x3_back.backward_avg(dz, da, sizes, P, share)
    elif pool_planes.fits(sizes, zero):
        pool_planes.backward_avg(dz, da, sizes, windows, share)
    elif S[1] <= 2:
        sum_at(dz, da, sizes, windows, share)
    else:
        clear(da, planes * H * W, zero)
        spread_at(dz, da, sizes, windows, share)


@shared
def sum_at(dz: int, da: int, sizes: Sizes, windows: Windows, share: float) -> None:
    """(19) for strides of 1 or 2 across."""
    backward_avg(dz, da, sizes, pairs(windows), share)


@shared
def spread_at(dz: int, da: int, sizes: Sizes, windows: Windows, share: float) -> None:
    """(19) share dz is added to each cell of its window, in da of zeros."""
    (planes, H, W, H_out, W_out), (f, S, P), size = sizes, pairs(windows), element_size(share)
    amounts = empty(W_out, share)
    for p in range(planes):
        gradients = rows_at(dz + p * H_out * W_out * size, H_out, W_out, share)
        for y in range(H):
            first, behind = windows_over(y, f[0], S[0], P[0], H_out)
            if first >= behind:
                continue
            amounts[:] = 0
            for i in range(first, behind):
                for j in range(W_out):
                    amounts[j] += gradients[i, j] * share
            row = at(da + (p * H + y) * W * size, W, share)
            for s in range(max(0, P[1] - (W_out - 1) * S[1]), min(f[1], W + P[1])):
                left = s - P[1]
                begin = max(0, -(left // S[1]))
                end = min(W_out, (W - 1 - left) // S[1] + 1)
                for j in range(begin, end):
                    row[j * S[1] + left] += amounts[j]
