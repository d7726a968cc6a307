"""Activations a = g(z), (2), (16), (24), elementwise on arrays of any shape, and dz = da g'(z), (10), (22), (42).

Every `<g>_da_to_dz` takes z and a = g(z) and uses what makes its derivative cheaper; the other is only checked.
Constants have the arrays' dtype, so that float32 stays float32 throughout.
"""

import math

from fastnn import shapes
from fastnn.arguments import Array
from fastnn.constants import LEAKY_SLOPE
from fastnn.kernels import elementary
from fastnn.kernels.bits import wide
from fastnn.kernels.jit import compiled, kernel
from fastnn.kernels.layout import flat, put_back
from fastnn.kernels.normal import normal_cdf
from fastnn.kernels.overlap import apart


@compiled
def prepared(z, out):
    """The array for a = g(z)."""
    apart(out, z)
    return shapes.result(out, z.shape, z.dtype)


@compiled
def prepared_dz(da, z, a, out):
    """The array for dz = da g'(z), once da, z and a are known to have one shape."""
    shapes.check_activation(da.shape, z.shape, a.shape)
    apart(out, da)
    apart(out, z)
    apart(out, a)
    return shapes.result(out, da.shape, da.dtype)


@kernel
def identity(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z."""
    a = prepared(z, out)
    source, target = flat(z), flat(a)
    for i in range(source.size):
        target[i] = source[i]
    put_back(target, a)
    return a


@kernel
def identity_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1."""
    dz = prepared_dz(da, z, a, out)
    gradients, target = flat(da), flat(dz)
    for i in range(target.size):
        target[i] = gradients[i]
    put_back(target, dz)
    return dz


@kernel
def sigmoid(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = 1 / (1 + e^-z), the notes' choice for a^[L] under (5)."""
    a = prepared(z, out)
    source, target = flat(z), flat(a)
    wide()
    for i in range(source.size):
        target[i] = elementary.sigmoid(source[i])
    put_back(target, a)
    return a


@kernel
def sigmoid_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = a (1 - a), as the notes say behind (13)."""
    dz = prepared_dz(da, z, a, out)
    one = da.dtype.type(1)
    gradients, activations, target = flat(da), flat(a), flat(dz)
    for i in range(target.size):
        target[i] = gradients[i] * (activations[i] * (one - activations[i]))
    put_back(target, dz)
    return dz


@kernel
def tanh(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = tanh z."""
    a = prepared(z, out)
    source, target = flat(z), flat(a)
    wide()
    for i in range(source.size):
        target[i] = elementary.tanh(source[i])
    put_back(target, a)
    return a


@kernel
def tanh_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 - a^2."""
    dz = prepared_dz(da, z, a, out)
    one = da.dtype.type(1)
    gradients, activations, target = flat(da), flat(a), flat(dz)
    for i in range(target.size):
        target[i] = gradients[i] * ((one - activations[i]) * (one + activations[i]))
    put_back(target, dz)
    return dz


@kernel
def relu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = max(0, z). Source: Nair and Hinton (2010)."""
    a = prepared(z, out)
    zero = z.dtype.type(0)
    source, target = flat(z), flat(a)
    for i in range(source.size):
        x = source[i]
        target[i] = zero if x <= zero else x
    put_back(target, a)
    return a


@kernel
def relu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else 0; at a NaN da passes."""
    dz = prepared_dz(da, z, a, out)
    zero = da.dtype.type(0)
    gradients, zs, target = flat(da), flat(z), flat(dz)
    for i in range(target.size):
        target[i] = zero if zs[i] <= zero else gradients[i]
    put_back(target, dz)
    return dz


@kernel
def leaky_relu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z where z > 0, else 0.01 z. Source: Maas, Hannun and Ng (2013)."""
    a = prepared(z, out)
    slope = z.dtype.type(LEAKY_SLOPE)
    source, target = flat(z), flat(a)
    for i in range(source.size):
        x = source[i]
        target[i] = x if x > 0 else slope * x
    put_back(target, a)
    return a


@kernel
def leaky_relu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else 0.01."""
    dz = prepared_dz(da, z, a, out)
    slope = da.dtype.type(LEAKY_SLOPE)
    gradients, zs, target = flat(da), flat(z), flat(dz)
    for i in range(target.size):
        target[i] = gradients[i] if zs[i] > 0 else slope * gradients[i]
    put_back(target, dz)
    return dz


@kernel
def elu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z where z > 0, else e^z - 1. Source: Clevert, Unterthiner and Hochreiter (2015)."""
    a = prepared(z, out)
    source, target = flat(z), flat(a)
    wide()
    for i in range(source.size):
        x = source[i]
        below = elementary.expm1(x)  # for every x: no branch in the loop
        target[i] = x if x > 0 else below
    put_back(target, a)
    return a


@kernel
def elu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else e^z = a + 1."""
    dz = prepared_dz(da, z, a, out)
    one = da.dtype.type(1)
    gradients, zs, activations, target = flat(da), flat(z), flat(a), flat(dz)
    for i in range(target.size):
        target[i] = gradients[i] if zs[i] > 0 else gradients[i] * (activations[i] + one)
    put_back(target, dz)
    return dz


@kernel
def softplus(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = log(1 + e^z). Source: Dugas et al. (2001)."""
    a = prepared(z, out)
    zero = z.dtype.type(0)
    source, target = flat(z), flat(a)
    wide()
    for i in range(source.size):
        x = source[i]
        target[i] = max(x, zero) + elementary.log1p(elementary.exp(-abs(x)))
    put_back(target, a)
    return a


@kernel
def softplus_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 / (1 + e^-z)."""
    dz = prepared_dz(da, z, a, out)
    gradients, zs, target = flat(da), flat(z), flat(dz)
    wide()
    for i in range(target.size):
        target[i] = gradients[i] * elementary.sigmoid(zs[i])
    put_back(target, dz)
    return dz


@kernel
def silu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z sigmoid(z). Source: Elfwing, Uchibe and Doya (2017)."""
    a = prepared(z, out)
    source, target = flat(z), flat(a)
    wide()
    for i in range(source.size):
        target[i] = source[i] * elementary.sigmoid(source[i])
    put_back(target, a)
    return a


@kernel
def silu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = s (1 + z (1 - s)), with s = sigmoid(z)."""
    dz = prepared_dz(da, z, a, out)
    one = da.dtype.type(1)
    gradients, zs, target = flat(da), flat(z), flat(dz)
    wide()
    for i in range(target.size):
        s = elementary.sigmoid(zs[i])
        target[i] = gradients[i] * (s * (one + zs[i] * (one - s)))
    put_back(target, dz)
    return dz


@kernel
def gelu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z Phi(z), with the normal distribution function Phi, exactly. Source: Hendrycks and Gimpel (2016)."""
    a = prepared(z, out)
    source, target = flat(z), flat(a)
    wide()
    for i in range(source.size):
        target[i] = source[i] * normal_cdf(source[i])
    put_back(target, a)
    return a


@kernel
def gelu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = Phi(z) + z phi(z), with the normal density phi."""
    dz = prepared_dz(da, z, a, out)
    half, density_at_0 = da.dtype.type(0.5), da.dtype.type(1 / math.sqrt(2 * math.pi))
    gradients, zs, target = flat(da), flat(z), flat(dz)
    wide()
    for i in range(target.size):
        x = zs[i]
        density = density_at_0 * elementary.exp(-half * x * x)
        target[i] = gradients[i] * (normal_cdf(x) + x * density)
    put_back(target, dz)
    return dz
