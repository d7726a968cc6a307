"""NaN and infinity pass through, zeros keep quiet, and costs from logits stay finite wherever logits are finite."""

import numpy as np
import pytest
from case import DTYPES
from case_rows import ACTIVATIONS

from fastnn import reference
from fastnn.backend import ops

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # NumPy's word on infinity - infinity

BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, -1e-30, 80.0, -80.0, 1e4, -1e4]

# g at infinity, minus infinity, and the limits of g' there.
LIMITS = {
    "identity": (np.inf, -np.inf, 1, 1),
    "relu": (np.inf, 0, 1, 0),
    "leaky_relu": (np.inf, -np.inf, 1, 0.01),
    "sigmoid": (1, 0, 0, 0),
    "tanh": (1, -1, 0, 0),
    "elu": (np.inf, -1, 1, 0),
    "softplus": (np.inf, 0, 1, 0),
    "silu": (np.inf, 0, 1, 0),
    "gelu": (np.inf, 0, 1, 0),
}


@BOTH_DTYPES
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, dtype):
    z = np.array(SPECIAL, dtype)
    a = getattr(ops, name)(z)
    np.testing.assert_allclose(a, getattr(reference, name)(z), rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
    assert np.isnan(a[0])
    assert np.isfinite(a[3:]).all()


@BOTH_DTYPES
@pytest.mark.parametrize("name", LIMITS)
def test_far_logits(name, dtype):
    """At 1e4 an activation has reached its limits, and so has its derivative."""
    z = np.array([1e4, -1e4], dtype)
    a = getattr(ops, name)(z)
    dz = getattr(ops, f"{name}_da_to_dz")(np.ones(2, dtype), z, a)
    above, below, *slopes = LIMITS[name]
    for value, limit, far in zip(a, (above, below), (1e4, -1e4), strict=True):
        if np.isfinite(limit):
            assert abs(value - limit) < 1e-30
        else:
            assert np.isclose(value, far * (0.01 if name == "leaky_relu" and far < 0 else 1))
    np.testing.assert_allclose(dz, slopes, rtol=1e-6)


@BOTH_DTYPES
def test_nan_gradients_pass(dtype):
    """Also where the derivative is 0 but for relu, which drops what came through a cell that was off."""
    nan = np.full(2, np.nan, dtype)
    z = np.array([-1, 1], dtype)
    for name in ACTIVATIONS:
        dz = getattr(ops, f"{name}_da_to_dz")(nan, z, getattr(ops, name)(z))
        assert np.isnan(dz).tolist() == [name != "relu", True]
    assert ops.relu_da_to_dz(np.ones(2, dtype), nan, nan).tolist() == [1, 1]


@BOTH_DTYPES
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_huge_gradients_times_small_slopes(name, dtype):
    """da g' is finite: 1 + a = 2 times da is not."""
    z = np.array([4, -4], dtype)
    da = np.full(2, np.finfo(dtype).max, dtype)
    a = getattr(ops, name)(z)
    slopes = getattr(ops, f"{name}_da_to_dz")(np.ones(2, dtype), z, a)
    np.testing.assert_allclose(getattr(ops, f"{name}_da_to_dz")(da, z, a), da * slopes, rtol=1e-6)


@BOTH_DTYPES
@pytest.mark.parametrize("reach", [88.0, 1e4, 1e30])
def test_costs_are_finite(reach, dtype):
    """Certain and wrong: the cost is the logits' distance."""
    z = np.array([[reach, -reach], [-reach, reach]], dtype)
    wrong, right = np.array([1, 0]), np.array([0, 1])
    assert ops.softmax_cross_entropy(z, right) == 0
    assert np.isclose(ops.softmax_cross_entropy(z, wrong), 2 * reach)
    np.testing.assert_allclose(ops.softmax_cross_entropy_dz(z, wrong), [[0.5, -0.5], [-0.5, 0.5]])
    rows = np.eye(2, dtype=dtype)
    assert np.isclose(ops.sigmoid_cross_entropy(z, 1 - rows), 2 * reach)
    assert ops.sigmoid_cross_entropy(z, rows) < 1e-30
    np.testing.assert_allclose(ops.sigmoid_cross_entropy_dz(z, 1 - rows), [[0.5, -0.5], [-0.5, 0.5]])


@BOTH_DTYPES
def test_certain_predictions(dtype):
    """A term with weight 0 is 0, whatever its logarithm; a certain and wrong one costs infinity."""
    a, y = np.array([[0.0, 1.0]], dtype), np.array([[0.0, 1.0]], dtype)
    assert ops.binary_cross_entropy(a, y) == 0
    assert np.isfinite(ops.binary_cross_entropy_da(a, y)).all()
    assert ops.binary_cross_entropy(a, 1 - y) == np.inf
    assert ops.binary_cross_entropy_da(a, 1 - y).tolist() == [[-np.inf, np.inf]]


@BOTH_DTYPES
def test_nan_costs(dtype):
    z, y = np.array([[np.nan, 1.0]], dtype), np.array([[0.5, 0.5]], dtype)
    for name in ("softmax_cross_entropy", "sigmoid_cross_entropy", "binary_cross_entropy", "mean_squared_error"):
        assert np.isnan(getattr(ops, name)(z, y))
    assert np.isnan(ops.softmax(z)).all()
    assert np.isnan(ops.softmax_cross_entropy_dz(z, np.array([1]))).all()


@BOTH_DTYPES
def test_nan_in_one_sample_stays_there(dtype):
    """A product or a window with a NaN is NaN; no other is."""
    a, theta = np.ones((3, 2), dtype), np.ones((3, 4), dtype)
    a[1, 0] = np.nan
    assert np.isnan(ops.dense_forward(a, theta)).all(axis=1).tolist() == [False, True, False]
    image = np.ones((2, 1, 4, 4), dtype)
    image[1, 0, 0, 3] = np.nan
    spoilt = [[False, True], [False, False]]
    for z in (
        ops.conv2d_forward(image, np.ones((1, 1, 2, 2), dtype), np.ones(1, dtype), 2),
        ops.max_pool2d_forward(image, 2),
        ops.avg_pool2d_forward(image, 2),
    ):
        assert not np.isnan(z[0]).any()
        assert np.isnan(z[1, 0]).tolist() == spoilt
    da = ops.max_pool2d_dz_to_da(np.full((2, 1, 2, 2), 3, dtype), image, 2)
    assert da[1, 0].tolist() == [[3, 0, 0, 3], [0, 0, 0, 0], [3, 0, 3, 0], [0, 0, 0, 0]]


@BOTH_DTYPES
def test_max_pool_of_minus_infinity(dtype):
    """The largest of padding and minus infinity is the cell, also for the gradient."""
    a = np.full((1, 1, 2, 2), -np.inf, dtype)
    assert ops.max_pool2d_forward(a, 2, 1, 1).max() == -np.inf
    da = ops.max_pool2d_dz_to_da(np.ones((1, 1, 3, 3), dtype), a, 2, 1, 1)
    assert da.tolist() == [[[[4, 2], [2, 1]]]]


@BOTH_DTYPES
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_at_infinity(name, dtype):
    """silu and gelu are NaN at minus infinity, -inf * 0, as NumPy's and PyTorch's; all others have their limits there."""
    z = np.array([np.inf, -np.inf], dtype)
    above, below, *_ = LIMITS[name]
    expected = [above, np.nan if name in ("silu", "gelu") else below]
    np.testing.assert_array_equal(getattr(ops, name)(z), expected)
    np.testing.assert_array_equal(getattr(reference, name)(z), expected)
