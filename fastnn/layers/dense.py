"""Dense layers, and what stands beside them: Flatten and Dropout."""

import math
import numbers
from dataclasses import dataclass

import numpy as np

from fastnn.backend import ops
from fastnn.layers.base import Floats, Layer, Neurons, Shape, checked_count


@dataclass(eq=False, repr=False)
class Dense(Neurons):
    """(2), (3) a dense layer of so many units: (n_in,) -> (units,); theta (1 + n_in, units), whose row 0 is the bias."""

    units: int
    activation: str = "identity"

    def build(self, input_shape: Shape) -> None:
        self.check_activation()
        self.units = checked_count("units", self.units)
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


@dataclass(eq=False, repr=False)
class Flatten(Layer):
    """Images as rows: (C, H, W) -> (C H W,)."""

    def build(self, input_shape: Shape) -> None:
        self.input_shape, self.output_shape = input_shape, (math.prod(input_shape),)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        self._input = a
        return a.reshape(len(a), *self.output_shape)

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        return da.reshape(self._input.shape) if needs_da else None


@dataclass(eq=False, repr=False)
class Dropout(Layer):
    """While training, each element is 0 with probability `rate`, the others grow by 1 / (1 - rate); else the identity.

    Source: Srivastava et al. (2014), in the inverted form.
    """

    rate: float

    def build(self, input_shape: Shape) -> None:
        if isinstance(self.rate, bool) or not (isinstance(self.rate, numbers.Real) and 0 <= self.rate < 1):
            raise ValueError(f"rate: expected a number in [0, 1), got {self.rate!r}")
        self.rate = float(self.rate)
        self.input_shape = self.output_shape = input_shape

    def initialise(self, rng: np.random.Generator) -> None:
        self.seed = int(rng.integers(2**62))
        self.draws = 0

    def forward(self, a: Floats, training: bool = False) -> Floats:
        self._dropped = training and self.rate > 0
        if not self._dropped:
            return a
        self.draws += 1
        return ops.dropout(a, self.rate, self.seed + self.draws, out=self._array("a", len(a), self.output_shape))

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        if not needs_da or not self._dropped:
            return da if needs_da else None
        return ops.dropout(da, self.rate, self.seed + self.draws, out=self._array("da", len(da), self.output_shape))
