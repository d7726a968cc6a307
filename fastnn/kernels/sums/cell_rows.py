"""The sum over a window's taps for output cells that lie apart in the image: lanes are k, and rows of a register tile cells.

z_(p,k) = b_k + sum_t patch_t(p) theta_kt, a product of matrices whose left side is read from the image where it is
(cell_panels.py); only what has padding is copied, with it. So it does not matter how far the cells are from each other,
where lanes of cells (correlate.py) take f_w copies of the image, cell by cell; but the sums come transposed, and are turned
at the end, which is little where taps are many. Cells of all samples go together: none of a tile's rows is lost to the end
of an image. Tuples as in cell_panels.py.
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.registers.forms import half_rows, lanes
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.cell_panels import layout, note_runs, pack, product_cycles, sum_part
from fastnn.kernels.sums.padded import clear, copied_part, copy_padded, is_padded
from fastnn.kernels.sums.planes import Images, Sizes, Window

Bias = tuple[int, int, int]

TURN_CYCLES, COPY_CYCLES = 8, 6  # as measured, to turn a vector of sums, and to copy one of an image


@compiled
def can_be_rows(sizes, window, zero):
    """Whether there are sums, and more k than in half a tile of `correlate`, which is a part of a vector here."""
    return sizes[1] * window[0] * window[1] * sizes[5] * sizes[6] > 0 and sizes[2] > half_rows(zero)


@compiled
def cell_rows_cycles(sizes, window, zero):
    """A sample's time."""
    _, C, K, H, W, H_out, W_out = sizes
    cells, width = H_out * W_out, lanes(zero)
    copied = COPY_CYCLES * C * H * -(-W // width) if is_padded(sizes, window) else 0
    turned = TURN_CYCLES * -(-K // width) * -(-cells // width) * width
    return cells * product_cycles(K, C * window[0] * window[1], zero) + turned + copied


@compiled
def cell_rows_bytes(sizes, window, zero):
    """The scratch of `sum_cell_rows`: it grows with theta, not with m."""
    return layout(0, sizes, window, zero)[6] + LINE


@tiled
def sum_cell_rows(
    sizes: Sizes, window: Window, image: Images, theta: Images, bias: Bias, out: Images, scratch: int, zero: float
) -> None:
    """All samples of one group. The cells of an image of z lie one behind the other."""
    m, C, K, H, W, H_out, W_out = sizes
    size, room = element_size(zero), layout(scratch, sizes, window, zero)
    samples, rows, step_c, step_h = copied_part(sizes, window, zero)
    source, copies = (room[5], C * step_c, step_c, step_h, size), is_padded(sizes, window)
    if copies:
        clear(room[5], room[6], zero)
    else:
        samples, rows, source = max(1, m), H_out, image
    pack((K, C, window[0], window[1]), theta, bias, room, zero)
    runs = note_runs(C, window, source, room[4])
    for n in range(0, m, samples):
        for i in range(0, H_out, rows):
            many, some = min(samples, m - n), min(rows, H_out - i)
            if copies:
                part = (image[0] + n * image[1], image[1], image[2], image[3], image[4])
                copy_padded((many, C, H, W, some, W_out), part, window, i, source, zero)
            cells = (source[0], source[1], window[2] * source[3], window[3] * source[4])
            results = (out[0] + n * out[1] + i * W_out * size, out[1], out[2], bias[2])
            counts = (many, K, C * window[0] * window[1], some, W_out)
            place = (results[0], results[1], W_out * size, size, size)
            sum_part(_note_lines, _finish, counts, cells, results, runs, place, room, zero)


@compiled
def _note_lines(out, some, table, zero):
    """Each k of z has its own lines."""
    for i in range(some[1]):
        write_integer((some[0] + i) * out[2], table + 8 * i)
    return some[1]


@compiled
def _finish(out, block, some, sums, zero):
    """The sums of some k -> z, as squares that are transposed, and (16) g(z) while they are in the cache."""
    (p, count, each, _), (k, columns), (first, step_n, step_k, g) = block, some, out
    size, width, square, x = element_size(zero), lanes(zero), tile(zero, lanes(zero), 1), 0
    step = VECTORS * width * size
    while x < count:
        n, cell = (p + x) // each, (p + x) % each
        length = min(min(width, each - cell), count - x)
        target = first + n * step_n + k * step_k + cell * size
        for v in range(0, columns, width):
            values = transposed(load(square, sums + x * step + v * size, step, length - 1, None))
            store(values, target + v * step_k, step_k, min(width, columns - v) - 1, length)
        x += length
    x = 0
    while x < count and g != IDENTITY:
        n, cell = (p + x) // each, (p + x) % each
        length = min(each - cell, count - x)
        activate_planes(g, first + n * step_n + k * step_k + cell * size, (step_n, step_k), (1, columns, length), zero)
        x += length
