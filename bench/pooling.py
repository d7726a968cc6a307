"""Table P: the pooling kernels beside PyTorch's, in both of its memory formats.

PyTorch cannot be given an output. Its forward pass through max pooling always keeps the places of the largest cells, for the
way back; fastnn's does with an index, which has a byte for a window, and without one its way back looks for them again.
"""

from typing import Any

import numpy as np
import peers
from contest import Contender, Contest, writes
from numpy.typing import DTypeLike, NDArray
from rows import PoolRow

from fastnn import kernels

Floats = NDArray[np.floating]
FASTNN = {
    "max_forward": lambda a, dz, f, S, n, z, da: writes(lambda: kernels.max_pool2d_forward(a, f, S, 0, z), z),
    "max_forward_index": lambda a, dz, f, S, n, z, da: writes(lambda: kernels.max_pool2d_forward(a, f, S, 0, z, n), z),
    "max_dz_to_da": lambda a, dz, f, S, n, z, da: writes(lambda: kernels.max_pool2d_dz_to_da(dz, a, f, S, 0, da), da),
    "max_dz_to_da_index": lambda a, dz, f, S, n, z, da: writes(
        lambda: kernels.max_pool2d_dz_to_da(dz, a, f, S, 0, da, n), da
    ),
    "avg_forward": lambda a, dz, f, S, n, z, da: writes(lambda: kernels.avg_pool2d_forward(a, f, S, 0, z), z),
    "avg_dz_to_da": lambda a, dz, f, S, n, z, da: writes(lambda: kernels.avg_pool2d_dz_to_da(dz, a, f, S, 0, da), da),
}


def contest(row: PoolRow, dtype: DTypeLike, names: list[str]) -> Contest:
    """fastnn and the named peers on one row."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (row.m, row.C, row.H, row.W)).astype(dtype)
    dz = rng.uniform(-1, 1, row.z_shape).astype(dtype)
    index = np.empty(row.z_shape, np.uint8)
    kernels.max_pool2d_forward(a, row.f, row.S, index=index)
    contenders = {"fastnn": FASTNN[row.operation](a, dz, row.f, row.S, index, np.empty_like(dz), np.empty_like(a))}
    if "PyTorch" in names:
        torch = peers.torch()
        contenders["PyTorch"] = pytorch(row, (a, dz), torch.contiguous_format)
        contenders["PyTorch NHWC"] = pytorch(row, (a, dz), torch.channels_last)
    return Contest(contenders, atol=row.f**2 * float(np.finfo(dtype).eps))


def pytorch(row: PoolRow, arrays: tuple[Floats, Floats], memory_format: Any) -> Contender:
    torch = peers.torch()
    a, dz = (torch.from_numpy(array).contiguous(memory_format=memory_format) for array in arrays)
    f, S, P, functional, aten = (row.f, row.f), (row.S, row.S), (0, 0), torch.nn.functional, torch.ops.aten
    _, places = functional.max_pool2d(a, f, S, return_indices=True)
    run = {
        "max_forward": lambda: functional.max_pool2d(a, f, S),
        "max_dz_to_da": lambda: aten.max_pool2d_with_indices_backward(dz, a, f, S, P, (1, 1), False, places),
        "avg_forward": lambda: functional.avg_pool2d(a, f, S),
        "avg_dz_to_da": lambda: aten.avg_pool2d_backward(dz, a, f, S, P, False, True, None),
    }[row.operation.removesuffix("_index")]
    return Contender(run, lambda: run().contiguous().numpy())
