"""The kernels inside a user's own @njit and prange: the same names, arguments and results as from Python."""

import numpy as np
import pytest
from case_rows import UPDATES
from cases import typical
from layouts import fortran, read_only
from numba import njit, prange
from user_code import in_user_code, uniform

from fastnn import kernels
from fastnn.kernels import (
    adam_step,
    avg_pool2d_forward,
    conv2d_dz_to_da,
    conv2d_dz_to_db,
    conv2d_dz_to_dtheta,
    conv2d_forward,
    dense_dz_to_da,
    dense_dz_to_dtheta,
    dense_forward,
    max_pool2d_dz_to_da,
    max_pool2d_forward,
    relu,
    relu_da_to_dz,
    sgd_step,
    softmax_cross_entropy,
    softmax_cross_entropy_dz,
)


@pytest.mark.parametrize("name", [name for name in kernels.__all__ if name not in UPDATES])
def test_every_kernel(name):
    """Without `out`, and with it as the last argument, in one function, since its compilation is what takes time."""
    kernel, arguments = getattr(kernels, name), typical(name).arguments(np.float32)
    expected = kernel(*arguments)
    if not isinstance(expected, np.ndarray):
        assert in_user_code(kernel)(arguments) == expected
        return
    out = np.full_like(expected, np.nan)
    result, same_out = njit(lambda arguments, out: (kernel(*arguments), kernel(*(arguments + (out,)))))(arguments, out)  # noqa: RUF005
    assert same_out is out
    for actual in (result, out):
        np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("name", UPDATES)
def test_every_update(name):
    kernel, case = getattr(kernels, name), typical(name)
    arguments, same = case.arguments(np.float32), case.arguments(np.float32)
    kernel(*arguments)
    assert in_user_code(kernel)(same) is None
    for i in (0, 2):
        np.testing.assert_array_equal(same[i], arguments[i])


# As a user writes it -------------------------------------------------------------------------------------------------


@njit
def train_dense(x, y, theta, velocity, steps):
    """A whole training loop in compiled code, with scratch that the kernels fill."""
    z, dz = np.empty((x.shape[0], theta.shape[1]), x.dtype), np.empty((x.shape[0], theta.shape[1]), x.dtype)
    for _ in range(steps):
        dense_forward(x, theta, out=z)
        softmax_cross_entropy_dz(z, y, out=dz)
        sgd_step(theta, dense_dz_to_dtheta(x, dz), velocity, lr=0.5, momentum=0.9, nesterov=True)
    return softmax_cross_entropy(z, y)


def test_training_loop():
    """The compiled function computes what its Python body does, and learns."""
    x, y = uniform(20, 3), np.arange(20) % 3
    x[np.arange(20), y] += 1
    state = [np.zeros((4, 3), np.float32) for _ in range(4)]
    cost = train_dense(x, y, state[0], state[1], 50)
    same = train_dense.py_func(x, y, state[2], state[3], 50)
    np.testing.assert_allclose(cost, same, rtol=1e-5)
    np.testing.assert_allclose(state[0], state[2], rtol=1e-3, atol=1e-4)
    assert cost < 0.5 < np.log(3)


@njit
def convolve(a, theta, b, dz, z):
    """Ints, pairs and defaults, by position and by keyword."""
    return (
        conv2d_forward(a, theta, b),
        conv2d_forward(a, theta, b, 2),
        conv2d_forward(a, theta, b, (2, 1), padding=(0, 1)),
        conv2d_forward(a, theta, b, padding=1, stride=2, out=z),
        conv2d_dz_to_dtheta(a, dz, kernel_size=3, stride=2, padding=1),
        conv2d_dz_to_dtheta(a, dz, (3, 3), (2, 2), (1, 1)),
        conv2d_dz_to_da(dz, theta, (5, 7), stride=2, padding=1),
        conv2d_dz_to_da(dz=dz, theta=theta, input_size=(a.shape[2], a.shape[3]), stride=(2, 2), padding=(1, 1)),
        conv2d_dz_to_db(dz),
    )


@njit
def convolve_apart(a, theta, b, dz):
    """Dilation and groups, which come after `out`, by keyword and by position."""
    more = 2
    return (
        conv2d_forward(a, theta, b, dilation=2, groups=2),
        conv2d_forward(a, theta, b, 1, 0, None, (2, 2), more),
        conv2d_forward(a, theta, b, groups=more, padding=(1, 0), dilation=(1, 2)),
        conv2d_dz_to_dtheta(a, dz, 3, groups=2, dilation=2),
        conv2d_dz_to_dtheta(a, dz, (3, 3), (1, 1), (0, 0), out=np.empty_like(theta), groups=more, dilation=(2, 2)),
        conv2d_dz_to_da(dz, theta, (5, 7), dilation=more, groups=more),
        conv2d_dz_to_da(dz, theta, (5, 7), 1, 0, None, 2, 2),
    )


NAME = "tanh"


@njit
def activate(x, theta, a, kernel, b, z):
    """Names of activations: written out, by keyword and by position, and a constant."""
    return (
        dense_forward(x, theta, activation="relu"),
        dense_forward(x, theta, None, "gelu"),
        dense_forward(x, theta, z, activation=NAME),
        conv2d_forward(a, kernel, b, activation="silu"),
        conv2d_forward(a, kernel, b, 2, (1, 0), None, 1, 1, NAME),
    )


@njit
def pool(a, dz, z):
    """A pool's stride is its size unless it is given."""
    return (
        max_pool2d_forward(a, 2),
        max_pool2d_forward(a, (2, 3), padding=1),
        max_pool2d_forward(a, 2, stride=(1, 2), out=z),
        max_pool2d_forward(a, 2, None, 0),
        avg_pool2d_forward(a, 2, padding=(1, 0)),
        max_pool2d_dz_to_da(dz, a, 2),
        max_pool2d_dz_to_da(dz, a, size=2, stride=2),
    )


@njit
def update(theta, dtheta, moments, velocity):
    """Updates with and without their defaults."""
    adam_step(theta, dtheta, moments, 1, 0.1)
    adam_step(theta, dtheta, moments, step=2, lr=1, constants=(0.5, 0.75, 1e-3))
    sgd_step(theta, dtheta, velocity, 0.1)
    sgd_step(theta, dtheta, velocity, 0.1, nesterov=True, momentum=0.5)
    return theta, moments, velocity


USER_CODE = {
    "convolve": (convolve, [(2, 3, 5, 7), (4, 3, 3, 3), (4,), (2, 4, 3, 4), (2, 4, 3, 4)]),
    "convolve_apart": (convolve_apart, [(2, 6, 5, 7), (4, 3, 3, 3), (4,), (2, 4, 1, 3)]),
    "activate": (activate, [(2, 3), (4, 5), (2, 3, 5, 7), (4, 3, 3, 3), (4,), (2, 5)]),
    "pool": (pool, [(2, 3, 4, 6), (2, 3, 2, 3), (2, 3, 3, 3)]),
    "update": (update, [(5,), (5,), (2, 5), (5,)]),
}


@pytest.mark.parametrize(("function", "shapes"), USER_CODE.values(), ids=USER_CODE)
def test_as_from_python(function, shapes):
    arguments, same = ([np.abs(uniform(*shape)) for shape in shapes] for _ in range(2))
    for result, expected in zip(function(*arguments), function.py_func(*same), strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


def test_layouts():
    """Other layouts than C have other types in compiled code."""
    a, theta = uniform(5, 3), uniform(4, 6)
    expected = dense_forward(a, theta)
    for call in ((fortran(a), read_only(theta)), (a[::-1][::-1], np.ascontiguousarray(theta.T).T), (read_only(a), theta)):
        out = np.full((6, 5), np.nan, np.float32).T
        in_user_code(dense_forward)((*call, out))
        np.testing.assert_array_equal(out, expected)


# prange --------------------------------------------------------------------------------------------------------------


@njit(parallel=True)
def samples_in_parallel(images, kernel, b, theta, labels, costs, dthetas, states):
    """One sample an iteration through a kernel of each file."""
    for n in prange(images.shape[0]):
        a = images[n : n + 1]
        z = conv2d_forward(a, kernel, b, 1, 0)
        pooled = max_pool2d_forward(relu(z), 2)
        flat = pooled.reshape((1, pooled.size))
        logits = dense_forward(flat, theta)
        costs[n] = softmax_cross_entropy(logits, labels[n : n + 1])
        dz = softmax_cross_entropy_dz(logits, labels[n : n + 1])
        dpooled = dense_dz_to_da(dz, theta).reshape(pooled.shape)
        da = max_pool2d_dz_to_da(dpooled, relu(z), 2)
        conv2d_dz_to_dtheta(a, relu_da_to_dz(da, z, relu(z)), 3, out=dthetas[n : n + 1].reshape(kernel.shape))
        adam_step(states[n, 0], dthetas[n].ravel(), states[n, 1:], 1, 0.1)


def test_prange():
    m, kernel, b = 16, uniform(4, 2, 3, 3), uniform(4)
    images, theta, labels = uniform(m, 2, 6, 6), uniform(17, 3), np.arange(m) % 3
    parallel, serial = (
        (np.empty(m), np.empty((m, *kernel.shape), np.float32), np.zeros((m, 3, kernel.size), np.float32)) for _ in range(2)
    )
    samples_in_parallel(images, kernel, b, theta, labels, *parallel)
    samples_in_parallel.py_func(images, kernel, b, theta, labels, *serial)
    for result, expected in zip(parallel, serial, strict=True):
        np.testing.assert_array_equal(result, expected)
