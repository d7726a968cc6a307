"""A network as a value: in a user's own compiled loop, and what is compiled, refused and allocated for it."""

import numpy as np
import pytest
from networks import batch, dense
from numba import njit, prange
from numba.core.runtime import _nrt_python, rtsys
from processes import output

import fastnn
from fastnn import SGD, Adam, AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D, Sequential, jit, losses


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


def test_one_class():
    """There is nothing to learn; labels take more room than an output of one float32."""
    model = Sequential(Dense(64, "relu"), Dense(1), input_shape=3)
    before = model.parameters.copy()
    x = np.random.default_rng(7).normal(size=(256, 3))
    history = model.fit(x, np.zeros(256, int), epochs=2, batch_size=249, verbose=0)
    assert (history["loss"], history["accuracy"]) == ([0, 0], [1, 1])
    assert np.array_equal(model.parameters, before)


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
from fastnn.kernels.compiler import shared
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
