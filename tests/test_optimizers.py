"""The optimisers: their steps by hand, where their state begins and goes on, and what they refuse."""

import re

import numpy as np
import pytest
from networks import convolutional, dense, samples

from fastnn import SGD, Adam, AdamW

RNG = np.random.default_rng(0)
START = RNG.uniform(-1, 1, 7)
GRADIENTS = RNG.uniform(-1, 1, (4, 7))


def sgd(lr, momentum=0.0, nesterov=False):
    """(6) theta -= lr dtheta, with the running sum v of the gradients in its place."""
    theta, v = START.copy(), np.zeros(7)
    for g in GRADIENTS:
        v = momentum * v + g
        theta = theta - lr * (g + momentum * v if nesterov else v)
        yield theta


def adam(lr, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.0):
    """Kingma and Ba (2014), algorithm 1, with the decay of Loshchilov and Hutter (2017)."""
    theta, m, v = START.copy(), np.zeros(7), np.zeros(7)
    for t, g in enumerate(GRADIENTS, 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        theta = theta - lr * weight_decay * theta - lr * m_hat / (np.sqrt(v_hat) + epsilon)
        yield theta


BY_HAND = [
    (SGD(0.1), sgd(0.1)),
    (SGD(0.1, momentum=0.9), sgd(0.1, 0.9)),
    (SGD(0.1, momentum=0.8, nesterov=True), sgd(0.1, 0.8, True)),
    (Adam(), adam(1e-3)),
    (Adam(0.1, betas=(0.5, 0.75), epsilon=0.1), adam(0.1, 0.5, 0.75, 0.1)),
    (AdamW(), adam(1e-3, weight_decay=1e-2)),
    (AdamW(0.1, weight_decay=0.3), adam(0.1, weight_decay=0.3)),
    (AdamW(0.1, 0, (0.5, 0.75), 0.1), adam(0.1, 0.5, 0.75, 0.1)),
]
OPTIMIZERS = {
    "SGD": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, 0.9),
    "nesterov": lambda: SGD(0.1, 0.9, nesterov=True),
    "Adam": lambda: Adam(0.01),
    "AdamW": lambda: AdamW(0.01, 0.1),
}


@pytest.mark.parametrize(("optimizer", "steps"), BY_HAND, ids=lambda value: type(value).__name__)
def test_steps_by_hand(optimizer, steps):
    """Each of four steps over the flat array is the textbook's; the gradients stay as they are."""
    parameters = START.copy()
    for gradients, expected in zip(GRADIENTS, steps, strict=True):
        before = gradients.copy()
        optimizer.step(parameters, gradients)
        np.testing.assert_allclose(parameters, expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(gradients, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_step_that_is_refused_leaves_no_trace(name, steps):
    """Neither the first one nor a later one, of these parameters or of others."""
    tried, same = OPTIMIZERS[name](), OPTIMIZERS[name]()
    parameters, others = START.copy(), START.copy()
    for gradients in GRADIENTS[:steps]:
        tried.step(parameters, gradients)
        same.step(others, gradients)
    for wrong in (parameters, np.zeros(3)):
        with pytest.raises(ValueError, match="dtheta: expected the shape of theta"):
            tried.step(wrong, np.zeros(4))
    for gradients in GRADIENTS[steps:]:
        tried.step(parameters, gradients)
        same.step(others, gradients)
    np.testing.assert_array_equal(parameters, others)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_steps_over_the_flat_array(name):
    """One epoch of one batch is one step from `parameters` along the `gradients` of cost_and_gradients, with dropout."""
    model, same = convolutional(dtype=np.float64), convolutional(dtype=np.float64)
    x, y = samples(model, 8)
    history = model.fit(x, y, optimizer=OPTIMIZERS[name](), epochs=1, batch_size=8, shuffle=False, verbose=0)
    assert history["loss"] == [same.cost_and_gradients(x, y, "softmax_cross_entropy")]
    assert history["loss"][0] != pytest.approx(same.evaluate(x, y).cost)
    OPTIMIZERS[name]().step(same.parameters, same.gradients)
    np.testing.assert_array_equal(model.parameters, same.parameters)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "SGD"])
def test_state_goes_on_in_a_second_fit(name):
    """Two fits with one optimiser are one longer fit, and with a new optimiser they are not; another model begins anew."""
    x, y = samples(dense(), 12)

    def trained(model, *plan):
        for optimizer, epochs in plan:
            model.fit(x, y, optimizer=optimizer, epochs=epochs, batch_size=5, verbose=0)
        return model.parameters.copy()

    optimizer, other = OPTIMIZERS[name](), OPTIMIZERS[name]()
    whole = trained(dense(), (other, 4))
    np.testing.assert_array_equal(trained(dense(), (optimizer, 1), (optimizer, 3)), whole)
    assert not np.array_equal(trained(dense(), (OPTIMIZERS[name](), 1), (OPTIMIZERS[name](), 3)), whole)
    np.testing.assert_array_equal(trained(dense(), (optimizer, 4)), whole)


ABOVE_0, SHARE = "expected a number above 0, got", r"expected a number in [0, 1), got"
REFUSED = [
    (SGD, {"lr": 0}, f"lr: {ABOVE_0} 0"),
    (SGD, {"lr": -0.1}, f"lr: {ABOVE_0} -0.1"),
    (SGD, {"lr": np.nan}, f"lr: {ABOVE_0} nan"),
    (SGD, {"lr": np.inf}, f"lr: {ABOVE_0} inf"),
    (SGD, {"lr": "fast"}, f"lr: {ABOVE_0} 'fast'"),
    (SGD, {"lr": 0.1, "momentum": 1}, f"momentum: {SHARE} 1"),
    (SGD, {"lr": 0.1, "momentum": -0.5}, f"momentum: {SHARE} -0.5"),
    (SGD, {"lr": True}, f"lr: {ABOVE_0} True"),
    (SGD, {"lr": 0.1, "momentum": np.nan}, f"momentum: {SHARE} nan"),
    (SGD, {"lr": 0.1, "momentum": False}, f"momentum: {SHARE} False"),
    (SGD, {"lr": 0.1, "nesterov": "no"}, "nesterov: expected True or False, got 'no'"),
    (SGD, {"lr": 0.1, "nesterov": 0.9}, "nesterov: expected True or False, got 0.9"),
    (Adam, {"lr": None}, f"lr: {ABOVE_0} None"),
    (Adam, {"betas": (0.9, 1.0)}, f"betas: {SHARE} 1.0"),
    (Adam, {"betas": ("a", 0.9)}, f"betas: {SHARE} 'a'"),
    (Adam, {"betas": (0.9,)}, "betas: expected two numbers in [0, 1), got (0.9,)"),
    (Adam, {"betas": 0.9}, "betas: expected two numbers in [0, 1), got 0.9"),
    (Adam, {"epsilon": 0}, f"epsilon: {ABOVE_0} 0"),
    (Adam, {"epsilon": True}, f"epsilon: {ABOVE_0} True"),
    (AdamW, {"lr": -1}, f"lr: {ABOVE_0} -1"),
    (AdamW, {"weight_decay": -1}, "weight_decay: expected a number of at least 0, got -1"),
    (AdamW, {"weight_decay": True}, "weight_decay: expected a number of at least 0, got True"),
    (AdamW, {"weight_decay": np.inf}, "weight_decay: expected a number of at least 0, got inf"),
]


@pytest.mark.parametrize(("optimizer", "settings", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_settings_that_are_refused(optimizer, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        optimizer(**settings)
