"""The loops of the costs and of their gradients, on addresses: contiguous floats of zero's dtype.

A cost is a sum in float64, not yet divided by the samples, and in blocks of at most TERMS terms: its rounding error grows
with TERMS + n / TERMS and not with n. `<cost>_cost_d?_at` is for a training step: it writes the gradient, times `share`, and
adds the cost to the float64 at the address `cost`. What is written shares no memory with what is read.
"""

import numpy as np

from fastnn.kernels.arrays.layout import at, integers_at, on_stack, rows_at
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.loops import elementary
from fastnn.kernels.loops.few_classes import (
    FEW_CLASSES,
    LABEL_BYTES,
    TERMS,
    few_classes_cost_dz_at,
    log_likelihoods,
)
from fastnn.kernels.registers.bits import from_ordered, ordered, wide


@compiled
def add(term, cost):
    """Add to the float64 at an address."""
    at(cost, 1, 0.0)[0] += term


# Softmax, over m rows of k logits --------------------------------------------------------------------------------------


@compiled
def block_rows(k):
    """How many rows of logits to take at a time: 4096 numbers or a few more, which stay in the first cache."""
    return min(TERMS, 1 + 4096 // k)


@compiled
def exponentials(z, y_hat, highest):
    """(26) y^_i = e^(z_i - max z), not yet divided, for rows of logits; the maxima go to `highest`.

    The exponential runs over all rows at once, because one row of a few classes does not fill a vector.
    """
    wide()
    for n in range(z.shape[0]):
        top = ordered(z[n, 0])
        for i in range(1, z.shape[1]):
            top = max(top, ordered(z[n, i]))  # a NaN that is passed over makes the row's sum NaN all the same
        highest[n] = from_ordered(top)
        for i in range(z.shape[1]):
            y_hat[n, i] = z[n, i] - highest[n]
    row = y_hat.ravel()
    for i in range(row.size):
        row[i] = elementary.exp(row[i])


@compiled
def row_sums(y_hat, totals):
    for n in range(y_hat.shape[0]):
        total = y_hat.dtype.type(0)
        for i in range(y_hat.shape[1]):
            total += y_hat[n, i]
        totals[n] = total


@shared
def softmax_at(z: int, y_hat: int, m: int, k: int, zero: float) -> None:
    """(26) y^_i = e^z_i / sum_c e^z_c."""
    rows = block_rows(k)
    highest, totals = at(on_stack(TERMS, zero), TERMS, zero), at(on_stack(TERMS, zero), TERMS, zero)
    for first in range(0, m, rows):
        count, offset = min(rows, m - first), first * k * element_size(zero)
        block = rows_at(y_hat + offset, count, k, zero)
        exponentials(rows_at(z + offset, count, k, zero), block, highest)
        row_sums(block, totals)
        for n in range(count):
            total = totals[n]  # read once: it could share memory with what is written
            for i in range(k):
                block[n, i] /= total


@compiled
def differences(y_hat, totals, labels, y, share):
    """(32) (y^_i - y_i) share, in place of e^(z_i - max z) whose sums are `totals`; y counts without labels."""
    for n in range(y_hat.shape[0]):
        if labels.size > 0:
            factor = share / totals[n]
            for i in range(y_hat.shape[1]):
                y_hat[n, i] *= factor
            y_hat[n, labels[n]] -= share
        else:
            factor = y_hat.dtype.type(1) / totals[n]
            for i in range(y_hat.shape[1]):
                y_hat[n, i] = (y_hat[n, i] * factor - y[n, i]) * share


@shared
def softmax_cost_dz_at(
    z: int, y: int, is_labels: int, m: int, k: int, share: float, dz: int, keeps: int, cost: int, zero: float
) -> None:
    """(27) and (32), with y m labels, int64 and in range, or m rows of k; where cost is 0 it is not asked for.

    Unless it `keeps` dz, that is scratch for the exponentials of block_rows(k) rows.
    """
    if k <= FEW_CLASSES:
        few_classes_cost_dz_at(z, y, is_labels, m, k, share, dz, keeps, cost, zero)
    else:
        _many_classes_cost_dz_at(z, y, is_labels, m, k, share, dz, keeps, cost, zero)


@shared
def _many_classes_cost_dz_at(
    z: int, y: int, is_labels: int, m: int, k: int, share: float, dz: int, keeps: int, cost: int, zero: float
) -> None:
    """The same, row by row."""
    rows = block_rows(k)
    highest, totals = at(on_stack(TERMS, zero), TERMS, zero), at(on_stack(TERMS, zero), TERMS, zero)
    for first in range(0, m, rows):
        count, offset = min(rows, m - first), first * k * element_size(zero)
        logits, weights = rows_at(z + offset, count, k, zero), rows_at(y + offset, count, k, zero)
        labels = integers_at(y + first * LABEL_BYTES, count if is_labels != 0 else 0)
        y_hat = rows_at(dz + (offset if keeps != 0 else 0), count, k, zero)
        exponentials(logits, y_hat, highest)
        row_sums(y_hat, totals)
        if keeps != 0:
            differences(y_hat, totals, labels, weights, share)
        if cost != 0:
            add(-log_likelihoods(logits, highest, totals, labels, weights), cost)


@shared
def softmax_hits_at(z: int, y: int, is_labels: int, m: int, k: int, zero: float) -> int:
    """How many rows of logits have their largest, or first NaN, at the label, or where the target's row has its own."""
    hits, logits, labels, weights = 0, rows_at(z, m, k, zero), integers_at(y, m), rows_at(y, m, k, zero)
    for n in range(m):
        hits += largest(logits, n) == (labels[n] if is_labels != 0 else largest(weights, n))
    return hits


@shared
def side_hits_at(a: int, y: int, m: int, k: int, border: float, zero: float) -> int:
    """How many rows of a lie, in each of their k elements, on the side of the border where y is of 1/2."""
    half, hits = at(a, 0, zero).dtype.type(0.5), 0
    for n in range(m):
        offset = n * k * element_size(zero)
        outputs, targets = at(a + offset, k, zero), at(y + offset, k, zero)
        right = True
        for i in range(k):
            right = right and (outputs[i] > border) == (targets[i] > half)
        hits += right
    return hits


@compiled
def largest(rows, n):
    """Where NumPy's argmax finds it in row n."""
    best = 0
    for i in range(1, rows.shape[1]):
        if rows[n, best] == rows[n, best] and not rows[n, i] <= rows[n, best]:
            best = i
    return best


# Costs that compare n elements with n others ---------------------------------------------------------------------------


@compiled
def _sigmoid_term(x, y, zero):
    return max(x, zero) - y * x + elementary.log1p(elementary.exp(-abs(x)))


@shared
def sigmoid_cost_at(z: int, y: int, n: int, zero: float) -> np.float64:
    """(5) with a = sigmoid(z): sum max(z, 0) - y z + log(1 + e^-|z|).

    Terms of float32 are summed by themselves: in one loop its vectors would be as short as float64's, and took 1.6 times as
    long. Those of float64 would take a third longer so.
    """
    cost, terms = np.float64(0), at(on_stack(TERMS, zero), TERMS, zero)
    wide()
    for first in range(0, n, TERMS):
        count, offset = min(TERMS, n - first), first * element_size(zero)
        logits, targets = at(z + offset, count, zero), at(y + offset, count, zero)
        block = 0.0
        if element_size(zero) < 8:
            for i in range(count):
                terms[i] = _sigmoid_term(logits[i], targets[i], zero)
            for i in range(count):
                block += terms[i]
        else:
            for i in range(count):
                block += _sigmoid_term(logits[i], targets[i], zero)
        cost += block
    return cost


@shared
def sigmoid_dz_at(z: int, y: int, n: int, share: float, dz: int, zero: float) -> None:
    """(12) dz = (a - y) share."""
    logits, targets, target = at(z, n, zero), at(y, n, zero), at(dz, n, zero)
    wide()
    for i in range(n):
        target[i] = (elementary.sigmoid(logits[i]) - targets[i]) * share


@shared
def sigmoid_cost_dz_at(z: int, y: int, n: int, share: float, dz: int, cost: int, zero: float) -> None:
    """(5), (12)."""
    add(sigmoid_cost_at(z, y, n, zero), cost)
    sigmoid_dz_at(z, y, n, share, dz, zero)


@shared
def binary_cost_at(a: int, y: int, n: int, zero: float) -> np.float64:
    """(5) -sum y log a + (1 - y) log(1 - a), where a term with weight 0 is 0."""
    cost = np.float64(0)
    wide()
    for first in range(0, n, TERMS):
        count, offset = min(TERMS, n - first), first * element_size(zero)
        activations, targets = at(a + offset, count, zero), at(y + offset, count, zero)
        one = targets.dtype.type(1)
        block = 0.0
        for i in range(count):
            y_i = targets[i]
            rise, fall = elementary.log(activations[i]), elementary.log1p(-activations[i])
            block -= float((zero if y_i == zero else y_i * rise) + (zero if y_i == one else (one - y_i) * fall))
        cost += block
    return cost


@shared
def binary_da_at(a: int, y: int, n: int, share: float, da: int, zero: float) -> None:
    """(39) da = ((1 - y) / (1 - a) - y / a) share, where a term with weight 0 is 0."""
    activations, targets, target = at(a, n, zero), at(y, n, zero), at(da, n, zero)
    one = target.dtype.type(1)
    for i in range(n):
        y_i = targets[i]
        rise = zero if y_i == one else (one - y_i) / (one - activations[i])
        fall = zero if y_i == zero else y_i / activations[i]
        target[i] = (rise - fall) * share


@shared
def binary_cost_da_at(a: int, y: int, n: int, share: float, da: int, cost: int, zero: float) -> None:
    """(5), (39)."""
    add(binary_cost_at(a, y, n, zero), cost)
    binary_da_at(a, y, n, share, da, zero)


@shared
def mean_squared_cost_at(a: int, y: int, n: int, zero: float) -> np.float64:
    """(4) sum (a - y)^2, not yet divided by the elements."""
    cost = np.float64(0)
    for first in range(0, n, TERMS):
        count, offset = min(TERMS, n - first), first * element_size(zero)
        activations, targets = at(a + offset, count, zero), at(y + offset, count, zero)
        block = 0.0
        for i in range(count):
            d = activations[i] - targets[i]
            block += d * d
        cost += block
    return cost


@shared
def mean_squared_da_at(a: int, y: int, n: int, share: float, da: int, zero: float) -> None:
    """(4) da = (a - y) share; share holds the 2."""
    activations, targets, target = at(a, n, zero), at(y, n, zero), at(da, n, zero)
    for i in range(n):
        target[i] = (activations[i] - targets[i]) * share


@shared
def mean_squared_cost_da_at(a: int, y: int, n: int, share: float, da: int, cost: int, zero: float) -> None:
    """(4)."""
    add(mean_squared_cost_at(a, y, n, zero), cost)
    mean_squared_da_at(a, y, n, share, da, zero)
