"""What an optimiser does to the parameters, in place: theta of any shape and its gradient dtheta."""

import math

from fastnn import shapes
from fastnn.arguments import Constants, Parameters
from fastnn.constants import ADAM
from fastnn.kernels.arrays.layout import address, at, flat, put_back
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.bits import wide
from fastnn.kernels.registers.simd import LINE


@compiled
def _before_line(theta, n, zero):
    """How many of n parameters lie before the first whole line of a cache.

    NumPy's large arrays begin 16 bytes behind a line, all of them: vectors of 64 bytes that crossed lines, in six or seven
    arrays at once, took twice as long.
    """
    return min(n, -theta % LINE // element_size(zero))


@shared
def sgd_at(theta: int, dtheta: int, velocity: int, n: int, rate: float, momentum: float, nesterov: int) -> None:
    """(6) for n parameters at an address; without momentum the velocity is neither read nor written."""
    before = _before_line(theta, n, rate)
    _sgd(theta, dtheta, velocity, before, rate, momentum, nesterov)
    offset = before * element_size(rate)
    _sgd(theta + offset, dtheta + offset, velocity + offset, n - before, rate, momentum, nesterov)


@compiled
def _sgd(theta, dtheta, velocity, n, rate, momentum, nesterov):
    """A loop for each form: LLVM made no vectors of one with a condition in it, which took 6 times as long.

    All is read before anything is written, and nothing is read again: a load waits for an earlier store whose address ends
    in the same 12 bits, as those of large arrays do, and for one that crosses lines. Adam took 0.7 to 0.9 ns for 0.32 so.
    """
    wide()
    parameters, gradients, velocities = at(theta, n, rate), at(dtheta, n, rate), at(velocity, n, rate)
    if momentum == 0:
        for i in range(n):
            parameters[i] -= rate * gradients[i]
    elif nesterov != 0:
        for i in range(n):
            gradient = gradients[i]
            v = momentum * velocities[i] + gradient
            stepped = parameters[i] - rate * (gradient + momentum * v)
            velocities[i], parameters[i] = v, stepped
    else:
        for i in range(n):
            v = momentum * velocities[i] + gradients[i]
            stepped = parameters[i] - rate * v
            velocities[i], parameters[i] = v, stepped


@shared
def adam_at(
    theta: int,
    dtheta: int,
    first: int,
    second: int,
    n: int,
    rate: float,
    unbias: float,
    beta_1: float,
    beta_2: float,
    rest_1: float,
    rest_2: float,
    epsilon: float,
    stay: float,
) -> None:
    """(6) for n parameters at an address: rest_i = 1 - beta_i, rate = lr / (1 - beta_1^t), unbias = (1 - beta_2^t)^(-1/2).

    stay is 1 for Adam, 1 - lr weight_decay for AdamW. Read before written: see `_sgd`.
    """
    begin, count = 0, _before_line(theta, n, rate)
    for _ in range(2):
        offset = begin * element_size(rate)
        parameters, gradients = at(theta + offset, count, rate), at(dtheta + offset, count, rate)
        means, squares = at(first + offset, count, rate), at(second + offset, count, rate)
        for i in range(count):
            gradient = gradients[i]
            mean = beta_1 * means[i] + rest_1 * gradient
            square = beta_2 * squares[i] + rest_2 * (gradient * gradient)
            stepped = stay * parameters[i] - rate * mean / (math.sqrt(square) * unbias + epsilon)
            means[i], squares[i], parameters[i] = mean, square, stepped
        begin, count = count, n - count


@kernel(writes=("theta", "velocity"))
def sgd_step(
    theta: Parameters, dtheta: Parameters, velocity: Parameters, lr: float, momentum: float = 0.0, nesterov: bool = False
) -> None:
    """(6) theta -= lr v, with v = momentum v + dtheta; Nesterov's form steps by dtheta + momentum v.

    theta, dtheta and velocity of one shape; theta and velocity change. Without momentum v stays as it is. Source:
    Sutskever et al. (2013), in the form that PyTorch uses.
    """
    shapes.check_update(dtheta.shape, theta.shape)
    shapes.check_state(velocity.shape, theta.shape)
    apart(theta, dtheta)
    apart(theta, velocity)
    apart(velocity, dtheta)
    rate, mu, parameters = theta.dtype.type(lr), theta.dtype.type(momentum), flat(theta)
    if momentum == 0:
        sgd_at(parameters, flat(dtheta), velocity, theta.size, rate, mu, nesterov)
    else:
        velocities = flat(velocity)
        sgd_at(parameters, flat(dtheta), velocities, theta.size, rate, mu, nesterov)
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
    beta_1, beta_2, epsilon = constants
    parameters, state = flat(theta), flat(moments)
    adam_at(
        parameters, flat(dtheta), state, address(state) + theta.nbytes, theta.size,
        number(lr / (1 - beta_1**step)), number(1 / math.sqrt(1 - beta_2**step)),
        number(beta_1), number(beta_2), number(1 - beta_1), number(1 - beta_2), number(epsilon), number(kept),
    )  # fmt: skip
    put_back(parameters, theta)
    put_back(state, moments)


@kernel(writes=("theta", "moments"))
def adam_step(
    theta: Parameters, dtheta: Parameters, moments: Parameters, step: int, lr: float, constants: Constants = ADAM
) -> None:
    """(6) theta -= lr m^ / (sqrt(v^) + epsilon), with m^, v^ the running means of dtheta, dtheta^2, freed of their bias.

    theta and dtheta of one shape, moments (2, *theta.shape): m and v; theta and moments change. step counts from 1,
    constants are (beta_1, beta_2, epsilon). Source: Kingma and Ba (2014), algorithm 1.
    """
    adam(theta, dtheta, moments, step, lr, 1.0, constants)


@kernel(writes=("theta", "moments"))
def adamw_step(
    theta: Parameters,
    dtheta: Parameters,
    moments: Parameters,
    step: int,
    lr: float,
    weight_decay: float,
    constants: Constants = ADAM,
) -> None:
    """(6) as adam_step, after theta has decayed by the factor 1 - lr weight_decay, apart from the gradient.

    Shapes, step and constants as in adam_step. Source: Loshchilov and Hutter (2017), algorithm 2, as PyTorch has it.
    """
    adam(theta, dtheta, moments, step, lr, 1 - lr * weight_decay, constants)
