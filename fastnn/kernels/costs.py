"""Softmax and the costs. A cost is the mean over the m samples (4), so its gradient carries the 1 / m.

A target y is integer labels (m,) or rows (m, k) that sum to one; for the elementwise costs it has the prediction's shape.
Costs from logits z stay finite for any finite z. Costs are summed in float64, whatever the arrays' dtype.
"""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Batch, Matrix, Target
from fastnn.constants import ROW_SUM_TOLERANCE
from fastnn.kernels import elementary
from fastnn.kernels.bits import from_ordered, ordered, wide
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import contiguous, flat, put_back
from fastnn.kernels.overlap import apart


@compiled
def check_rows(y, z):
    """Raise ValueError or IndexError where y is no target for z: the branch for labels or rows is chosen by y's type."""
    if y.ndim == 1:
        shapes.check_labels(y.shape, z.shape)
        for n in range(y.shape[0]):
            if y[n] < 0 or y[n] >= z.shape[1]:
                raise IndexError(shapes.LABEL_RANGE)
    else:
        shapes.check_target(y.shape, z.shape)
        for n in range(y.shape[0]):
            total = 0.0
            for i in range(y.shape[1]):
                total += y[n, i]
            if abs(total - 1) > ROW_SUM_TOLERANCE:
                raise ValueError(shapes.ROW_SUM)


@compiled
def weight(y, n, i, one):
    """(27) y_i of sample n, in one's type: from its label, or as given."""
    if y.ndim == 1:
        return one if y[n] == i else one - one
    else:  # noqa: RET505 (Numba drops the branch that y's type rules out only if it is a branch)
        return y[n, i]


@compiled
def log_likelihood(z, highest, log_total, y, n):
    """(27) sum_i y_i log y^_i of sample n with the logits z (k,), log y^_i = (z_i - max z) - log sum e^(z_c - max z)."""
    if y.ndim == 1:
        return (z[y[n]] - highest) - log_total
    else:  # noqa: RET505 (as in `weight`)
        total = 0.0
        for i in range(z.size):
            if y[n, i] != 0:
                total += y[n, i] * ((z[i] - highest) - log_total)
        return total


@compiled
def block_rows(z):
    """How many rows of logits to take at a time: 4096 numbers or a few more, which stay in the first cache."""
    return 1 + 4096 // z.shape[1]


@compiled
def exponentials(z, y_hat, highest):
    """(26) y^_i = e^(z_i - max z), not yet divided, for rows of logits; the maxima go to `highest`.

    The exponential runs over all rows at once, because one row of a few classes does not fill a vector.
    """
    wide()
    for n in range(z.shape[0]):
        top = ordered(z[n, 0])
        for i in range(1, z.shape[1]):
            top = max(top, ordered(z[n, i]))  # a NaN that is passed over makes the row's sum NaN all the same
        highest[n] = from_ordered(top)
        for i in range(z.shape[1]):
            y_hat[n, i] = z[n, i] - highest[n]
    row = y_hat.ravel()
    for i in range(row.size):
        row[i] = elementary.exp(row[i])


@kernel
def softmax(z: Matrix, out: Matrix | None = None) -> Matrix:
    """(26) y^_i = e^z_i / sum_c e^z_c for each row of z (m, k)."""
    shapes.check_classes(z.shape)
    y_hat = shapes.result(out, z.shape, z.dtype)
    apart(out, z)
    logits, target = contiguous(z), contiguous(y_hat)
    rows = block_rows(z)
    highest = np.empty(rows, z.dtype)
    for first in range(0, z.shape[0], rows):
        block = target[first : first + rows]
        exponentials(logits[first : first + rows], block, highest)
        for n in range(block.shape[0]):
            total = z.dtype.type(0)
            for i in range(block.shape[1]):
                total += block[n, i]
            for i in range(block.shape[1]):
                block[n, i] /= total
    put_back(target, y_hat)
    return y_hat


@kernel
def softmax_cross_entropy(z: Matrix, y: Target) -> float:
    """(27) J = -sum_i y_i log y^_i with y^ = softmax(z), (23)-(26), as a mean over the batch (4).

    z (m, k), y (m,) integer labels or (m, k) rows that sum to one.
    """
    m = shapes.samples(z.shape)
    shapes.check_classes(z.shape)
    check_rows(y, z)
    rows = block_rows(z)
    logits, y_hat, highest = contiguous(z), np.empty((rows, z.shape[1]), z.dtype), np.empty(rows, z.dtype)
    cost = 0.0
    for first in range(0, m, rows):
        block = logits[first : first + rows]
        exponentials(block, y_hat[: block.shape[0]], highest)
        for n in range(block.shape[0]):
            total = z.dtype.type(0)
            for i in range(block.shape[1]):
                total += y_hat[n, i]
            cost -= log_likelihood(block[n], highest[n], elementary.log(total), y, first + n)
    return cost / m


@kernel
def softmax_cross_entropy_dz(z: Matrix, y: Target, out: Matrix | None = None) -> Matrix:
    """(32) dz_i = (y^_i - y_i) / m, the sum over i of (29) times (30), since sum_i y_i = 1; also (28).

    z (m, k), y (m,) integer labels or (m, k) rows that sum to one, dz (m, k).
    """
    m = shapes.samples(z.shape)
    shapes.check_classes(z.shape)
    check_rows(y, z)
    dz = shapes.result(out, z.shape, z.dtype)
    apart(out, z)
    apart(out, y)
    logits, target = contiguous(z), contiguous(dz)
    one, share = z.dtype.type(1), z.dtype.type(1 / m)
    rows = block_rows(z)
    highest = np.empty(rows, z.dtype)
    for first in range(0, m, rows):
        block = target[first : first + rows]
        exponentials(logits[first : first + rows], block, highest)
        for n in range(block.shape[0]):
            total = z.dtype.type(0)
            for i in range(block.shape[1]):
                total += block[n, i]
            for i in range(block.shape[1]):
                block[n, i] = (block[n, i] / total - weight(y, first + n, i, one)) * share
    put_back(target, dz)
    return dz


@kernel
def sigmoid_cross_entropy(z: Batch, y: Batch) -> float:
    """(5) with a = sigmoid(z): J = sum_k max(z, 0) - y z + log(1 + e^-|z|), as a mean over the batch (4); also (36), (37).

    z and y (m, ...) of one shape.
    """
    m = shapes.samples(z.shape)
    shapes.check_target(y.shape, z.shape)
    zero = z.dtype.type(0)
    logits, targets = flat(z), flat(y)
    cost = 0.0
    wide()
    for i in range(logits.size):
        x = logits[i]
        cost += max(x, zero) - targets[i] * x + elementary.log1p(elementary.exp(-abs(x)))
    return cost / m


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
    share = z.dtype.type(1 / m)
    logits, targets, target = flat(z), flat(y), flat(dz)
    wide()
    for i in range(target.size):
        target[i] = (elementary.sigmoid(logits[i]) - targets[i]) * share
    put_back(target, dz)
    return dz


@kernel
def binary_cross_entropy(a: Batch, y: Batch) -> float:
    """(5) J = -sum_k y_k log a_k + (1 - y_k) log(1 - a_k), as a mean over the batch (4); also (36), (37).

    a and y (m, ...) of one shape. A term with weight 0 is 0, whatever its logarithm.
    """
    m = shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    zero, one = a.dtype.type(0), a.dtype.type(1)
    activations, targets = flat(a), flat(y)
    cost = 0.0
    wide()
    for i in range(activations.size):
        y_i = targets[i]
        rise, fall = elementary.log(activations[i]), elementary.log1p(-activations[i])
        cost -= float((zero if y_i == zero else y_i * rise) + (zero if y_i == one else (one - y_i) * fall))
    return cost / m


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
    zero, one, share = a.dtype.type(0), a.dtype.type(1), a.dtype.type(1 / m)
    activations, targets, target = flat(a), flat(y), flat(da)
    for i in range(target.size):
        y_i = targets[i]
        rise = zero if y_i == one else (one - y_i) / (one - activations[i])
        fall = zero if y_i == zero else y_i / activations[i]
        target[i] = (rise - fall) * share
    put_back(target, da)
    return da


@kernel
def mean_squared_error(a: Batch, y: Batch) -> float:
    """(4) with J = mean_k (a_k - y_k)^2: the mean over all elements.

    a and y (m, ...) of one shape.
    """
    shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    activations, targets = flat(a), flat(y)
    total = 0.0
    for i in range(activations.size):
        difference = activations[i] - targets[i]
        total += difference * difference
    return total / activations.size


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
    activations, targets, target = flat(a), flat(y), flat(da)
    share = a.dtype.type(2 / a.size)
    for i in range(target.size):
        target[i] = (activations[i] - targets[i]) * share
    put_back(target, da)
    return da
