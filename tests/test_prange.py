"""The user's own prange around every kernel, under each of Numba's threading layers: the bits of calls from Python."""

import importlib.util

import pytest
from processes import finish, start

# Two iterations at once, on numbers of their own: what one left in memory that both use would show in the other's results.
PROGRAM = """
import faulthandler, sys
faulthandler.dump_traceback_later(300, exit=True)
import numpy as np
from numba import njit, prange, threading_layer
from fastnn import kernels, verify

TIMES, ROUNDS = 24, 3
calls = verify.CALLS[: len(verify.CALLS) // 2]
assert {call.kernel for call in calls} == set(kernels.__all__)
expected = [], []
names, source, end = {}, "def together(rows):\\n    for i in prange(2):\\n", 0

def add(kernel, arguments, number):
    # What is an array of numbers has two versions, the other one turned round; labels and settings are the same for both.
    global source, end
    several = [isinstance(given, np.ndarray) and given.dtype.kind == "f" for given in arguments]
    versions = [(x, np.ascontiguousarray(x[::-1])) if two else (x, x) for x, two in zip(arguments, several)]
    begin, moved = end, kernel.__name__.endswith("_step")
    for i in (0, 1):
        chosen = [x[i].copy() if two else x[i] for x, two in zip(versions, several)]
        result = kernel(*chosen)
        results = (chosen[0], chosen[2]) if moved else (np.asarray(result, np.float32),)
        expected[i].extend(part.ravel() for part in results)
    shapes = [part.shape for part in results]
    place = []
    for part in results:
        place.append(f"row[{end}:{end + part.size}].reshape({part.shape})")
        end += part.size
    given = [f"x{number}_{k}[i]" if two else f"x{number}_{k}" for k, two in enumerate(several)]
    names.update({f"x{number}_{k}": np.stack(x) if two else x[0] for k, (x, two) in enumerate(zip(versions, several))})
    names[f"k{number}"] = kernel
    work = f"def w{number}(row, i):\\n"
    if moved:
        work += f"    theta, state = {', '.join(place)}\\n    theta[...], state[...] = {given[0]}, {given[2]}\\n"
        work += f"    k{number}(theta, {given[1]}, state, {', '.join(given[3:])})\\n"
    elif shapes[0]:
        work += f"    k{number}({', '.join(given)}, out={place[0]})\\n"
    else:
        work += f"    row[{begin}] = k{number}({', '.join(given)})\\n"
    exec(work, names)
    names[f"w{number}"] = njit(names[f"w{number}"])
    source += f"        for t in range({TIMES}):\\n            w{number}(rows[i, t], i)\\n"

for number, call in enumerate(calls):
    add(getattr(kernels, call.kernel), call.arguments(np.float32), number)
exec(source, names | {"prange": prange}, names)
together = njit(parallel=True)(names["together"])
for _ in range(ROUNDS):
    rows = np.full((2, TIMES, end), np.nan, np.float32)
    together(rows)
    for i in (0, 1):
        for row in rows[i]:
            assert row.tobytes() == np.concatenate(expected[i]).tobytes()
assert threading_layer() == sys.argv[1]
print("done")
"""


LAYERS = "workqueue", "omp", "tbb"


@pytest.fixture(scope="module")
def running():
    """A process for each layer that there is, all at once: nearly all of their time they compile, on one core each."""
    layers = [layer for layer in LAYERS if layer != "tbb" or importlib.util.find_spec("tbb") is not None]
    started = {layer: start("-c", PROGRAM, layer, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=2) for layer in layers}
    yield started
    for process in started.values():
        process.kill()  # where a test that failed did not wait for it


@pytest.mark.parametrize("layer", LAYERS)
def test_every_kernel(layer, running):
    """Each iteration calls them all, with an `out` of its own."""
    if layer not in running:
        pytest.skip("tbb is not installed")
    assert finish(running[layer]) == (0, "done\n", "")
