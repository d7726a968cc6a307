"""Parts of images as a convolution's windows meet them: padded, and with all the cells that a tap meets as neighbours.

Tap (c, r, s) of a window meets, under output cell (i, j), the cell (i S_h + r D_h - P_h, j S_w + s D_w - P_w) of channel
c: D is the dilation. What it meets lies in plane (c, q, s), with q = r mod `phases`, whose row i holds the cells (i S_h +
q D_h - P_h, j S_w + s D_w - P_w) for all j: tap r meets row i + (r - q) D_h / S_h. A plane's rows are as long as an
output row, one follows the other, and taps that differ in r share them. So each tap walks along one line of memory while
the output cells go by, over the ends of rows, whatever stride and padding; it takes f_w copies of the image, and not f_h
f_w. The planes of several samples have their rows side by side: cell (i, n, j), so that small images fill whole vectors.

Where f_w = 1, S = 1 and P = 0 the image itself is such a plane.

Numbers that go together are tuples:
    sizes   m, C, K, H, W, H', W'                                   of one group; C and K are those of the group
    window  f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w                  P may be negative: then cells are cut off
    image   address, and the steps in bytes from one sample, channel, row and cell to the next
    part    samples, channels and output rows that are computed at a time; the steps in bytes from one channel, plane and row
            to the next; IN_PLACE, COPIED, or FRAMED: copied, where cells outside the image are 0 already
"""

from fastnn.kernels.arrays.memory import write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.simd import LINE

Sizes = tuple[int, int, int, int, int, int, int]
Window = tuple[int, int, int, int, int, int, int, int]
Images = tuple[int, int, int, int, int]
Part = tuple[int, int, int, int, int, int, int]

IN_PLACE, COPIED, FRAMED = 0, 1, 2

# Bytes of planes at a time: they stay in the second-level cache, beside the weights and the results.
PLANE_BYTES = 512 * 1024


@compiled
def phases(f, S, D):
    """How many kinds of rows or columns taps meet: those of one kind walk over the same ones."""
    count = 1
    if S == 1:
        return count
    while count < f and count * D % S != 0:  # S / gcd(S, D), if that is less than f: gcd itself took 0.1 s to compile
        count += 1
    return count


@compiled
def halo(f, S, D):
    """How many rows of a plane the windows of one output row reach beyond the first."""
    return (f - 1) * D if S == 1 else (f - 1) * D // S


@compiled
def _axis(q, H, f, S, P, D):
    """Of plane q along one axis: taps, their dilation and padding in dz, da's first cell, and how many it has."""
    n = phases(f, S, D)
    taps, dilation = (f - q + n - 1) // n, n * D // S
    first = -((q * D - P) // S)
    cell = first * S + q * D - P
    return taps, dilation, (taps - 1) * dilation - first, cell, max(0, (H - 1 - cell) // S + 1)


@compiled
def plane_of(q_h, q_w, sizes, window):
    """Sizes and window of the convolution that a plane's cells are, and da's first cell."""
    m, C, K, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    taps_h, dilation_h, padding_h, i, cells_h = _axis(q_h, H, f_h, S_h, P_h, D_h)
    taps_w, dilation_w, padding_w, j, cells_w = _axis(q_w, W, f_w, S_w, P_w, D_w)
    turned = (m, K, C, H_out, W_out, cells_h, cells_w)
    return turned, (taps_h, taps_w, 1, 1, padding_h, padding_w, dilation_h, dilation_w), i, j


@compiled
def shape_of(back, sizes):
    """The shape of what is read and written: back to da, dz and da."""
    m, C, K, H, W, H_out, W_out = sizes
    return (m, K, C, H_out, W_out, H, W) if back else sizes


@compiled
def line_apart(step):
    """A step of at least so many bytes that leads to other sets of the cache: an odd number of lines."""
    return (step + LINE - 1) // LINE // 2 * 2 * LINE + LINE


@compiled
def evenly(count, most):
    """How many of so many go together: at most `most`, and about as many each time."""
    return count if count <= most else -(-count // -(-count // most))


@compiled
def channels_of(C, f_h, f_w):
    """How many channels are computed at a time: BLOCK taps at most, or one channel, and about as many each time."""
    if C * f_h * f_w <= BLOCK:
        return max(1, C)
    return evenly(C, max(1, BLOCK // (f_h * f_w)))


@compiled
def parts(sizes, window, together, channels, size):
    """How the work is cut up, with so many samples and channels together: at most PLANE_BYTES, or one output row.

    A division takes some 15 cycles: a small image needs none.
    """
    m, _, _, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    planes, beyond = phases(f_h, S_h, D_h) * f_w, halo(f_h, S_h, D_h)
    together = max(1, min(together, m))
    if together > 1:
        together = max(1, min(together, PLANE_BYTES // (channels * planes * (H_out + beyond) * W_out * size + 1)))
    step_h, rows = together * W_out * size, H_out
    if channels * planes * step_h * (H_out + beyond) > PLANE_BYTES:
        rows = evenly(H_out, max(1, PLANE_BYTES // (channels * planes * step_h) - beyond))
    step_q = line_apart((rows + beyond) * step_h)
    return together, channels, rows, planes * step_q, step_q, step_h, COPIED


@compiled
def framed(part, sizes):
    """The same part after its planes have been filled: if it has all rows, cells outside the image stay what they are."""
    whole = part[6] == COPIED and part[2] == sizes[5]
    return part[0], part[1], part[2], part[3], part[4], part[5], FRAMED if whole else part[6]


@compiled
def in_place(part, sizes, window, image, size):
    """The same part without copies, if the image is a plane itself."""
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, _ = window
    all_inside = sizes[3] >= sizes[5] + (f_h - 1) * D_h and sizes[4] == sizes[6]
    simple = part[0] == 1 and f_w == 1 and S_h == 1 and S_w == 1 and P_h == 0 and P_w == 0
    if simple and all_inside and image[4] == size and image[3] == sizes[4] * size:
        return part[0], part[1], part[2], image[2], 0, image[3], IN_PLACE
    return part


@compiled
def plane_bytes(part):
    """Of the planes, and lines behind them."""
    return line_apart(part[1] * part[3] + LINE)


@compiled
def tap_offsets(table, channels, window, part, rows_first):
    """Where tap (c, r, s) meets output cell (0, 0), from the first plane on: int64 at `table`, by c, r, s or by r, c, s."""
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    kinds = phases(f_h, S_h, D_h)
    for c in range(channels):
        for r in range(f_h):
            q, number = r % kinds, r * channels + c if rows_first else c * f_h + r
            place = c * part[3] + q * f_w * part[4] + (r - q) * D_h // S_h * part[5]
            for s in range(f_w):
                write_integer(place + s * part[4], table + 8 * (number * f_w + s))


@compiled
def reached(n, n_out, offset, S):
    """The range of cells i with 0 <= i S + offset < n: those whose input cell is not padding."""
    first, behind = 0, n_out
    if offset < 0:
        first = min(n_out, -offset if S == 1 else -(offset // S))
    if (n_out - 1) * S + offset >= n:
        behind = min(n_out, n - offset if S == 1 else (n - 1 - offset) // S + 1)
    return first, max(first, behind)
