"""exp and tanh beside NumPy's: the rows of table E, each contender by itself.

python -m pytest bench/test_elementary.py
"""

import numpy as np
import pytest
from contest import check
from contests import contest
from rows import ELEMENTARY, name


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("row", ELEMENTARY, ids=name)
def test_elementary(benchmark, row, dtype, backend):
    taken = contest(row, dtype, ["NumPy"])
    check(taken)
    benchmark.group = f"{row.operation} {row.n} {dtype.__name__}"
    benchmark.extra_info["backend"] = backend
    benchmark(taken.contenders["fastnn" if backend == "numba" else "NumPy"].run)
