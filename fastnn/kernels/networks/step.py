"""A training step of a whole network, by one thread or a team: forward, cost, backward, update.

The batch is cut into slices, which go through all layers forward and back while they are in the cache, and the slices
into groups, in each of which the gradients of convolutions and small dense layers are summed. Then those of large ones are
taken over the whole batch, a chunk of rows at a time, and each chunk's parameters are stepped at once. Slices, groups and
chunks depend on the network and the batch alone. Whoever of the team comes first takes the next one: the number of threads
changes no bit.
"""

from fastnn import plan
from fastnn.constants import BINARY_CROSS_ENTROPY, SIGMOID_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY
from fastnn.kernels.arrays.layout import at, integers_at
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.loops.cost_loops import (
    binary_cost_da_at,
    mean_squared_cost_da_at,
    side_hits_at,
    sigmoid_cost_dz_at,
    softmax_cost_dz_at,
    softmax_hits_at,
)
from fastnn.kernels.networks.frame import gradient, result, row_of
from fastnn.kernels.networks.network import backward_at, forward_at
from fastnn.kernels.networks.workspace import lay_out, slices_of, whole_lines
from fastnn.kernels.products.gemm import product_at

Part = tuple[int, int, int]  # a slice's number, its first sample, and how many it has
Samples = tuple[int, int, int]  # where its inputs and targets are, and whether those are labels
Room = tuple[int, int]  # the workspace's first line, and what is a worker's own of it

# Of a chunk: enough rows to pay for packing dz, and enough parameters to pay for the counter.
CHUNK_ROWS, CHUNK_PARAMETERS = 128, 16384


@shared
def slice_at(
    table: int, m: int, part: Part, samples: Samples, parameters: int, room: Room, seed: int, partial: int, zero: float
) -> None:
    """One slice: its cost and hits, and, unless `partial` is 0, the way back."""
    (number, first, rows), (x, y, is_labels), (base, own) = part, samples, room
    header, size = row_of(table, 0), element_size(zero)
    costs, _, batch, _, _, _ = lay_out(header, m, zero)
    local = own + whole_lines(header[plan.PARTIAL] * size)
    scratch = local + whole_lines(header[plan.SLICE] * header[plan.ROWS] * size)
    frame = (table, m, x, parameters, base + batch, local, scratch, base)
    forward_at(frame, first, rows, seed, partial, zero)
    cost = base + costs + number * 16
    at(cost, 1, 0.0)[0] = 0
    last, k = header[plan.LAYERS], header[plan.OUTPUT]
    a, da = result(frame, last, first, zero), gradient(frame, last, first, zero)
    integers_at(cost + 8, 1)[0] = judge(header[plan.LOSS], a, y, is_labels, m, rows, k, da, cost, zero)
    if partial != 0:
        backward_at(frame, first, rows, seed, partial, zero)


@compiled
def judge(loss, a, y, is_labels, m, rows, k, da, cost, zero):
    """(4) adds the slice's part of the cost, writes da^[L] or dz^[L], and returns how many samples are right."""
    number = at(a, 0, zero).dtype.type
    share = number(1 / m)
    if loss == SOFTMAX_CROSS_ENTROPY:
        softmax_cost_dz_at(a, y, is_labels, rows, k, share, da, 1, cost, zero)
        return softmax_hits_at(a, y, is_labels, rows, k, zero)
    if loss == SIGMOID_CROSS_ENTROPY:
        sigmoid_cost_dz_at(a, y, rows * k, share, da, cost, zero)
        return side_hits_at(a, y, rows, k, zero, zero)
    if loss == BINARY_CROSS_ENTROPY:
        binary_cost_da_at(a, y, rows * k, share, da, cost, zero)
        return side_hits_at(a, y, rows, k, number(0.5), zero)
    mean_squared_cost_da_at(a, y, rows * k, number(2 / (m * k)), da, cost, zero)
    return 0


@compiled
def chunk_rows(layer):
    """Rows of a dense layer's theta in a chunk, the bias not counted."""
    return max(CHUNK_ROWS, -(-CHUNK_PARAMETERS // layer[plan.N_OUT] // 8) * 8)


@compiled
def chunks_of(layer):
    """How many chunks a layer's parameters are cut into: those that are summed slice by slice are few, and are one."""
    if layer[plan.COUNT] == 0:
        return 0
    return 1 if layer[plan.SUMMED] != 0 else max(1, -(-layer[plan.N_IN] // chunk_rows(layer)))


@shared
def chunk_at(
    table: int, m: int, number: int, chunk: int, x: int, base: int, own: int, gradients: int, zero: float
) -> tuple[int, int]:
    """(8) the gradient of one chunk of a layer's parameters; returns where it begins and how long it is."""
    header, layer, size = row_of(table, 0), row_of(table, number), element_size(zero)
    _, _, batch, sums, _, _ = lay_out(header, m, zero)
    begin = layer[plan.THETA]
    if layer[plan.SUMMED] != 0:
        groups, apart = min(slices_of(header, m, zero)[0], plan.GROUPS), whole_lines(header[plan.PARTIAL] * size)
        target = at(gradients + begin * size, layer[plan.COUNT], zero)
        for i in range(target.size):
            target[i] = 0
        for group in range(groups):
            part = at(base + sums + group * apart + layer[plan.PARTIAL_PLACE] * size, target.size, zero)
            for i in range(target.size):
                target[i] += part[i]
        return begin, layer[plan.COUNT]
    frame = (table, m, x, 0, base + batch, 0, 0, base)
    scratch = own + whole_lines(header[plan.PARTIAL] * size) + whole_lines(header[plan.SLICE] * header[plan.ROWS] * size)
    a, dz = result(frame, number - 1, 0, zero), gradient(frame, number, 0, zero)
    n_in, n_out = layer[plan.N_IN], layer[plan.N_OUT]
    right = (dz, n_out * size, size)
    top = chunk * chunk_rows(layer)
    rows = min(chunk_rows(layer), n_in - top)
    first = begin + (1 + top) * n_out
    if rows > 0:
        left = (a + top * size, size, n_in * size)
        product_at((rows, m, n_out), left, right, (0, 0), (gradients + first * size, n_out * size, size), scratch, zero)
    if chunk > 0:
        return first, rows * n_out
    product_at((1, m, n_out), (base, 0, 0), right, (0, 0), (gradients + begin * size, 0, size), scratch, zero)
    return begin, (1 + max(rows, 0)) * n_out
