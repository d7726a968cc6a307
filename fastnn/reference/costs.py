"""Softmax and the costs. A cost is the mean over the m samples (4), so its gradient carries the 1 / m.

A target y is integer labels (m,) or rows (m, k) that sum to one; for the elementwise costs it has the prediction's shape.
Costs from logits z stay finite for any finite z.
"""

import numpy as np
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.arguments import Batch, Matrix, Target, checked
from fastnn.constants import ROW_SUM_TOLERANCE
from fastnn.reference.activations import logistic


def shifted(z: NDArray[np.floating]) -> NDArray[np.floating]:
    """z - max_c z_c, which leaves (26) as it is and keeps e^z from overflowing."""
    return z - z.max(axis=1, keepdims=True)


def probabilities(z: NDArray[np.floating]) -> NDArray[np.floating]:
    """(26) e^z_i / sum_c e^z_c."""
    e = np.exp(shifted(z))
    return e / e.sum(axis=1, keepdims=True)


def rows(y: NDArray[np.floating | np.integer], z: NDArray[np.floating]) -> NDArray[np.floating]:
    """The target as rows (m, k): row i has a one at its label, or is given."""
    if y.ndim == 2:
        shapes.check_target(y.shape, z.shape)
        if not np.all(np.abs(y.sum(axis=1, dtype=np.float64) - 1) <= ROW_SUM_TOLERANCE):  # NaN is no sum of one
            raise ValueError(shapes.ROW_SUM)
        return y.astype(z.dtype)
    shapes.check_labels(y.shape, z.shape)
    if np.any((y < 0) | (y >= z.shape[1])):
        raise IndexError(shapes.LABEL_RANGE)
    return np.eye(z.shape[1], dtype=z.dtype)[y]


@checked
def softmax(z: Matrix, out: Matrix | None = None) -> Matrix:
    """(26) y^_i = e^z_i / sum_c e^z_c for each row of z (m, k)."""
    shapes.check_classes(z.shape)
    y_hat = shapes.result(out, z.shape, z.dtype)
    y_hat[...] = probabilities(z)
    return y_hat


@checked
def softmax_cross_entropy(z: Matrix, y: Target) -> float:
    """(27) J = -sum_i y_i log y^_i with y^ = softmax(z), (23)-(26), as a mean over the batch (4).

    z (m, k), y (m,) integer labels or (m, k) rows that sum to one.
    """
    m = shapes.samples(z.shape)
    shapes.check_classes(z.shape)
    weights = rows(y, z)
    below = shifted(z)
    log_y_hat = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    return float(-np.sum(weights * log_y_hat, where=weights != 0, dtype=np.float64) / m)


@checked
def softmax_cross_entropy_dz(z: Matrix, y: Target, out: Matrix | None = None) -> Matrix:
    """(32) dz_i = (y^_i - y_i) / m, the sum over i of (29) times (30), since sum_i y_i = 1; also (28).

    z (m, k), y (m,) integer labels or (m, k) rows that sum to one, dz (m, k).
    """
    m = shapes.samples(z.shape)
    shapes.check_classes(z.shape)
    weights = rows(y, z)
    dz = shapes.result(out, z.shape, z.dtype)
    dz[...] = (probabilities(z) - weights) / m
    return dz


@checked
def sigmoid_cross_entropy(z: Batch, y: Batch) -> float:
    """(5) with a = sigmoid(z): J = sum_k max(z, 0) - y z + log(1 + e^-|z|), as a mean over the batch (4); also (36), (37).

    z and y (m, ...) of one shape.
    """
    m = shapes.samples(z.shape)
    shapes.check_target(y.shape, z.shape)
    terms = np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))
    return float(terms.sum(dtype=np.float64) / m)


@checked
def sigmoid_cross_entropy_dz(z: Batch, y: Batch, out: Batch | None = None) -> Batch:
    """(12) dz = da g'(z) = (a - y) / m, since g' = a (1 - a) cancels the denominator of (39); also (11).

    z, y and dz (m, ...) of one shape.
    """
    m = shapes.samples(z.shape)
    shapes.check_target(y.shape, z.shape)
    dz = shapes.result(out, z.shape, z.dtype)
    dz[...] = (logistic(z) - y) / m
    return dz


@checked
def binary_cross_entropy(a: Batch, y: Batch) -> float:
    """(5) J = -sum_k y_k log a_k + (1 - y_k) log(1 - a_k), as a mean over the batch (4); also (36), (37).

    a and y (m, ...) of one shape. A term with weight 0 is 0, whatever its logarithm.
    """
    m = shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(y == 0, 0, y * np.log(a)) + np.where(y == 1, 0, (1 - y) * np.log1p(-a))
    return float(-terms.sum(dtype=np.float64) / m)


@checked
def binary_cross_entropy_da(a: Batch, y: Batch, out: Batch | None = None) -> Batch:
    """(39) da = (a - y) / (a (1 - a)) / m, in partial fractions: (1 - y) / (1 - a) - y / a; also (11).

    a, y and da (m, ...) of one shape. A term with weight 0 is 0, so da is finite where a = y.
    """
    m = shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    da = shapes.result(out, a.shape, a.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        da[...] = (np.where(y == 1, 0, (1 - y) / (1 - a)) - np.where(y == 0, 0, y / a)) / m
    return da


@checked
def mean_squared_error(a: Batch, y: Batch) -> float:
    """(4) with J = mean_k (a_k - y_k)^2: the mean over all elements.

    a and y (m, ...) of one shape.
    """
    shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    return float(np.mean((a - y) ** 2, dtype=np.float64))


@checked
def mean_squared_error_da(a: Batch, y: Batch, out: Batch | None = None) -> Batch:
    """(4) with J = mean_k (a_k - y_k)^2: da = 2 (a - y) / (number of elements).

    a, y and da (m, ...) of one shape.
    """
    shapes.samples(a.shape)
    shapes.check_target(y.shape, a.shape)
    da = shapes.result(out, a.shape, a.dtype)
    da[...] = (a - y) * (2 / a.size)
    return da
