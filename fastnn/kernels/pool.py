"""Max and average pooling over NCHW images: a window's largest or mean cell."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Images, Pair, pair
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import contiguous, put_back
from fastnn.kernels.overlap import apart


@compiled
def window(i, f, S, P, n):
    """The range of input cells under window i along one axis, without the padding."""
    first = i * S - P
    return max(first, 0), min(first + f, n)


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


@kernel
def max_pool2d_forward(
    a: Images, size: Pair, stride: Pair | None = None, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(16) with windows: z_ij = max_rs a_(iS+r)(jS+s); padded cells are never the largest. Source: LeCun et al. (1998).

    a (m, C, H, W), z (m, C, H', W'); stride defaults to size. A window with a NaN gives NaN.
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    z = shapes.result(out, shapes.pool2d_a(a.shape, f, S, P), a.dtype)
    apart(out, a)
    images, target = contiguous(a), contiguous(z)
    (m, C, H_out, W_out), (H, W) = z.shape, a.shape[2:]
    for n, c in np.ndindex((m, C)):
        image, cells = images[n, c], target[n, c]
        for i in range(H_out):
            top, bottom = window(i, f[0], S[0], P[0], H)
            for j in range(W_out):
                left, right = window(j, f[1], S[1], P[1], W)
                y, x = largest(image, top, bottom, left, right)
                cells[i, j] = image[y, x]
    put_back(target, z)
    return z


@kernel
def max_pool2d_dz_to_da(
    dz: Images, a: Images, size: Pair, stride: Pair | None = None, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(18) with windows: da_ij sums the dz of the windows whose largest cell is (i, j); the first one, where several are.

    dz (m, C, H', W'), a (m, C, H, W), da (m, C, H, W); first in row-major order, a NaN counting as the largest.
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    shapes.check_pool2d_dz(dz.shape, a.shape, f, S, P)
    da = shapes.result(out, a.shape, a.dtype)
    apart(out, dz)
    apart(out, a)
    gradients, images, target = contiguous(dz), contiguous(a), contiguous(da)
    (m, C, H_out, W_out), (H, W) = dz.shape, a.shape[2:]
    target[:] = 0
    for n, c in np.ndindex((m, C)):
        image, cells = images[n, c], target[n, c]
        for i in range(H_out):
            top, bottom = window(i, f[0], S[0], P[0], H)
            for j in range(W_out):
                left, right = window(j, f[1], S[1], P[1], W)
                y, x = largest(image, top, bottom, left, right)
                cells[y, x] += gradients[n, c, i, j]
    put_back(target, da)
    return da


@kernel
def avg_pool2d_forward(
    a: Images, size: Pair, stride: Pair | None = None, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(15) with theta_rs = 1 / (f_h f_w): z_ij = mean_rs a_(iS+r)(jS+s); padded cells count as 0.

    a (m, C, H, W), z (m, C, H', W'); stride defaults to size.
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    z = shapes.result(out, shapes.pool2d_a(a.shape, f, S, P), a.dtype)
    apart(out, a)
    images, target = contiguous(a), contiguous(z)
    (m, C, H_out, W_out), (H, W) = z.shape, a.shape[2:]
    share = a.dtype.type(1 / (f[0] * f[1]))
    for n, c in np.ndindex((m, C)):
        image, cells = images[n, c], target[n, c]
        for i in range(H_out):
            top, bottom = window(i, f[0], S[0], P[0], H)
            for j in range(W_out):
                left, right = window(j, f[1], S[1], P[1], W)
                total = a.dtype.type(0)
                for y in range(top, bottom):
                    for x in range(left, right):
                        total += image[y, x]
                cells[i, j] = total * share
    put_back(target, z)
    return z


@kernel
def avg_pool2d_dz_to_da(
    dz: Images, a: Images, size: Pair, stride: Pair | None = None, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(19) with theta_rs = 1 / (f_h f_w): each dz_uv is spread evenly over its window.

    dz (m, C, H', W'), a (m, C, H, W) of which only the shape matters, da (m, C, H, W).
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    shapes.check_pool2d_dz(dz.shape, a.shape, f, S, P)
    da = shapes.result(out, a.shape, dz.dtype)
    apart(out, dz)
    apart(out, a)
    gradients, target = contiguous(dz), contiguous(da)
    (m, C, H_out, W_out), (H, W) = dz.shape, a.shape[2:]
    share = dz.dtype.type(1 / (f[0] * f[1]))
    target[:] = 0
    for n, c in np.ndindex((m, C)):
        cells = target[n, c]
        for i in range(H_out):
            top, bottom = window(i, f[0], S[0], P[0], H)
            for j in range(W_out):
                left, right = window(j, f[1], S[1], P[1], W)
                amount = gradients[n, c, i, j] * share
                for y in range(top, bottom):
                    for x in range(left, right):
                        cells[y, x] += amount
    put_back(target, da)
    return da
