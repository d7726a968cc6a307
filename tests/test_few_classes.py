"""Softmax cross-entropy with a row of logits in each lane, and row by row: any number of classes and of rows."""

import sys

import numpy as np
import pytest
from guarded import guarded

from fastnn import kernels, reference
from fastnn.kernels.loops.few_classes import FEW_CLASSES, TERMS

CLASSES = (1, 2, 3, 5, 8, 10, 15, 16, 17, 31, 33, FEW_CLASSES, FEW_CLASSES + 1, 70)
ROWS = (1, 2, 7, 8, 9, 16, 17, 31, 33, TERMS, TERMS + 5)


def targets(rng, m, k, labels):
    """Integer labels, or rows that sum to one."""
    return rng.integers(0, k, m) if labels else rng.dirichlet(np.ones(k), m)


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_costs_and_gradients(dtype, labels, before):
    """(27), (32) beside the reference in float64; no access outside z, y or dz, each between two guard pages."""
    rng, eps = np.random.default_rng(1), np.finfo(dtype).eps
    for k in CLASSES:
        for m in ROWS:
            z, y = rng.uniform(-8, 8, (m, k)).astype(dtype), targets(rng, m, k, labels)
            exact = (
                reference.softmax_cross_entropy(z.astype(float), y),
                reference.softmax_cross_entropy_dz(z.astype(float), y),
            )
            logits, out = guarded(z, before), guarded(np.full((m, k), np.nan, dtype), before)
            given = guarded(y if labels else y.astype(dtype), before)
            assert abs(kernels.softmax_cross_entropy(logits, given) - exact[0]) <= 4 * (k + 4) * 16 * eps
            assert kernels.softmax_cross_entropy_dz(logits, given, out=out) is out
            assert np.abs(out - exact[1]).max() <= (k + 20) * eps / m


@pytest.mark.parametrize("k", [3, 10, FEW_CLASSES + 1])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(number, k):
    """(32) NaN and infinity of one row of logits, wherever it is in a block: as the reference has them."""
    rng = np.random.default_rng(2)
    for m, n in ((1, 0), (20, 0), (20, 19), (40, 33), (300, 257)):
        for i in (0, k - 1):
            z, y = rng.uniform(-1, 1, (m, k)).astype(np.float32), rng.integers(0, k, m)
            z[n, i] = number
            with np.errstate(all="ignore"):
                expected = reference.softmax_cross_entropy_dz(z, y)
            np.testing.assert_allclose(kernels.softmax_cross_entropy_dz(z, y), expected, rtol=0, atol=1e-6 / m)
