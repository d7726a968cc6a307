"""Sequential: layers one behind the other, with all parameters in one flat array."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn import compiled, files, losses, training
from fastnn.constants import BATCH
from fastnn.layers import Layer, Shape
from fastnn.losses import Loss
from fastnn.optimizers import Optimizer

Floats = NDArray[np.floating]


class Evaluation(NamedTuple):
    """The mean cost over some samples, and the share of right answers (None where the loss knows none)."""

    cost: float
    accuracy: float | None


class Sequential:
    """A network of layers, for inputs of one shape.

    layers       Dense, Conv2D, ConvTranspose2D, MaxPool2D, AvgPool2D, Flatten, Dropout; each belongs to one model.
    input_shape  of one sample: (n_in,) or an int, or (C, H, W).
    seed         of the first parameters, the shuffles and the dropout.
    dtype        float32 or float64.

    `parameters` is one array with all of them, and `gradients` another with theirs; each layer's are views of the two.
    Whoever writes into `parameters` in place (an optimiser of their own, an evolution strategy) changes the model.
    """

    def __init__(
        self, *layers: Layer, input_shape: int | Sequence[int], seed: int = 0, dtype: DTypeLike = np.float32
    ) -> None:
        self.layers = layers
        self.input_shape = _shape(input_shape)
        self.seed = training.count("seed", seed, 0)
        self.dtype = _dtype(dtype)
        self.loss: Loss | None = None  # the one it was last fitted with
        self.output_shape = _build(self.layers, self.input_shape)
        self._lay_out()
        self._initialise()

    def _lay_out(self) -> None:
        """Make the flat arrays."""
        count = sum(math.prod(shape) for layer in self.layers for shape in layer.parameter_shapes.values())
        self._parameters: Floats = np.zeros(count, self.dtype)
        self._gradients: Floats = np.zeros(count, self.dtype)
        self._bind()

    def _bind(self) -> None:
        """Give each layer its part of the flat arrays."""
        begin = 0
        for layer in self.layers:
            views: tuple[dict[str, Floats], dict[str, Floats]] = ({}, {})
            for name, shape in layer.parameter_shapes.items():
                end = begin + math.prod(shape)
                for view, flat in zip(views, (self._parameters, self._gradients), strict=True):
                    view[name] = flat[begin:end].reshape(shape)
                begin = end
            layer.bind(*views, self.dtype)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's or a pickle's layers get views of its own flat arrays; as they arrive they are arrays apart."""
        self.__dict__.update(state)
        self._bind()

    @property
    def parameters(self) -> Floats:
        """All parameters, one after the other. Assigning writes into the array: the layers' views stay views."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        _write("parameters", self._parameters, values)

    @property
    def gradients(self) -> Floats:
        """The gradients of `parameters`, in the same order, as the last `backward` left them."""
        return self._gradients

    @gradients.setter
    def gradients(self, values: ArrayLike) -> None:
        _write("gradients", self._gradients, values)

    def _initialise(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        for layer in self.layers:
            layer.initialise(self.rng)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        """a^[0] (m, *input_shape) -> a^[L] (m, *output_shape), valid until the next call; a has the model's dtype."""
        for layer in self.layers:
            a = layer.forward(a, training)
        return a

    def backward(self, da: Floats) -> None:
        """da^[L] -> `gradients`, for the batch that went forward last. da^[0] is not computed."""
        first = next((place for place, layer in enumerate(self.layers) if layer.parameter_shapes), len(self.layers))
        gradient: Floats | None = da
        for place in range(len(self.layers) - 1, first - 1, -1):
            assert gradient is not None
            gradient = self.layers[place].backward(gradient, needs_da=place > first)

    def cost_and_gradients(self, x: Floats, y: NDArray[Any], loss: str | Loss) -> float:
        """Forward and backward for one batch, as while training: returns the cost (4) and fills `gradients`."""
        loss = losses.find(loss)
        a = self.forward(x, training=True)
        cost = loss.cost(a, y)
        self.backward(loss.da(a, y))
        return cost

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: str | Loss = "softmax_cross_entropy",
        optimizer: Optimizer | None = None,
        epochs: int = 10,
        batch_size: int = 64,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        shuffle: bool = True,
        patience: int | None = None,
        verbose: int = 1,
        progress: bool | None = None,
    ) -> training.History:
        """Train on x (n, *input_shape) and y; returns the history, an entry an epoch.

        loss             a Loss, or a name: softmax_cross_entropy, sigmoid_cross_entropy, mean_squared_error,
                         binary_cross_entropy.
        optimizer        by default Adam(1e-3). One that is used again with the same model goes on from its state.
        validation_data  (x, y) to evaluate after each epoch.
        shuffle          draw a new order of the samples each epoch, from the model's seed.
        patience         stop when the validation cost has not fallen for so many epochs, and take the best parameters back.
        verbose          1 prints a line an epoch, 0 nothing.
        progress         a bar within the epoch: True needs the extra `progress`; by default one is shown on a terminal,
                         where the extra is installed.

        Ctrl-C ends the training early: the model keeps what it has learnt, and the history says `interrupted`.
        """
        plan = training.Plan(losses.find(loss), optimizer, epochs, batch_size, shuffle, patience, verbose, progress)
        return training.fit(self, x, y, plan, validation_data)

    def compiled(self, loss: str | Loss = "softmax_cross_entropy", optimizer: Optimizer | None = None) -> Any:
        """The model as a value for compiled code: fastnn.jit's functions take it, in Python and inside @njit.

        loss and optimizer are those of `fit`, but for ones of your own: TypeError; RuntimeError where the backend is NumPy.
        The value shares parameters, gradients and the optimiser's moments with this model; all networks have one Numba type.
        It is made with the optimiser's settings as they are now, and counts the optimiser's steps and the draws of dropout
        for itself, on from where they are: setting `optimizer.lr` later changes nothing there (make the value anew, or write
        to `net.settings`), and a later `fit` goes on from the model's own counts.
        """
        return compiled.network(self, loss, optimizer)

    def predict(self, x: ArrayLike, batch_size: int = BATCH) -> Floats:
        """a^[L] (n, *output_shape) for x (n, *input_shape): the logits, where the last layer has no activation."""
        samples = training.samples("x", x, self.input_shape)
        predicted = np.empty((len(samples), *self.output_shape), self.dtype)
        for batch in training.slices(len(samples), training.count("batch_size", batch_size, 1)):
            predicted[batch] = self.forward(training.batch_of(samples, batch, self.dtype))
        return predicted

    def evaluate(self, x: ArrayLike, y: ArrayLike, loss: str | Loss | None = None, batch_size: int = BATCH) -> Evaluation:
        """The mean cost and the accuracy on x (n, *input_shape) and y.

        loss  by default the one the model was fitted with; for a model that never was, softmax_cross_entropy where y is
              integers, else mean_squared_error.
        """
        chosen = training.chosen_loss(self, y, loss)
        samples, targets = training.pairs(self, x, y, chosen)
        cost, right = 0.0, 0
        for batch in training.slices(len(samples), training.count("batch_size", batch_size, 1)):
            a = self.forward(training.batch_of(samples, batch, self.dtype))
            cost += chosen.cost(a, targets[batch]) * len(a)
            right += 0 if chosen.hits is None else int(chosen.hits(a, targets[batch]).sum())
        return Evaluation(cost / len(samples), None if chosen.hits is None else right / len(samples))

    def summary(self) -> str:
        """A table of the layers: output shape and number of parameters."""
        rows = [("input", str(self.input_shape), "")]
        for layer in self.layers:
            rows.append((repr(layer), str(layer.output_shape), f"{_parameter_count([layer]):,}"))
        rows.append(("total", "", f"{self.parameters.size:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}" for name, shape, count in rows]
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write architecture and parameters to an npz file, whole or not at all; `fastnn.load` reads it."""
        files.save(self, path)

    def __repr__(self) -> str:
        layers = ", ".join(repr(layer) for layer in self.layers)
        return f"Sequential({layers}, input_shape={self.input_shape}, seed={self.seed}, dtype={self.dtype.name!r})"


def load(path: str | Path) -> Sequential:
    """The model that `save` wrote; ValueError, naming the file, where it is damaged or no model of fastnn's."""
    content = files.load(path)
    try:
        _check_count(content)
        model = Sequential(*content.layers(), input_shape=tuple(content.input_shape), seed=content.seed, dtype=content.dtype)
        model.loss = None if content.loss is None else losses.find(content.loss)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a model of fastnn's, or a damaged one: {error}") from None
    model.parameters[...] = content.parameters
    return model


def _build(layers: Sequence[Layer], shape: Shape) -> Shape:
    """Build the layers for an input of that shape, all or none; returns the output's shape."""
    built: list[Layer] = []
    try:
        for place, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{place}]: expected a layer, got {layer!r}")
            if layer.input_shape is not None:
                raise ValueError(f"layers[{place}]: {layer!r} is in a model already: make another like it")
            try:
                layer.build(shape)
            except (TypeError, ValueError) as error:
                raise type(error)(f"layers[{place}]: {layer!r} on an input of shape {shape}: {error}") from None
            built.append(layer)
            shape = layer.output_shape
    except (TypeError, ValueError):
        for layer in built:
            layer.input_shape = None
        raise
    return shape


def _parameter_count(layers: Sequence[Layer]) -> int:
    return sum(math.prod(shape) for layer in layers for shape in layer.parameter_shapes.values())


def _check_count(content: files.Content) -> None:
    """Whether a file's layers have as many parameters as it holds, before memory is taken for them."""
    layers = content.layers()
    _build(layers, _shape(content.input_shape))
    if content.parameters.shape != (_parameter_count(layers),):
        raise ValueError(f"expected {_parameter_count(layers)} parameters, got shape {content.parameters.shape}")


def _write(name: str, flat: Floats, values: ArrayLike) -> None:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got {type(values).__name__} of dtype {array.dtype}")
    if array.shape != flat.shape:
        raise ValueError(f"{name}: expected shape {flat.shape}, got {array.shape}")
    flat[...] = array


def _shape(input_shape: int | Sequence[int]) -> Shape:
    try:
        shape = (input_shape,) if isinstance(input_shape, (int, np.integer)) else tuple(input_shape)
    except TypeError:
        shape = ()
    if not shape or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape):
        raise ValueError(f"input_shape: expected positive ints, got {input_shape!r}")
    return tuple(int(n) for n in shape)


def _dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        found = None if dtype is None else np.dtype(dtype)  # np.dtype(None) would be float64
    except TypeError:
        found = None
    if found is None or found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"dtype: expected float32 or float64, got {dtype!r}")
    return found
