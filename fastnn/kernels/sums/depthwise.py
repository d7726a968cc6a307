"""Convolutions of single channels, depthwise ones above all: each z_k comes from one channel and each channel meets one k.

There is no sum over channels that would make a product of matrices of it, so nothing is packed and no group is taken by
itself. A band of a channel's rows is copied once, padded, with columns sorted by their rest by S_w (`_layout`), and stays in
the first-level cache. Windows that go from cell to cell need no copy: depthwise_rows.py.

Tuples as in planes.py, with C = K = 1, and
    theta    address, and the steps from one channel, row and column to the next, of any sign
    bias     address, step, and the number of g; address 0 for none
    copy     its address, and the steps from one row, and from one rest of columns, to the next; output rows of a band
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.registers.column_tiles import add_windows
from fastnn.kernels.registers.forms import form, lanes, zero_of, zeros
from fastnn.kernels.registers.lanes import filled
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import store, tile
from fastnn.kernels.sums.depthwise_rows import Bias, Theta, are_rows, depthwise_rows, rows_bytes
from fastnn.kernels.sums.filling import part_of_row
from fastnn.kernels.sums.planes import Images, Sizes, Window, line_apart, phases, plane_of, reached
from fastnn.kernels.sums.results import put

ROWS = 8  # of a tile, with the taps of a column and what they meet in 12 registers, which every CPU has
COPY_BYTES = 16 * 1024  # of a band: it stays in the first-level cache beside the output


@compiled
def is_single(sizes):
    """Whether a group has one channel and one k."""
    return sizes[1] == 1 and sizes[2] == 1


@compiled
def is_depthwise(sizes, window):
    """Whether also each cell of the image meets a tap of some window, so that da has no others."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    return is_single(sizes) and phases(f_h, S_h, D_h) == S_h and phases(f_w, S_w, D_w) == S_w


@compiled
def _layout(sizes, window, zero):
    """The bytes of a copied row, of all rows with the same rest, and how many output rows a band has."""
    H_out, W_out, size = sizes[5], sizes[6], element_size(zero)
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    row = line_apart((W_out + (f_w - 1) * D_w // S_w + lanes(zero)) * size)
    rows = max(1, (COPY_BYTES // (row * S_w) - (f_h - 1) * D_h) // S_h)
    rows = H_out if rows >= H_out else rows if rows < ROWS else rows // ROWS * ROWS
    return row, line_apart(((rows + ROWS - 1) * S_h + (f_h - 1) * D_h + 1) * row), rows


@compiled
def depthwise_bytes(sizes, window, zero):
    """The scratch of `depthwise`: a band, and a tile; or what rows need that are read where they are."""
    band = _layout(sizes, window, zero)[1] * window[3] + ROWS * lanes(zero) * element_size(zero) + 2 * LINE
    return max(band, rows_bytes(sizes, window, zero))


@compiled
def depthwise_image_bytes(sizes, window, zero):
    """The scratch of `depthwise_image`."""
    most = 0
    for q_h in range(phases(window[0], window[2], window[6])):
        for q_w in range(phases(window[1], window[3], window[7])):
            turned, taps, _, _ = plane_of(q_h, q_w, sizes, window)
            if turned[5] > 0 and turned[6] > 0:
                most = max(most, depthwise_bytes(turned, taps, zero))
    return most


@compiled
def _copy(image, sizes, window, first, rows, copy, zero):
    """The part of a channel that some output rows from `first` on meet, padded."""
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    H, W, W_out = sizes[3], sizes[4], sizes[6]
    height, width = (rows - 1) * S_h + (f_h - 1) * D_h + 1, W_out + (f_w - 1) * D_w // S_w
    top = first * S_h - P_h
    above, below = reached(H, height, top, 1)
    for q in range(S_w):
        begin, behind = reached(W, width, q - P_w, S_w)
        cells = image[0] + (top + above) * image[3] + (q - P_w) * image[4]
        ranges = (above, below, height), (begin, behind, width)
        _copy_rows((cells, image[3], S_w * image[4]), ranges, copy[0] + q * copy[2], copy[1], zero)


@compiled
def _copy_rows(image, ranges, target, row, zero):
    """Rows of cells whose column has the same rest, in whole vectors: those outside the ranges are 0."""
    (above, below, height), (begin, behind, width) = ranges
    size, vector = element_size(zero), tile(zero, 1, 1)
    for j in range(0, width, lanes(zero)):
        place, cell = target + j * size, image[0] + j * image[2]
        for _ in range(above):
            store(vector, place, 0, 0, None)
            place += row
        for _ in range(above, below):
            store(part_of_row(vector, size, cell, image[2], begin - j, behind - j), place, 0, 0, None)
            place += row
            cell += image[1]
        for _ in range(below, height):
            store(vector, place, 0, 0, None)
            place += row


@tiled
def depthwise(
    channels: int,
    sizes: Sizes,
    window: Window,
    image: Images,
    theta: Theta,
    bias: Bias,
    out: Images,
    scratch: int,
    zero: float,
) -> None:
    """(15), (16) z = theta a + b for so many channels, and g of it."""
    if are_rows(window, image, out, zero):
        depthwise_rows(channels, sizes, window, image, theta, bias, out, scratch, zero)
        return
    (m, H_out, W_out), width = (sizes[0], sizes[5], sizes[6]), lanes(zero)
    row, rest, rows = _layout(sizes, window, zero)
    copy = (-(-scratch // LINE) * LINE, row, rest)
    buffer = copy[0] + rest * window[3]
    for n in range(m):
        for k in range(channels):
            source = (image[0] + n * image[1] + k * image[2], 0, 0, image[3], image[4])
            target, weights = out[0] + n * out[1] + k * out[2], (theta[0] + k * theta[1], theta[2], theta[3])
            b = read(zero, bias[0] + k * bias[1]) if bias[0] != 0 else zero
            for i in range(0, H_out, rows):
                some = min(rows, H_out - i)
                _copy(source, sizes, window, i, some, copy, zero)
                for r in range(0, some, ROWS):
                    last, line = min(ROWS, some - r) - 1, target + (i + r) * out[3]
                    for j in range(0, W_out, width):
                        place = copy[0] + r * window[2] * row + j * element_size(zero)
                        t = _windows(form(zero, ROWS, 1), weights, window, (place, row, rest), b)
                        count, cells = min(width, W_out - j), line + j * out[4]
                        if out[4] == element_size(zero):
                            store(t, cells, out[3], last, count)
                        else:
                            step = width * element_size(zero)
                            store(t, buffer, step, last, None)
                            put(buffer, step, (last + 1, count), cells, (out[3], out[4]), False, zero)
            if bias[2] != IDENTITY:  # the cells are neighbours then, and in the cache still
                activate_planes(bias[2], target, (0, 0), (1, 1, H_out * W_out), zero)


@inlined
def _windows(kind, theta, window, copy, b):
    """A tile's sums, column of taps by column: three taps at a time where rows share what they meet."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    zero = zero_of(kind)
    t, rest, cell = filled(zeros(kind), b), 0, 0
    for s in range(f_w):
        weights, r = theta[0] + s * theta[2], 0
        place = copy[0] + rest * copy[2] + cell * element_size(zero)
        rest += D_w
        while rest >= S_w:  # divisions would take as long as the products
            rest, cell = rest - S_w, cell + 1
        if S_h == 1 and D_h == 1:
            while r + 3 <= f_h:
                t = add_windows(t, weights, theta[1], place, copy[1], 3)
                weights, place, r = weights + 3 * theta[1], place + 3 * copy[1], r + 3
        while r < f_h:
            t = add_windows(t, weights, theta[1], place, S_h * copy[1], 1)
            weights, place, r = weights + theta[1], place + D_h * copy[1], r + 1
    return t


@tiled
def depthwise_image(
    channels: int, sizes: Sizes, window: Window, dz: Images, theta: Theta, da: Images, scratch: int, zero: float
) -> None:
    """(19) da, plane by plane of image_gradient.py; sizes and window are the forward pass's."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    phases_h, phases_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    for q_h in range(phases_h):
        for q_w in range(phases_w):
            turned, taps, i, j = plane_of(q_h, q_w, sizes, window)
            if turned[5] == 0 or turned[6] == 0:
                continue
            r, s = q_h + (taps[0] - 1) * phases_h, q_w + (taps[1] - 1) * phases_w
            corner = theta[0] + r * theta[2] + s * theta[3]
            backwards = (corner, theta[1], -phases_h * theta[2], -phases_w * theta[3])
            out = (da[0] + i * da[3] + j * da[4], da[1], da[2], S_h * da[3], S_w * da[4])
            depthwise(channels, turned, taps, dz, backwards, (0, 0, IDENTITY), out, scratch, zero)
