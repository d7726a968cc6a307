"""Strided convolution (cross-correlation) over NCHW images with zero padding, and its backpropagation.

S and P are pairs, one entry for each axis. The padded image is x; the window of output cell (i, j) begins at
(i S_h, j S_w) in x, so cell (i, j) under kernel cell (r, s) is x at (i S_h + r, j S_w + s).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.arguments import Images, Pair, Vector, checked, pair


def windows(x: NDArray[np.floating], f: tuple[int, int], S: tuple[int, int]) -> NDArray[np.floating]:
    """(15) The view x_(iS+r)(jS+s): (m, C, H', W', f_h, f_w)."""
    return sliding_window_view(x, f, axis=(2, 3))[:, :, :: S[0], :: S[1]]


def padded(a: NDArray[np.floating], P: tuple[int, int], value: float = 0.0) -> NDArray[np.floating]:
    """a with P cells of one value around each image."""
    (P_h, P_w) = P
    return np.pad(a, ((0, 0), (0, 0), (P_h, P_h), (P_w, P_w)), constant_values=value)


@checked
def conv2d_forward(
    a: Images, theta: Images, b: Vector, stride: Pair = 1, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(15) z_ij = theta_rs a_(iS+r)(jS+s) + b for every (i, j); also (14), (16).

    a (m, C, H, W), theta (K, C, f_h, f_w), b (K,), z (m, K, H', W') with H' = floor((H + 2P - f_h) / S) + 1.
    """
    S, P = pair(stride), pair(padding)
    z = shapes.result(out, shapes.conv2d_z(a.shape, theta.shape, b.shape, S, P), a.dtype)
    patches = windows(padded(a, P), theta.shape[2:], S)
    z[...] = np.tensordot(patches, theta, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    z += b[:, None, None]
    return z


@checked
def conv2d_dz_to_dtheta(
    a: Images, dz: Images, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(17) dtheta_rs = dz_ij a_(iS+r)(jS+s), where a is the layer's input a^[l-1]; also (20).

    a (m, C, H, W), dz (m, K, H', W'), dtheta (K, C, f_h, f_w); summed over the batch.
    """
    f, S, P = pair(kernel_size), pair(stride), pair(padding)
    dtheta = shapes.result(out, shapes.conv2d_theta(a.shape, dz.shape, f, S, P), a.dtype)
    dtheta[...] = np.tensordot(dz, windows(padded(a, P), f, S), axes=((0, 2, 3), (0, 2, 3)))
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
    dz: Images, theta: Images, input_size: Pair, stride: Pair = 1, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(19) da_ij = theta_rs dz_uv delta_i(uS+r) delta_j(vS+s): each dz_uv is scattered over its window; also (18), (21).

    dz (m, K, H', W'), theta (K, C, f_h, f_w), input_size (H, W), da (m, C, H, W). Cells that no window reaches get 0.
    """
    (H, W), S, P = pair(input_size), pair(stride), pair(padding)
    da = shapes.result(out, shapes.conv2d_a(dz.shape, theta.shape, (H, W), S, P), dz.dtype)
    scattered = np.zeros((*da.shape[:2], H + 2 * P[0], W + 2 * P[1]), dz.dtype)
    H_out, W_out = dz.shape[2:]
    for r, s in np.ndindex(theta.shape[2:]):
        contribution = np.tensordot(dz, theta[:, :, r, s], axes=(1, 0)).transpose(0, 3, 1, 2)
        scattered[:, :, r : r + S[0] * H_out : S[0], s : s + S[1] * W_out : S[1]] += contribution
    da[...] = scattered[:, :, P[0] : P[0] + H, P[1] : P[1] + W]
    return da
