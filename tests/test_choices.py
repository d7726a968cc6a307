"""What a network's table notes of its convolutions is true of slices of any number of samples."""

import itertools

import numpy as np
import pytest

from fastnn.constants import (
    ALGORITHM_BITS,
    AUTO,
    BY_LANES,
    BY_ROWS,
    DIRECT,
    FEWEST,
    FEWEST_BACK,
    FEWEST_LIMIT,
    GATHERED,
    SAMPLES,
    SCATTERED,
    WINOGRAD,
)
from fastnn.kernels.convolution.choices import in_lanes, known, scatters
from fastnn.kernels.networks.images import place
from fastnn.kernels.sums.cycles import inside
from fastnn.kernels.sums.theta_gradient import is_by_lanes

# Channels in and out, height and width, of a window, its stride and padding.
LAYERS = (
    (1, 6, 28, 5, 1, 0),
    (6, 16, 12, 5, 1, 0),
    (1, 16, 28, 5, 2, 0),
    (16, 32, 12, 3, 2, 0),
    (16, 32, 8, 3, 1, 0),
    (32, 64, 14, 3, 1, 1),
    (3, 32, 32, 3, 1, 1),
    (64, 64, 6, 1, 1, 0),
    (24, 24, 5, 4, 1, 0),
)


def described(layer, m, zero):
    C, K, n, f, S, P = layer
    out = (n + 2 * P - f) // S + 1
    sizes, window = (m, C, K, n, n, out, out), (f, f, S, S, P, P, 1, 1)
    return sizes, window, place(0, (C, n, n), zero), place(0, (K, out, out), zero)


@pytest.mark.parametrize("zero", [np.float32(0), np.float64(0)], ids=["float32", "float64"])
@pytest.mark.parametrize("algorithm", [AUTO, DIRECT, WINOGRAD, SAMPLES])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("rows", [8, 32, 512])
def test_known(layer, algorithm, zero, rows):
    noted = known(algorithm, *described(layer, rows, zero), zero)
    assert noted & ALGORITHM_BITS == algorithm
    assert noted & BY_LANES or noted & BY_ROWS
    for m in sorted({*range(1, min(rows, 40)), rows - 7, rows - 1, rows}):
        sizes, window, image, grid = described(layer, m, zero)
        if noted & (GATHERED | SCATTERED):
            assert bool(scatters(algorithm, sizes, window, zero)) == bool(noted & SCATTERED)
        assert bool(is_by_lanes(sizes, window, zero)) == bool(noted & BY_LANES)
        for back, read, written in ((0, image, grid), (1, grid, image)):
            found = in_lanes(back, algorithm, sizes, window, read, written, zero)
            by_table = in_lanes(back, noted, sizes, window, read, written, zero)
            assert found == by_table or (found == 0 and m < rows)


def test_windows_that_meet_padding_alone():
    """They take no time that others could save."""
    zero = np.float32(0)
    sizes, window = (32, 8, 16, 2, 2, 2, 2), (1, 1, 3, 1, 1, 0, 1, 1)
    assert known(AUTO, sizes, window, place(0, (8, 2, 2), zero), place(0, (16, 2, 2), zero), zero)


def test_something_is_left_open():
    """Or the test above could not fail."""
    noted = [known(AUTO, *described(layer, 512, np.float32(0)), np.float32(0)) for layer in LAYERS]
    for flag in (GATHERED, SCATTERED, BY_ROWS, BY_LANES):
        assert 0 < sum(bool(each & flag) for each in noted) < len(noted), flag
    for unit in (FEWEST, FEWEST_BACK):
        assert len({each // unit % FEWEST_LIMIT for each in noted}) > 1


@pytest.mark.parametrize("axis", [0, 1])
def test_pairs_inside(axis):
    """Taps that meet a cell of the image, along an axis: counted one by one. All cycles are worked out from them."""
    for n, f, S, P, D in itertools.product((1, 2, 7, 12), (1, 3, 5), (1, 2, 3), (0, 1, 4), (1, 2)):
        out = (n + 2 * P - D * (f - 1) - 1) // S + 1
        if out > 0:
            met = sum(0 <= S * i + D * r - P < n for i in range(out) for r in range(f))
            other = 50, 9, 4, 2, 3  # along the other axis
            along = zip((n, f, S, P, D), other, strict=True)
            H, f_, S_, P_, D_ = (pair if axis == 0 else pair[::-1] for pair in along)
            sizes, window = (1, 1, 1, *H, *((out, 20) if axis == 0 else (20, out))), (*f_, *S_, *P_, *D_)
            assert inside(axis, sizes, window) == met, (n, f, S, P, D)
