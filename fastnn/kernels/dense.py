"""Dense layers: z = a theta with a_0 = 1, so that row 0 of theta is the bias."""

from fastnn import shapes
from fastnn.arguments import Activation, Matrix
from fastnn.constants import IDENTITY
from fastnn.kernels.arrays.layout import contiguous, flat, put_back, strided
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.loops.pointwise import activate
from fastnn.kernels.products.gemm import column_sums, product
from fastnn.kernels.products.product_ways import SETTLED_ROWS

# The rows of z that g is applied to at a time, right behind their product: they are still in a second-level cache of 1 MB or
# more, and enough for the product to take the same way, with the same bits, as for all of them at once.
G_BYTES, G_ROWS = 256 * 1024, SETTLED_ROWS


@kernel
def dense_forward(a: Matrix, theta: Matrix, out: Matrix | None = None, activation: Activation = "identity") -> Matrix:
    """(3) z_i = a_nu theta_nu_i, with a_0 = 1, then (2) g(z); also (1), (23), (24), (25), (33), (34), (35).

    a (m, n_in), theta (1 + n_in, n_out), z (m, n_out). activation is the name of g, by default the identity.
    """
    z = shapes.result(out, shapes.dense_z(a.shape, theta.shape), a.dtype)
    apart(out, a)
    apart(out, theta)
    if _is_identity(activation):
        product(a, theta[1:], contiguous(theta[0]), strided(z))
    else:
        _activated_product(a, theta, strided(z), activation)
    return z


@compiled
def _is_identity(g):
    """Kernels get the number of an activation for its name."""
    return g == IDENTITY


@compiled
def _activated_product(a, theta, z, g):
    """z = g(a theta), block by block of rows; the last block has up to twice as many."""
    (m, n), b, first = z.shape, contiguous(theta[0]), 0
    rows = max(G_ROWS, G_BYTES // max(1, n * z.itemsize))
    while first < m:
        behind = first + rows if m - first >= 2 * rows else m
        block = z[first:behind]
        product(a[first:behind], theta[1:], b, block)
        row = flat(block)
        activate(g, row, row, row.size, z.dtype.type(0))
        put_back(row, block)
        first = behind


@kernel
def dense_dz_to_dtheta(a: Matrix, dz: Matrix, out: Matrix | None = None) -> Matrix:
    """(8) dtheta_nu_j = a_nu dz_j, with a_0 = 1, summed over the batch; also (6), (13), (31), (40), (44).

    a (m, n_in), dz (m, n_out), dtheta (1 + n_in, n_out).
    """
    dtheta = shapes.result(out, shapes.dense_theta(a.shape, dz.shape), a.dtype)
    apart(out, a)
    apart(out, dz)
    target = strided(dtheta)
    column_sums(dz, target[0])
    product(a.T, dz, None, target[1:])
    return dtheta


@kernel
def dense_dz_to_da(dz: Matrix, theta: Matrix, out: Matrix | None = None) -> Matrix:
    """(9) da_j = dz_i (theta^T)_i_j, for j > 0: the constant a_0 has no gradient; also (7), (41), (45), (46).

    dz (m, n_out), theta (1 + n_in, n_out), da (m, n_in).
    """
    da = shapes.result(out, shapes.dense_a(dz.shape, theta.shape), dz.dtype)
    apart(out, dz)
    apart(out, theta)
    product(dz, theta[1:].T, None, strided(da))
    return da
