"""Strided convolution (cross-correlation) over NCHW images with zero padding, and its backpropagation.

S, P and D are pairs, one entry for each axis. The padded image is x; the window of output cell (i, j) begins at
(i S_h, j S_w) in x, so cell (i, j) under kernel cell (r, s) is x at (i S_h + r D_h, j S_w + s D_w). Groups are convolutions
side by side: each has its own part of the channels.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.arguments import Activation, Algorithm, Images, Pair, Vector, checked, pair
from fastnn.reference.activations import activated


def windows(
    x: NDArray[np.floating], f: tuple[int, int], S: tuple[int, int], D: tuple[int, int] = shapes.ADJACENT
) -> NDArray[np.floating]:
    """(15) The view x_(iS+rD)(jS+sD): (m, C, H', W', f_h, f_w). For one (r, s) its cells are all different."""
    F = shapes.extent(f[0], D[0]), shapes.extent(f[1], D[1])
    return sliding_window_view(x, F, axis=(2, 3), writeable=True)[:, :, :: S[0], :: S[1], :: D[0], :: D[1]]


def padded(a: NDArray[np.floating], P: tuple[int, int], value: float = 0.0) -> NDArray[np.floating]:
    """a with P cells of one value around each image."""
    (P_h, P_w) = P
    return np.pad(a, ((0, 0), (0, 0), (P_h, P_h), (P_w, P_w)), constant_values=value)


def contracted(
    x: NDArray[np.floating], y: NDArray[np.floating], axes: tuple[tuple[int, ...], tuple[int, ...]]
) -> NDArray[np.floating]:
    """np.tensordot by np.matmul: by np.dot a factor that is a single number goes to BLAS's axpy, where 0 times NaN is 0."""
    over = len(axes[0])
    x, y = np.moveaxis(x, axes[0], range(-over, 0)), np.moveaxis(y, axes[1], range(over))
    kept, met, others = x.shape[:-over], math.prod(y.shape[:over]), y.shape[over:]
    product = x.reshape(math.prod(kept), met) @ y.reshape(met, math.prod(others))
    return product.reshape(kept + others)


def parts(C: int, K: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """The channels of each group: those of a, and those of z."""
    for g in range(groups):
        yield slice(g * C // groups, (g + 1) * C // groups), slice(g * K // groups, (g + 1) * K // groups)


@checked
def conv2d_forward(
    a: Images,
    theta: Images,
    b: Vector,
    stride: Pair = 1,
    padding: Pair = 0,
    out: Images | None = None,
    dilation: Pair = 1,
    groups: int = 1,
    activation: Activation = "identity",
    algorithm: Algorithm = "auto",
) -> Images:
    """(15) z_ij = theta_rs a_(iS+rD)(jS+sD) + b for every (i, j), with D = 1 in the notes, then (16) g(z); also (14).

    a (m, C, H, W), theta (K, C/groups, f_h, f_w), b (K,), z (m, K, H', W')
    with H' = floor((H + 2P - D (f_h - 1) - 1) / S) + 1. activation is the name of g, by default the identity. algorithm:
    "direct" for the sums as they stand, "auto" for others too, of fewer products, where they are known to be faster.
    """
    S, P, D = pair(stride), pair(padding), pair(dilation)
    z = shapes.result(out, shapes.conv2d_z(a.shape, theta.shape, b.shape, S, P, D, groups), a.dtype)
    patches = windows(padded(a, P), theta.shape[2:], S, D)
    for c, k in parts(a.shape[1], theta.shape[0], groups):
        z[:, k] = contracted(patches[:, c], theta[k], ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    z += b[:, None, None]
    return activated(z, activation)


@checked
def conv2d_dz_to_dtheta(
    a: Images,
    dz: Images,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    out: Images | None = None,
    dilation: Pair = 1,
    groups: int = 1,
    algorithm: Algorithm = "auto",
) -> Images:
    """(17) dtheta_rs = dz_ij a_(iS+rD)(jS+sD), where a is the layer's input a^[l-1]; also (20).

    a (m, C, H, W), dz (m, K, H', W'), dtheta (K, C/groups, f_h, f_w); summed over the batch.
    """
    f, S, P, D = pair(kernel_size), pair(stride), pair(padding), pair(dilation)
    dtheta = shapes.result(out, shapes.conv2d_theta(a.shape, dz.shape, f, S, P, D, groups), a.dtype)
    patches = windows(padded(a, P), f, S, D)
    for c, k in parts(a.shape[1], dz.shape[1], groups):
        dtheta[k] = contracted(dz[:, k], patches[:, c], ((0, 2, 3), (0, 2, 3)))
    return dtheta


@checked
def conv2d_dz_to_db(dz: Images, out: Vector | None = None) -> Vector:
    """(15) db = sum_ij dz_ij: b belongs to every (i, j).

    dz (m, K, H', W'), db (K,); summed over the batch.
    """
    db = shapes.result(out, (dz.shape[1],), dz.dtype)
    db[...] = dz.sum(axis=(0, 2, 3))
    return db


@checked
def conv2d_dz_to_da(
    dz: Images,
    theta: Images,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    out: Images | None = None,
    dilation: Pair = 1,
    groups: int = 1,
    algorithm: Algorithm = "auto",
) -> Images:
    """(19) da_ij = theta_rs dz_uv delta_i(uS+rD) delta_j(vS+sD): each dz_uv is scattered over its window; also (18), (21).

    dz (m, K, H', W'), theta (K, C/groups, f_h, f_w), input_size (H, W), da (m, C, H, W). Cells that no window reaches get 0.
    """
    (H, W), S, P, D = pair(input_size), pair(stride), pair(padding), pair(dilation)
    da = shapes.result(out, shapes.conv2d_a(dz.shape, theta.shape, (H, W), S, P, D, groups), dz.dtype)
    scattered = np.zeros((*da.shape[:2], H + 2 * P[0], W + 2 * P[1]), dz.dtype)
    patches = windows(scattered, theta.shape[2:], S, D)
    for c, k in parts(da.shape[1], dz.shape[1], groups):
        for r, s in np.ndindex(theta.shape[2:]):
            patches[:, c, :, :, r, s] += contracted(dz[:, k], theta[k, :, r, s], ((1,), (0,))).transpose(0, 3, 1, 2)
    da[...] = scattered[:, :, P[0] : P[0] + H, P[1] : P[1] + W]
    return da
