"""Table T: whole training steps. All contenders begin with the same parameters and see the same batch, again and again.

A step is forward, cost, backward and the optimiser's update. The contenders' costs over the first few steps must agree:
each depends on all gradients before it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from architectures import SOFTMAX, Convolution, Dense, Network, Pool
from contest import Contender, Contest
from numpy.typing import DTypeLike, NDArray
from rows import EpochRow, StepRow

Array = NDArray[Any]
Step = Callable[[], Any]  # one step; returns the cost before it, whatever the library calls a number
AGREEING_STEPS = 5
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # where the Debian package dataset-fashion-mnist puts it


class Weights(NamedTuple):
    """A layer's first parameters: weights (n_in, n_out) or (K, C, f, f), and a bias."""

    weights: Array
    b: Array


def first_weights(network: Network, dtype: DTypeLike) -> list[Weights | None]:
    """Uniform numbers of He's size for each layer, None for a pool; biases that are not 0, so that a mix-up shows."""
    rng, found = np.random.default_rng(0), list[Weights | None]()
    for layer, before, _ in network.shapes():
        if isinstance(layer, Pool):
            found.append(None)
            continue
        fan_in = int(np.prod(before)) if isinstance(layer, Dense) else before[0] * layer.f**2
        count = layer.units if isinstance(layer, Dense) else layer.filters
        shape = (fan_in, count) if isinstance(layer, Dense) else (count, before[0], layer.f, layer.f)
        limit = np.sqrt((6 if layer.activation == "relu" else 3) / fan_in)
        found.append(Weights(rng.uniform(-limit, limit, shape).astype(dtype), rng.uniform(-0.1, 0.1, count).astype(dtype)))
    return found


def samples(network: Network, count: int, dtype: DTypeLike) -> tuple[Array, Array]:
    """Random inputs, and labels or targets as the loss takes them."""
    rng, outputs = np.random.default_rng(1), network.layers[-1].units
    x = rng.uniform(-1, 1, (count, *network.input_shape)).astype(dtype)
    if network.loss == SOFTMAX:
        return x, rng.integers(0, outputs, count)
    if network.loss == "sigmoid_cross_entropy":
        return x, (x.prod(axis=1, keepdims=True) > 0).astype(dtype)
    return x, rng.uniform(-1, 1, (count, outputs)).astype(dtype)


def images(row: EpochRow, dtype: DTypeLike) -> tuple[Array, Array]:
    """Fashion-MNIST where it is installed, else random images of its shape: an epoch takes as long."""
    if FASHION_MNIST.is_dir():
        from fastnn.datasets import load_idx

        (x, y), _ = load_idx(FASHION_MNIST)
        return x.astype(dtype), y
    return samples(row.network, row.n, dtype)


def contest(row: StepRow | EpochRow, dtype: DTypeLike, names: list[str]) -> Contest:
    """fastnn and the named peers on one row."""
    convolves = any(isinstance(layer, Convolution) for layer in row.network.layers)
    formats = ["PyTorch", "PyTorch NHWC"] if convolves else ["PyTorch"]
    libraries = ["fastnn", *(library for name in names for library in (formats if name == "PyTorch" else [name]))]
    if isinstance(row, EpochRow):
        contenders = {library: _epoch(library, row, dtype) for library in libraries}
        return Contest(contenders, atol=0, rtol=0.02)  # of a mean over an epoch of ever more different steps
    contenders = {library: _steps(library, row, dtype) for library in libraries}
    return Contest(contenders, atol=0, rtol=1e-3 if np.dtype(dtype) == np.float32 else 1e-6)


def trainer(library: str, network: Network, weights: list[Weights | None]) -> Any:
    """The network in one of the libraries, which is imported here and not before: first_use.py times that."""
    if library == "fastnn":
        import fastnn_steps

        return fastnn_steps.Trainer(network, weights)
    if library == "JAX":
        import jax_steps

        return jax_steps.Trainer(network, weights)
    import torch_steps

    return torch_steps.Trainer(network, weights, channels_last=library == "PyTorch NHWC")


def _steps(library: str, row: StepRow, dtype: DTypeLike) -> Contender:
    """Steps on one batch, which the library holds already."""
    taken = trainer(library, row.network, first_weights(row.network, dtype))
    step = taken.step_on(*samples(row.network, row.m, dtype))
    return Contender(step, lambda: np.array([float(step()) for _ in range(AGREEING_STEPS)]))


def _epoch(library: str, row: EpochRow, dtype: DTypeLike) -> Contender:
    """Epochs, which the library orders and cuts into batches itself; the first order is the same for all."""
    x, y = images(row, dtype)
    taken = trainer(library, row.network, first_weights(row.network, dtype))
    rng = np.random.default_rng(2)

    def run() -> float:
        return taken.epoch(x, y, row.m, rng)

    return Contender(run, lambda: np.array(run()))
