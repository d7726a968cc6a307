"""exp and tanh beside NumPy's, which are vectorised by hand: as the loop that a kernel is, and tanh as the public kernel.

    python -m pytest bench/test_elementary.py

10,000 elements are in the cache, where a kernel's call still counts: some 0.9 us, NumPy's 0.3. With 1,000,000 the memory
counts as much as the arithmetic. What bounds tanh in float32 is its one division: 10 cycles for 16 of them (AVX-512).
"""

import numpy as np
import pytest
from numba import njit

from fastnn import kernels
from fastnn.kernels import elementary
from fastnn.kernels.bits import wide
from fastnn.kernels.jit import OPTIONS


@njit(**OPTIONS)
def exp_loop(x, out):
    wide()
    for i in range(x.size):
        out[i] = elementary.exp(x[i])


@njit(**OPTIONS)
def tanh_loop(x, out):
    wide()
    for i in range(x.size):
        out[i] = elementary.tanh(x[i])


LOOPS = {"exp": (exp_loop, np.exp), "tanh": (tanh_loop, np.tanh), "tanh_kernel": (kernels.tanh, np.tanh)}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize("name", LOOPS)
def test_elementary(benchmark, name, size, dtype, backend):
    x = np.random.default_rng(0).normal(0, 3, size).astype(dtype)
    out = np.full(size, np.nan, dtype)
    ours, numpys = LOOPS[name]
    function = ours if backend == "numba" else numpys
    function(x, out)  # a ufunc's second argument is its `out`
    np.testing.assert_allclose(out, numpys(x.astype(np.float64)), rtol=4 * np.finfo(dtype).eps)
    benchmark.group = f"{name} {size} {dtype.__name__}"
    benchmark.extra_info["backend"] = backend
    benchmark(function, x, out)
