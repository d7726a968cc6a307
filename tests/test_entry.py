"""Calls from Python that go straight to compiled code: what it was not compiled for goes the general way, or is refused."""

import sys

import numpy as np
import pytest
from numba import types

from fastnn.kernels import avg_pool2d_forward, conv2d_forward, dense_forward, max_pool2d_forward, mean_squared_error, relu

DTYPES = (np.float32, np.float64)


def product(dtype=np.float32):
    """Arguments of dense_forward, whose code is compiled and remembered behind this."""
    a, theta, z = np.ones((3, 2), dtype), np.ones((3, 4), dtype), np.zeros((3, 4), dtype)
    for _ in range(2):
        assert (dense_forward(a, theta, z) == 3).all()
    return a, theta, z


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda x: x.tolist(), TypeError),
        (lambda x: None, TypeError),
        (lambda x: x.astype(np.int32), TypeError),
        (lambda x: x.astype(x.dtype.newbyteorder()), TypeError),
        (lambda x: x.astype(np.float64), TypeError),
        (np.ma.array, TypeError),
        (lambda x: x[0], ValueError),
        (lambda x: x[None], ValueError),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_other_arguments_are_refused(place, change, error):
    """None, other dtypes, ranks and classes, right behind calls with good ones."""
    arguments = list(product())
    arguments[place] = change(arguments[place])
    arguments[2][...] = 7
    with pytest.raises(error, match=r"^dense_forward: "):
        dense_forward(*arguments)
    assert (arguments[2] == 7).all()


@pytest.mark.parametrize(
    "other",
    [1.5, True, None, "1", (1.5, 1.5), (True, True), (1, True), (None, 1), (1,), (1, 1, 1), (), -1, 2**70, (1, 2**70)],
)
@pytest.mark.parametrize("place", ["stride", "padding", "dilation", "groups"])
def test_other_numbers_are_refused(place, other):
    """Compiled code would round floats and take True for 1; a pair of ints is none for groups."""
    a, theta, b = np.ones((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32), np.zeros(1, np.float32)
    for stride in (1, (2, 1)):
        assert (conv2d_forward(a, theta, b, stride) == 9).all()
    assert conv2d_forward(a, theta, b, np.int64(2)).shape == (1, 1, 2, 2)
    with pytest.raises((TypeError, ValueError), match=rf"^conv2d_forward: {place}: "):
        conv2d_forward(a, theta, b, **{place: other})


def test_a_pair_that_may_be_left_out():
    """Code for a stride of None would take anything for it; each way in turn, with and without an output."""
    a = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    wanted = {None: a[:, :, 1::2, 1::2], 1: a[:, :, 1:, 1:], (2, 1): a[:, :, 1::2, 1:]}
    for _ in range(3):
        for stride, z in wanted.items():
            assert np.array_equal(max_pool2d_forward(a, 2, stride), z)
            out = np.empty_like(z)
            assert max_pool2d_forward(a, (2, 2), stride, out=out) is out
            assert np.array_equal(out, z)
        for stride in (1.5, True, "1", (1,), (1, True), a):
            with pytest.raises(TypeError, match=r"^max_pool2d_forward: stride: "):
                max_pool2d_forward(a, 2, stride)


@pytest.mark.parametrize("dtype", [np.int8, bool, np.uint16, np.float32, np.float64])
def test_another_index_is_refused(dtype):
    """Right behind calls with bytes, for whose code it would be so many of them."""
    a, z, index = np.ones((1, 2, 4, 4), np.float32), np.zeros((1, 2, 2, 2), np.float32), np.ones((1, 2, 2, 2), np.uint8)
    for _ in range(2):
        assert max_pool2d_forward(a, 2, None, 0, z, index) is z
        assert not index.any()
    other = np.full(index.shape, 7, dtype)
    with pytest.raises(TypeError, match=r"^max_pool2d_forward: index: expected dtype uint8"):
        max_pool2d_forward(a, 2, None, 0, z, other)
    assert (other == np.full(1, 7, dtype)).all()


def test_a_read_only_output_is_refused():
    a, theta, z = product()
    with pytest.raises(ValueError, match="out: expected a writeable array"):
        dense_forward(a, theta, read_only(z))
    assert (dense_forward(read_only(a), read_only(theta)) == 3).all()


def test_other_arrays_go_the_general_way():
    """Another class, dtype or rank, in turn, and back."""
    a, theta, z = product()
    for _ in range(3):
        assert type(dense_forward(a.view(np.recarray), theta)) is np.ndarray
        assert (dense_forward(*(x.astype(np.float64) for x in (a, theta))) == 3).all()
        assert dense_forward(a, theta, out=z) is z
        for shape in ((3,), (2, 2), (2, 3, 4)):
            assert np.array_equal(relu(np.full(shape, -1.0, np.float32)), np.zeros(shape))
        assert mean_squared_error(a, 3 * a) == 4


def test_a_byte_order_that_is_written_out():
    """A dtype that was made by newbyteorder says little-endian, not native: on a little-endian CPU it is the same."""
    for dtype in DTYPES:
        native = np.dtype(dtype).newbyteorder().newbyteorder()
        a, theta = (array.view(native) for array in product(dtype)[:2])
        assert (dense_forward(a, theta) == 3).all()
        assert mean_squared_error(a, 3 * a) == 4


@pytest.mark.parametrize("dtype", DTYPES)
def test_new_arrays(dtype):
    """Plain ones, of NumPy's own dtype object, which own their memory."""
    a, theta, _ = product(dtype)
    z = dense_forward(a, theta)
    assert type(z) is np.ndarray
    assert z.dtype is np.dtype(dtype)
    assert z.flags.writeable
    a, theta = a + 1, theta + 1
    dense_forward(a, theta)
    assert (z == 3).all()


def test_new_arrays_give_their_memory_back():
    """100 products of 8 MB, one after the other."""
    resource = pytest.importorskip("resource", reason="as Unix has it")
    a, theta = np.ones((1024, 1)), np.ones((2, 1024))
    dense_forward(a, theta)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        dense_forward(a, theta)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 200e6


def test_code_for_unsigned_ints_is_not_taken():
    """Numba takes an int from 2^63 on for unsigned, and its tuples, where one int comes, for two that are not there."""
    a = np.ones((2, 3, 6, 8), np.float32)
    z = avg_pool2d_forward(a, 2, 2, 0)
    pair = types.UniTuple(types.int64, 2)
    unsigned = types.Tuple((types.uint64, types.int64))
    core = avg_pool2d_forward.core
    usual = dict(core.entry_points)
    core.compile((types.Array(types.float32, 4, "C"), pair, unsigned, pair, types.none))
    assert core.entry_points == usual
    for stride in (np.int64(2), 2, (2, 2)):
        assert (avg_pool2d_forward(a, 2, stride, 0) == z).all()
    with pytest.raises(ValueError, match=r"^avg_pool2d_forward: stride: "):
        avg_pool2d_forward(a, 2, (2**63, 1), 0)
