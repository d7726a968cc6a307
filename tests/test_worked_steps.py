"""Costs and optimiser steps that were worked out by hand, as in test_worked_answers.py."""

import math

import numpy as np
import pytest

from fastnn.backend import ops


def array(*values):
    return np.array(values, np.float64)


def assert_equal(actual, expected):
    """Equal up to the last digits of float64: every expected value is exact or a formula."""
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-15)


# Costs ---------------------------------------------------------------------------------------------------------------

LOGITS = array([0, math.log(3)], [math.log(4), 0])  # softmax: (1/4, 3/4), (4/5, 1/5)


@pytest.mark.parametrize("y", [np.array([0, 1]), array([1, 0], [0, 1])], ids=["labels", "rows"])
def test_softmax_cross_entropy(y):
    """J = (log 4 + log 5) / 2; dz = (y^ - y) / 2."""
    assert_equal(ops.softmax(LOGITS), [[0.25, 0.75], [0.8, 0.2]])
    assert_equal(ops.softmax_cross_entropy(LOGITS, y), math.log(20) / 2)
    assert_equal(ops.softmax_cross_entropy_dz(LOGITS, y), [[-0.375, 0.375], [0.4, -0.4]])


def test_softmax_cross_entropy_with_soft_rows():
    """-(1/4 log 1/4 + 3/4 log 3/4) is the entropy of the target, which its own logits reach: dz is 0."""
    y = array([0.25, 0.75])
    assert_equal(ops.softmax_cross_entropy(LOGITS[:1], y), 0.25 * math.log(4) + 0.75 * math.log(4 / 3))
    assert_equal(ops.softmax_cross_entropy_dz(LOGITS[:1], y), [[0, 0]])


def test_sigmoid_cross_entropy():
    """sigmoid(log 3) = 3/4: J is the mean over two samples of the sums of -log(3/4), -log(1/4), and twice log 2."""
    z, y = array([math.log(3), math.log(3)], [0, 0]), array([1, 0], [1, 0.5])
    assert_equal(ops.sigmoid_cross_entropy(z, y), (math.log(16 / 3) + 2 * math.log(2)) / 2)
    assert_equal(ops.sigmoid_cross_entropy_dz(z, y), [[-0.125, 0.375], [-0.25, 0]])


def test_binary_cross_entropy():
    """da = ((1 - y) / (1 - a) - y / a) / 2."""
    a, y = array([0.75, 0.75], [0.5, 0.5]), array([1, 0], [1, 0.5])
    assert_equal(ops.binary_cross_entropy(a, y), (math.log(16 / 3) + 2 * math.log(2)) / 2)
    assert_equal(ops.binary_cross_entropy_da(a, y), [[-2 / 3, 2], [-1, 0]])


def test_mean_squared_error():
    """(1 + 4 + 9 + 0) / 4, and 2 (a - y) / 4: the mean over all elements."""
    a, y = array([1, 2], [3, 4]), array([0, 4], [0, 4])
    assert_equal(ops.mean_squared_error(a, y), 3.5)
    assert_equal(ops.mean_squared_error_da(a, y), [[0.5, -1], [1.5, 0]])


# Activations ---------------------------------------------------------------------------------------------------------

PHI_AT_1 = (1 + math.erf(math.sqrt(0.5))) / 2  # the normal distribution function
DENSITY_AT_1 = math.exp(-0.5) / math.sqrt(2 * math.pi)
SIGMOID_AT_1 = 1 / (1 + math.exp(-1))

# g(-1), g(0), g(1), and g' there.
VALUES = {
    "identity": ([-1, 0, 1], [1, 1, 1]),
    "relu": ([0, 0, 1], [0, 0, 1]),
    "leaky_relu": ([-0.01, 0, 1], [0.01, 0.01, 1]),
    "sigmoid": (
        [1 - SIGMOID_AT_1, 0.5, SIGMOID_AT_1],
        [SIGMOID_AT_1 * (1 - SIGMOID_AT_1), 0.25, SIGMOID_AT_1 * (1 - SIGMOID_AT_1)],
    ),
    "tanh": ([-math.tanh(1), 0, math.tanh(1)], [1 / math.cosh(1) ** 2, 1, 1 / math.cosh(1) ** 2]),
    "elu": ([math.exp(-1) - 1, 0, 1], [math.exp(-1), 1, 1]),
    "softplus": (
        [math.log(1 + math.exp(-1)), math.log(2), math.log(1 + math.e)],
        [1 - SIGMOID_AT_1, 0.5, SIGMOID_AT_1],
    ),
    "silu": (
        [SIGMOID_AT_1 - 1, 0, SIGMOID_AT_1],
        [(1 - SIGMOID_AT_1) * (1 - SIGMOID_AT_1), 0.5, SIGMOID_AT_1 * (2 - SIGMOID_AT_1)],
    ),
    "gelu": (
        [PHI_AT_1 - 1, 0, PHI_AT_1],
        [1 - PHI_AT_1 - DENSITY_AT_1, 0.5, PHI_AT_1 + DENSITY_AT_1],
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_activation(name):
    (a, slopes), z = VALUES[name], array(-1, 0, 1)
    assert_equal(getattr(ops, name)(z), a)
    assert_equal(getattr(ops, f"{name}_da_to_dz")(array(1, 2, 3), z, array(*a)), np.multiply(slopes, [1, 2, 3]))


# Optimiser steps -----------------------------------------------------------------------------------------------------


def test_sgd():
    """theta -= 0.5 dtheta; without momentum the velocity stays as it is."""
    theta, velocity = array(1, 2), array(7, 7)
    ops.sgd_step(theta, array(2, -4), velocity, 0.5)
    assert_equal(theta, [0, 4])
    assert_equal(velocity, [7, 7])


def test_momentum():
    """v = 0.5 v + dtheta: 2, then 3, then 3.5; theta = 10 - 2 - 3 - 3.5."""
    theta, velocity = array(10), array(0)
    for _ in range(3):
        ops.sgd_step(theta, array(2), velocity, 1.0, 0.5)
    assert_equal(velocity, [3.5])
    assert_equal(theta, [1.5])


def test_nesterov():
    """Steps by dtheta + 0.5 v: 2 + 1, then 2 + 1.5."""
    theta, velocity = array(10), array(0)
    for _ in range(2):
        ops.sgd_step(theta, array(2), velocity, 1.0, 0.5, nesterov=True)
    assert_equal(velocity, [3])
    assert_equal(theta, [3.5])


def test_adam():
    """beta = (1/2, 3/4), epsilon = 1. Step 1: m^ = 2, v^ = 4, so theta -= 3 * 2 / 3. Then dtheta = -1.

    Step 2: m = (1 - 1) / 2 = 0, v = (3 * 1 + 1) / 4 = 1, so theta stays.
    """
    theta, moments = array(10), array([0], [0])
    ops.adam_step(theta, array(2), moments, 1, 3.0, (0.5, 0.75, 1.0))
    assert_equal(moments, [[1], [1]])
    assert_equal(theta, [8])
    ops.adam_step(theta, array(-1), moments, 2, 3.0, (0.5, 0.75, 1.0))
    assert_equal(moments, [[0], [1]])
    assert_equal(theta, [8])


def test_adam_frees_the_moments_of_their_bias():
    """Step 2 with dtheta = 2 again: m = 3/2, m^ = 3/2 / (3/4) = 2; v = 7/4, v^ = 7/4 / (7/16) = 4; theta -= 3 * 2 / 3."""
    theta, moments = array(8), array([1], [1])
    ops.adam_step(theta, array(2), moments, 2, 3.0, (0.5, 0.75, 1.0))
    assert_equal(moments, [[1.5], [1.75]])
    assert_equal(theta, [6])


def test_adams_first_step_has_the_length_of_the_learning_rate():
    """m^ / sqrt(v^) = sign(dtheta) with the published constants, up to epsilon, and 0 where the gradient is 0."""
    theta, moments = array(1, 1, 1), np.zeros((2, 3))
    ops.adam_step(theta, array(1000, -0.001, 0), moments, 1, 0.25)
    np.testing.assert_allclose(theta, [0.75, 1.25, 1], rtol=1e-5)
    assert_equal(moments, [[100, -0.0001, 0], [1000, 1e-9, 0]])


def test_adamw():
    """theta decays by 1 - 3 * 0.1 before Adam's step of 2: 10 * 0.7 - 2."""
    theta, moments = array(10), array([0], [0])
    ops.adamw_step(theta, array(2), moments, 1, 3.0, 0.1, (0.5, 0.75, 1.0))
    assert_equal(moments, [[1], [1]])
    assert_equal(theta, [5])
