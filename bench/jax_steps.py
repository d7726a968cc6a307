"""JAX's training steps: one jitted function a step, its old state donated; block_until_ready.

Images are NHWC: with two convolutions of T7 a step took 0.84 of its time in NCHW; with LeNet's it took as long.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import peers
from architectures import SOFTMAX, Convolution, Dense, Network
from steps import Array, Weights

jax = peers.jax()
jnp, lax = jax.numpy, jax.lax
ACTIVATIONS = {"relu": lambda z: jnp.maximum(z, 0), "tanh": jnp.tanh, "identity": lambda z: z}
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # PyTorch's and fastnn's


class Trainer:
    """A network with given parameters, and its optimiser's state."""

    def __init__(self, network: Network, weights: list[Weights | None]) -> None:
        parameters = arranged(network, weights)
        dtype = parameters[0][0].dtype
        zeros = partial(jax.tree.map, jnp.zeros_like, parameters)
        moments = (zeros(), zeros()) if network.optimizer[0] == "Adam" else ()
        self.state = parameters, moments, jnp.zeros((), dtype)
        self.step = jax.jit(partial(step, network), donate_argnums=0)

    def step_on(self, x: Array, y: Array) -> Callable[[], Any]:
        """One step on this batch, until its results are there."""
        inputs, targets = jnp.asarray(channels_last(x)), jnp.asarray(y)

        def run() -> Any:
            self.state, cost = jax.block_until_ready(self.step(self.state, inputs, targets))
            return cost

        return run

    def epoch(self, x: Array, y: Array, m: int, rng: np.random.Generator) -> float:
        """One pass over the samples in a new order; the mean cost of its batches."""
        x, order, costs = channels_last(x), rng.permutation(len(x)), []
        for begin in range(0, len(x), m):
            batch = order[begin : begin + m]
            self.state, cost = self.step(self.state, x[batch], y[batch])
            costs.append((cost, len(batch)))
        jax.block_until_ready(self.state)
        return sum(float(cost) * count for cost, count in costs) / len(x)


def channels_last(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def arranged(network: Network, weights: list[Weights | None]) -> list[tuple[Any, Any]]:
    """The parameters for NHWC: kernels (f, f, C, K), and the rows that meet an image in its order."""
    found = []
    for (layer, before, _), values in zip(network.shapes(), weights, strict=True):
        if values is None:
            continue
        theta = values.weights
        if isinstance(layer, Convolution):
            theta = theta.transpose(2, 3, 1, 0)
        elif len(before) == 3:
            theta = theta.reshape(*before, -1).transpose(1, 2, 0, 3).reshape(theta.shape)
        found.append((jnp.array(theta), jnp.array(values.b)))
    return found


def forward(network: Network, parameters: list[tuple[Any, Any]], a: Any) -> Any:
    remaining = iter(parameters)
    for layer in network.layers:
        if isinstance(layer, Dense):
            weights, b = next(remaining)
            a = ACTIVATIONS[layer.activation](a.reshape(len(a), -1) @ weights + b)
        elif isinstance(layer, Convolution):
            weights, b = next(remaining)
            numbers = ("NHWC", "HWIO", "NHWC")
            z = lax.conv_general_dilated(a, weights, (layer.S, layer.S), "VALID", dimension_numbers=numbers) + b
            a = ACTIVATIONS[layer.activation](z)
        else:
            window = (1, layer.f, layer.f, 1)
            a = lax.reduce_window(a, -jnp.inf, lax.max, window, window, "VALID")
    return a


def cost(network: Network, parameters: list[tuple[Any, Any]], x: Any, y: Any) -> Any:
    z = forward(network, parameters, x)
    if network.loss == SOFTMAX:
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()
    if network.loss == "sigmoid_cross_entropy":
        return (jax.nn.softplus(z) - y * z).mean()
    return ((z - y) ** 2).mean()


def step(network: Network, state: Any, x: Any, y: Any) -> Any:
    """One step: the new state, and the cost before it."""
    parameters, moments, count = state
    before, gradients = jax.value_and_grad(partial(cost, network))(parameters, x, y)
    lr = network.optimizer[1]
    if network.optimizer[0] == "SGD":
        return (jax.tree.map(lambda theta, g: theta - lr * g, parameters, gradients), moments, count), before
    count = count + 1
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, moments[0], gradients)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, moments[1], gradients)
    rate, scale = lr / (1 - BETA_1**count), 1 / jnp.sqrt(1 - BETA_2**count)
    update = partial(jax.tree.map, lambda theta, m, v: theta - rate * m / (jnp.sqrt(v) * scale + EPSILON))
    return (update(parameters, first, second), (first, second), count), before
