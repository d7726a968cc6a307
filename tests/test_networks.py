"""Networks in compiled code: the same numbers as layer by layer, inside @njit, with any number of threads."""

import sys

import numpy as np
import pytest
from llvmlite import binding
from networks import KINKED, LOSSES, SMOOTH, convolutional, dense, lenet, samples
from numba import njit, prange
from numba.core.runtime import _nrt_python, rtsys
from processes import output

import fastnn
from fastnn import (
    SGD,
    Adam,
    AdamW,
    AvgPool2D,
    Conv2D,
    ConvTranspose2D,
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


def batch(model, m, loss, seed=1):
    """As compiled code takes it."""
    x, y = samples(model, m, loss, seed)
    return x.astype(model.dtype), y if y.dtype.kind == "i" else y.astype(model.dtype)


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


@njit
def train(net, x, y, space, steps):
    first = jit.cost(net, x, y, space)
    for _ in range(steps):
        last = jit.step(net, x, y, space)
    return first, last


def test_a_loop_of_the_users_own():
    """Trained inside @njit, used outside."""
    model = Sequential(Dense(16, "tanh"), Dense(1), input_shape=2, seed=2)
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (64, 2)).astype(np.float32)
    y = (x[:, :1] * x[:, 1:]).astype(np.float32)
    net = model.compiled("mean_squared_error", Adam(0.01))
    first, last = train(net, x, y, jit.workspace(net, 64), 500)
    assert last < 0.05 * first
    assert np.isclose(model.evaluate(x, y, "mean_squared_error").cost, last, rtol=0.1)


@njit(parallel=True)
def evolve(net, x, y, candidates, spaces, costs):
    for i in prange(candidates.shape[0]):
        costs[i] = jit.cost(jit.with_parameters(net, candidates[i]), x, y, spaces[i])


def test_prange_with_a_workspace_a_thread():
    model = dense(dtype=np.float64)
    x, y = batch(model, 30, "mean_squared_error")
    net = model.compiled("mean_squared_error")
    candidates = np.random.default_rng(6).normal(0, 1, (40, model.parameters.size))
    spaces, costs = np.stack([jit.workspace(net, 30)] * 40), np.empty(40)
    evolve(net, x, y, candidates, spaces, costs)
    for candidate, cost in zip(candidates, costs, strict=True):
        model.parameters = candidate
        assert np.isclose(cost, losses.find("mean_squared_error").cost(model.forward(x), y), rtol=1e-12)


def test_nothing_is_allocated_after_the_first_step():
    """By compiled code: Numba counts what it takes. (Pooling takes scratch, unless 2 x 2 windows cover the image.)"""
    model = Sequential(
        Conv2D(6, 5, activation="tanh"), MaxPool2D(2),
        ConvTranspose2D(4, 4, stride=2, activation="relu"),
        AvgPool2D(2),
        Flatten(), Dense(200, "gelu"), Dropout(0.25), Dense(10), input_shape=(1, 28, 28),
    )  # fmt: skip
    x, y = batch(model, 64, "softmax_cross_entropy")
    net = model.compiled()
    space = jit.workspace(net, 64)
    train(net, x, y, space, 1)
    _nrt_python.memsys_enable_stats()
    taken = []
    for steps in (1, 50):
        before = rtsys.get_allocation_stats().alloc
        train(net, x, y, space, steps)
        taken.append(rtsys.get_allocation_stats().alloc - before)
    assert taken == [9, 9]  # one for each array that comes from Python


def test_dropout_draws_anew_each_step_and_not_for_a_cost():
    model = Sequential(Dense(8), Dropout(0.5), Dense(3), input_shape=4, dtype=np.float64)
    x, y = batch(model, 16, "softmax_cross_entropy")
    net = model.compiled()
    space = jit.workspace(net, 16)
    assert len({jit.gradient(net, x, y, space) for _ in range(5)}) == 5
    assert jit.cost(net, x, y, space) == jit.cost(net, x, y, space)
    assert np.allclose(jit.forward(net, x, space), model.predict(x))


def test_apart_shares_nothing_that_learns():
    model = dense()
    net = model.compiled()
    own = jit.apart(net)
    x, y = batch(model, 8, "softmax_cross_entropy")
    before = model.parameters.copy()
    jit.step(own, x, y, jit.workspace(own, 8))
    assert np.array_equal(model.parameters, before)
    assert not np.array_equal(own.parameters, before)


X, Y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)


def test_compiled_refuses_what_it_does_not_know():
    class Own(SGD):
        pass

    class Layer(Dense):
        pass

    with pytest.raises(TypeError, match="optimizer: expected SGD, Adam or AdamW"):
        dense().compiled(optimizer=Own(0.1))
    with pytest.raises(ValueError, match="loss: expected one of"):
        dense().compiled("hinge")
    with pytest.raises(TypeError, match="layers: expected Dense"):
        Sequential(Layer(3), input_shape=2).compiled()


def test_threads_are_counted():
    fastnn.set_num_threads(3)
    assert fastnn.get_num_threads() == 3
    for wrong in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="n: expected an int of at least 1"):
            fastnn.set_num_threads(wrong)
    fastnn.set_num_threads(None)
    assert fastnn.get_num_threads() >= 1


def test_warmup_leaves_the_model_alone():
    model = dense()
    before = model.parameters.copy()
    assert fastnn.warmup(model) is None
    with pytest.raises(TypeError, match=r"^model: expected a fastnn.Sequential, got 3$"):
        fastnn.warmup(3)
    assert np.array_equal(model.parameters, before)
    assert model.loss is None


@pytest.mark.parametrize("batch", [8, 300])
@pytest.mark.parametrize("layers", ['fastnn.Dense(16, "tanh"), ', "fastnn.Conv2D(32, 3), fastnn.Flatten(), "])
def test_warmup_compiles_all(layers, batch):
    """For batches of many and of few: nothing is left to `fit`, `evaluate` and `predict`."""
    code = f"""
import numpy as np, fastnn
from fastnn.kernels import shared
shape = (16, 8, 8) if "Conv" in {layers!r} else 64
model = fastnn.Sequential({layers}fastnn.Dense(10), input_shape=shape)
fastnn.warmup(model, batch_size={batch})
fill, late = shared.Slot.fill, []
shared.Slot.fill = lambda slot: (late.append(slot.symbol), fill(slot))
x, y = np.zeros((700, *model.input_shape)), np.zeros(700, int)
model.fit(x, y, epochs=1, batch_size={batch}, validation_data=(x, y), verbose=0)
model.evaluate(x, y)
model.predict(x)
assert not late, late
"""
    assert output(code) == ""


def read_only(array):
    array.flags.writeable = False
    return array


WORKSPACES = {
    "reversed": lambda space: space[::-1],
    "a column": lambda space: np.stack([space] * 2, axis=1)[:, 0],
    "2-D": lambda space: space.reshape(-1, 1),
    "read-only": read_only,
}


@pytest.mark.parametrize("which", WORKSPACES)
def test_a_workspace_is_one_row_that_may_be_written(which):
    """Anything else would be written past its end, or against its owner's will."""
    net = dense().compiled()
    with pytest.raises(ValueError, match="workspace: expected a contiguous, writeable 1-D array"):
        jit.step(net, X, Y, WORKSPACES[which](jit.workspace(net, 8)))


def test_read_only_parameters_are_used_and_not_stepped():
    model = dense()
    net = model.compiled()
    own, space = jit.with_parameters(net, read_only(model.parameters.copy())), jit.workspace(net, 8)
    assert jit.cost(own, X, Y, space) == jit.cost(net, X, Y, space)
    with pytest.raises(ValueError, match="net: expected parameters that may be written"):
        jit.step(own, X, Y, space)


def test_softmax_is_not_over_images():
    model = Sequential(Conv2D(3, 1), input_shape=(1, 2, 2))
    before = model.parameters.copy()
    for train_it in (model.compiled, lambda: model.fit(np.ones((4, 1, 2, 2)), np.full(4, 1), epochs=1, verbose=0)):
        with pytest.raises(ValueError, match=r"softmax_cross_entropy expects a network whose output is \(k,\)"):
            train_it()
    assert np.array_equal(model.parameters, before)


def test_wrong_validation_labels_change_nothing():
    model = dense()
    before = model.parameters.copy()
    with pytest.raises(IndexError, match="expected labels"):
        model.fit(X, Y, validation_data=(X, Y + 3), epochs=1, verbose=0)
    assert np.array_equal(model.parameters, before)
    assert model.loss is None


def test_a_network_without_layers_returns_its_input():
    model = Sequential(Flatten(), input_shape=(1, 2, 2))
    net = model.compiled("mean_squared_error")
    x = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    assert np.array_equal(jit.forward(net, x, jit.workspace(net, 3)), x.reshape(3, 4))
