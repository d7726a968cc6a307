"""fastnn's training steps: the one place that says how fastnn takes a step."""

from collections.abc import Callable

from architectures import Convolution, Dense, Network
from steps import Array, Weights

import fastnn
from fastnn import compiled, losses


class Trainer:
    """A network with given parameters, and its optimiser."""

    def __init__(self, network: Network, weights: list[Weights | None]) -> None:
        self.network = network
        dtype = next(found.b.dtype for found in weights if found is not None)
        self.model = fastnn.Sequential(*layers(network), input_shape=network.input_shape, dtype=dtype)
        holders = [layer for layer in self.model.layers if layer.parameter_shapes]
        for layer, found in zip(holders, [found for found in weights if found is not None], strict=True):
            theta = layer.parameters["theta"]
            if isinstance(layer, fastnn.Dense):
                theta[0], theta[1:] = found.b, found.weights
            else:
                theta[...], layer.parameters["b"][...] = found.weights, found.b
        kind, lr = network.optimizer
        self.optimizer = {"SGD": fastnn.SGD, "Adam": fastnn.Adam}[kind](lr)

    def step_on(self, x: Array, y: Array) -> Callable[[], float]:
        """One step on this batch where it lies, by all threads: `fit`'s own but for the gathering, which no peer does."""
        loss = losses.find(self.network.loss)
        steps = compiled.Trainer(self.model, loss, self.optimizer, len(x), len(x))
        inputs, targets = steps.inputs(x), steps.targets(y, loss)
        return lambda: steps.step(inputs, targets)

    def epoch(self, x: Array, y: Array, m: int, rng) -> float:
        """One epoch of `fit`; the mean cost of its batches."""
        self.model.rng = rng
        history = self.model.fit(x, y, self.network.loss, self.optimizer, 1, m, verbose=0)
        return history["loss"][0]


def layers(network: Network) -> list[fastnn.Layer]:
    """The network's layers, with a Flatten where an image meets a dense layer."""
    found: list[fastnn.Layer] = []
    for layer, before, _ in network.shapes():
        if isinstance(layer, Dense):
            found += [fastnn.Flatten()] * (len(before) == 3)
            found.append(fastnn.Dense(layer.units, layer.activation))
        elif isinstance(layer, Convolution):
            found.append(fastnn.Conv2D(layer.filters, layer.f, layer.S, activation=layer.activation))
        else:
            found.append(fastnn.MaxPool2D(layer.f))
    return found
