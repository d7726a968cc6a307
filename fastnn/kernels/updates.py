"""What an optimiser does to the parameters, in place: theta of any shape and its gradient dtheta."""

import math

from fastnn import shapes
from fastnn.arguments import Constants, Parameters
from fastnn.constants import ADAM
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import flat, put_back
from fastnn.kernels.overlap import apart


@kernel(writes=("theta", "velocity"))
def sgd_step(theta: Parameters, dtheta: Parameters, velocity: Parameters, lr: float, momentum: float = 0.0, nesterov: bool = False) -> None:
    """(6) theta -= lr v, with v = momentum v + dtheta; Nesterov's form steps by dtheta + momentum v.

    theta, dtheta and velocity of one shape; theta and velocity change. Without momentum v stays as it is. Source:
    Sutskever et al. (2013), in the form that PyTorch uses.
    """
    shapes.check_update(dtheta.shape, theta.shape)
    shapes.check_state(velocity.shape, theta.shape)
    apart(theta, dtheta)
    apart(theta, velocity)
    apart(velocity, dtheta)
    rate, mu = theta.dtype.type(lr), theta.dtype.type(momentum)
    parameters, gradients = flat(theta), flat(dtheta)
    if momentum == 0:
        for i in range(parameters.size):
            parameters[i] -= rate * gradients[i]
    else:
        velocities = flat(velocity)
        for i in range(parameters.size):
            velocities[i] = mu * velocities[i] + gradients[i]
            parameters[i] -= rate * (gradients[i] + mu * velocities[i] if nesterov else velocities[i])
        put_back(velocities, velocity)
    put_back(parameters, theta)


@compiled
def adam(theta, dtheta, moments, step, lr, kept, constants):
    """theta = kept theta - lr m^ / (sqrt(v^) + epsilon): Adam with kept = 1, AdamW with kept = 1 - lr weight_decay."""
    shapes.check_update(dtheta.shape, theta.shape)
    shapes.check_moments(moments.shape, theta.shape)
    shapes.check_step(step)
    apart(theta, dtheta)
    apart(theta, moments)
    apart(moments, dtheta)
    number = theta.dtype.type
    beta_1, beta_2, epsilon = number(constants[0]), number(constants[1]), number(constants[2])
    rest_1, rest_2 = number(1 - constants[0]), number(1 - constants[1])
    rate = number(lr / (1 - constants[0] ** step))
    unbias = number(1 / math.sqrt(1 - constants[1] ** step))
    stay = number(kept)
    parameters, gradients, state = flat(theta), flat(dtheta), flat(moments)
    first, second = state[: parameters.size], state[parameters.size :]
    for i in range(parameters.size):
        first[i] = beta_1 * first[i] + rest_1 * gradients[i]
        second[i] = beta_2 * second[i] + rest_2 * (gradients[i] * gradients[i])
        parameters[i] = stay * parameters[i] - rate * first[i] / (math.sqrt(second[i]) * unbias + epsilon)
    put_back(parameters, theta)
    put_back(state, moments)


@kernel(writes=("theta", "moments"))
def adam_step(theta: Parameters, dtheta: Parameters, moments: Parameters, step: int, lr: float, constants: Constants = ADAM) -> None:
    """(6) theta -= lr m^ / (sqrt(v^) + epsilon), with m^, v^ the running means of dtheta, dtheta^2, freed of their bias.

    theta and dtheta of one shape, moments (2, *theta.shape): m and v; theta and moments change. step counts from 1,
    constants are (beta_1, beta_2, epsilon). Source: Kingma and Ba (2014), algorithm 1.
    """
    adam(theta, dtheta, moments, step, lr, 1.0, constants)


@kernel(writes=("theta", "moments"))
def adamw_step(
    theta: Parameters, dtheta: Parameters, moments: Parameters, step: int, lr: float, weight_decay: float, constants: Constants = ADAM
) -> None:
    """(6) as adam_step, after theta has decayed by the factor 1 - lr weight_decay, apart from the gradient.

    Shapes, step and constants as in adam_step. Source: Loshchilov and Hutter (2017), algorithm 2, as PyTorch has it.
    """
    adam(theta, dtheta, moments, step, lr, 1 - lr * weight_decay, constants)
