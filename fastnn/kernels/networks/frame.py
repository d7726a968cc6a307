"""Where a network's results lie, for one slice of samples: looked up in the table that fastnn/plan.py lays out.

All is addresses. A frame is the eight of them that a slice's way through the layers needs:
    the table, the samples of the batch, the inputs of the slice's first sample, the parameters, the memory of the batch,
    that of the slice, scratch, and a 1.
`first` says which of the batch's samples is the slice's first.
"""

from fastnn import plan
from fastnn.kernels.arrays.layout import integers_at
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled

Frame = tuple[int, int, int, int, int, int, int, int]


@compiled
def row_of(table, number):
    """Row `number` of the table at an address; 0 is the header."""
    return integers_at(table + number * plan.WIDTH * 8, plan.WIDTH)


@compiled
def kept(frame, place, is_kept, size, first, zero):
    """Where a result of `size` elements a sample is, for the slice's first sample."""
    samples, batch, local = frame[1], frame[4], frame[5]
    if is_kept != 0:
        return batch + (place * samples + first * size) * element_size(zero)
    return local + place * row_of(frame[0], 0)[plan.ROWS] * element_size(zero)


@compiled
def result(frame, number, first, zero):
    """Where a^[number] is; a^[0] is the input."""
    if number == 0:
        return frame[2]
    layer = row_of(frame[0], number)
    return kept(frame, layer[plan.A_PLACE], layer[plan.A_KEPT], layer[plan.N_OUT], first, zero)


@compiled
def gradient(frame, number, first, zero):
    """Where da^[number] is, which becomes dz^[number] in place."""
    layer = row_of(frame[0], number)
    return kept(frame, layer[plan.D_PLACE], layer[plan.D_KEPT], layer[plan.N_OUT], first, zero)
