"""Which of a window's cells is the largest: NaN counts as that, and comparisons that know it are twice as many instructions.

So the ways through windows of 2 x 2 compare as if there were none, look for some beside it, and where they met one a second
function does all again, by the comparisons that know it; it is compiled where that happens first. Windows of 3 x 3 are asked
a row at a time: the same there took up to a sixth longer on the way back, by what LLVM made of its registers.
"""

from fastnn.kernels.arrays.memory import write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.registers.lanes import has_nan, where_above, where_larger


@inlined
def nan_in(cells, others, place):
    """1 at the place, an integer's, if there is a NaN among two pairs of vectors."""
    if has_nan(cells[0], cells[1], others[0], others[1]):
        write_integer(1, place)


@compiled
def larger(t, u):
    """The larger of each two lanes; NaN where one is."""
    return where_larger(t, u, u, t)


@compiled
def above(t, u):
    """The larger of each two lanes of which none is NaN: one instruction, where `larger` takes three."""
    return where_above(t, u, u, t)


@compiled
def where_larger_of(t, u, yes, no):
    return where_larger(t, u, yes, no)


@compiled
def where_above_of(t, u, yes, no):
    return where_above(t, u, yes, no)
