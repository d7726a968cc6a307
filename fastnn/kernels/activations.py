"""Activations a = g(z), (2), (16), (24), elementwise on arrays of any shape, and dz = da g'(z), (10), (22), (42).

Every `<g>_da_to_dz` takes z and a = g(z) and uses what makes its derivative cheaper; the other is only checked.
The loops are in pointwise.py.
"""

from fastnn import shapes
from fastnn.arguments import Array
from fastnn.kernels.arrays.layout import flat, put_back
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.loops import pointwise


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
    target = flat(a)
    pointwise.identity_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def identity_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.identity_da_to_dz_at(flat(da), z, a, target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def sigmoid(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = 1 / (1 + e^-z), the notes' choice for a^[L] under (5)."""
    a = prepared(z, out)
    target = flat(a)
    pointwise.sigmoid_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def sigmoid_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = a (1 - a), as the notes say behind (13)."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.sigmoid_da_to_dz_at(flat(da), z, flat(a), target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def tanh(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = tanh z."""
    a = prepared(z, out)
    target = flat(a)
    pointwise.tanh_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def tanh_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 - a^2."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.tanh_da_to_dz_at(flat(da), z, flat(a), target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def relu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = max(0, z). Source: Nair and Hinton (2010)."""
    a = prepared(z, out)
    target = flat(a)
    pointwise.relu_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def relu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else 0; at a NaN da passes."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.relu_da_to_dz_at(flat(da), flat(z), a, target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def leaky_relu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z where z > 0, else 0.01 z. Source: Maas, Hannun and Ng (2013)."""
    a = prepared(z, out)
    target = flat(a)
    pointwise.leaky_relu_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def leaky_relu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else 0.01."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.leaky_relu_da_to_dz_at(flat(da), flat(z), a, target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def elu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z where z > 0, else e^z - 1. Source: Clevert, Unterthiner and Hochreiter (2015)."""
    a = prepared(z, out)
    target = flat(a)
    pointwise.elu_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def elu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 where z > 0, else e^z = a + 1."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.elu_da_to_dz_at(flat(da), flat(z), flat(a), target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def softplus(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = log(1 + e^z). Source: Dugas et al. (2001)."""
    a = prepared(z, out)
    target = flat(a)
    pointwise.softplus_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def softplus_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = 1 / (1 + e^-z)."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.softplus_da_to_dz_at(flat(da), flat(z), a, target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def silu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z sigmoid(z). Source: Elfwing, Uchibe and Doya (2017).

    NaN at minus infinity, which is -inf * 0, as in PyTorch; -0 at the largest finite numbers.
    """
    a = prepared(z, out)
    target = flat(a)
    pointwise.silu_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def silu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = s (1 + z (1 - s)), with s = sigmoid(z)."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.silu_da_to_dz_at(flat(da), flat(z), a, target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz


@kernel
def gelu(z: Array, out: Array | None = None) -> Array:
    """(2) g(z) = z Phi(z), with the normal distribution function Phi, exactly. Source: Hendrycks and Gimpel (2016).

    NaN at minus infinity, as `silu`.
    """
    a = prepared(z, out)
    target = flat(a)
    pointwise.gelu_at(flat(z), target, a.size, z.dtype.type(0))
    put_back(target, a)
    return a


@kernel
def gelu_da_to_dz(da: Array, z: Array, a: Array, out: Array | None = None) -> Array:
    """(10) g'(z) = Phi(z) + z phi(z), with the normal density phi."""
    dz = prepared_dz(da, z, a, out)
    target = flat(dz)
    pointwise.gelu_da_to_dz_at(flat(da), flat(z), a, target, dz.size, da.dtype.type(0))
    put_back(target, dz)
    return dz
