"""Strided convolution (cross-correlation) over NCHW images with zero padding, and its backpropagation.

Each is a sum of products over the cells of a window, for which `correlate` and `theta_gradient` are the engines; groups of
channels go one after the other, but for single ones (convolution/groups.py, which also says how much scratch there is). S, P
and D are pairs, one entry for each axis.
"""

from fastnn import shapes
from fastnn.arguments import Activation, Algorithm, Images, Pair, Vector, pair
from fastnn.kernels.arrays.layout import address, contiguous, empty, in_use_until_here, put_back
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.convolution.groups import (
    da_bytes,
    dtheta_bytes,
    forward_bytes,
    forward_groups,
    image_groups,
    theta_groups,
    with_theta_way,
)
from fastnn.kernels.sums.theta_gradient import bias_gradient


@compiled
def place_of(images):
    """The address and the steps of an array of images."""
    s = images.strides
    return address(images), s[0], s[1], s[2], s[3]


@kernel
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
    apart(out, a)
    apart(out, theta)
    apart(out, b)
    (m, K, H_out, W_out), (C, f_h, f_w), zero = z.shape, theta.shape[1:], a.dtype.type(0)
    target, K_g = contiguous(z), K // groups
    sizes = (m, C, K_g, a.shape[2], a.shape[3], H_out, W_out)
    window = (f_h, f_w, S[0], S[1], P[0], P[1], D[0], D[1])
    scratch = empty(forward_bytes(sizes, window, algorithm, zero) // a.itemsize + 1, zero)
    bias, results = (address(b), b.strides[0], activation), place_of(target)
    forward_groups(sizes, window, groups, algorithm, place_of(a), place_of(theta), bias, results, address(scratch), zero)
    in_use_until_here(scratch)
    put_back(target, z)
    return z


@kernel
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
    apart(out, a)
    apart(out, dz)
    (m, K, H_out, W_out), (C, f_h, f_w), zero = dz.shape, dtheta.shape[1:], a.dtype.type(0)
    gradients, target, K_g = contiguous(dz), contiguous(dtheta), K // groups
    sizes = (m, C, K_g, a.shape[2], a.shape[3], H_out, W_out)
    window = (f_h, f_w, S[0], S[1], P[0], P[1], D[0], D[1])
    known = with_theta_way(algorithm, sizes, window, zero)
    scratch = empty(dtheta_bytes(sizes, window, known, zero) // a.itemsize + 1, zero)
    given, results = place_of(gradients), place_of(target)
    theta_groups(sizes, window, groups, known, place_of(a), given, results, address(scratch), zero)
    in_use_until_here(scratch)
    in_use_until_here(gradients)
    put_back(target, dtheta)
    return dtheta


@kernel
def conv2d_dz_to_db(dz: Images, out: Vector | None = None) -> Vector:
    """(15) db = sum_ij dz_ij: b belongs to every (i, j).

    dz (m, K, H', W'), db (K,); summed over the batch.
    """
    db = shapes.result(out, (dz.shape[1],), dz.dtype)
    apart(out, dz)
    gradients = contiguous(dz)
    source, step_n, step_k, _, _ = place_of(gradients)
    sizes = (dz.shape[0], dz.shape[1], dz.shape[2] * dz.shape[3])
    bias_gradient(sizes, (source, step_n, step_k), address(db), db.strides[0], dz.dtype.type(0))
    in_use_until_here(gradients)
    return db


@kernel
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
    n_in, S, P, D = pair(input_size), pair(stride), pair(padding), pair(dilation)
    da = shapes.result(out, shapes.conv2d_a(dz.shape, theta.shape, n_in, S, P, D, groups), dz.dtype)
    apart(out, dz)
    apart(out, theta)
    (m, K, H_out, W_out), (C, f_h, f_w), zero = dz.shape, theta.shape[1:], dz.dtype.type(0)
    source, target, K_g = contiguous(dz), contiguous(da), K // groups
    sizes = (m, C, K_g, n_in[0], n_in[1], H_out, W_out)
    window = (f_h, f_w, S[0], S[1], P[0], P[1], D[0], D[1])
    scratch = empty(da_bytes(sizes, window, algorithm, zero) // dz.itemsize + 1, zero)
    gradients, results = place_of(source), place_of(target)
    image_groups(sizes, window, groups, algorithm, gradients, place_of(theta), results, address(scratch), zero)
    in_use_until_here(scratch)
    in_use_until_here(source)
    put_back(target, da)
    return da
