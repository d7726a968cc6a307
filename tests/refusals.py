"""Right calls to spoil, and what a refusal looks like: the error names kernel and argument, and nothing has been written."""

import inspect

import numpy as np
import pytest
from case_rows import UPDATES
from cases import typical

from fastnn.backend import ops

KERNELS = ops.__all__
WITH_WINDOWS = [name for name in KERNELS if "2d" in name and name != "conv2d_dz_to_db"]
PAIRS = {"stride", "padding", "size", "kernel_size", "input_size", "dilation"}
WRITES = {name: ("theta", "velocity" if name == "sgd_step" else "moments") for name in UPDATES}
GROUPS = "groups: expected a positive divisor of C and of K, the channels of a and of z"


def good(name):
    """The named arguments of a call that is right, in float32: the kernel's second row, for its sizes are all different."""
    case = typical(name)
    call = inspect.signature(getattr(ops, name)).bind(*case.arguments(np.float32), **case.keywords).arguments
    if takes_out(name):
        call["out"] = np.full_like(getattr(ops, name)(**call), np.nan)
    return call


def takes_out(name):
    return "out" in inspect.signature(getattr(ops, name)).parameters


def refuse(name, error, *parts, **changes):
    """The call with these changes raises this very error, naming the kernel first and then all parts, and writes nothing."""
    call = {**good(name), **changes}
    before = bits(call)
    with pytest.raises(error, match=f"^{name}: ") as caught:
        getattr(ops, name)(**call)
    assert type(caught.value) is error
    for part in parts:
        assert part in str(caught.value)
    assert bits(call) == before


def bits(call):
    return {name: value.tobytes() for name, value in call.items() if isinstance(value, np.ndarray) and value.dtype != object}


def of(*shape):
    return np.zeros(shape, np.float32)
