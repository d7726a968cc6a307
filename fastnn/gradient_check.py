"""Whether a model's gradients are those of its cost: backpropagation against central differences."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastnn import training
from fastnn.losses import Loss
from fastnn.model import Sequential


class GradientCheck(NamedTuple):
    """The parameter whose gradient is worst, and by how much, relative to the largest gradient of all."""

    error: float
    name: str
    backpropagated: float
    difference: float
    checked: int

    def __str__(self) -> str:
        return (
            f"worst of {self.checked} parameters: {self.name}, backpropagation {self.backpropagated:.9g}, "
            f"central difference {self.difference:.9g}, error {self.error:.2e} of the largest gradient"
        )


def check_gradients(
    model: Sequential, x: ArrayLike, y: ArrayLike, loss: str | Loss | None = None, most: int = 2000, step: float = 1e-6
) -> GradientCheck:
    """(6) dtheta against (J(theta + h) - J(theta - h)) / 2h for every parameter, or for `most` of them drawn by the seed.

    A float64 copy of the model does the work, with dropout off, so the model stays as it is. A parameter at a kink (relu,
    max pooling) can show a large error that is none: look at the one that is named. The loss is chosen as in `evaluate`.
    """
    chosen = training.chosen_loss(model, y, loss)
    twin = _twin(model)
    inputs, targets = training.pairs(twin, x, y, chosen)
    inputs = training.batch_of(inputs, slice(None), twin.dtype)
    a = twin.forward(inputs)
    twin.backward(chosen.da(a, targets))
    gradients = twin.gradients.copy()
    places = np.arange(gradients.size)
    most = training.count("most", most, 1)
    if gradients.size > most:
        places = np.sort(np.random.default_rng(model.seed).choice(gradients.size, most, replace=False))
    if not len(places):
        raise ValueError("model: expected at least one parameter")
    differences = np.array([_difference(twin, inputs, targets, chosen, int(place), step) for place in places])
    largest = np.abs(gradients[np.isfinite(gradients)]).max(initial=np.finfo(np.float64).tiny)
    errors = np.nan_to_num(np.abs(gradients[places] - differences) / largest, nan=np.inf, posinf=np.inf)
    worst = int(np.argmax(errors))
    place = int(places[worst])
    return GradientCheck(
        float(errors[worst]), _name(model, place), float(gradients[place]), float(differences[worst]), len(places)
    )


def _twin(model: Sequential) -> Sequential:
    """A float64 copy of the model."""
    layers = [type(layer)(**layer.config()) for layer in model.layers]
    twin = Sequential(*layers, input_shape=model.input_shape, seed=model.seed, dtype=np.float64)
    twin.parameters[...] = model.parameters
    return twin


def _difference(twin: Sequential, x: training.Floats, y: training.Floats, loss: Loss, place: int, step: float) -> float:
    value = twin.parameters[place]
    costs = []
    for moved in (value + step, value - step):
        twin.parameters[place] = moved
        costs.append(loss.cost(twin.forward(x), y))
    twin.parameters[place] = value
    return (costs[0] - costs[1]) / (2 * step)


def _name(model: Sequential, place: int) -> str:
    """The parameter at a place of the flat array, as layers[1].theta[2, 3]."""
    for number, layer in enumerate(model.layers):
        for name, values in layer.parameters.items():
            if place < values.size:
                index = ", ".join(str(i) for i in np.unravel_index(place, values.shape))
                return f"layers[{number}].{name}[{index}]"
            place -= values.size
    raise AssertionError("a place behind the last parameter")
