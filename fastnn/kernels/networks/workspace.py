"""Where everything lies in a workspace: one array of a network's dtype, for batches of up to so many samples.

Nothing in it outlives a call, but for the results of the last one.
"""

from fastnn import plan
from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.networks.team import COUNTERS
from fastnn.kernels.products.narrow_tiles import LEAST_BLOCKS, block_samples
from fastnn.kernels.products.product_ways import SCRATCH
from fastnn.kernels.registers.simd import LINE

TEAM = LINE  # where the counters are


@compiled
def slices_of(header, m, zero):
    """How many slices a batch has, and how many samples each but the last: whole tiles of 8 rows, or blocks of samples."""
    unit, most = 8, header[plan.ROWS]
    if header[plan.BLOCKS] != 0 and most >= LEAST_BLOCKS * block_samples(zero):
        unit, most = block_samples(zero), most // block_samples(zero) * block_samples(zero)
    count = max(1, (m - 1) // most + 1)
    rows = (m - 1) // count // unit * unit + unit
    return (m - 1) // rows + 1, rows


@compiled
def whole_lines(size):
    """So many bytes, up to the next cache line."""
    return -(-size // LINE) * LINE


@compiled
def lay_out(header, m, zero):
    """Offsets in bytes: slices' costs and hits, targets, memory of the batch, sums of groups, memory of the first worker.

    The first line begins with a 1, the next ones are the team's counters. Last comes the size of each worker's memory: a
    sum, a slice, scratch.
    """
    size = element_size(zero)
    count = slices_of(header, m, zero)[0]
    costs = TEAM + 8 * COUNTERS
    targets = costs + whole_lines(2 * 8 * count)
    batch = targets + whole_lines(m * max(8, header[plan.OUTPUT] * size))
    sums = batch + whole_lines(header[plan.BATCH] * m * size)
    first = sums + min(count, plan.GROUPS) * whole_lines(header[plan.PARTIAL] * size)
    own = whole_lines(header[plan.PARTIAL] * size) + whole_lines(header[plan.SLICE] * header[plan.ROWS] * size)
    own += max(SCRATCH, header[plan.SCRATCH] + 2 * LINE)
    return costs, targets, batch, sums, first, whole_lines(own)


@compiled
def elements(header, m, workers, zero):
    """How many elements a workspace has."""
    first, own = lay_out(header, m, zero)[4:]
    return (first + workers * own + LINE) // element_size(zero)
