"""The networks whose training steps are timed, T1 to T8, as data, and their arithmetic: steps.py and its kin build them."""

import math
from collections.abc import Iterator
from typing import NamedTuple


class Dense(NamedTuple):
    """A dense layer and its activation."""

    units: int
    activation: str = "identity"


class Convolution(NamedTuple):
    """Windows of f x f at a stride S, without padding, and an activation."""

    filters: int
    f: int
    S: int = 1
    activation: str = "relu"


class Pool(NamedTuple):
    """Max pooling, its stride its size."""

    f: int


class Network(NamedTuple):
    """Layers for inputs of one shape; a dense layer takes an image as one row. The optimiser is its name and its lr."""

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[Dense | Convolution | Pool, ...]
    loss: str
    optimizer: tuple[str, float]

    def shapes(self) -> Iterator[tuple[Dense | Convolution | Pool, tuple[int, ...], tuple[int, ...]]]:
        """Each layer with the shapes of its input and its output for one sample."""
        shape = self.input_shape
        for layer in self.layers:
            if isinstance(layer, Dense):
                found: tuple[int, ...] = (layer.units,)
            elif isinstance(layer, Convolution):
                found = (layer.filters, *((n - layer.f) // layer.S + 1 for n in shape[1:]))
            else:
                found = (shape[0], *(n // layer.f for n in shape[1:]))
            yield layer, shape, found
            shape = found

    @property
    def flops(self) -> int:
        """Of a step with one sample: forward, dz -> dtheta, and dz -> da but for the first layer."""
        products = []
        for layer, before, after in self.shapes():
            terms = math.prod(before) if isinstance(layer, Dense) else before[0] * layer.f**2
            if not isinstance(layer, Pool):
                products.append(2 * math.prod(after) * terms)
        return 3 * sum(products) - products[0]


SOFTMAX = "softmax_cross_entropy"
PLANE = Network("2-16-1 tanh", (2,), (Dense(16, "tanh"), Dense(1)), "sigmoid_cross_entropy", ("SGD", 0.1))
DIGITS = Network("64-32-10 relu", (64,), (Dense(32, "relu"), Dense(10)), SOFTMAX, ("SGD", 0.1))
MIDDLE = Network("784-128-10 relu", (784,), (Dense(128, "relu"), Dense(10)), SOFTMAX, ("SGD", 0.1))
LARGE = Network("784-512-512-10 relu", (784,), (Dense(512, "relu"), Dense(512, "relu"), Dense(10)), SOFTMAX, ("Adam", 1e-3))
LENET = Network(
    "LeNet",
    (1, 28, 28),
    (Convolution(6, 5), Pool(2), Convolution(16, 5), Pool(2), Dense(120, "relu"), Dense(84, "relu"), Dense(10)),
    SOFTMAX,
    ("Adam", 3e-4),
)
STRIDED = Network("strided", (1, 28, 28), (Convolution(16, 5, 2), Convolution(32, 3, 2), Dense(10)), SOFTMAX, ("SGD", 0.01))
COLOUR = Network(
    "colour",
    (3, 32, 32),
    (
        *(Convolution(32, 3), Convolution(32, 3), Pool(2)),
        *(Convolution(64, 3), Convolution(64, 3), Pool(2)),
        *(Dense(256, "relu"), Dense(10)),
    ),
    SOFTMAX,
    ("SGD", 0.01),
)
MATRIX = Network(
    "4-32-16-4 tanh", (4,), (Dense(32, "tanh"), Dense(16, "tanh"), Dense(4)), "mean_squared_error", ("Adam", 1e-3)
)
