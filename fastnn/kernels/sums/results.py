"""What tiles have summed -> where the cells of results lie: those of a row apart from one another, or of several samples."""

from fastnn.kernels.arrays.memory import element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lanes import load_apart, store_apart
from fastnn.kernels.registers.tiles import added, load, store, tile


@compiled
def deliver(buffer, block, begin, grid, out, zero):
    """Cells of a tile that do not lie together in `out`, from (i, n, j) on; returns where the next ones lie.

    block: cells, rows, add to out?
    """
    rest, rows, adds = block
    i, n, j = begin
    m, W_out = grid
    source, source_row = buffer
    while rest > 0:
        length = min(min(lanes(zero), W_out - j), rest)
        place = out[0] + n * out[1] + i * out[3] + j * out[4]
        put(source, source_row, (rows, length), place, (out[2], out[4]), adds, zero)
        source += length * element_size(zero)
        rest -= length
        j += length
        if j == W_out:
            j, n = 0, n + 1
            if n == m:
                n, i = 0, i + 1
    return i, n, j


@compiled
def put(source, source_row, counts, target, steps, adds, zero):
    """target = or += some rows of at most one vector."""
    rows, length = counts
    size, vector = element_size(zero), tile(zero, 1, 1)
    for r in range(rows):
        place, values = target + r * steps[0], source + r * source_row
        if steps[1] == size:
            total = load(vector, values, 0, 0, length)
            if adds:
                total = added(total, load(vector, place, 0, 0, length))
            store(total, place, 0, 0, length)
        elif steps[1] == 2 * size:
            total = load(vector, values, 0, 0, length)
            if adds:
                total = added(total, load_apart(vector, place, length))
            store_apart(total, place, length)
        else:
            for i in range(length):
                value = read(zero, values + i * size)
                if adds:
                    value += read(zero, place + i * steps[1])
                write(value, place + i * steps[1])
