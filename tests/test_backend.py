"""The backend: which one is used, that NumPy's needs no numba, and that importing and compiling are as quiet as promised."""

import importlib
import re
import sys

import pytest
from processes import OTHER_BACKEND, output, run

import fastnn
from fastnn import backend

NEEDS_NUMBA = pytest.mark.skipif(backend.name != "numba", reason="about compiled code")

EVERYTHING = """
import sys, numpy as np, fastnn
from fastnn import *
layers = Conv2D(2, 2, activation="gelu"), MaxPool2D(2, stride=1), AvgPool2D(2), Flatten(), Dropout(0.1), Dense(3, "elu")
model = Sequential(*layers, input_shape=(1, 6, 6))
x, y = np.ones((5, 1, 6, 6)), np.arange(5) % 3
for optimizer in SGD(0.1, 0.9, nesterov=True), Adam(), AdamW():
    model.fit(x, y, optimizer=optimizer, epochs=1, verbose=0)
model.save(sys.argv[1])
assert check_gradients(fastnn.load(sys.argv[1]), x, y).checked == model.parameters.size
import fastnn.datasets, fastnn.__main__
assert fastnn.ops.__name__ == "fastnn.reference"
print([name for name in ("numba", "llvmlite") if name in sys.modules])
"""


def test_numpy_needs_no_numba(tmp_path):
    """After an import, training with each optimiser, a file and a gradient check, numba is not loaded."""
    assert output(EVERYTHING, tmp_path / "net.npz", FASTNN_BACKEND="numpy") == "[]\n"


def test_the_reference_alone_needs_no_numba():
    """Whatever the backend, `import fastnn.reference` is NumPy alone, once fastnn itself chose NumPy."""
    code = "import fastnn.reference as r, numpy as np, sys; print(r.relu(np.ones(1)), 'numba' in sys.modules)"
    assert output(code, FASTNN_BACKEND="numpy") == "[1.] False\n"


@pytest.mark.parametrize("name", ["cupy", "NumPy", ""])
def test_an_unknown_backend(name):
    """The choices are listed, and what came."""
    with pytest.raises(ValueError, match=f"^FASTNN_BACKEND: expected 'numba' or 'numpy', got {name!r}$"):
        backend.load(name)


def test_an_unknown_backend_in_the_environment():
    status, out, err = run("-c", "import fastnn", FASTNN_BACKEND="cupy")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "ValueError: FASTNN_BACKEND: expected 'numba' or 'numpy', got 'cupy'"


def test_ops_is_the_chosen_namespace():
    """In this process, and by default numba's."""
    assert fastnn.ops is backend.ops is importlib.import_module(backend.BACKENDS[backend.name])
    assert fastnn.ops is not backend.BACKENDS[OTHER_BACKEND]
    assert output("import fastnn; print(fastnn.ops.__name__)", FASTNN_BACKEND=None) == "fastnn.kernels\n"


def test_the_public_names():
    """All of `__all__` is there, and nothing else is public but the modules."""
    public = {name for name, value in vars(fastnn).items() if name[0] != "_" and not isinstance(value, type(sys))}
    assert public | {"ops"} == set(fastnn.__all__)
    assert fastnn.__all__ == sorted(
        fastnn.__all__, key=lambda name: (not name.isupper(), name.islower() or "_" in name, name)
    )


def test_the_import_is_silent_and_compiles_nothing(tmp_path):
    """With warnings as errors, nothing on stdout or stderr, no kernel compiled, and no cache directory made."""
    code = """
import fastnn
kernels = [getattr(fastnn.ops, name) for name in fastnn.ops.__all__]
assert kernels and not any(len(getattr(kernel, "signatures", ())) for kernel in kernels)
"""
    assert output(code, FASTNN_QUIET=None, FASTNN_CACHE_DIR=tmp_path / "cache") == ""
    assert not list(tmp_path.iterdir())


RELU = "import fastnn, numpy as np; fastnn.ops.relu(np.ones(3)); fastnn.ops.tanh(np.ones(3)); print('done')"


@NEEDS_NUMBA
def test_the_notice_of_compiling(tmp_path):
    """One line on stderr from a cold cache, none from a warm one; FASTNN_QUIET=1 silences it, 0 and nothing do not."""
    cache = tmp_path / "cache"
    line = rf"fastnn: compiling kernels for this CPU, some seconds \(later runs load them from {re.escape(str(cache))}\)\n"
    status, out, err = run("-c", RELU, FASTNN_CACHE_DIR=cache, FASTNN_QUIET="0")
    assert (status, out) == (0, "done\n")
    assert re.fullmatch(line, err)
    assert run("-c", RELU, FASTNN_CACHE_DIR=cache, FASTNN_QUIET="0") == (0, "done\n", "")
    assert run("-c", RELU, FASTNN_CACHE_DIR=tmp_path / "other", FASTNN_QUIET="1") == (0, "done\n", "")

    status, out, err = run("-c", RELU, FASTNN_CACHE_DIR="", FASTNN_QUIET="")
    assert (status, out) == (0, "done\n")
    assert err == ("fastnn: compiling kernels for this CPU, some seconds (nothing is kept: no private cache directory)\n")


def test_uncompiled_there_is_the_reference():
    """NUMBA_DISABLE_JIT=1: one line says why not, and what to do; with NumPy's backend everything works."""
    status, out, err = run("-c", "import fastnn", FASTNN_BACKEND="numba", NUMBA_DISABLE_JIT=1)
    reason = "fastnn.kernels cannot run uncompiled: use fastnn.ops with FASTNN_BACKEND=numpy"
    assert (status, out, err.splitlines()[-1]) == (1, "", f"ImportError: NUMBA_DISABLE_JIT: {reason}")
    code = "import numba, numpy as np; from fastnn import ops; print(numba.njit(lambda z: ops.relu(z))(np.ones(1)))"
    assert output(code, FASTNN_BACKEND="numpy", NUMBA_DISABLE_JIT=1) == "[1.]\n"
