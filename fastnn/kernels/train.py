"""Training steps one after the other, as every thread of a team runs them: gather the batch, share out slices and chunks.

A workspace is one array for all of a team; its counters are part of it (workspace.py).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import plan
from fastnn.constants import MEAN_SQUARED_ERROR
from fastnn.kernels.jit import compiled
from fastnn.kernels.layout import address, at, integers_at
from fastnn.kernels.memory import element_size
from fastnn.kernels.network import kept
from fastnn.kernels.optimise import update_at
from fastnn.kernels.simd import LINE
from fastnn.kernels.step import chunk_at, chunks_of, slice_at
from fastnn.kernels.team import CHUNKS, COUNTERS, SLICES, barrier, put, take
from fastnn.kernels.whole import whole
from fastnn.kernels.workspace import TEAM, elements, lay_out, slices_of, whole_lines

COST, GRADIENT, STEP = range(3)  # how far a batch goes


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
def gather_rows(x, order, first, rows, place, zero):
    """Some rows of x (n, ...), in zero's dtype, to an address."""
    n = x.shape[1]
    target = at(place, rows * n, zero).reshape((rows, n))
    for i in range(rows):
        source = x[order[first + i]]
        for j in range(n):
            target[i, j] = source[j]


@compiled
def targets_of(y, order, first, m, place, zero):
    """Where the batch's targets are: y itself, or what was gathered at `place`."""
    if order is None:
        return address(y)
    elif y.ndim == 1:  # noqa: RET505 (a branch that the type rules out is dropped only as a branch)
        labels = integers_at(place, m)
        for i in range(m):
            labels[i] = y[order[first + i]]
        return place
    else:
        gather_rows(y, order, first, m, place, zero)
        return place


@compiled
def inputs_of(x, order, first, rows, place, zero):
    """Where a slice's inputs are: in x itself, or what was gathered at `place`."""
    if order is None:
        return address(x) + first * x.shape[1] * element_size(zero)
    else:  # noqa: RET505 (as above)
        gather_rows(x, order, first, rows, place, zero)
        return place


@compiled
def go_through(net, x, y, order, begin, m, t, seed, base, aim, worker, workers):
    """One batch: m samples from `begin` on, in this order. Returns the cost, times m, and how many are right."""
    zero, table, header = net.parameters.dtype.type(0), address(net.table), net.table[0]
    costs, _, batch, _, own, apart = lay_out(header, m, zero)
    own = base + own + worker * apart
    team = integers_at(base + TEAM, COUNTERS)
    at(base, 1, zero)[0] = 1
    share_slices(net, x, y, order, begin, m, seed, base, own, aim, team)
    barrier(team, workers)
    figures = cost_of(header, base + costs, m, zero)
    if worker == 0:
        put(team, SLICES, 0)
    if aim != COST:
        inputs = base + batch + header[plan.X_PLACE] * m * element_size(zero)
        if order is None:
            inputs = address(x)
        share_chunks(net, table, m, inputs, t, base, own, aim, team)
    barrier(team, workers)
    if worker == 0:
        put(team, CHUNKS, 0)
    return figures


@compiled
def share_slices(net, x, y, order, begin, m, seed, base, own, aim, team):
    """Take groups of slices, as long as there are any, and sum each group's gradients of convolutions."""
    zero, table, header = net.parameters.dtype.type(0), address(net.table), net.table[0]
    _, targets, batch, sums, _, _ = lay_out(header, m, zero)
    count, rows = slices_of(header, m)
    groups, sum_size = min(count, plan.GROUPS), whole_lines(header[plan.PARTIAL] * element_size(zero))
    frame = (table, m, 0, 0, base + batch, own + sum_size, 0)
    k = header[plan.OUTPUT]
    while True:
        group = take(team, SLICES)
        if group >= groups:
            return
        total = base + sums + group * sum_size
        first_slice = group * count // groups
        for number in range(first_slice, (group + 1) * count // groups):
            first = number * rows
            part = min(rows, m - first)
            place = kept(frame, header[plan.X_PLACE], header[plan.X_KEPT], header[plan.INPUT], first, zero)
            inputs = inputs_of(x, order, begin + first, part, place, zero)
            width = 8 if y.ndim == 1 else k * element_size(zero)
            answers = targets_of(y, order, begin + first, part, base + targets + first * width, zero)
            if order is None:
                answers += (begin + first) * width
            partial = total if number == first_slice else own
            slice_at(
                table, m, first, part, inputs, answers, y.ndim == 1, address(net.parameters), base, own, seed,
                partial if aim != COST else 0, number, zero,
            )  # fmt: skip
            if number > first_slice and aim != COST:
                target, fresh = at(total, header[plan.PARTIAL], zero), at(own, header[plan.PARTIAL], zero)
                for i in range(target.size):
                    target[i] += fresh[i]


@compiled
def cost_of(header, costs, m, zero):
    """(4) the batch's cost, times m, and how many are right: the slices' own, in their order."""
    total, right = 0.0, 0
    for number in range(slices_of(header, m)[0]):
        total += at(costs + number * 16, 1, 0.0)[0]
        right += integers_at(costs + number * 16 + 8, 1)[0]
    return total / header[plan.OUTPUT] if header[plan.LOSS] == MEAN_SQUARED_ERROR else total, right


@compiled
def share_chunks(net, table, m, inputs, t, base, own, aim, team):
    """Take chunks of the parameters, as long as there are any: their gradients, and their step."""
    zero, header = net.parameters.dtype.type(0), net.table[0]
    parameters, gradients, moments = address(net.parameters), address(net.gradients), address(net.moments)
    number, passed, chunk = 1, 0, take(team, CHUNKS)
    while number <= header[plan.LAYERS]:
        count = chunks_of(net.table[number])
        if chunk >= passed + count:
            number, passed = number + 1, passed + count
            continue
        begin, size = chunk_at(table, m, number, chunk - passed, inputs, base, own, gradients, zero)
        if aim == STEP:
            update_at(address(net.settings), t, parameters, gradients, moments, net.parameters.size, begin, size, zero)
        chunk = take(team, CHUNKS)


@whole
def workspace(net, m, workers):
    """Memory for batches of up to m samples and so many threads: a 1-D array of the network's dtype."""
    zero = net.parameters.dtype.type(0)
    return np.zeros(elements(net.table[0], m, workers, zero), net.parameters.dtype)


@whole
def run(net, x, y, order, begin, end, size, workspace, aim, worker, workers):
    """Batches `begin` to `end`, of `size` samples each but the last: the sums of their costs, times samples, and of hits."""
    base, n = base_of(workspace), order.size
    cost, right = 0.0, 0
    steps, draws = net.steps[0], net.steps[1]
    for number in range(begin, end):
        m = min(size, n - number * size)
        done = number - begin + 1
        seed = draws + done if aim != COST else 0
        figures = go_through(net, x, y, order, number * size, m, steps + done, seed, base, aim, worker, workers)
        cost, right = cost + figures[0], right + figures[1]
    if worker == 0 and aim != COST:
        net.steps[0] += end - begin if aim == STEP else 0
        net.steps[1] += end - begin
    return cost, right
