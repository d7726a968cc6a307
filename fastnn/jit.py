"""A network inside @njit: forward, cost, gradient and step, for loops that are compiled whole.

    net = model.compiled("mean_squared_error", fastnn.Adam(1e-3))
    space = fastnn.jit.workspace(net, 32)

    @njit
    def train(net, x, y, space, steps):
        for _ in range(steps):
            cost = fastnn.jit.step(net, x, y, space)
        return cost

`net` holds the model's own arrays: what is learnt here, the model knows. Nothing allocates, holds the GIL or starts a
thread. In `prange` each turn needs a workspace of its own, and for `gradient` and `step` a net of its own: `apart(net)`.
There Numba moves a write to `net.parameters[...]` past calls, as if they had nothing to do with each other: use
`with_parameters`, or write in a function of your own.

x is (m, ...) in the network's dtype, m up to the workspace's; y is integer labels (m,) for softmax_cross_entropy, or
(m, ...) like the output, for softmax_cross_entropy rows that sum to one. Arrays that are not contiguous, and labels that
are not int64, are copied first.
"""

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from fastnn import plan
from fastnn.constants import SOFTMAX_CROSS_ENTROPY
from fastnn.kernels.arrays.layout import address, contiguous, in_use_until_here, integers_at, is_contiguous
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.arrays.overlap import extent
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.costs import check_rows
from fastnn.kernels.networks.frame import result
from fastnn.kernels.networks.network import forward_at
from fastnn.kernels.networks.team import COUNTERS
from fastnn.kernels.networks.train import COST, FLOATS, GRADIENT, LABELS, ROWS, STEP, Network, base_of, run_at
from fastnn.kernels.networks.whole import whole
from fastnn.kernels.networks.workspace import TEAM, elements, lay_out, slices_of, whole_lines
from fastnn.shapes import LABEL_RANGE, LARGEST

__all__ = ["Network", "apart", "cost", "forward", "gradient", "step", "with_parameters", "workspace"]


@whole
def workspace(net, m):
    """Memory for batches of up to m samples: a 1-D array of the network's dtype."""
    if m < 1 or m >= LARGEST:
        raise ValueError("m: expected from 1 to 2**31 - 1 samples")
    zero = net.parameters.dtype.type(0)
    return np.zeros(elements(net.table[0], m, 1, zero), net.parameters.dtype)


@whole
def apart(net):
    """A network with the same table and copies of all that learning changes."""
    return Network(
        net.table, net.parameters.copy(), net.gradients.copy(), net.moments.copy(), net.settings.copy(), net.steps.copy()
    )


@whole
def with_parameters(net, parameters):
    """The network with other parameters, a contiguous array of as many; all else is shared."""
    check_dtype(net, parameters)
    if parameters.ndim != 1 or parameters.size != net.parameters.size or not is_contiguous(parameters):
        raise ValueError("parameters: expected a contiguous row of as many as the network has")
    return Network(net.table, contiguous(parameters), net.gradients, net.moments, net.settings, net.steps)


@whole
def forward(net, x, workspace):
    """(2), (3) a^[L] of each sample, as rows (m, n_out): a view of the workspace, valid until its next use.

    Of a network that has no layers but Flatten, x itself as rows.
    """
    inputs = inputs_for(net, x, workspace)
    m, header, zero = inputs.shape[0], net.table[0], net.parameters.dtype.type(0)
    if header[plan.LAYERS] == 0:
        return inputs
    size, base = element_size(zero), base_of(workspace)
    _, _, batch, _, own, _ = lay_out(header, m, zero)
    local = base + own + whole_lines(header[plan.PARTIAL] * size)
    scratch = local + whole_lines(header[plan.SLICE] * header[plan.ROWS] * size)
    count, rows = slices_of(header, m, zero)
    place = np.int64(0)
    for number in range(count):
        first = number * rows
        x_slice = address(inputs) + first * header[plan.INPUT] * size
        frame = (address(net.table), m, x_slice, address(net.parameters), base + batch, local, scratch, base)
        forward_at(frame, first, min(rows, m - first), 0, 0, zero)
        if number == 0:
            place = result(frame, header[plan.LAYERS], 0, zero)
    begin = (place - address(workspace)) // size
    return contiguous(workspace)[begin : begin + m * header[plan.OUTPUT]].reshape((m, header[plan.OUTPUT]))


@whole
def cost(net, x, y, workspace):
    """(4) the mean cost of the samples; dropout leaves out nothing."""
    return once(net, x, y, workspace, COST)


@whole
def gradient(net, x, y, workspace):
    """(6) dtheta into net.gradients, for the samples' mean cost, which it returns."""
    return once(net, x, y, workspace, GRADIENT)


@whole
def step(net, x, y, workspace):
    """(6) one step of the optimiser; returns the mean cost before it."""
    return once(net, x, y, workspace, STEP)


@compiled
def once(net, x, y, workspace, aim):
    """One batch, by this thread alone."""
    check_writeable(net, aim)
    inputs = inputs_for(net, x, workspace)
    m = inputs.shape[0]
    targets = targets_for(net, y, m, net.table[0, plan.OUTPUT])
    check_targets(targets, m, net.table[0])
    check_place(targets, workspace)
    if aim != COST:
        check_apart(net, inputs)
        check_apart(net, targets)
    base = base_of(workspace)
    integers_at(base + TEAM, COUNTERS)[:] = 0
    arrays = address(net.table), address(net.parameters), address(net.gradients), address(net.moments)
    state = address(net.settings), address(net.steps), net.parameters.size
    samples = address(inputs), address(targets), 0, base, FLOATS, LABELS if targets.ndim == 1 else ROWS
    total, _ = run_at(arrays + state + samples, m, 0, 1, m, aim, 0, 1, net.parameters.dtype.type(0))
    in_use_until_here((net, inputs, targets, workspace))
    return total / m


def check_dtype(net, array):
    """Raise a TypeError where the array is not of the network's dtype; only compiled code calls it."""
    raise NotImplementedError


@overload(check_dtype)
def _check_dtype(net, array):
    if not isinstance(array, types.Array) or array.ndim == 0:
        raise TypingError("expected an array of at least 1 dimension")
    if array.dtype == net.types[net.fields.index("parameters")].dtype:
        return lambda net, array: None

    def refuse(net, array):
        raise TypeError("x, y, workspace, parameters: expected the network's dtype")

    return refuse


def check_workspace(workspace):
    """Raise a ValueError where it is not one row of memory that may be written; only compiled code calls it."""
    raise NotImplementedError


@overload(check_workspace)
def _check_workspace(workspace):
    fits = isinstance(workspace, types.Array) and workspace.ndim == 1 and workspace.mutable

    def check(workspace):
        if not fits or workspace.strides[0] != workspace.itemsize:
            raise ValueError("workspace: expected a contiguous, writeable 1-D array, as workspace(net, m) makes it")

    return check


def check_writeable(net, aim):
    """Raise a ValueError where a step would change read-only parameters; only compiled code calls it."""
    raise NotImplementedError


@overload(check_writeable)
def _check_writeable(net, aim):
    writeable = net.types[net.fields.index("parameters")].mutable

    def check(net, aim):
        if aim == STEP and not writeable:
            raise ValueError("net: expected parameters that may be written, got read-only ones")

    return check


def samples_in(array):
    """m of an array (m, ...); 0 where it has no sample axis and another. Only compiled code calls it."""
    raise NotImplementedError


@overload(samples_in)
def _samples_in(array):
    return (lambda array: array.shape[0]) if getattr(array, "ndim", 0) > 1 else (lambda array: 0)


@compiled
def inputs_for(net, x, workspace):
    """x as rows (m, n), once it and the workspace are known to fit."""
    check_dtype(net, x)
    check_dtype(net, workspace)
    check_workspace(workspace)
    m, n = samples_in(x), net.table[0, plan.INPUT]
    if m < 1 or x.size != m * n:
        raise ValueError("x: expected shape (m, ...) with m > 0 samples of the network's input size")
    if workspace.size < elements(net.table[0], m, 1, net.parameters.dtype.type(0)):
        raise ValueError("workspace: expected one for at least as many samples as x has")
    if meet(workspace, net.parameters) or meet(workspace, net.gradients) or meet(workspace, net.moments):
        raise ValueError("workspace: expected memory apart from the network's own arrays")
    inputs = contiguous(x).reshape((m, n))
    check_place(inputs, workspace)
    return inputs


@compiled
def meet(rows, others):
    """Whether two arrays of contiguous memory have a byte in common."""
    (low, high), (first, end) = extent(rows), extent(others)
    return rows.size > 0 and others.size > 0 and low < end and first < high


@compiled
def check_place(rows, workspace):
    """What `forward` returned is no input or target of the next call: that begins by writing over it."""
    if meet(rows, workspace):
        raise ValueError("x, y: expected memory apart from the workspace: copy what `forward` returns")


@compiled
def check_apart(net, rows):
    """Inputs and targets are read until the end of a step, which writes to the network's arrays meanwhile."""
    if meet(rows, net.parameters) or meet(rows, net.gradients) or meet(rows, net.moments):
        raise ValueError("x, y: expected memory apart from the network's own arrays, which learning changes")


def targets_for(net, y, m, k):
    """y as int64 labels (m,), or as rows (m, k); only compiled code calls it."""
    raise NotImplementedError


@overload(targets_for)
def _targets_for(net, y, m, k):
    if not isinstance(y, types.Array) or y.ndim == 0:
        raise TypingError("y: expected an array of at least 1 dimension")
    if isinstance(y.dtype, types.Integer) and y.ndim == 1:
        if y.dtype == types.int64:
            return lambda net, y, m, k: contiguous(y)
        return lambda net, y, m, k: y.astype(np.int64)

    def rows(net, y, m, k):
        check_dtype(net, y)
        if samples_in(y) != m or y.size != m * k:
            raise ValueError("y: expected one target a sample, (m, ...) like the network's output")
        return contiguous(y).reshape((m, k))

    return rows


@compiled
def check_targets(targets, m, header):
    """Labels are for softmax, as many as samples, and in range; its rows, whose size is known to be right, sum to one."""
    if targets.shape[0] != m:
        raise ValueError("y: expected as many targets as x has samples")
    if targets.ndim == 2:
        if header[plan.LOSS] == SOFTMAX_CROSS_ENTROPY:
            check_rows(targets, targets.shape[0], targets.shape[1])
    else:
        if header[plan.LOSS] != SOFTMAX_CROSS_ENTROPY:
            raise ValueError("y: expected targets like the network's output: labels are for softmax_cross_entropy")
        for i in range(targets.shape[0]):
            if targets[i] < 0 or targets[i] >= header[plan.OUTPUT]:
                raise IndexError(LABEL_RANGE)
