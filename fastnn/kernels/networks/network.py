"""A network's way forward and back for one slice of samples: walks through the table that fastnn/plan.py lays out.

frame.py says what a frame is; `first` and `rows` say which samples of the batch the slice has.
"""

from fastnn import plan
from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.dropout import dropout_at
from fastnn.kernels.loops.pointwise import activate, da_to_dz
from fastnn.kernels.networks.frame import Frame, gradient, kept, result, row_of
from fastnn.kernels.networks.images import convolve_at, convolve_back_at, pool_at, pool_back_at
from fastnn.kernels.networks.narrow import in_blocks, narrow_back_at, narrow_forward_at
from fastnn.kernels.products.gemm import product_at


@shared(flushes=True)
def forward_at(frame: Frame, first: int, rows: int, seed: int, returns: int, zero: float) -> None:
    """(2), (3), (15), (16) a^[0] -> a^[L]. A seed other than 0 draws what dropout leaves out; 0 leaves out nothing.

    Where the way back follows, `returns` is not 0, and what only that needs is kept.
    """
    table = frame[0]
    for number in range(1, row_of(table, 0)[plan.LAYERS] + 1):
        layer = row_of(table, number)
        if in_blocks(layer, rows, zero):
            narrow_forward_at(frame, number, first, rows, zero)
            continue
        a, out = result(frame, number - 1, first, zero), result(frame, number, first, zero)
        z = kept(frame, layer[plan.Z_PLACE], layer[plan.Z_KEPT], layer[plan.N_OUT], first, zero)
        kind, size = layer[plan.KIND], element_size(zero)
        theta = frame[3] + layer[plan.THETA] * size
        if kind == plan.DENSE:
            n_in, n_out = layer[plan.N_IN], layer[plan.N_OUT]
            left, right = (a, n_in * size, size), (theta + n_out * size, n_out * size, size)
            product_at((rows, n_in, n_out), left, right, (theta, 0), (z, n_out * size, size), frame[6], zero)
        elif kind == plan.CONV or kind == plan.TRANSPOSED:
            convolve_at(kind, address_of_geometry(table, number), rows, a, theta, z, frame[6], zero)
        elif kind == plan.DROPOUT:
            threshold = layer[plan.RATE] if seed != 0 else 0
            dropout_at(a, out, rows * layer[plan.N_OUT], threshold, layer[plan.SEED] + seed, first * layer[plan.N_OUT], zero)
        else:
            index = kept(frame, layer[plan.INDEX_PLACE], 0, 0, 0, zero) if returns * layer[plan.INDEXED] != 0 else 0
            pool_at(kind, address_of_geometry(table, number), rows, a, out, index, zero)
        if layer[plan.G] != IDENTITY:
            activate(layer[plan.G], z, out, rows * layer[plan.N_OUT], zero)


@shared
def backward_at(frame: Frame, first: int, rows: int, seed: int, partial: int, zero: float) -> None:
    """(10), (9), (19), (22) da^[L] -> da^[FIRST], and (8), (17) of the layers that are summed, into `partial`.

    The gradients of other dense layers are taken for the whole batch: see step.py.
    """
    table = frame[0]
    header = row_of(table, 0)
    for number in range(header[plan.LAYERS], header[plan.FIRST] - 1, -1):
        layer = row_of(table, number)
        if in_blocks(layer, rows, zero):
            narrow_back_at(frame, number, first, rows, partial, zero)
            continue
        kind, size = layer[plan.KIND], element_size(zero)
        count, theta = rows * layer[plan.N_OUT], frame[3] + layer[plan.THETA] * size
        input_, dz = result(frame, number - 1, first, zero), gradient(frame, number, first, zero)
        if layer[plan.G] != IDENTITY:
            z = kept(frame, layer[plan.Z_PLACE], layer[plan.Z_KEPT], layer[plan.N_OUT], first, zero)
            da_to_dz(layer[plan.G], dz, z, result(frame, number, first, zero), dz, count, zero)
        da = gradient(frame, number - 1, first, zero) if number > header[plan.FIRST] else 0
        dtheta = partial + layer[plan.PARTIAL_PLACE] * size
        if kind == plan.DENSE:
            n_in, n_out = layer[plan.N_IN], layer[plan.N_OUT]
            if layer[plan.SUMMED] != 0:
                dense_gradient(n_in, rows, n_out, input_, n_in, dz, frame[7], dtheta, frame[6], zero)
            if da != 0:
                left, right = (dz, n_out * size, size), (theta + n_out * size, size, n_out * size)
                product_at((rows, n_out, n_in), left, right, (0, 0), (da, n_in * size, size), frame[6], zero)
        elif kind == plan.CONV or kind == plan.TRANSPOSED:
            convolve_back_at(kind, address_of_geometry(table, number), rows, input_, theta, dz, dtheta, da, frame[6], zero)
        elif kind == plan.DROPOUT:
            threshold = layer[plan.RATE] if seed != 0 else 0
            dropout_at(dz, da, count, threshold, layer[plan.SEED] + seed, first * layer[plan.N_OUT], zero)
        else:
            index = kept(frame, layer[plan.INDEX_PLACE], 0, 0, 0, zero) if layer[plan.INDEXED] != 0 else 0
            pool_back_at(kind, address_of_geometry(table, number), rows, dz, input_, index, da, zero)


@compiled
def dense_gradient(n_in, m, n_out, a, width, dz, one, dtheta, scratch, zero):
    """(8) of m samples: dtheta, and above it db; a's rows are `width` elements apart, of which the first n_in count."""
    size = element_size(zero)
    left, right, below = (a, size, width * size), (dz, n_out * size, size), (dtheta + n_out * size, n_out * size, size)
    product_at((1, m, n_out), (one, 0, 0), right, (0, 0), (dtheta, 0, size), scratch, zero)
    product_at((n_in, m, n_out), left, right, (0, 0), below, scratch, zero)


@compiled
def address_of_geometry(table, number):
    """Where C, H, W and so on stand."""
    return table + (number * plan.WIDTH + plan.GEOMETRY) * 8
