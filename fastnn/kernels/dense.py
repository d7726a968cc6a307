"""Dense layers: z = a theta with a_0 = 1, so that row 0 of theta is the bias."""

from fastnn import shapes
from fastnn.arguments import Matrix
from fastnn.kernels.gemm import add_product, add_product_left_transposed, add_product_right_transposed
from fastnn.kernels.jit import kernel
from fastnn.kernels.layout import contiguous, put_back
from fastnn.kernels.overlap import apart


@kernel
def dense_forward(a: Matrix, theta: Matrix, out: Matrix | None = None) -> Matrix:
    """(3) z_i = a_nu theta_nu_i, with a_0 = 1; also (1), (2), (23), (24), (25), (33), (34), (35).

    a (m, n_in), theta (1 + n_in, n_out), z (m, n_out).
    """
    z = shapes.result(out, shapes.dense_z(a.shape, theta.shape), a.dtype)
    apart(out, a)
    apart(out, theta)
    weights, target = contiguous(theta), contiguous(z)
    for n in range(z.shape[0]):
        for i in range(z.shape[1]):
            target[n, i] = weights[0, i]
    add_product(contiguous(a), weights[1:], target)
    put_back(target, z)
    return z


@kernel
def dense_dz_to_dtheta(a: Matrix, dz: Matrix, out: Matrix | None = None) -> Matrix:
    """(8) dtheta_nu_j = a_nu dz_j, with a_0 = 1, summed over the batch; also (6), (13), (31), (40), (44).

    a (m, n_in), dz (m, n_out), dtheta (1 + n_in, n_out).
    """
    dtheta = shapes.result(out, shapes.dense_theta(a.shape, dz.shape), a.dtype)
    apart(out, a)
    apart(out, dz)
    rows, target = contiguous(dz), contiguous(dtheta)
    target[:] = 0
    for n in range(dz.shape[0]):
        for j in range(dz.shape[1]):
            target[0, j] += rows[n, j]
    add_product_left_transposed(contiguous(a), rows, target[1:])
    put_back(target, dtheta)
    return dtheta


@kernel
def dense_dz_to_da(dz: Matrix, theta: Matrix, out: Matrix | None = None) -> Matrix:
    """(9) da_j = dz_i (theta^T)_i_j, for j > 0: the constant a_0 has no gradient; also (7), (41), (45), (46).

    dz (m, n_out), theta (1 + n_in, n_out), da (m, n_in).
    """
    da = shapes.result(out, shapes.dense_a(dz.shape, theta.shape), dz.dtype)
    apart(out, dz)
    apart(out, theta)
    target = contiguous(da)
    target[:] = 0
    add_product_right_transposed(contiguous(dz), contiguous(theta)[1:], target)
    put_back(target, da)
    return da
