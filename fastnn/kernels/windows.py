"""Sums over windows, for z and for planes of da, by the engine that is fastest where each window is computed by itself."""

from fastnn.kernels.correlate import correlate, correlate_bytes
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import element_size
from fastnn.kernels.single_cells import can_be_cells, cells_bytes, sum_cells
from fastnn.kernels.winograd import can_be, takes, winograd, winograd_bytes


@compiled
def windows_bytes(sizes, window, algorithm, zero):
    """The scratch of `windows_summed`, for so many samples or fewer."""
    most = correlate_bytes(sizes, window, zero)
    if can_be_cells(sizes, window, zero):
        return max(most, cells_bytes(zero))
    return most + winograd_bytes(sizes, window, algorithm, zero)


@compiled
def windows_summed(algorithm, sizes, window, image, weights, out, scratch, zero):
    """What `correlate` computes, by `sum_cells` or `winograd` where cells, or cells of a row, are neighbours."""
    size = element_size(zero)
    rows = image[4] == size and out[4] == size
    lines = rows and image[3] == sizes[4] * size and out[3] == sizes[6] * size
    if lines and can_be_cells(sizes, window, zero):
        sum_cells(sizes, image, weights, out, scratch, zero)
    elif rows and can_be(algorithm, sizes, window, zero) and takes(algorithm, sizes, window, zero) != 0:
        winograd(sizes, window, image, weights, out, scratch, zero)
    else:
        correlate(sizes, window, image, weights, out, scratch, zero)
