"""What layers have in common, and what those with an activation add to it."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.arguments import pair
from fastnn.backend import ops

Shape = tuple[int, ...]
Floats = NDArray[np.floating]

# g -> (a = g(z), dz = da g'(z)); identity needs neither and is absent
ACTIVATIONS: dict[str, tuple[Callable[..., Floats], Callable[..., Floats]]] = {
    "sigmoid": (ops.sigmoid, ops.sigmoid_da_to_dz),
    "tanh": (ops.tanh, ops.tanh_da_to_dz),
    "relu": (ops.relu, ops.relu_da_to_dz),
    "leaky_relu": (ops.leaky_relu, ops.leaky_relu_da_to_dz),
    "elu": (ops.elu, ops.elu_da_to_dz),
    "softplus": (ops.softplus, ops.softplus_da_to_dz),
    "silu": (ops.silu, ops.silu_da_to_dz),
    "gelu": (ops.gelu, ops.gelu_da_to_dz),
}
RECTIFIERS = ("relu", "leaky_relu", "elu", "silu", "gelu")


class Layer:
    """What the layers have in common: shapes, parameters, and arrays that are kept from batch to batch."""

    input_shape: Shape | None = None
    output_shape: Shape = ()
    parameter_shapes: Mapping[str, Shape] = {}

    def build(self, input_shape: Shape) -> None:
        """Take the shape of an input sample: sets output_shape and parameter_shapes. ValueError where it won't do."""
        raise NotImplementedError

    def bind(self, parameters: dict[str, Floats], gradients: dict[str, Floats], dtype: DTypeLike) -> None:
        """Use these arrays for the parameters and their gradients."""
        self.parameters = parameters
        self.gradients = gradients
        self.dtype = np.dtype(dtype)
        self._kept: dict[str, NDArray[Any]] = {}

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the parameters' first values."""

    def forward(self, a: Floats, training: bool = False) -> Floats:
        """a^[l-1] (m, *input_shape) -> a^[l] (m, *output_shape), valid until the next call."""
        raise NotImplementedError

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        """da^[l] -> da^[l-1], valid until the next call, and the gradients on the way; None if da^[l-1] is not needed."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """What the layer was made with: `type(layer)(**layer.config())` is a layer like it."""
        if not dataclasses.is_dataclass(self):
            raise TypeError(f"{type(self).__name__}: expected a dataclass, or a `config` of its own")
        return dataclasses.asdict(self)

    def __repr__(self) -> str:
        """What the layer was made with, but for what is so by default."""
        if not dataclasses.is_dataclass(self):
            return super().__repr__()
        made = [(repr(getattr(self, field.name)), field) for field in dataclasses.fields(self) if field.repr]
        told = [f"{field.name}={value}" for value, field in made if value != repr(field.default)]
        return f"{type(self).__name__}({', '.join(told)})"

    def _array(self, name: str, m: int, shape: Shape, dtype: DTypeLike | None = None) -> NDArray[Any]:
        """An array (m, *shape) of this name, of the layer's dtype: the same memory each time, until a larger batch comes."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < m:
            kept = self._kept[name] = np.empty((m, *shape), dtype or self.dtype)
        return kept[:m]


class Neurons(Layer):
    """A layer with parameters and an activation: z = f(a^[l-1], theta), a^[l] = g(z)."""

    activation: str
    fans: tuple[float, float]

    def check_activation(self) -> None:
        choices = ["identity", *ACTIVATIONS]
        if self.activation not in choices:
            raise ValueError(f"activation: expected one of {', '.join(choices)}, got {self.activation!r}")

    def initialise(self, rng: np.random.Generator) -> None:
        """theta by He et al. (2015) under a rectifier, else by Glorot and Bengio (2010); biases are 0."""
        weights = self._weights()
        fan_in, fan_out = self.fans
        for values in self.parameters.values():
            values[...] = 0
        if self.activation in RECTIFIERS:
            weights[...] = rng.normal(0, math.sqrt(2 / max(fan_in, 1)), weights.shape)
        else:
            limit = math.sqrt(6 / max(fan_in + fan_out, 1))
            weights[...] = rng.uniform(-limit, limit, weights.shape)

    def _weights(self) -> Floats:
        """theta without the bias."""
        return self.parameters["theta"]

    def _activate(self, z: Floats) -> Floats:
        """(2) a = g(z); z and a are kept for the way back."""
        self._z = self._a = z
        if self.activation != "identity":
            self._a = ACTIVATIONS[self.activation][0](z, out=self._array("a", len(z), self.output_shape))
        return self._a

    def _da_to_dz(self, da: Floats) -> Floats:
        """(10) dz = da g'(z)."""
        if self.activation == "identity":
            return da
        out = self._array("dz", len(da), self.output_shape)
        return ACTIVATIONS[self.activation][1](da, self._z, self._a, out=out)


def checked_count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: expected a positive int, got {value!r}")
    return int(value)


def checked_pair(name: str, value: Any) -> tuple[int, int]:
    try:
        return pair(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected an int or a pair of ints, got {value!r}") from None


def image_shape(input_shape: Shape) -> Shape:
    if len(input_shape) != 3:
        raise ValueError(f"expected an input of shape (C, H, W), got {input_shape}")
    return input_shape
