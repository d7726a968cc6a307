"""Networks that nobody chose: compiled, layer by layer and by central differences they have the same gradients.

Some 100 networks in a run; `pytest tests/test_fuzz.py --hypothesis-profile=long` tries 2,000 new ones for each test.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import KINKED, LOSSES, SMOOTH, samples

import fastnn
from fastnn import AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D, Sequential, backend

NUMBA_ONLY = pytest.mark.skipif(backend.name != "numba", reason="compiles networks")
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def networks(draw, activations, kinds, dtype):
    """Up to three layers on images, or none, and up to three dense ones; and a loss that the last one fits."""
    g, layers = st.sampled_from(activations), []
    input_shape = shape = tuple(draw(st.integers(1, n)) for n in ((4, 9, 9) if draw(st.booleans()) else (40,)))
    if len(shape) == 3:
        for _ in range(draw(st.integers(0, 3))):
            layer = on_images(draw, shape, draw(st.sampled_from(kinds)), draw(g))
            built = type(layer)(**layer.config())
            built.build(shape)
            shape = built.output_shape
            layers.append(layer)
        layers.append(Flatten())
    for _ in range(draw(st.integers(0, 2))):
        layers.append(draw(st.sampled_from([Dense(draw(st.integers(1, 40)), draw(g)), Dropout(0.25)])))
    loss = draw(st.sampled_from(LOSSES))
    layers.append(Dense(draw(st.integers(1, 12)), "sigmoid" if loss == "binary_cross_entropy" else "identity"))
    return Sequential(*layers, input_shape=input_shape, seed=draw(st.integers(0, 99)), dtype=dtype), loss


def on_images(draw, shape, kind, g):
    """A layer whose windows fit on the images."""
    C, *image = shape
    stride, padding = draw(PAIRS), tuple(draw(st.integers(0, 2)) for _ in range(2))
    if kind in (MaxPool2D, AvgPool2D):
        size = tuple(draw(st.integers(1, min(n, 3))) for n in image)
        return kind(size, stride, tuple(min(P, f - 1) for P, f in zip(padding, size, strict=True)))
    groups = draw(st.sampled_from([n for n in (1, 2, 3, 4) if C % n == 0]))
    filters = groups * draw(st.integers(1, 4))
    if kind is ConvTranspose2D:
        return kind(filters, tuple(draw(st.integers(1, 3)) for _ in image), stride, 0, g, groups=groups)
    size = tuple(draw(st.integers(1, min(n + 2 * P, 3))) for n, P in zip(image, padding, strict=True))
    most = [(n + 2 * P - 1) // max(f - 1, 1) for n, P, f in zip(image, padding, size, strict=True)]
    dilation = tuple(draw(st.integers(1, max(1, min(n, 3)))) if f > 1 else 1 for n, f in zip(most, size, strict=True))
    return kind(filters, size, stride, padding, g, dilation, groups)


ON_IMAGES = Conv2D, ConvTranspose2D, MaxPool2D, AvgPool2D


def near(got, expected):
    """Within the rounding of sums in another order, through all layers; gradients that are all tiny count as 1e-3."""
    eps = np.finfo(expected.dtype).eps
    assert np.abs(got - expected).max() <= 1000 * eps * max(1e-3, np.abs(expected).max())


def assert_compiled_like_the_layers(network, m):
    model, loss = network
    x, y = samples(model, m, loss)
    x, y = x.astype(model.dtype), y if y.dtype.kind == "i" else y.astype(model.dtype)
    net = model.compiled(loss)
    from fastnn import jit  # of the compiled backend only

    cost = np.full(1, jit.gradient(net, x, y, jit.workspace(net, m)), model.dtype)
    got = model.gradients.copy()
    near(cost, np.full(1, model.cost_and_gradients(x, y, loss), model.dtype))
    near(got, model.gradients)


BATCHES = st.one_of(st.integers(1, 70), st.integers(1, 1600))  # of one slice, mostly, and of several


@NUMBA_ONLY
@given(networks((*SMOOTH, *KINKED), ON_IMAGES, np.float64), BATCHES)
def test_compiled_like_the_layers(network, m):
    assert_compiled_like_the_layers(network, m)


@NUMBA_ONLY
@given(networks(SMOOTH, (Conv2D, ConvTranspose2D, AvgPool2D), np.float32), BATCHES)
def test_compiled_like_the_layers_in_float32(network, m):
    """Without kinks, where two roundings of one number may part."""
    assert_compiled_like_the_layers(network, m)


@given(networks(SMOOTH, (Conv2D, ConvTranspose2D, AvgPool2D), np.float64), st.integers(1, 3))
def test_central_differences(network, m):
    """With either backend; a cost is known to some eps, so a difference over 2e-6 to some 1e-10."""
    model, loss = network
    found = fastnn.check_gradients(model, *samples(model, m, loss), loss, most=30)
    assert abs(found.backpropagated - found.difference) <= 1e-7 * max(1, abs(found.backpropagated))
