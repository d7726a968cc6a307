"""Losses: the cost of a model's output a^[L], its gradient da^[L], and what counts as a right answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backend import ops

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Loss:
    """A cost of a model's output.

    cost(a, y)     a mean over the samples.
    da(a, y)       its gradient.
    hits(a, y)     which samples are right; None where there is no such thing.
    labels         whether y may be integer labels (m,).
    """

    name: str
    cost: Callable[[Floats, NDArray[Any]], float]
    da: Callable[..., Floats]
    hits: Callable[[Floats, NDArray[Any]], NDArray[np.bool_]] | None = None
    labels: bool = False


def _same_class(a: Floats, y: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the largest logit is the label's."""
    return a.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))


def _same_sign(z: Floats, y: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether all of a sample's logits are on their target's side of 0."""
    return ((z > 0) == (y > 0.5)).reshape(len(z), -1).all(axis=1)


def _same_side(a: Floats, y: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether all of a sample's probabilities are on their target's side of 1/2."""
    return ((a > 0.5) == (y > 0.5)).reshape(len(a), -1).all(axis=1)


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("softmax_cross_entropy", ops.softmax_cross_entropy, ops.softmax_cross_entropy_dz, _same_class, labels=True),
        Loss("sigmoid_cross_entropy", ops.sigmoid_cross_entropy, ops.sigmoid_cross_entropy_dz, _same_sign),
        Loss("binary_cross_entropy", ops.binary_cross_entropy, ops.binary_cross_entropy_da, _same_side),
        Loss("mean_squared_error", ops.mean_squared_error, ops.mean_squared_error_da),
    )
}


def find(loss: str | Loss) -> Loss:
    """The loss of that name, or the given object; ValueError, naming the choices, for another name."""
    if isinstance(loss, Loss):
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
    return LOSSES[loss]
