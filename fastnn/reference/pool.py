"""Max and average pooling over NCHW images: a window's largest or mean cell."""

import numpy as np
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.arguments import Images, Index, Pair, checked, pair
from fastnn.reference.conv import padded, windows


@checked(writes=("out", "index"))
def max_pool2d_forward(
    a: Images,
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    out: Images | None = None,
    index: Index | None = None,
) -> Images:
    """(16) with windows: z_ij = max_rs a_(iS+r)(jS+s); padded cells are never the largest. Source: LeCun et al. (1998).

    a (m, C, H, W), z (m, C, H', W'); stride defaults to size. A window with a NaN gives NaN. In index (m, C, H', W'), of
    uint8, it writes the number r f_w + s of each window's largest cell, the first one in row-major order where several are,
    a NaN counting as the largest: `max_pool2d_dz_to_da` reads it. Windows have 256 cells at most then.
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    z = shapes.result(out, shapes.pool2d_a(a.shape, f, S, P), a.dtype)
    if index is not None:
        shapes.check_pool2d_index(index.shape, z.shape, f)
        index[...] = largest(a, f, S, P)
    z[...] = windows(padded(a, P, -np.inf), f, S).max(axis=(4, 5))
    return z


def largest(a: Images, f: tuple[int, int], S: tuple[int, int], P: tuple[int, int]) -> NDArray[np.integer]:
    """(18) The number r f_w + s of the first of the largest cells of each window, a NaN counting as the largest."""
    patches = windows(padded(a, P, -np.inf), f, S)
    inside = windows(padded(np.ones_like(a), P), f, S) > 0
    found = ((patches == patches.max(axis=(4, 5), keepdims=True)) | np.isnan(patches)) & inside
    return found.reshape(*found.shape[:4], f[0] * f[1]).argmax(axis=4)


@checked
def max_pool2d_dz_to_da(
    dz: Images,
    a: Images,
    size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    out: Images | None = None,
    index: Index | None = None,
) -> Images:
    """(18) with windows: da_ij sums the dz of the windows whose largest cell is (i, j); the first one, where several are.

    dz (m, C, H', W'), a (m, C, H, W), da (m, C, H, W); first in row-major order, a NaN counting as the largest. Given an
    index (m, C, H', W'), as `max_pool2d_forward` writes it, it compares no cells, and of a only the shape matters: each dz
    goes to the cell of its window that has the number, and nowhere if the image has no such cell.
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    shapes.check_pool2d_dz(dz.shape, a.shape, f, S, P)
    if index is not None:
        shapes.check_pool2d_index(index.shape, dz.shape, f)
    da = shapes.result(out, a.shape, a.dtype)
    number = largest(a, f, S, P) if index is None else index.astype(np.intp)
    r, s = np.divmod(number, f[1])
    n, c, i, j = np.ogrid[tuple(slice(size) for size in dz.shape)]
    scattered = np.zeros_like(padded(a, P))
    is_cell = r < f[0]
    np.add.at(scattered, (n, c, i * S[0] + np.where(is_cell, r, 0), j * S[1] + s), np.where(is_cell, dz, 0))
    da[...] = scattered[:, :, P[0] : P[0] + a.shape[2], P[1] : P[1] + a.shape[3]]
    return da


@checked
def avg_pool2d_forward(
    a: Images, size: Pair, stride: Pair | None = None, padding: Pair = 0, out: Images | None = None
) -> Images:
    """(15) with theta_rs = 1 / (f_h f_w): z_ij = mean_rs a_(iS+r)(jS+s); padded cells count as 0.

    a (m, C, H, W), z (m, C, H', W'); stride defaults to size.
    """
    f, P = pair(size), pair(padding)
    S = f if stride is None else pair(stride)
    z = shapes.result(out, shapes.pool2d_a(a.shape, f, S, P), a.dtype)
    z[...] = windows(padded(a, P), f, S).mean(axis=(4, 5))
    return z


@checked
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
    (H, W), (H_out, W_out) = a.shape[2:], dz.shape[2:]
    scattered = np.zeros((*a.shape[:2], H + 2 * P[0], W + 2 * P[1]), dz.dtype)
    for r, s in np.ndindex(f):
        scattered[:, :, r : r + S[0] * H_out : S[0], s : s + S[1] * W_out : S[1]] += dz / (f[0] * f[1])
    da[...] = scattered[:, :, P[0] : P[0] + H, P[1] : P[1] + W]
    return da
