"""Strided convolution (cross-correlation) over NCHW images with zero padding, and its backpropagation.

Each is a sum of products over the cells of a window, for which `correlate` and `theta_gradient` are the engines; groups of
channels go one after the other, but for depthwise convolutions, which depthwise.py has. S, P and D are pairs, one entry for
each axis.

Scratch does not grow with m. Of a group, in bytes and but for some lines, with p planes a channel, h halo rows of each and
c channels at a time (planes.py), where W' is the row that is computed, of da / S in the gather:
    planes   max(PLANE_BYTES, c p (h + 1) W' size) + 2 LINE c p, and 8 for each tap of them
    forward  planes, and theta in whole tiles of rows; for windows of 3 x 3 and where it may be faster (winograd.py), also 16
             K C size, K in whole tiles of rows, and PATCH_BYTES
    dtheta   by lanes planes and SUMS_BYTES; by rows max(PLANE_BYTES, C ((f_h - 1) D_h + 1) row) + 2 LINE C with a row of
             ((W' - 1) S_w + (f_w - 1) D_w + 1) cells, dtheta in whole vectors of k, CELLS cells of a tile of k, and 8 for
             each tap; for windows of 3 x 3 and where it may be faster (winograd_theta.py), also 16 C R + max(NEAR_BYTES,
             16 T R) + PATCH_BYTES, R being the bytes of K in an odd number of lines and T the columns of a tile
    da       what forward needs from dz; or, scattered, theta in whole tiles of C f_w, max(COLS_BYTES, C f_w W' size)
             + 2 LINE C f_w, 8 f_w (W + 8) and 512 f_h
    apart    where cells lie apart, or windows do not overlap, and it may be faster (cell_rows.py), of T taps, on the way to
             da of T = K: theta, and a row for biases, in whole tiles of k, or of taps; a row of a tile and 8 for each of
             max(CELLS_BYTES / (T size), 24) cells; 16 T; and, with padding, what dtheta copies
    windows of taps that meet padding alone, of these dtheta: that of the others, and some lines
    windows of one cell and stride 2, da: also SUMS_BYTES or 2 K C size of sums, or those of one sample
    samples  where they are many and it may be faster to have one in each lane (choices.py), of V bytes a vector, a weight in
             whole tiles of rows, and max(RING_BYTES, r W (C + 2) V) + CELL_BYTES + 10 W' V + 32 W' + 32 KB, where a row of
             results meets r rows of cells: D_h (f_h - 1) + 1, or D_h (f_h - 1) / S_h + 2 of dz
    few cells, of 8 tiles of rows at most, and many weights, of so many samples or fewer
             forward planes, or COLS_BYTES, K cells and b; da and dtheta COLS_BYTES, or one channel of so many cells, and K
             cells; and SCRATCH (product_ways.py)
    windows of one cell, of stride 1 and without padding
             40 KB in the place of planes, if these are less, and theta in whole tiles of rows
    single channels, depthwise
             COPY_BYTES, and S_w (8 S_h + (f_h - 1) D_h + 1) rows of W' + (f_w - 1) D_w / S_w cells and a vector, and a tile,
             or W cells, 8 for each vector of a row and column of taps, and 8 (H' + (f_h + 6) D_h); where it may be faster to
             have a channel in each lane (channel_choices.py), at most MOST_BYTES;
             dtheta NEAR_BYTES or the planes and dz of one band of a channel, if these are more: of R rows of L cells and a
             vector S_h S_w planes, and dz (f_h - 1) D_h + 1 rows more, L being the longer of W' and W / S_w, and R L NEAR
             vectors at most, or one row; SUMS_BYTES or the sums of one channel, of f_w in whole tiles; and masks, 8 for each
             vector and row or column of taps; or likewise MOST_BYTES
"""

from fastnn import shapes
from fastnn.arguments import Activation, Algorithm, Images, Pair, Vector, pair
from fastnn.constants import ALGORITHM_BITS, IDENTITY
from fastnn.kernels.arrays.layout import address, contiguous, empty, in_use_until_here, put_back
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.convolution.channel_choices import takes_channel_theta, takes_channels
from fastnn.kernels.convolution.choices import in_lanes, may_take_samples, takes_cell_rows
from fastnn.kernels.convolution.image_gradient import image_bytes, image_gradient
from fastnn.kernels.convolution.windows import packed_and_summed, samples_of, windows_bytes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.sums.cell_rows import cell_rows_bytes, sum_cell_rows
from fastnn.kernels.sums.channel_lanes import channels_bytes, sum_channels
from fastnn.kernels.sums.channel_theta import channel_theta, channel_theta_bytes
from fastnn.kernels.sums.cropping import cropped, cropped_bytes, put_window
from fastnn.kernels.sums.depthwise import (
    depthwise,
    depthwise_bytes,
    depthwise_image,
    depthwise_image_bytes,
    is_depthwise,
    is_single,
)
from fastnn.kernels.sums.depthwise_theta import depthwise_theta, depthwise_theta_bytes
from fastnn.kernels.sums.few_products import can_be_dots, dots_bytes
from fastnn.kernels.sums.sample_lanes import samples_bytes, sum_samples
from fastnn.kernels.sums.theta_gradient import bias_gradient, with_way
from fastnn.kernels.sums.weights import pack_weights, packed_weights
from fastnn.kernels.winograd.winograd_theta import theta_bytes, theta_summed


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


@compiled
def forward_bytes(sizes, window, algorithm, zero):
    """The scratch of `forward_groups`: the weights of a group, and what their sums need."""
    if is_single(sizes):
        return max(depthwise_bytes(sizes, window, zero), channels_bytes(0, sizes, window, zero))
    window, _, _ = cropped(sizes, window)
    taps = sizes[1] * window[0] * window[1]
    most = windows_bytes(sizes, window, algorithm, zero)
    if can_be_dots(sizes, window, zero):
        most = max(most, dots_bytes(sizes, zero))
    if may_take_samples(0, algorithm, sizes, window, zero) != 0:
        most = max(most, samples_bytes(0, sizes, window, zero))
    most += packed_weights(sizes[2], taps, zero) * element_size(zero)
    if window[2] * window[3] > 1 and takes_cell_rows(algorithm & ALGORITHM_BITS, sizes, window, zero) != 0:
        most = max(most, cell_rows_bytes(sizes, window, zero))
    return most


@compiled
def forward_groups(sizes, window, groups, algorithm, a, theta, b, z, scratch, zero):
    """(15), (16) on places; b is an address, a step, and the number of g.

    sizes are (m, C, K, H, W, H', W') with the C and K of a group.
    """
    C, K = sizes[1], sizes[2]
    if is_single(sizes):
        weights = (theta[0], theta[1], theta[3], theta[4])
        if takes_channels(0, groups, sizes, window, a, weights, z, zero) != 0:
            sum_channels(0, groups, sizes, window, a, weights, b, z, scratch, zero)
        else:
            depthwise(groups, sizes, window, a, weights, b, z, scratch, zero)
        return
    window, top, left = cropped(sizes, window)
    theta = (theta[0] + top * theta[3] + left * theta[4], theta[1], theta[2], theta[3], theta[4])
    room = scratch + packed_weights(K, C * window[0] * window[1], zero) * element_size(zero)
    for g in range(groups):
        weights, bias = group_of(theta, g * K, False), (b[0] + g * K * b[1], b[1], b[2])
        images, results = group_of(a, g * C, True), group_of(z, g * K, True)
        count = in_lanes(0, algorithm, sizes, window, images, results, zero)
        if count > 0:
            pack_weights(weights, (K, C, window[0], window[1]), scratch, zero)
            some, source, target = samples_of(0, count, sizes, images, results)
            sum_samples(0, some, window, source, (scratch, bias[0], bias[1], bias[2]), target, room, zero)
        if count < sizes[0]:
            some, source, target = samples_of(count, sizes[0], sizes, images, results)
            if window[2] * window[3] > 1 and takes_cell_rows(algorithm & ALGORITHM_BITS, sizes, window, zero) != 0:
                sum_cell_rows(some, window, source, weights, bias, target, scratch, zero)
            else:
                packed_and_summed(algorithm & ALGORITHM_BITS, some, window, source, weights, bias, target, scratch, zero)


@compiled
def dtheta_bytes(sizes, window, algorithm, zero):
    """The scratch of `theta_groups`."""
    most = channel_theta_bytes(sizes, window, zero) if is_single(sizes) else 0
    if is_depthwise(sizes, window):
        return max(most, depthwise_theta_bytes(sizes, window, zero))
    met, _, _ = cropped(sizes, window)
    return max(most, theta_bytes(sizes, met, algorithm, zero) + cropped_bytes(sizes, window, met, zero))


@compiled
def theta_groups(sizes, window, groups, algorithm, a, dz, dtheta, scratch, zero):
    """(17) on places; what belongs to a k of dtheta is contiguous."""
    C, K = sizes[1], sizes[2]
    if is_single(sizes) and takes_channel_theta(groups, sizes, window, a, zero) != 0:
        channel_theta(groups, sizes, window, a, dz, (dtheta[0], dtheta[1]), scratch, zero)
        return
    if is_depthwise(sizes, window):
        depthwise_theta(groups, sizes, window, a, dz, (dtheta[0], dtheta[1]), scratch, zero)
        return
    met, top, left = cropped(sizes, window)
    room = cropped_bytes(sizes, window, met, zero)
    for g in range(groups):
        source, step_n, step_k, _, _ = group_of(dz, g * K, True)
        results = (dtheta[0] + g * K * dtheta[1], dtheta[1])
        images, gradients = group_of(a, g * C, True), (source, step_n, step_k)
        part = results if room == 0 else (scratch, C * met[0] * met[1] * element_size(zero))
        theta_summed(algorithm, sizes, met, images, gradients, part, scratch + room, zero)
        if room > 0:
            taps = (met[0], met[1], top, left)
            put_window(sizes, window, taps, scratch, gradients, results, scratch + room - LINE, zero)


@compiled
def da_bytes(sizes, window, algorithm, zero):
    """The scratch of `image_groups`."""
    most = channels_bytes(1, sizes, window, zero) if is_single(sizes) else 0
    if is_depthwise(sizes, window):
        return max(most, depthwise_image_bytes(sizes, window, zero))
    return max(most, image_bytes(algorithm, sizes, cropped(sizes, window)[0], zero))


@compiled
def image_groups(sizes, window, groups, algorithm, dz, theta, da, scratch, zero):
    """(19) on places."""
    C, K = sizes[1], sizes[2]
    weights = (theta[0], theta[1], theta[3], theta[4])
    if is_single(sizes) and takes_channels(1, groups, sizes, window, dz, weights, da, zero) != 0:
        sum_channels(1, groups, sizes, window, dz, weights, (0, 0, IDENTITY), da, scratch, zero)
        return
    if is_depthwise(sizes, window):
        depthwise_image(groups, sizes, window, dz, weights, da, scratch, zero)
        return
    window, top, left = cropped(sizes, window)
    theta = (theta[0] + top * theta[3] + left * theta[4], theta[1], theta[2], theta[3], theta[4])
    for g in range(groups):
        gradients, results = group_of(dz, g * K, True), group_of(da, g * C, True)
        image_gradient(algorithm, sizes, window, gradients, group_of(theta, g * K, False), results, scratch, zero)


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
    known = algorithm if is_depthwise(sizes, window) else with_way(algorithm, sizes, cropped(sizes, window)[0], zero)
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
