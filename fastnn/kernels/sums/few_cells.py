"""Sums over windows for few output cells and many weights, which are read where they are.

Packed (weights.py), each weight would be met by one tile of cells, or two, and packing takes as long as such a tile. So the
rows of a tile are rows of theta, and each tap is noted with two offsets: where its weights lie, and what it meets. All
samples are in one part, whose planes have their rows side by side. The sums have the terms of `correlate`, in another order
within a block.

Tuples as in planes.py and correlate.py, and
    theta   as images: address, and the steps from one k, channel, row and column of a window to the next
    lines   addresses of a block's first weights and planes, the step from k to k, and the table of offsets
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, read_integer, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import form, full_rows, lanes, vectors_of, wide_rows, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import added, load, rank_one, spread, store
from fastnn.kernels.sums.filling import fill_planes
from fastnn.kernels.sums.planes import (
    IN_PLACE,
    Images,
    Sizes,
    Window,
    channels_of,
    framed,
    in_place,
    parts,
    phases,
    plane_bytes,
)
from fastnn.kernels.sums.results import deliver

# Tiles of cells that meet a weight: with more, packing it pays. And weights that are too few to matter.
TILES, WEIGHTS = 2, 8 * 1024

Bias = tuple[int, int, int]
Lines = tuple[int, int, int, int]
Corner = tuple[int, int, int, int, int]
Counts = tuple[int, int, int, int, int]


@compiled
def _most(zero):
    """Cells at most."""
    return TILES * VECTORS * lanes(zero)


@compiled
def _part(m, sizes, window, zero):
    """All rows of so many samples."""
    _, C, K, H, W, H_out, W_out = sizes
    together = (m, C, K, H, W, H_out, W_out)
    return parts(together, window, m, channels_of(C, window[0], window[1]), element_size(zero))


@compiled
def can_be_few(sizes, window, zero):
    """Whether so many samples, or fewer, can be `are_few`: also, whether the planes of as many as are few are one part."""
    _, C, K, _, _, H_out, W_out = sizes
    cells = H_out * W_out
    if wide_rows(zero) >= K or C * K * window[0] * window[1] < WEIGHTS or cells == 0 or cells > _most(zero):
        return False
    m = _most(zero) // cells
    part = _part(m, sizes, window, zero)
    return part[0] == m and part[2] == H_out


@compiled
def are_few(sizes, window, zero):
    return sizes[0] * sizes[5] * sizes[6] <= _most(zero) and can_be_few(sizes, window, zero)


@compiled
def _layout(scratch, part, window, zero):
    """Addresses of planes, a tile's sums, the table, and the end."""
    planes = -(-scratch // LINE) * LINE
    sums = -(-(planes + plane_bytes(part)) // LINE) * LINE
    table = sums + full_rows(zero) * VECTORS * lanes(zero) * element_size(zero)
    return planes, sums, table, table + 16 * part[1] * window[0] * window[1]


@compiled
def few_bytes(sizes, window, zero):
    """The scratch of `sum_few`, for as many samples as are few."""
    m = max(1, min(sizes[0], _most(zero) // (sizes[5] * sizes[6])))
    return _layout(0, _part(m, sizes, window, zero), window, zero)[3] + LINE


@tiled
def sum_few(
    sizes: Sizes, window: Window, image: Images, theta: Images, bias: Bias, out: Images, scratch: int, zero: float
) -> None:
    """All samples of one group, where `are_few` says so. bias: an address, a step, and the number of g."""
    m, C, K, H, W, H_out, W_out = sizes
    size, taps = element_size(zero), window[0] * window[1]
    part = _part(m, sizes, window, zero)
    planes, sums, table, _ = _layout(scratch, part, window, zero)
    part, noted = in_place(part, sizes, window, image, size), 0
    channels = part[1]
    for c in range(0, C, channels):
        some, place = min(channels, C - c), image[0] + c * image[2]
        if part[6] == IN_PLACE:
            planes = place
        else:
            where = (place, image[1], image[2], image[3], image[4])
            fill_planes(where, (m, some, K, H, W, H_out, W_out), window, part, 0, planes, zero)
            part = framed(part, sizes)
        if noted != some:
            noted = some
            _note(table, some, window, part, theta)
        for t in range(0, some * taps, BLOCK):
            lines = (theta[0] + c * theta[2], planes, theta[1], table + 16 * t)
            counts = (m, K, min(BLOCK, some * taps - t), H_out * W_out, W_out)
            _sum_block(counts, lines, (bias[0], bias[1], c + t), (out[0], out[1], out[2], out[3], out[4]), sums, zero)
    if bias[2] != IDENTITY:  # rows of `out` are contiguous then
        activate_planes(bias[2], out[0], (out[1], out[2]), (m, K, H_out * W_out), zero)


@compiled
def _note(table, channels, window, part, theta):
    """Of tap (c, r, s) where its weight lies, from the first on, and what it meets: by c, r, s."""
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    kinds, place = phases(f_h, S_h, D_h), table
    for c in range(channels):
        for r in range(f_h):
            line = c * part[3] + r % kinds * f_w * part[4] + (r - r % kinds) * D_h // S_h * part[5]
            for s in range(f_w):
                write_integer(c * theta[2] + r * theta[3] + s * theta[4], place)
                write_integer(line + s * part[4], place + 8)
                place += 16


@tiled
def _sum_block(counts: Counts, lines: Lines, bias: Bias, out: Corner, sums: int, zero: float) -> None:
    """A block of taps for all k and cells, added to `out` if bias[2] is not 0, the first of all."""
    (m, K, taps, each, W_out), (theta, planes, step, table) = counts, lines
    wide, narrow = form(zero, full_rows(zero), VECTORS), form(zero, full_rows(zero), 1)
    size, width, later = element_size(zero), lanes(zero), bias[2] != 0
    dense = m == 1 and out[4] == size and out[3] == W_out * size
    for k in range(0, K, full_rows(zero)):
        last, done, behind = min(full_rows(zero), K - k) - 1, 0, (0, 0, 0)
        above, start = theta + k * step, (bias[0] + k * bias[1], bias[1])
        corner = (out[0] + k * out[2], out[1], out[2], out[3], out[4])
        while done < m * each:
            count = min(vectors_of(wide) * width, m * each - done)
            target = (corner[0] + done * size, out[2]) if dense else (sums, vectors_of(wide) * width * size)
            here, adds = (above, planes + done * size, step, table), dense and later
            if count > 2 * width:
                _run(wide, taps, last, here, start, target, later, adds, count - 2 * width)
            else:
                count = min(width, count)
                _run(narrow, taps, last, here, start, target, later, adds, count)
            if not dense:
                behind = deliver(target, (count, last + 1, later), behind, (m, W_out), corner, zero)
            done += count


@inlined
def _run(kind, taps, last, lines, bias, target, later, adds, count):
    """One tile; of its last vectors so many lanes count."""
    t = zeros(kind)
    (above, first, step, table), total = lines, t
    if not later:
        total = spread(total, bias[0], bias[1], last)
    for _ in range(taps):
        total = rank_one(total, above + read_integer(table), step, last, first + read_integer(table + 8), count)
        table += 16
    if adds:
        total = added(total, load(t, target[0], target[1], last, count))
    store(total, target[0], target[1], last, count)
