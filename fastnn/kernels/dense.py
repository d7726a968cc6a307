"""Dense layers: z = a theta with a_0 = 1, so that row 0 of theta is the bias."""

from fastnn import shapes
from fastnn.arguments import Matrix
from fastnn.kernels.gemm import column_sums, product
from fastnn.kernels.jit import kernel
from fastnn.kernels.layout import contiguous, strided
from fastnn.kernels.overlap import apart


@kernel
def dense_forward(a: Matrix, theta: Matrix, out: Matrix | None = None) -> Matrix:
    """(3) z_i = a_nu theta_nu_i, with a_0 = 1; also (1), (2), (23), (24), (25), (33), (34), (35).

    a (m, n_in), theta (1 + n_in, n_out), z (m, n_out).
    """
    z = shapes.result(out, shapes.dense_z(a.shape, theta.shape), a.dtype)
    apart(out, a)
    apart(out, theta)
    product(a, theta[1:], contiguous(theta[0]), strided(z))
    return z


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
