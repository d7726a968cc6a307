"""Max and average pooling over NCHW images: a window's largest or mean cell."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Images, Pair, pair
from fastnn.kernels import pool2x2, pool3x3
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import address, contiguous, put_back
from fastnn.kernels.overlap import apart
from fastnn.kernels.pool_windows import (
    EXACT,
    backward_avg,
    find_largest,
    forward,
    laid_out,
    larger,
    scratch_for,
    span,
    total,
    windows_over,
)
from fastnn.kernels.tiles import lanes


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


@compiled
def route(dz, images, da, windows):
    """(18) Each dz is added, in da of zeros, to the largest cell of its window; dz (m, C, H', W'), images like da."""
    (m, C, H, W), (H_out, W_out), (f, S, P) = da.shape, dz.shape[2:], windows
    low = da.dtype.type(-np.inf)
    sizes = m * C, H, W, H_out, W_out
    vectors = H * W + W + P[1] < EXACT  # else places are no floats
    places = np.empty(W_out + lanes(low), da.dtype)
    scratch = scratch_for(H if vectors else 0, W, S[1], low)
    for n, c in np.ndindex((m, C)):
        plane, cells = address(images[n, c]), da[n, c].ravel()
        if vectors:
            rows = laid_out(plane, H, W, S[1], scratch, low)
        for i in range(H_out):
            top, bottom = span(i, f[0], S[0], P[0], H)
            if vectors:
                find_largest(i, rows, address(places), sizes, windows, low)
            for j in range(W_out):
                left, right = span(j, f[1], S[1], P[1], W)
                if not vectors:
                    y, x = largest(images[n, c], top, bottom, left, right)
                    cell = y * W + x
                elif places[j] >= 0:
                    cell = np.int64(places[j]) + j * S[1] - P[1]
                else:
                    cell = top * W + left
                cells[cell] += dz[n, c, i, j]


@compiled
def spread(dz, da, windows, share):
    """(19) share dz is added to each cell of its window, in da of zeros; dz (m, C, H', W'), da (m, C, H, W)."""
    (m, C, H, W), (H_out, W_out), (f, S, P) = da.shape, dz.shape[2:], windows
    amounts = np.empty(W_out, da.dtype)
    for n, c in np.ndindex((m, C)):
        for y in range(H):
            first, behind = windows_over(y, f[0], S[0], P[0], H_out)
            if first >= behind:
                continue
            amounts[:] = 0
            for i in range(first, behind):
                for j in range(W_out):
                    amounts[j] += dz[n, c, i, j] * share
            row = da[n, c, y]
            for s in range(max(0, P[1] - (W_out - 1) * S[1]), min(f[1], W + P[1])):
                left = s - P[1]
                begin = max(0, -(left // S[1]))
                end = min(W_out, (W - 1 - left) // S[1] + 1)
                for j in range(begin, end):
                    row[j * S[1] + left] += amounts[j]


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
    one, low = a.dtype.type(1), a.dtype.type(-np.inf)
    if pool2x2.fits(f, S, P):
        pool2x2.forward_max(images, target, m * C, H, W, one)
    elif pool3x3.fits(f, S, one):
        pool3x3.forward_max(images, target, (m * C, H, W, H_out, W_out), P, low)
    else:
        forward(images, target, (m * C, H, W, H_out, W_out), (f, S, P), larger, low, one)
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
    (m, C, H, W), low, zero = a.shape, a.dtype.type(-np.inf), a.dtype.type(0)
    whole = pool3x3.fits(f, S, zero)
    if not (whole or pool2x2.covers(f, S, P, H, W)):
        target[:] = 0
    if pool2x2.fits(f, S, P):
        pool2x2.backward_max(gradients, images, target, m * C, H, W, zero)
    elif whole:
        pool3x3.backward_max(gradients, images, target, (m * C, H, W, dz.shape[2], dz.shape[3]), P, low)
    else:
        route(gradients, images, target, (f, S, P))
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
    share, zero = a.dtype.type(1 / (f[0] * f[1])), a.dtype.type(0)
    if pool2x2.fits(f, S, P):
        pool2x2.forward_avg(images, target, m * C, H, W, share)
    elif pool3x3.fits(f, S, share):
        pool3x3.forward_avg(images, target, (m * C, H, W, H_out, W_out), P, share)
    else:
        forward(images, target, (m * C, H, W, H_out, W_out), (f, S, P), total, zero, share)
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
    m, C, H, W = a.shape
    share = dz.dtype.type(1 / (f[0] * f[1]))
    sizes = m * C, H, W, dz.shape[2], dz.shape[3]
    if pool2x2.covers(f, S, P, H, W):
        pool2x2.backward_avg(gradients, target, m * C, H, W, share)
    elif pool3x3.fits(f, S, share):
        pool3x3.backward_avg(gradients, target, sizes, P, share)
    elif S[1] <= 2:
        backward_avg(gradients, target, sizes, (f, S, P), share)
    else:
        target[:] = 0
        spread(gradients, target, (f, S, P), share)
    put_back(target, da)
    return da
