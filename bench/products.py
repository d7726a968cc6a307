"""Table M: `matmul` in the user's own @njit beside Numba's np.dot there, which stands on SciPy's BLAS."""

import warnings

import numpy as np
import peers
from contest import Contest, writes
from numba import njit
from numba.core.errors import NumbaPerformanceWarning
from numpy.typing import DTypeLike
from rows import ProductRow

from fastnn import kernels

VIEWS = {  # of an array (2n, 2n), as (n, n)
    "C order": lambda x: np.ascontiguousarray(x[::2, ::2]),
    "transposed": lambda x: np.ascontiguousarray(x[::2, ::2]).T,
    "sliced": lambda x: x[::2, ::2],
}


@njit
def fastnn_product(a, b, c):
    kernels.matmul(a, b, c)


@njit
def scipy_product(a, b, c):
    np.dot(a, b, c)


def contest(row: ProductRow, dtype: DTypeLike, names: list[str]) -> Contest:
    """fastnn and the named peers on one row."""
    rng = np.random.default_rng(0)
    a, b = (VIEWS[row.operation](rng.uniform(-1, 1, (2 * row.n, 2 * row.n)).astype(dtype)) for _ in range(2))
    products = {"fastnn": fastnn_product}
    if "SciPy" in names:
        peers.require(["SciPy"])
        products["SciPy"] = scipy_product
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaPerformanceWarning)  # np.dot copies strided operands: that is what is timed
        contenders = {name: _call(product, a, b) for name, product in products.items()}
    return Contest(contenders, atol=row.n * float(np.finfo(dtype).eps))


def _call(product, a, b):
    c = np.empty((len(a), b.shape[1]), a.dtype)
    product(a, b, c)
    return writes(lambda: product(a, b, c), c)
