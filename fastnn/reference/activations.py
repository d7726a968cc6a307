"""Activations a = g(z), (2), (16), (24), elementwise on arrays of any shape, and dz = da g'(z), (10), (22), (42).

Every `<g>_da_to_dz` takes z and a = g(z) and uses what makes its derivative cheaper; the other is only checked.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.arguments import Array, checked
from fastnn.constants import LEAKY_SLOPE


def prepared(z: NDArray[np.floating], out: NDArray[np.floating] | None) -> NDArray[np.floating]:
    """The array for a = g(z)."""
    return shapes.result(out, z.shape, z.dtype)


def prepared_dz(
    da: NDArray[np.floating], z: NDArray[np.floating], a: NDArray[np.floating], out: NDArray[np.floating] | None
) -> NDArray[np.floating]:
    """The array for dz = da g'(z), once da, z and a are known to have one shape."""
    shapes.check_activation(da.shape, z.shape, a.shape)
    return shapes.result(out, da.shape, da.dtype)


def logistic(z: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / (1 + e^-z) without an overflow for any z."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def normal_cdf(z: NDArray[np.floating]) -> NDArray[np.floating]:
    """Phi(z) = (1 + erf(z / sqrt 2)) / 2; NumPy has no erf, so the standard library's runs element by element."""
    erfc = np.vectorize(math.erfc, otypes=[np.float64])
    return (0.5 * erfc(-z.astype(np.float64) / math.sqrt(2))).astype(z.dtype)


@checked
def identity(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z."""
    a = prepared(z, out)
    a[...] = z
    return a


@checked
def identity_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = da
    return dz


@checked
def sigmoid(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = 1 / (1 + e^-z), the notes' choice for a^[L] under (5)."""
    a = prepared(z, out)
    a[...] = logistic(z)
    return a


@checked
def sigmoid_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = a (1 - a), as the notes say behind (13)."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = da * (a * (1 - a))
    return dz


@checked
def tanh(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = tanh z."""
    return np.tanh(z, out=prepared(z, out))


@checked
def tanh_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 - a^2."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = da * ((1 - a) * (1 + a))
    return dz


@checked
def relu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = max(0, z). Source: Nair and Hinton (2010)."""
    return np.maximum(z, 0, out=prepared(z, out))


@checked
def relu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else 0; at a NaN da passes."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = np.where(z <= 0, 0, da)
    return dz


@checked
def leaky_relu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z where z > 0, else 0.01 z. Source: Maas, Hannun and Ng (2013)."""
    a = prepared(z, out)
    a[...] = np.where(z > 0, z, LEAKY_SLOPE * z)
    return a


@checked
def leaky_relu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else 0.01."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = np.where(z > 0, da, LEAKY_SLOPE * da)
    return dz


@checked
def elu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z where z > 0, else e^z - 1. Source: Clevert, Unterthiner and Hochreiter (2015)."""
    a = prepared(z, out)
    a[...] = np.where(z > 0, z, np.expm1(np.minimum(z, 0)))
    return a


@checked
def elu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else e^z = a + 1."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = np.where(z > 0, da, da * (a + 1))
    return dz


@checked
def softplus(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = log(1 + e^z). Source: Dugas et al. (2001)."""
    return np.logaddexp(z, 0, out=prepared(z, out))


@checked
def softplus_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 / (1 + e^-z)."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = da * logistic(z)
    return dz


@checked
def silu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z sigmoid(z). Source: Elfwing, Uchibe and Doya (2017).

    NaN at minus infinity, which is -inf * 0, as in PyTorch; -0 at the largest finite numbers.
    """
    a = prepared(z, out)
    a[...] = z * logistic(z)
    return a


@checked
def silu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = s (1 + z (1 - s)), with s = sigmoid(z)."""
    dz = prepared_dz(da, z, a, out)
    s = logistic(z)
    dz[...] = da * (s * (1 + z * (1 - s)))
    return dz


@checked
def gelu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z Phi(z), with the normal distribution function Phi, exactly. Source: Hendrycks and Gimpel (2016).

    NaN at minus infinity, as `silu`.
    """
    a = prepared(z, out)
    a[...] = z * normal_cdf(z)
    return a


@checked
def gelu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = Phi(z) + z phi(z), with the normal density phi."""
    dz = prepared_dz(da, z, a, out)
    dz[...] = da * (normal_cdf(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))
    return dz


ACTIVATIONS = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "softplus": softplus,
    "silu": silu,
    "gelu": gelu,
}


def activated(z: NDArray[np.floating], activation: str) -> NDArray[np.floating]:
    """(2) z, once a = g(z) is written over it."""
    z[...] = ACTIVATIONS[activation](z)
    return z
