"""An activation in the same call as its layer: the bits are those of the two calls, wherever `out` lies."""

import numpy as np
import pytest
from case import DTYPES
from case_rows import ACTIVATIONS
from layouts import WRITEABLE

from fastnn import kernels
from fastnn.kernels.dense import G_BYTES, G_ROWS

EVERY = pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "identity"])
BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES)


def check(kernel, arguments, name, layout="C", **settings):
    """One call beside two, with `out` and without."""
    z = kernel(*arguments, **settings)
    expected = getattr(kernels, name)(z)
    out = WRITEABLE[layout](np.full_like(z, np.nan))
    assert kernel(*arguments, out=out, activation=name, **settings) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(kernel(*arguments, activation=name, **settings), expected, strict=True)
    assert layout != "sliced" or np.isnan(out.base).sum() == out.base.size - out.size


def uniform(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes]


@EVERY
@BOTH_DTYPES
def test_dense(name, dtype):
    """No block of rows, one, and several, of which the last has one row more."""
    wide = G_BYTES // (G_ROWS * np.dtype(dtype).itemsize) + 8
    for m, n_in, n_out in ((0, 3, 2), (1, 5, 3), (64, 20, 300), (2 * G_ROWS + 1, 6, wide), (3 * G_ROWS, 6, wide)):
        check(kernels.dense_forward, uniform(dtype, (m, n_in), (1 + n_in, n_out)), name)


@pytest.mark.parametrize("layout", WRITEABLE)
@BOTH_DTYPES
def test_dense_layouts(layout, dtype):
    for shape in ((7, 5), (2 * G_ROWS + 1, 300)):
        check(kernels.dense_forward, uniform(dtype, (shape[0], 4), (5, shape[1])), "sigmoid", layout)


CONVOLUTIONS = {
    "small images, several at a time": ((21, 3, 5, 4), (6, 3, 3, 3), {"padding": 1}),
    "groups": ((5, 4, 9, 9), (6, 2, 3, 3), {"groups": 2}),
    "more channels than are summed at a time": ((2, 200, 7, 7), (5, 200, 3, 3), {"stride": 2, "padding": 1}),
    "images in parts": ((2, 3, 200, 190), (3, 3, 5, 5), {"padding": 2, "dilation": 2}),
    "one channel": ((3, 1, 28, 28), (1, 1, 5, 5), {}),
    "no channel": ((2, 0, 4, 4), (3, 0, 2, 2), {}),
    "no sample": ((0, 2, 4, 4), (3, 2, 2, 2), {}),
}


@pytest.mark.parametrize(("a", "theta", "settings"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@BOTH_DTYPES
def test_convolution(a, theta, settings, dtype):
    check(kernels.conv2d_forward, uniform(dtype, a, theta, theta[:1]), "tanh", **settings)


@EVERY
def test_convolution_activations(name):
    check(kernels.conv2d_forward, uniform(np.float32, (3, 2, 12, 11), (5, 2, 3, 3), (5,)), name)


@pytest.mark.parametrize("layout", WRITEABLE)
@BOTH_DTYPES
def test_convolution_layouts(layout, dtype):
    check(kernels.conv2d_forward, uniform(dtype, (4, 3, 6, 5), (7, 3, 3, 3), (7,)), "gelu", layout, padding=1)
