"""When Winograd's sums are taken, and what scratch they need."""

import numpy as np
import pytest
from numba import njit

from fastnn.constants import AUTO, DIRECT, WINOGRAD
from fastnn.kernels.convolution.image_gradient import image_bytes
from fastnn.kernels.convolution.windows import windows_bytes
from fastnn.kernels.winograd.winograd import PATCH_BYTES
from fastnn.kernels.winograd.winograd_choices import can_be, takes
from fastnn.kernels.winograd.winograd_schemes import BACK, TWO, scheme_of, way_back
from fastnn.kernels.winograd.winograd_theta import NEAR_BYTES, theta_bytes, theta_takes


@njit
def taken(algorithm, sizes, window, zero):
    """Whether windows are summed so, gradients, and dz to da; and the scratch of each."""
    scheme, turned, met = way_back(sizes, window)
    z = takes(scheme_of(window), algorithm, sizes, window, zero), windows_bytes(sizes, window, algorithm, zero)
    dtheta = theta_takes(algorithm, sizes, window, zero), theta_bytes(sizes, window, algorithm, zero)
    return z, dtheta, (takes(scheme, algorithm, turned, met, zero), image_bytes(algorithm, sizes, window, zero))


def sizes_of(m, C, K, size, S=1, P=1):
    out = (size + 2 * P - 3) // S + 1
    return (m, C, K, size, size, out, out), (3, 3, S, S, P, P, 1, 1)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_taken_where_channels_are_many(zero):
    many = ((32, 64, 64, 28, 1), (16, 128, 128, 14, 1), (64, 32, 64, 26, 1), (8, 32, 32, 32, 1), (512, 64, 64, 32, 1))
    for setting in (*many, (32, 64, 128, 28, 2), (16, 128, 256, 28, 2), (8, 64, 64, 56, 2)):
        assert all(choice for choice, _ in taken(AUTO, *sizes_of(*setting), zero)), setting
        assert not any(choice for choice, _ in taken(DIRECT, *sizes_of(*setting), zero))
    few = ((64, 1, 32, 28, 1), (64, 2, 16, 28, 1), (64, 1, 1, 28, 1), (64, 64, 1, 28, 1), (8, 64, 64, 1, 1))
    few += ((1, 512, 512, 7, 1), (64, 1, 32, 28, 2), (64, 3, 16, 32, 2), (8, 64, 64, 3, 2))
    for setting in few:
        assert not any(choice for choice, _ in taken(AUTO, *sizes_of(*setting), zero)), setting
        if setting[1] < 512:  # or the tests of what it computes would show nothing
            assert all(choice for choice, _ in taken(WINOGRAD, *sizes_of(*setting), zero)), setting
    sizes, _ = sizes_of(32, 64, 64, 28)
    for other in (
        (3, 3, 2, 1, 1, 1, 1, 1), (3, 3, 3, 3, 1, 1, 1, 1), (3, 3, 1, 1, 1, 1, 1, 2), (3, 3, 2, 2, 1, 1, 2, 2),
        (1, 9, 1, 1, 1, 1, 1, 1), (3, 1, 1, 1, 1, 1, 1, 1), (3, 1, 2, 2, 1, 1, 1, 1),
    ):  # fmt: skip
        for algorithm in (AUTO, WINOGRAD):
            assert not any(choice for choice, _ in taken(algorithm, sizes, other, zero)[:2]), other


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_not_taken_where_products_are_not_fewer(zero):
    """Nor is anything compiled to find that out. 5 x 5 cells are 225 products, and so are the 9 tiles that they lie in."""
    assert not can_be(TWO, AUTO, *sizes_of(64, 64, 64, 11, 2, 0), zero)
    assert can_be(TWO, WINOGRAD, *sizes_of(64, 64, 64, 11, 2, 0), zero)
    assert can_be(TWO, AUTO, *sizes_of(64, 64, 64, 11, 2, 1), zero)
    for side, fewer in ((6, False), (8, True), (10, False)):  # 3 x 3, 4 x 4 and 5 x 5 cells of dz; 4, 4 and 9 tiles of da
        scheme, turned, met = way_back(*sizes_of(64, 64, 64, side, 2))
        assert scheme == BACK
        assert can_be(scheme, AUTO, turned, met, zero) == fewer


def test_not_taken_where_weights_are_far():
    """16 for each (k, c), in float64 32 MB, which each panel would read from memory. Nor without channels."""
    for S in (1, 2):
        sizes, window = sizes_of(8, 512, 512, 14, S)
        for zero, near in ((np.float32(0), True), (np.float64(0), False)):
            assert can_be(scheme_of(window), WINOGRAD, sizes, window, zero) == near
        sizes, window = sizes_of(8, 0, 16, 14, S)
        assert not can_be(scheme_of(window), WINOGRAD, sizes, window, np.float32(0))


@pytest.mark.parametrize("S", [1, 2])
@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)])
def test_scratch_is_bounded_and_enough_for_fewer_samples(zero, S):
    """As convolution/groups.py has it, and 128 KB of sums of products and some lines. A vector has 64 bytes at most."""
    size, columns = zero.itemsize, 3 * 64 // zero.itemsize
    for C, K, side in ((16, 16, 9), (3, 40, 28), (64, 64, 28), (128, 128, 14), (1000, 64, 7), (8, 8, 2), (20, 9, 5)):
        row = (-(-K * size // 64) + 1) * 64
        bounds = (16 * (K + 7) * C * size, 16 * row * C + max(NEAR_BYTES, 16 * columns * row), 16 * (C + 7) * K * size)
        for P in (0, 1, 2):
            sizes, window = sizes_of(10**6, C, K, side, S, P)
            if sizes[5] < 1:
                continue
            for step, bound in enumerate(bounds):
                direct = taken(DIRECT, sizes, window, zero)[step][1]
                assert taken(WINOGRAD, sizes, window, zero)[step][1] <= direct + bound + PATCH_BYTES + 2**17
                for m in (1, 2, 3, 5, 17, 1000):
                    if taken(AUTO, (m, *sizes[1:]), window, zero)[step][0]:
                        enough = taken(AUTO, sizes, window, zero)[step][1]
                        assert enough >= taken(WINOGRAD, sizes, window, zero)[step][1]
                        assert enough > direct or step == 2  # what scatters may need more
