"""Layers that pool windows of images."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn import shapes
from fastnn.backend import ops
from fastnn.layers.base import Floats, Layer, Shape, checked_pair, image_shape


@dataclass(eq=False, repr=False)
class Pool2D(Layer):
    """What both poolings share: (C, H, W) -> (C, H', W'); the stride defaults to the size."""

    size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0

    pool: ClassVar[Callable[..., Floats]]
    unpool: ClassVar[Callable[..., Floats]]

    def build(self, input_shape: Shape) -> None:
        C, H, W = image_shape(input_shape)
        f, P = checked_pair("size", self.size), checked_pair("padding", self.padding)
        S = f if self.stride is None else checked_pair("stride", self.stride)
        self._settings = (f, S, P)
        self.input_shape, self.output_shape = input_shape, shapes.pool2d_a((0, C, H, W), f, S, P)[1:]

    def forward(self, a: Floats, training: bool = False) -> Floats:
        self._input = a
        return type(self).pool(a, *self._settings, out=self._array("z", len(a), self.output_shape), **self._options())

    def backward(self, da: Floats, needs_da: bool = True) -> Floats | None:
        if not needs_da:
            return None
        out = self._array("da", len(da), self._input.shape[1:])
        return type(self).unpool(da, self._input, *self._settings, out=out, **self._options())

    def _options(self) -> dict[str, Any]:
        """What both kernels get, too."""
        return {}


class MaxPool2D(Pool2D):
    """A window's largest cell: (C, H, W) -> (C, H', W'). In training it keeps which one that was, for the way back."""

    pool = staticmethod(ops.max_pool2d_forward)
    unpool = staticmethod(ops.max_pool2d_dz_to_da)

    def forward(self, a: Floats, training: bool = False) -> Floats:
        keeps = training and math.prod(self._settings[0]) <= shapes.MOST_INDEXED
        self._index = self._array("index", len(a), self.output_shape, np.uint8) if keeps else None
        return super().forward(a, training)

    def _options(self) -> dict[str, Any]:
        return {"index": self._index}


class AvgPool2D(Pool2D):
    """A window's mean, padding counted as 0: (C, H, W) -> (C, H', W')."""

    pool = staticmethod(ops.avg_pool2d_forward)
    unpool = staticmethod(ops.avg_pool2d_dz_to_da)
