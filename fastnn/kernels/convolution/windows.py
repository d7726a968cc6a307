"""Sums over windows, for z and for planes of da, by the engine that is fastest where each window is computed by itself."""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.sums.correlate import correlate, correlate_bytes
from fastnn.kernels.sums.single_cells import can_be_cells, cells_bytes, sum_cells
from fastnn.kernels.winograd.winograd import winograd, winograd_bytes
from fastnn.kernels.winograd.winograd_choices import can_be, takes
from fastnn.kernels.winograd.winograd_schemes import scheme_of


@compiled
def windows_bytes(sizes, window, algorithm, zero):
    """The scratch of `windows_summed`, for so many samples or fewer."""
    most = correlate_bytes(sizes, window, zero)
    if can_be_cells(sizes, window, zero):
        return max(most, cells_bytes(zero))
    scheme = scheme_of(window)
    if can_be(scheme, algorithm, sizes, window, zero):
        most += winograd_bytes(scheme, algorithm, sizes, window, zero)
    return most


@compiled
def windows_summed(algorithm, sizes, window, image, weights, out, scratch, zero):
    """What `correlate` computes, by `sum_cells` or `winograd` where cells, or cells of a row, are neighbours."""
    size, scheme = element_size(zero), scheme_of(window)
    rows = image[4] == size and out[4] == size
    lines = rows and image[3] == sizes[4] * size and out[3] == sizes[6] * size
    if lines and can_be_cells(sizes, window, zero):
        sum_cells(sizes, image, weights, out, scratch, zero)
    elif rows and can_be(scheme, algorithm, sizes, window, zero) and takes(scheme, algorithm, sizes, window, zero) != 0:
        first, behind = winograd(scheme, sizes, window, image, weights, out, scratch, zero)
        if behind > first:
            some, source, target = samples_of(first, behind, sizes, image, out)
            correlate(some, window, source, weights, target, scratch, zero)
    else:
        correlate(sizes, window, image, weights, out, scratch, zero)


@compiled
def samples_of(first, behind, sizes, image, out):
    """Sizes and places of the samples from one to another."""
    some = (behind - first, sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6])
    source = (image[0] + first * image[1], image[1], image[2], image[3], image[4])
    return some, source, (out[0] + first * out[1], out[1], out[2], out[3], out[4])
