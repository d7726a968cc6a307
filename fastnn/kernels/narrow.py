"""Narrow dense layers in a network: samples in the lanes (narrow_tiles.py), from layer to layer without a copy.

Layers that follow each other keep what is between them in blocks: a with its ones, z likewise, and dz without. Where the
layer before or behind is another one, rows are copied into blocks or out of them.
"""

from fastnn import plan
from fastnn.constants import IDENTITY, RELU, SIGMOID, TANH
from fastnn.kernels.frame import Frame, gradient, kept, result, row_of
from fastnn.kernels.jit import compiled
from fastnn.kernels.memory import element_size
from fastnn.kernels.narrow_tiles import (
    LEAST_BLOCKS,
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
    unchanged,
    write_ones,
)
from fastnn.kernels.pointwise import activate, da_to_dz
from fastnn.kernels.shared import shared


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
    times_blocks(blocks, (n_out, n_in), left, bias, inputs, target, (0, 0), unchanged, zero)
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
    """(8), (9), (10) dz -> dtheta and, of the layer before, da. Between narrow layers dz comes and goes in place of da."""
    table, layer, size, row = frame[0], row_of(frame[0], number), element_size(zero), row_bytes(zero)
    n_in, n_out, dz, behind = layer[plan.N_IN], layer[plan.N_OUT], gradient(frame, number, first, zero), frame[6]
    blocks = -(-rows // block_samples(zero))
    if not joins(table, number):
        if layer[plan.G] != IDENTITY:
            z, a = z_of(frame, number, first, zero), result(frame, number, first, zero)
            da_to_dz(layer[plan.G], dz, z, a, dz, rows * n_out, zero)
        into_blocks(rows, n_out, dz, 0, frame[6], zero)
        dz, behind = frame[6], frame[6] + blocks * n_out * row
    a = inputs_of(frame, number, first, zero)
    sums_over_samples(rows, 1 + n_in, n_out, a, dz, partial + layer[plan.PARTIAL_PLACE] * size, zero)
    if number == row_of(table, 0)[plan.FIRST]:
        return
    da, left = gradient(frame, number - 1, first, zero), (frame[3] + (layer[plan.THETA] + n_out) * size, n_out * size, size)
    if not joins(table, number - 1):
        plain_back_at(blocks, n_in, n_out, left, dz, 0, behind, zero)
        out_of_blocks(rows, n_in, behind, da, zero)
        return
    z, g = z_of(frame, number - 1, first, zero), row_of(table, number - 1)[plan.G]
    if g == IDENTITY:
        plain_back_at(blocks, n_in, n_out, left, dz, 0, da, zero)
    elif g == TANH:
        tanh_back_at(blocks, n_in, n_out, left, dz, a, da, zero)
    elif g == SIGMOID:
        sigmoid_back_at(blocks, n_in, n_out, left, dz, a, da, zero)
    elif g == RELU:
        relu_back_at(blocks, n_in, n_out, left, dz, a, da, zero)
    else:
        plain_back_at(blocks, n_in, n_out, left, dz, 0, behind, zero)
        for block in range(blocks):
            begin, passed = block * n_in * row, (block * (1 + n_in) + 1) * row
            da_to_dz(g, behind + begin, z + passed, a + passed, da + begin, n_in * block_samples(zero), zero)
