"""Every backward kernel against central finite differences of its forward kernel or cost, in float64.

A gradient with respect to z of any function a(z) is tested through the cost J = sum w a, of which w is da.
"""

import numpy as np
import pytest
from differences import DIFFERENCED, distance, numerical_gradient

from fastnn.backend import ops
from fastnn.shapes import conv2d_z, pool2d_a

DENSE = [(1, 1, 1), (3, 4, 2), (5, 2, 7)]
# Image, window, stride, padding.
WINDOWS = {
    "plain": ((5, 6), (3, 2), (1, 1), (0, 0)),
    "padded": ((5, 4), (3, 3), (1, 1), (1, 2)),
    "strided": ((7, 5), (3, 3), (2, 2), (0, 0)),
    "rest": ((6, 8), (3, 2), (2, 3), (0, 0)),  # the last row and column belong to no window
    "gaps": ((7, 8), (2, 2), (3, 4), (1, 0)),  # nor do cells between the windows
    "whole image": ((3, 4), (3, 4), (1, 1), (0, 0)),
    "single cell": ((3, 3), (1, 1), (2, 2), (0, 0)),
}
OVERPADDED = {"mostly padding": ((2, 3), (2, 2), (1, 2), (3, 2))}  # a pool's padding is less than its window
# ..., dilation.
DILATED = {
    "plain": ((3, 4), (2, 2), (1, 1), (0, 0), (1, 1)),
    "dilated": ((6, 5), (3, 2), (1, 1), (0, 0), (2, 3)),
    "dilated, strided and padded": ((6, 5), (3, 2), (2, 3), (1, 2), (2, 4)),
}
ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu"]
ELEMENTWISE_COSTS = {
    "sigmoid_cross_entropy": "sigmoid_cross_entropy_dz",
    "binary_cross_entropy": "binary_cross_entropy_da",
    "mean_squared_error": "mean_squared_error_da",
}


@pytest.fixture
def uniform():
    """Draws from -1 to 1 unless told otherwise."""
    rng = np.random.default_rng(0)
    return lambda *shape, low=-1.0, high=1.0: rng.uniform(low, high, shape)


def assert_gradient(gradient, cost, x):
    """Whether the gradient of cost() with respect to x, which it reads, is the one of finite differences."""
    assert distance(gradient, numerical_gradient(cost, x)) < DIFFERENCED


@pytest.mark.parametrize("size", DENSE, ids=str)
def test_dense(uniform, size):
    m, n_in, n_out = size
    a, theta, dz = uniform(m, n_in), uniform(1 + n_in, n_out), uniform(m, n_out)

    def cost():
        return np.sum(dz * ops.dense_forward(a, theta))

    assert_gradient(ops.dense_dz_to_dtheta(a, dz), cost, theta)
    assert_gradient(ops.dense_dz_to_da(dz, theta), cost, a)


@pytest.mark.parametrize("window", {**WINDOWS, **OVERPADDED}.items(), ids=lambda window: window[0])
def test_conv2d(uniform, window):
    assert_conv2d_gradients(uniform, 3, 2, *window[1])


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("window", DILATED.items(), ids=lambda window: window[0])
def test_conv2d_with_dilation_and_groups(uniform, window, groups):
    *window, D = window[1]
    assert_conv2d_gradients(uniform, 4, 8, *window, D, groups)


def assert_conv2d_gradients(uniform, C, K, n, f, S, P, D=(1, 1), groups=1):
    a, theta, b = uniform(2, C, *n), uniform(K, C // groups, *f), uniform(K)
    dz = uniform(*conv2d_z(a.shape, theta.shape, b.shape, S, P, D, groups))
    more = {"dilation": D, "groups": groups}

    def cost():
        return np.sum(dz * ops.conv2d_forward(a, theta, b, S, P, **more))

    assert_gradient(ops.conv2d_dz_to_dtheta(a, dz, f, S, P, **more), cost, theta)
    assert_gradient(ops.conv2d_dz_to_db(dz), cost, b)
    assert_gradient(ops.conv2d_dz_to_da(dz, theta, n, S, P, **more), cost, a)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("window", WINDOWS.items(), ids=lambda window: window[0])
def test_pool2d(uniform, window, kind):
    n, f, S, P = window[1]
    forward, backward = {
        "max": (ops.max_pool2d_forward, ops.max_pool2d_dz_to_da),
        "avg": (ops.avg_pool2d_forward, ops.avg_pool2d_dz_to_da),
    }[kind]
    a = uniform(2, 3, *n)
    dz = uniform(*pool2d_a(a.shape, f, S, P))
    assert_gradient(backward(dz, a, f, S, P), lambda: np.sum(dz * forward(a, f, S, P)), a)


@pytest.mark.parametrize("reach", [0.5, 4.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(uniform, name, reach):
    g, da_to_dz = getattr(ops, name), getattr(ops, f"{name}_da_to_dz")
    da, z = uniform(5, 7), uniform(5, 7, low=-reach, high=reach)
    assert np.abs(z).min() > 1e-3  # no kink within reach of the differences
    assert_gradient(da_to_dz(da, z, g(z)), lambda: np.sum(da * g(z)), z)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)], ids=str)
@pytest.mark.parametrize("target", ["labels", "rows"])
def test_softmax_cross_entropy(uniform, target, size):
    m, k = size
    z, rows = uniform(m, k, low=-3, high=3), uniform(m, k, low=0)
    y = np.arange(m) % k if target == "labels" else rows / rows.sum(axis=1, keepdims=True)
    dz = ops.softmax_cross_entropy_dz(z, y)
    if k == 1:
        assert np.all(dz == 0)  # the one class is certain
    else:
        assert_gradient(dz, lambda: ops.softmax_cross_entropy(z, y), z)


@pytest.mark.parametrize("shape", [(1,), (4, 3), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE_COSTS)
def test_elementwise_cost(uniform, name, shape):
    cost, gradient = getattr(ops, name), getattr(ops, ELEMENTWISE_COSTS[name])
    prediction, y = uniform(*shape, low=0.1, high=0.9), uniform(*shape, low=0)
    assert_gradient(gradient(prediction, y), lambda: cost(prediction, y), prediction)


@pytest.mark.parametrize("hard", [0.0, 1.0])
def test_hard_targets(uniform, hard):
    """Targets of exactly 0 and 1, where a term of the cost vanishes."""
    a, y = uniform(3, 2, low=0.1, high=0.9), np.full((3, 2), hard)
    assert_gradient(ops.binary_cross_entropy_da(a, y), lambda: ops.binary_cross_entropy(a, y), a)
    assert_gradient(ops.sigmoid_cross_entropy_dz(a, y), lambda: ops.sigmoid_cross_entropy(a, y), a)
