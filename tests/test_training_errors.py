"""What fit, predict and evaluate refuse: the message names the argument, what was expected and what came."""

import re

import numpy as np
import pytest
from networks import LOSSES, dense, samples

from fastnn import SGD, Adam, AdamW, Dense, Sequential

X, LABELS = samples(dense(), 6)
ROWS = np.eye(3)[LABELS]
OBJECTS = np.array([[{}] * 4] * 6)

X_SHAPE = "expected shape (n, 4) with n > 0, got"
Y_SHAPE = "expected integer labels (n,), or shape (n, 3) with n > 0, got"
REAL = "expected an array of real numbers, got"
MASKED_X, MASKED_Y = np.ma.masked_array(X, X > 0), np.ma.masked_array(LABELS, LABELS > 0)
AS_X = [
    (X[:, :3], ValueError, f"{X_SHAPE} (6, 3) float64"),
    (X[0], ValueError, f"{X_SHAPE} (4,) float64"),
    (X[:0], ValueError, f"{X_SHAPE} (0, 4) float64"),
    (3.0, ValueError, f"{X_SHAPE} () float64"),
    (X + 1j, TypeError, f"{REAL} ndarray of dtype complex128"),
    (X.astype(str), TypeError, f"{REAL} ndarray of dtype <U"),
    (OBJECTS, TypeError, f"{REAL} ndarray of dtype object"),
    (None, TypeError, f"{REAL} NoneType of dtype object"),
    (MASKED_X, TypeError, f"{REAL} MaskedArray of dtype float64"),
]
AS_Y = [
    (LABELS[:4], ValueError, "expected 6 targets, one a sample of x, got 4"),
    (ROWS[:4], ValueError, "expected 6 targets, one a sample of x, got 4"),
    (ROWS[:, :2], ValueError, f"{Y_SHAPE} (6, 2) float64"),
    (LABELS * 1.0, ValueError, f"{Y_SHAPE} (6,) float64"),
    (LABELS[:, np.newaxis], ValueError, f"{Y_SHAPE} (6, 1) int64"),
    (LABELS[:0], ValueError, "expected shape (n) with n > 0, got (0,) int64"),
    (LABELS == 1, ValueError, f"{Y_SHAPE} (6,) bool"),
    (ROWS + 1j, TypeError, f"{REAL} ndarray of dtype complex128"),
    (["a"] * 6, TypeError, f"{REAL} list of dtype <U1"),
    (MASKED_Y, TypeError, f"{REAL} MaskedArray of dtype int64"),
]

REFUSED = [
    *(({"x": value}, kind, f"x: {message}") for value, kind, message in AS_X),
    *(({"y": value}, kind, f"y: {message}") for value, kind, message in AS_Y),
    *(({"validation_data": (value, LABELS)}, kind, f"validation_data: x: {message}") for value, kind, message in AS_X[:2]),
    *(({"validation_data": (X, value)}, kind, f"validation_data: y: {message}") for value, kind, message in AS_Y[:3]),
    ({"validation_data": (X,)}, TypeError, "validation_data: expected a pair (x, y), got tuple"),
    ({"validation_data": (X, LABELS, None)}, TypeError, "validation_data: expected a pair (x, y), got tuple"),
    ({"validation_data": X[:2]}, TypeError, "validation_data: expected a pair (x, y), got ndarray"),
    ({"epochs": -1}, ValueError, "epochs: expected an int of at least 0, got -1"),
    ({"epochs": 1.5}, ValueError, "epochs: expected an int of at least 0, got 1.5"),
    ({"epochs": None}, ValueError, "epochs: expected an int of at least 0, got None"),
    ({"batch_size": 0}, ValueError, "batch_size: expected an int of at least 1, got 0"),
    ({"batch_size": "all"}, ValueError, "batch_size: expected an int of at least 1, got 'all'"),
    ({"epochs": True}, ValueError, "epochs: expected an int of at least 0, got True"),
    ({"batch_size": True}, ValueError, "batch_size: expected an int of at least 1, got True"),
    ({"patience": 0}, ValueError, "patience: expected an int of at least 1, got 0"),
    ({"patience": 2.0}, ValueError, "patience: expected an int of at least 1, got 2.0"),
    ({"patience": 3}, ValueError, "patience: expected validation_data with it"),
    ({"loss": "hinge"}, ValueError, f"loss: expected one of {', '.join(LOSSES)}, got 'hinge'"),
    ({"loss": None}, ValueError, f"loss: expected one of {', '.join(LOSSES)}, got None"),
    ({"loss": ["hinge"]}, ValueError, f"loss: expected one of {', '.join(LOSSES)}, got ['hinge']"),
    ({"optimizer": "adam"}, TypeError, "optimizer: expected an optimiser, as fastnn.Adam(1e-3), got 'adam'"),
    ({"optimizer": Adam}, TypeError, "optimizer: expected an optimiser, as fastnn.Adam(1e-3), got <class 'fastnn."),
]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """What is printed is compared: the notice of compiling, which depends on the cache, has a test of its own."""
    monkeypatch.setenv("FASTNN_QUIET", "1")


@pytest.mark.parametrize(("change", "kind", "message"), REFUSED, ids=lambda value: str(value)[:50])
def test_fit_says_which_argument_and_why(change, kind, message, capfd):
    """Before any training: the model stays as it was, and nothing is printed."""
    model = dense()
    before = model.parameters.copy()
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        model.fit(**{"x": X, "y": LABELS, **change})
    np.testing.assert_array_equal(model.parameters, before)
    assert model.loss is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_other_losses_want_targets_of_the_outputs_shape(loss):
    for y in (LABELS, ROWS[:, :2]):
        with pytest.raises(ValueError, match=re.escape(f"y: expected shape (n, 3) with n > 0, got {y.shape} {y.dtype}")):
            dense().fit(X, y, loss)


@pytest.mark.parametrize("n", [6, 5000])
@pytest.mark.parametrize("label", [-1, 3, 2**40])
def test_labels_out_of_range(label, n):
    """What the kernel finds comes through, from fit and from evaluate, before the first step, and behind many others."""
    model, x, y = dense(), np.resize(X, (n, 4)), np.append(np.resize(LABELS, n - 1), label)
    before, message = model.parameters.copy(), "y: expected labels from 0 to k - 1"
    with pytest.raises(IndexError, match=message):
        model.fit(x, y, verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.parameters, before)
    with pytest.raises(IndexError, match=message):
        model.evaluate(x, y)


def test_rows_that_do_not_sum_to_one():
    model = dense()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match="y: expected rows that sum to one"):
        model.fit(X, np.append(ROWS[:5], ROWS[5:] * 2, axis=0), batch_size=1, verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(("x", "kind", "message"), AS_X, ids=lambda value: str(value)[:40])
def test_predict_and_evaluate_refuse_the_same_x(x, kind, message):
    with pytest.raises(kind, match=re.escape(f"x: {message}")):
        dense().predict(x)
    with pytest.raises(kind, match=re.escape(f"x: {message}")):
        dense().evaluate(x, LABELS)


@pytest.mark.parametrize(("y", "kind", "message"), AS_Y[:3], ids=lambda value: str(value)[:40])
def test_evaluate_refuses_the_same_y(y, kind, message):
    with pytest.raises(kind, match=re.escape(f"y: {message}")):
        dense().evaluate(X, y, "softmax_cross_entropy")


def test_batch_size_of_predict_and_evaluate():
    message = "batch_size: expected an int of at least 1, got 0"
    with pytest.raises(ValueError, match=message):
        dense().predict(X, 0)
    with pytest.raises(ValueError, match=message):
        dense().evaluate(X, LABELS, batch_size=0)


def test_the_number_of_threads_is_judged_at_any_step(monkeypatch):
    """Also where the steps are too small for a second thread, and by either backend."""
    monkeypatch.setenv("FASTNN_NUM_THREADS", "0")
    model = dense()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"^FASTNN_NUM_THREADS: expected an int of at least 1, got 0$"):
        model.fit(X, LABELS, verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    assert model.loss is None


@pytest.mark.parametrize("shape", [True, (True, 2)])
def test_a_bool_is_no_size(shape):
    with pytest.raises(ValueError, match="input_shape: expected positive ints"):
        Sequential(Dense(3), input_shape=shape)


def test_a_rate_beyond_float64():
    for optimizer in (SGD, Adam, AdamW):
        with pytest.raises(ValueError, match="lr: expected a number above 0"):
            optimizer(10**400)
