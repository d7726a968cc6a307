"""The ways back through windows of 3 x 3 with strides of 2 (pool3x3.py): a strip of windows at a time, down an image.

Every cell of da is a sum over the windows around it, of whose dz those count whose number it has; what windows have for the
row that they share with the next ones is carried on.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool3x3 import Padding, Sizes, is_row, row_at
from fastnn.kernels.pooling.pool3x3_strips import by_strips, read_windows, write_row
from fastnn.kernels.registers.lanes import scaled
from fastnn.kernels.registers.shuffles import moved_up
from fastnn.kernels.registers.tiles import added, tile


@tiled
def backward_avg(gradients: int, target: int, sizes: Sizes, P: Padding, share: float) -> None:
    """(19) da = share times the sum of the dz of the windows over each cell."""
    by_strips(_spread_down, (gradients, target), sizes, P, share)


@compiled
def _put_row(y, row, cell, strip, shape, zero):
    """Write row y of the padded image, if the image has it."""
    if is_row(y, shape):
        write_row(row[0], row[1], cell + y * shape[1] * element_size(zero), strip, zero)


@inlined
def _spread_down(cell, window, strip, places, shape, share):
    dz, da = places
    nothing = tile(share, 1, 1)
    for _ in range(shape[5][0]):
        carried = nothing
        for i in range(shape[2]):
            place = dz + (window + i * shape[3]) * element_size(share)
            amount = scaled(read_windows(nothing, place, strip, element_size(share)), share)
            even, odd = _spread(added(carried, amount))
            write_row(even, odd, da + cell + row_at(max(2 * i, shape[4][0]), shape, share), strip, share)
            even, odd = _spread(amount)
            write_row(even, odd, da + cell + row_at(2 * i + 1, shape, share), strip, share)
            carried = amount
        _put_row(2 * shape[2], _spread(carried), da + cell, strip, shape, share)
        _put_row(2 * shape[2] + 1, _spread(nothing), da + cell, strip, shape, share)
        cell += shape[5][1]
        window += shape[5][2]


@compiled
def _spread(amount):
    """What the even and the odd cells of a row get, where each window's amount goes to all of its columns."""
    return added(amount, moved_up(amount)), amount
