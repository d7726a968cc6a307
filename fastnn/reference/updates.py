"""What an optimiser does to the parameters, in place: theta of any shape and its gradient dtheta."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Constants, Parameters, checked
from fastnn.constants import ADAM


@checked(writes=("theta", "velocity"))
def sgd_step(theta: Parameters, dtheta: Parameters, velocity: Parameters, lr: float, momentum: float = 0.0, nesterov: bool = False) -> None:
    """(6) theta -= lr v, with v = momentum v + dtheta; Nesterov's form steps by dtheta + momentum v.

    theta, dtheta and velocity of one shape; theta and velocity change. Without momentum v stays as it is. Source:
    Sutskever et al. (2013), in the form that PyTorch uses.
    """
    shapes.check_update(dtheta.shape, theta.shape)
    shapes.check_state(velocity.shape, theta.shape)
    if momentum == 0:
        theta -= lr * dtheta
        return
    velocity *= momentum
    velocity += dtheta
    theta -= lr * (dtheta + momentum * velocity if nesterov else velocity)


def adam(theta: Parameters, dtheta: Parameters, moments: Parameters, step: int, lr: float, kept: float, constants: Constants) -> None:
    """theta = kept theta - lr m^ / (sqrt(v^) + epsilon): Adam with kept = 1, AdamW with kept = 1 - lr weight_decay."""
    shapes.check_update(dtheta.shape, theta.shape)
    shapes.check_moments(moments.shape, theta.shape)
    shapes.check_step(step)
    beta_1, beta_2, epsilon = constants
    first, second = moments
    first *= beta_1
    first += (1 - beta_1) * dtheta
    second *= beta_2
    second += (1 - beta_2) * dtheta**2
    root = np.sqrt(second) / np.sqrt(1 - beta_2**step) + epsilon
    theta *= kept
    theta -= lr / (1 - beta_1**step) * first / root


@checked(writes=("theta", "moments"))
def adam_step(theta: Parameters, dtheta: Parameters, moments: Parameters, step: int, lr: float, constants: Constants = ADAM) -> None:
    """(6) theta -= lr m^ / (sqrt(v^) + epsilon), with m^, v^ the running means of dtheta, dtheta^2, freed of their bias.

    theta and dtheta of one shape, moments (2, *theta.shape): m and v; theta and moments change. step counts from 1,
    constants are (beta_1, beta_2, epsilon). Source: Kingma and Ba (2014), algorithm 1.
    """
    adam(theta, dtheta, moments, step, lr, 1.0, constants)


@checked(writes=("theta", "moments"))
def adamw_step(
    theta: Parameters, dtheta: Parameters, moments: Parameters, step: int, lr: float, weight_decay: float, constants: Constants = ADAM
) -> None:
    """(6) as adam_step, after theta has decayed by the factor 1 - lr weight_decay, apart from the gradient.

    Shapes, step and constants as in adam_step. Source: Loshchilov and Hutter (2017), algorithm 2, as PyTorch has it.
    """
    adam(theta, dtheta, moments, step, lr, 1 - lr * weight_decay, constants)
