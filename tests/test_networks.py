"""Networks in compiled code: the same numbers as layer by layer, inside @njit, with any number of threads."""

import sys

import numpy as np
import pytest
from llvmlite import binding
from networks import KINKED, LOSSES, SMOOTH, batch, convolutional, dense, lenet, samples
from processes import output

import fastnn
from fastnn import (
    SGD,
    Adam,
    AdamW,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Sequential,
    compiled,
    jit,
    losses,
    plan,
)

OPTIMIZERS = {
    "sgd": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, 0.9),
    "nesterov": lambda: SGD(0.1, 0.9, nesterov=True),
    "adam": lambda: Adam(0.01),
    "adamw": lambda: AdamW(0.01, 0.1),
}


def by_layers(model, x, y, loss, optimizer):
    """One step, layer by layer; the cost before it."""
    cost = model.cost_and_gradients(x, y, loss)
    optimizer.step(model.parameters, model.gradients)
    return cost


def near(computed, expected, steps=1):
    """Within the rounding of sums that are cut up in another way, which each step passes on."""
    scale = np.abs(expected).max()
    return np.abs(computed - expected).max() <= 200 * steps * np.finfo(expected.dtype).eps * scale


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("make", [dense, convolutional])
def test_steps_are_those_of_the_layers(make, loss, dtype):
    """5 steps over batches that are one slice, several, and not a multiple of anything: costs, gradients, parameters."""
    last = "sigmoid" if loss == "binary_cross_entropy" else "identity"
    first, second = (make(last=last, dtype=dtype) for _ in range(2))
    optimizers = Adam(0.01), Adam(0.01)
    net = first.compiled(loss, optimizers[0])
    space = jit.workspace(net, 1100)
    for number, m in enumerate((1, 7, 64, 1100, 33), 1):
        x, y = batch(first, m, loss, number)
        cost = jit.step(net, x, y, space)
        assert np.isclose(cost, by_layers(second, x, y, loss, optimizers[1]), rtol=1e-4 if dtype is np.float32 else 1e-12)
        assert near(first.gradients, second.gradients, number)
        assert near(first.parameters, second.parameters, number)
    assert near(jit.forward(net, x, space), second.forward(x).reshape(m, -1), number)


@pytest.mark.parametrize("activation", [*SMOOTH, *KINKED])
def test_every_activation(activation):
    first, second = (convolutional(activation, dtype=np.float64) for _ in range(2))
    x, y = batch(first, 40, "mean_squared_error")
    net = first.compiled("mean_squared_error", SGD(0.1))
    jit.step(net, x, y, jit.workspace(net, 40))
    by_layers(second, x, y, "mean_squared_error", SGD(0.1))
    assert near(first.gradients, second.gradients)


# Layers that have samples in their lanes, one after another and beside others, and how many features they have.
NARROW = {
    "narrow ones": lambda g: Sequential(
        Dense(32, g), Dense(9, g), Dense(1, g), Dense(5, g), input_shape=3, dtype=np.float64
    ),
    "between wide ones": lambda g: Sequential(
        Dense(40, g), Dense(32, g), Dense(7, g), Dense(6, g), Dense(33, g), Dense(4), input_shape=20, dtype=np.float64
    ),
    "behind an image": lambda g: Sequential(
        Conv2D(2, 2, activation=g), Flatten(), Dense(10, g), Dropout(0.0), Dense(3, g), Dense(2), input_shape=(1, 4, 4)
    ),
}


@pytest.mark.parametrize("activation", [*SMOOTH, *KINKED])
@pytest.mark.parametrize("which", NARROW)
def test_narrow_layers(which, activation):
    """Slices that are whole blocks of samples or not, or too small for any: the gradients are those of the layers."""
    model = NARROW[which](activation)
    assert plan.table(model, 0)[0, plan.BLOCKS]
    net = model.compiled("mean_squared_error", SGD(0.1))
    for m in (96, 1000, 47, 701):
        x, y = batch(model, m, "mean_squared_error", m)
        cost = jit.gradient(net, x, y, jit.workspace(net, m))
        gradients = model.gradients.copy()
        assert np.isclose(cost, model.cost_and_gradients(x, y, "mean_squared_error"), rtol=1e-5)
        assert near(gradients, model.gradients)
        assert near(jit.forward(net, x, jit.workspace(net, m)), model.forward(x))


def test_samples_behind_the_last_count_for_nothing():
    """The last block of samples is partly empty: what memory has there, NaN here, reaches no gradient."""
    model = Sequential(Dense(3, "tanh"), Dense(2), input_shape=2, dtype=np.float64)
    net = model.compiled("mean_squared_error", SGD(0.1))
    x, y = batch(model, 900, "mean_squared_error")
    space = jit.workspace(net, 900)
    space[:] = np.nan
    jit.gradient(net, x, y, space)
    assert np.isfinite(model.gradients).all()


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (2, 1, 0)])
def test_relu_behind_a_max_pool_is_relu_before_it(size, stride, padding, monkeypatch):
    """Bit for bit, where windows overlap, too, and for NaN, infinity and cells that are all the same."""
    found = []
    for change in (plan._pool_first, lambda rows: None):
        monkeypatch.setattr(plan, "_pool_first", change)
        model = Sequential(
            Conv2D(3, 2, activation="relu"), MaxPool2D(size, stride, padding), MaxPool2D(2), Flatten(), Dense(2),
            input_shape=(1, 12, 11), seed=3,
        )  # fmt: skip
        net = model.compiled("mean_squared_error")
        x, y = batch(model, 30, "mean_squared_error")
        x[3], x[4, 0, 2, 3], x[5, 0, 7, 6] = 0.5, np.nan, np.inf
        gradients = [jit.gradient(net, x, y, jit.workspace(net, 30))]
        for rows in (x[:3], x[3:4], x[4:5], x[5:6], x[6:]):
            jit.gradient(net, rows, y[: len(rows)], jit.workspace(net, len(rows)))
            gradients += list(model.gradients)
        found.append((np.array(gradients), net.table[1, plan.G], net.table[3, plan.G]))
    assert found[0][1:] == found[1][:0:-1]  # relu's place
    assert np.array_equal(found[0][0], found[1][0], equal_nan=True)
    assert np.isfinite(found[0][0]).any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name):
    first, second = (dense(dtype=np.float64) for _ in range(2))
    optimizers = OPTIMIZERS[name](), OPTIMIZERS[name]()
    net = first.compiled("mean_squared_error", optimizers[0])
    space = jit.workspace(net, 20)
    for seed in range(4):
        x, y = batch(first, 20, "mean_squared_error", seed)
        jit.step(net, x, y, space)
        by_layers(second, x, y, "mean_squared_error", optimizers[1])
    assert near(first.parameters, second.parameters, 4)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.01)])
def test_fit_goes_the_same_way_in_numpy_and_compiled(optimizer, monkeypatch):
    """An optimiser of a user's own class is not compiled: the layers' steps, with the same shuffles and dropout."""
    own = type("Own", (type(optimizer),), {})
    first, second = convolutional(seed=3, dtype=np.float64), convolutional(seed=3, dtype=np.float64)
    x, y = samples(first, 150)
    other = own.__new__(own)
    other.__dict__.update(optimizer.__dict__)
    histories = [
        model.fit(x, y, optimizer=chosen, epochs=3, batch_size=32, verbose=0)
        for model, chosen in ((first, optimizer), (second, other))
    ]
    assert np.allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-9)
    assert histories[0]["accuracy"] == histories[1]["accuracy"]
    assert np.allclose(first.parameters, second.parameters, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("make", "m"), [(dense, 2000), (convolutional, 600), (lenet, 128)])
def test_the_number_of_threads_changes_no_bit(make, m, monkeypatch):
    """Parameters after 100 steps with 1, 2, 3 and 7 threads, of a batch that is several slices."""
    monkeypatch.setattr(compiled, "SMALL", 0)
    found = []
    for threads in (1, 2, 3, 7):
        fastnn.set_num_threads(threads)
        model = make()
        x, y = batch(model, m, "softmax_cross_entropy")
        trainer = compiled.Trainer(model, losses.find("softmax_cross_entropy"), Adam(1e-3), m, m)
        assert trainer.workers == min(threads, plan.groups(trainer.net.table, m)) > (threads > 1)
        rows, targets = trainer.inputs(x), trainer.targets(y, losses.find("softmax_cross_entropy"))
        for _ in range(100):
            trainer.step(rows, targets)
        found.append(model.parameters.copy())
    fastnn.set_num_threads(None)
    assert all(np.array_equal(parameters, found[0]) for parameters in found)


# The gradient of every kind of layer, compiled and layer by layer.
GRADIENT = """
import sys; sys.path[:0] = sys.argv[1:]
import numpy as np
from fastnn import jit
from networks import convolutional, samples
for dtype in (np.float32, np.float64):
    model = convolutional(dtype=dtype)
    x, y = samples(model, 13)
    x = x.astype(dtype)
    jit.gradient(model.compiled(), x, y, jit.workspace(model.compiled(), 13))
    compiled = model.gradients.copy()
    model.cost_and_gradients(x, y, "softmax_cross_entropy")
    assert np.abs(compiled - model.gradients).max() < 1000 * np.finfo(dtype).eps
print("done")
"""


@pytest.mark.skipif(not binding.get_host_cpu_features().get("avx2"), reason="this CPU has no AVX2")
def test_an_avx2_cpu():
    """With other tiles more functions are called rather than inlined, which return theirs in memory."""
    assert output(GRADIENT, *sys.path, NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="") == "done\n"


DIGITS = """
import fastnn
from fastnn.datasets import load_digits
x, y = load_digits()
model = fastnn.Sequential(fastnn.Dense(32, "relu"), fastnn.Dense(10), input_shape=64, seed=0)
x = x.reshape(len(x), -1)
costs = [model.fit(x, y, optimizer=fastnn.SGD(0.1), batch_size=32, verbose=0)["loss"][0], model.evaluate(x, y)[0]]
print(fastnn.backend.name, *costs)
"""


def test_an_epoch_of_digits_costs_the_same_with_both_backends():
    """float32, 64-32-10 with relu: the mean cost over the epoch and the cost after it, within 1e-3."""
    found = [output(DIGITS, FASTNN_BACKEND=name).split() for name in ("numba", "numpy")]
    assert [name for name, *_ in found] == ["numba", "numpy"]
    compiled_costs, costs = (np.array(numbers, float) for _, *numbers in found)
    assert np.allclose(compiled_costs, costs, rtol=1e-3, atol=0)
