"""Numbers below the smallest normal one cost a CPU a hundred cycles each: a training step does not stumble over them."""

import time

import numpy as np
import pytest
from networks import samples

import fastnn
from fastnn import SGD, Adam, AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D, Sequential, jit
from fastnn.kernels.compiler import calls

ROUNDS = 15
NETWORKS = {
    "dense": lambda dtype: Sequential(Dense(128, "tanh"), Dense(10), input_shape=784, dtype=dtype),
    "convolutional": lambda dtype: Sequential(
        Conv2D(6, 5, activation="relu"), MaxPool2D(2), Conv2D(8, 5, activation="gelu"), AvgPool2D(2), Flatten(), Dense(10),
        input_shape=(1, 28, 28), dtype=dtype,
    ),
}  # fmt: skip


def shortest(calls):
    """The shortest time of each call, in turn."""
    best = [np.inf] * len(calls)
    for _ in range(ROUNDS):
        for place, call in enumerate(calls):
            begun = time.perf_counter()
            call()
            best[place] = min(best[place], time.perf_counter() - begun)
    return best


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_is_not_slowed(name, dtype):
    """At most by 2, where all inputs, parameters or moments are subnormal: without the mode of calls.py it was 15 to 570."""
    model = NETWORKS[name](dtype)
    x, y = samples(model, 64)
    x, tiny, theta = x.astype(dtype), np.finfo(dtype).tiny / 8, model.parameters.copy()
    net = model.compiled("softmax_cross_entropy", Adam())
    space, small_x, small_theta = jit.workspace(net, 64), (x * tiny).astype(dtype), (theta * tiny).astype(dtype)

    def step(inputs, parameters, moments):
        model.parameters[...] = parameters
        net.moments[...] = moments
        jit.step(net, inputs, y, space)

    step(x, theta, 0)
    usual, *others = shortest([
        lambda: step(x, theta, 0),
        lambda: step(small_x, theta, 0),
        lambda: step(x, small_theta, 0),
        lambda: step(x, theta, tiny),
        lambda: step(small_x, small_theta, tiny),
    ])  # fmt: skip
    assert max(others) < 2 * usual


LAYERS = {
    "dense": lambda dtype: Sequential(Dense(3), input_shape=4, dtype=dtype),
    "convolutional": lambda dtype: Sequential(Conv2D(3, 2), input_shape=(2, 3, 3), dtype=dtype),
}


@pytest.mark.skipif(not (calls.is_x86() or calls.is_arm()), reason="of other CPUs the mode is not known")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_in_a_step_they_count_as_0(name, dtype):
    """Forward, backward and in the optimiser; so on CPUs, too, that are quick at them, where no time would tell."""
    model, tiny = LAYERS[name](dtype), np.finfo(dtype).tiny / 8
    net = model.compiled("mean_squared_error", SGD(0.1, momentum=0.5))
    x, y = np.full((8, *model.input_shape), tiny, dtype), np.full((8, *model.output_shape), -1, dtype)
    weights, space = model.layers[0].parameters["theta"], jit.workspace(net, 8)
    model.parameters[...] = 0
    weights[...] = 1
    if name == "dense":
        weights[0] = 0  # the bias
    assert jit.forward(net, x, space).max() == 0 < model.forward(x).min()
    jit.gradient(net, x, y, space)
    of_weights = (model.parameters == 1).nonzero()
    assert np.count_nonzero(net.gradients) == 3
    assert not net.gradients[of_weights].any()
    net.moments[...] = tiny
    jit.step(net, x, y, space)
    assert not net.moments.reshape(-1)[of_weights].any()


def test_elsewhere_they_are_numbers_as_ever():
    """The mode is put back after each call: after good ones, after refused ones, and in a kernel by itself."""
    net = NETWORKS["dense"](np.float32).compiled()
    x, y = np.ones((8, 784), np.float32), np.zeros(8, np.int64)
    space, small = jit.workspace(net, 8), np.full(3, 1e-40, np.float32)
    for call in (jit.step, jit.gradient, jit.cost):
        call(net, x, y, space)
        assert (small * np.float32(0.5)).min() > 0
        with pytest.raises(IndexError):
            call(net, x, y - 1, space)
        assert (small * np.float32(0.5)).min() > 0
    jit.forward(net, x, space)
    assert fastnn.ops.relu(small).min() > 0
    assert fastnn.ops.leaky_relu(-small).max() < 0
