"""Exact results: small integers and powers of two, whose sums and products have no rounding in float32.

A comparison within a tolerance can miss one wrong term among many; here every bit counts. Rows of the table whose kernels
only add, multiply by such numbers, or choose get integers for arguments; all other kernels have points where they are exact.
"""

import numpy as np
import pytest
from case import DTYPES
from cases import CASES
from comparison import as_float64

from fastnn import reference
from fastnn.backend import ops

BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
SUMS = ("dense_", "matmul", "conv2d_", "max_pool2d_", "avg_pool2d_", "identity", "relu")
LARGEST = 3  # products of two, summed up 10^6 times, stay below 2^24

# Arguments, and what the kernel returns or makes of its arguments 0 and 2. Ranks and dtypes are those of the table.
POINTS = {
    "leaky_relu": ([[[0, 3]]], [[0, 3]]),
    "leaky_relu_da_to_dz": ([[[2, 3]], [[1, 5]], [[1, 5]]], [[2, 3]]),
    "sigmoid": ([[[0, 1e4, -1e4]]], [[0.5, 1, 0]]),
    "sigmoid_da_to_dz": ([[[2, 3, 5]], [[0, 9, 9]], [[0.5, 1, 0]]], [[0.5, 0, 0]]),
    "tanh": ([[[0, 1e4, -1e4]]], [[0, 1, -1]]),
    "tanh_da_to_dz": ([[[2, 4, 5]], [[0, 9, 9]], [[0, 0.5, 1]]], [[2, 3, 0]]),
    "elu": ([[[0, 3, -1e4]]], [[0, 3, -1]]),
    "elu_da_to_dz": ([[[2, 4]], [[1, -1e4]], [[1, -1]]], [[2, 0]]),
    "softplus": ([[[1e4, -1e4]]], [[1e4, 0]]),
    "softplus_da_to_dz": ([[[2, 3, 5]], [[0, 1e4, -1e4]], [[0, 1e4, 0]]], [[1, 3, 0]]),
    "silu": ([[[0, 1e4, -1e4]]], [[0, 1e4, 0]]),
    "silu_da_to_dz": ([[[2, 3, 5]], [[0, 1e4, -1e4]], [[0, 1e4, 0]]], [[1, 3, 0]]),
    "gelu": ([[[0, 1e4, -1e4]]], [[0, 1e4, 0]]),
    "gelu_da_to_dz": ([[[2, 3, 5]], [[0, 1e4, -1e4]], [[0, 1e4, 0]]], [[1, 3, 0]]),
    "softmax": ([[[7, 7, 7, 7], [1e4, 0, 0, 0]]], [[0.25] * 4, [1, 0, 0, 0]]),
    "softmax_cross_entropy": ([[[1e4, 0], [0, 1e4]], np.array([0, 0])], 5e3),
    "softmax_cross_entropy_dz": (
        [[[7] * 4, [7] * 4], np.array([1, 3])],
        np.array([[1, -3, 1, 1], [1, 1, 1, -3]]) / 8,
    ),
    "sigmoid_cross_entropy": ([[[1e4, -1e4]], [[0, 0]]], 1e4),
    "sigmoid_cross_entropy_dz": ([[[0, 1e4], [0, -1e4]], [[1, 1], [0.5, 1]]], [[-0.25, 0], [0, -0.5]]),
    "binary_cross_entropy": ([[[0, 1], [1, 0]], [[0, 1], [1, 0]]], 0),
    "binary_cross_entropy_da": ([[[0.5, 0.5]], [[1, 0.25]]], [[-2, 1]]),
    "mean_squared_error": ([[[1, 2], [3, 4]], [[3, 2], [0, 3]]], 3.5),
    "mean_squared_error_da": ([[[1, 2], [3, 4]], [[3, 2], [0, 3]]], [[-1, 0], [1.5, 0.5]]),
    "dropout": ([[[1, 2, 3]], 0.0, 3], [[1, 2, 3]]),
    "sgd_step": ([[4, 8], [2, -2], [2, 4], 0.5, 0.5], [[2.5, 8], [3, 0]]),
    "adam_step": ([[4, 8], [2, -4], [[5, 5], [5, 5]], 1, 0.5, (0.0, 0.0, 0.0)], [[3.5, 8.5], [[2, -4], [4, 16]]]),
    "adamw_step": ([[4, 8], [2, -4], [[5, 5], [5, 5]], 1, 0.5, 0.5, (0.0, 0.0, 0.0)], [[2.5, 6.5], [[2, -4], [4, 16]]]),
}


def integers(case, dtype):
    """The case's arguments with small integers for its uniform numbers."""
    rng = np.random.default_rng(0)
    return case.make(lambda *shape, **bounds: rng.integers(-LARGEST, LARGEST + 1, shape).astype(dtype))


def is_exact(case):
    """Means over windows are exact where a window has a power of two cells; of the activations only relu gives integers."""
    if not case.kernel.startswith(SUMS) or case.keywords.get("activation", "identity") not in SUMS:
        return False
    cells = np.prod(np.broadcast_to(case.arguments(np.float64)[-3], 2)) if case.kernel.startswith("avg_pool2d") else 1
    return cells in (1, 2, 4, 8)


@BOTH_DTYPES
@pytest.mark.parametrize("case", [case for case in CASES if is_exact(case)], ids=str)
def test_sums_of_integers(case, dtype):
    """The reference in float64, bit for bit."""
    arguments = integers(case, dtype)
    expected = getattr(reference, case.kernel)(*map(as_float64, arguments), **case.keywords)
    result = getattr(ops, case.kernel)(*arguments, **case.keywords)
    assert result.dtype == dtype
    assert np.array_equal(result, expected)


def as_given(value, dtype):
    return np.array(value, dtype) if isinstance(value, list) else value


@BOTH_DTYPES
@pytest.mark.parametrize("name", POINTS)
def test_exact_points(name, dtype):
    values, expected = POINTS[name]
    arguments = [as_given(value, dtype) for value in values]
    result = getattr(ops, name)(*arguments)
    results, expected = ([arguments[0], arguments[2]], expected) if result is None else ([result], [expected])
    for got, wanted in zip(results, expected, strict=True):
        assert np.array_equal(got, np.array(wanted, dtype))


def test_every_kernel_is_exact_somewhere():
    assert {case.kernel for case in CASES if is_exact(case)} | POINTS.keys() == set(ops.__all__)
