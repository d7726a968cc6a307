"""Which arrays a kernel refuses, and in which words: dtypes, ranks, and what it may write. The same for both backends."""

import numpy as np
import pytest
from case_rows import UPDATES
from layouts import read_only
from refusals import KERNELS, WRITES, good, refuse, takes_out

from fastnn.backend import ops

# Kinds of arrays -----------------------------------------------------------------------------------------------------


WANTED = "expected dtype float32"
KINDS = {
    "list": (lambda x: x.tolist(), TypeError, "expected a numpy array, got "),
    "scalar": (lambda x: 1.0, TypeError, "expected a numpy array, got 1.0"),
    "masked": (np.ma.array, TypeError, "expected a numpy array, got masked "),
    "float16": (lambda x: x.astype(np.float16), TypeError, WANTED),
    "longdouble": (lambda x: x.astype(np.longdouble), TypeError, WANTED),
    "complex64": (lambda x: x.astype(np.complex64), TypeError, WANTED),
    "bool": (lambda x: x.astype(bool), TypeError, WANTED),
    "object": (lambda x: x.astype(object), TypeError, WANTED),
    "text": (lambda x: x.astype("U4"), TypeError, WANTED),
    "byteswapped": (lambda x: x.astype(x.dtype.newbyteorder()), TypeError, WANTED),
}
ARRAYS = [(name, parameter) for name in KERNELS for parameter, v in good(name).items() if isinstance(v, np.ndarray)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "parameter"), ARRAYS)
def test_kind(name, parameter, kind):
    spoil, error, message = KINDS[kind]
    refuse(name, error, f"{name}: {parameter}: {message}", **{parameter: spoil(good(name)[parameter])})


@pytest.mark.parametrize(("name", "parameter"), [pair for pair in ARRAYS if pair[1] not in ("out", "y")])
def test_integers(name, parameter):
    integers = good(name)[parameter].astype(np.int64)
    refuse(name, TypeError, f"{parameter}: expected dtype float32 or float64, got int64", **{parameter: integers})


@pytest.mark.parametrize(("name", "parameter"), [pair for pair in ARRAYS if pair[1] != "out"])
def test_none(name, parameter):
    refuse(name, TypeError, f"{parameter}: expected a numpy array, got NoneType", **{parameter: None})


def floats_of(name):
    return [key for key, v in good(name).items() if isinstance(v, np.ndarray) and v.dtype == np.float32]


MIXABLE = [(name, parameter) for name in KERNELS for parameter in floats_of(name) if len(floats_of(name)) > 1]


@pytest.mark.parametrize(("name", "parameter"), MIXABLE)
def test_mixed_dtypes(name, parameter):
    """The first array sets the dtype, and the first that differs from it is named."""
    floats = floats_of(name)
    first, second = floats[0], floats[1] if parameter == floats[0] else parameter
    dtypes = ("float64", "float32") if parameter == first else ("float32", "float64")
    message = f"{second}: expected {dtypes[0]} like {first}, got {dtypes[1]}"
    refuse(name, TypeError, message, **{parameter: good(name)[parameter].astype(np.float64)})


FIXED_RANK = [(name, parameter) for name, parameter in ARRAYS if name.startswith(("dense", "conv", "max", "avg", "softmax"))]


@pytest.mark.parametrize("change", [1, -1], ids=["one more", "one less"])
@pytest.mark.parametrize(("name", "parameter"), FIXED_RANK)
def test_rank(name, parameter, change):
    array = good(name)[parameter]
    wrong = array[None] if change > 0 else np.asarray(array[0])
    message = f"{parameter}: expected {array.ndim} dimensions, got {array.ndim + change}"
    refuse(name, ValueError, message, **{parameter: wrong})


# What is written -----------------------------------------------------------------------------------------------------

WITH_OUT = [name for name in KERNELS if takes_out(name)]
WRITTEN = [(name, "out") for name in WITH_OUT] + [(name, parameter) for name in UPDATES for parameter in WRITES[name]]


@pytest.mark.parametrize("name", WITH_OUT)
def test_shape_of_out(name):
    out = good(name)["out"]
    for wrong in (np.concatenate([out, out]), out[:-1], np.concatenate([out, out], axis=-1)):
        refuse(name, ValueError, "out: expected the shape of the result; got ", f"out {wrong.shape} float32", out=wrong)


@pytest.mark.parametrize(("name", "parameter"), WRITTEN)
def test_read_only(name, parameter):
    message = f"{parameter}: expected a writeable array, got a read-only one"
    refuse(name, ValueError, message, **{parameter: read_only(good(name)[parameter])})


@pytest.mark.parametrize(("name", "parameter"), WRITTEN)
def test_one_cell_for_several_elements(name, parameter):
    array = good(name)[parameter]
    repeated = np.lib.stride_tricks.as_strided(array, array.shape, (0,) * array.ndim)
    refuse(name, ValueError, f"{parameter}: expected one cell an element, got strides ", **{parameter: repeated})


@pytest.mark.parametrize(("name", "parameter"), WRITTEN)
def test_elements_with_bytes_in_common(name, parameter):
    """Rows that overlap by all but an element, and elements that overlap by half."""
    array = good(name)[parameter]
    memory = np.zeros(array.nbytes, np.uint8).view(array.dtype)
    for strides in ((array.itemsize,) * array.ndim, (*array.strides[:-1], array.itemsize // 2)):
        if array.ndim > 1 or strides != array.strides:
            overlapping = np.lib.stride_tricks.as_strided(memory, array.shape, strides)
            message = f"{parameter}: expected one cell an element, got strides "
            refuse(name, ValueError, message, **{parameter: overlapping})


def neighbours(array, other, distance):
    """Copies of two arrays in one piece of memory, the second one so many bytes behind the first one's beginning."""
    memory = np.zeros(max(array.nbytes, distance + other.nbytes), np.uint8)
    first = memory[: array.nbytes].view(array.dtype).reshape(array.shape)
    second = memory[distance : distance + other.nbytes].view(other.dtype).reshape(other.shape)
    second[...] = other
    first[...] = array
    return first, second


SHARING = [(*written, other) for written in WRITTEN for name, other in ARRAYS if name == written[0] and other != written[1]]


@pytest.mark.parametrize(("name", "parameter", "other"), SHARING)
def test_shared_memory(name, parameter, other):
    """All of it, and its last element only; an array that ends where the other begins is fine."""
    call = good(name)
    for distance in (0, call[other].nbytes - call[other].itemsize):
        source, target = neighbours(call[other], call[parameter], distance)
        changes = {other: source, parameter: target}
        refuse(name, ValueError, "expected memory of its own, but it shares some with ", **changes)
    source, target = neighbours(call[other], call[parameter], call[other].nbytes + -call[other].nbytes % 8)
    getattr(ops, name)(**{**call, other: source, parameter: target})


# Two views of range(24): the input and `out` of an elementwise kernel.
VIEWS = {
    "columns": (lambda x: (x.reshape(4, 6)[:, ::2], x.reshape(4, 6)[:, 1::2]), False),
    "columns backwards": (lambda x: (x.reshape(4, 6)[:, ::2], x.reshape(4, 6)[::-1, 5::-2]), False),
    "blocks": (lambda x: (x.reshape(4, 6)[:2, :3], x.reshape(4, 6)[:2, 3:]), False),
    "corners": (lambda x: (x.reshape(4, 6)[1:3, 1:3], x.reshape(4, 6)[::3, ::3]), False),
    "every third": (lambda x: (x[0:24:3], x[1:24:3]), False),
    "reversed": (lambda x: (x, x[::-1]), True),
    "transposed": (lambda x: (x[:16].reshape(4, 4), x[:16].reshape(4, 4).T), True),
    "a common cell": (lambda x: (x[0:12:2], x[5:23:3]), True),  # cell 8
    "a common corner": (lambda x: (x.reshape(4, 6)[:2, :2], x.reshape(4, 6)[1:3, 1:3]), True),
    "shifted": (lambda x: (x[:-1], x[1:]), True),
}


@pytest.mark.parametrize(("views", "share"), VIEWS.values(), ids=VIEWS)
def test_views_of_one_array(views, share):
    """Sharing is decided exactly: views that only interleave are computed, and nothing between them changes."""
    memory = np.arange(24.0)
    z, out = views(memory)
    assert np.shares_memory(z, out) == share
    if share:
        with pytest.raises(ValueError, match=r"^leaky_relu: out: expected memory of its own, but it shares some with z$"):
            ops.leaky_relu(z, out=out)
        assert np.array_equal(memory, np.arange(24.0))
    else:
        out[...] = -1
        expected = memory.copy()
        views(expected)[1][...] = z
        assert ops.leaky_relu(z, out=out) is out
        assert np.array_equal(memory, expected)


@pytest.mark.parametrize("offset", range(8))
def test_labels_between_the_elements_of_out(offset):
    """Every other four bytes are an element of `out`; a label is one byte, and may only be one of those between."""
    memory = np.zeros(24, np.uint8)
    out, y, z = memory.view(np.float32)[::2, None], memory[offset::8], np.zeros((3, 1), np.float32)
    if offset < 4:
        with pytest.raises(ValueError, match=r"^softmax_cross_entropy_dz: out: expected memory of its own"):
            ops.softmax_cross_entropy_dz(z, y, out)
    else:
        assert ops.softmax_cross_entropy_dz(z, y, out) is out


@pytest.mark.parametrize("half", [0, 1])
def test_out_in_one_half_of_each_label(half):
    memory = np.zeros(3, np.int64)
    with pytest.raises(ValueError, match=r"^softmax_cross_entropy_dz: out: expected memory of its own"):
        ops.softmax_cross_entropy_dz(np.zeros((3, 1), np.float32), memory, memory.view(np.float32)[half::2, None])


# What is accepted ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", [name for name in KERNELS if not name.startswith(("conv", "max", "avg", "adamw"))])
def test_matrix_is_taken_as_plain_array(name):
    """np.matrix overloads *, so a kernel that computed with one would be wrong."""
    call = {
        key: np.atleast_2d(v) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for key, v in good(name).items()
    }
    if "moments" in call:
        call["moments"] = call["moments"].reshape(2, *call["theta"].shape)
    plain = {key: v.copy() if isinstance(v, np.ndarray) else v for key, v in call.items()}
    matrices = {key: np.matrix(v, copy=False) if isinstance(v, np.ndarray) and v.ndim == 2 else v for key, v in call.items()}
    result, expected = getattr(ops, name)(**matrices), getattr(ops, name)(**plain)
    assert type(result) is type(matrices.get("out", expected))
    if expected is not None:
        assert np.array_equal(result, expected)
    for written in WRITES.get(name, ()):
        assert np.array_equal(call[written], plain[written])


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_comes_back(name):
    """The very object that was given, of whatever class."""
    call = good(name)
    expected = getattr(ops, name)(**call).copy()
    for kind in (np.ndarray, np.recarray, np.memmap):
        out = np.full_like(expected, np.nan).view(kind)
        assert getattr(ops, name)(**{**call, "out": out}) is out
        np.testing.assert_array_equal(np.asarray(out), expected)


def test_shapes_are_judged_before_anything_is_copied():
    """A batch of 2^40 by mistake, which is no error of memory."""
    z, y = np.broadcast_to(np.float32(1), (2**40, 3)), np.array([0, 1])
    for name in ("softmax_cross_entropy", "softmax_cross_entropy_dz"):
        with pytest.raises(ValueError, match=rf"^{name}: y: "):
            getattr(ops, name)(z, y)
