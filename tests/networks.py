"""Small networks and data sets that several tests train."""

import functools

import numpy as np

from fastnn import AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D, Sequential, datasets

# Kinks (relu, max pooling) can make a right gradient differ from its central difference; these activations have none.
SMOOTH = ("identity", "sigmoid", "tanh", "softplus", "silu", "gelu")
KINKED = ("relu", "leaky_relu", "elu")
LOSSES = ("softmax_cross_entropy", "sigmoid_cross_entropy", "binary_cross_entropy", "mean_squared_error")


def dense(activation="tanh", units=3, last="identity", **settings):
    """4 -> 5 -> units."""
    return Sequential(Dense(5, activation), Dense(units, last), input_shape=4, **settings)


def convolutional(activation="tanh", last="identity", **settings):
    """(2, 7, 6) -> 3: every kind of layer."""
    return Sequential(
        Conv2D(3, (3, 2), stride=(2, 1), padding=(1, 0), activation=activation),
        MaxPool2D(2, stride=1),
        Conv2D(6, 2, activation=activation, dilation=(1, 2), groups=3),
        ConvTranspose2D(3, (2, 3), stride=(1, 2), padding=(0, 1), activation=activation, output_padding=(0, 1)),
        AvgPool2D((2, 3), stride=1, padding=(0, 1)),
        Flatten(),
        Dropout(0.25),
        Dense(5, activation),
        Dense(3, last),
        input_shape=(2, 7, 6),
        **settings,
    )


def lenet(**settings):
    """(1, 28, 28) -> 10: two convolutions with pools, three dense layers, relu."""
    return Sequential(
        Conv2D(6, 5, activation="relu"),
        MaxPool2D(2),
        Conv2D(16, 5, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(120, "relu"),
        Dense(84, "relu"),
        Dense(10),
        input_shape=(1, 28, 28),
        **settings,
    )


def pools(**settings):
    """(2, 14, 13) -> 3: max pools by windows of each kind, one of them before all parameters."""
    return Sequential(
        MaxPool2D(1),
        Conv2D(3, 2, activation="relu"),
        MaxPool2D(2),
        Conv2D(4, 3, padding=1),
        MaxPool2D(3, 2, 1),
        MaxPool2D(2, 1),
        Flatten(),
        Dense(3),
        input_shape=(2, 14, 13),
        **settings,
    )


def samples(model, n, loss="softmax_cross_entropy", seed=1):
    """x (n, *input_shape), and a y that the loss takes: labels, or numbers in (0, 1)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, *model.input_shape))
    if loss == "softmax_cross_entropy":
        return x, rng.integers(0, model.output_shape[0], n)
    return x, rng.uniform(0.1, 0.9, (n, *model.output_shape))


@functools.cache
def digits(n):
    """The first n of the digits that ship with the package."""
    x, y = datasets.load_digits()
    return x[:n], y[:n]


def batch(model, m, loss, seed=1):
    """As compiled code takes it."""
    x, y = samples(model, m, loss, seed)
    return x.astype(model.dtype), y if y.dtype.kind == "i" else y.astype(model.dtype)
