"""Table D: the dense kernels beside np.matmul and torch.mm, all with their outputs preallocated.

The peers' bias is row 0 of theta and its gradient row 0 of dtheta, as fastnn's: the same arrays, and the same work.
"""

import numpy as np
import peers
from contest import Contender, Contest, writes
from numpy.typing import DTypeLike, NDArray
from rows import DenseRow

from fastnn import kernels

Floats = NDArray[np.floating]


def contest(row: DenseRow, dtype: DTypeLike, names: list[str]) -> Contest:
    """fastnn and the named peers on one row."""
    rng = np.random.default_rng(0)
    a, theta, dz = (
        rng.uniform(-1, 1, shape).astype(dtype)
        for shape in ((row.m, row.n_in), (1 + row.n_in, row.n_out), (row.m, row.n_out))
    )
    libraries = {"fastnn": FASTNN, **{name: {"NumPy": NUMPY, "PyTorch": PYTORCH}[name] for name in names}}
    depth = {"forward": row.n_in + 1, "dz_to_dtheta": row.m, "dz_to_da": row.n_out}[row.operation]
    contenders = {name: library[row.operation](a, theta, dz) for name, library in libraries.items()}
    return Contest(contenders, atol=depth * float(np.finfo(dtype).eps))


def fastnn_forward(a: Floats, theta: Floats, dz: Floats) -> Contender:
    z = np.empty_like(dz)
    return writes(lambda: kernels.dense_forward(a, theta, z), z)


def fastnn_dz_to_dtheta(a: Floats, theta: Floats, dz: Floats) -> Contender:
    dtheta = np.empty_like(theta)
    return writes(lambda: kernels.dense_dz_to_dtheta(a, dz, dtheta), dtheta)


def fastnn_dz_to_da(a: Floats, theta: Floats, dz: Floats) -> Contender:
    da = np.empty_like(a)
    return writes(lambda: kernels.dense_dz_to_da(dz, theta, da), da)


def numpy_forward(a: Floats, theta: Floats, dz: Floats) -> Contender:
    z, b, weights = np.empty_like(dz), theta[0], theta[1:]

    def run() -> None:
        np.matmul(a, weights, out=z)
        np.add(z, b, out=z)

    return writes(run, z)


def numpy_dz_to_dtheta(a: Floats, theta: Floats, dz: Floats) -> Contender:
    dtheta = np.empty_like(theta)
    columns, db, weights = a.T, dtheta[0], dtheta[1:]

    def run() -> None:
        np.matmul(columns, dz, out=weights)
        np.sum(dz, axis=0, out=db)

    return writes(run, dtheta)


def numpy_dz_to_da(a: Floats, theta: Floats, dz: Floats) -> Contender:
    da, weights = np.empty_like(a), theta[1:].T
    return writes(lambda: np.matmul(dz, weights, out=da), da)


def pytorch_forward(a: Floats, theta: Floats, dz: Floats) -> Contender:
    torch = peers.torch()
    out = np.empty_like(dz)
    x, b, weights, z = map(torch.from_numpy, (a, theta[0], theta[1:], out))
    return writes(lambda: torch.addmm(b, x, weights, out=z), out)


def pytorch_dz_to_dtheta(a: Floats, theta: Floats, dz: Floats) -> Contender:
    torch = peers.torch()
    out = np.empty_like(theta)
    columns, gradients, db, weights = map(torch.from_numpy, (a.T, dz, out[0], out[1:]))

    def run() -> None:
        torch.mm(columns, gradients, out=weights)
        torch.sum(gradients, 0, out=db)

    return writes(run, out)


def pytorch_dz_to_da(a: Floats, theta: Floats, dz: Floats) -> Contender:
    torch = peers.torch()
    out = np.empty_like(a)
    gradients, weights, da = map(torch.from_numpy, (dz, theta[1:].T, out))
    return writes(lambda: torch.mm(gradients, weights, out=da), out)


FASTNN = {"forward": fastnn_forward, "dz_to_dtheta": fastnn_dz_to_dtheta, "dz_to_da": fastnn_dz_to_da}
NUMPY = {"forward": numpy_forward, "dz_to_dtheta": numpy_dz_to_dtheta, "dz_to_da": numpy_dz_to_da}
PYTORCH = {"forward": pytorch_forward, "dz_to_dtheta": pytorch_dz_to_dtheta, "dz_to_da": pytorch_dz_to_da}
