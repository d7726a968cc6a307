"""A model as a table of integers, which compiled code walks through: one row a layer, behind a header.

All compiled networks have the same type, whatever their layers, so a new architecture compiles nothing that another one has
compiled. Sizes are in elements, of one sample where there is one.

Where results are kept. What a large dense layer's gradient needs, its input and its dz, is kept for the whole batch. All
else is kept for the samples that go through the layers together, a slice, and is in the cache from the way forward to the
way back: there the gradients of convolutions and of small dense layers are taken, and summed slice by slice.
A place is an offset, for one sample, into one of the two memories; `*_KEPT` says which: 1 for the batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn import shapes
from fastnn.constants import ACTIVATION_CODES, ALGORITHM_CODES, NEEDS_Z, RELU
from fastnn.layers import AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, Layer, MaxPool2D

if TYPE_CHECKING:
    from fastnn.model import Sequential

Table = NDArray[np.int64]

# The header: sizes of a sample in the two memories, samples in a slice, parameters of layers whose gradient is summed slice
# by slice, the first layer that has parameters, where the inputs are kept, the bytes of scratch of convolutions, and whether
# there is a narrow layer.
LAYERS, INPUT, OUTPUT, PARAMETERS, LOSS, BATCH, SLICE, ROWS, PARTIAL, FIRST, X_PLACE, X_KEPT, SCRATCH, BLOCKS = range(14)

# A layer: what it is; its parameters, SUMMED being 1 where their gradient is summed slice by slice; where its results are;
# whether it is narrow, and where its inputs are in blocks then; of a max pool INDEXED is 1 where its way forward keeps which
# cells were the largest for the way back.
# GEOMETRY stands for C, H, W, K, H', W', f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w, groups and algorithm.
KIND, G, N_IN, N_OUT, RATE, SEED = range(6)
THETA, COUNT, SUMMED, PARTIAL_PLACE = range(6, 10)
A_PLACE, A_KEPT, Z_PLACE, Z_KEPT, D_PLACE, D_KEPT = range(10, 16)
NARROW, BLOCKS_PLACE = range(16, 18)
INDEXED, INDEX_PLACE = range(18, 20)
GEOMETRY = 20
NUMBERS = 16  # of a geometry
WINDOW = slice(GEOMETRY + 6, GEOMETRY + 8)  # f_h, f_w

WIDTH = GEOMETRY + NUMBERS  # of a row

DENSE, CONV, TRANSPOSED, MAX_POOL, AVG_POOL, DROPOUT = range(6)

SLICE_BYTES = 1024 * 1024  # what a slice keeps: it stays in a second-level cache of 2 MB, and nearly does in one of 1 MB
MOST_ROWS = 1024  # each slice adds up the lanes of narrow layers' sums: 4-32-16-4's step took 3 % longer with 512
GROUPS = 8  # of slices, at most: so many threads find work, and so many sums of a convolution's gradient are kept
# A dense layer with no more features than this, in or out, has samples in its lanes (narrow_tiles.py): features would leave
# tiles partly empty. Steps of three layers of n features, 2,000 samples, with features and with samples in the lanes, in us:
# n = 4: 76, 17; 12: 111, 72; 16: 124, 112; 24: 299, 238; 32: 382, 384; and 64, in float64: 2,930, 3,410.
NARROW_WIDTH = 32
SUMMED_COUNT = 16384  # parameters of a dense layer up to which its gradient is: as many as a chunk has at least (step.py)
# A slice of more work than this, 0.05 ms, is halved so that threads find some, down to so many rows: each slice reads theta
# once more. 784-128-10 at batch 64: 258 us with one slice or with two, and by two threads 159 instead of 258.
SLICE_OPERATIONS, SHARED_ROWS = 5e6, 32
LEAST_ROWS = 8  # a dense layer reads all of theta for a slice, so a slice has the rows of a tile at least


def table(model: Sequential, loss: int) -> Table:
    """The table of a model; TypeError, naming the layer, where one is of a class that compiled code does not know."""
    layers = [layer for layer in model.layers if type(layer) is not Flatten]  # rows of images are in memory what images are
    rows = np.zeros((1 + len(layers), WIDTH), np.int64)
    header = rows[0]
    header[LAYERS], header[LOSS], header[FIRST] = len(layers), loss, len(layers) + 1
    header[INPUT], header[OUTPUT] = math.prod(model.input_shape), math.prod(model.output_shape)
    for number, (row, layer) in enumerate(zip(rows[1:], layers, strict=True), 1):
        _describe(row, layer)
        row[THETA], row[PARTIAL_PLACE] = header[PARAMETERS], header[PARTIAL]
        header[PARAMETERS] += row[COUNT]
        header[PARTIAL] += row[COUNT] if row[SUMMED] else 0
        if row[COUNT]:
            header[FIRST] = min(header[FIRST], number)
    _pool_first(rows)
    header[BLOCKS] = rows[1:, NARROW].any()
    _place_results(rows)
    _place_gradients(rows)
    header[ROWS] = _slice_rows(int(header[SLICE] + header[BATCH]) * model.dtype.itemsize, operations(rows))
    return rows


def _describe(row: Table, layer: Layer) -> None:
    """What the layer is, but for where its results are kept."""
    if type(layer) not in KINDS:
        known = ", ".join(kind.__name__ for kind in KINDS)
        raise TypeError(f"layers: expected {known} or Flatten, got {layer!r}")
    assert layer.input_shape is not None
    row[KIND], geometry = KINDS[type(layer)]
    numbers = geometry(layer)
    row[GEOMETRY : GEOMETRY + len(numbers)] = numbers
    row[N_IN], row[N_OUT] = math.prod(layer.input_shape), math.prod(layer.output_shape)
    row[COUNT] = sum(math.prod(shape) for shape in layer.parameter_shapes.values())
    row[SUMMED] = row[COUNT] > 0 and (row[KIND] != DENSE or row[COUNT] <= SUMMED_COUNT)
    row[NARROW] = row[SUMMED] and row[KIND] == DENSE and max(row[N_IN], row[N_OUT]) <= NARROW_WIDTH
    row[G] = ACTIVATION_CODES[getattr(layer, "activation", "identity")]
    if isinstance(layer, Dropout):
        row[RATE], row[SEED] = shapes.dropout_threshold(layer.rate), layer.seed


def _pool_first(rows: Table) -> None:
    """relu behind a max pool in place of before it, on so many cells fewer: the same numbers, bit for bit, both ways.

    The largest of a window's cells is the same one if it is above 0; if not, relu' lets nothing through. LeNet's step, 128
    images: 3,015 us of 3,197.
    """
    for row, following in itertools.pairwise(rows[1:]):
        if row[G] == RELU and following[KIND] == MAX_POOL:
            row[G], following[G] = following[G], row[G]


def _convolution(layer: Conv2D | ConvTranspose2D) -> tuple[int, ...]:
    assert layer.input_shape is not None
    window = (*layer._f, *layer._S, *layer._P, *layer._D)
    return (*layer.input_shape, *layer.output_shape, *window, layer.groups, ALGORITHM_CODES[layer.algorithm])


def _pool(layer: MaxPool2D | AvgPool2D) -> tuple[int, ...]:
    assert layer.input_shape is not None
    f, S, P = layer._settings
    return (*layer.input_shape, *layer.output_shape, *f, *S, *P, 1, 1, 1, 0)


KINDS: dict[type[Layer], tuple[int, Callable[[Any], tuple[int, ...]]]] = {
    Dense: (DENSE, lambda layer: ()),
    Conv2D: (CONV, _convolution),
    ConvTranspose2D: (TRANSPOSED, _convolution),
    MaxPool2D: (MAX_POOL, _pool),
    AvgPool2D: (AVG_POOL, _pool),
    Dropout: (DROPOUT, lambda layer: ()),
}


def _place_results(rows: Table) -> None:
    """z and a of every layer, and a^[0], and indices. a is written over z where the way back needs only a."""
    header = rows[0]
    header[X_KEPT] = len(rows) > 1 and _whole(rows[1])
    header[X_PLACE] = _take(header, header[X_KEPT], header[INPUT])
    for number, row in enumerate(rows[1:], 1):
        last = number == len(rows) - 1
        size = row[N_OUT] + (1 if not last and row[NARROW] and rows[number + 1, NARROW] else 0)  # a_0 = 1, of blocks
        row[A_KEPT] = last or _whole(rows[number + 1])
        row[A_PLACE] = _take(header, row[A_KEPT], size)
        row[Z_KEPT], row[Z_PLACE] = row[A_KEPT], row[A_PLACE]
        if row[G] in NEEDS_Z:
            row[Z_KEPT], row[Z_PLACE] = 0, _take(header, 0, size)
        if row[KIND] == MAX_POOL and number > header[FIRST] and math.prod(row[WINDOW].tolist()) <= shapes.MOST_INDEXED:
            row[INDEXED], row[INDEX_PLACE] = 1, _take(header, 0, -(-row[N_OUT] // 4))  # a byte each; elements have 4 or 8
        if row[NARROW] and not rows[number - 1, NARROW]:
            row[BLOCKS_PLACE] = _take(header, 0, 1 + row[N_IN])


def _whole(row: Table) -> bool:
    """Whether a layer's gradient is taken over the whole batch."""
    return bool(row[KIND] == DENSE and not row[SUMMED])


def _place_gradients(rows: Table) -> None:
    """da of every layer, which becomes its dz in place: kept where it is needed; the others take turns with two places."""
    header = rows[0]
    places = [0, 0]
    for turn in (0, 1):
        sizes = [row[N_OUT] for number, row in enumerate(rows[1:]) if not _whole(row) and number % 2 == turn]
        places[turn] = _take(header, 0, max(sizes, default=0))
    for number, row in enumerate(rows[1:]):
        row[D_KEPT] = _whole(row)
        row[D_PLACE] = _take(header, 1, row[N_OUT]) if row[D_KEPT] else places[number % 2]


def _take(header: Table, kept: int, size: int) -> int:
    """So much more of one of the two memories; returns where it begins."""
    memory = BATCH if kept else SLICE
    begin = int(header[memory])
    header[memory] += size
    return begin


def _slice_rows(sample: int, work: float) -> int:
    """Samples in a slice, of so many bytes and operations each: a power of two, so that it is whole tiles."""
    rows = MOST_ROWS
    while rows > LEAST_ROWS and rows * sample > SLICE_BYTES:
        rows //= 2
    while rows > SHARED_ROWS and rows * work > SLICE_OPERATIONS:
        rows //= 2
    return rows


def groups(rows: Table, m: int) -> int:
    """Into how many groups the slices of a batch of m samples are put."""
    return min(GROUPS, max(1, -(-m // int(rows[0, ROWS]))))


def operations(rows: Table) -> float:
    """Floating-point operations of a training step for one sample, but for what is not a product."""
    terms = 0
    for row in rows[1:]:
        K, C, groups, window = row[GEOMETRY + 3], row[GEOMETRY], row[GEOMETRY + 14], row[WINDOW]
        if row[KIND] == DENSE:
            terms += row[N_IN] * row[N_OUT]
        elif row[KIND] in (CONV, TRANSPOSED):
            cells = row[N_OUT] // K if row[KIND] == CONV else row[N_IN] // C
            terms += cells * K * C // groups * math.prod(window)
    return 6.0 * float(terms)
