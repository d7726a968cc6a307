"""exp and tanh beside NumPy's, which are vectorised by hand: the loop that a kernel is, and the public kernel.

    python -m pytest bench/test_elementary.py

10,000 elements are in the cache; with 1,000,000 the memory counts as much as the arithmetic.
"""

import numpy as np
import pytest

from fastnn import kernels
from fastnn.kernels import elementary
from fastnn.kernels.bits import wide
from fastnn.kernels.jit import compiled


@compiled
def exp(x, out):
    """What a kernel for e^x would be; there is none."""
    wide()
    for i in range(x.size):
        out[i] = elementary.exp(x[i])


FUNCTIONS = {
    ("exp", "numba"): exp,
    ("exp", "numpy"): lambda x, out: np.exp(x, out=out),
    ("tanh", "numba"): kernels.tanh,
    ("tanh", "numpy"): lambda x, out: np.tanh(x, out=out),
}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize("name", ["exp", "tanh"])
def test_elementary(benchmark, name, size, dtype, backend):
    x = np.random.default_rng(0).normal(0, 3, size).astype(dtype)
    out = np.full(size, np.nan, dtype)
    function = FUNCTIONS[name, backend]
    function(x, out)
    np.testing.assert_allclose(out, getattr(np, name)(x.astype(np.float64)), rtol=4 * np.finfo(dtype).eps)
    benchmark.group = f"{name} {size} {dtype.__name__}"
    benchmark.extra_info["backend"] = backend
    benchmark(function, x, out)
