"""The flat arrays and the layers' views of them stay together, however a model is copied or written into."""

import copy
import pickle

import numpy as np
import pytest

import fastnn


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_is_a_model_of_its_own(copied):
    """Its layers compute with its own flat array, which trains, and leaves the first model as it was."""
    model = fastnn.Sequential(fastnn.Dense(4, "tanh"), fastnn.Dense(2), input_shape=3, seed=0)
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    before, twin = model.predict(x), copied(model)
    assert np.array_equal(twin.predict(x), before)
    history = twin.fit(x, y, optimizer=fastnn.SGD(0.5), epochs=3, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    twin.parameters[...] = 0
    assert not twin.predict(x).any()
    assert np.array_equal(model.predict(x), before)


def test_assigning_parameters_writes_into_them():
    model = fastnn.Sequential(fastnn.Dense(2), input_shape=3, seed=0)
    flat = model.parameters
    model.parameters = np.zeros(8)
    assert model.parameters is flat
    assert not model.predict(np.ones((1, 3))).any()
    with pytest.raises(ValueError, match=r"parameters: expected shape \(8,\), got \(7,\)"):
        model.parameters = np.zeros(7)
    for wrong, dtype in ((np.zeros(8) * 1j, "complex128"), (None, "object"), ("zeros", "<U5")):
        with pytest.raises(TypeError, match=rf"parameters: expected real numbers, got \w+ of dtype {dtype}$"):
            model.parameters = wrong
