"""Strided convolution (cross-correlation) over NCHW images with zero padding, and its backpropagation.

Each is a sum of products over the cells of a window, for which `correlate` and `theta_gradient` are the engines; groups of
channels go one after the other. S, P and D are pairs, one entry for each axis.
"""

from fastnn import shapes
from fastnn.arguments import Images, Pair, Vector, pair
from fastnn.kernels.correlate import correlate, correlate_bytes, pack_weights, packed_weights
from fastnn.kernels.image_gradient import image_bytes, image_gradient
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import address, contiguous, empty, in_use_until_here, put_back
from fastnn.kernels.overlap import apart
from fastnn.kernels.theta_gradient import bias_gradient, gradient_bytes, theta_gradient


@compiled
def place_of(images):
    """The address and the steps of an array of images."""
    s = images.strides
    return address(images), s[0], s[1], s[2], s[3]


@compiled
def group_of(place, g, axis_1):
    """The same from channel g of axis 1 on, or of axis 0."""
    first, step_0, step_1, step_h, step_w = place
    return first + g * (step_1 if axis_1 else step_0), step_0, step_1, step_h, step_w


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
) -> Images:
    """(15) z_ij = theta_rs a_(iS+rD)(jS+sD) + b for every (i, j), with D = 1 in the notes; also (14), (16).

    a (m, C, H, W), theta (K, C/groups, f_h, f_w), b (K,), z (m, K, H', W')
    with H' = floor((H + 2P - D (f_h - 1) - 1) / S) + 1.
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
    packed = packed_weights(K_g, C * f_h * f_w, zero)
    scratch = empty(packed + correlate_bytes(sizes, window, zero) // a.itemsize + 1, zero)
    weights, room = address(scratch), address(scratch) + packed * a.itemsize
    for g in range(groups):
        k = g * K_g
        pack_weights(group_of(place_of(theta), k, False), (K_g, C, f_h, f_w), weights, zero)
        bias = (weights, address(b) + k * b.strides[0], b.strides[0])
        images, results = group_of(place_of(a), g * C, True), group_of(place_of(target), k, True)
        correlate(sizes, window, images, bias, results, room, zero)
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
) -> Images:
    """(17) dtheta_rs = dz_ij a_(iS+rD)(jS+sD), where a is the layer's input a^[l-1]; also (20).

    a (m, C, H, W), dz (m, K, H', W'), dtheta (K, C/groups, f_h, f_w); summed over the batch.
    """
    f, S, P, D = pair(kernel_size), pair(stride), pair(padding), pair(dilation)
    dtheta = shapes.result(out, shapes.conv2d_theta(a.shape, dz.shape, f, S, P, D, groups), a.dtype)
    apart(out, a)
    apart(out, dz)
    (m, K, H_out, W_out), (C, f_h, f_w), zero = dz.shape, dtheta.shape[1:], a.dtype.type(0)
    gradients, K_g = contiguous(dz), K // groups
    sizes = (m, C, K_g, a.shape[2], a.shape[3], H_out, W_out)
    window = (f_h, f_w, S[0], S[1], P[0], P[1], D[0], D[1])
    scratch = empty(gradient_bytes(sizes, window, zero) // a.itemsize + 1, zero)
    for g in range(groups):
        k = g * K_g
        source, step_n, step_k, _, _ = group_of(place_of(gradients), k, True)
        images, results = group_of(place_of(a), g * C, True), group_of(place_of(dtheta), k, False)
        theta_gradient(sizes, window, images, (source, step_n, step_k), results, address(scratch), zero)
    in_use_until_here(scratch)
    in_use_until_here(gradients)
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
) -> Images:
    """(19) da_ij = theta_rs dz_uv delta_i(uS+rD) delta_j(vS+sD): each dz_uv is scattered over its window; also (18), (21).

    dz (m, K, H', W'), theta (K, C/groups, f_h, f_w), input_size (H, W), da (m, C, H, W). Cells that no window reaches get 0.
    """
    n_in, S, P, D = pair(input_size), pair(stride), pair(padding), pair(dilation)
    da = shapes.result(out, shapes.conv2d_a(dz.shape, theta.shape, n_in, S, P, D, groups), dz.dtype)
    apart(out, dz)
    apart(out, theta)
    (m, K, H_out, W_out), (C, f_h, f_w), zero = dz.shape, theta.shape[1:], dz.dtype.type(0)
    target, K_g = contiguous(da), K // groups
    sizes = (m, C, K_g, n_in[0], n_in[1], H_out, W_out)
    window = (f_h, f_w, S[0], S[1], P[0], P[1], D[0], D[1])
    scratch = empty(image_bytes(sizes, window, zero) // dz.itemsize + 1, zero)
    for g in range(groups):
        k = g * K_g
        weights = group_of(place_of(theta), k, False)
        gradients, results = group_of(place_of(dz), k, True), group_of(place_of(target), g * C, True)
        image_gradient(sizes, window, gradients, weights, results, address(scratch), zero)
    in_use_until_here(scratch)
    put_back(target, da)
    return da
