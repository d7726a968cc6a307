"""Dropout, with masks that are a function of a seed and an element's number: the same in any order, on any thread."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Array
from fastnn.constants import GOLDEN, MIXERS
from fastnn.kernels.activations import prepared
from fastnn.kernels.arrays.layout import at, flat, put_back
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.compiler.shared import shared

STEP = np.uint64(GOLDEN)
(SHIFT_1, FACTOR_1), (SHIFT_2, FACTOR_2) = ((np.uint64(shift), np.uint64(factor)) for shift, factor in MIXERS)
LAST_SHIFT, TOP = np.uint64(31), np.uint64(40)


@compiled
def mixed(x):
    """SplitMix64's finaliser, of uint64."""
    x = (x ^ (x >> SHIFT_1)) * FACTOR_1
    x = (x ^ (x >> SHIFT_2)) * FACTOR_2
    return x ^ (x >> LAST_SHIFT)


@shared
def dropout_at(a: int, out: int, n: int, threshold: int, seed: int, begin: int, zero: float) -> None:
    """n elements, of which the first has the number `begin`."""
    source, target = at(a, n, zero), at(out, n, zero)
    scale = target.dtype.type(1 / (1 - threshold / 2**24))
    key = mixed(np.uint64(seed) + STEP)
    least = np.uint64(threshold)
    for i in range(n):
        bits = mixed(key + np.uint64(begin + i + 1) * STEP) >> TOP
        target[i] = source[i] * scale if bits >= least else zero


@kernel
def dropout(a: Array, rate: float, seed: int, out: Array | None = None) -> Array:
    """(2) a_i / (1 - rate), or 0 with probability rate. Its own backward step: da is dropout(dz, rate, seed).

    0 <= rate < 1, a multiple of 2^-24 or the next one below; element i depends on (seed, i). Sources: Srivastava et al.
    (2014), inverted; Steele et al. (2014), SplitMix64.
    """
    threshold = shapes.dropout_threshold(rate)
    dropped = prepared(a, out)
    target = flat(dropped)
    dropout_at(flat(a), target, target.size, threshold, seed, 0, a.dtype.type(0))
    put_back(target, dropped)
    return dropped
