"""fit: what it prints and keeps, validation and patience, Ctrl-C, and the order of the samples."""

import re

import numpy as np
import pytest
from networks import convolutional, dense, samples

from fastnn import Adam, Dense, Loss, Sequential, losses
from fastnn.optimizers import Optimizer

MEAN_SQUARE = losses.find("mean_squared_error")
NUMBER, PERCENT, TIME = r"\d+\.\d{4}", r"\d+\.\d %", r"\d+\.\d\d s"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """What is printed is compared: the notice of compiling, which depends on the cache, has a test of its own."""
    monkeypatch.setenv("FASTNN_QUIET", "1")


# What it prints and keeps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_a_line_an_epoch(loss, validated, capsys):
    """Loss, accuracy where there is one, the same of the validation data, and the time; the history has the same figures."""
    model = dense()
    x, y = samples(model, 20, loss)
    history = model.fit(x, y, loss, epochs=10, validation_data=(x, y) if validated else None)
    out, err = capsys.readouterr()
    assert err == ""

    names = ["loss", "accuracy"] if loss == "softmax_cross_entropy" else ["loss"]
    names += [f"val_{name}" for name in names] if validated else []
    forms = [f"{name} ({PERCENT})" if "accuracy" in name else f"{name} ({NUMBER})" for name in names]
    line = re.compile("  ".join([r"epoch ([ \d]\d)/10", *forms, f"({TIME})"]))
    found = [line.fullmatch(printed).groups() for printed in out.splitlines()]
    assert [int(groups[0]) for groups in found] == list(range(1, 11))
    assert set(history) == {*names, "seconds"}
    for name, column in zip(names, list(zip(*found, strict=True))[1:], strict=False):
        shown = [f"{100 * value:.1f} %" if "accuracy" in name else f"{value:.4f}" for value in history[name]]
        assert list(column) == shown
    assert all(0 < seconds < 60 for seconds in history["seconds"])
    assert not history.interrupted


def test_verbose_0_prints_nothing(capfd):
    model = dense()
    model.fit(*samples(model, 20), epochs=2, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_no_epochs():
    """Nothing happens, and the history is empty."""
    model = dense()
    before = model.parameters.copy()
    assert model.fit(*samples(model, 5), epochs=0) == {}
    np.testing.assert_array_equal(model.parameters, before)


def test_the_validation_figures_are_those_of_evaluate():
    """Of the whole validation data, after the epoch and without dropout."""
    model = convolutional()
    (x, y), (x_test, y_test) = samples(model, 20), samples(model, 9, seed=8)
    history = model.fit(x, y, epochs=2, batch_size=4, validation_data=[x_test, y_test], verbose=0)
    assert len(history["val_loss"]) == len(history["val_accuracy"]) == 2
    found = history["val_loss"][-1], history["val_accuracy"][-1]
    assert found == (pytest.approx(model.evaluate(x_test, y_test).cost), model.evaluate(x_test, y_test).accuracy)


def test_shuffle():
    """Off, the samples come in their order, batch by batch; on, all come once an epoch, in a new order each time."""

    def seen(shuffle):
        batches = []

        def cost(a, y):
            batches.append(y[:, 0].astype(int).tolist())
            return 0.0

        model = Sequential(Dense(1), input_shape=1)
        y = np.arange(10)[:, np.newaxis]
        loss = Loss("seen", cost, MEAN_SQUARE.da)
        model.fit(y / 10, y, loss, epochs=2, batch_size=4, shuffle=shuffle, verbose=0)
        assert [len(batch) for batch in batches] == [4, 4, 2] * 2
        labels = [label for batch in batches for label in batch]
        return labels[:10], labels[10:]

    in_order = list(range(10))
    assert seen(False) == (in_order, in_order)
    first, second = seen(True)
    assert sorted(first) == sorted(second) == in_order
    assert first != second
    assert in_order not in (first, second)
    assert seen(True) == (first, second)


def test_x_and_y_stay_paired_and_unchanged():
    """Whatever dtype, order or layout they come in, training sees the same numbers and writes into none of them."""
    x, y = samples(dense(), 12)
    x = np.round(x * 4)
    expected = dense().fit(x, y, epochs=2, batch_size=5, verbose=0)["loss"]
    variants = [x.astype(np.int8), x.astype(np.float16), np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x.tolist()]
    for variant in variants:
        kept = np.array(variant)
        assert dense().fit(variant, y, epochs=2, batch_size=5, verbose=0)["loss"] == expected
        np.testing.assert_array_equal(variant, kept)


@pytest.mark.parametrize("own", ["parameters", "gradients"])
def test_x_may_be_the_models_own(own):
    """It is then what it was before, whatever the model learns."""
    models = [dense() for _ in range(2)]
    views = [getattr(model, own)[:32].reshape(8, 4) for model in models]
    _, y = samples(models[0], 8)
    histories = [
        model.fit(x, y, epochs=3, batch_size=4, verbose=0)
        for model, x in zip(models, (views[0], views[1].copy()), strict=True)
    ]
    assert histories[0]["loss"] == histories[1]["loss"]
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def test_nan_passes_through():
    """A NaN among the samples is no error: the cost shows it."""
    model = dense()
    x, y = samples(model, 8)
    x[3, 1] = np.nan
    assert np.isnan(model.fit(x, y, epochs=1, verbose=0)["loss"][0])


# Patience ------------------------------------------------------------------------------------------------------------


class Walk(Optimizer):
    """Sets all parameters to the next of these numbers."""

    def __init__(self, values):
        self.values = iter(values)

    def update(self, parameters, gradients):
        parameters[...] = next(self.values)


@pytest.mark.parametrize(
    ("values", "patience", "epochs", "best"),
    [
        ([5, 3, 2, 4, 2.5, 9], 2, 5, 2),
        ([5, 3, 2, 4, 2.5, 9], 1, 4, 2),
        ([5, 3, 4, 2, 1, 0.5], 2, 6, 0.5),
        ([5, 3, 4, 2, 6, 0.5], 2, 6, 0.5),
        ([5, 5, 5, 5, 5, 5], 3, 4, 5),
        ([1, np.nan, np.nan, 0.5, 0, 0], 2, 3, 1),
        ([5, 3, 2, 4, 2.5, 9], None, 6, 9),
    ],
)
def test_patience(values, patience, epochs, best):
    """Training stops when the validation cost, here theta^2, has not fallen for so long, and the best parameters return."""
    model = Sequential(Dense(1), input_shape=1)
    x = np.zeros((4, 1))
    history = model.fit(x, x, MEAN_SQUARE, Walk(values), len(values), 4, (x, x), patience=patience, verbose=0)
    np.testing.assert_allclose(history["val_loss"], np.square(values[:epochs]), rtol=1e-6)
    np.testing.assert_array_equal(model.parameters, np.float32(best))


# Ctrl-C --------------------------------------------------------------------------------------------------------------


class Interrupted(Adam):
    """Ctrl-C in its n-th step, half of the parameters changed."""

    def __init__(self, n):
        super().__init__(0.01)
        self.left = n

    def update(self, parameters, gradients):
        self.left -= 1
        if self.left == 0:
            parameters[: parameters.size // 2] -= 0.01
            raise KeyboardInterrupt
        super().update(parameters, gradients)


def interrupting(loss, n):
    """The loss, with a Ctrl-C in its n-th cost."""
    calls = []

    def cost(a, y):
        calls.append(1)
        if len(calls) == n:
            raise KeyboardInterrupt
        return loss.cost(a, y)

    return Loss("interrupted", cost, loss.da, loss.hits, loss.labels)


@pytest.mark.parametrize("where", ["step", "cost", "validation"])
@pytest.mark.parametrize("verbose", [0, 1])
def test_ctrl_c(where, verbose, capsys):
    """In the second epoch: fit returns the first one's history, and the model keeps its steps, predicts and trains on."""
    model = dense()
    x, y = samples(model, 12)  # four batches of 3 an epoch, and four of the validation
    before = model.parameters.copy()
    loss = losses.find("softmax_cross_entropy")
    history = model.fit(
        x,
        y,
        interrupting(loss, {"cost": 10, "validation": 14}.get(where, 0)),
        Interrupted(6 if where == "step" else 0),
        epochs=5,
        batch_size=3,
        validation_data=(x, y),
        verbose=verbose,
    )
    assert history.interrupted
    assert {len(column) for column in history.values()} == {1}
    assert not np.array_equal(model.parameters, before)
    assert np.isfinite(model.parameters).all()
    assert np.isfinite(model.predict(x)).all()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == (["interrupted: the model keeps what it has learnt"] if verbose else [])
    again = model.fit(x, y, epochs=1, verbose=0)
    assert np.isfinite(again["loss"]).all()
    assert not again.interrupted


def test_ctrl_c_with_patience_brings_the_best_back():
    def ctrl_c():
        yield from (2, 1, 3)
        raise KeyboardInterrupt

    model = Sequential(Dense(1), input_shape=1)
    x = np.zeros((4, 1))
    history = model.fit(x, x, MEAN_SQUARE, Walk(ctrl_c()), 9, validation_data=(x, x), patience=5, verbose=0)
    assert history.interrupted
    np.testing.assert_array_equal(model.parameters, 1)


def test_other_exceptions_come_through():
    """Only Ctrl-C ends training in silence."""

    def cost(a, y):
        raise ZeroDivisionError("mine")

    model = dense()
    with pytest.raises(ZeroDivisionError, match="mine"):
        model.fit(*samples(model, 5, "mean_squared_error"), Loss("mine", cost, MEAN_SQUARE.da), verbose=0)
