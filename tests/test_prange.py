"""The user's own prange around every kernel, under each of Numba's threading layers: the bits of calls from Python."""

import importlib.util

import pytest
from processes import output

PROGRAM = """
import faulthandler, sys
faulthandler.dump_traceback_later(300, exit=True)
import numpy as np
from numba import njit, prange, threading_layer
from fastnn import kernels, verify

ITERATIONS, ROUNDS = 24, 3
calls = verify.CALLS[: len(verify.CALLS) // 2]
assert {call.kernel for call in calls} == set(kernels.__all__)
expected, works = [], []

def add(kernel, arguments):
    begin = sum(part.size for part in expected)
    if kernel.__name__.endswith("_step"):
        theta, dtheta, state, *settings = arguments
        arguments, end = (dtheta, *settings), begin + theta.size
        both = theta.copy(), state.copy()
        kernel(both[0], dtheta, both[1], *settings)
        expected.extend(part.ravel() for part in both)
        if len(settings) == 2:
            def work(row):
                row[begin:end], row[end : end + state.size] = theta, state.ravel()
                kernel(row[begin:end], dtheta, row[end : end + state.size].reshape(state.shape), settings[0], settings[1])
        else:
            def work(row):
                row[begin:end], row[end : end + state.size] = theta, state.ravel()
                moments = row[end : end + state.size].reshape(state.shape)
                kernel(row[begin:end], dtheta, moments, settings[0], settings[1], settings[2])
        settings = tuple(settings)
    else:
        result = np.asarray(kernel(*arguments), np.float32)
        shape, end = result.shape, begin + result.size
        expected.append(result.ravel())
        if shape:
            def work(row):
                kernel(*(arguments + (row[begin:end].reshape(shape),)))
        else:
            def work(row):
                row[begin] = kernel(*arguments)
    works.append(njit(work))

for call in calls:
    add(getattr(kernels, call.kernel), call.arguments(np.float32))

names = {f"work_{number}": work for number, work in enumerate(works)}
source = "def together(rows):\\n    for i in prange(rows.shape[0]):\\n"
source += "".join(f"        {name}(rows[i])\\n" for name in names)
exec(source, globals() | names, names)
together = njit(parallel=True)(names["together"])
for _ in range(ROUNDS):
    rows = np.full((ITERATIONS, sum(part.size for part in expected)), np.nan, np.float32)
    together(rows)
    for row in rows:
        assert row.tobytes() == np.concatenate(expected).tobytes()
assert threading_layer() == sys.argv[1]
print("done")
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_every_kernel(layer):
    """Each iteration calls them all, with an `out` of its own."""
    if layer == "tbb" and importlib.util.find_spec("tbb") is None:
        pytest.skip("tbb is not installed")
    assert output(PROGRAM, layer, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=2) == "done\n"
