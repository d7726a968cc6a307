"""Dense layers: z = a theta with a_0 = 1, so that row 0 of theta is the bias."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Activation, Matrix, checked
from fastnn.reference.activations import activated


@checked
def dense_forward(a: Matrix, theta: Matrix, out: Matrix | None = None, activation: Activation = "identity") -> Matrix:
    """(3) z_i = a_nu theta_nu_i, with a_0 = 1, then (2) g(z); also (1), (23), (24), (25), (33), (34), (35).

    a (m, n_in), theta (1 + n_in, n_out), z (m, n_out). activation is the name of g, by default the identity.
    """
    z = shapes.result(out, shapes.dense_z(a.shape, theta.shape), a.dtype)
    np.matmul(a, theta[1:], out=z)
    z += theta[0]
    return activated(z, activation)


@checked
def dense_dz_to_dtheta(a: Matrix, dz: Matrix, out: Matrix | None = None) -> Matrix:
    """(8) dtheta_nu_j = a_nu dz_j, with a_0 = 1, summed over the batch; also (6), (13), (31), (40), (44).

    a (m, n_in), dz (m, n_out), dtheta (1 + n_in, n_out).
    """
    dtheta = shapes.result(out, shapes.dense_theta(a.shape, dz.shape), a.dtype)
    dtheta[0] = dz.sum(axis=0)
    np.matmul(a.T, dz, out=dtheta[1:])
    return dtheta


@checked
def dense_dz_to_da(dz: Matrix, theta: Matrix, out: Matrix | None = None) -> Matrix:
    """(9) da_j = dz_i (theta^T)_i_j, for j > 0: the constant a_0 has no gradient; also (7), (41), (45), (46).

    dz (m, n_out), theta (1 + n_in, n_out), da (m, n_in).
    """
    da = shapes.result(out, shapes.dense_a(dz.shape, theta.shape), dz.dtype)
    return np.matmul(dz, theta[1:].T, out=da)
