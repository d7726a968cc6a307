"""The register tile's own peak: what its rank-one update does in the first-level cache, with nothing around it."""

import numpy as np
from numba import njit
from numpy.typing import DTypeLike

from fastnn.kernels.arrays.layout import address
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import OPTIONS
from fastnn.kernels.registers.forms import full_rows, lanes
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import rank_one, store, tile

TERMS = 64  # of each sum: 8 x 64 and 64 x 48 floats, 14 KB, fit into any first-level cache
SUMS = 100


@njit(**OPTIONS)
def sums(a, b, c):
    """A tile's rank-one updates over TERMS columns of a and rows of b, SUMS times; returns its multiply-adds."""
    zero = c.dtype.type(0)
    size, rows, width = element_size(zero), full_rows(zero), VECTORS * lanes(zero)
    total = tile(zero, full_rows(zero), VECTORS)
    for _ in range(SUMS):
        above, beside = address(a), -(-address(b) // LINE) * LINE
        for _ in range(TERMS):
            total = rank_one(total, above, TERMS * size, rows - 1, beside, None)
            above += size
            beside += width * size
    store(total, address(c), width * size, rows - 1, None)
    return SUMS * TERMS * rows * width


class Tile:
    """The tile as a contender. Its arrays hold zeros: the sums stay 0, and the speed does not depend on it."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.arrays = [np.zeros(8192, dtype) for _ in range(3)]
        self.flops = 2 * sums(*self.arrays)

    def run(self) -> None:
        sums(*self.arrays)
