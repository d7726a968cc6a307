"""The layers over images, for a network's slice: arrays from addresses, and the kernels of conv.py and pool.py on them.

A geometry is the address of C, H, W, K, H', W', f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w and groups. b lies behind theta, and
db behind dtheta.
"""

import numpy as np

from fastnn import plan
from fastnn.kernels.conv import conv2d_dz_to_da, conv2d_dz_to_db, conv2d_dz_to_dtheta, conv2d_forward
from fastnn.kernels.jit import compiled
from fastnn.kernels.layout import at, integers_at
from fastnn.kernels.pool import avg_pool2d_dz_to_da, avg_pool2d_forward, max_pool2d_dz_to_da, max_pool2d_forward
from fastnn.kernels.shared import shared
from fastnn.kernels.tiles import element_size

NUMBERS = 15  # of a geometry


@compiled
def numbers_of(geometry):
    """The sizes of the input and the output, then (f, S, P, D), then groups."""
    g = integers_at(geometry, NUMBERS)
    return (g[0], g[1], g[2]), (g[3], g[4], g[5]), ((g[6], g[7]), (g[8], g[9]), (g[10], g[11]), (g[12], g[13])), g[14]


@compiled
def images(place, m, size, zero):
    """The images (m, C, H, W) at an address, where size is (C, H, W)."""
    C, H, W = size
    return at(place, m * C * H * W, zero).reshape((m, C, H, W))


@compiled
def parameters(place, kind, geometry, zero):
    """theta and b at an address: (K, C/groups, f_h, f_w), of a transposed convolution (C, K/groups, f_h, f_w); (K,)."""
    (C, _, _), (K, _, _), ((f_h, f_w), _, _, _), groups = numbers_of(geometry)
    shape = (K, C // groups, f_h, f_w) if kind == plan.CONV else (C, K // groups, f_h, f_w)
    count = K * C // groups * f_h * f_w
    return at(place, count, zero).reshape(shape), at(place + count * element_size(zero), K, zero)


@shared
def convolve_at(kind: int, geometry: int, m: int, a: int, theta: int, z: int, zero: float) -> None:
    """(15) z = theta a + b, or (19) with a for dz: the transposed convolution."""
    n_in, n_out, (_, S, P, D), groups = numbers_of(geometry)
    inputs, outputs = images(a, m, n_in, zero), images(z, m, n_out, zero)
    weights, b = parameters(theta, kind, geometry, zero)
    if kind == plan.CONV:
        conv2d_forward(inputs, weights, b, S, P, outputs, D, groups)
        return
    conv2d_dz_to_da(inputs, weights, (n_out[1], n_out[2]), S, P, outputs, D, groups)
    for n in range(m):
        for k in range(n_out[0]):
            for i in range(n_out[1]):
                for j in range(n_out[2]):
                    outputs[n, k, i, j] += b[k]


@shared
def convolve_back_at(
    kind: int, geometry: int, m: int, a: int, theta: int, dz: int, dtheta: int, da: int, zero: float
) -> None:
    """(17) dtheta and db, and, unless da is 0, (19) da; of a transposed convolution, (15) with dz for a."""
    n_in, n_out, (f, S, P, D), groups = numbers_of(geometry)
    inputs, gradients = images(a, m, n_in, zero), images(dz, m, n_out, zero)
    weights, _ = parameters(theta, kind, geometry, zero)
    weight_gradients, db = parameters(dtheta, kind, geometry, zero)
    conv2d_dz_to_db(gradients, db)
    if kind == plan.CONV:
        conv2d_dz_to_dtheta(inputs, gradients, f, S, P, weight_gradients, D, groups)
        if da != 0:
            conv2d_dz_to_da(gradients, weights, (n_in[1], n_in[2]), S, P, images(da, m, n_in, zero), D, groups)
        return
    conv2d_dz_to_dtheta(gradients, inputs, f, S, P, weight_gradients, D, groups)
    if da != 0:
        none = np.zeros(n_in[0], weights.dtype)
        conv2d_forward(gradients, weights, none, S, P, images(da, m, n_in, zero), D, groups)


@shared
def pool_at(kind: int, geometry: int, m: int, a: int, z: int, zero: float) -> None:
    """(15), (16) with windows."""
    n_in, n_out, (f, S, P, _), _ = numbers_of(geometry)
    inputs, outputs = images(a, m, n_in, zero), images(z, m, n_out, zero)
    if kind == plan.MAX_POOL:
        max_pool2d_forward(inputs, f, S, P, outputs)
    else:
        avg_pool2d_forward(inputs, f, S, P, outputs)


@shared
def pool_back_at(kind: int, geometry: int, m: int, dz: int, a: int, da: int, zero: float) -> None:
    """(18), (19) with windows."""
    n_in, n_out, (f, S, P, _), _ = numbers_of(geometry)
    gradients, inputs, results = images(dz, m, n_out, zero), images(a, m, n_in, zero), images(da, m, n_in, zero)
    if kind == plan.MAX_POOL:
        max_pool2d_dz_to_da(gradients, inputs, f, S, P, results)
    else:
        avg_pool2d_dz_to_da(gradients, inputs, f, S, P, results)
