"""Training steps one after the other, as every thread of a team runs them: gather the batch, share out slices and chunks.

A workspace is one array for all of a team; its counters are part of it (workspace.py). All else is a job: the addresses of a
network's arrays, of the samples and of the workspace, so that there is one specialisation a dtype, whatever x and y are.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import plan
from fastnn.constants import MEAN_SQUARED_ERROR
from fastnn.kernels.arrays.layout import address, at, bytes_at, integers_at
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.networks.frame import kept, row_of
from fastnn.kernels.networks.optimise import update_at
from fastnn.kernels.networks.step import chunk_at, chunks_of, slice_at
from fastnn.kernels.networks.team import CHUNKS, COUNTERS, SLICES, barrier, put, take
from fastnn.kernels.networks.workspace import TEAM, elements, lay_out, slices_of, whole_lines
from fastnn.kernels.registers.simd import LINE

COST, GRADIENT, STEP = range(3)  # how far a batch goes
FLOATS, BYTES = range(2)  # what the inputs are
ROWS, LABELS = range(2)  # what the targets are

# The addresses of a network's table, parameters, gradients, moments, settings and steps, and how many parameters there are;
# those of x, y, order and the workspace's first line; what x and y are. Where order is 0, floats are used where they are.
Job = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]
FIELDS = 13


class Network(NamedTuple):
    """A network as a value in compiled code: its table (plan.py), and arrays that it shares with its model.

    parameters, gradients  one after the other, as in the model.
    moments                the optimiser's state; settings: see optimise.py.
    steps                  how many the optimiser has made, and how often a batch went forward with dropout.
    """

    table: NDArray[np.int64]
    parameters: NDArray[np.floating]
    gradients: NDArray[np.floating]
    moments: NDArray[np.floating]
    settings: NDArray[np.float64]
    steps: NDArray[np.int64]


@compiled
def base_of(workspace):
    """The workspace's first whole cache line."""
    return -(-address(workspace) // LINE) * LINE


@compiled
def gather_rows(x, n, order, rows, target, zero):
    """Some rows of n floats at x, in the order of the numbers at `order`, to an address."""
    numbers, gathered = integers_at(order, rows), at(target, rows * n, zero)
    for i in range(rows):
        source = at(x + numbers[i] * n * element_size(zero), n, zero)
        for j in range(n):
            gathered[i * n + j] = source[j]


@compiled
def gather_bytes(x, n, order, rows, target, zero):
    """The same of rows of bytes, as floats."""
    numbers, gathered = integers_at(order, rows), at(target, rows * n, zero)
    for i in range(rows):
        source = bytes_at(x + numbers[i] * n, n)
        for j in range(n):
            gathered[i * n + j] = source[j]


@compiled
def gather_labels(y, order, rows, target):
    """The same of labels."""
    numbers, gathered = integers_at(order, rows), integers_at(target, rows)
    for i in range(rows):
        gathered[i] = integers_at(y + numbers[i] * 8, 1)[0]


@compiled
def inputs_of(job, first, rows, place, zero):
    """Where a slice's inputs are: in x itself, or what was gathered at `place`."""
    n, x, order = row_of(job[0], 0)[plan.INPUT], job[7], job[9] + first * 8
    if job[11] == BYTES:
        gather_bytes(x, n, order, rows, place, zero)
    elif job[9] == 0:
        return x + first * n * element_size(zero)
    else:
        gather_rows(x, n, order, rows, place, zero)
    return place


@compiled
def targets_of(job, first, rows, place, zero):
    """Where a slice's targets are: in y itself, or what was gathered at `place`."""
    k, y, order = row_of(job[0], 0)[plan.OUTPUT], job[8], job[9] + first * 8
    if job[9] == 0:
        return y + first * (8 if job[12] == LABELS else k * element_size(zero))
    if job[12] == LABELS:
        gather_labels(y, order, rows, place)
    else:
        gather_rows(y, k, order, rows, place, zero)
    return place


@compiled
def go_through(job, begin, m, t, seed, aim, worker, workers, zero):
    """One batch: m samples from `begin` on, in this order. Returns the cost, times m, and how many are right."""
    table, base = job[0], job[10]
    header = row_of(table, 0)
    costs, _, batch, _, own, apart = lay_out(header, m, zero)
    own = base + own + worker * apart
    team = integers_at(base + TEAM, COUNTERS)
    at(base, 1, zero)[0] = 1
    share_slices(job, begin, m, seed, own, aim, team, zero)
    barrier(team, workers)
    figures = cost_of(header, base + costs, m, zero)
    if worker == 0:
        put(team, SLICES, 0)
    if aim != COST:
        inputs = base + batch + header[plan.X_PLACE] * m * element_size(zero)
        if job[9] == 0:
            inputs = job[7]
        share_chunks(job, m, inputs, t, own, aim, team, zero)
    barrier(team, workers)
    if worker == 0:
        put(team, CHUNKS, 0)
    return figures


@compiled
def share_slices(job, begin, m, seed, own, aim, team, zero):
    """Take groups of slices, as long as there are any, and sum each group's gradients, but those taken over the batch."""
    table, base = job[0], job[10]
    header = row_of(table, 0)
    _, targets, batch, sums, _, _ = lay_out(header, m, zero)
    count, rows = slices_of(header, m, zero)
    groups, sum_size = min(count, plan.GROUPS), whole_lines(header[plan.PARTIAL] * element_size(zero))
    frame = (table, m, 0, 0, base + batch, own + sum_size, 0, base)
    width = 8 if job[12] == LABELS else header[plan.OUTPUT] * element_size(zero)
    while True:
        group = take(team, SLICES)
        if group >= groups:
            return
        total = base + sums + group * sum_size
        first_slice = -(-group * count // groups)  # rounded up, so that groups of more slices come sooner than others
        for number in range(first_slice, -(-(group + 1) * count // groups)):
            first = number * rows
            part = min(rows, m - first)
            place = kept(frame, header[plan.X_PLACE], header[plan.X_KEPT], header[plan.INPUT], first, zero)
            inputs = inputs_of(job, begin + first, part, place, zero)
            answers = targets_of(job, begin + first, part, base + targets + first * width, zero)
            partial = total if number == first_slice else own
            samples = (inputs, answers, job[12])
            back = partial if aim != COST else 0
            slice_at(table, m, (number, first, part), samples, job[1], (base, own), seed, back, zero)
            if number > first_slice and aim != COST:
                target, fresh = at(total, header[plan.PARTIAL], zero), at(own, header[plan.PARTIAL], zero)
                for i in range(target.size):
                    target[i] += fresh[i]


@compiled
def cost_of(header, costs, m, zero):
    """(4) the batch's cost, times m, and how many are right: the slices' own, in their order."""
    total, right = 0.0, 0
    for number in range(slices_of(header, m, zero)[0]):
        total += at(costs + number * 16, 1, 0.0)[0]
        right += integers_at(costs + number * 16 + 8, 1)[0]
    return total / header[plan.OUTPUT] if header[plan.LOSS] == MEAN_SQUARED_ERROR else total, right


@compiled
def share_chunks(job, m, inputs, t, own, aim, team, zero):
    """Take chunks of the parameters, as long as there are any: their gradients, and their step."""
    table, parameters, gradients, moments, settings, _, total = job[:7]
    layers = row_of(table, 0)[plan.LAYERS]
    number, passed, chunk = 1, 0, take(team, CHUNKS)
    while number <= layers:
        count = chunks_of(row_of(table, number))
        if chunk >= passed + count:
            number, passed = number + 1, passed + count
            continue
        begin, size = chunk_at(table, m, number, chunk - passed, inputs, job[10], own, gradients, zero)
        if aim == STEP:
            update_at(settings, t, parameters, gradients, moments, total, begin, size, zero)
        chunk = take(team, CHUNKS)


def workspace(net: Network, m: int, workers: int) -> NDArray[np.floating]:
    """Memory for batches of up to m samples and so many threads: a 1-D array of the network's dtype."""
    dtype = net.parameters.dtype
    return np.zeros(elements(net.table[0].tolist(), m, workers, dtype.type(0)), dtype)


@shared(flushes=True)
def run_at(
    job: Job, n: int, begin: int, end: int, size: int, aim: int, worker: int, workers: int, zero: float
) -> tuple[np.float64, int]:
    """Batches `begin` to `end`, of `size` of n samples but the last: the sums of their costs, times samples, and hits."""
    done, cost, right = integers_at(job[5], 2), np.float64(0), 0
    steps, draws = done[0], done[1]
    for number in range(begin, end):
        m, now = min(size, n - number * size), number - begin + 1
        seed = draws + now if aim != COST else 0
        figures = go_through(job, number * size, m, steps + now, seed, aim, worker, workers, zero)
        cost, right = cost + figures[0], right + figures[1]
    if worker == 0 and aim != COST:
        done[0] += end - begin if aim == STEP else 0
        done[1] += end - begin
    return cost, right


def job_of(
    net: Network, x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64] | None, workspace: NDArray[np.floating]
) -> NDArray[np.int64]:
    """A job's fields, from Python; the caller keeps the arrays. x are rows of the network's dtype or of bytes."""
    n_in, dtype, labels = net.table[0, plan.INPUT], net.parameters.dtype, y.ndim == 1
    if len(x) != len(y) or x.shape[1:] != (n_in,) or x.dtype not in (dtype, np.uint8) or not x.flags.c_contiguous:
        raise ValueError(f"x: expected contiguous rows of {n_in} numbers, one for each target, got {x.shape} {x.dtype}")
    if y.dtype != (np.int64 if labels else dtype) or not y.flags.c_contiguous or (order is None and x.dtype != dtype):
        raise ValueError(f"y: expected contiguous targets that fit x and the network, got {y.shape} {y.dtype}")
    if order is not None and (order.dtype != np.int64 or not order.flags.c_contiguous):
        raise ValueError(f"order: expected contiguous int64, got {order.dtype}")
    base = -(-workspace.ctypes.data // LINE) * LINE
    places = [array.ctypes.data for array in net[:-2]], [array.ctypes.data for array in net[-2:]]
    order_place = 0 if order is None else order.ctypes.data
    samples = x.ctypes.data, y.ctypes.data, order_place, base, BYTES if x.dtype == np.uint8 else FLOATS
    fields = *places[0], *places[1], net.parameters.size, *samples, LABELS if labels else ROWS
    return np.array(fields, np.int64)
