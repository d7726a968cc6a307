"""Functions that compiled code calls by address (kernels/compiler/shared.py)."""

import numpy as np
import pytest
from numba.core.errors import TypingError

from fastnn.kernels.compiler import shared
from fastnn.kernels.compiler.jit import compiled


@shared.shared
def is_positive(x: int) -> int:
    return x > 0


@shared.shared
def sign(x: int) -> int:
    return 1 if x > 0 else 0


@compiled
def both(x):
    return sign(x), sign(-x)


def slot_of(function):
    return next(slot for slot in shared._slots.values() if slot.dispatcher.py_func is function)


def test_what_is_annotated_is_returned():
    """A bool is one byte; whoever reads an int there reads seven that nobody wrote."""
    with pytest.raises(TypingError, match=r"is_positive\.None: expected to return int64, as annotated, got bool"):
        slot_of(is_positive).fill()
    assert both(np.int64(3)) == (1, 0)
