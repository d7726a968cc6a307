"""Which windows, strides, paddings, dilations and groups a kernel refuses, in which words: the same for both backends."""

import numpy as np
import pytest
from refusals import GROUPS, PAIRS, WITH_WINDOWS, good, of, refuse

from fastnn.backend import ops

FOR_ANY_WINDOW = {
    "stride 0": ({"stride": 0}, "stride: expected from 1 to 2**31 - 1 along each axis", "stride (0, 0)"),
    "stride 0 across": ({"stride": (1, 0)}, "stride: expected from 1 to 2**31 - 1 along each axis", "stride (1, 0)"),
    "stride negative": ({"stride": (-1, 1)}, "stride: expected from 1 to 2**31 - 1 along each axis", "stride (-1, 1)"),
    "stride huge": ({"stride": 2**31}, "stride: expected from 1 to 2**31 - 1 along each axis", "stride (2147483648, "),
    "padding negative": ({"padding": (0, -1)}, "padding: expected from 0 to 2**31 - 1 along each axis", "padding (0, -1)"),
    "padding huge": (
        {"padding": 2**62},
        "padding: expected from 0 to 2**31 - 1 along each axis",
        "padding (4611686018427387904, ",
    ),
}
WRONG_PAIRS = {
    "a float": (1.5, "got 1.5"),
    "a whole float": (2.0, "got 2.0"),
    "text": ("2", "got '2'"),
    "three": ((1, 1, 1), "got (1, 1, 1)"),
    "one": ((1,), "got (1,)"),
    "a pair of floats": ((1.0, 1), "got (1.0, 1)"),
    "an array": (np.ones(2), "got (2,) float64"),
    "a dictionary": ({}, "got dict"),
}


@pytest.mark.parametrize(("changes", "rule", "came"), FOR_ANY_WINDOW.values(), ids=FOR_ANY_WINDOW)
@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_window(name, changes, rule, came):
    refuse(name, ValueError, f"{name}: {rule}; got ", came, **changes)


@pytest.mark.parametrize("name", [name for name in WITH_WINDOWS if name not in ("conv2d_forward", "conv2d_dz_to_da")])
def test_window_size(name):
    parameter = "kernel_size" if name.startswith("conv") else "size"
    for size in (0, (2, 0), -1, 2**31):
        refuse(name, ValueError, "kernel_size, size: expected from 1 to 2**31 - 1 along each axis", **{parameter: size})
    for size in (100, (7, 1), (1, 9)):
        refuse(name, ValueError, "the window is larger than the padded image", "; got ", **{parameter: size})


WITH_GROUPS = ["conv2d_forward", "conv2d_dz_to_dtheta", "conv2d_dz_to_da"]


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_dilation(name):
    for dilation in (0, (1, 0), -1, 2**31):
        refuse(name, ValueError, f"{name}: dilation: expected from 1 to 2**31 - 1 along each axis; got ", dilation=dilation)
    refuse(name, ValueError, "the window is larger than the padded image", "; got ", dilation=2**31 - 1)


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_groups(name):
    for groups in (0, -1, 2**62):
        refuse(name, ValueError, f"{name}: {GROUPS}; got ", f"groups {groups}", groups=groups)
    for groups in (1.0, None, "1", (1, 1), True):
        refuse(name, TypeError, f"{name}: groups: expected an int, got ", groups=groups)
    nothing = {"dz": of(2, 0, 3, 5)} if "dz" in good(name) else {"b": of(0)}
    nothing |= {"theta": of(0, 3, 3, 3)} if "theta" in good(name) else {}
    refuse(name, ValueError, f"{name}: {GROUPS}; got ", groups=3, **nothing)  # K = 0: any number would divide it


@pytest.mark.parametrize("name", ["conv2d_forward", "conv2d_dz_to_da"])
def test_size_of_theta(name):
    for window in ((6, 3), (3, 8)):
        refuse(name, ValueError, "the window is larger than the padded image", "; got ", theta=of(4, 3, *window))
    refuse(name, ValueError, "kernel_size, size: expected from 1 to 2**31 - 1", theta=of(4, 3, 0, 3))


@pytest.mark.parametrize(("wrong", "came"), WRONG_PAIRS.values(), ids=WRONG_PAIRS)
@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_pair(name, wrong, came):
    for parameter in PAIRS & set(good(name)):
        refuse(name, TypeError, f"{name}: {parameter}: expected an int or a pair of ints, {came}", **{parameter: wrong})


@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_no_pair(name):
    """None stands for a pool's size as its stride, and for nothing else."""
    for parameter in PAIRS & set(good(name)):
        if "pool" not in name or parameter != "stride":
            message = f"{name}: {parameter}: expected an int or a pair of ints, got NoneType"
            refuse(name, TypeError, message, **{parameter: None})


@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_pairs_of_other_kinds(name):
    """Lists, and NumPy's integers, count as pairs and ints."""
    call = good(name)
    pairs = PAIRS & {key for key, v in call.items() if v is not None}
    expected = getattr(ops, name)(**call).copy()
    for kind in (list, lambda pair: tuple(np.array(pair)), lambda pair: tuple(np.array(pair, np.uint8))):
        changed = {key: kind(np.broadcast_to(call[key], 2).tolist()) for key in pairs}
        assert np.array_equal(getattr(ops, name)(**{**call, **changed}), expected)
    scalars = {key: np.int32(call[key]) for key in pairs if isinstance(call[key], int)}
    assert np.array_equal(getattr(ops, name)(**{**call, **scalars}), expected)
