"""Max pooling's index: a byte a window, which the way forward writes and the way back reads in place of comparing again."""

import numpy as np
import pytest
from case import DTYPES
from cases import CASES
from differences import DIFFERENCED, distance, numerical_gradient
from layouts import LAYOUTS, WRITEABLE, sliced
from networks import batch, pools
from refusals import good, refuse

from fastnn import MaxPool2D, reference, shapes
from fastnn.backend import ops

POOLS = [case for case in CASES if case.kernel == "max_pool2d_dz_to_da" and not case.timed]
NAMES = ["max_pool2d_forward", "max_pool2d_dz_to_da"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_every_row(case, dtype, layout):
    """However arrays lie: the reference's index, and bit for bit what comes without one, of which nothing else is read."""
    dz, a, *windows = case.arguments(dtype)
    arranged, writeable = LAYOUTS[layout], WRITEABLE.get(layout, sliced)
    expected = np.full(dz.shape, 99, np.uint8)
    reference.max_pool2d_forward(a, *windows, index=expected)
    index = writeable(np.full(dz.shape, 99, np.uint8))
    z = ops.max_pool2d_forward(arranged(a), *windows, index=index)
    np.testing.assert_array_equal(index, expected)
    assert z.tobytes() == ops.max_pool2d_forward(a, *windows).tobytes()
    if index.base is not None and writeable is sliced:
        assert (index.base == 255).sum() == index.base.size - index.size
    out = writeable(np.full(a.shape, np.nan, dtype))
    nothing = arranged(np.full(a.shape, np.nan, dtype))
    assert ops.max_pool2d_dz_to_da(arranged(dz), nothing, *windows, out=out, index=arranged(index.copy())) is out
    assert out.copy(order="C").tobytes() == ops.max_pool2d_dz_to_da(dz, a, *windows).tobytes()


def test_first_of_several_and_nan():
    """Ties go to the first cell in row-major order, and so do NaN; of nothing but minus infinity a cell of the image."""
    nan, low = np.nan, -np.inf
    a = np.array([[[[1, 5, nan, 2], [5, 5, 3, nan]]], [[[0, 1, low, low], [1, 0, low, low]]]])
    index = np.full((2, 1, 1, 2), 99, np.uint8)
    ops.max_pool2d_forward(a, 2, index=index)
    assert index.ravel().tolist() == [1, 0, 1, 0]
    index = np.full((1, 1, 2, 3), 99, np.uint8)
    ops.max_pool2d_forward(a[1:], 2, 1, 1, index=np.empty((1, 1, 3, 5), np.uint8))
    ops.max_pool2d_forward(np.full((1, 1, 3, 5), low), 3, 2, 1, index=index)
    assert index.ravel().tolist() == [4, 3, 3, 1, 0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(16, 16), (256, 1), (1, 256)], ids=str)
def test_all_numbers_of_a_byte(size, dtype):
    """A window of 256 cells: each of them as the largest."""
    a = np.zeros((256, 1, *size), dtype)
    a.reshape(256, 256)[np.arange(256), np.arange(256)] = 1
    index = np.zeros((256, 1, 1, 1), np.uint8)
    ops.max_pool2d_forward(a, size, index=index)
    assert index.ravel().tolist() == list(range(256))
    assert np.array_equal(ops.max_pool2d_dz_to_da(np.ones(index.shape, dtype), a, size, index=index), a)


@pytest.mark.parametrize(("f", "S", "P"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), ((2, 3), (3, 1), (0, 2))])
@pytest.mark.parametrize("number", [0, 1, 2, 4, 8, 9, 255])
def test_numbers_that_are_no_cell(f, S, P, number):
    """Beyond the window, or in its padding: that window's dz goes nowhere, and all others where they should."""
    a = np.random.default_rng(0).uniform(-1, 1, (2, 3, 7, 9))
    index = np.empty(ops.max_pool2d_forward(a, f, S, P).shape, np.uint8)
    ops.max_pool2d_forward(a, f, S, P, index=index)
    dz = np.arange(1.0, index.size + 1).reshape(index.shape)
    corner = (0, 1, slice(0, 1), slice(0, 1))
    index[corner] = number
    (f_h, f_w), (P_h, P_w) = np.broadcast_to(f, 2), np.broadcast_to(P, 2)
    r, s = divmod(number, int(f_w))
    expected = ops.max_pool2d_dz_to_da(dz, a, f, S, P, index=index).copy()
    y, x = r - P_h, s - P_w
    if r < f_h and y >= 0 and x >= 0:
        expected[0, 1, y, x] -= dz[corner].item()
    dz[corner] = 0
    np.testing.assert_allclose(ops.max_pool2d_dz_to_da(dz, a, f, S, P, index=index), expected, atol=1e-12)


@pytest.mark.parametrize(("f", "S", "P"), [(2, 2, 0), (3, 2, 0), (3, 2, 1), ((2, 3), (3, 1), (1, 2))])
def test_finite_differences(f, S, P):
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (2, 2, 6, 7))
    index = np.empty(ops.max_pool2d_forward(a, f, S, P).shape, np.uint8)
    ops.max_pool2d_forward(a, f, S, P, index=index)
    dz = rng.uniform(-1, 1, index.shape)
    numerical = numerical_gradient(lambda: np.sum(dz * ops.max_pool2d_forward(a, f, S, P)), a)
    assert distance(ops.max_pool2d_dz_to_da(dz, a, f, S, P, index=index), numerical) < DIFFERENCED


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_kinds_of_index(name):
    shape = (2, 3, 3, 4)
    for dtype in (np.int8, np.int64, np.float32, bool):
        message = f"{name}: index: expected dtype uint8, got {np.dtype(dtype)}"
        refuse(name, TypeError, message, index=np.zeros(shape, dtype))
    refuse(name, TypeError, f"{name}: index: expected a numpy array, got list", index=[0])
    refuse(name, ValueError, f"{name}: index: expected 4 dimensions, got 1", index=np.zeros(72, np.uint8))
    for wrong in ((2, 3, 3, 5), (2, 3, 4, 3), (1, 3, 3, 4), (2, 3, 6, 8)):
        rule, came = f"{name}: index: expected shape (m, C, H', W')", f"index {wrong} uint8"
        refuse(name, ValueError, rule, came, index=np.zeros(wrong, np.uint8))


@pytest.mark.parametrize("name", NAMES)
def test_windows_of_more_cells_than_a_byte_has_numbers(name):
    for size in (17, (1, 257), (2**20, 2**20)):
        f = np.broadcast_to(size, 2)
        image = np.zeros((1, 1, *np.minimum(f, 300)), np.float32)
        pooled = np.zeros((1, 1, 1, 1), np.float32)
        P = tuple(int(n) for n in -(np.minimum(f, 300) - f) // 2)
        arrays = {"a": image, "dz": pooled, "out": pooled if name.endswith("forward") else image.copy()}
        changes = {key: value for key, value in arrays.items() if key in good(name)}
        rule = f"{name}: index: expected none where a window has more than 256 cells"
        index = np.zeros((1, 1, 1, 1), np.uint8)
        refuse(name, ValueError, rule, index=index, size=tuple(map(int, f)), stride=1, padding=P, **changes)


def test_memory_of_its_own():
    name, index = "max_pool2d_forward", np.zeros((2, 3, 3, 4), np.uint8)
    for other in ("a", "out"):
        memory = np.zeros(good(name)[other].nbytes, np.uint8)
        both = {other: memory.view(np.float32).reshape(good(name)[other].shape), "index": memory[-72:].reshape(index.shape)}
        refuse(name, ValueError, f"{name}: ", "expected memory of its own", **both)
    index.flags.writeable = False
    refuse(name, ValueError, f"{name}: index: expected a writeable array, got a read-only one", index=index)
    refuse(name, ValueError, f"{name}: index: ", index=np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), index.shape))
    call = good("max_pool2d_dz_to_da")
    memory = np.zeros(call["out"].nbytes, np.uint8)
    out, index = memory.view(np.float32).reshape(call["out"].shape), memory[:72].reshape(2, 3, 3, 4)
    refuse("max_pool2d_dz_to_da", ValueError, "expected memory of its own", out=out, index=index)


# Where it is used ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers(dtype):
    """In training they keep an index; else the way back compares. The gradients are the same, bit for bit."""
    model = pools(seed=1, dtype=dtype)
    x, y = batch(model, 20, "mean_squared_error")
    model.cost_and_gradients(x, y, "mean_squared_error")
    found, largest = model.gradients.copy(), shapes.MOST_INDEXED
    kept = [layer for layer in model.layers if isinstance(layer, MaxPool2D)]
    assert all(layer._index.dtype == np.uint8 for layer in kept)
    model.forward(x)
    assert all(layer._index is None for layer in kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "MOST_INDEXED", 0)
        model.cost_and_gradients(x, y, "mean_squared_error")
    assert all(layer._index is None for layer in kept)
    assert (found.tobytes(), largest) == (model.gradients.tobytes(), 256)
