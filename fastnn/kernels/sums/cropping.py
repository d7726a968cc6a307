"""Windows without the rows and columns of taps that meet nothing but padding: those of images as small as they are.

Of 3 x 3 taps one is left where images are single cells, of 7 x 7 nine where they have 2 x 2. Tuples as in planes.py and
theta_gradient.py.
"""

from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import load, spread, store, tile
from fastnn.kernels.sums.planes import Sizes, Window, reached
from fastnn.kernels.sums.theta_rows import Gradients, Rows

Four = tuple[int, int, int, int]


@compiled
def _meets(r, axis):
    """Whether tap r of an axis meets a cell of the image; axis: H, H', S, P, D."""
    n, n_out, S, P, D = axis
    first, behind = reached(n, n_out, r * D - P, S)
    return first < behind


@compiled
def _range(f, axis):
    """The taps, from one to another, between the first and the last that meet a cell; one, if none does."""
    first, behind = 0, f
    if axis[1] > 0 and axis[3] > 0:
        while behind - first > 1 and not _meets(behind - 1, axis):
            behind -= 1
        while behind - first > 1 and not _meets(first, axis):
            first += 1
    return first, behind


@compiled
def cropped(sizes, window):
    """The window of these taps, the same for any number of samples, and the first row and column of the whole window's."""
    _, _, _, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    first = (H_out - 1) * S_h >= P_h and (W_out - 1) * S_w >= P_w
    if first and (f_h - 1) * D_h - P_h < H and (f_w - 1) * D_w - P_w < W:  # the outermost taps are near enough
        return window, 0, 0
    return _cropped(sizes, window)


@tiled
def _cropped(sizes: Sizes, window: Window) -> tuple[Window, int, int]:
    _, _, _, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    top, below = _range(f_h, (H, H_out, S_h, P_h, D_h))
    left, right = _range(f_w, (W, W_out, S_w, P_w, D_w))
    return (below - top, right - left, S_h, S_w, P_h - top * D_h, P_w - left * D_w, D_h, D_w), top, left


@compiled
def cropped_bytes(sizes, window, met, zero):
    """The scratch of `put_window` and what it reads: 0 if no taps are left out."""
    if met[0] * met[1] == window[0] * window[1]:
        return 0
    taps = sizes[1] * sizes[2] * met[0] * met[1]
    return -(-taps * element_size(zero) // LINE) * LINE + 2 * LINE


@tiled
def put_window(
    sizes: Sizes, window: Window, met: Four, source: int, dz: Gradients, out: Rows, nothing: int, zero: float
) -> None:
    """dtheta, from that of the taps that are met: f_h, f_w, and the first of them. Other taps meet 0: NaN and infinity of dz
    make NaN of it. nothing: a place for one number.
    """
    m, C, K, _, _, H_out, W_out = sizes
    f_h, f_w, top, left = met
    size, cells, place = element_size(zero), window[0] * window[1], source
    vector, width = tile(zero, 1, 1), lanes(zero)
    for k in range(K):
        total, target = zero, out[0] + k * out[1]
        for n in range(m):
            for i in range(H_out * W_out):
                total += zero * read(zero, dz[0] + n * dz[1] + k * dz[2] + i * size)
        write(total, nothing)
        for t in range(0, C * cells, width):
            store(spread(vector, nothing, 0, 0), target + t * size, 0, 0, min(width, C * cells - t))
        for c in range(C):
            for r in range(f_h):
                corner = target + (c * cells + (top + r) * window[1] + left) * size
                for s in range(0, f_w, width):
                    count = min(width, f_w - s)
                    store(load(vector, place + s * size, 0, 0, count), corner + s * size, 0, 0, count)
                place += f_w * size
