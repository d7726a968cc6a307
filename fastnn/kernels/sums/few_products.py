"""A convolution's three steps as products of matrices, where output cells are few and weights many.

With cols (cells, C f_h f_w) the cells that windows meet, in the order of theta's weights,
    z       cols theta^T + b, by dot products, where cells would leave lanes empty
    da      cols = dz^T theta, with dz (K, cells) and theta (K, C f_h f_w) as it is; a cell of da is the sum of those in cols
            that stand for it
    dtheta  dz cols, written where it belongs
cols is as small as cells are few, and some channels of it are made at a time. So theta goes by once, and neither it nor
dtheta is turned or put together in scratch, which takes as long as so few products: gathered plane by plane, da of stride 2
read theta four times.

Tuples as in planes.py and theta_gradient.py.
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read, read_integer, write, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.products.gemm import product_at
from fastnn.kernels.products.product_ways import SCRATCH
from fastnn.kernels.registers.forms import full_rows, half_rows, lanes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.sums.planes import Images, Sizes, Window
from fastnn.kernels.sums.theta_rows import Gradients, Rows

Bias = tuple[int, int, int]

# Cells at most: tiles of rows that meet theta, or dtheta, once each. Weights at least, in all and of each k, and k: cells
# are brought to cols and back one by one, which takes as long as some 30 k. Of dtheta bytes at least: where sums stay in a
# second-level cache, other ways took less.
TILES, WEIGHTS, ROW, LEAST_K, FAR_BYTES = 8, 8 * 1024, 64, 64, 512 * 1024
COLS_BYTES = 256 * 1024  # they stay in the second-level cache
# For z dots must save that much beside lanes of cells. And terms at least: each dot product costs its lanes' adding up.
DOTS_MARGIN, LEAST_TERMS = 0.8, 512


@compiled
def are_many(sizes, window):
    """Whether there are weights enough to ask further."""
    return sizes[1] * sizes[2] * window[0] * window[1] >= WEIGHTS


@compiled
def can_be_products(sizes, window, zero):
    """Whether da of so many samples, or fewer, can be `are_products`; for dtheta there must be more."""
    _, C, K, _, _, H_out, W_out = sizes
    taps, cells, many = C * window[0] * window[1], H_out * W_out, are_many(sizes, window)
    return many and cells > 0 and cells <= TILES * full_rows(zero) and K >= LEAST_K and taps >= ROW


@compiled
def are_products(sizes, window, zero):
    return can_be_products(sizes, window, zero) and sizes[0] * sizes[5] * sizes[6] <= TILES * full_rows(zero)


@compiled
def is_far(sizes, window, zero):
    """Whether there is so much of dtheta that it pays."""
    return sizes[1] * sizes[2] * window[0] * window[1] * element_size(zero) >= FAR_BYTES


@compiled
def can_be_dots(sizes, window, zero):
    """Whether so many samples, or fewer, can be `are_dots`."""
    _, C, K, _, _, H_out, W_out = sizes
    terms, cells = C * window[0] * window[1], H_out * W_out
    near = cells * terms * element_size(zero) <= COLS_BYTES and cells <= TILES * full_rows(zero)
    return near and cells > 0 and terms >= LEAST_TERMS and K >= LEAST_K


@compiled
def are_dots(sizes, window, zero):
    """Whether z of these samples are products: by the lanes that cells leave empty, and the rows of tiles that they do."""
    m, C, K, H, W, H_out, W_out = sizes
    cells, width, half = m * H_out * W_out, lanes(zero), half_rows(zero)
    saves = -(-cells // half) * half < DOTS_MARGIN * -(-cells // width) * width
    return saves and can_be_dots((1, C, K, H, W, 1, cells), window, zero)


@compiled
def is_plain(theta, window, zero):
    """Whether the weights of a k are neighbours, in order."""
    size = element_size(zero)
    return theta[4] == size and theta[3] == window[1] * size and theta[2] == window[0] * window[1] * size


@compiled
def _layout(scratch, sizes, window, zero):
    """Channels at a time; addresses of dz, cols, a table, what the product needs, and the end."""
    _, C, K, _, _, _, _ = sizes
    cells, taps, size = TILES * full_rows(zero), window[0] * window[1], element_size(zero)
    channels = max(1, min(C, COLS_BYTES // (cells * taps * size)))
    dz = -(-scratch // LINE) * LINE
    cols = -(-(dz + K * cells * size) // LINE) * LINE
    table = cols + -(-cells * channels * taps * size // LINE) * LINE
    room = -(-(table + 8 * taps) // LINE) * LINE
    return channels, dz, cols, table, room, room + SCRATCH


@compiled
def products_bytes(sizes, window, zero):
    """The scratch of both."""
    return _layout(0, sizes, window, zero)[5] + LINE


@compiled
def dots_bytes(sizes, zero):
    """The scratch of `sum_by_products`, whether these samples, or fewer, take it or not: cols, b and results."""
    return COLS_BYTES + (TILES * full_rows(zero) + 1) * sizes[2] * element_size(zero) + SCRATCH + 4 * LINE


@tiled
def sum_by_products(
    sizes: Sizes, window: Window, image: Images, theta: Images, bias: Bias, out: Images, scratch: int, zero: float
) -> None:
    """z of all samples of one group, where `are_dots` and `is_plain` say so. bias: an address, a step, the number of g."""
    m, C, K, _, _, H_out, W_out = sizes
    size, terms, cells = element_size(zero), C * window[0] * window[1], H_out * W_out
    cols = -(-scratch // LINE) * LINE
    start = -(-(cols + m * cells * terms * size) // LINE) * LINE
    sums = start + K * size
    room = -(-(sums + m * cells * K * size) // LINE) * LINE
    for k in range(K):
        write(read(zero, bias[0] + k * bias[1]), start + k * size)
    _fill(sizes, window, image, cols, zero)
    right, place = (theta[0], size, theta[1]), sums
    product_at((m * cells, terms, K), (cols, terms * size, size), right, (start, 0), (sums, K * size, size), room, zero)
    for n in range(m):
        for i in range(H_out):
            for j in range(W_out):
                target = out[0] + n * out[1] + i * out[3] + j * out[4]
                for k in range(K):
                    write(read(zero, place + k * size), target + k * out[2])
                place += K * size
    if bias[2] != IDENTITY:  # rows of `out` are contiguous then
        activate_planes(bias[2], out[0], (out[1], out[2]), (m, K, cells), zero)


@compiled
def _copy_gradients(counts, dz, target, zero):
    """dz -> (K, cells of all samples)."""
    m, K, cells = counts
    size = element_size(zero)
    for k in range(K):
        for n in range(m):
            for x in range(cells):
                write(read(zero, dz[0] + n * dz[1] + k * dz[2] + x * size), target)
                target += size


@tiled
def image_by_products(sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float) -> int:
    """da of all samples of one group, whose cells of dz are neighbours; 1, or 0 where they go another way."""
    if not are_products(sizes, window, zero) or not is_plain(theta, window, zero):
        return 0
    m, C, K, _, _, H_out, W_out = sizes
    channels, left, cols, table, room, _ = _layout(scratch, sizes, window, zero)
    size, taps, cells = element_size(zero), window[0] * window[1], m * H_out * W_out
    _copy_gradients((m, K, H_out * W_out), (dz[0], dz[1], dz[2]), left, zero)
    for c in range(0, C, channels):
        some = min(channels, C - c)
        above, row = (left, size, cells * size), some * taps * size
        right = (theta[0] + c * theta[2], theta[1], size)
        product_at((cells, K, some * taps), above, right, (0, 0), (cols, row, size), room, zero)
        target = (da[0] + c * da[2], da[1], da[2], da[3], da[4])
        _add_up((m, some, K, sizes[3], sizes[4], H_out, W_out), window, (cols, row), target, table, zero)
    return 1


@compiled
def _add_up(sizes, window, cols, da, table, zero):
    """Of each cell of da those of cols that stand for it; what they are is noted once for all channels."""
    m, C, _, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    size, taps = element_size(zero), f_h * f_w * element_size(zero)
    for n in range(m):
        for y in range(H):
            for x in range(W):
                behind = table
                for r in range(f_h):
                    i = (y + P_h - r * D_h) // S_h
                    if i * S_h == y + P_h - r * D_h and i >= 0 and i < H_out:
                        for s in range(f_w):
                            j = (x + P_w - s * D_w) // S_w
                            if j * S_w == x + P_w - s * D_w and j >= 0 and j < W_out:
                                cell = (n * H_out + i) * W_out + j
                                write_integer(cols[0] + cell * cols[1] + (r * f_w + s) * size, behind)
                                behind += 8
                place = da[0] + n * da[1] + y * da[3] + x * da[4]
                for c in range(C):
                    total, note = zero, table
                    while note < behind:
                        total += read(zero, read_integer(note) + c * taps)
                        note += 8
                    write(total, place)
                    place += da[2]


@tiled
def theta_by_products(
    sizes: Sizes, window: Window, image: Images, dz: Gradients, out: Rows, scratch: int, zero: float
) -> int:
    """dtheta of all samples of one group; 1, or 0 where they go another way."""
    if not are_products(sizes, window, zero) or not is_far(sizes, window, zero):
        return 0
    m, C, K, H, W, H_out, W_out = sizes
    channels, left, cols, _, room, _ = _layout(scratch, sizes, window, zero)
    size, taps, cells = element_size(zero), window[0] * window[1], m * H_out * W_out
    _copy_gradients((m, K, H_out * W_out), dz, left, zero)
    for c in range(0, C, channels):
        some = min(channels, C - c)
        source, row = (image[0] + c * image[2], image[1], image[2], image[3], image[4]), some * taps * size
        _fill((m, some, K, H, W, H_out, W_out), window, source, cols, zero)
        target = (out[0] + c * taps * size, out[1], size)
        product_at((K, cells, some * taps), (left, cells * size, size), (cols, row, size), (0, 0), target, room, zero)
    return 1


@compiled
def _fill(sizes, window, image, target, zero):
    """What windows meet -> cols."""
    m, C, _, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    size = element_size(zero)
    for n in range(m):
        for i in range(H_out):
            for j in range(W_out):
                place = image[0] + n * image[1]
                for _ in range(C):
                    for r in range(f_h):
                        y = i * S_h + r * D_h - P_h
                        for s in range(f_w):
                            x = j * S_w + s * D_w - P_w
                            if y >= 0 and y < H and x >= 0 and x < W:
                                write(read(zero, place + y * image[3] + x * image[4]), target)
                            else:
                                write(zero, target)
                            target += size
                    place += image[2]
