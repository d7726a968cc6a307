"""`algorithm` of convolutions: the names, and that a layer's reaches its kernels, compiled networks and files."""

import json

import numpy as np
import pytest
from refusals import refuse

import fastnn
from fastnn import Conv2D, ConvTranspose2D, Dense, Flatten, Sequential, backend
from fastnn.backend import ops

KERNELS = ("conv2d_forward", "conv2d_dz_to_dtheta", "conv2d_dz_to_da")
compiled = pytest.mark.skipif(backend.name != "numba", reason="the reference has one algorithm")

# Of Conv2D and ConvTranspose2D: 16 and 24 channels on 20 x 20 cells, for which 16 products take less time than 36 would.
LAYERS = {
    "conv": lambda algorithm: Conv2D(24, 3, padding=1, algorithm=algorithm),
    "transposed": lambda algorithm: ConvTranspose2D(24, 3, padding=1, algorithm=algorithm),
}


def uniform(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def network(make, algorithm):
    return Sequential(make(algorithm), Flatten(), Dense(3), input_shape=(16, 20, 20), seed=0)


@pytest.mark.parametrize("name", KERNELS)
def test_other_names_are_refused(name):
    refuse(name, ValueError, "algorithm: expected one of auto, direct, got 'winograd'", algorithm="winograd")
    refuse(name, TypeError, "algorithm: expected one of auto, direct, got 0", algorithm=0)
    refuse(name, TypeError, "algorithm: expected one of auto, direct, got None", algorithm=None)


def results(algorithm):
    a, theta, b, dz = uniform(0, 3, 16, 20, 20), uniform(1, 24, 16, 3, 3), uniform(2, 24), uniform(3, 3, 24, 20, 20)
    words = {"padding": 1, "algorithm": algorithm}
    return [
        ops.conv2d_forward(a, theta, b, **words),
        ops.conv2d_dz_to_dtheta(a, dz, 3, **words),
        ops.conv2d_dz_to_da(dz, theta, (20, 20), **words),
    ]


def test_algorithms_agree():
    for auto, direct in zip(results("auto"), results("direct"), strict=True):
        np.testing.assert_allclose(auto, direct, rtol=0, atol=1e-3)


@compiled
def test_algorithms_differ():
    """In their last bits: else what follows would show nothing."""
    for auto, direct in zip(results("auto"), results("direct"), strict=True):
        assert not np.array_equal(auto, direct)


@compiled
def test_in_njit():
    from numba import njit

    @njit
    def summed(a, theta, b):
        return ops_forward(a, theta, b, 1, 1, algorithm="direct"), ops_forward(a, theta, b, padding=1)

    ops_forward = ops.conv2d_forward
    direct, auto = summed(uniform(0, 3, 16, 20, 20), uniform(1, 24, 16, 3, 3), uniform(2, 24))
    assert np.array_equal(direct, results("direct")[0])
    assert np.array_equal(auto, results("auto")[0])


@compiled
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_layers_and_compiled_networks_follow(make):
    """A layer's own steps, and a training step in compiled code: other bits with the other algorithm, and near."""
    x, y = uniform(4, 8, 16, 20, 20), np.arange(8) % 3
    outputs, gradients, trained = {}, {}, {}
    for algorithm in ("auto", "direct"):
        layer = network(make, algorithm).layers[0]
        outputs[algorithm] = layer.forward(x).copy()
        layer.backward(outputs[algorithm])
        gradients[algorithm] = layer.gradients["theta"].copy()
        model = network(make, algorithm)
        model.fit(x, y, loss="softmax_cross_entropy", optimizer=fastnn.SGD(0.1), epochs=1, batch_size=8, verbose=0)
        trained[algorithm] = model.parameters.copy()
    for pair in (outputs, gradients, trained):
        assert not np.array_equal(pair["auto"], pair["direct"])
        np.testing.assert_allclose(pair["auto"], pair["direct"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_files_keep_it(make, tmp_path):
    network(make, "direct").save(tmp_path / "net.npz")
    assert fastnn.load(tmp_path / "net.npz").layers[0].algorithm == "direct"


def test_files_from_before_it_load(tmp_path):
    path, model = tmp_path / "net.npz", network(LAYERS["conv"], "auto")
    model.save(path)
    with np.load(path) as archive:
        config, parameters = json.loads(str(archive["config"])), archive["parameters"]
    for layer in config["layers"]:
        layer.pop("algorithm", None)
    np.savez(path, config=np.array(json.dumps(config)), parameters=parameters)
    loaded = fastnn.load(path)
    assert loaded.layers[0].algorithm == "auto"
    assert np.array_equal(loaded.parameters, model.parameters)
