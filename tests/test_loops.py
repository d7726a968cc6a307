"""The loops on addresses that a compiled training step calls: by number, in place, and cost and gradient in one call."""

import pickle

import numpy as np
import pytest
from case import DTYPES
from case_rows import ACTIVATIONS
from numba import njit

from fastnn import kernels, reference
from fastnn.constants import ACTIVATION_CODES, NEEDS_Z
from fastnn.kernels.loops import cost_loops, pointwise

BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
EVERY_ACTIVATION = pytest.mark.parametrize("name", ACTIVATIONS)


@njit
def activate(g, z, a, zero):
    pointwise.activate(g, z, a, z.size, zero)


@njit
def da_to_dz(g, da, z, a, dz, zero):
    pointwise.da_to_dz(g, da, z, a, dz, z.size, zero)


def drawn(dtype, n):
    """da, and z with special values in front."""
    rng = np.random.default_rng(0)
    z = np.concatenate([[np.nan, np.inf, -np.inf, 0, -0.0, 1e-40, -1e-40, 90, -90], rng.uniform(-4, 4, n)]).astype(dtype)
    return rng.uniform(-1, 1, z.size).astype(dtype), z


def test_numbers():
    assert set(ACTIVATION_CODES) == set(ACTIVATIONS)
    assert sorted(ACTIVATION_CODES.values()) == list(range(len(ACTIVATIONS)))


@BOTH_DTYPES
@EVERY_ACTIVATION
def test_activations_by_number(name, dtype):
    """As the public kernels, bit for bit, also in place, and with a for z where z is not needed."""
    g, zero, (da, z) = ACTIVATION_CODES[name], dtype(0), drawn(dtype, 2 * pointwise.PART)
    a = getattr(kernels, name)(z)
    dz = getattr(kernels, f"{name}_da_to_dz")(da, z, a)
    out, in_place = np.full_like(z, np.nan), z.copy()
    activate(g, z, out, zero)
    activate(g, in_place, in_place, zero)
    assert a.tobytes() == out.tobytes() == in_place.tobytes()
    for source in (z,) if g in NEEDS_Z else (z, a):
        out, in_place = np.full_like(z, np.nan), da.copy()
        da_to_dz(g, da, source, a, out, zero)
        da_to_dz(g, in_place, source, a, in_place, zero)
        assert dz.tobytes() == out.tobytes() == in_place.tobytes()


@njit
def softmax_step(z, y, is_labels, share, dz, cost):
    cost_loops.softmax_cost_dz_at(z, y, is_labels, z.shape[0], z.shape[1], share, dz, 1, cost, share)
    return cost_loops.softmax_hits_at(z, y, is_labels, z.shape[0], z.shape[1], share)


@pytest.mark.parametrize("labels", [True, False])
@BOTH_DTYPES
def test_softmax_step(dtype, labels):
    """The gradient is written, the cost added to what is there, and right answers are counted as NumPy finds the largest."""
    rng = np.random.default_rng(0)
    z, y = rng.uniform(-4, 4, (700, 5)).astype(dtype), rng.integers(0, 5, 700)
    z[3, 1:3] = z[3].max()
    if not labels:
        y = np.eye(5, dtype=dtype)[y]
    dz, cost = np.full_like(z, np.nan), np.ones(1)
    hits = softmax_step(z, y, labels, dtype(1 / 700), dz, cost)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(dz, reference.softmax_cross_entropy_dz(z, y), rtol=0, atol=9 * eps / 700)
    np.testing.assert_allclose(cost[0], 1 + 700 * reference.softmax_cross_entropy(z, y), rtol=9 * eps)
    assert hits == (z.argmax(axis=1) == (y if labels else y.argmax(axis=1))).sum()
    z[:, 2] = np.nan
    assert (
        softmax_step(z, y, labels, dtype(1 / 700), dz, cost)
        == (z.argmax(axis=1) == (y if labels else y.argmax(axis=1))).sum()
    )


STEPS = {
    "sigmoid_cross_entropy": ("sigmoid_cross_entropy_dz", cost_loops.sigmoid_cost_dz_at, 1),
    "binary_cross_entropy": ("binary_cross_entropy_da", cost_loops.binary_cost_da_at, 1),
    "mean_squared_error": ("mean_squared_error_da", cost_loops.mean_squared_cost_da_at, 2),
}


@BOTH_DTYPES
@pytest.mark.parametrize("name", STEPS)
def test_elementwise_step(name, dtype):
    gradient, loop, factor = STEPS[name]
    rng = np.random.default_rng(0)
    a, y = (rng.uniform(0.1, 0.9, (700, 1)).astype(dtype) for _ in range(2))
    da, cost = np.full_like(a, np.nan), np.ones(1)
    njit(lambda a, y, share, da, cost: loop(a, y, a.size, share, da, cost, share))(a, y, dtype(factor / 700), da, cost)
    assert da.tobytes() == getattr(kernels, gradient)(a, y).tobytes()
    np.testing.assert_allclose(cost[0], 1 + 700 * getattr(kernels, name)(a, y), rtol=1e-15)


@pytest.mark.parametrize("name", STEPS)
def test_long_sums(name):
    """The error of a cost over a million terms is that of some thousand additions, at random."""
    a = np.full((1_000_000, 1), 0.3)
    y = np.full_like(a, 0.1)
    kernel = getattr(kernels, name)
    assert abs(kernel(a, y) / kernel(a[:1], y[:1]) - 1) < 1000 * np.finfo(np.float64).eps


def test_equal_dtypes(monkeypatch):
    """Code from the disk cache returns arrays whose dtype is not NumPy's own object: they must not take the slow way in."""
    monkeypatch.setitem(kernels.relu.__globals__, "plain", None)
    dtype = pickle.loads(pickle.dumps(np.dtype(np.float32)))
    assert dtype is not np.dtype(np.float32)
    assert kernels.relu(np.ones(3, dtype)).tolist() == [1, 1, 1]
