"""The notes' 46 equations as explicit loops and matrices, beside the kernels and beside finite differences of the cost.

Arrays are named and numbered as in the notes: theta[l], z[l], a[l]. Where the notes misprint, the loops follow the
errata of EQUATIONS.md, which tests/test_errata.py shows.
"""
# ruff: noqa: E741 - l is the notes' name of a layer

import math
import re
from pathlib import Path

import numpy as np
import pytest
from differences import DIFFERENCED, EXACT, distance, normal, numerical_gradient, uniform

import fastnn
from fastnn.backend import ops

EQUATIONS = Path(fastnn.__file__).parent / "reference" / "EQUATIONS.md"


def g(z):
    return 1 / (1 + math.exp(-z))


# Dense layers ------------------------------------------------------------------------------------------------------


def dense_loops(x, theta):
    """(1)-(3) a[l] with a_0 = 1 and z[l] of one sample x."""
    a, z = {0: np.array([1.0, *x])}, {}
    for l, theta_l in theta.items():
        n_in, n_out = theta_l.shape
        z[l] = np.array([sum(a[l - 1][nu] * theta_l[nu, i] for nu in range(n_in)) for i in range(n_out)])
        a[l] = np.array([1.0, *(g(z_i) for z_i in z[l])])
    return a, z


def binary_loops(x, y, theta):
    """(4), (5) The cost of the samples x with the targets y."""
    cost = 0.0
    for x_n, y_n in zip(x, y, strict=True):
        a_L = dense_loops(x_n, theta)[0][len(theta)][1:]
        cost -= sum(y_k * math.log(a_k) + (1 - y_k) * math.log(1 - a_k) for y_k, a_k in zip(y_n, a_L, strict=True))
    return cost / len(x)


def dense_gradient_loops(x, y, theta):
    """(6)-(13) dtheta[l] of one sample."""
    L, dtheta = len(theta), {}
    a, _ = dense_loops(x, theta)
    da = [(a_j - y_j) / (a_j * (1 - a_j)) for a_j, y_j in zip(a[L][1:], y, strict=True)]  # (11)
    for l in range(L, 0, -1):
        dz = [da_j * a_j * (1 - a_j) for da_j, a_j in zip(da, a[l][1:], strict=True)]  # (10), (12)
        dtheta[l] = np.array([[a_nu * dz_j for dz_j in dz] for a_nu in a[l - 1]])  # (6), (8), (13)
        da = [sum(dz[i] * theta[l].T[i, nu] for i in range(len(dz))) for nu in range(1, len(a[l - 1]))]  # (7), (9)
    return dtheta


def test_two_layer_sigmoid_network():
    """(1)-(13) loops over the formulas, the kernels and finite differences of (4) agree."""
    m, theta = 3, {1: normal(4, 5), 2: normal(6, 2)}
    x, y = normal(m, 3, seed=1), uniform(m, 2)

    a, z = {0: x}, {}
    for l in (1, 2):
        z[l] = ops.dense_forward(a[l - 1], theta[l])
        a[l] = ops.sigmoid(z[l])
    cost = binary_loops(x, y, theta)
    assert math.isclose(ops.binary_cross_entropy(a[2], y), cost, rel_tol=EXACT)
    assert math.isclose(ops.sigmoid_cross_entropy(z[2], y), cost, rel_tol=EXACT)

    dtheta = {}
    dz = ops.sigmoid_da_to_dz(ops.binary_cross_entropy_da(a[2], y), z[2], a[2])
    assert distance(ops.sigmoid_cross_entropy_dz(z[2], y), dz) < EXACT
    dtheta[2] = ops.dense_dz_to_dtheta(a[1], dz)
    dz = ops.sigmoid_da_to_dz(ops.dense_dz_to_da(dz, theta[2]), z[1], a[1])
    dtheta[1] = ops.dense_dz_to_dtheta(x, dz)

    samples = [dense_gradient_loops(x_n, y_n, theta) for x_n, y_n in zip(x, y, strict=True)]
    for l in (1, 2):
        assert distance(dtheta[l], sum(sample[l] for sample in samples) / m) < EXACT
        assert distance(dtheta[l], numerical_gradient(lambda: binary_loops(x, y, theta), theta[l])) < DIFFERENCED


# Convolution -------------------------------------------------------------------------------------------------------


def conv_loops(a, theta, b, S):
    """(15) z_ij of one image, b in every cell."""
    f = len(theta)
    n = (len(a) - f) // S + 1
    z = np.full((n, n), b)
    for i, j, r, s in np.ndindex(n, n, f, f):
        z[i, j] += theta[r, s] * a[i * S + r, j * S + s]
    return z


def conv_gradient_loops(a, theta, dz, S):
    """(17), (19) dtheta, db and da of one image, the Kronecker deltas as they stand."""
    dtheta, da = np.zeros_like(theta), np.zeros_like(a)
    for i, j in np.ndindex(dz.shape):
        for r, s in np.ndindex(theta.shape):
            dtheta[r, s] += dz[i, j] * a[i * S + r, j * S + s]
    for i, j in np.ndindex(a.shape):
        for u, v in np.ndindex(dz.shape):
            for r, s in np.ndindex(theta.shape):
                delta = (i == u * S + r) * (j == v * S + s)
                da[i, j] += theta[r, s] * dz[u, v] * delta
    return dtheta, dz.sum(), da


def two_convolutions(x, theta, b, S):
    """(14)-(16) a[l] and z[l] of one image."""
    a, z = {0: x}, {}
    for l in (1, 2):
        z[l] = conv_loops(a[l - 1], theta[l], b[l], S[l])
        a[l] = np.vectorize(g)(z[l])
    return a, z


def test_two_layer_convolution():
    """(14)-(22) loops over the formulas, the kernels and finite differences of (5) agree, for two strides and sizes."""
    S, theta, b = {1: 2, 2: 3}, {1: normal(3, 3), 2: normal(2, 2)}, {1: np.array(0.3), 2: np.array(-0.2)}
    x, y = normal(11, 11, seed=1), uniform(2, 2)

    def cost():
        a_L = two_convolutions(x, theta, b, S)[0][2]
        return -np.sum(y * np.log(a_L) + (1 - y) * np.log(1 - a_L))

    a, z = two_convolutions(x, theta, b, S)
    a_k, dz_k = x[None, None], {}
    for l in (1, 2):
        z_k = ops.conv2d_forward(a_k, theta[l][None, None], b[l][None], S[l])
        assert distance(z_k[0, 0], z[l]) < EXACT
        a_k = ops.sigmoid(z_k)
    assert math.isclose(ops.binary_cross_entropy(a_k, y[None, None]), cost(), rel_tol=EXACT)

    dz = a[2] - y
    dz_k = ops.sigmoid_cross_entropy_dz(z_k, y[None, None])
    for l in (2, 1):
        dtheta, db, da = conv_gradient_loops(a[l - 1], theta[l], dz, S[l])
        image = a[l - 1][None, None]
        assert distance(ops.conv2d_dz_to_dtheta(image, dz_k, theta[l].shape, S[l])[0, 0], dtheta) < EXACT
        assert distance(ops.conv2d_dz_to_db(dz_k), [db]) < EXACT
        assert distance(dtheta, numerical_gradient(cost, theta[l])) < DIFFERENCED
        assert distance(db, numerical_gradient(cost, b[l])) < DIFFERENCED
        da_k = ops.conv2d_dz_to_da(dz_k, theta[l][None, None], image.shape[2:], S[l])
        assert distance(da_k[0, 0], da) < EXACT
        dz, dz_k = da * a[l - 1] * (1 - a[l - 1]), ops.sigmoid_da_to_dz(da_k, image, image)
    assert distance(da, numerical_gradient(cost, x)) < DIFFERENCED


def test_batches_and_channels():
    """(4), (15), (17), (19) for m images, C and K channels, strides and padding of two axes: finite differences agree."""
    S, P, f = (2, 1), (1, 2), (3, 2)
    a, theta, b = normal(2, 2, 5, 3), normal(3, 2, *f, seed=1), normal(3, seed=2)
    y = uniform(*ops.conv2d_forward(a, theta, b, S, P).shape)

    def cost():
        return ops.sigmoid_cross_entropy(ops.conv2d_forward(a, theta, b, S, P), y)

    dz = ops.sigmoid_cross_entropy_dz(ops.conv2d_forward(a, theta, b, S, P), y)
    assert distance(ops.conv2d_dz_to_dtheta(a, dz, f, S, P), numerical_gradient(cost, theta)) < DIFFERENCED
    assert distance(ops.conv2d_dz_to_db(dz), numerical_gradient(cost, b)) < DIFFERENCED
    assert distance(ops.conv2d_dz_to_da(dz, theta, (5, 3), S, P), numerical_gradient(cost, a)) < DIFFERENCED


# Softmax -----------------------------------------------------------------------------------------------------------


def softmax_loops(z):
    """(26) y^ of one sample."""
    return np.array([math.exp(z_i) / sum(math.exp(z_c) for z_c in z) for z_i in z])


def softmax_cost_loops(z, y):
    """(27) J of one sample."""
    return -sum(y_i * math.log(y_hat_i) for y_i, y_hat_i in zip(y, softmax_loops(z), strict=True))


def test_softmax_network():
    """(23)-(27) loops over the formulas agree with the kernels, for rows and for labels."""
    m, theta = 3, {1: normal(4, 5), 2: normal(6, 4)}
    x, y, labels = normal(m, 3, seed=1), uniform(m, 4), np.array([2, 0, 3])
    y /= y.sum(axis=1, keepdims=True)
    z_L = np.array([dense_loops(x_n, theta)[1][2] for x_n in x])

    z = ops.dense_forward(ops.sigmoid(ops.dense_forward(x, theta[1])), theta[2])
    assert distance(z, z_L) < EXACT
    assert distance(ops.softmax(z), [softmax_loops(z_n) for z_n in z_L]) < EXACT
    for target, rows in ((y, y), (labels, np.eye(4)[labels])):
        cost = sum(softmax_cost_loops(z_n, y_n) for z_n, y_n in zip(z_L, rows, strict=True)) / m
        assert math.isclose(ops.softmax_cross_entropy(z, target), cost, rel_tol=EXACT)


def test_softmax_jacobian():
    """(28)-(32) the Jacobian contracted by hand is the short form, the kernel, and finite differences of (27)."""
    a, theta, y = np.array([1.0, *normal(3)]), normal(4, 5, seed=1), uniform(5)
    y /= y.sum()
    z = a @ theta
    y_hat = softmax_loops(z)
    dJ_dy_hat = -y / y_hat  # (29)
    dy_hat_dz = np.array([[y_hat[i] * ((i == j) - y_hat[j]) for j in range(5)] for i in range(5)])  # (30)
    for i in range(5):
        assert distance(dy_hat_dz[i], numerical_gradient(lambda i=i: softmax_loops(z)[i], z)) < DIFFERENCED

    dz = np.array([sum(dJ_dy_hat[i] * dy_hat_dz[i, j] for i in range(5)) for j in range(5)])
    assert distance(dz, -y + y_hat) < EXACT  # (32)
    assert distance(ops.softmax_cross_entropy_dz(z[None], y[None])[0], dz) < EXACT
    assert distance(dz, numerical_gradient(lambda: softmax_cost_loops(z, y), z)) < DIFFERENCED

    dtheta = np.array([[dz_j * a_nu for dz_j in dz] for a_nu in a])  # (28), (31)
    assert distance(ops.dense_dz_to_dtheta(a[None, 1:], dz[None]), dtheta) < EXACT
    assert distance(dtheta, numerical_gradient(lambda: softmax_cost_loops(a @ theta, y), theta)) < DIFFERENCED


# Coursera's theta, (n_out, 1 + n_in) ---------------------------------------------------------------------------------


def test_transposed_theta():
    """(33)-(35) theta.T serves the same kernels as a view, and dtheta.T receives the gradient."""
    m, theta = 3, normal(2, 5)
    x, dz, dtheta = normal(m, 4, seed=1), normal(m, 2, seed=2), np.full((2, 5), np.nan)
    a = np.column_stack([np.ones(m), x])  # (33)
    z = [[sum(theta[i, nu] * a_n[nu] for nu in range(5)) for i in range(2)] for a_n in a]  # (35)
    assert distance(ops.dense_forward(x, theta.T), z) < EXACT
    assert distance(ops.sigmoid(ops.dense_forward(x, theta.T)), [[g(z_i) for z_i in z_n] for z_n in z]) < EXACT  # (34)
    assert distance(ops.dense_dz_to_da(dz, theta.T), dz @ theta[:, 1:]) < EXACT

    view = dtheta.T
    assert ops.dense_dz_to_dtheta(x, dz, out=view) is view
    assert distance(dtheta, sum(np.outer(dz_n, a_n) for dz_n, a_n in zip(dz, a, strict=True))) < EXACT


def test_chain_rule_product():
    """(36)-(46) for three layers: the product of Jacobians, the recursion, the kernels, and finite differences agree."""
    L, theta = 3, {1: normal(4, 3), 2: normal(3, 5, seed=1), 3: normal(2, 4, seed=2)}
    x, y = normal(2, seed=3), uniform(2)

    def forward():
        a = {0: np.array([1.0, *x])}
        for l in (1, 2, 3):
            a[l] = np.array([1.0, *(g(z_i) for z_i in theta[l] @ a[l - 1])])
        return a

    def cost():
        a_L = forward()[L][1:]
        return -np.sum(y * np.log(a_L) + (1 - y) * np.log(1 - a_L))  # (36) with m = 1, (37)

    a = forward()
    dJ_da_L = (a[L][1:] - y) / (a[L][1:] * (1 - a[L][1:]))  # (39)
    da_dz = {l: np.diag(a[l][1:] * (1 - a[l][1:])) for l in theta}  # (42)
    da_da = {l: da_dz[l] @ theta[l][:, 1:] for l in theta}  # (41): from layer l - 1 to l
    dJ_da = dJ_da_L
    for l in (3, 2, 1):
        product = np.linalg.multi_dot([dJ_da_L[None], *(da_da[k] for k in range(L, l, -1)), da_dz[l]])[0]
        dtheta = np.outer(product, a[l - 1])  # (38), (40), (43)
        dz = dJ_da @ da_dz[l]
        assert distance(np.outer(dz, a[l - 1]), dtheta) < EXACT  # (44)
        assert distance(ops.dense_dz_to_dtheta(a[l - 1][None, 1:], dz[None]).T, dtheta) < EXACT
        assert distance(dtheta, numerical_gradient(cost, theta[l])) < DIFFERENCED
        dJ_da = dJ_da @ da_da[l]  # (45)
        assert distance(ops.dense_dz_to_da(dz[None], theta[l].T)[0], dJ_da) < EXACT  # (46)


# The document ------------------------------------------------------------------------------------------------------


def table_rows():
    """The cells of every table row in EQUATIONS.md that begins with a label."""
    lines = EQUATIONS.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| (")]


@pytest.mark.parametrize("label", [f"({n})" for n in range(1, 47)])
def test_every_equation_has_one_row(label):
    """(1)-(46) each stand in one row of four cells: label, equation, words, functions."""
    rows = [row for row in table_rows() if len(row) == 4 and row[0].rstrip("*") == label]
    assert len(rows) == 1
    assert all(rows[0])


def test_errata_are_marked():
    """(6)-(46) the rows with an asterisk are those that the table of errata names."""
    marked = {row[0][:-1] for row in table_rows() if row[0].endswith("*")}
    assert marked == {label for row in table_rows() if len(row) == 5 for label in row[0].split(", ")}


def test_every_name_in_the_tables_exists():
    """(1)-(46) each row ends in the names of kernels, or of tests in the two files that the document names."""
    sources = [
        Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("test_equations.py", "test_errata.py")
    ]
    tests = set(re.findall(r"^def (test_\w+)", "".join(sources), re.MULTILINE))
    for row in table_rows():
        names = re.findall(r"`(\w+)`", row[-1])
        assert names, row
        assert set(names) <= tests | set(ops.__all__), row
