"""Copies of images with their padding, which output cells then meet at even distances. Tuples as in planes.py."""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.filling import part_of_row
from fastnn.kernels.sums.planes import PLANE_BYTES, Images, Window, line_apart

Counts = tuple[int, int, int, int, int, int]


@compiled
def is_padded(sizes, window):
    """Whether windows meet padding: those without taps that only meet padding (cropping.py), also behind the image alone."""
    _, _, _, H, W, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    beyond = (H_out - 1) * S_h + (f_h - 1) * D_h >= H or (W_out - 1) * S_w + (f_w - 1) * D_w >= W
    return beyond or P_h != 0 or P_w != 0


@compiled
def copied_part(sizes, window, zero):
    """Samples and output rows that are copied at a time: PLANE_BYTES, or one row; and the steps of a channel and a row."""
    m, C, _, _, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    step_h, beyond = ((W_out - 1) * S_w + (f_w - 1) * D_w + 1) * element_size(zero), (f_h - 1) * D_h + 1
    rows = max(1, min(H_out, (PLANE_BYTES // max(1, C * step_h) - beyond) // S_h + 1))
    rows = -(-H_out // -(-H_out // rows))
    step_c = line_apart(((rows - 1) * S_h + beyond) * step_h)
    return max(1, min(m, PLANE_BYTES // max(1, C * step_c))) if rows == H_out else 1, rows, step_c, step_h


@compiled
def clear(first, behind, zero):
    """0 from one address to another."""
    size, width = element_size(zero), lanes(zero)
    for place in range(first, behind, width * size):
        store(tile(zero, 1, 1), place, 0, 0, min(width, (behind - place) // size))


@tiled
def copy_padded(counts: Counts, image: Images, window: Window, i: int, target: Images, zero: float) -> None:
    """What output rows from i on meet, with rows of padding; cells of padding beside them are 0 already.

    counts are samples, C, H, W, output rows and W'.
    """
    m, C, H, W, rows, W_out = counts
    f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w = window
    size, width, vector = element_size(zero), lanes(zero), tile(zero, 1, 1)
    wide, top = (W_out - 1) * S_w + (f_w - 1) * D_w + 1, i * S_h - P_h
    first = max(0, P_w)
    behind = max(first, min(wide, W + P_w))  # a stride may pass by the image
    for n in range(m):
        for c in range(C):
            place = target[0] + n * target[1] + c * target[2] + first * size
            cell = image[0] + n * image[1] + c * image[2] + top * image[3] + (first - P_w) * image[4]
            for y in range(top, top + (rows - 1) * S_h + (f_h - 1) * D_h + 1):
                if 0 <= y < H and image[4] == size:
                    _copy_line(behind - first, cell, place, zero)
                else:
                    for j in range(0, behind - first, width):
                        some = behind - first - j if 0 <= y < H else 0
                        values = part_of_row(vector, size, cell + j * image[4], image[4], 0, some)
                        store(values, place + j * size, 0, 0, min(width, behind - first - j))
                place, cell = place + target[3], cell + image[3]


@compiled
def _copy_line(cells, source, target, zero):
    """Neighbours. With masks for vectors that are whole, too, windows of 5 x 5 and stride 3 took a twentieth longer."""
    size, width, vector = element_size(zero), lanes(zero), tile(zero, 1, 1)
    whole = cells // width * width * size
    for x in range(0, whole, width * size):
        store(load(vector, source + x, 0, 0, None), target + x, 0, 0, None)
    if whole < cells * size:
        rest = cells - whole // size
        store(load(vector, source + whole, 0, 0, rest), target + whole, 0, 0, rest)
