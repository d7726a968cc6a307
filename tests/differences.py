"""Random arrays, central finite differences of a cost, and how far two gradients are apart."""

import numpy as np

STEP = 1e-5  # near eps^(1/3), where rounding, eps / STEP, and curvature, STEP^2, are both about 1e-10
EXACT = 1e-12  # the same float64 sums in another order
DIFFERENCED = 1e-8  # a right gradient beside its finite difference
WRONG = 1e-2  # what a wrong formula must at least be off by


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape)


def numerical_gradient(cost, x):
    """dcost / dx, where cost() reads the float64 array x, which is changed and restored cell by cell."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + STEP
        above = cost()
        x[index] = kept - STEP
        below = cost()
        x[index] = kept
        gradient[index] = (above - below) / (2 * STEP)
    return gradient


def distance(actual, expected):
    """The largest difference, in units of the largest expected value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()
