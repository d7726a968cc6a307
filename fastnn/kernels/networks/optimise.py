"""An optimiser's step for some of a network's parameters, as its settings say: numbers that compiled code can look up.

settings   METHOD, LR, MOMENTUM, NESTEROV, BETA_1, BETA_2, EPSILON, DECAY (constants.py), in float64
moments    SGD's velocity, or Adam's m, and behind all of them v
"""

import math

from fastnn import constants
from fastnn.kernels.arrays.layout import at
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.updates import adam_at, sgd_at


@shared
def update_at(
    settings: int, t: int, parameters: int, gradients: int, moments: int, total: int, begin: int, count: int, zero: float
) -> None:
    """(6) step t for `count` of `total` parameters, from the one at `begin` on."""
    given, size = at(settings, constants.SETTINGS, 0.0), element_size(zero)
    theta, dtheta, first = parameters + begin * size, gradients + begin * size, moments + begin * size
    number, lr = at(theta, 0, zero).dtype.type, given[constants.LR]
    if given[constants.METHOD] == constants.SGD_METHOD:
        sgd_at(theta, dtheta, first, count, number(lr), number(given[constants.MOMENTUM]), int(given[constants.NESTEROV]))
        return
    beta_1, beta_2 = given[constants.BETA_1], given[constants.BETA_2]
    adam_at(
        theta, dtheta, first, first + total * size, count,
        number(lr / (1 - beta_1**t)), number(1 / math.sqrt(1 - beta_2**t)),
        number(beta_1), number(beta_2), number(1 - beta_1), number(1 - beta_2), number(given[constants.EPSILON]),
        number(1 - lr * given[constants.DECAY]),
    )  # fmt: skip
