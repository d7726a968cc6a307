"""The extras: a progress bar with tqdm, a plot with matplotlib, and what is said where they are not installed."""

import builtins
import re
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
from networks import dense, samples

from fastnn import SGD


@pytest.fixture
def bars(monkeypatch):
    """A stand-in for tqdm; the list gets the length and the settings of each bar."""
    shown = []

    class Bar:
        """Has gone as far as its total, once the epoch is over."""

        def __init__(self, total, **settings):
            self.total, self.settings, self.done = total, settings, 0

        def __enter__(self):
            return self

        def update(self, batches):
            self.done += batches

        def __exit__(self, *error):
            assert self.done == self.total
            shown.append((self.total, self.settings))

    for name in ("tqdm", "tqdm.auto"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, is_package=name == "tqdm")
        module.tqdm = Bar
        monkeypatch.setitem(sys.modules, name, module)
    return shown


@pytest.mark.parametrize(
    ("progress", "verbose", "terminal", "expected"),
    [
        (True, 0, False, True),
        (True, 1, True, True),
        (False, 1, True, False),
        (None, 1, True, True),
        (None, 0, True, False),
        (None, 1, False, False),
    ],
)
def test_progress(progress, verbose, terminal, expected, bars, monkeypatch):
    """A bar over each epoch's batches where it is asked for, and by default on a terminal; training is the same."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    x, y = samples(dense(), 20)
    with_bar = dense().fit(x, y, epochs=2, batch_size=8, progress=progress, verbose=verbose)
    wanted = [(3, {"desc": f"epoch {epoch}/2", "leave": False}) for epoch in (1, 2)]
    assert bars == (wanted if expected else [])
    assert with_bar["loss"] == dense().fit(x, y, epochs=2, batch_size=8, progress=False, verbose=0)["loss"]


def test_progress_without_tqdm(monkeypatch):
    """Asked for, its absence is an error that names the extra, before any training; by default there is just no bar."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    model = dense()
    before = model.parameters.copy()
    with pytest.raises(ImportError, match=re.escape("progress=True needs tqdm: python3 -m pip install 'fastnn[progress]'")):
        model.fit(*samples(model, 5), progress=True)
    np.testing.assert_array_equal(model.parameters, before)
    assert len(model.fit(*samples(model, 5), epochs=2)["loss"]) == 2


def test_plot_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    history = dense().fit(*samples(dense(), 5), epochs=1, verbose=0)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=re.escape("History.plot needs matplotlib: python3 -m pip install 'fastnn[plot]'")):
        history.plot()


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_plot(loss):
    """A picture for the loss and one for the accuracy, if there is one, each with a line for training and validation."""
    figure_type = pytest.importorskip("matplotlib.figure").Figure
    model = dense()
    x, y = samples(model, 9, loss)
    history = model.fit(x, y, loss, SGD(0.1), epochs=3, validation_data=(x, y), verbose=0)
    figure = history.plot()
    assert isinstance(figure, figure_type)
    kinds = ["loss", "accuracy"] if loss == "softmax_cross_entropy" else ["loss"]
    assert len(figure.axes) == len(kinds)
    for axes, kind in zip(figure.axes, kinds, strict=True):
        assert [line.get_label() for line in axes.lines] == [kind, f"val_{kind}"]
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(axes.lines[1].get_ydata(), history[f"val_{kind}"])
        assert axes.get_xlabel() == "epoch"
