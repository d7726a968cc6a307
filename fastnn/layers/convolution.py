"""Layers that convolve images, forward or transposed: the backward pass of one is the forward pass of the other."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from fastnn import shapes
from fastnn.backend import ops
from fastnn.constants import ALGORITHM_CODES
from fastnn.layers.base import Floats, Neurons, Shape, checked_count, checked_pair, image_shape


@dataclass(eq=False, repr=False)
class Convolution(Neurons):
    """What both convolutions share: theta is of filters, in groups, and b has an entry for each channel of z."""

    filters: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    activation: str = "identity"
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    algorithm: str = field(default="auto", kw_only=True)  # of ops.conv2d_*

    def _settle(self, input_shape: Shape) -> Shape:
        """Check the settings, keep them as pairs, and return (C, H, W)."""
        self.check_activation()
        if self.algorithm not in list(ALGORITHM_CODES):
            raise ValueError(f"algorithm: expected one of {', '.join(ALGORITHM_CODES)}, got {self.algorithm!r}")
        self.filters, self.groups = checked_count("filters", self.filters), checked_count("groups", self.groups)
        self.input_shape = C, H, W = image_shape(input_shape)
        shapes.check_groups(C, self.filters, self.groups)
        self._f, self._D = checked_pair("kernel_size", self.kernel_size), checked_pair("dilation", self.dilation)
        self._S, self._P = checked_pair("stride", self.stride), checked_pair("padding", self.padding)
        self._more = {"dilation": self._D, "groups": self.groups, "algorithm": self.algorithm}
        return C, H, W


@dataclass(eq=False, repr=False)
class Conv2D(Convolution):
    """(15), (16) a convolution: (C, H, W) -> (filters, H', W'); theta (filters, C/groups, f_h, f_w) and b (filters,)."""

    def build(self, input_shape: Shape) -> None:
        C, H, W = self._settle(input_shape)
        self.output_shape = (self.filters, *shapes.window_grid((H, W), self._f, self._S, self._P, self._D))
        self.parameter_shapes = {"theta": (self.filters, C // self.groups, *self._f), "b": (self.filters,)}
        cells = math.prod(self._f)
        self.fans = (C // self.groups * cells, self.filters // self.groups * cells)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        """(15) z = theta a + b, then (16)."""
        self._input = a
        out = self._array("z", len(a), self.output_shape)
        theta, b = self.parameters["theta"], self.parameters["b"]
        return self._activate(ops.conv2d_forward(a, theta, b, self._S, self._P, out, **self._more))

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        """(22), (17) and db, (19)."""
        dz, theta, dtheta = self._da_to_dz(da), self.parameters["theta"], self.gradients["theta"]
        ops.conv2d_dz_to_dtheta(self._input, dz, self._f, self._S, self._P, dtheta, **self._more)
        ops.conv2d_dz_to_db(dz, out=self.gradients["b"])
        if not needs_da:
            return None
        _, H, W = self._input.shape[1:]
        out = self._array("da", len(da), self._input.shape[1:])
        return ops.conv2d_dz_to_da(dz, theta, (H, W), self._S, self._P, out, **self._more)


@dataclass(eq=False, repr=False)
class ConvTranspose2D(Convolution):
    """(19) a transposed convolution: (C, H, W) -> (filters, H', W'); theta (C, filters/groups, f_h, f_w) and b (filters,).

    The step dz -> da of the Conv2D that has this theta and takes (filters, H', W') to (C, H, W), as a forward pass: z is its
    da, and a its dz. H' = (H - 1) S - 2P + D (f_h - 1) + 1 + output_padding, which tells apart the H' that come to one H.
    Source: Zeiler et al. (2010).
    """

    output_padding: int | tuple[int, int] = 0

    def build(self, input_shape: Shape) -> None:
        C, H, W = self._settle(input_shape)
        more = checked_pair("output_padding", self.output_padding)
        self._grid = shapes.transposed_grid((H, W), self._f, self._S, self._P, self._D, more)
        self.output_shape = (self.filters, *self._grid)
        self.parameter_shapes = {"theta": (C, self.filters // self.groups, *self._f), "b": (self.filters,)}
        # A window lies on every S-th cell of z along each axis, so z sums f / S cells of a there, on average.
        cells = math.prod(self._f)
        self.fans = (C // self.groups * cells / math.prod(self._S), self.filters // self.groups * cells)

    def bind(self, parameters: dict[str, Floats], gradients: dict[str, Floats], dtype: DTypeLike) -> None:
        super().bind(parameters, gradients, dtype)
        self._no_b = np.zeros(parameters["theta"].shape[0], dtype)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        """(19) z = theta^T a + b, then (16)."""
        self._input = a
        out = self._array("z", len(a), self.output_shape)
        z = ops.conv2d_dz_to_da(a, self.parameters["theta"], self._grid, self._S, self._P, out, **self._more)
        z += self.parameters["b"][:, None, None]
        return self._activate(z)

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        """(22), (17) with a and dz in each other's place, db, (15)."""
        dz, theta, dtheta = self._da_to_dz(da), self.parameters["theta"], self.gradients["theta"]
        ops.conv2d_dz_to_dtheta(dz, self._input, self._f, self._S, self._P, dtheta, **self._more)
        ops.conv2d_dz_to_db(dz, out=self.gradients["b"])
        if not needs_da:
            return None
        out = self._array("da", len(da), self._input.shape[1:])
        return ops.conv2d_forward(dz, theta, self._no_b, self._S, self._P, out, **self._more)
