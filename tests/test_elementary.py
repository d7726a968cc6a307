"""exp, expm1, log, log1p, tanh, sigmoid and Phi: their bounds in ulp against exact values, on other CPUs too, and edges.

All run inside a loop that is compiled as kernels are: its fastmath must not reach them. float32 is compared with NumPy's
float64 on every 2039th number there is, float64 with 60-digit arithmetic on samples. Run as a script, this file prints the
errors, which is how it runs for other CPUs:

    NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES='' python tests/test_elementary.py
"""

import json
import math
import platform
import re

import exact
import numpy as np
import pytest
from llvmlite import binding
from numba import njit, types
from numba.core import config
from processes import finish, start

from fastnn.kernels.compiler.jit import OPTIONS
from fastnn.kernels.loops import elementary, pointwise
from fastnn.kernels.loops.normal import normal_cdf
from fastnn.kernels.registers.bits import wide

BOUNDS = {"exp": 1.25, "expm1": 1.75, "log": 1.0, "log1p": 1.5, "tanh": 2.0, "sigmoid": 2.0, "normal_cdf": 8.0}
FUNCTIONS = {name: getattr(elementary, name, normal_cdf) for name in BOUNDS}
EVERY_FUNCTION = pytest.mark.parametrize("name", FUNCTIONS)
BOTH_DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
STRIDE = 2039  # a prime: over the exponents it meets every pattern of low bits

# Where float64 is sampled: between these, evenly, and evenly in the logarithm, on both sides of 0.
SAMPLED = {
    "exp": [(-1, 1), (-746, 709.7), (-746, -707)],
    "expm1": [(-1, 1), (0.3, 0.5), (-40, 40), (0, 709.7)],
    "log": [(0.5, 2), (0.7, 0.71), (1.41, 1.42), (0, 1e300)],
    "log1p": [(-0.999, 1), (0.4, 0.43), (-0.3, -0.28), (0, 1e300)],
    "tanh": [(-0.25, 0.25), (0.15, 0.4), (0, 1), (-20, 20)],
    "sigmoid": [(-4, 4), (-40, 40), (-745, -1)],
    "normal_cdf": [(-1, 1), (-6, 6), (-38.4, 0)],
}


@njit(**OPTIONS)
def through_a_kernel(function, x, out):
    """A loop with the options and the vectors of a kernel."""
    wide()
    for i in range(x.size):
        out[i] = function(x[i])


def computed(name, x):
    out = np.full(x.shape, 7, x.dtype)
    through_a_kernel(FUNCTIONS[name], x, out)
    return out


def float64_reference(name, x):
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1, e) / (1 + e)
    if name == "normal_cdf":
        return np.array([0.5 * math.erfc(-z * math.sqrt(0.5)) for z in x])
    return getattr(np, name)(x)


def error_float32(name):
    """The largest error in ulp over all floats in steps; infinite where one of two is finite, or signs differ."""
    step = STRIDE * 40 if name == "normal_cdf" else STRIDE
    x = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        right, result = float64_reference(name, x.astype(np.float64)), computed(name, x)
        rounded = right.astype(np.float32)
        special = ~np.isfinite(rounded) | ~np.isfinite(result)
        if not np.array_equal(result[special], rounded[special], equal_nan=True):
            return math.inf
        ordinary = ~np.isnan(rounded)
        if (np.signbit(result) != np.signbit(rounded))[ordinary].any():
            return math.inf
        exponent = np.frexp(np.where(special, 1, right))[1]
        return float(np.where(special, 0, np.abs(result - right) / np.ldexp(1.0, np.maximum(exponent - 24, -149))).max())


def samples(name, count=150):
    rng = np.random.default_rng(0)
    parts = [rng.uniform(low, high, count) for low, high in SAMPLED[name]]
    small = np.exp(rng.uniform(math.log(1e-310), 0, count))
    parts += [small] if name == "log" else [small, -small]
    return np.concatenate(parts)


def error_float64(name):
    """The largest error in ulp on the samples."""
    x = samples(name)
    rights = [exact.value(name, value) for value in x]
    return max(
        float(abs(exact.Decimal(float(result)) - right) / exact.Decimal(math.ulp(float(right))))
        for result, right in zip(computed(name, x), rights, strict=True)
    )


def errors():
    """The errors of all functions, in both dtypes."""
    return {name: (error_float32(name), error_float64(name)) for name in FUNCTIONS}


def assert_within_bounds(found):
    assert found.keys() == BOUNDS.keys()
    exceeding = {name: pair for name, pair in found.items() if not max(pair) <= BOUNDS[name]}
    assert not exceeding


def test_bounds():
    assert_within_bounds(errors())


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="the names of CPUs are those of x86")
def test_bounds_on_other_cpus():
    """Without fma and AVX, and with AVX2 but no AVX-512."""
    environments = [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}]
    if binding.get_host_cpu_features().get("avx2"):
        environments.append({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"})
    for process in [start(__file__, **environment) for environment in environments]:
        status, out, err = finish(process)
        assert (status, err) == (0, "")
        assert_within_bounds(json.loads(out))


INF, NAN = math.inf, math.nan
EDGES = {  # x: f(x), exactly; 0 also as -0
    "exp": {0.0: 1, INF: INF, -INF: 0, 1e4: INF, -1e4: 0, 1e30: INF, -1e30: 0, 1e-30: 1, NAN: NAN},
    "expm1": {INF: INF, -INF: -1, 1e4: INF, -1e4: -1, 1e30: INF, -1e30: -1, NAN: NAN},
    "log": {0.0: -INF, 1.0: 0.0, INF: INF, -INF: NAN, -1.0: NAN, -1e-30: NAN, NAN: NAN},
    "log1p": {-1.0: -INF, INF: INF, -INF: NAN, -1.5: NAN, -1e30: NAN, NAN: NAN},
    "tanh": {INF: 1, -INF: -1, 20.0: 1, -20.0: -1, 1e30: 1, -1e30: -1, NAN: NAN},
    "sigmoid": {0.0: 0.5, INF: 1, -INF: 0, 1e4: 1, -1e4: 0, 1e30: 1, -1e30: 0, NAN: NAN},
    "normal_cdf": {0.0: 0.5, INF: 1, -INF: 0, 1e4: 1, -1e4: 0, 1e30: 1, -1e30: 0, NAN: NAN},
}


@BOTH_DTYPES
@EVERY_FUNCTION
def test_edges(name, dtype):
    x, expected = np.array(list(EDGES[name].items()), dtype).T
    for signed in (x, np.where(x == 0, -x, x)):
        result = computed(name, signed)
        np.testing.assert_array_equal(result, expected)
        assert not np.signbit(result[result == 0]).any()


@BOTH_DTYPES
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_small_numbers_are_their_own_result(name, dtype):
    """With their sign, -0 and subnormal ones included."""
    limits = np.finfo(dtype)
    x = np.array([0, limits.smallest_subnormal, 3 * limits.smallest_subnormal, limits.tiny, limits.eps**2], dtype)
    x = np.concatenate([x, -x])
    assert computed(name, x).tobytes() == x.tobytes()


@pytest.mark.parametrize(("dtype", "last"), [(np.float32, 88.72283), (np.float64, 709.782712893384)])
def test_exp_overflows_where_it_must(dtype, last):
    x = np.array([last, np.nextafter(dtype(last), dtype(1000))], dtype)
    for name in ("exp", "expm1"):
        assert np.isfinite(computed(name, x)).tolist() == [True, False]


@pytest.mark.parametrize(("dtype", "last"), [(np.float32, -103.972076), (np.float64, -745.1332191019411)])
def test_exp_underflows_where_it_must(dtype, last):
    x = np.array([last, np.nextafter(dtype(last), dtype(-1000))], dtype)
    assert computed("exp", x).tolist() == [np.finfo(dtype).smallest_subnormal, 0]


@BOTH_DTYPES
def test_results_keep_within_their_limits(dtype):
    x = np.concatenate([np.linspace(-40, 40, 100_001), np.linspace(-1e3, 1e3, 100_001)]).astype(dtype)
    assert np.abs(computed("tanh", x)).max() == 1
    for name in ("sigmoid", "normal_cdf"):
        result = computed(name, x)
        assert (result.min(), result.max()) == (0, 1)
    assert computed("expm1", x).min() == -1


LIBRARY_CALL = re.compile(r"call .*@(_*(exp|expm1|log|log1p|tanh|erfc?|pow|copysign)f?)\(")


@pytest.fixture
def unchecked(monkeypatch):
    """Without what NUMBA_BOUNDSCHECK asks for: loops that check their indices are no vectors."""
    monkeypatch.setattr(config, "BOUNDSCHECK", None)


@pytest.mark.usefixtures("unchecked")
@BOTH_DTYPES
@EVERY_FUNCTION
def test_loops_are_vectorised(name, dtype):
    loop, x = njit(**OPTIONS)(through_a_kernel.py_func), np.ones(3, dtype)
    loop(FUNCTIONS[name], x, x.copy())
    assert_vectorised(loop, {np.float32: "float", np.float64: "double"}[dtype])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["tanh", "elu", "gelu", "softplus"])
def test_activations_are_vectorised(name):
    loop = njit(**OPTIONS)(getattr(pointwise, f"{name}_at"))  # code from the cache can't be inspected
    loop.compile((types.int64, types.int64, types.int64, types.float32))
    assert_vectorised(loop, "float")


def assert_vectorised(loop, type_name):
    (code,) = loop.inspect_llvm().values()
    assert re.search(rf"fmul contract <\d+ x {type_name}>", code)
    assert not LIBRARY_CALL.search(code)


if __name__ == "__main__":
    print(json.dumps(errors()))
