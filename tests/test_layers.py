"""Each layer by itself: what it computes, forward and backward, how it begins, and what memory it uses."""

import numpy as np
import pytest
from differences import DIFFERENCED, EXACT, distance, numerical_gradient
from formulas import ACTIVATIONS, FORMULAS

from fastnn import Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, Layer, Sequential, layers

ALL_ACTIVATIONS = pytest.mark.parametrize("activation", ACTIVATIONS)
ALL_FORMULAS = pytest.mark.parametrize("name", FORMULAS)


def another(layer, **changes):
    """A layer like it, in no model yet."""
    return type(layer)(**{**layer.config(), **changes})


def built(layer, input_shape, dtype=np.float64, seed=0):
    """The layer in a model of its own, its biases and weights random."""
    model = Sequential(layer, input_shape=input_shape, dtype=dtype, seed=seed)
    model.parameters[...] = uniform(*model.parameters.shape)
    return layer


def uniform(*shape, seed=2):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


# Forward and backward ------------------------------------------------------------------------------------------------


@ALL_FORMULAS
def test_forward_is_the_formula(name):
    layer, input_shape, output_shape, formula = FORMULAS[name]
    layer = built(another(layer), input_shape)
    a = uniform(3, *input_shape)
    expected = formula(a, *layer.parameters.values())
    assert layer.output_shape == output_shape == expected.shape[1:]
    assert distance(layer.forward(a), expected) < EXACT


@ALL_ACTIVATIONS
@pytest.mark.parametrize("name", ["dense", "conv", "transposed"])
def test_forward_ends_with_the_activation(name, activation):
    layer, input_shape, _, formula = FORMULAS[name]
    layer = built(another(layer, activation=activation), input_shape)
    a = uniform(3, *input_shape)
    expected = ACTIVATIONS[activation](formula(a, *layer.parameters.values()))
    assert distance(layer.forward(a, training=True), expected) < EXACT


@ALL_FORMULAS
def test_backward_is_the_derivative(name):
    check_backward(another(FORMULAS[name][0]), FORMULAS[name][1])


@ALL_ACTIVATIONS
@pytest.mark.parametrize("name", ["dense", "conv", "transposed"])
def test_backward_includes_the_activation(name, activation):
    check_backward(another(FORMULAS[name][0], activation=activation), FORMULAS[name][1])


def check_backward(layer, input_shape):
    """da and the gradients are those of sum(weights * a), and the gradients are wholly overwritten."""
    layer = built(layer, input_shape)
    a = uniform(2, *input_shape, seed=3)
    weights = uniform(2, *layer.output_shape, seed=4)
    for gradient in layer.gradients.values():
        gradient[...] = np.nan
    layer.forward(a)
    da = layer.backward(weights.copy()).copy()
    gradients = {name: gradient.copy() for name, gradient in layer.gradients.items()}

    def cost():
        return np.sum(weights * layer.forward(a))

    assert distance(da, numerical_gradient(cost, a)) < DIFFERENCED
    for name, values in layer.parameters.items():
        assert distance(gradients[name], numerical_gradient(cost, values)) < DIFFERENCED

    layer.forward(a)
    assert layer.backward(weights, needs_da=False) is None
    for name, gradient in layer.gradients.items():
        np.testing.assert_array_equal(gradient, gradients[name])


def test_the_activations_are_all_of_the_list():
    assert list(ACTIVATIONS) == ["identity", *layers.ACTIVATIONS]


# Memory --------------------------------------------------------------------------------------------------------------


@ALL_FORMULAS
def test_memory_is_used_again(name):
    """The addresses of a and da stay, also for a smaller batch, whose results do not depend on what was there before."""
    layer, input_shape = FORMULAS[name][:2]
    layer = another(layer, activation="tanh") if "activation" in layer.config() else another(layer)
    layer = built(layer, input_shape)
    a = uniform(5, *input_shape)
    da = uniform(5, *layer.output_shape, seed=5)
    addresses = []
    for m in (5, 5, 2, 5):
        out = layer.forward(a[:m], training=True)
        back = layer.backward(da[:m])
        addresses.append((out.ctypes.data, back.ctypes.data))
        assert (out.shape, back.shape) == ((m, *layer.output_shape), (m, *input_shape))
    assert len(set(addresses)) == 1

    fresh = built(another(layer), input_shape)
    np.testing.assert_array_equal(fresh.forward(a[:2]), layer.forward(a[:2]))
    np.testing.assert_array_equal(fresh.backward(da[:2]), layer.backward(da[:2]))
    for name, gradient in layer.gradients.items():
        np.testing.assert_array_equal(gradient, fresh.gradients[name])


def test_a_larger_batch_gets_larger_arrays():
    layer = built(Dense(3, "sigmoid"), (2,))
    layer.forward(uniform(2, 2))
    assert layer.forward(uniform(7, 2)).shape == (7, 3)
    assert layer.backward(uniform(7, 3)).shape == (7, 2)


# First values --------------------------------------------------------------------------------------------------------


@ALL_ACTIVATIONS
@pytest.mark.parametrize(
    ("layer", "input_shape", "fans"),
    [
        (Dense(150), (200,), (200, 150)),
        (Conv2D(40, (5, 3), stride=2), (30, 9, 9), (30 * 15, 40 * 15)),
        (Conv2D(120, (5, 3), dilation=2, groups=3), (90, 9, 9), (30 * 15, 40 * 15)),
        (ConvTranspose2D(80, 4, stride=(2, 1), groups=2), (60, 3, 3), (30 * 8, 40 * 16)),
    ],
    ids=["dense", "conv", "conv-groups", "transposed"],
)
def test_initialisation(layer, input_shape, fans, activation):
    """Under a rectifier N(0, 2 / fan_in) (He), else uniform with variance 2 / (fan_in + fan_out) (Glorot); biases are 0."""
    layer = another(layer, activation=activation)
    Sequential(layer, input_shape=input_shape, seed=3, dtype=np.float64)
    theta = layer.parameters["theta"]
    bias, weights = (theta[0], theta[1:]) if "b" not in layer.parameters else (layer.parameters["b"], theta)
    rectifier = activation in ("relu", "leaky_relu", "elu", "silu", "gelu")
    variance = 2 / fans[0] if rectifier else 2 / sum(fans)
    kurtosis = 3.0 if rectifier else 9 / 5  # tells a normal distribution from a uniform one

    n = weights.size
    assert not bias.any()
    assert abs(weights.mean()) < 4 * np.sqrt(variance / n)
    assert weights.var() == pytest.approx(variance, rel=4 * np.sqrt((kurtosis - 1) / n))
    assert np.mean(weights**4) / weights.var() ** 2 == pytest.approx(kurtosis, rel=0.1)
    if not rectifier:
        assert np.abs(weights).max() <= np.sqrt(3 * variance)


def test_the_seed_decides_the_first_values():
    def parameters(seed, dtype):
        layers = Conv2D(3, 2, activation="relu"), Flatten(), Dropout(0.5), Dense(4)
        return Sequential(*layers, input_shape=(1, 4, 4), seed=seed, dtype=dtype).parameters

    double = parameters(7, np.float64)
    np.testing.assert_array_equal(double, parameters(7, "float64"))
    np.testing.assert_array_equal(double.astype(np.float32), parameters(7, np.float32))
    assert not np.array_equal(double, parameters(8, np.float64))


# Dropout -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0, 0.25, 0.9])
def test_dropout(rate, dtype):
    """While training the share `rate` is 0 and the rest scaled to keep the mean; backward drops the same elements."""
    layer = built(Dropout(rate), (100,), dtype)
    a = np.ones((200, 100), dtype)
    dropped = layer.forward(a, training=True).copy()
    assert dropped.dtype == dtype
    kept = dropped[dropped != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=2**-20)  # a rate counts in steps of 2^-24
    assert (kept == kept[0]).all()
    share = np.mean(dropped == 0)
    assert abs(share - rate) <= 4 * np.sqrt(rate * (1 - rate) / a.size)
    np.testing.assert_array_equal(layer.backward(a), dropped)
    if rate:
        assert not np.array_equal(layer.forward(a, training=True), dropped)

    np.testing.assert_array_equal(layer.forward(a), a)
    np.testing.assert_array_equal(layer.backward(a), a)
    assert layer.backward(a, needs_da=False) is None


def test_dropout_is_seeded():
    a = np.ones((4, 50))
    first, same, other = (built(Dropout(0.5), (50,), seed=seed).forward(a, training=True) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


# A layer of the user's own -----------------------------------------------------------------------------------------


def test_a_layer_of_ones_own():
    """A subclass of Layer without parameters works among the others, and the base class says what it lacks."""

    class Double(Layer):
        def build(self, input_shape):
            self.input_shape = self.output_shape = input_shape

        def forward(self, a, training=False):
            return 2 * a

        def backward(self, da, needs_da=True):
            return 2 * da

    x, y = uniform(5, 3), uniform(5, 2)
    model = Sequential(Dense(4), Double(), Dense(2), input_shape=3, dtype=np.float64)
    model.cost_and_gradients(x, y, "mean_squared_error")
    gradients = model.gradients.copy()

    def cost():
        return np.mean((model.predict(x) - y) ** 2)

    assert distance(gradients, numerical_gradient(cost, model.parameters)) < DIFFERENCED
    for call in (lambda: Layer().build((3,)), lambda: Layer().forward(x), lambda: Layer().backward(x)):
        with pytest.raises(NotImplementedError):
            call()
