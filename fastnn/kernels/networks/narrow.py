"""Narrow dense layers in a network: samples in the lanes (narrow_tiles.py), from layer to layer without a copy.

Layers that follow each other keep what is between them in blocks: a with its ones, z likewise, and dz in place of a, which
then nobody needs any more: a slice is half as large, and what has been read last is written. Where the layer before or
behind is another one, rows are copied into blocks or out of them.
"""

from fastnn import plan
from fastnn.constants import IDENTITY, RELU, SIGMOID, TANH
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.loops.pointwise import activate, da_to_dz
from fastnn.kernels.networks.frame import Frame, gradient, kept, result, row_of
from fastnn.kernels.products.narrow_tiles import (
    LEAST_BLOCKS,
    as_it_is,
    block_samples,
    into_blocks,
    out_of_blocks,
    plain_back_at,
    relu_back_at,
    row_bytes,
    sigmoid_back_at,
    sums_over_samples,
    tanh_back_at,
    times_blocks,
    write_ones,
)


@compiled
def in_blocks(layer, rows, zero):
    """Whether so many samples go through the layer in blocks."""
    return layer[plan.NARROW] != 0 and rows >= LEAST_BLOCKS * block_samples(zero)


@compiled
def joins(table, number):
    """Whether layer `number` and the next one are narrow both."""
    if number < 1 or number >= row_of(table, 0)[plan.LAYERS]:
        return False
    return row_of(table, number)[plan.NARROW] != 0 and row_of(table, number + 1)[plan.NARROW] != 0


@compiled
def inputs_of(frame, number, first, zero):
    """Where the layer's inputs are in blocks."""
    layer = row_of(frame[0], number)
    if joins(frame[0], number - 1):
        return result(frame, number - 1, first, zero)
    return kept(frame, layer[plan.BLOCKS_PLACE], 0, 0, first, zero)


@compiled
def z_of(frame, number, first, zero):
    """Where its z is."""
    layer = row_of(frame[0], number)
    return kept(frame, layer[plan.Z_PLACE], layer[plan.Z_KEPT], layer[plan.N_OUT], first, zero)


@shared
def narrow_forward_at(frame: Frame, number: int, first: int, rows: int, zero: float) -> None:
    """(2), (3) a^[number - 1] -> a^[number]."""
    table, layer, size, row = frame[0], row_of(frame[0], number), element_size(zero), row_bytes(zero)
    g, n_in, n_out = layer[plan.G], layer[plan.N_IN], layer[plan.N_OUT]
    bias = frame[3] + layer[plan.THETA] * size
    a, z, out = inputs_of(frame, number, first, zero), z_of(frame, number, first, zero), result(frame, number, first, zero)
    if not joins(table, number - 1):
        into_blocks(rows, n_in, result(frame, number - 1, first, zero), 1, a, zero)
    blocks, joined = -(-rows // block_samples(zero)), joins(table, number)
    left, inputs = (bias + n_out * size, size, n_out * size), (a + row, (1 + n_in) * row)
    target = (z + row, (1 + n_out) * row) if joined else (frame[6], n_out * row)
    times_blocks(blocks, (n_out, n_in), left, bias, inputs, target, as_it_is, zero)
    if not joined:
        out_of_blocks(rows, n_out, frame[6], z, zero)
        activate(g, z, out, rows * n_out, zero)
        return
    for _ in range(blocks):
        write_ones(out, zero)
        activate(g, z + row, out + row, n_out * block_samples(zero), zero)
        z, out = z + target[1], out + target[1]


@shared
def narrow_back_at(frame: Frame, number: int, first: int, rows: int, partial: int, zero: float) -> None:
    """(8), (9), (10) dz -> dtheta and, of the layer before, da. Between narrow layers dz comes and goes in place of a."""
    table, layer, size, row = frame[0], row_of(frame[0], number), element_size(zero), row_bytes(zero)
    n_in, n_out = layer[plan.N_IN], layer[plan.N_OUT]
    blocks, dz, behind = -(-rows // block_samples(zero)), (frame[6], n_out * row), frame[6]
    if joins(table, number):
        dz = (result(frame, number, first, zero) + row, (1 + n_out) * row)
    else:
        da, behind = gradient(frame, number, first, zero), frame[6] + blocks * n_out * row
        if layer[plan.G] != IDENTITY:
            z, a = z_of(frame, number, first, zero), result(frame, number, first, zero)
            da_to_dz(layer[plan.G], da, z, a, da, rows * n_out, zero)
        into_blocks(rows, n_out, da, 0, frame[6], zero)
    a, dtheta = inputs_of(frame, number, first, zero), partial + layer[plan.PARTIAL_PLACE] * size
    sums_over_samples(rows, (1 + n_in, n_out), (a, (1 + n_in) * row), dz, dtheta, zero)
    if number == row_of(table, 0)[plan.FIRST]:
        return
    left, below, g = (
        (frame[3] + (layer[plan.THETA] + n_out) * size, n_out * size, size),
        (a + row, (1 + n_in) * row),
        IDENTITY,
    )
    if joins(table, number - 1):
        g = row_of(table, number - 1)[plan.G]
    else:
        below = (behind, n_in * row)
    if g == IDENTITY:
        plain_back_at(blocks, (n_in, n_out), left, dz, below, zero)
    elif g == TANH:
        tanh_back_at(blocks, (n_in, n_out), left, dz, below, zero)
    elif g == SIGMOID:
        sigmoid_back_at(blocks, (n_in, n_out), left, dz, below, zero)
    elif g == RELU:
        relu_back_at(blocks, (n_in, n_out), left, dz, below, zero)
    else:
        plain_back_at(blocks, (n_in, n_out), left, dz, (behind, n_in * row), zero)
        z, count = z_of(frame, number - 1, first, zero) + row, n_in * block_samples(zero)
        for block in range(blocks):
            place, passed = below[0] + block * below[1], block * below[1]
            da_to_dz(g, behind + block * n_in * row, z + passed, place, place, count, zero)
    if not joins(table, number - 1):
        out_of_blocks(rows, n_in, behind, gradient(frame, number - 1, first, zero), zero)
