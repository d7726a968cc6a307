"""What layers compute, as one would write it in NumPy: activations, and for each layer its shapes and its z."""

import math

import numpy as np
from windows import convolution, grouped, pooling, transposed

from fastnn import AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D

erf = np.vectorize(math.erf)

ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
}

# name -> a layer, the shape of its input, that of its output, and its z as NumPy would compute it
FORMULAS = {
    "dense": (Dense(4), (3,), (4,), lambda a, theta: a @ theta[1:] + theta[0]),
    "conv": (Conv2D(3, 2), (2, 4, 5), (3, 3, 4), lambda a, theta, b: convolution(a, (2, 2), (1, 1), (0, 0), theta, b)),
    "conv-strided": (
        Conv2D(4, (2, 3), stride=(2, 3), padding=(1, 2)),
        (3, 5, 6),
        (4, 3, 3),
        lambda a, theta, b: convolution(a, (2, 3), (2, 3), (1, 2), theta, b),
    ),
    "conv-dilated": (
        Conv2D(2, (3, 2), stride=(1, 2), padding=2, dilation=(2, 3)),
        (3, 4, 5),
        (2, 4, 3),
        lambda a, theta, b: convolution(a, (3, 2), (1, 2), (2, 2), theta, b, (2, 3)),
    ),
    "conv-groups": (
        Conv2D(4, 2, groups=2),
        (6, 3, 4),
        (4, 2, 3),
        lambda *arrays: grouped(2, lambda a, theta, b: convolution(a, (2, 2), (1, 1), (0, 0), theta, b), *arrays),
    ),
    "transposed": (
        ConvTranspose2D(3, 2),
        (2, 3, 4),
        (3, 4, 5),
        lambda a, theta, b: transposed(a, (2, 2), (1, 1), (0, 0), theta, b),
    ),
    "transposed-strided": (
        ConvTranspose2D(3, (3, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2), output_padding=(1, 2)),
        (2, 3, 2),
        (3, 6, 8),
        lambda a, theta, b: transposed(a, (3, 2), (2, 3), (1, 0), theta, b, (1, 2), (1, 2)),
    ),
    "transposed-groups": (
        ConvTranspose2D(2, 3, stride=2, groups=2),
        (4, 2, 3),
        (2, 5, 7),
        lambda *arrays: grouped(2, lambda a, theta, b: transposed(a, (3, 3), (2, 2), (0, 0), theta, b), *arrays),
    ),
    "max": (MaxPool2D(2), (2, 5, 4), (2, 2, 2), lambda a: pooling(a, (2, 2), (2, 2), (0, 0), np.max, -np.inf)),
    "max-strided": (
        MaxPool2D((3, 2), stride=(1, 2), padding=(2, 1)),
        (2, 4, 5),
        (2, 6, 3),
        lambda a: pooling(a, (3, 2), (1, 2), (2, 1), np.max, -np.inf),
    ),
    "avg": (AvgPool2D((2, 3)), (2, 5, 6), (2, 2, 2), lambda a: pooling(a, (2, 3), (2, 3), (0, 0), np.mean, 0)),
    "avg-strided": (
        AvgPool2D(3, stride=2, padding=1),
        (1, 5, 6),
        (1, 3, 3),
        lambda a: pooling(a, (3, 3), (2, 2), (1, 1), np.mean, 0),
    ),
    "flatten": (Flatten(), (2, 3, 4), (24,), lambda a: a.reshape(len(a), 24)),
    "dropout": (Dropout(0.5), (2, 3), (2, 3), lambda a: a),
}
