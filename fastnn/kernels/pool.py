"""Max and average pooling over NCHW images: a window's largest or mean cell."""

from fastnn import shapes
from fastnn.arguments import Images, Index, Pair, pair
from fastnn.kernels.arrays.layout import contiguous, is_contiguous, put_back
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.pooling.pool_loops import avg_at, avg_back_at, max_at, max_back_at, max_index_at, max_index_back_at


@compiled
def sizes_of(image, windows):
    """(planes, H, W, H', W') of an array of images and one of what their windows become."""
    (m, C, H, W), (H_out, W_out) = image.shape, windows.shape[2:]
    return m * C, H, W, H_out, W_out


@kernel(writes=("out", "index"))
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
    apart(out, a)
    if index is not None:
        shapes.check_pool2d_index(index.shape, z.shape, f)
        apart(index, a)
        apart(index, z)
    images, target = contiguous(a), contiguous(z)
    if index is None:
        max_at(images, target, sizes_of(images, target), f + S + P, a.dtype.type(0))
    else:
        numbers = contiguous(index)
        max_index_at(images, target, numbers, sizes_of(images, target), f + S + P, a.dtype.type(0))
        if not is_contiguous(index):
            index[...] = numbers
    put_back(target, z)
    return z


@kernel
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
    apart(out, dz)
    apart(out, a)
    if index is not None:
        apart(out, index)
    gradients, target = contiguous(dz), contiguous(da)
    if index is None:
        images = contiguous(a)
        max_back_at(gradients, images, target, sizes_of(images, gradients), f + S + P, a.dtype.type(0))
    else:
        numbers = contiguous(index)
        max_index_back_at(gradients, numbers, target, sizes_of(target, gradients), f + S + P, a.dtype.type(0))
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
    avg_at(images, target, sizes_of(images, target), f + S + P, a.dtype.type(0))
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
    avg_back_at(gradients, target, sizes_of(target, gradients), f + S + P, dz.dtype.type(0))
    put_back(target, da)
    return da
