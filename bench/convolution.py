"""Table C: the convolution kernels beside PyTorch's, in both of its memory formats: NCHW, and NHWC ("channels last").

PyTorch cannot be given an output. Its backward pass is asked for the one gradient that the kernel computes. On several
threads fastnn's kernels are called in the user's `prange` (shares.py): they start none themselves.
"""

from typing import Any

import numpy as np
import peers
import shares
import threads
from contest import Contender, Contest, writes
from numpy.typing import DTypeLike, NDArray
from rows import ConvolutionRow

from fastnn import kernels

Floats = NDArray[np.floating]
Arrays = tuple[Floats, Floats, Floats, Floats]  # a, theta, b, dz
OUTPUT_MASK = {"dz_to_da": [True, False, False], "dz_to_dtheta": [False, True, False]}


def contest(row: ConvolutionRow, dtype: DTypeLike, names: list[str]) -> Contest:
    """fastnn and the named peers on one row."""
    rng = np.random.default_rng(0)
    shapes = ((row.m, row.C, row.H, row.W), (row.K, row.C, row.f, row.f), (row.K,), row.z_shape)
    a, theta, b, dz = (rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes)
    contenders = {"fastnn": fastnn(row, (a, theta, b, dz), threads.count())}
    if "PyTorch" in names:
        torch = peers.torch()
        contenders["PyTorch"] = pytorch(row, (a, theta, b, dz), torch.contiguous_format)
        contenders["PyTorch NHWC"] = pytorch(row, (a, theta, b, dz), torch.channels_last)
    pixels = row.m * row.z_shape[2] * row.z_shape[3]
    depth = {"forward": row.C * row.f**2 + 1, "dz_to_dtheta": pixels, "dz_to_da": row.K * row.f**2}[row.operation]
    return Contest(contenders, atol=depth * float(np.finfo(dtype).eps))


def fastnn(row: ConvolutionRow, arrays: Arrays, parts: int) -> Contender:
    """By one call, or by one for each of some shares: of the batch, or of k or channels, where it is smaller than theta."""
    a, theta, b, dz = arrays
    S, P, alone, few = row.S, row.P, parts == 1, row.m < parts or a.size + dz.size < theta.size
    if row.operation == "forward":
        z, forward = np.empty_like(dz), shares.forward_by_k if few else shares.forward
        if alone or (few and parts > row.K):
            return writes(lambda: kernels.conv2d_forward(a, theta, b, S, P, z), z)
        return writes(lambda: forward(parts, a, theta, b, S, P, z), z)
    if row.operation == "dz_to_dtheta":
        f, dtheta, dz_to_dtheta, by_channels = row.f, np.empty_like(theta), shares.dz_to_dtheta, row.C >= 8 * row.K
        if few:
            dz_to_dtheta = shares.dz_to_dtheta_by_channels if by_channels else shares.dz_to_dtheta_by_k
        if alone or (few and (row.C if by_channels else row.K) < parts):
            return writes(lambda: kernels.conv2d_dz_to_dtheta(a, dz, f, S, P, dtheta), dtheta)
        return writes(lambda: dz_to_dtheta(parts, a, dz, f, S, P, dtheta), dtheta)
    n_in, da, dz_to_da = (row.H, row.W), np.empty_like(a), shares.dz_to_da_by_channels if few else shares.dz_to_da
    if alone or (few and parts > row.C):
        return writes(lambda: kernels.conv2d_dz_to_da(dz, theta, n_in, S, P, da), da)
    return writes(lambda: dz_to_da(parts, dz, theta, n_in, S, P, da), da)


def pytorch(row: ConvolutionRow, arrays: Arrays, memory_format: Any) -> Contender:
    torch = peers.torch()
    a, theta, dz = (torch.from_numpy(arrays[i]).contiguous(memory_format=memory_format) for i in (0, 1, 3))
    b, S, P = torch.from_numpy(arrays[2]), (row.S, row.S), (row.P, row.P)
    if row.operation == "forward":

        def run() -> Any:
            return torch.nn.functional.conv2d(a, theta, b, S, P)
    else:
        backward, mask, place = torch.ops.aten.convolution_backward, OUTPUT_MASK[row.operation], row.operation != "dz_to_da"

        def run() -> Any:
            return backward(dz, a, theta, None, S, P, (1, 1), False, (0, 0), 1, mask)[place]

    return Contender(run, lambda: run().contiguous().numpy())
