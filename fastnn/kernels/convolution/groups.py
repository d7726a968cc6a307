"""Convolutions on places, group by group, and what scratch they take; groups of single channels go together.

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

from fastnn.constants import ALGORITHM_BITS
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.convolution.choices import in_lanes, may_take_samples, takes_cell_rows
from fastnn.kernels.convolution.image_gradient import image_bytes, image_gradient
from fastnn.kernels.convolution.single_channels import (
    single_da,
    single_da_bytes,
    single_dtheta,
    single_dtheta_bytes,
    single_forward,
    single_forward_bytes,
)
from fastnn.kernels.convolution.windows import packed_and_summed, samples_of, windows_bytes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.sums.cell_rows import cell_rows_bytes, sum_cell_rows
from fastnn.kernels.sums.cropping import cropped, cropped_bytes, put_window
from fastnn.kernels.sums.depthwise import is_depthwise, is_single
from fastnn.kernels.sums.few_products import can_be_dots, dots_bytes
from fastnn.kernels.sums.sample_lanes import samples_bytes, sum_samples
from fastnn.kernels.sums.theta_gradient import with_way
from fastnn.kernels.sums.weights import pack_weights, packed_weights
from fastnn.kernels.winograd.winograd_theta import theta_bytes, theta_summed


@compiled
def group_of(place, g, axis_1):
    """The same from channel g of axis 1 on, or of axis 0."""
    first, step_0, step_1, step_h, step_w = place
    return first + g * (step_1 if axis_1 else step_0), step_0, step_1, step_h, step_w


@compiled
def forward_bytes(sizes, window, algorithm, zero):
    """The scratch of `forward_groups`: the weights of a group, and what their sums need."""
    if is_single(sizes):
        return single_forward_bytes(sizes, window, zero)
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
        single_forward(groups, sizes, window, a, theta, b, z, scratch, zero)
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
def with_theta_way(algorithm, sizes, window, zero):
    """An algorithm with which way dtheta goes, so that it is thought of once."""
    return algorithm if is_depthwise(sizes, window) else with_way(algorithm, sizes, cropped(sizes, window)[0], zero)


@compiled
def dtheta_bytes(sizes, window, algorithm, zero):
    """The scratch of `theta_groups`."""
    most = single_dtheta_bytes(sizes, window, zero) if is_single(sizes) else 0
    if is_depthwise(sizes, window):
        return most
    met, _, _ = cropped(sizes, window)
    return max(most, theta_bytes(sizes, met, algorithm, zero) + cropped_bytes(sizes, window, met, zero))


@compiled
def theta_groups(sizes, window, groups, algorithm, a, dz, dtheta, scratch, zero):
    """(17) on places; what belongs to a k of dtheta is contiguous."""
    C, K = sizes[1], sizes[2]
    if is_single(sizes) and single_dtheta(groups, sizes, window, a, dz, (dtheta[0], dtheta[1]), scratch, zero) != 0:
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
    most = single_da_bytes(sizes, window, zero) if is_single(sizes) else 0
    if is_depthwise(sizes, window):
        return most
    return max(most, image_bytes(algorithm, sizes, cropped(sizes, window)[0], zero))


@compiled
def image_groups(sizes, window, groups, algorithm, dz, theta, da, scratch, zero):
    """(19) on places."""
    C, K = sizes[1], sizes[2]
    if is_single(sizes) and single_da(groups, sizes, window, dz, theta, da, scratch, zero) != 0:
        return
    window, top, left = cropped(sizes, window)
    theta = (theta[0] + top * theta[3] + left * theta[4], theta[1], theta[2], theta[3], theta[4])
    for g in range(groups):
        gradients, results = group_of(dz, g * K, True), group_of(da, g * C, True)
        image_gradient(algorithm, sizes, window, gradients, group_of(theta, g * K, False), results, scratch, zero)
