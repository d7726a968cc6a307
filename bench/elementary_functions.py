"""Table E: exp and tanh beside NumPy's, which are vectorised by hand.

They are timed as the loop that a kernel is, and tanh as the public kernel too.

10,000 elements are in the cache, where a kernel's call still counts: some 0.9 us, NumPy's 0.3. With 1,000,000 the memory
counts as much as the arithmetic. What bounds tanh in float32 is its one division: 10 cycles for 16 of them (AVX-512).
"""

import numpy as np
from contest import Contest, writes
from numba import njit
from numpy.typing import DTypeLike
from rows import ElementaryRow

from fastnn import kernels
from fastnn.kernels.compiler.jit import OPTIONS
from fastnn.kernels.loops import elementary
from fastnn.kernels.registers.bits import wide


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


FUNCTIONS = {"exp": (exp_loop, np.exp), "tanh": (tanh_loop, np.tanh), "tanh_kernel": (kernels.tanh, np.tanh)}


def contest(row: ElementaryRow, dtype: DTypeLike, names: list[str]) -> Contest:
    """fastnn and the named peers on one row; a ufunc's second argument is its `out`."""
    x = np.random.default_rng(0).normal(0, 3, row.n).astype(dtype)
    ours, numpys = FUNCTIONS[row.operation]
    functions = {"fastnn": ours, **({"NumPy": numpys} if "NumPy" in names else {})}
    contenders = {name: _call(function, x) for name, function in functions.items()}
    return Contest(contenders, atol=0, rtol=4 * float(np.finfo(dtype).eps))


def _call(function, x):
    out = np.empty_like(x)
    return writes(lambda: function(x, out), out)
