"""What fastnn.jit refuses from Python and inside @njit, in one line that names the argument, and before anything changes."""

import re

import numpy as np
import pytest
from networks import dense
from numba import njit
from numba.core.errors import TypingError

from fastnn import SGD, Adam, Dense, Sequential, jit

X, Y = np.arange(32, dtype=np.float32).reshape(8, 4) / 32, np.arange(8) % 3
ROWS = np.eye(3, dtype=np.float32)[Y]
DTYPE_OF_X = "x: expected dtype float32 like the network"
SHAPE_OF_Y = "y: expected one target a sample, (m, ...) like the network's output"
SHAPE_OF_X = "x: expected shape (m, ...) with m > 0 samples of the network's input size"

# What is passed for x, y or the workspace, or another net; the error, and what it says behind the function's name.
REFUSED = {
    "x of too few numbers": ({"x": X[:, :3]}, ValueError, f"{SHAPE_OF_X}; got x (8, 3) float32, y (8,) int64"),
    "x of one dimension": ({"x": X[0]}, ValueError, f"{SHAPE_OF_X}; got x (4,) float32"),
    "x of no dimension": ({"x": np.array(1, np.float32)}, TypeError, "x: expected at least 1 dimension, got () float32"),
    "no samples": ({"x": X[:0], "y": Y[:0]}, ValueError, SHAPE_OF_X),
    "x of float64": (
        {"x": X.astype(np.float64)},
        TypeError,
        "x: expected dtype float32 like the network, got (8, 4) float64",
    ),
    "x of float16": (
        {"x": X.astype(np.float16)},
        TypeError,
        "x: expected dtype float32 like the network, got (8, 4) float16",
    ),
    "x of complex": (
        {"x": X.astype(complex)},
        TypeError,
        "x: expected dtype float32 like the network, got (8, 4) complex128",
    ),
    "x of ints": ({"x": X.astype(int)}, TypeError, f"{DTYPE_OF_X}, got (8, 4) int64"),
    "x of objects": ({"x": X.astype(object)}, TypeError, f"{DTYPE_OF_X}, got (8, 4) object"),
    "x byte-swapped": ({"x": X.astype(">f4")}, TypeError, f"{DTYPE_OF_X}, got (8, 4) >f4"),
    "x masked": ({"x": np.ma.array(X)}, TypeError, "x: expected a numpy array, got masked (8, 4) float32"),
    "x a list": ({"x": X.tolist()}, TypeError, "x: expected a numpy array, got list"),
    "y of other samples": ({"y": ROWS.reshape(3, 8)}, ValueError, f"{SHAPE_OF_Y}; got x (8, 4) float32, y (3, 8) float32"),
    "y as one row": ({"y": ROWS.ravel()}, ValueError, SHAPE_OF_Y),
    "y of too few numbers": ({"y": ROWS[:, :2]}, ValueError, SHAPE_OF_Y),
    "y of no dimension": ({"y": np.array(1)}, TypeError, "y: expected at least 1 dimension, got () int64"),
    "y too short": ({"y": Y[:7]}, ValueError, "y: expected as many targets as x has samples"),
    "rows that sum to two": ({"y": 2 * ROWS}, ValueError, "y: expected rows that sum to one; got "),
    "labels too large": ({"y": Y + 1}, IndexError, "y: expected labels from 0 to k - 1"),
    "labels negative": ({"y": Y - 1}, IndexError, "y: expected labels from 0 to k - 1"),
    "labels huge": ({"y": np.full(8, 2**64 - 1, np.uint64)}, IndexError, "y: expected labels from 0 to k - 1"),
    "labels of bool": ({"y": Y > 0}, TypeError, "y: expected dtype float32 like the network, got (8,) bool"),
    "labels byte-swapped": ({"y": Y.astype(">i8")}, TypeError, "y: expected labels of native byte order, got (8,) >i8"),
    "labels masked": ({"y": np.ma.array(Y)}, TypeError, "y: expected a numpy array, got masked (8,) int64"),
    "y as text": ({"y": "labels"}, TypeError, "y: expected a numpy array, got 'labels'"),
    "no workspace": ({"workspace": None}, TypeError, "workspace: expected a numpy array, got NoneType"),
    "a model": ({"net": dense()}, TypeError, "net: expected a network of model.compiled(), got Sequential"),
    "a tuple": ({"net": (1, 2)}, TypeError, "net: expected a network of model.compiled(), got (1, 2)"),
    "another argument": ({"z": X}, TypeError, "got an unexpected keyword argument 'z'"),
}


@pytest.mark.parametrize(("change", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_a_step_is_refused(change, error, message):
    model = dense()
    net = model.compiled()
    before = model.parameters.copy(), net.moments.copy(), net.steps.copy()
    call = {"net": net, "x": X, "y": Y, "workspace": jit.workspace(net, 8), **change}
    with pytest.raises(error, match=f"^step: {re.escape(message)}"):
        jit.step(**call)
    for array, bits in zip((model.parameters, net.moments, net.steps), before, strict=True):
        assert np.array_equal(array, bits)


def test_a_workspace_for_fewer_samples():
    net = dense().compiled()
    few = jit.workspace(net, 8)[:-1]
    with pytest.raises(
        ValueError, match=r"^step: workspace: expected one for at least as many samples as x has; got x \(8, 4\)"
    ):
        jit.step(net, X, Y, few)


@pytest.mark.parametrize("name", ["parameters", "gradients", "moments"])
@pytest.mark.parametrize("call", ["forward", "step"])
def test_a_workspace_apart_from_the_network(call, name):
    """Arrays of the network that are large enough to serve as its workspace."""
    model = Sequential(Dense(1024), Dense(3), input_shape=512)
    net = model.compiled()
    x, before, own = np.ones((2, 512), np.float32), model.parameters.copy(), getattr(net, name).reshape(-1)
    arguments = (x, own) if call == "forward" else (x, Y[:2], own)
    with pytest.raises(ValueError, match=f"^{call}: workspace: expected memory apart from the network's own arrays; got x"):
        getattr(jit, call)(net, *arguments)
    assert np.array_equal(model.parameters, before)


@pytest.mark.parametrize("name", ["parameters", "gradients", "moments"])
@pytest.mark.parametrize("call", ["gradient", "step"])
@pytest.mark.parametrize("place", ["x", "y"])
def test_samples_apart_from_the_network(call, name, place):
    """What learning changes is no input or target of it; to look at it is allowed."""
    model = Sequential(Dense(4, "tanh"), Dense(4), input_shape=4)
    net = model.compiled("mean_squared_error")
    own, space, before = getattr(net, name).reshape(-1)[-32:].reshape(8, 4), jit.workspace(net, 8), model.parameters.copy()
    arguments = (own, X) if place == "x" else (X, own)
    with pytest.raises(ValueError, match=f"^{call}: x, y: expected memory apart from the network's own arrays"):
        getattr(jit, call)(net, *arguments, space)
    assert np.array_equal(model.parameters, before)
    assert jit.cost(net, *arguments, space) == jit.cost(net, *(array.copy() for array in arguments), space)


@pytest.mark.parametrize("call", ["forward", "step"])
def test_a_workspace_with_gaps(call):
    net = dense().compiled()
    space = np.zeros(2 * jit.workspace(net, 8).size, np.float32)[::2]
    arguments = (X, space) if call == "forward" else (X, Y, space)
    with pytest.raises(ValueError, match=f"^{call}: workspace: expected a contiguous, writeable 1-D array"):
        getattr(jit, call)(net, *arguments)


def test_a_call_without_an_argument():
    net = dense().compiled()
    with pytest.raises(TypeError, match=r"^step: missing a required argument: 'workspace'$"):
        jit.step(net, X, y=Y)


@pytest.mark.parametrize("m", [0, -1, 2**31, 2**70, 2.0, True, None, "8"])
def test_samples_of_a_workspace(m):
    net = dense().compiled()
    with pytest.raises((ValueError, TypeError), match=r"^workspace: m: expected (from 1 to|an int of 64 bits)"):
        jit.workspace(net, m)


def test_other_parameters():
    net = dense().compiled()
    for wrong in (net.parameters[:-1], net.parameters[None], np.repeat(net.parameters, 2)[::2]):
        with pytest.raises(ValueError, match=r"^with_parameters: parameters: expected a contiguous row of as many"):
            jit.with_parameters(net, wrong)


def test_what_forward_returned_is_no_argument():
    """It lies in the workspace, which the next call begins by writing over: the result would be silently wrong."""
    model = dense(units=4)
    net = model.compiled("mean_squared_error")
    space = jit.workspace(net, 8)
    seen = jit.forward(net, X, space)
    for call in (lambda: jit.step(net, X, seen, space), lambda: jit.cost(net, seen, X, space)):
        with pytest.raises(ValueError, match=r"x, y: expected memory apart from the workspace: copy what `forward` returns"):
            call()
    jit.step(net, X, seen.copy(), space)
    jit.cost(net, seen.copy(), X, space)


@njit
def step(net, x, y, space):
    return jit.step(net, x, y, space)


@pytest.mark.parametrize("why", [why for why, (_, error, _) in REFUSED.items() if error is not TypeError])
def test_the_same_rules_hold_in_compiled_code(why):
    change, error, message = REFUSED[why]
    net = dense().compiled()
    call = {"net": net, "x": X, "y": Y, "workspace": jit.workspace(net, 8), **change}
    with pytest.raises(error, match=re.escape(message.partition(";")[0])):
        step(*call.values())


@pytest.mark.parametrize("x", [X.astype(complex), X.astype(np.float64), np.float32(1)], ids=["complex", "float64", "scalar"])
def test_kinds_in_compiled_code(x):
    net = dense().compiled()
    with pytest.raises((TypeError, TypingError), match=r"expected (the network's dtype|an array)"):
        step(net, x, Y, jit.workspace(net, 8))


def test_keywords_subclasses_and_layouts_are_taken():
    """np.matrix as the array it is, unaligned memory as the numbers in it, and rows that sum to one beside labels."""
    costs = []
    shifted = np.zeros(X.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(X.shape)
    shifted[...] = X
    for x, y in (
        (X, Y),
        (X, ROWS),
        (X.view(np.matrix), Y),
        (np.asfortranarray(X), Y),
        (shifted, Y.astype(np.uint8)),
        (X[::-1][::-1], Y),
    ):
        net = dense().compiled()
        costs.append(jit.step(net, y=y, x=x, workspace=jit.workspace(net, m=8)))
    assert np.ptp(costs) < 1e-6


# An optimiser's state ------------------------------------------------------------------------------------------------


def bad_threads(model, optimizer, monkeypatch):
    monkeypatch.setenv("FASTNN_NUM_THREADS", "many")
    model.fit(X, Y, optimizer=optimizer, verbose=0)


def bad_rate(model, optimizer, monkeypatch):
    monkeypatch.setattr(optimizer, "lr", "fast")
    model.fit(X, Y, optimizer=optimizer, verbose=0)


def bad_rate_of_a_layer_by_layer_step(model, optimizer, monkeypatch):
    monkeypatch.setattr(optimizer, "lr", "fast")
    optimizer.step(model.parameters, model.gradients)


def bad_rate_compiled(model, optimizer, monkeypatch):
    monkeypatch.setattr(optimizer, "lr", "fast")
    model.compiled(optimizer=optimizer)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.1)], ids=["sgd", "adam"])
@pytest.mark.parametrize("refused", [bad_threads, bad_rate, bad_rate_of_a_layer_by_layer_step, bad_rate_compiled])
def test_a_refusal_leaves_another_models_state(refused, optimizer, monkeypatch):
    """It was begun anew for the refused model, and the other one would have gone on from zeros in silence."""
    mine, other = dense(), dense(seed=1)
    mine.fit(X, Y, optimizer=optimizer, epochs=2, verbose=0)
    state, steps = optimizer.state.copy(), optimizer.steps
    with pytest.raises((ValueError, TypeError)), monkeypatch.context() as patch:
        refused(other, optimizer, patch)
    assert np.array_equal(optimizer.state, state)
    assert optimizer.steps == steps
    optimizer.attend(mine.parameters)
    assert np.array_equal(optimizer.state, state)
    assert other.loss is None
