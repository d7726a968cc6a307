"""Layers: each is one [l] of the notes, with its theta and its g.

A layer is made with its sizes only. `build` gives it the shape of its input, `bind` its parameters and gradients as views of
the model's flat arrays. `forward` and `backward` work on a batch and keep what the other needs: z and a^[l] on the way
forward, dz on the way back. Their arrays are kept and used again, so a training step allocates nothing after the first.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn import shapes
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
        self._kept: dict[str, Floats] = {}

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
        return dataclasses.asdict(self)  # type: ignore[call-overload]  # every layer is a dataclass; Layer is not

    def _array(self, name: str, m: int, shape: Shape) -> Floats:
        """An array (m, *shape) of this name: the same memory every time, until a larger batch comes."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < m:
            kept = self._kept[name] = np.empty((m, *shape), self.dtype)
        return kept[:m]


class Neurons(Layer):
    """A layer with parameters and an activation: z = f(a^[l-1], theta), a^[l] = g(z)."""

    activation: str
    fans: tuple[int, int]

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


@dataclass(eq=False)
class Dense(Neurons):
    """(2), (3) a dense layer of so many units: (n_in,) -> (units,); theta (1 + n_in, units), whose row 0 is the bias."""

    units: int
    activation: str = "identity"

    def build(self, input_shape: Shape) -> None:
        self.check_activation()
        _check_count("units", self.units)
        if len(input_shape) != 1:
            raise ValueError(f"expected an input of shape (n_in,), got {input_shape}: put a Flatten before it")
        self.input_shape, self.output_shape = input_shape, (self.units,)
        self.parameter_shapes = {"theta": (1 + input_shape[0], self.units)}
        self.fans = (input_shape[0], self.units)

    def _weights(self) -> Floats:
        return self.parameters["theta"][1:]

    def forward(self, a: Floats, training: bool = False) -> Floats:
        """(3) z = a theta, then (2)."""
        self._input = a
        return self._activate(
            ops.dense_forward(a, self.parameters["theta"], out=self._array("z", len(a), self.output_shape))
        )

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        """(10), (8), (9)."""
        dz = self._da_to_dz(da)
        ops.dense_dz_to_dtheta(self._input, dz, out=self.gradients["theta"])
        if not needs_da:
            return None
        return ops.dense_dz_to_da(dz, self.parameters["theta"], out=self._array("da", len(da), self._input.shape[1:]))


@dataclass(eq=False)
class Conv2D(Neurons):
    """(15), (16) a convolution: (C, H, W) -> (filters, H', W'); theta (filters, C/groups, f_h, f_w) and b (filters,)."""

    filters: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    activation: str = "identity"
    dilation: int | tuple[int, int] = 1
    groups: int = 1

    def build(self, input_shape: Shape) -> None:
        self.check_activation()
        _check_count("filters", self.filters)
        _check_count("groups", self.groups)
        C, H, W = _images(input_shape)
        shapes.check_groups(C, self.filters, self.groups)
        self._f, self._D = _pair("kernel_size", self.kernel_size), _pair("dilation", self.dilation)
        self._S, self._P = _pair("stride", self.stride), _pair("padding", self.padding)
        grid = shapes.window_grid((H, W), self._f, self._S, self._P, self._D)
        self.input_shape, self.output_shape = input_shape, (self.filters, *grid)
        self.parameter_shapes = {"theta": (self.filters, C // self.groups, *self._f), "b": (self.filters,)}
        cells = math.prod(self._f)
        self.fans = (C // self.groups * cells, self.filters // self.groups * cells)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        """(15) z = theta a + b, then (16)."""
        self._input = a
        out = self._array("z", len(a), self.output_shape)
        theta, b = self.parameters["theta"], self.parameters["b"]
        return self._activate(ops.conv2d_forward(a, theta, b, self._S, self._P, out, self._D, self.groups))

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        """(22), (17) and db, (19)."""
        dz = self._da_to_dz(da)
        dtheta = self.gradients["theta"]
        ops.conv2d_dz_to_dtheta(self._input, dz, self._f, self._S, self._P, dtheta, self._D, self.groups)
        ops.conv2d_dz_to_db(dz, out=self.gradients["b"])
        if not needs_da:
            return None
        _, H, W = self._input.shape[1:]
        out = self._array("da", len(da), self._input.shape[1:])
        theta = self.parameters["theta"]
        return ops.conv2d_dz_to_da(dz, theta, (H, W), self._S, self._P, out, self._D, self.groups)


@dataclass(eq=False)
class Pool2D(Layer):
    """What both poolings share: (C, H, W) -> (C, H', W'); the stride defaults to the size."""

    size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0

    pool: ClassVar[Callable[..., Floats]]
    unpool: ClassVar[Callable[..., Floats]]

    def build(self, input_shape: Shape) -> None:
        C, H, W = _images(input_shape)
        f, P = _pair("size", self.size), _pair("padding", self.padding)
        S = f if self.stride is None else _pair("stride", self.stride)
        self._settings = (f, S, P)
        self.input_shape, self.output_shape = input_shape, shapes.pool2d_a((0, C, H, W), f, S, P)[1:]

    def forward(self, a: Floats, training: bool = False) -> Floats:
        self._input = a
        return type(self).pool(a, *self._settings, out=self._array("z", len(a), self.output_shape))

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        if not needs_da:
            return None
        return type(self).unpool(da, self._input, *self._settings, out=self._array("da", len(da), self._input.shape[1:]))


class MaxPool2D(Pool2D):
    """A window's largest cell: (C, H, W) -> (C, H', W')."""

    pool = staticmethod(ops.max_pool2d_forward)
    unpool = staticmethod(ops.max_pool2d_dz_to_da)


class AvgPool2D(Pool2D):
    """A window's mean, padding counted as 0: (C, H, W) -> (C, H', W')."""

    pool = staticmethod(ops.avg_pool2d_forward)
    unpool = staticmethod(ops.avg_pool2d_dz_to_da)


@dataclass(eq=False)
class Flatten(Layer):
    """Images as rows: (C, H, W) -> (C H W,)."""

    def build(self, input_shape: Shape) -> None:
        self.input_shape, self.output_shape = input_shape, (math.prod(input_shape),)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        self._input = a
        return a.reshape(len(a), *self.output_shape)

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        return da.reshape(self._input.shape) if needs_da else None


@dataclass(eq=False)
class Dropout(Layer):
    """While training, each element is 0 with probability `rate`, the others grow by 1 / (1 - rate); else the identity.

    Source: Srivastava et al. (2014), in the inverted form.
    """

    rate: float

    def build(self, input_shape: Shape) -> None:
        if not (isinstance(self.rate, (int, float)) and 0 <= self.rate < 1):
            raise ValueError(f"rate: expected a number in [0, 1), got {self.rate!r}")
        self.input_shape = self.output_shape = input_shape

    def initialise(self, rng: np.random.Generator) -> None:
        self._rng = np.random.default_rng(rng.integers(2**63))

    def forward(self, a: Floats, training: bool = False) -> Floats:
        self._dropped = training and self.rate > 0
        if not self._dropped:
            return a
        mask = self._array("mask", len(a), self.output_shape)
        mask[...] = self._rng.random(a.shape, np.float32) >= self.rate
        mask *= 1 / (1 - self.rate)
        return np.multiply(a, mask, out=self._array("a", len(a), self.output_shape))

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        if not needs_da or not self._dropped:
            return da if needs_da else None
        mask = self._array("mask", len(da), self.output_shape)
        return np.multiply(da, mask, out=self._array("da", len(da), self.output_shape))


LAYERS: dict[str, type[Layer]] = {layer.__name__: layer for layer in (Dense, Conv2D, MaxPool2D, AvgPool2D, Flatten, Dropout)}


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: expected a positive int, got {value!r}")


def _pair(name: str, value: Any) -> tuple[int, int]:
    try:
        return pair(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected an int or a pair of ints, got {value!r}") from None


def _images(input_shape: Shape) -> Shape:
    if len(input_shape) != 3:
        raise ValueError(f"expected an input of shape (C, H, W), got {input_shape}")
    return input_shape
