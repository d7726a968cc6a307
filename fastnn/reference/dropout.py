"""Dropout, with masks that are a function of a seed and an element's number: the same in any order, on any thread."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Array, checked
from fastnn.constants import GOLDEN, MIXERS


def mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, of uint64."""
    for shift, factor in MIXERS:
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))


@checked
def dropout(a: Array, rate: float, seed: int, out: Array | None = None) -> Array:
    """(2) a_i / (1 - rate), or 0 with probability rate. Its own backward step: da is dropout(dz, rate, seed).

    0 <= rate < 1, a multiple of 2^-24 or the next one below; element i depends on (seed, i). Sources: Srivastava et al.
    (2014), inverted; Steele et al. (2014), SplitMix64.
    """
    threshold = shapes.dropout_threshold(rate)
    dropped = shapes.result(out, a.shape, a.dtype)
    key = mixed(np.array([(seed + GOLDEN) % 2**64], np.uint64))
    bits = mixed(key + np.arange(1, a.size + 1, dtype=np.uint64) * np.uint64(GOLDEN)) >> np.uint64(40)
    scale = a.dtype.type(1 / (1 - threshold / 2**24))
    dropped[...] = np.where(bits.reshape(a.shape) >= threshold, a * scale, 0)
    return dropped
