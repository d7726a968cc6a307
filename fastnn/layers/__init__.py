"""Layers: each is one [l] of the notes, with its theta and its g.

A layer is made with its sizes only. `build` gives it the shape of its input, `bind` its parameters and gradients as views of
the model's flat arrays. `forward` and `backward` work on a batch and keep what the other needs: z and a^[l] on the way
forward, dz on the way back. Their arrays are kept and used again, so a training step allocates nothing after the first.
"""

from fastnn.layers.base import ACTIVATIONS, Layer, Shape
from fastnn.layers.convolution import Conv2D, ConvTranspose2D
from fastnn.layers.dense import Dense, Dropout, Flatten
from fastnn.layers.pooling import AvgPool2D, MaxPool2D

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "AvgPool2D",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "MaxPool2D",
    "Shape",
]

# What a file may name.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer for layer in (Dense, Conv2D, ConvTranspose2D, MaxPool2D, AvgPool2D, Flatten, Dropout)
}
