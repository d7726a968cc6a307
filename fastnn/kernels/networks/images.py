"""The layers over images, for a network's slice: what conv.py and pool.py compute, on addresses.

A geometry is the address of C, H, W, K, H', W', f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w, groups and algorithm. b lies behind
theta, and db behind dtheta.
"""

from typing import Any

import numpy as np

from fastnn import plan
from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.layout import at
from fastnn.kernels.arrays.memory import element_size, read_integers, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared, tiled
from fastnn.kernels.convolution.choices import known
from fastnn.kernels.convolution.groups import (
    da_bytes,
    dtheta_bytes,
    forward_bytes,
    forward_groups,
    image_groups,
    theta_groups,
)
from fastnn.kernels.pooling.pool_loops import avg_at, avg_back_at, max_at, max_back_at, max_index_at, max_index_back_at
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.sums.theta_gradient import bias_gradient
from fastnn.plan import NUMBERS


@compiled
def numbers_of(g):
    """Of a geometry's numbers the sizes of the input and the output, then (f, S, P, D), then groups and the algorithm."""
    return (g[0], g[1], g[2]), (g[3], g[4], g[5]), (g[6], g[7], g[8], g[9], g[10], g[11], g[12], g[13]), (g[14], g[15])


@compiled
def place(address, size, zero):
    """Images, or a theta, one behind the other: the address, and the steps from one to the next along each axis."""
    width = element_size(zero)
    C, H, W = size
    return address, C * H * W * width, H * W * width, W * width, width


@compiled
def convolution(kind, g, m):
    """What the engine asks for, from a geometry's numbers: sizes (m, C, K, H, W, H', W') with the C and K of a group,
    window, (groups, algorithm), images, grid and theta.

    A transposed convolution is the one whose da its z is: H, W and C are those of its output.
    """
    n_in, n_out, window, (groups, algorithm) = numbers_of(g)
    image, grid = (n_in, n_out) if kind == plan.CONV else (n_out, n_in)
    sizes = (m, image[0] // groups, grid[0] // groups, image[1], image[2], grid[1], grid[2])
    return sizes, window, (groups, algorithm), image, grid, (sizes[1], window[0], window[1])


@compiled
def _bytes(sizes, window, algorithm, zero):
    """The scratch of a convolution's three steps."""
    one_way = max(forward_bytes(sizes, window, algorithm, zero), dtheta_bytes(sizes, window, algorithm, zero))
    return max(one_way, da_bytes(sizes, window, algorithm, zero))


def scratch_bytes(table: plan.Table, dtype: np.dtype[Any]) -> int:
    """The scratch of the convolutions of a network. In Python, for it is asked once: to compile it took 3 s."""
    rows, zero, most = table[0, plan.ROWS].item(), dtype.type(0), 0
    for row in table[1:].tolist():
        if row[plan.KIND] in (plan.CONV, plan.TRANSPOSED):
            sizes, window, (_, algorithm), _, _, _ = convolution(row[plan.KIND], row[plan.GEOMETRY :], rows)
            most = max(most, _bytes(sizes, window, algorithm, zero))
    return most


def choose(table: plan.Table, dtype: np.dtype[Any]) -> None:
    """Note beside a convolution's algorithm what is known of every slice. In Python, likewise: to compile it took 1.5 s."""
    rows, zero = table[0, plan.ROWS].item(), dtype.type(0)
    for row in table[1:]:
        if row[plan.KIND] in (plan.CONV, plan.TRANSPOSED):
            numbers = row[plan.GEOMETRY :].tolist()
            sizes, window, (_, algorithm), image, grid, _ = convolution(row[plan.KIND], numbers, rows)
            row[plan.GEOMETRY + 15] = known(algorithm, sizes, window, place(0, image, zero), place(0, grid, zero), zero)


@tiled
def convolve_at(kind: int, geometry: int, m: int, a: int, theta: int, z: int, scratch: int, zero: float) -> None:
    """(15) z = theta a + b, or (19) with a for dz: the transposed convolution."""
    if kind != plan.CONV:
        _transposed_at(kind, geometry, m, a, theta, z, scratch, zero)
        return
    sizes, window, (groups, algorithm), image, grid, taps = convolution(kind, read_integers(geometry, NUMBERS), m)
    weights, size = place(theta, taps, zero), element_size(zero)
    b, inputs, outputs = (theta + grid[0] * weights[1], size, IDENTITY), place(a, image, zero), place(z, grid, zero)
    forward_groups(sizes, window, groups, algorithm, inputs, weights, b, outputs, scratch, zero)


# What only transposed convolutions need is compiled for them alone.
@shared
def _transposed_at(kind: int, geometry: int, m: int, a: int, theta: int, z: int, scratch: int, zero: float) -> None:
    sizes, window, (groups, algorithm), image, grid, taps = convolution(kind, read_integers(geometry, NUMBERS), m)
    weights, size = place(theta, taps, zero), element_size(zero)
    image_groups(sizes, window, groups, algorithm, place(a, grid, zero), weights, place(z, image, zero), scratch, zero)
    cells, bias = image[1] * image[2], at(theta + grid[0] * weights[1], image[0], zero)
    for n in range(m):
        for k in range(image[0]):
            pixels = at(z + (n * image[0] + k) * cells * size, cells, zero)
            for i in range(cells):
                pixels[i] += bias[k]


@tiled
def convolve_back_at(
    kind: int, geometry: int, m: int, a: int, theta: int, dz: int, dtheta: int, da: int, scratch: int, zero: float
) -> None:
    """(17) dtheta and db, and, unless da is 0, (19) da; of a transposed convolution, (15) with dz for a."""
    sizes, window, (groups, algorithm), image, grid, taps = convolution(kind, read_integers(geometry, NUMBERS), m)
    weights, results, size = place(theta, taps, zero), place(dtheta, taps, zero), element_size(zero)
    db, n_out = dtheta + grid[0] * results[1], grid if kind == plan.CONV else image
    whole_rows = (dz, n_out[0] * n_out[1] * n_out[2] * size, n_out[1] * n_out[2] * size)
    bias_gradient((m, n_out[0], n_out[1] * n_out[2]), whole_rows, db, size, zero)
    images, gradients = (a, dz) if kind == plan.CONV else (dz, a)
    seen, given = place(images, image, zero), place(gradients, grid, zero)
    theta_groups(sizes, window, groups, algorithm, seen, given, results, scratch, zero)
    if da == 0:
        return
    if kind == plan.CONV:
        image_groups(sizes, window, groups, algorithm, given, weights, place(da, image, zero), scratch, zero)
    else:
        _transposed_back_at(kind, geometry, m, dz, theta, da, scratch, zero)


@tiled
def _transposed_back_at(kind: int, geometry: int, m: int, dz: int, theta: int, da: int, scratch: int, zero: float) -> None:
    sizes, window, (groups, algorithm), image, grid, taps = convolution(kind, read_integers(geometry, NUMBERS), m)
    nothing = scratch  # one zero, again and again, for b
    write(zero, nothing)
    b, seen, results = (nothing, 0, IDENTITY), place(dz, image, zero), place(da, grid, zero)
    forward_groups(sizes, window, groups, algorithm, seen, place(theta, taps, zero), b, results, scratch + LINE, zero)


@compiled
def pooled(geometry, m):
    """What pooling asks for: sizes (planes, H, W, H', W') and windows (f, S, P)."""
    (C, H, W), (_, H_out, W_out), (f_h, f_w, S_h, S_w, P_h, P_w, _, _), _ = numbers_of(read_integers(geometry, NUMBERS))
    return (m * C, H, W, H_out, W_out), (f_h, f_w, S_h, S_w, P_h, P_w)


@compiled
def pool_at(kind, geometry, m, a, z, index, zero):
    """(15), (16) with windows; the index of a max pool, unless its address is 0."""
    sizes, windows = pooled(geometry, m)
    if kind != plan.MAX_POOL:
        avg_at(a, z, sizes, windows, zero)
    elif index != 0:
        max_index_at(a, z, index, sizes, windows, zero)
    else:
        max_at(a, z, sizes, windows, zero)


@compiled
def pool_back_at(kind, geometry, m, dz, a, index, da, zero):
    """(18), (19) with windows, by the index of a max pool, unless its address is 0."""
    sizes, windows = pooled(geometry, m)
    if kind != plan.MAX_POOL:
        avg_back_at(dz, da, sizes, windows, zero)
    elif index != 0:
        max_index_back_at(dz, index, da, sizes, windows, zero)
    else:
        max_back_at(dz, a, da, sizes, windows, zero)
