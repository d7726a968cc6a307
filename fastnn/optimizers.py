"""Optimisers: one pass over the model's flat parameters a step. Their state belongs to the parameters they last stepped."""

import contextlib
import math
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backend import ops
from fastnn.constants import ADAM, ADAM_METHOD, SGD_METHOD

Floats = NDArray[np.floating]


class Optimizer:
    """What the optimisers share: state that is begun anew with other parameters, and the count of steps."""

    state_rows = 1  # numbers that the state keeps for a parameter

    def step(self, parameters: Floats, gradients: Floats) -> None:
        """Change the parameters, in place, by their gradients."""
        with self.unless_refused():
            self.attend(parameters)
            self.steps += 1
            self.update(parameters, gradients)

    @contextlib.contextmanager
    def unless_refused(self) -> Iterator[None]:
        """Whatever raises an error in here leaves the state as it was, with the parameters that it belonged to."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def attend(self, parameters: Floats) -> None:
        """Begin anew, unless these are the parameters that the state belongs to."""
        if getattr(self, "_parameters", None) is not parameters:
            self._parameters = parameters
            self.state = np.zeros((self.state_rows, parameters.size), parameters.dtype)
            self.steps = 0

    def settings(self) -> list[float]:
        """For compiled code: METHOD, LR and what follows in constants.py."""
        raise NotImplementedError

    def update(self, parameters: Floats, gradients: Floats) -> None:
        """One step, with the state at hand."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and in Nesterov's form if asked for: `sgd_step`."""

    def __init__(self, lr: float, momentum: float = 0.0, nesterov: bool = False) -> None:
        self.lr = _positive("lr", lr)
        self.momentum = _fraction("momentum", momentum)
        if not isinstance(nesterov, (bool, np.bool_)):
            raise ValueError(f"nesterov: expected True or False, got {nesterov!r}")
        self.nesterov = bool(nesterov)

    def update(self, parameters: Floats, gradients: Floats) -> None:
        ops.sgd_step(parameters, gradients, self.state[0], self.lr, self.momentum, self.nesterov)

    def settings(self) -> list[float]:
        return [SGD_METHOD, self.lr, self.momentum, self.nesterov, 0, 0, 0, 0]


class Adam(Optimizer):
    """Adam by Kingma and Ba: `adam_step`."""

    state_rows = 2

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = ADAM[:2], epsilon: float = ADAM[2]) -> None:
        self.lr = _positive("lr", lr)
        if not (isinstance(betas, (tuple, list)) and len(betas) == 2):
            raise ValueError(f"betas: expected two numbers in [0, 1), got {betas!r}")
        self.constants = (_fraction("betas", betas[0]), _fraction("betas", betas[1]), _positive("epsilon", epsilon))

    def update(self, parameters: Floats, gradients: Floats) -> None:
        ops.adam_step(parameters, gradients, self.state, self.steps, self.lr, self.constants)

    def settings(self) -> list[float]:
        return [ADAM_METHOD, self.lr, 0, 0, *self.constants, 0]


class AdamW(Adam):
    """Adam with decoupled weight decay by Loshchilov and Hutter: `adamw_step`."""

    def __init__(
        self,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        betas: tuple[float, float] = ADAM[:2],
        epsilon: float = ADAM[2],
    ) -> None:
        super().__init__(lr, betas, epsilon)
        if not (_is_finite(weight_decay) and weight_decay >= 0):
            raise ValueError(f"weight_decay: expected a number of at least 0, got {weight_decay!r}")
        self.weight_decay: float = float(weight_decay)

    def update(self, parameters: Floats, gradients: Floats) -> None:
        ops.adamw_step(parameters, gradients, self.state, self.steps, self.lr, self.weight_decay, self.constants)

    def settings(self) -> list[float]:
        return [ADAM_METHOD, self.lr, 0, 0, *self.constants, self.weight_decay]


def _is_number(value: Any) -> bool:
    """Whether it is a real number; a bool is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    """Also false of a number beyond float64."""
    try:
        return _is_number(value) and math.isfinite(value)
    except OverflowError:
        return False


def _positive(name: str, value: float) -> float:
    if not (_is_finite(value) and value > 0):
        raise ValueError(f"{name}: expected a number above 0, got {value!r}")
    return float(value)


def _fraction(name: str, value: float) -> float:
    if not (_is_number(value) and 0 <= value < 1):
        raise ValueError(f"{name}: expected a number in [0, 1), got {value!r}")
    return float(value)
