"""The errata of the notes: beside finite differences of the notes' own cost the printed formula fails, the right one holds.

Each test gives the printed formula shapes in which it can be computed at all, so that it fails by its value alone.
"""
# ruff: noqa: E741 - l is the notes' name of a layer

import numpy as np
import pytest
from differences import DIFFERENCED, EXACT, WRONG, distance, normal, numerical_gradient, uniform

from fastnn import shapes
from fastnn.backend import ops


def image(x):
    """(n, n) as one sample of one channel."""
    return x[None, None]


def J(a, y):
    """(5) of one sample."""
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))


def dense(a, theta):
    """(2) with g = sigmoid."""
    return ops.sigmoid(ops.dense_forward(a, theta))


def conv(a, theta, b=0.0, S=1):
    """(15), (16) with g = sigmoid, for one image of one channel."""
    return ops.sigmoid(ops.conv2d_forward(image(a), image(theta), np.array([b]), S))[0, 0]


def check_erratum(right, printed, numerical):
    """The right formula is the finite difference, and the printed one is far from it."""
    assert distance(right, numerical) < DIFFERENCED
    assert distance(printed, numerical) > WRONG


# Dense layers ------------------------------------------------------------------------------------------------------


def test_denominator_is_of_the_last_layer():
    """(11), (43) da^[L] = (a^[L] - y) / (a^[L] (1 - a^[L])), not 1 - a^[L-1]; both layers' dtheta show it."""
    x, y, theta = normal(1, 2), uniform(1, 3), {1: normal(3, 3, seed=1), 2: normal(4, 3, seed=2)}
    a_1 = dense(x, theta[1])
    a_2 = dense(a_1, theta[2])

    def gradients(da):
        dz = ops.sigmoid_da_to_dz(da, a_2, a_2)
        dz_1 = ops.sigmoid_da_to_dz(ops.dense_dz_to_da(dz, theta[2]), a_1, a_1)
        return {2: ops.dense_dz_to_dtheta(a_1, dz), 1: ops.dense_dz_to_dtheta(x, dz_1)}

    right = gradients(ops.binary_cross_entropy_da(a_2, y))
    printed = gradients((a_2 - y) / (a_2 * (1 - a_1)))
    for l in (1, 2):
        numerical = numerical_gradient(lambda: J(dense(dense(x, theta[1]), theta[2]), y), theta[l])
        check_erratum(right[l], printed[l], numerical)


def test_dtheta_has_the_indices_of_theta():
    """(6), (11), (13) dtheta_nu_j as in (8), not dtheta_j_nu; n_out = 1 + n_in makes the two of one shape."""
    a, theta, y = normal(1, 3), normal(4, 4, seed=1), uniform(1, 4)
    dz = dense(a, theta) - y
    dtheta = ops.dense_dz_to_dtheta(a, dz)
    check_erratum(dtheta, dtheta.T, numerical_gradient(lambda: J(dense(a, theta), y), theta))


def test_z_takes_the_layers_input():
    """(35) z^[l] = theta a^[l-1], not a^[l]: only so is a^[l] = g(z^[l]) (34), and dtheta right; s_l = s_(l-1)."""
    a, theta, y = uniform(1, 3, seed=3), normal(3, 4, seed=1), uniform(1, 3)
    a_l = dense(a, theta.T)
    z = np.array([1.0, *a[0]]) @ theta.T
    z_printed = np.array([1.0, *a_l[0]]) @ theta.T
    assert distance(ops.sigmoid(z), a_l[0]) < EXACT
    assert distance(ops.sigmoid(z_printed), a_l[0]) > WRONG

    right, printed = ops.dense_dz_to_dtheta(a, a_l - y).T, ops.dense_dz_to_dtheta(a_l, a_l - y).T
    check_erratum(right, printed, numerical_gradient(lambda: J(dense(a, theta.T), y), theta))


def test_dz_is_not_the_gradient_of_a():
    """(46) its brace "dz" stands on dJ/da^[l], which is da^[l]; dz^[l] is dJ/dz^[l] = da^[l] g'(z^[l])."""
    z, theta, y = normal(1, 3), normal(2, 4, seed=1), uniform(1, 2)
    a = ops.sigmoid(z)
    da = ops.dense_dz_to_da(dense(a, theta.T) - y, theta.T)
    dz = ops.sigmoid_da_to_dz(da, z, a)
    check_erratum(da, dz, numerical_gradient(lambda: J(dense(a, theta.T), y), a))
    check_erratum(dz, da, numerical_gradient(lambda: J(dense(ops.sigmoid(z), theta.T), y), z))


# Convolution -------------------------------------------------------------------------------------------------------


def test_bias_belongs_to_every_cell():
    """(15) equal windows give equal z: b stands in every cell, where b delta_ij would stand on the diagonal."""
    x, theta, b = np.ones((5, 5)), normal(3, 3), 0.7
    z = ops.conv2d_forward(image(x), image(theta), np.array([b]))[0, 0]
    printed = ops.conv2d_forward(image(x), image(theta), np.zeros(1))[0, 0] + b * np.eye(3)
    assert distance(z, np.full((3, 3), theta.sum() + b)) < EXACT
    assert distance(printed, np.full((3, 3), theta.sum() + b)) > WRONG


def test_db_sums_every_cell():
    """(15) db = sum_ij dz_ij, which the notes leave out; b delta_ij would give the sum of the diagonal."""
    x, theta, b, y = normal(5, 5), normal(3, 3, seed=1), np.array([0.7]), uniform(3, 3)
    dz = conv(x, theta, b[0]) - y
    numerical = numerical_gradient(lambda: J(conv(x, theta, b[0]), y), b)
    check_erratum(ops.conv2d_dz_to_db(image(dz)), [np.trace(dz)], numerical)


def test_conv_dtheta_takes_the_layers_input():
    """(17) dtheta_rs = dz_ij a^[l-1]_(iS+r)(jS+s), not a^[l]; f = S = 1 keeps the indices of a^[l] in range."""
    x, theta, y = normal(4, 4), normal(1, 1, seed=1), uniform(4, 4)
    a = conv(x, theta)
    right, printed = (ops.conv2d_dz_to_dtheta(image(i), image(a - y), 1)[0, 0] for i in (x, a))
    check_erratum(right, printed, numerical_gradient(lambda: J(conv(x, theta), y), theta))


@pytest.fixture
def two_strides():
    """z^[1] and a^[1] of a first layer with S^[1] = 1; S^[2] = 2, theta^[2], y and dz^[2] of the second."""
    S, theta, y = {1: 1, 2: 2}, {1: normal(2, 2), 2: normal(3, 3, seed=1)}, uniform(3, 3)
    z = ops.conv2d_forward(image(normal(8, 8, seed=2)), image(theta[1]), np.zeros(1), S[1])[0, 0]
    a = ops.sigmoid(z)
    return S, theta[2], y, z, a, conv(a, theta[2], S=S[2]) - y


def scatter(dz, theta, S, n):
    """(19) da_ij = theta_rs dz_uv delta_i(uS+r) delta_j(vS+s), with the stride S."""
    da = np.zeros((n, n))
    for u, v in np.ndindex(dz.shape):
        for r, s in np.ndindex(theta.shape):
            da[u * S + r, v * S + s] += theta[r, s] * dz[u, v]
    return da


def test_scatter_has_the_next_layers_stride(two_strides):
    """(18), (19) i = u S^[l+1] + r, not u S^[l] + r: z^[l+1] was made with the stride of its own layer."""
    S, theta, y, _, a, dz = two_strides
    numerical = numerical_gradient(lambda: J(conv(a, theta, S=S[2]), y), a)
    check_erratum(scatter(dz, theta, S[2], 7), scatter(dz, theta, S[1], 7), numerical)
    check_erratum(ops.conv2d_dz_to_da(image(dz), image(theta), 7, S[2])[0, 0], scatter(dz, theta, S[1], 7), numerical)


def test_derivative_belongs_to_dz(two_strides):
    """(18), (19) g' stands outside the brace "da": with it inside, da is wrong, and (22) counts g' twice."""
    S, theta, y, z, a, dz = two_strides
    da = ops.conv2d_dz_to_da(image(dz), image(theta), 7, S[2])[0, 0]
    once = ops.sigmoid_da_to_dz(da, z, a)
    twice = ops.sigmoid_da_to_dz(once, z, a)
    check_erratum(da, once, numerical_gradient(lambda: J(conv(a, theta, S=S[2]), y), a))
    check_erratum(once, twice, numerical_gradient(lambda: J(conv(ops.sigmoid(z), theta, S=S[2]), y), z))


def test_output_size_is_rounded_down():
    """(15) n' = floor((n - f) / S) + 1: n = 6, f = 3, S = 2 has no integer without it; unreached cells get da = 0."""
    x, theta, y = normal(6, 6), normal(3, 3, seed=1), uniform(2, 2)
    assert not ((6 - 3) / 2 + 1).is_integer()
    assert shapes.output_size(6, 3, 2, 0) == 2
    a = conv(x, theta, S=2)
    da = ops.conv2d_dz_to_da(image(a - y), image(theta), 6, 2)[0, 0]
    assert distance(da, numerical_gradient(lambda: J(conv(x, theta, S=2), y), x)) < DIFFERENCED
    assert not da[5].any()
    assert not da[:, 5].any()
    assert da[:5, :5].all()


# Softmax -----------------------------------------------------------------------------------------------------------


def test_softmax_dz_needs_rows_that_sum_to_one():
    """(32) dz_i = -y_i + y^_i holds for sum_i y_i = 1, else dz_i = -y_i + y^_i sum_c y_c; the kernel refuses such rows."""
    z, y = normal(1, 4), uniform(1, 4) + 1
    y_hat = ops.softmax(z)
    numerical = numerical_gradient(lambda: -np.sum(y * np.log(ops.softmax(z))), z)
    check_erratum(y_hat * y.sum() - y, y_hat - y, numerical)
    with pytest.raises(ValueError, match="sum to one"):
        ops.softmax_cross_entropy_dz(z, y)

    y /= y.sum()
    numerical = numerical_gradient(lambda: ops.softmax_cross_entropy(z, y), z)
    assert distance(ops.softmax_cross_entropy_dz(z, y), numerical) < DIFFERENCED
