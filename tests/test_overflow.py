"""Results of more bytes than an int64 counts: refused, never a product that has wrapped round and room for a part only."""

import contextlib

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from fastnn.backend import ops


def vast(*shape):
    """An array of this shape, all of it one number in memory."""
    return as_strided(np.ones(1, np.float32), shape, (0,) * len(shape))


TOO_BIG = "array is too big"  # NumPy's words, and Numba's
# A result of 2**64 or 2**65 elements has 0 of them modulo 2**64; one of 2**62 has 0 bytes, one of 2**61 has -2**63.
CALLS = {
    "2**61": ("matmul", (vast(2**31, 1), vast(1, 2**30))),
    "2**62": ("matmul", (vast(2**31, 1), vast(1, 2**31))),
    "2**64": ("matmul", (vast(2**32, 1), vast(1, 2**32))),
    "batched": ("matmul", (vast(2**20, 2**12, 1), vast(2**20, 1, 2**33))),
    "dense": ("dense_forward", (vast(2**32, 1), vast(2, 2**32))),
    "dtheta": ("dense_dz_to_dtheta", (vast(1, 2**32), vast(1, 2**32))),
    "da": ("dense_dz_to_da", (vast(2**32, 1), vast(2**32, 1))),
    "padding": ("conv2d_forward", (vast(1, 1, 4, 4), vast(1, 1, 3, 3), vast(1), 1, 2**31 - 1)),
    "channels": ("conv2d_forward", (vast(2**20, 1, 4, 4), vast(2**20, 1, 3, 3), vast(2**20), 1, 2**20)),
    "images": ("conv2d_dz_to_da", (vast(2**10, 1, 1, 1), vast(1, 2**30, 2**30, 1), (2**30, 1))),
    "windows": ("conv2d_dz_to_dtheta", (vast(1, 2**30, 2**30, 1), vast(1, 2**10, 1, 1), (2**30, 1))),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_no_array_can_hold(call):
    name, arguments = CALLS[call]
    with pytest.raises(ValueError, match=TOO_BIG):
        getattr(ops, name)(*arguments)


@pytest.mark.parametrize("channels", [(1, 2, 1), (3, 16, 1), (4, 4, 4)], ids=str)
@pytest.mark.parametrize("far", [100, 2**30, 2**31 - 1])
def test_a_padded_image_beyond_memory(far, channels):
    """Only the window's middle falls on the image, as in a 1x1 convolution: its result, or an error."""
    C, K, groups = channels
    rng = np.random.default_rng(0)
    a, theta, b = rng.random((2, C, 4, 5)), rng.random((K, C // groups, 3, 3)), rng.random(K)
    middle = np.ascontiguousarray(theta[:, :, 1:2, 1:2])
    z = ops.conv2d_forward(a, middle, b, groups=groups)
    whole = np.zeros_like(theta)
    whole[:, :, 1:2, 1:2] = ops.conv2d_dz_to_dtheta(a, z, 1, groups=groups)
    geometry = {"stride": 1, "padding": far, "dilation": far, "groups": groups}
    for name, arguments, expected in (
        ("conv2d_forward", (a, theta, b), z),
        ("conv2d_dz_to_dtheta", (a, z, 3), whole),
        ("conv2d_dz_to_da", (z, theta, (4, 5)), ops.conv2d_dz_to_da(z, middle, (4, 5), groups=groups)),
    ):
        kernel = getattr(ops, name)
        with contextlib.suppress(MemoryError, ValueError) if far > 100 else contextlib.nullcontext():
            np.testing.assert_allclose(kernel(*arguments, **geometry), expected, rtol=1e-5, atol=1e-5)
