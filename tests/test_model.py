"""Sequential: its flat arrays, training with every loss and optimiser, prediction, evaluation, and the other backend."""

import json
import re

import numpy as np
import pytest
from networks import LOSSES, convolutional, dense, digits, samples
from processes import OTHER_BACKEND, output

from fastnn import SGD, Adam, AdamW, Conv2D, Dense, Dropout, Flatten, Loss, Sequential, backend

OPTIMIZERS = {
    "SGD": lambda: SGD(0.3),
    "momentum": lambda: SGD(0.1, 0.9),
    "nesterov": lambda: SGD(0.1, 0.9, nesterov=True),
    "Adam": lambda: Adam(0.02),
    "AdamW": lambda: AdamW(0.02, 0.01),
}
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


# Parameters ----------------------------------------------------------------------------------------------------------


@DTYPES
def test_parameters_are_views_of_one_flat_array(dtype):
    """In the order of the layers, without gaps; what is written into one shows in the other; the same for the gradients."""
    model = convolutional(dtype=dtype)
    for flat, views in (
        (model.parameters, [layer.parameters for layer in model.layers]),
        (model.gradients, [layer.gradients for layer in model.layers]),
    ):
        assert (flat.ndim, flat.dtype, flat.flags.c_contiguous) == (1, dtype, True)
        flat[...] = np.arange(flat.size)
        arrays = [array for layer in views for array in layer.values()]
        np.testing.assert_array_equal(np.concatenate([array.ravel() for array in arrays]), flat)
        arrays[2][...] = -1
        assert np.count_nonzero(flat == -1) == arrays[2].size
    assert [name for layer in model.layers for name in layer.parameters] == 3 * ["theta", "b"] + 2 * ["theta"]


def test_writing_into_parameters_changes_the_model():
    model = dense()
    x, _ = samples(model, 3)
    model.parameters[...] = 0
    assert not model.predict(x).any()
    model.layers[1].parameters["theta"][0] = [1, 2, 3]
    np.testing.assert_array_equal(model.predict(x), [[1, 2, 3]] * 3)


def test_fit_keeps_the_flat_arrays():
    """Training works in place: whoever holds `parameters` holds the trained ones."""
    model = dense()
    parameters, gradients, theta = model.parameters, model.gradients, model.layers[0].parameters["theta"]
    before = theta.copy()
    model.fit(*samples(model, 7), epochs=1, verbose=0)
    assert model.parameters is parameters
    assert model.gradients is gradients
    assert not np.array_equal(theta, before)
    assert gradients.any()


# Training ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls_under_every_optimiser(loss, optimizer):
    """By a fifth of what can be learnt here, in batches of 8 of which the last is short."""
    model = dense(last="sigmoid" if loss == "binary_cross_entropy" else "identity", seed=2)
    x, _ = samples(model, 60)
    y = (x[:, :3] > 0).astype(float) if loss != "softmax_cross_entropy" else x[:, :3].argmax(axis=1)
    history = model.fit(x, y, loss, OPTIMIZERS[optimizer](), epochs=20, batch_size=8, verbose=0)
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert ("accuracy" in history) == (loss != "mean_squared_error")
    assert model.evaluate(x, y).cost < history["loss"][-2]


@DTYPES
def test_digits_are_learnt(dtype):
    """A strided convolution, 15 epochs over 600 images: at least 95 % of them are right."""
    x, y = digits(600)
    model = Sequential(
        Conv2D(8, 3, stride=2, padding=1, activation="relu"),
        Flatten(),
        Dropout(0.1),
        Dense(32, "relu"),
        Dense(10),
        input_shape=(1, 8, 8),
        dtype=dtype,
    )
    history = model.fit(x, y, optimizer=Adam(5e-3), epochs=15, batch_size=32, verbose=0)
    assert model.evaluate(x, y).accuracy >= 0.95
    assert history["accuracy"][-1] >= 0.9


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "binary_cross_entropy"])
def test_xor_is_learnt(loss):
    """No linear model can; a tanh layer can, and is sure of it."""
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    last = "sigmoid" if loss == "binary_cross_entropy" else "identity"
    model = Sequential(Dense(8, "tanh"), Dense(1, last), input_shape=2, seed=1)
    model.fit(x, y, loss, Adam(0.05), epochs=200, batch_size=4, verbose=0)
    cost, accuracy = model.evaluate(x, y)
    assert accuracy == 1
    assert cost < 0.05


def test_regression_is_learnt():
    """sin(3 x) to within 0.1, root mean square; the best straight line is 0.4 off."""
    x = np.linspace(-1, 1, 64)[:, np.newaxis]
    model = Sequential(Dense(16, "tanh"), Dense(1), input_shape=1)
    model.fit(x, np.sin(3 * x), "mean_squared_error", Adam(0.02), epochs=200, batch_size=8, verbose=0)
    assert model.evaluate(x, np.sin(3 * x)) == (pytest.approx(0, abs=0.01), None)


def test_a_short_last_batch_counts_for_its_samples():
    """The epoch's loss and accuracy are means over the samples, and each batch's gradient one over its own."""
    model, twin = (dense(dtype=np.float64) for _ in range(2))
    x, y = samples(model, 7)
    optimizer, costs = SGD(0.5), []
    for batch in (slice(0, 5), slice(5, 7)):
        costs.append(twin.cost_and_gradients(x[batch], y[batch], "softmax_cross_entropy"))
        optimizer.step(twin.parameters, twin.gradients)
    history = model.fit(x, y, optimizer=SGD(0.5), epochs=1, batch_size=5, shuffle=False, verbose=0)
    assert history["loss"] == [pytest.approx((5 * costs[0] + 2 * costs[1]) / 7)]
    np.testing.assert_allclose(model.parameters, twin.parameters, rtol=0, atol=1e-14)


def test_rows_are_as_good_as_labels():
    """Rows of the identity are what integer labels stand for; any integer dtype and a list will do."""
    x, y = samples(dense(), 20)
    expected = dense().fit(x, y, epochs=2, verbose=0)["loss"]
    for same in (np.eye(3)[y], np.eye(3, dtype=int)[y], y.astype(np.uint8), y.tolist()):
        assert dense().fit(x, same, epochs=2, verbose=0)["loss"] == pytest.approx(expected, rel=1e-6)


def test_a_loss_of_ones_own():
    """A Loss object trains like a named one."""
    squares = Loss("squares", lambda a, y: float(((a - y) ** 2).mean()), lambda a, y: 2 * (a - y) / a.size)
    x, y = samples(dense(), 20, "mean_squared_error")
    own, named = (dense().fit(x, y, loss, epochs=3, verbose=0)["loss"] for loss in (squares, "mean_squared_error"))
    assert own == pytest.approx(named, rel=1e-5)


def test_the_same_seed_gives_the_same_history():
    def fitted(seed):
        model = convolutional("relu", seed=seed)
        x, y = samples(model, 30)
        history = model.fit(x, y, epochs=3, batch_size=8, validation_data=(x, y), verbose=0)
        return [history[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")], model.parameters.tobytes()

    assert fitted(3) == fitted(3)
    assert fitted(3) != fitted(4)


TRAINED_BY_BOTH = """
import json
from networks import digits
from fastnn import *
x, y = digits(300)
model = Sequential(
    Conv2D(6, 3, stride=2, padding=1, activation="relu"), MaxPool2D(2, stride=1), Flatten(), Dropout(0.2), Dense(10),
    input_shape=(1, 8, 8), seed=5,
)
history = model.fit(x, y, optimizer=Adam(5e-3), epochs=4, batch_size=32, validation_data=(x, y), verbose=0)
print(json.dumps(history["loss"] + history["val_loss"]))
"""


def test_both_backends_give_the_same_costs(request):
    """The same seed, the same cost to 1e-4 after every epoch of a small convolutional network with dropout."""
    settings = {"PYTHONPATH": f"{request.path.parent}:{request.config.rootpath}"}
    costs = [json.loads(output(TRAINED_BY_BOTH, FASTNN_BACKEND=name, **settings)) for name in (backend.name, OTHER_BACKEND)]
    assert costs[0] == pytest.approx(costs[1], abs=1e-4)
    assert costs[0][3] < costs[0][0] - 0.2


# Prediction and evaluation -------------------------------------------------------------------------------------------


@DTYPES
def test_prediction_in_batches_is_prediction_at_once(dtype, monkeypatch):
    """Batches of 1, 4 and all give the same array (n, *output_shape), and its memory is not the model's."""
    model = convolutional(dtype=dtype)
    x, _ = samples(model, 9)
    whole = model.predict(x)
    assert (whole.shape, whole.dtype) == ((9, 3), dtype)
    kept = whole.copy()
    for batch_size in (1, 4, 9):
        np.testing.assert_allclose(model.predict(x, batch_size), whole, rtol=0, atol=20 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(whole, kept)

    forward, seen = model.forward, []
    monkeypatch.setattr(model, "forward", lambda a: (seen.append(len(a)), forward(a))[1])
    model.predict(x, 4)
    assert seen == [4, 4, 1]
    monkeypatch.undo()
    np.testing.assert_array_equal(model.predict(x.astype(dtype)), whole)
    np.testing.assert_array_equal(model.predict(x[::-1].copy()[::-1]), whole)


def test_evaluate_takes_the_mean_over_all_samples():
    """In batches or at once, with dropout off; the cost is the loss's, the accuracy the share of right answers."""
    model = convolutional()
    x, y = samples(model, 11)
    cost, accuracy = model.evaluate(x, y, "softmax_cross_entropy")
    z = model.predict(x).astype(float)
    assert cost == pytest.approx(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(11), y]), rel=1e-5)
    assert accuracy == np.mean(z.argmax(axis=1) == y)
    assert model.evaluate(x, y, "softmax_cross_entropy", batch_size=4) == (pytest.approx(cost), accuracy)
    assert model.evaluate(x, np.eye(3)[y], "softmax_cross_entropy") == (pytest.approx(cost), accuracy)


@pytest.mark.parametrize(("loss", "half"), [("sigmoid_cross_entropy", 0.0), ("binary_cross_entropy", 0.5)])
def test_accuracy_wants_all_outputs_right(loss, half):
    """A sample is right if each logit is above 0, or each probability above 1/2, where its target is above 1/2."""
    model = Sequential(Dense(2), input_shape=2)
    model.parameters[...] = [0, 0, 1, 0, 0, 1]  # the identity
    x = half + 0.25 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert model.evaluate(x, [[1, 1], [1, 0], [1, 1], [1, 1]], loss).accuracy == 0.5
    assert model.evaluate(x, [[0.9, 0.6], [0.8, 0.1], [0.2, 1], [0, 0]], loss).accuracy == 1


def test_the_default_loss():
    """That of the last fit; before it, cross-entropy for integer labels and the mean square for numbers."""
    model = dense()
    x, y = samples(model, 10)
    rows = np.eye(3)[y]
    assert model.evaluate(x, y) == model.evaluate(x, y, "softmax_cross_entropy")
    assert model.evaluate(x, rows) == model.evaluate(x, rows, "mean_squared_error")
    model.fit(x, rows, "sigmoid_cross_entropy", epochs=1, verbose=0)
    assert model.evaluate(x, rows) == model.evaluate(x, rows, "sigmoid_cross_entropy")


# The model itself ----------------------------------------------------------------------------------------------------


def test_summary_and_repr():
    """A line a layer, with its output and its number of parameters, between the input's line and the total's."""
    model = Sequential(Conv2D(40, 3), Flatten(), Dense(10, "relu"), input_shape=(3, 8, 8))
    lines = [re.split(r"\s{2,}", line.strip()) for line in model.summary().splitlines()]
    assert lines == [
        ["input", "(3, 8, 8)"],
        ["Conv2D(filters=40, kernel_size=3)", "(40, 6, 6)", "1,120"],
        ["Flatten()", "(1440,)", "0"],
        ["Dense(units=10, activation='relu')", "(10,)", "14,410"],
        ["total", "15,530"],
    ]
    assert len({len(line) for line in model.summary().splitlines()[1:]}) == 1
    assert repr(dense(seed=3)) == (
        "Sequential(Dense(units=5, activation='tanh'), Dense(units=3), input_shape=(4,), seed=3, dtype='float32')"
    )


def test_a_layer_shows_what_differs_from_the_default():
    """Whichever way it was given."""
    assert repr(Conv2D(4, (3, 1), padding=1, algorithm="auto")) == "Conv2D(filters=4, kernel_size=(3, 1), padding=1)"
    assert repr(Conv2D(4, 3, 1, 0, "relu", (2, 1))) == (
        "Conv2D(filters=4, kernel_size=3, activation='relu', dilation=(2, 1))"
    )


def test_a_model_without_parameters_or_layers():
    """Nothing to learn is no error."""
    for layers in ((), (Flatten(), Dropout(0.5))):
        model = Sequential(*layers, input_shape=3)
        x = np.ones((4, 3), np.float32)
        model.fit(x, x, "mean_squared_error", epochs=1, verbose=0)
        np.testing.assert_array_equal(model.predict(x), x)


SHAPE, SEED = "input_shape: expected positive ints, got", "seed: expected an int of at least 0, got"


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"input_shape": 0}, ValueError, f"{SHAPE} 0"),
        ({"input_shape": ()}, ValueError, f"{SHAPE} ()"),
        ({"input_shape": (1, -8, 8)}, ValueError, f"{SHAPE} (1, -8, 8)"),
        ({"input_shape": (1, 8.0, 8)}, ValueError, f"{SHAPE} (1, 8.0, 8)"),
        ({"input_shape": None}, ValueError, f"{SHAPE} None"),
        ({"input_shape": 3.5}, ValueError, f"{SHAPE} 3.5"),
        ({"input_shape": "8x8"}, ValueError, f"{SHAPE} '8x8'"),
        ({"seed": -1}, ValueError, f"{SEED} -1"),
        ({"seed": None}, ValueError, f"{SEED} None"),
        ({"seed": "lucky"}, ValueError, f"{SEED} 'lucky'"),
        ({"dtype": "float16"}, TypeError, "dtype: expected float32 or float64, got 'float16'"),
        ({"dtype": int}, TypeError, "dtype: expected float32 or float64, got <class 'int'>"),
        ({"dtype": ">f4"}, TypeError, "dtype: expected float32 or float64, got '>f4'"),
        ({"dtype": "real"}, TypeError, "dtype: expected float32 or float64, got 'real'"),
        ({"dtype": None}, TypeError, "dtype: expected float32 or float64, got None"),
    ],
    ids=str,
)
def test_settings_that_are_refused(settings, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        Sequential(Dense(2), **{"input_shape": 3, **settings})
