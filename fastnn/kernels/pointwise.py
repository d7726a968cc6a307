"""The loops of the activations, on addresses: z, a, da and dz are n contiguous floats of zero's dtype.

Every `<g>_da_to_dz_at` takes z and a = g(z) and reads what makes its derivative cheaper:

    a           sigmoid, tanh
    z, or a     relu, leaky_relu, elu: z > 0 just where a > 0, and z is NaN just where a is, so either gives the same bits
    z           softplus, silu, gelu: NEEDS_Z in constants.py
    neither     identity

What is written may be one of what is read (a is z; dz is da, z or a), and shares no memory with it otherwise.
"""

import math

from fastnn.constants import ELU, GELU, IDENTITY, LEAKY_RELU, LEAKY_SLOPE, RELU, SIGMOID, SILU, SOFTPLUS, TANH
from fastnn.kernels import elementary
from fastnn.kernels.bits import wide
from fastnn.kernels.jit import compiled
from fastnn.kernels.layout import at, on_stack
from fastnn.kernels.memory import element_size
from fastnn.kernels.normal import normal_cdf
from fastnn.kernels.shared import shared

# A loop asks at run time whether its arrays share memory, and takes one element at a time if so. What `activate` and
# `da_to_dz` write over is therefore copied first, so many elements at a time, which stay in the first cache.
PART = 1024


@shared
def identity_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    for i in range(n):
        target[i] = source[i]


@shared
def identity_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, target = at(da, n, zero), at(dz, n, zero)
    for i in range(n):
        target[i] = gradients[i]


@shared
def sigmoid_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    wide()
    for i in range(n):
        target[i] = elementary.sigmoid(source[i])


@shared
def sigmoid_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, activations, target = at(da, n, zero), at(a, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    for i in range(n):
        target[i] = gradients[i] * (activations[i] * (one - activations[i]))


@shared
def tanh_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    wide()
    for i in range(n):
        target[i] = elementary.tanh(source[i])


@shared
def tanh_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, activations, target = at(da, n, zero), at(a, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    for i in range(n):
        target[i] = gradients[i] * ((one - activations[i]) * (one + activations[i]))


@shared
def relu_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    for i in range(n):
        x = source[i]
        target[i] = zero if x <= zero else x


@shared
def relu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    for i in range(n):
        target[i] = zero if zs[i] <= zero else gradients[i]


@shared
def leaky_relu_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    slope = target.dtype.type(LEAKY_SLOPE)
    for i in range(n):
        x = source[i]
        target[i] = x if x > 0 else slope * x


@shared
def leaky_relu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    slope = target.dtype.type(LEAKY_SLOPE)
    for i in range(n):
        target[i] = gradients[i] if zs[i] > 0 else slope * gradients[i]


@shared
def elu_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    wide()
    for i in range(n):
        x = source[i]
        below = elementary.expm1(x)  # for every x: no branch in the loop
        target[i] = x if x > 0 else below


@shared
def elu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, activations, target = at(da, n, zero), at(z, n, zero), at(a, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    for i in range(n):
        target[i] = gradients[i] if zs[i] > 0 else gradients[i] * (activations[i] + one)


@shared
def softplus_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    wide()
    for i in range(n):
        x = source[i]
        target[i] = max(x, zero) + elementary.log1p(elementary.exp(-abs(x)))


@shared
def softplus_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    wide()
    for i in range(n):
        target[i] = gradients[i] * elementary.sigmoid(zs[i])


@shared
def silu_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    wide()
    for i in range(n):
        target[i] = source[i] * elementary.sigmoid(source[i])


@shared
def silu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    wide()
    for i in range(n):
        s = elementary.sigmoid(zs[i])
        target[i] = gradients[i] * (s * (one + zs[i] * (one - s)))


@shared
def gelu_at(z: int, a: int, n: int, zero: float) -> None:
    source, target = at(z, n, zero), at(a, n, zero)
    wide()
    for i in range(n):
        target[i] = source[i] * normal_cdf(source[i])


@shared
def gelu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    half, density_at_0 = target.dtype.type(0.5), target.dtype.type(1 / math.sqrt(2 * math.pi))
    wide()
    for i in range(n):
        x = zs[i]
        density = density_at_0 * elementary.exp(-half * x * x)
        target[i] = gradients[i] * (normal_cdf(x) + x * density)


@compiled
def _activate(g, z, a, n, zero):
    """Only the loop that runs is ever compiled: it is a shared function."""
    if g == IDENTITY:
        identity_at(z, a, n, zero)
    elif g == SIGMOID:
        sigmoid_at(z, a, n, zero)
    elif g == TANH:
        tanh_at(z, a, n, zero)
    elif g == RELU:
        relu_at(z, a, n, zero)
    elif g == LEAKY_RELU:
        leaky_relu_at(z, a, n, zero)
    elif g == ELU:
        elu_at(z, a, n, zero)
    elif g == SOFTPLUS:
        softplus_at(z, a, n, zero)
    elif g == SILU:
        silu_at(z, a, n, zero)
    elif g == GELU:
        gelu_at(z, a, n, zero)


@compiled
def _da_to_dz(g, da, z, a, dz, n, zero):
    """As `_activate`."""
    if g == IDENTITY:
        identity_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == SIGMOID:
        sigmoid_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == TANH:
        tanh_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == RELU:
        relu_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == LEAKY_RELU:
        leaky_relu_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == ELU:
        elu_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == SOFTPLUS:
        softplus_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == SILU:
        silu_da_to_dz_at(da, z, a, dz, n, zero)
    elif g == GELU:
        gelu_da_to_dz_at(da, z, a, dz, n, zero)


@shared
def activate(g: int, z: int, a: int, n: int, zero: float) -> None:
    """(2) a = g(z), with g by its number in constants.py; a may be z."""
    if z != a:
        _activate(g, z, a, n, zero)
    elif g != IDENTITY:
        part = on_stack(PART, zero)
        for i in range(0, n, PART):
            count, begin = min(PART, n - i), z + i * element_size(zero)
            identity_at(begin, part, count, zero)
            _activate(g, part, begin, count, zero)


@shared
def activate_planes(g: int, a: int, steps: tuple[int, int], counts: tuple[int, int, int], zero: float) -> None:
    """(16) a = g(z) in place of z; counts are samples, planes and the contiguous cells of a plane, steps those between."""
    samples, planes, cells = counts
    if steps[1] == cells * element_size(zero):
        planes, cells = 1, planes * cells
    for n in range(samples):
        for k in range(planes):
            place = a + n * steps[0] + k * steps[1]
            activate(g, place, place, cells, zero)


@shared
def da_to_dz(g: int, da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    """(10) dz = da g'(z), with g by its number in constants.py; dz may be da."""
    if da != dz:
        _da_to_dz(g, da, z, a, dz, n, zero)
    elif g != IDENTITY:
        part = on_stack(PART, zero)
        for i in range(0, n, PART):
            count, offset = min(PART, n - i), i * element_size(zero)
            identity_at(da + offset, part, count, zero)
            _da_to_dz(g, part, z + offset, a + offset, dz + offset, count, zero)
