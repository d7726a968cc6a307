"""The ways in which an array can lie in memory: every kernel must give the same result for all of them."""

from typing import Any

import numpy as np


def c_order(array: Any) -> Any:
    return array.copy()


def fortran(array: Any) -> Any:
    return array.copy(order="F")


def transposed(array: Any) -> Any:
    """A view whose axes lie in memory in the order 0, n - 1, ..., 1, as in NHWC images; of a matrix a transposed one."""
    axes = (0, *range(array.ndim - 1, 0, -1)) if array.ndim > 2 else range(array.ndim)[::-1]
    return array.transpose(axes).copy().transpose(np.argsort(axes))


def sliced(array: Any) -> Any:
    """Every second element along each axis; those between would spoil any result."""
    around = np.full([2 * n + 1 for n in array.shape], poison(array.dtype), array.dtype)
    view = around[tuple(slice(1, 2 * n, 2) for n in array.shape)] if array.ndim else around
    view[...] = array
    return view


def reversed_axes(array: Any) -> Any:
    backwards = (slice(None, None, -1),) * array.ndim
    return array[backwards].copy()[backwards] if array.ndim else array.copy()


def read_only(array: Any) -> Any:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def poison(dtype: Any) -> Any:
    """A value that no kernel may read: NaN, or a label out of any range."""
    return np.nan if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max


LAYOUTS = {
    "C": c_order,
    "fortran": fortran,
    "transposed": transposed,
    "sliced": sliced,
    "reversed": reversed_axes,
    "readonly": read_only,
}
WRITEABLE = {name: layout for name, layout in LAYOUTS.items() if layout is not read_only}
