"""Whether two strided arrays share memory, decided in compiled code."""

import numpy as np

from fastnn import shapes
from fastnn.kernels.arrays.layout import integers_at
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared

NODES = 100_000  # of the search below: where it is not done by then, the arrays count as sharing


@compiled
def apart(out, operand):
    """Raise ValueError where `out` shares memory with `operand`, or an element of `out` with another; None shares none."""
    if out is None or out.size == 0:
        return
    if not shapes.is_nested(out.shape, out.strides, out.itemsize):
        raise ValueError("what is written: expected one cell an element, but some have bytes in common")
    if operand.size == 0:
        return
    low, high = extent(out)
    other_low, other_high = extent(operand)
    if low >= other_high or other_low >= high:
        return
    sizes = out.itemsize, operand.itemsize
    if share_a_byte(out.shape, out.strides, operand.shape, operand.strides, other_low - low, sizes):
        raise ValueError("what is written: expected memory of its own, but it shares some with another argument")


@compiled
def extent(array):
    """The address of an array's first byte, and of the one behind its last."""
    low = high = np.int64(array.ctypes.data)
    for axis in range(array.ndim):
        reach = (array.shape[axis] - 1) * array.strides[axis]
        low += min(reach, 0)
        high += max(reach, 0)
    return low, high + array.itemsize


@compiled
def share_a_byte(shape, strides, other_shape, other_strides, distance, sizes):
    """Whether an element of one array and an element of another have a byte in common.

    `distance` lies between their lowest addresses, `sizes` are those of an element. With all strides made positive, an
    element of the one lies at sum_k |s_k| i_k, of the other at distance + sum_l |t_l| j_l. Counting j from its end turns
    their difference into one sum of non-negative terms.
    """
    count = len(shape) + len(other_shape)
    steps = np.zeros(count, np.int64)
    limits = np.zeros(count, np.int64)
    target = distance
    for axis in range(len(shape)):
        steps[axis], limits[axis] = abs(strides[axis]), shape[axis] - 1
    for axis in range(len(other_shape)):
        place = len(shape) + axis
        steps[place], limits[place] = abs(other_strides[axis]), other_shape[axis] - 1
        target += steps[place] * limits[place]
    return some_sum(steps, limits, count, target - sizes[0] + 1, target + sizes[1] - 1) != 0


@shared
def some_sum(steps: int, limits: int, count: int, low: int, high: int) -> int:
    """`some_sum_within` for so many terms at two addresses, in any order."""
    a, b = integers_at(steps, count), integers_at(limits, count)
    terms = merge(a, b)
    return 1 if some_sum_within(a[:terms], b[:terms], low, high) else 0


@compiled
def merge(steps, limits):
    """Order the terms by stride, the largest first, and join equal ones, in place; returns how many are left."""
    terms = 0
    for k in range(steps.size):
        stride, limit = steps[k], limits[k]
        if stride == 0 or limit == 0:
            continue
        place = 0
        while place < terms and steps[place] > stride:
            place += 1
        if place < terms and steps[place] == stride:
            limits[place] += limit
            continue
        for behind in range(terms, place, -1):
            steps[behind], limits[behind] = steps[behind - 1], limits[behind - 1]
        steps[place], limits[place] = stride, limit
        terms += 1
    return terms


@compiled
def some_sum_within(steps, limits, low, high):
    """Whether sum_k steps_k x_k lies in [low, high] for some 0 <= x_k <= limits_k: a depth-first search.

    Strides of ordinary arrays are nested (each exceeds the reach of all smaller ones), which leaves one or two
    candidates a level. The problem is NP-hard for others: after NODES steps the answer is yes.
    """
    terms = steps.size
    if terms == 0:
        return low <= 0 <= high
    rest = np.zeros(terms, np.int64)  # the reach of all terms behind this one
    for level in range(terms - 1, 0, -1):
        rest[level - 1] = rest[level] + steps[level] * limits[level]
    x = np.zeros(terms, np.int64)
    last = np.zeros(terms, np.int64)
    lows = np.full(terms, low, np.int64)
    highs = np.full(terms, high, np.int64)
    x[0] = max(0, -((rest[0] - low) // steps[0]))
    last[0] = min(limits[0], high // steps[0])
    level = 0
    for _ in range(NODES):
        if x[level] > last[level]:
            level -= 1
            if level < 0:
                return False
            x[level] += 1
        elif level == terms - 1:
            return True
        else:
            taken = steps[level] * x[level]
            lows[level + 1], highs[level + 1] = lows[level] - taken, highs[level] - taken
            level += 1
            x[level] = max(0, -((rest[level] - lows[level]) // steps[level]))
            last[level] = min(limits[level], highs[level] // steps[level])
    return True
