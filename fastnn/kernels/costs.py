"""Softmax and the costs. A cost is the mean over the m samples (4), so its gradient carries the 1 / m.

A target y is integer labels (m,) or rows (m, k) that sum to one; for the elementwise costs it has the prediction's shape.
Costs from logits z stay finite for any finite z. Costs are summed in float64, whatever the arrays' dtype.
The loops are in cost_loops.py.
"""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Batch, Matrix, Target
from fastnn.constants import ROW_SUM_TOLERANCE
from fastnn.kernels.arrays.layout import address, flat, put_back, rows_at
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.loops import cost_loops as loops


@compiled
def check_rows(weights, m, k):
    """Rows of a target, m of k contiguous weights, sum to one."""
    rows = rows_at(address(weights), m, k, weights.dtype.type(0))  # of contiguous ones LLVM sums whole vectors
    for n in range(m):
        total = 0.0
        for i in range(k):
            total += rows[n, i]
        if not abs(total - 1) <= ROW_SUM_TOLERANCE:  # NaN is no sum of one
            raise ValueError(shapes.ROW_SUM)


@compiled
def target_for(z, y):
    """y as the loops take it: int64 labels, or rows; ValueError or IndexError where it is no target for z."""
    if y.ndim == 1:
        shapes.check_labels(y.shape, z.shape)
        labels = np.empty(y.shape[0], np.int64)
        for n in range(y.shape[0]):
            if y[n] < 0 or y[n] >= z.shape[1]:
                raise IndexError(shapes.LABEL_RANGE)
            labels[n] = y[n]
        return labels
    else:  # noqa: RET505 (Numba drops the branch that y's type rules out only if it is a branch)
        shapes.check_target(y.shape, z.shape)
        weights = flat(y)
        check_rows(weights, y.shape[0], y.shape[1])
        return weights


@kernel
def softmax(z: Matrix, out: Matrix | None = None) -> Matrix:
    """(26) y^_i = e^z_i / sum_c e^z_c for each row of z (m, k)."""
    shapes.check_classes(z.shape)
    y_hat = shapes.result(out, z.shape, z.dtype)
    apart(out, z)
    target = flat(y_hat)
    loops.softmax_at(flat(z), target, z.shape[0], z.shape[1], z.dtype.type(0))
    put_back(target, y_hat)
    return y_hat


@kernel
def softmax_cross_entropy(z: Matrix, y: Target) -> float:
    """(27) J = -sum_i y_i log y^_i with y^ = softmax(z), (23)-(26), as a mean over the batch (4).

    z (m, k), y (m,) integer labels or (m, k) rows that sum to one.
    """
    m = shapes.samples(z.shape)
    shapes.check_classes(z.shape)
    weights = target_for(z, y)  # before z is copied, whose size may be the mistake
    zero, cost, k = z.dtype.type(0), np.zeros(1), z.shape[1]
    scratch = np.empty(min(m, loops.block_rows(k)) * k, z.dtype)
    loops.softmax_cost_dz_at(flat(z), weights, y.ndim == 1, m, k, zero, scratch, 0, cost, zero)
    return cost[0] / m


@kernel
def softmax_cross_entropy_dz(z: Matrix, y: Target, out: Matrix | None = None) -> Matrix:
    """(32) dz_i = (y^_i - y_i) / m, the sum over i of (29) times (30), since sum_i y_i = 1; also (28).

    z (m, k), y (m,) integer labels or (m, k) rows that sum to one, dz (m, k).
    """
    m = shapes.samples(z.shape)
    shapes.check_classes(z.shape)
    weights = target_for(z, y)
    dz = shapes.result(out, z.shape, z.dtype)
    apart(out, z)
    apart(out, y)
    target, share = flat(dz), z.dtype.type(1 / m)
    loops.softmax_cost_dz_at(flat(z), weights, y.ndim == 1, m, z.shape[1], share, target, 1, 0, z.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def sigmoid_cross_entropy(z: Batch, y: Batch) -> float:
    """(5) with a = sigmoid(z): J = sum_k max(z, 0) - y z + log(1 + e^-|z|), as a mean over the batch (4); also (36), (37).

    z and y (m, ...) of one shape.
    """
    m = shapes.samples(z.shape)
    shapes.check_target(y.shape, z.shape)
    return loops.sigmoid_cost_at(flat(z), flat(y), z.size, z.dtype.type(0)) / m


@kernel
def sigmoid_cross_entropy_dz(z: Batch, y: Batch, out: Batch | None = None) -> Batch:
    """(12) dz = da g'(z) = (a - y) / m, since g' = a (1 - a) cancels the denominator of (39); also (11).

    z, y and dz (m, ...) of one shape.
    """
    m = shapes.samples(z.shape)
    shapes.check_target(y.shape, z.shape)
    dz = shapes.result(out, z.shape, z.dtype)
    apart(out, z)
    apart(out, y)
    target, share = flat(dz), z.dtype.type(1 / m)
    loops.sigmoid_dz_at(flat(z), flat(y), z.size, share, target, z.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def binary_cross_entropy(a: Batch, y: Batch) -> float:
    """(5) J = -sum_k y_k log a_k + (1 - y_k) log(1 - a_k), as a mean over the batch (4); also (36), (37).

    a and y (m, ...) of one shape. A term with weight 0 is 0, whatever its logarithm.
    """
    m = shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    return loops.binary_cost_at(flat(a), flat(y), a.size, a.dtype.type(0)) / m


@kernel
def binary_cross_entropy_da(a: Batch, y: Batch, out: Batch | None = None) -> Batch:
    """(39) da = (a - y) / (a (1 - a)) / m, in partial fractions: (1 - y) / (1 - a) - y / a; also (11).

    a, y and da (m, ...) of one shape. A term with weight 0 is 0, so da is finite where a = y.
    """
    m = shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    da = shapes.result(out, a.shape, a.dtype)
    apart(out, a)
    apart(out, y)
    target, share = flat(da), a.dtype.type(1 / m)
    loops.binary_da_at(flat(a), flat(y), a.size, share, target, a.dtype.type(0))
    put_back(target, da)
    return da


@kernel
def mean_squared_error(a: Batch, y: Batch) -> float:
    """(4) with J = mean_k (a_k - y_k)^2: the mean over all elements.

    a and y (m, ...) of one shape.
    """
    shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    return loops.mean_squared_cost_at(flat(a), flat(y), a.size, a.dtype.type(0)) / a.size


@kernel
def mean_squared_error_da(a: Batch, y: Batch, out: Batch | None = None) -> Batch:
    """(4) with J = mean_k (a_k - y_k)^2: da = 2 (a - y) / (number of elements).

    a, y and da (m, ...) of one shape.
    """
    shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    da = shapes.result(out, a.shape, a.dtype)
    apart(out, a)
    apart(out, y)
    target, share = flat(da), a.dtype.type(2 / a.size)
    loops.mean_squared_da_at(flat(a), flat(y), a.size, share, target, a.dtype.type(0))
    put_back(target, da)
    return da
