"""check_gradients: right gradients of whole models pass, a broken one is found and named, and the model stays as it is."""

import re

import numpy as np
import pytest
from networks import KINKED, LOSSES, SMOOTH, convolutional, dense, samples

from fastnn import Adam, Conv2D, Dense, Dropout, Flatten, Layer, Sequential, check_gradients

TIGHT = 1e-7  # without kinks: curvature and rounding of the central difference, of the largest gradient
KINKS = 1e-6  # no sample of these lies within the step of one


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", [*SMOOTH, *KINKED])
@pytest.mark.parametrize("network", [dense, convolutional], ids=lambda network: network.__name__)
def test_whole_models(network, activation, loss):
    """Every activation under every loss, in a dense network and in one of every kind of layer."""
    model = network(activation, last="sigmoid" if loss == "binary_cross_entropy" else "identity", seed=4)
    check = check_gradients(model, *samples(model, 5, loss), loss)
    assert check.error < (TIGHT if activation in SMOOTH else KINKS), str(check)
    assert check.checked == model.parameters.size


def broken(layer, name, index, by):
    """A layer like this one, one cell of whose gradient is off."""

    class Broken(type(layer)):
        def backward(self, da, needs_da=True):
            back = super().backward(da, needs_da)
            self.gradients[name][index] += by
            return back

    return Broken(**layer.config())


@pytest.mark.parametrize("by", [0.1, -0.1, np.nan, np.inf])
@pytest.mark.parametrize(
    ("place", "name", "index"), [(0, "theta", (2, 0, 1, 1)), (0, "b", (1,)), (2, "theta", (0, 3)), (4, "theta", (5, 1))]
)
def test_a_wrong_gradient_is_found_and_named(place, name, index, by):
    """The one cell that is off is the worst: the check names it and tells both values."""
    layers = [Conv2D(3, 2, activation="tanh"), Flatten(), Dense(5, "tanh"), Dropout(0.5), Dense(2)]
    layers[place] = broken(layers[place], name, index, by)
    model = Sequential(*layers, input_shape=(1, 3, 4))
    check = check_gradients(model, *samples(model, 4, "mean_squared_error"), "mean_squared_error")
    assert check.name == f"layers[{place}].{name}[{', '.join(map(str, index))}]"
    assert check.backpropagated == pytest.approx(check.difference + by, abs=1e-6, nan_ok=True)
    assert not check.error < 0.01
    assert str(check).startswith(f"worst of {model.parameters.size} parameters: {check.name}, backpropagation ")


def test_an_error_is_a_share_of_the_largest_gradient():
    """However small that is, as near a minimum."""
    model = Sequential(broken(Dense(2), "theta", (1, 0), 1e-9), input_shape=3, dtype=np.float64)
    x = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    check = check_gradients(model, x, model.predict(x) + 1e-8, "mean_squared_error")
    assert check.name == "layers[0].theta[1, 0]"
    assert check.error > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_model_stays_as_it_is(dtype):
    """Parameters, gradients, random numbers and the optimiser's state: training goes on as if there had been no check."""
    checked, other = convolutional(dtype=dtype), convolutional(dtype=dtype)
    x, y = samples(checked, 9)
    for model in (checked, other):
        optimizer = Adam()
        model.fit(x, y, optimizer=optimizer, epochs=1, batch_size=4, verbose=0)
        if model is checked:
            parameters, gradients = model.parameters.copy(), model.gradients.copy()
            assert check_gradients(model, x, y).error < KINKS
            np.testing.assert_array_equal(model.parameters, parameters)
            np.testing.assert_array_equal(model.gradients, gradients)
        model.fit(x, y, optimizer=optimizer, epochs=1, batch_size=4, verbose=0)
    np.testing.assert_array_equal(checked.parameters, other.parameters)


def test_it_is_about_the_models_own_parameters():
    """Also after training: the gradient is the model's, and the difference that of its cost."""
    model = dense(dtype=np.float64, units=1)
    x, y = samples(model, 5, "mean_squared_error")
    model.fit(x, y, "mean_squared_error", epochs=5, verbose=0)
    model.cost_and_gradients(x, y, "mean_squared_error")
    check = check_gradients(model, x, y)
    assert np.abs(model.gradients - check.backpropagated).min() < 1e-12
    assert check.error < TIGHT


def test_a_sample_of_the_parameters():
    """With `most`, so many parameters are checked, the same ones each time."""
    model = dense(units=2)
    x, y = samples(model, 5)
    check = check_gradients(model, x, y, most=7)
    assert check.checked == 7
    assert check == check_gradients(model, x, y, most=7)
    assert check_gradients(model, x, y, most=model.parameters.size).checked == model.parameters.size


def test_what_is_refused():
    model = dense()
    x, y = samples(model, 5)
    for change, message in (
        ({"x": x[:, :2]}, "x: expected shape (n, 4) with n > 0, got (5, 2) float64"),
        ({"y": y[:3]}, "y: expected 5 targets, one a sample of x, got 3"),
        ({"loss": "hinge"}, f"loss: expected one of {', '.join(LOSSES)}, got 'hinge'"),
        ({"most": 0}, "most: expected an int of at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            check_gradients(model, **{"x": x, "y": y, **change})
    nothing = Sequential(Dropout(0.5), input_shape=4)
    with pytest.raises(ValueError, match="model: expected at least one parameter"):
        check_gradients(nothing, x, x, "mean_squared_error")


def test_a_layer_that_cannot_be_copied():
    class Bare(Layer):
        def build(self, input_shape):
            self.input_shape = self.output_shape = input_shape

    x, y = samples(dense(), 5)
    with pytest.raises(TypeError, match=r"^Bare: expected a dataclass, or a `config` of its own$"):
        check_gradients(Sequential(Bare(), Dense(3), input_shape=4), x, y)
