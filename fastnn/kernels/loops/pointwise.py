"""The loops of the activations, on addresses: z, a, da and dz are n contiguous floats of zero's dtype.

Every `<g>_da_to_dz_at` takes z and a = g(z) and reads what makes its derivative cheaper:

    a           sigmoid, tanh
    z, or a     relu, leaky_relu, elu: z > 0 just where a > 0, and z is NaN just where a is, so either gives the same bits
    z           softplus, silu, gelu: NEEDS_Z in constants.py
    neither     identity

What is written may be one of what is read (a is z; dz is da, z or a), and shares no memory with it otherwise.
"""

from fastnn.constants import ELU, GELU, IDENTITY, LEAKY_RELU, LEAKY_SLOPE, RELU, SIGMOID, SILU, SOFTPLUS, TANH
from fastnn.kernels.arrays.layout import at, on_stack
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, exactly
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.loops import elementary
from fastnn.kernels.loops.normal import normal_cdf, normal_cdf_and_density
from fastnn.kernels.registers.bits import wide

# What `da_to_dz` writes over is copied first, so many elements at a time, which stay in the first cache: see `_each`.
PART = 1024


@compiled
def _each(g, z, a, n, zero):
    """a = g(z). In place is a loop of its own: one over two arrays asks whether they share memory, and is slow where so."""
    wide()
    target = at(a, n, zero)
    if a == z:
        for i in range(n):
            target[i] = g(target[i])
    else:
        source = at(z, n, zero)
        for i in range(n):
            target[i] = g(source[i])


@exactly
def _same(z):
    return z


@shared
def identity_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_same, z, a, n, zero)


@shared
def identity_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, target = at(da, n, zero), at(dz, n, zero)
    for i in range(n):
        target[i] = gradients[i]


@shared
def sigmoid_at(z: int, a: int, n: int, zero: float) -> None:
    _each(elementary.sigmoid, z, a, n, zero)


@shared
def sigmoid_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, activations, target = at(da, n, zero), at(a, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    for i in range(n):
        target[i] = gradients[i] * (activations[i] * (one - activations[i]))


@shared
def tanh_at(z: int, a: int, n: int, zero: float) -> None:
    _each(elementary.tanh, z, a, n, zero)


@exactly
def _tanh_slope(a):
    one = type(a)(1)
    return (one - a) * (one + a)  # as a product of its own: da (1 + a), which LLVM would take first, can overflow


@shared
def tanh_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, activations, target = at(da, n, zero), at(a, n, zero), at(dz, n, zero)
    for i in range(n):
        target[i] = gradients[i] * _tanh_slope(activations[i])


@exactly
def _relu(z):
    zero = type(z)(0)
    return zero if z <= zero else z


@shared
def relu_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_relu, z, a, n, zero)


@shared
def relu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    for i in range(n):
        target[i] = zero if zs[i] <= zero else gradients[i]


@exactly
def _leaky_relu(z):
    return z if z > 0 else type(z)(LEAKY_SLOPE) * z


@shared
def leaky_relu_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_leaky_relu, z, a, n, zero)


@shared
def leaky_relu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    slope = target.dtype.type(LEAKY_SLOPE)
    for i in range(n):
        target[i] = gradients[i] if zs[i] > 0 else slope * gradients[i]


@exactly
def _elu(z):
    below = elementary.expm1(z)  # for every z: no branch in the loop
    return z if z > 0 else below


@shared
def elu_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_elu, z, a, n, zero)


@shared
def elu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, activations, target = at(da, n, zero), at(z, n, zero), at(a, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    for i in range(n):
        target[i] = gradients[i] if zs[i] > 0 else gradients[i] * (activations[i] + one)


@exactly
def _softplus(z):
    return max(z, type(z)(0)) + elementary.log1p(elementary.exp(-abs(z)))


@shared
def softplus_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_softplus, z, a, n, zero)


@shared
def softplus_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    wide()
    for i in range(n):
        target[i] = gradients[i] * elementary.sigmoid(zs[i])


@exactly
def _silu(z):
    return z * elementary.sigmoid(z)


@shared
def silu_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_silu, z, a, n, zero)


@shared
def silu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    one = target.dtype.type(1)
    wide()
    for i in range(n):
        s = elementary.sigmoid(zs[i])
        target[i] = gradients[i] * (s * (one + zs[i] * (one - s)))


@exactly
def _gelu(z):
    return z * normal_cdf(z)


@shared
def gelu_at(z: int, a: int, n: int, zero: float) -> None:
    _each(_gelu, z, a, n, zero)


@shared
def gelu_da_to_dz_at(da: int, z: int, a: int, dz: int, n: int, zero: float) -> None:
    gradients, zs, target = at(da, n, zero), at(z, n, zero), at(dz, n, zero)
    wide()
    for i in range(n):
        cdf, density = normal_cdf_and_density(zs[i])
        target[i] = gradients[i] * (cdf + zs[i] * density)


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
    if z != a or g != IDENTITY:
        _activate(g, z, a, n, zero)


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
