"""Softmax and its cost for few classes: a row of logits in each lane, whose vectors are full whatever k is.

A row of 10 or 16 fills no vector, and its maximum and sum go from lane to lane: for 16 classes in float32 that took three
times as long as the exponentials, for 62 twice. Here some rows of logits are turned first:

    turned   k rows of 2 lanes(zero) elements, one for each row of logits; behind the last of these stand copies of one
"""

from fastnn.kernels.arrays.layout import at, integers_at, on_stack, rows_at
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared, tiled
from fastnn.kernels.loops import elementary
from fastnn.kernels.registers.bits import wide
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import subtracted, where_above
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.tiles import added, load, row_products, store, tile

FEW_CLASSES = 63  # 64 are whole vectors, and took as long either way
MOST_TURNED = 32  # rows of logits, of two lanes each
TURNED_SIZE = FEW_CLASSES * MOST_TURNED
TERMS = 256  # rows whose cost is summed at a time
LABEL_BYTES = 8  # of an int64


@compiled
def turned_rows(zero):
    """How many rows of logits are turned at a time."""
    return 2 * lanes(zero)


@tiled
def turn_and_shift(z: int, rows: int, k: int, turned: int, highest: int, zero: float) -> None:
    """(26) z_i - max z, turned, and the maxima. A NaN that a maximum passes over makes the row's sum NaN all the same."""
    size, width, square, vector = element_size(zero), lanes(zero), tile(zero, lanes(zero), 1), tile(zero, 1, 1)
    for j in range(0, 2 * width, width):
        first, column, step = min(j, rows - 1), turned + j * size, 2 * width * size
        last = min(width, rows - first) - 1
        for i in range(0, k, width):
            count = min(width, k - i)
            values = load(square, z + (first * k + i) * size, k * size, last, count)
            store(transposed(values), column + i * step, step, count - 1, None)
        top = load(vector, column, 0, 0, None)
        for i in range(1, k):
            other = load(vector, column + i * step, 0, 0, None)
            top = where_above(top, other, other, top)
        for i in range(k):
            store(subtracted(load(vector, column + i * step, 0, 0, None), top), column + i * step, 0, 0, None)
        store(top, highest + j * size, 0, 0, None)


@shared
def exponentials_at(x: int, n: int, zero: float) -> None:
    """e^x in place of x."""
    wide()
    values = at(x, n, zero)
    for i in range(n):
        values[i] = elementary.exp(values[i])


@tiled
def sums_of_turned(turned: int, k: int, totals: int, zero: float) -> None:
    """The sums of rows of logits."""
    size, width, vector = element_size(zero), lanes(zero), tile(zero, 1, 1)
    for j in range(0, 2 * width, width):
        total = vector
        for i in range(k):
            total = added(total, load(vector, turned + (i * 2 * width + j) * size, 0, 0, None))
        store(total, totals + j * size, 0, 0, None)


@tiled
def turn_back(turned: int, rows: int, k: int, factors: int, z: int, zero: float) -> None:
    """Rows of k elements, times a factor for each row."""
    size, width, square = element_size(zero), lanes(zero), tile(zero, lanes(zero), 1)
    for j in range(0, rows, width):
        last = min(width, rows - j) - 1
        for i in range(0, k, width):
            count, step = min(width, k - i), 2 * width * size
            values = row_products(square, turned + i * step + j * size, step, count - 1, factors + j * size, None)
            store(transposed(values), z + (j * k + i) * size, k * size, last, count)


@compiled
def log_likelihoods(z, highest, totals, labels, y):
    """(27) sum_i y_i log y^_i over rows, log y^_i = (z_i - max z) - log sum e^(z_c - max z); y counts without labels.

    The totals become their logarithms.
    """
    total = 0.0
    for n in range(z.shape[0]):
        totals[n] = elementary.log(totals[n])
    for n in range(z.shape[0]):
        log_total = totals[n]
        if labels.size > 0:
            total += (z[n, labels[n]] - highest[n]) - log_total
        else:
            top = highest[n]
            for i in range(z.shape[1]):
                weight = y[n, i]
                term = weight * ((z[n, i] - top) - log_total)
                total += term if weight != 0 else weight  # a branch would leave it without vectors
    return total


@shared
def few_classes_cost_dz_at(
    z: int, y: int, is_labels: int, m: int, k: int, share: float, dz: int, keeps: int, cost: int, zero: float
) -> None:
    """(27), (32): softmax_cost_dz_at of cost_loops.py for k <= FEW_CLASSES, which needs no scratch at dz."""
    wide()
    size, step, turned = element_size(zero), turned_rows(zero), on_stack(TURNED_SIZE, zero)
    highest, totals = on_stack(TERMS, zero), on_stack(TERMS, zero)
    factors, scale = on_stack(MOST_TURNED, zero), share if is_labels != 0 else type(zero)(1)
    for begin in range(0, m, TERMS):
        some = min(TERMS, m - begin)
        for first in range(0, some, step):
            rows, passed, total = min(step, some - first), (begin + first) * k * size, totals + first * size
            turn_and_shift(z + passed, rows, k, turned, highest + first * size, zero)
            exponentials_at(turned, k * step, zero)
            sums_of_turned(turned, k, total, zero)
            if keeps != 0:
                found, parts = at(total, rows, zero), at(factors, rows, zero)
                for n in range(rows):
                    parts[n] = scale / found[n]
                turn_back(turned, rows, k, factors, dz + passed, zero)
                labels = integers_at(y + (begin + first) * LABEL_BYTES, rows if is_labels != 0 else 0)
                _take_targets(at(dz + passed, rows * k, zero), k, labels, at(y + passed, rows * k, zero), share)
        if cost != 0:
            offset, labels = begin * k * size, integers_at(y + begin * LABEL_BYTES, some if is_labels != 0 else 0)
            logits, weights = rows_at(z + offset, some, k, zero), rows_at(y + offset, some, k, zero)
            tops, sums = at(highest, some, zero), at(totals, some, zero)
            at(cost, 1, 0.0)[0] -= log_likelihoods(logits, tops, sums, labels, weights)


@compiled
def _take_targets(y_hat, k, labels, y, share):
    """(32) (y^ - y) share in place of y^, or of y^ share where there are labels, for rows of k."""
    if labels.size > 0:
        for n in range(labels.size):
            y_hat[n * k + labels[n]] -= share
    else:
        for i in range(y_hat.size):
            y_hat[i] = (y_hat[i] - y[i]) * share
