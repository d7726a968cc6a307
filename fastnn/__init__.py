"""fastnn: Numba-accelerated kernels for training neural networks on a CPU.

Kernels (`fastnn.kernels`), their NumPy reference (`fastnn.reference`), and the layers, losses and optimisers on top, which
compute with `fastnn.ops`: the one of the two that the environment variable FASTNN_BACKEND chose.
"""

from fastnn.backend import ops
from fastnn.gradient_check import GradientCheck, check_gradients
from fastnn.layers import AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, Layer, MaxPool2D
from fastnn.losses import Loss
from fastnn.model import Evaluation, Sequential, load
from fastnn.optimizers import SGD, Adam, AdamW, Optimizer
from fastnn.threads import get_num_threads, set_num_threads
from fastnn.training import History

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool2D",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Evaluation",
    "Flatten",
    "GradientCheck",
    "History",
    "Layer",
    "Loss",
    "MaxPool2D",
    "Optimizer",
    "Sequential",
    "check_gradients",
    "get_num_threads",
    "load",
    "ops",
    "set_num_threads",
]
