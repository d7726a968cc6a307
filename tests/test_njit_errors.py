"""What kernels refuse inside a user's own @njit: the rules as they run, and types while the function compiles."""

import numpy as np
import pytest
from layouts import read_only
from numba import njit
from numba.core.errors import TypingError
from numpy.lib.stride_tricks import as_strided
from user_code import in_user_code, uniform

from fastnn.kernels import (
    adam_step,
    conv2d_forward,
    dense_dz_to_dtheta,
    dense_forward,
    matmul,
    max_pool2d_forward,
    sgd_step,
    sigmoid,
    softmax_cross_entropy,
)

X, THETA, Z = uniform(2, 3), uniform(4, 5), uniform(2, 5)
IMAGES, KERNEL, BIAS = uniform(2, 3, 5, 7), uniform(4, 3, 3, 3), uniform(4)
RULES = {
    "shape": (dense_forward, (X, THETA[1:]), ValueError, "theta: expected shape (1 + n_in, n_out), where a is (m, n_in)"),
    "out's shape": (dense_forward, (X, THETA, Z.T), ValueError, "out: expected the shape of the result"),
    "shared memory": (sigmoid, (Z, Z), ValueError, "expected memory of its own"),
    "partly shared memory": (sigmoid, (Z[:, :3], Z[:, 2:]), ValueError, "expected memory of its own"),
    "one cell for all": (sigmoid, (Z, as_strided(X, (2, 5), (0, 0))), ValueError, "expected one cell an element"),
    "shared bytes": (sigmoid, (Z, as_strided(X, (2, 5), (4, 4))), ValueError, "expected one cell an element"),
    "label": (softmax_cross_entropy, (Z, np.array([0, 5])), IndexError, "y: expected labels from 0 to k - 1"),
    "negative label": (softmax_cross_entropy, (Z, np.array([-1, 0])), IndexError, "y: expected labels from 0 to k - 1"),
    "rows": (softmax_cross_entropy, (Z, np.ones((2, 5), np.float32)), ValueError, "y: expected rows that sum to one"),
    "no samples": (softmax_cross_entropy, (Z[:0], np.zeros(0, int)), ValueError, "expected at least one"),
    "stride": (conv2d_forward, (IMAGES, KERNEL, BIAS, 0, 0), ValueError, "stride: expected from 1"),
    "padding": (conv2d_forward, (IMAGES, KERNEL, BIAS, (1, 1), (0, -1)), ValueError, "padding: expected from 0"),
    "dilation": (conv2d_forward, (IMAGES, KERNEL, BIAS, 1, 0, None, (1, 0)), ValueError, "dilation: expected from 1"),
    "groups": (conv2d_forward, (IMAGES, KERNEL, BIAS, 1, 0, None, 1, 3), ValueError, "groups: expected a positive divisor"),
    "window": (max_pool2d_forward, (IMAGES, (6, 1)), ValueError, "the window is larger than the padded image"),
    "step": (adam_step, (X, X.copy(), np.ones((2, 2, 3), np.float32), 0, 0.1), ValueError, "step: expected at least 1"),
}


@pytest.mark.parametrize(("kernel", "arguments", "error", "rule"), RULES.values(), ids=RULES)
def test_rule(kernel, arguments, error, rule):
    before = [value.tobytes() for value in arguments if isinstance(value, np.ndarray)]
    with pytest.raises(error) as caught:
        in_user_code(kernel)(arguments)
    assert rule in str(caught.value)
    assert [value.tobytes() for value in arguments if isinstance(value, np.ndarray)] == before


TYPES = {
    "mixed": (dense_forward, (X, THETA.astype(np.float64)), "dense_forward: theta: expected float32 like a, got float64"),
    "ints": (dense_forward, (X.astype(int), THETA), "dense_forward: a: expected dtype float32 or float64, got int64"),
    "complex": (sigmoid, (Z.astype(complex),), "sigmoid: z: expected dtype float32 or float64, got complex128"),
    "rank": (dense_forward, (X[0], THETA), "dense_forward: a: expected 2 dimensions, got 1"),
    "None": (sigmoid, (None,), "sigmoid: z: expected a numpy array, got none"),
    "scalar": (sigmoid, (0.5,), "sigmoid: z: expected a numpy array, got float64"),
    "out's dtype": (sigmoid, (Z, Z.astype(np.float64)), "sigmoid: out: expected float32 like z, got float64"),
    "read-only out": (sigmoid, (Z, read_only(Z)), "sigmoid: out: expected a writeable array, got a read-only one"),
    "float labels": (softmax_cross_entropy, (Z, Z[:, 0]), "softmax_cross_entropy: y: expected 2 dimensions, got 1"),
    "bool labels": (
        softmax_cross_entropy,
        (Z, Z[:, 0] > 0),
        "softmax_cross_entropy: y: expected dtype float32, float64 or int",
    ),
    "read-only theta": (sgd_step, (read_only(Z), Z, Z, 0.1), "sgd_step: theta: expected a writeable array"),
    "float stride": (conv2d_forward, (IMAGES, KERNEL, BIAS, 1.5, 0), "expected an int or a pair of ints, got float64"),
    "float groups": (conv2d_forward, (IMAGES, KERNEL, BIAS, 1, 0, None, 1, 1.0), "groups: expected an int, got float64"),
    "float step": (adam_step, (Z, Z, np.stack([Z, Z]), 1.5, 0.1), "adam_step: step: expected an int, got float64"),
    "two constants": (adam_step, (Z, Z, np.stack([Z, Z]), 1, 0.1, (0.9, 0.99)), "constants: expected three numbers, got "),
    "lr of two": (sgd_step, (Z, Z, Z, (0.1, 0.2)), "sgd_step: lr: expected a number, got "),
    "lr of None": (sgd_step, (Z, Z, Z, None), "sgd_step: lr: expected a number, got none"),
    "lr of True": (sgd_step, (Z, Z, Z, True), "sgd_step: lr: expected a number, got "),
    "nesterov of 1": (sgd_step, (Z, Z, Z, 0.1, 0.9, 1), "sgd_step: nesterov: expected True or False, got "),
    "three strides": (conv2d_forward, (IMAGES, KERNEL, BIAS, (1, 1, 1), 0), "expected an int or a pair of ints, got "),
}


@pytest.mark.parametrize(("kernel", "arguments", "message"), TYPES.values(), ids=TYPES)
def test_type(kernel, arguments, message):
    """Numba's error, raised while the user's function compiles, says which argument was wrong."""
    with pytest.raises(TypingError) as caught:
        in_user_code(kernel)(arguments)
    assert message in str(caught.value)


def test_results_that_no_array_can_hold():
    """Their sizes wrap round in an int64: refused, as from Python."""
    column, row = (as_strided(np.ones(1, np.float32), shape, (0, 0)) for shape in ((2**32, 1), (1, 2**32)))
    image, theta, b = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), np.ones(1)
    for kernel, arguments in (
        (matmul, (column, row)),
        (dense_dz_to_dtheta, (row, row)),
        (conv2d_forward, (image, theta, b, 1, 2**31 - 1)),
    ):
        with pytest.raises(ValueError, match="array is too big"):
            in_user_code(kernel)(arguments)


@pytest.mark.parametrize(("name", "came"), [("ReLU", "got 'ReLU'"), (None, "got none")])
def test_names_that_are_none(name, came):
    """The choices, while the user's function compiles."""

    @njit
    def refused(x, theta):
        return dense_forward(x, theta, activation=name)

    with pytest.raises(TypingError) as caught:
        refused(uniform(2, 3), uniform(4, 5))
    assert "dense_forward: activation: expected one of identity, sigmoid, tanh, relu, " in str(caught.value)
    assert came in str(caught.value)
