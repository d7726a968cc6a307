"""Strided convolution (cross-correlation) over NCHW images with zero padding, and its backpropagation.

One sample at a time is laid out as a matrix of patches (C f_h f_w, H' W'): its row (c, r, s) holds the input cells that
kernel cell (r, s) of channel c meets. Forward and backward are then products with theta as (K, C f_h f_w). Scratch is one
such matrix, whatever m. S and P are pairs, one entry for each axis.
"""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Images, Pair, Vector, pair
from fastnn.kernels.correlate import correlate, pack_weights, packed_weights, scratch_bytes
from fastnn.kernels.gemm import add_product
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import address, contiguous, empty, flat, put_back
from fastnn.kernels.overlap import apart


@compiled
def inside(n, n_out, offset, S):
    """The range of output cells i with 0 <= i S + offset < n: those whose input cell is not padding."""
    first = min(n_out, max(0, -(offset // S)))
    behind = max(first, min(n_out, (n - 1 - offset) // S + 1))
    return first, behind


@compiled
def gather(image, patches, S, P):
    """(15) patches_crs(i, j) = a_c(iS+r-P)(jS+s-P), 0 in the padding: image (C, H, W), patches (C, f_h, f_w, H', W')."""
    H, W = image.shape[1:]
    H_out, W_out = patches.shape[3:]
    for c, r, s in np.ndindex(patches.shape[:3]):
        top, left = r - P[0], s - P[1]
        first_i, behind_i = inside(H, H_out, top, S[0])
        first_j, behind_j = inside(W, W_out, left, S[1])
        cells = patches[c, r, s]
        cells[:first_i] = 0
        cells[behind_i:] = 0
        for i in range(first_i, behind_i):
            row = image[c, i * S[0] + top]
            cells[i, :first_j] = 0
            cells[i, behind_j:] = 0
            for j in range(first_j, behind_j):
                cells[i, j] = row[j * S[1] + left]


@compiled
def scatter(patches, image, S, P):
    """(19) image_c(iS+r-P)(jS+s-P) += patches_(c,r,s)(i,j): the transpose of `gather`, on an image of zeros."""
    H, W = image.shape[1:]
    H_out, W_out = patches.shape[3:]
    for c, r, s in np.ndindex(patches.shape[:3]):
        top, left = r - P[0], s - P[1]
        first_i, behind_i = inside(H, H_out, top, S[0])
        first_j, behind_j = inside(W, W_out, left, S[1])
        for i in range(first_i, behind_i):
            row = image[c, i * S[0] + top]
            for j in range(first_j, behind_j):
                row[j * S[1] + left] += patches[c, r, s, i, j]


@kernel
def conv2d_forward(
    a: Images, theta: Images, b: Vector, stride: Pair = 1, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(15) z_ij = theta_rs a_(iS+r)(jS+s) + b for every (i, j); also (14), (16).

    a (m, C, H, W), theta (K, C, f_h, f_w), b (K,), z (m, K, H', W') with H' = floor((H + 2P - f_h) / S) + 1.
    """
    S, P = pair(stride), pair(padding)
    z = shapes.result(out, shapes.conv2d_z(a.shape, theta.shape, b.shape, S, P), a.dtype)
    apart(out, a)
    apart(out, theta)
    apart(out, b)
    D, groups = (1, 1), 1
    (m, K, H_out, W_out), (C, f_h, f_w), (H, W) = z.shape, theta.shape[1:], a.shape[2:]
    zero = a.dtype.type(0)
    target = contiguous(z)
    sizes, window = (m, C, K // groups, H, W, H_out, W_out), (f_h, f_w, S[0], S[1], P[0], P[1], D[0], D[1])
    packed = packed_weights(K // groups, C * f_h * f_w, zero)
    image = place_of(a)
    scratch = empty(packed + scratch_bytes(sizes, window, image, zero) // a.itemsize + 1, zero)
    weights, room = address(scratch), address(scratch) + packed * a.itemsize
    pack_weights(address(theta), theta.strides, (K // groups, C, f_h, f_w), weights, zero)
    correlate(sizes, window, image, (weights, address(b), b.strides[0]), place_of(target), room, zero)
    put_back(target, z)
    return z


@compiled
def place_of(images):
    """The address and the steps of an array of images."""
    s = images.strides
    return address(images), s[0], s[1], s[2], s[3]


@kernel
def conv2d_dz_to_dtheta(
    a: Images, dz: Images, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(17) dtheta_rs = dz_ij a_(iS+r)(jS+s), where a is the layer's input a^[l-1]; also (20).

    a (m, C, H, W), dz (m, K, H', W'), dtheta (K, C, f_h, f_w); summed over the batch.
    """
    f, S, P = pair(kernel_size), pair(stride), pair(padding)
    dtheta = shapes.result(out, shapes.conv2d_theta(a.shape, dz.shape, f, S, P), a.dtype)
    apart(out, a)
    apart(out, dz)
    (m, K, H_out, W_out), (C, f_h, f_w) = dz.shape, dtheta.shape[1:]
    images, gradients, target = contiguous(a), contiguous(dz), contiguous(dtheta)
    patches = np.empty((C, f_h, f_w, H_out, W_out), a.dtype)
    target[:] = 0
    weights = target.reshape((K, C * f_h * f_w))
    for n in range(m):
        gather(images[n], patches, S, P)
        pixels = gradients[n].reshape((K, H_out * W_out))
        add_product(pixels, patches.reshape((C * f_h * f_w, H_out * W_out)).T, weights)
    put_back(target, dtheta)
    return dtheta


@kernel
def conv2d_dz_to_db(dz: Images, out: Vector | None = None) -> Vector:
    """(15) db = sum_ij dz_ij: b belongs to every (i, j).

    dz (m, K, H', W'), db (K,); summed over the batch.
    """
    db = shapes.result(out, (dz.shape[1],), dz.dtype)
    apart(out, dz)
    gradients, target = contiguous(dz), flat(db)
    target[:] = 0
    for n in range(dz.shape[0]):
        for k in range(dz.shape[1]):
            target[k] += gradients[n, k].sum()
    put_back(target, db)
    return db


@kernel
def conv2d_dz_to_da(
    dz: Images, theta: Images, input_size: Pair, stride: Pair = 1, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(19) da_ij = theta_rs dz_uv delta_i(uS+r) delta_j(vS+s): each dz_uv is scattered over its window; also (18), (21).

    dz (m, K, H', W'), theta (K, C, f_h, f_w), input_size (H, W), da (m, C, H, W). Cells that no window reaches get 0.
    """
    n_in, S, P = pair(input_size), pair(stride), pair(padding)
    da = shapes.result(out, shapes.conv2d_a(dz.shape, theta.shape, n_in, S, P), dz.dtype)
    apart(out, dz)
    apart(out, theta)
    (m, K, H_out, W_out), (C, f_h, f_w) = dz.shape, theta.shape[1:]
    gradients, weights, target = contiguous(dz), contiguous(theta).reshape((K, C * f_h * f_w)), contiguous(da)
    patches = np.empty((C, f_h, f_w, H_out, W_out), dz.dtype)
    target[:] = 0
    for n in range(m):
        patches[:] = 0
        pixels = gradients[n].reshape((K, H_out * W_out))
        add_product(weights.T, pixels, patches.reshape((C * f_h * f_w, H_out * W_out)))
        scatter(patches, target[n], S, P)
    put_back(target, da)
    return da
