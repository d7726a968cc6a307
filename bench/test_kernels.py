"""Each kernel beside the same function in NumPy, on the rows of tests/cases.py that are marked `timed`.

    python -m pytest bench --benchmark-json=result.json && python bench/report.py result.json

Both get the same arguments and write to an array that is there already. NumPy's functions are the bare ones, so that they
are not charged for the checks of their arguments; the kernels are called as a user calls them. What is timed has been
compared with the reference in float64 before.
"""

import numpy as np
import pytest
from case_rows import UPDATES
from cases import CASES
from comparison import assert_near, changed

from fastnn import kernels, reference
from fastnn.arguments import Contract

BACKENDS = {"numba": kernels, "numpy": reference}
FLOAT64 = ("dense_forward", "conv2d_forward", "sigmoid", "softmax_cross_entropy_dz", "adam_step")  # enough to see the width
TIMED = [
    pytest.param(case, dtype, id=f"{case}-{dtype.__name__}")
    for case in CASES
    if case.timed
    for dtype in (np.float32, np.float64)
    if dtype is np.float32 or case.kernel in FLOAT64
]


def call_of(case, dtype, backend):
    """The function to time and its arguments by position, with a place for its result."""
    function, same = getattr(BACKENDS[backend], case.kernel), getattr(reference, case.kernel)
    arguments = Contract(same.__wrapped__).bind(case.arguments(dtype), case.keywords)
    if "out" in arguments:
        arguments["out"] = np.full_like(same(**arguments), np.nan)
    return function if backend == "numba" else function.__wrapped__, list(arguments.values())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("case", "dtype"), TIMED)
def test_kernel(benchmark, case, dtype, backend):
    function, arguments = call_of(case, dtype, backend)
    result = function(*arguments)
    assert_near(case, dtype, changed(arguments) if case.kernel in UPDATES else [result])
    benchmark.group = f"{case.kernel} {case.id} {dtype.__name__}"
    benchmark.extra_info["backend"] = backend
    benchmark(function, *arguments)
