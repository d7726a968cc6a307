"""Sums over windows of 3 x 3 cells, to z and back to da: with stride 1 in 16 products where 36 stand in the equation, with
stride 2 in 25.

z = A^T [sum_c (G theta_c G^T) (B^T d_c B)] A, by the schemes of winograd_schemes.py and the transforms of winograd_tiles.py:
each sum in the brackets, over channels and the products that belong to it, is a product of matrices, (K, C) by (C, tiles).
A panel of tiles, as many as a register tile has columns, has its patches transformed for all channels, PATCH_BYTES at most
(those that follow add to z), and they stay in the second-level cache. The sums of a register tile's rows k lie in the
first-level cache, or near it, until they become cells.

What it costs in accuracy: a cell's sum has terms of all cells of its patch, so its error is relative to the largest of them,
where that of the plain sum is relative to each term. With uniform cells and weights both are within the same bound, and as
near; but where cells of a patch differ by a factor of 10^6, the small ones' part may be lost in float32.
Infinity less infinity would be NaN, and differences of finite cells may overflow. So samples with a cell that is not finite,
those between them, and those beside them in a panel, are computed again by `correlate`: what is not finite is what the
equation gives.

Tuples as in planes.py and correlate.py; `where` are addresses in scratch (`_layout`).
"""

import numpy as np

from fastnn.constants import IDENTITY, WINOGRAD
from fastnn.kernels.arrays.memory import ask_to_write, element_size, read_integer, write, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.loops.pointwise import activate_planes
from fastnn.kernels.registers.forms import form, full_rows, lanes, zero_of, zeros
from fastnn.kernels.registers.simd import LINE, VECTORS
from fastnn.kernels.registers.tiles import rank_one, store
from fastnn.kernels.sums.correlate import Weights
from fastnn.kernels.sums.planes import Images, Sizes, Window
from fastnn.kernels.winograd.winograd_back import transform_patches_back, transform_sums_back
from fastnn.kernels.winograd.winograd_choices import sample_cycles
from fastnn.kernels.winograd.winograd_schemes import (
    ONE,
    TWO,
    WEIGHTS,
    cell_of,
    cells_of,
    corner_of,
    grid_of,
    products_in,
    sums_of,
    tile_side,
    weight_of,
)
from fastnn.kernels.winograd.winograd_strided import transform_patches_apart, transform_sums_apart
from fastnn.kernels.winograd.winograd_tiles import (
    Pair,
    patch_step,
    transform_patches,
    transform_sums,
    transform_weights,
    weight_step,
)

Soon = tuple[int, int, int, int, int, int]

# Of transformed patches, so that they stay in a second-level cache of 1 MB beside the weights that stream by.
PATCH_BYTES = 512 * 1024
NOTES_BYTES = 8 * (25 + 2 * 25)  # of 25 sums and 25 products at most


@shared
def winograd_bytes(scheme: int, algorithm: int, sizes: Sizes, window: Window, zero: float) -> int:
    """What `winograd` needs beside the scratch of `correlate`, for so many samples or fewer: `takes` is true of some only if
    a sample is faster. Callers ask `can_be` first.
    """
    fewer, direct = sample_cycles(scheme, sizes, window, zero)
    return _layout(0, scheme, sizes, zero)[6] + LINE if algorithm == WINOGRAD or fewer < direct else 0


@compiled
def channels_of_patches(scheme, C, zero):
    """How many channels go together: at most PATCH_BYTES of patches, and about as many each time."""
    places = cells_of(scheme) * cells_of(scheme)
    most = max(1, PATCH_BYTES // (places * VECTORS * lanes(zero) * element_size(zero)))
    return max(1, -(-C // max(1, -(-C // most))))


@compiled
def _layout(scratch, scheme, sizes, zero):
    """Addresses in scratch: weights, patches, sums, zeros, ones, notes, the end. A vector behind sums is read."""
    vector = lanes(zero) * element_size(zero)
    weights = -(-scratch // LINE) * LINE
    channels = channels_of_patches(scheme, sizes[1], zero)
    blocks = -(-sizes[1] // channels) * -(-sizes[2] // full_rows(zero))
    patches = weights + blocks * WEIGHTS * WEIGHTS * weight_step(channels, zero)
    sums = patches + cells_of(scheme) * cells_of(scheme) * patch_step(channels, zero)
    nothing = sums + (sums_of(scheme) * sums_of(scheme) * VECTORS * full_rows(zero) + 1) * vector
    ones = nothing + 5 * vector
    notes = -(-(ones + VECTORS * vector) // LINE) * LINE
    return weights, patches, sums, nothing, ones, notes, notes + NOTES_BYTES


@shared
def winograd(
    scheme: int, sizes: Sizes, window: Window, image: Images, weights: Weights, out: Images, scratch: int, zero: float
) -> Pair:
    """All samples of one group, with the arguments of `correlate`; the cells of a row of image and out are neighbours.

    Returns a range of samples, empty or with all those where something is not finite, which are to be computed again.
    """
    m, C, K, H, W, H_out, W_out = sizes
    size, wide, rows = element_size(zero), VECTORS * lanes(zero), full_rows(zero)
    channels, corner = channels_of_patches(scheme, C, zero), corner_of(scheme, window)
    where = _layout(scratch, scheme, sizes, zero)
    for place in range(where[2], where[4], size):
        write(zero, place)
    for place in range(where[4], where[4] + wide * size, size):
        write(zero + np.float32(1), place)
    transform_weights(scheme, weights[0], (K, C), channels, where[0], zero)
    grid = grid_of(scheme, sizes)
    each = grid[0] * grid[1]
    tiles, done, again = m * each, 0, (0, 0)
    for t in range(0, tiles, wide):
        behind, finite, above = min(t + wide, tiles), True, where[0]
        near, far = _lines_soon(scheme, sizes, (t, behind), out)
        for c in range(0, C, channels):
            some = (m, min(channels, C - c), K, H, W, H_out, W_out)
            if t == 0 or channels < C:
                _note_products(scheme, some[1], where[5], zero)
            source = (image[0] + c * image[2], image[1], image[2], image[3], image[4])
            lines = (where[1], patch_step(some[1], zero), wide * size)
            _transform_patches(scheme, source, some, corner, (t, behind), lines, where[3], zero)
            for k in range(0, K, rows):
                last = min(rows, K - k) - 1
                soon = (near[0] + k * out[2], near[1], far[0] + k * out[2], far[1], last + 1, out[2])
                bias = (weights[1] + k * weights[2], weights[2], last, where[4]) if c == 0 else (where[3], 0, last, where[3])
                _products(scheme, above, (where[1], some[1], where[5]), bias, where[2], behind - t, soon, zero)
                above += WEIGHTS * WEIGHTS * weight_step(some[1], zero)
                cells = (out[0] + k * out[2], out[1], out[2], out[3], out[4])
                sums = (where[2], rows * wide * size, wide * size)
                if _transform_sums(scheme, sums, last, sizes, corner, (t, behind), cells, c, zero) == 0:
                    finite = False
        complete = behind // each
        if weights[3] != IDENTITY and complete > done:  # these samples' cells are in the cache still
            activate_planes(weights[3], out[0] + done * out[1], (out[1], out[2]), (complete - done, K, H_out * W_out), zero)
        done = complete
        if not finite:  # whoever comes next is in none of those samples
            again = (again[0] if again[1] > again[0] else t // each, -(-behind // each))
    return again


@compiled
def _lines_soon(scheme, sizes, tiles, out):
    """The cache lines that some tiles are written to for k = 0, in the first sample and in the next: address and number."""
    grid, side, step_h = grid_of(scheme, sizes), tile_side(scheme), out[3]
    row, below = tiles[0] // grid[1], (tiles[1] - 1) // grid[1] + 1
    first = row // grid[0]
    begin, until = side * (row - first * grid[0]), side * (below - first * grid[0])
    near = (min(sizes[5], until) - begin) * step_h // LINE + 1
    far = min(sizes[5], until - side * grid[0]) * step_h // LINE + 1 if until > side * grid[0] else 0
    place = out[0] + first * out[1]
    return (place + begin * step_h, near), (place + out[1], far)


@shared
def _ask_for(lines: Soon, first: int, behind: int) -> None:
    """Asks for some of them: all at once they would hold up the products."""
    near_place, near, far_place, far, rows, step = lines
    for line in range(first, min(behind, near + far)):
        place = near_place + line * LINE if line < near else far_place + (line - near) * LINE
        for _ in range(rows):
            ask_to_write(place)
            place += step


@compiled
def _transform_patches(scheme, image, sizes, corner, tiles, lines, nothing, zero):
    """Each by itself, so that a network has only those compiled that it runs."""
    if scheme == ONE:
        transform_patches(image, sizes, corner, tiles, lines, nothing, zero)
    elif scheme == TWO:
        transform_patches_apart(image, sizes, corner, tiles, lines, nothing, zero)
    else:
        transform_patches_back(image, sizes, corner, tiles, lines, nothing, zero)


@compiled
def _transform_sums(scheme, sums, last, sizes, corner, tiles, out, adds, zero):
    if scheme == ONE:
        return transform_sums(sums, last, sizes, corner, tiles, out, adds, zero)
    if scheme == TWO:
        return transform_sums_apart(sums, last, sizes, corner, tiles, out, adds, zero)
    return transform_sums_back(sums, last, sizes, corner, tiles, out, adds, zero)


@shared
def _note_products(scheme: int, C: int, notes: int, zero: float) -> None:
    """Of each sum: how many products it has, and of each where its weights and its patches are. To work that out takes as
    long as a few channels.
    """
    for i in range(sums_of(scheme)):
        for j in range(sums_of(scheme)):
            upper, left = products_in(scheme, i), products_in(scheme, j)
            write_integer((upper[1] - upper[0]) * (left[1] - left[0]), notes)
            notes += 8
            for p in range(upper[0], upper[1]):
                for q in range(left[0], left[1]):
                    weight = WEIGHTS * weight_of(scheme, p) + weight_of(scheme, q)
                    write_integer(weight * weight_step(C, zero), notes)
                    write_integer(
                        (cells_of(scheme) * cell_of(scheme, p) + cell_of(scheme, q)) * patch_step(C, zero), notes + 8
                    )
                    notes += 16


@compiled
def _products(scheme, above, patches, bias, sums, tiles, soon, zero):
    """The sums over C of a tile of rows with some tiles: a full register tile's, or, behind the last, vector by vector.

    patches: their address, C, and what is noted of products. Meanwhile the lines of `soon` are asked for, where they are
    written later.
    """
    wide, width = VECTORS * lanes(zero), lanes(zero)
    if tiles > wide - width:
        _sums(form(zero, full_rows(zero), VECTORS), scheme, above, patches, bias, sums, soon)
    else:
        for j in range(0, tiles, width):
            offset = j * element_size(zero)
            beside = (patches[0] + offset, patches[1], patches[2])
            _sums(form(zero, full_rows(zero), 1), scheme, above, beside, bias, sums + offset, soon)


@compiled
def _sums(kind, scheme, above, patches, bias, target, soon):
    """A register tile's, one after the other: its products, and b, which counts as it is in sum (1, 1)."""
    zero, t, (first_patch, C, note) = zero_of(kind), zeros(kind), patches
    size, rows, row = element_size(zero), full_rows(zero), VECTORS * lanes(zero) * element_size(zero)
    side, lines = sums_of(scheme), soon[1] + soon[3]
    sums, middle, asked = side * side, side + 1, 0
    part = -(-lines // sums)
    for number in range(sums):
        if asked < lines:
            _ask_for(soon, asked, asked + part)
            asked += part
        total, products = t, read_integer(note)
        if number == middle:
            total = rank_one(total, bias[0], bias[1], bias[2], bias[3], None)
        note += 8
        for _ in range(products):
            weights, patch = above + read_integer(note), first_patch + read_integer(note + 8)
            note += 16
            for _ in range(C):
                total = rank_one(total, weights, size, rows - 1, patch, None)
                weights += rows * size
                patch += row
        store(total, target, row, rows - 1, None)
        target += rows * row
