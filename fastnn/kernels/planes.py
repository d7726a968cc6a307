"""Parts of images as a convolution's windows meet them: padded, and with every S-th cell a neighbour.

Tap (c, r, s) of a window meets, under output cell (i, j), the cell (i S_h + r D_h - P_h, j S_w + s D_w - P_w) of channel c:
D is the dilation. Taps whose r D_h leave the same rest by S_h walk over the same rows of the image, so these rows lie
together in a plane: plane q holds the cells (i S_h + q D_h - P_h, ...) for i = 0, 1, ..., q = r mod `phases`, and tap r
meets its row i + (r - q) D_h / S_h. The same holds for columns. So in its plane each tap walks over neighbours, whatever
the stride, and never leaves it, whatever the padding. Where S = 1 and P = 0 the image itself is such a plane.

Numbers that go together are tuples:
    sizes   m, C, K, H, W, H', W'                                   of one group; C and K are those of the group
    window  f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w                  P may be negative: then cells are cut off
    image   address, and the steps in bytes from one sample, channel, row and cell to the next
    part    samples, channels and output rows that are computed at a time, whether they are copied into planes, and the steps
            in bytes from one sample, channel, plane and row to the next, there
"""

from math import gcd

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.jit import compiled
from fastnn.kernels.simd import LINE
from fastnn.kernels.tiles import element_size, lanes, load_between, store, tile, write_integer

Sizes = tuple[int, int, int, int, int, int, int]
Window = tuple[int, int, int, int, int, int, int, int]
Images = tuple[int, int, int, int, int]

# Bytes of planes at a time: they stay in the second-level cache, beside the weights and the results.
PLANE_BYTES = 256 * 1024


@compiled
def phases(f, S, D):
    """How many planes one axis needs."""
    return min(f, S // gcd(S, D))


@compiled
def halo(f, S, D):
    """How many rows of a plane the windows of one output row reach beyond the first."""
    return (f - 1) * D // S


@compiled
def line_apart(step):
    """A step of at least so many bytes that leads to other sets of the cache: an odd number of lines."""
    return (step + LINE - 1) // LINE // 2 * 2 * LINE + LINE


@compiled
def parts(sizes, window, size):
    """How the work is cut up: the tuple `part`. Planes have at most PLANE_BYTES, unless one output row needs more."""
    m, C, _, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    channels = min(C, max(1, BLOCK // (f_h * f_w)))
    channels = max(1, -(-C // max(1, -(-C // channels))))
    step_h = (W_out + halo(f_w, S_w, D_w)) * size
    planes = phases(f_h, S_h, D_h) * phases(f_w, S_w, D_w)
    beyond = halo(f_h, S_h, D_h)
    rows = max(1, min(H_out, PLANE_BYTES // (channels * planes * step_h) - beyond))
    rows = -(-H_out // -(-H_out // rows))
    step_q = (rows + beyond) * step_h
    step_c = line_apart(planes * step_q)
    step_n = channels * step_c
    samples = max(1, min(m, PLANE_BYTES // step_n)) if rows == H_out else 1
    return samples, channels, rows, 1, step_n, step_c, step_q, step_h


@compiled
def in_place(part, sizes, window, image, size):
    """The same part without copies, if the image is a plane itself, whose rows and samples come one after the other."""
    samples, channels, rows = part[0], part[1], part[2]
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    all_inside = sizes[3] >= sizes[5] + (f_h - 1) * D_h and sizes[4] >= sizes[6] + (f_w - 1) * D_w
    adjacent = image[4] == size and image[3] >= sizes[4] * size and image[1] >= sizes[3] * image[3]
    if S_h == 1 and S_w == 1 and P_h == 0 and P_w == 0 and all_inside and adjacent:
        return samples, channels, rows, 0, image[1], image[2], 0, image[3]
    return part


@compiled
def plane_bytes(part):
    """Of the planes, and one more line, which whole vectors at their end may reach into."""
    return part[0] * part[4] + LINE


@compiled
def tap_offsets(table, channels, window, part, size):
    """Where tap (c, r, s) meets output cell (0, 0), from the first plane on: int64 at `table`."""
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    phases_h, phases_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    for c in range(channels):
        for r in range(f_h):
            for s in range(f_w):
                q_h, q_w = r % phases_h, s % phases_w
                down, right = (r - q_h) * D_h // S_h, (s - q_w) * D_w // S_w
                plane = c * part[5] + (q_h * phases_w + q_w) * part[6]
                write_integer(plane + down * part[7] + right * size, table)
                table += 8


@compiled
def reached(n, n_out, offset, S):
    """The range of cells i with 0 <= i S + offset < n: those whose input cell is not padding."""
    first = min(n_out, max(0, -(offset // S)))
    behind = max(first, min(n_out, (n - 1 - offset) // S + 1))
    return first, behind


@compiled
def fill_planes(image, sizes, window, part, first_row, target, zero):
    """Copy a part of the images, whose first sample and channel are at `image`, into its planes.

    sizes has as many samples, channels and output rows as are wanted.
    """
    m, C, _, H, W, rows, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    phases_h, phases_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    height, width = rows + halo(f_h, S_h, D_h), W_out + halo(f_w, S_w, D_w)
    address, step_n, step_c, step_h, step_w = image
    for q_h in range(phases_h):
        top = first_row * S_h + q_h * D_h - P_h
        above, below = reached(H, height, top, S_h)
        for q_w in range(phases_w):
            left = q_w * D_w - P_w
            first, behind = reached(W, width, left, S_w)
            for n in range(m):
                source = address + n * step_n + top * step_h + left * step_w
                plane = target + n * part[4] + (q_h * phases_w + q_w) * part[6]
                _fill_plane(
                    source, (C, step_c, S_h * step_h, S_w * step_w),
                    (height, above, below, width, first, behind), plane, part[5], part[7], zero,
                )  # fmt: skip


@compiled
def _fill_plane(source, steps, ranges, plane, plane_c, plane_h, zero):
    """One plane of each channel: cells inside the ranges are copied, the others are 0. Columns go in vectors."""
    C, step_c, step_h, step_w = steps
    height, above, below, width, first, behind = ranges
    size, lane_count, vector = element_size(zero), lanes(zero), tile(zero, 1, 1)
    for j in range(0, width, lane_count):
        begin, end, count = first - j, behind - j, min(lane_count, width - j)
        for c in range(C):
            place, cell = plane + c * plane_c + j * size, source + c * step_c + j * step_w
            for _ in range(above):
                store(vector, place, 0, 0, count)
                place += plane_h
            cell += above * step_h
            if step_w == size:
                for _ in range(above, below):
                    store(load_between(vector, cell, None, begin, end), place, 0, 0, count)
                    place += plane_h
                    cell += step_h
            else:
                for _ in range(above, below):
                    store(load_between(vector, cell, step_w, begin, end), place, 0, 0, count)
                    place += plane_h
                    cell += step_h
            for _ in range(below, height):
                store(vector, place, 0, 0, count)
                place += plane_h
