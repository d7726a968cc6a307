"""No kernel reads or writes a byte before or behind any of its operands, and no bit of a result depends on where they lie.

Pages that may not be touched lie on both sides.
In a process of its own, which an access outside ends; what it said last is which call that was.
"""

import os
import sys

import pytest
from processes import run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pages are protected by POSIX's mprotect")

# All rows of the table but those that are only for timing, each with all operands before a guard page, then all behind one.
EVERY_KERNEL = """
import faulthandler, sys
faulthandler.enable()
import numpy as np
from case_rows import UPDATES
from cases import CASES
from comparison import assert_near, changed, expected
from guarded import guarded
from fastnn.backend import ops

dtype = np.dtype(sys.argv[1]).type
seen = set()
for case in CASES:
    if case.timed:
        continue
    bits = set()
    for before in (True, False):
        print(case, "before" if before else "behind", file=sys.stderr, flush=True)
        arguments = [guarded(v, before) if isinstance(v, np.ndarray) else v for v in case.arguments(dtype)]
        function, words = getattr(ops, case.kernel), case.keywords
        if case.kernel in UPDATES:
            function(*arguments, **words)
            results = changed(arguments)
        else:
            first = expected(case, dtype)[0]
            if isinstance(first, np.ndarray):
                words["out"] = guarded(np.full(first.shape, np.nan, dtype), before)
            results = [function(*arguments, **words)]
        assert_near(case, dtype, results)
        bits.add(b"".join(np.asarray(result).tobytes() for result in results))
    assert len(bits) == 1  # wherever the arrays begin
    seen.add(case.kernel)
assert seen == set(ops.__all__), set(ops.__all__) - seen
print("done")
"""

# A network's x, y, workspace, parameters, gradients, moments and table.
NETWORK = """
import faulthandler, sys
faulthandler.enable()
import numpy as np
from guarded import guarded
from networks import convolutional, dense, samples
import fastnn
from fastnn import jit

dtype = np.dtype(sys.argv[1])
for make in (dense, convolutional):
    for loss in ("softmax_cross_entropy", "mean_squared_error"):
        for m in (1, 13, 130):
            for before in (True, False):
                print(make.__name__, loss, m, before, file=sys.stderr, flush=True)
                model, twin = make(dtype=dtype), make(dtype=dtype)
                x, y = samples(model, m, loss)
                x, y = x.astype(dtype), y if y.dtype.kind == "i" else y.astype(dtype)
                net, same = model.compiled(loss), twin.compiled(loss)
                space = jit.workspace(same, m)
                apart = type(net)(*(guarded(part, before) for part in net))
                close = [guarded(part, before) for part in (x, y, space)]
                for _ in range(2):
                    assert jit.step(apart, *close) == jit.step(same, x, y, space)
                assert np.array_equal(apart.parameters, same.parameters)
                assert np.array_equal(jit.forward(apart, close[0], close[2]), jit.forward(same, x, space))
# Fewer samples than a slice, whose sums are not finite: dtheta is summed again, in another way, in the same scratch.
layers = fastnn.Conv2D(38, 3, padding=1), fastnn.Flatten(), fastnn.Dense(1)
model = fastnn.Sequential(*layers, input_shape=(11, 24, 22), dtype=dtype)
net = model.compiled("mean_squared_error")
for m in (1, 7, 8):
    x = np.zeros((m, 11, 24, 22), dtype)
    x[0, 0, 3, 3] = np.inf
    jit.gradient(net, x, np.zeros((m, 1), dtype), guarded(jit.workspace(net, m), False))
print("done")
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("program", ["kernels", "networks"])
def test_nothing_outside_is_touched(program, dtype):
    code = {"kernels": EVERY_KERNEL, "networks": NETWORK}[program]
    status, out, err = run("-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}", dtype)
    assert (status, out) == (0, "done\n"), err[-2000:]
