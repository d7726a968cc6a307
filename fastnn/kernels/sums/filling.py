"""Images copied into planes (planes.py), whose tuples these are."""

from fastnn.kernels.arrays.memory import copied_cells, copy_cells, element_size, read, write
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import gathered, load_lanes, load_lanes_apart
from fastnn.kernels.registers.tiles import store, tile
from fastnn.kernels.sums.planes import FRAMED, Images, Part, Sizes, Window, halo, phases, reached

# Bytes of images at a time: they stay in the first-level cache, beside a plane.
NEAR_BYTES = 16 * 1024

Pair = tuple[int, int]
Place = tuple[int, int, int]


@tiled
def fill_planes(image: Images, sizes: Sizes, window: Window, part: Part, first_row: int, target: int, zero: float) -> None:
    """Copy a part of the images, whose first sample and channel are at `image`, into its planes.

    sizes has as many samples, channels and output rows as are wanted. So many channels go at a time that what all planes
    copy, f_w times or more, comes from far away once.
    """
    m, C, K, H, W, rows, W_out = sizes
    address, step_n, step_c, step_h, step_w = image
    channels = max(1, C)
    if m * C * H * W * element_size(zero) > NEAR_BYTES:
        channels = max(1, NEAR_BYTES // (m * H * W * element_size(zero)))
    for c in range(0, C, channels):
        some, place = (m, min(channels, C - c), K, H, W, rows, W_out), (address + c * step_c, step_n, step_c, step_h, step_w)
        _fill_channels(place, some, window, part, first_row, target + c * part[3], zero)


@inlined
def _fill_channels(image, sizes, window, part, first_row, target, zero):
    """All planes of some channels."""
    m, C, _, H, W, rows, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    height, size = rows + halo(f_h, S_h, D_h), element_size(zero)
    address, step_n, step_c, step_h, step_w = image
    plane, kinds = target, phases(f_h, S_h, D_h)
    for q in range(kinds):
        top = first_row * S_h + q * D_h - P_h
        above, below = reached(H, height, top, S_h)
        source = address + (top + above * S_h) * step_h
        for s in range(f_w):
            left = s * D_w - P_w
            first, behind = reached(W, W_out, left, S_w)
            if part[6] != FRAMED and below - above + behind - first < height + W_out:
                rows = (0, 0) if behind - first < W_out else (above, below)
                _clear(rows, height, C, (plane, part[3], part[5]), zero)
            _copy_plane(
                (C, m, below - above, behind - first),
                (source + (left + first * S_w) * step_w, step_c, step_n, S_h * step_h, S_w * step_w),
                (plane + above * part[5] + first * size, part[3], W_out * size, part[5]), zero,
            )  # fmt: skip
            plane += part[4]


@tiled
def _clear(inside: Pair, height: int, C: int, plane: Place, zero: float) -> None:
    """0 for the rows outside of `inside` of one plane of each channel."""
    for c in range(C):
        place, size = plane[0] + c * plane[1], element_size(zero)
        for begin, behind in ((0, inside[0] * plane[2]), (inside[1] * plane[2], height * plane[2])):
            for i in range(begin, behind, lanes(zero) * size):
                store(tile(zero, 1, 1), place + i, 0, 0, min(lanes(zero), (behind - i) // size))


@compiled
def _copy_plane(counts, image, plane, zero):
    """What one plane of each channel has of the image: the steps are from one channel, sample, row and cell to the next.

    Columns of up to four times as many cells as are copied at once, of whose last some may be copied twice. Cells that are
    not neighbours, or are few, go ways that are compiled where they are met.
    """
    (C, m, rows, cells), (source, step_c, step_n, step_h, step_w), (target, plane_c, plane_n, plane_h) = counts, image, plane
    size, few = element_size(zero), copied_cells(zero)
    copies = cells >= few and (step_w == size or step_w == 2 * size)
    width = 4 * few if copies else lanes(zero)
    for begin in range(0, cells, width):
        count = min(width, cells - begin)
        j = min(begin, cells - few) if copies else begin
        last = max(0, count - few)
        for c in range(C):
            for n in range(m):  # the samples' rows share cache lines
                cell = source + c * step_c + n * step_n + j * step_w
                place = target + c * plane_c + n * plane_n + j * size
                behind = place + rows * plane_h
                if not copies:
                    _copy_few(count, (cell, step_h, step_w), (place, plane_h, behind), zero)
                elif step_w == size:
                    _copy(1, last, cell, step_h, place, plane_h, behind, zero)
                else:
                    _copy_apart(last, (cell, step_h), (place, plane_h, behind), zero)


@inlined
def _copy(step, last, cell, step_h, place, plane_h, behind, zero):
    """One to four pieces of each row. LLVM knows no end of such loops, and does not write them out eight times."""
    few = copied_cells(zero)
    if last > 2 * few:
        while place < behind:
            copy_cells(zero, cell, place, (0, few, 2 * few, last), step)
            cell, place = cell + step_h, place + plane_h
    elif last > few:
        while place < behind:
            copy_cells(zero, cell, place, (0, few, last), step)
            cell, place = cell + step_h, place + plane_h
    elif last > 0:
        while place < behind:
            copy_cells(zero, cell, place, (0, last), step)
            cell, place = cell + step_h, place + plane_h
    while place < behind:
        copy_cells(zero, cell, place, (0,), step)
        cell, place = cell + step_h, place + plane_h


@tiled
def _copy_apart(last: int, source: Pair, target: Place, zero: float) -> None:
    """The same of every other cell."""
    _copy(2, last, source[0], source[1], target[0], target[1], target[2], zero)


@tiled
def _copy_few(count: int, source: Place, target: Place, zero: float) -> None:
    """At most one vector of each row. Cells further apart go one by one: a gather, even of a whole vector, takes longer."""
    (cell, step_h, step_w), (place, plane_h, behind), size = source, target, element_size(zero)
    if abs(step_w) > 2 * size:
        while place < behind:
            for i in range(count):
                write(read(zero, cell + i * step_w), place + i * size)
            cell, place = cell + step_h, place + plane_h
        return
    while place < behind:
        store(part_of_row(tile(zero, 1, 1), size, cell, step_w, 0, count), place, 0, 0, count)
        cell, place = cell + step_h, place + plane_h


@compiled
def part_of_row(vector, size, cell, step, begin, end):
    """Lanes begin <= i < end of a vector of cells, the others 0.

    A gather of every other cell took an eighth of the time of dtheta for one channel, 16 windows of 5 x 5 and stride 2.
    """
    if step == size:
        return load_lanes(vector, cell, begin, end)
    if step == 2 * size:
        return load_lanes_apart(vector, cell, begin, end)
    return gathered(vector, cell, step, begin, end)
