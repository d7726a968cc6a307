"""Images -> vectors with a sample in each lane, and back: squares of samples and cells, transposed in registers.

room     addresses in scratch and steps (sample_lanes.py)
line     where the cells of a channel lie in the first sample, and the step to the next sample's
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.shuffles import transposed
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.planes import line_apart

# Cells of each sample that are copied to a line of their own before they are transposed, or after, where the samples lie so
# far apart that all of them would lie in one or two sets of the first-level cache, as they do where sizes are powers of two:
# vectors across lines would lose these in between, and a transposition took twice as long.
STAGED = 256
SETS_BYTES = 2048


@compiled
def in_one_set(step):
    """Whether what lies so many bytes apart meets in few sets of a first-level cache of 64: then it is staged."""
    return step % SETS_BYTES < LINE


@compiled
def stage_step(zero):
    """From one line of the stage to the next."""
    return line_apart(STAGED * element_size(zero))


@compiled
def fill(rows, source, samples, shape, room, zero):
    """Rows of the images -> lanes. Row y lies at y modulo the ring's length, so rows that follow are a line of cells."""
    (cells, _, _, stage, _), (step, step_h, _, _), (kept, _, _) = room
    first, behind = rows
    size, width = element_size(zero), lanes(zero)
    while first < behind:
        slot = first % kept
        some = min(behind - first, kept - slot)
        for x in range(0, some * shape[4], STAGED):
            count = min(STAGED, some * shape[4] - x)
            line = -(-count // width) * width
            for c in range(0, shape[1], STAGED // line):
                channels = min(STAGED // line, shape[1] - c)
                place = (source[0] + c * source[2] + (first * shape[4] + x) * size, source[1], source[2])
                target = cells + slot * step_h + x * step + c * width * size
                if in_one_set(source[1]):
                    there = (stage, stage_step(zero), line * size)
                    copy_lines((samples, channels, count), place, there, zero)
                    place = there
                for i in range(channels):
                    line_place = (place[0] + i * place[2], place[1])
                    into_lanes(line_place, samples - 1, target + i * width * size, step, count, zero)
        first += some


@inlined
def _turned(square):
    """Its code is written once for the four that are turned: it is long."""
    return transposed(square)


@compiled
def into_lanes(line, last, target, step, count, zero):
    """Some cells of a channel, of the samples up to the last."""
    width, square, (place, sample) = lanes(zero), tile(zero, lanes(zero), 1), line
    for _ in range(count // width):
        store(_turned(load(square, place, sample, last, None)), target, step, lanes(zero) - 1, None)
        place += width * element_size(zero)
        target += width * step
    if count % width > 0:
        store(_turned(load(square, place, sample, last, count % width)), target, step, count % width - 1, None)


@compiled
def deliver(counts, target, room, zero):
    """Lanes -> rows of `out`."""
    (_, results, _, stage, _), (_, _, step, _), _ = room
    samples, K, cells = counts
    size, width = element_size(zero), lanes(zero)
    for x in range(0, cells, STAGED):
        count = min(STAGED, cells - x)
        line = -(-count // width) * width
        for k in range(0, K, STAGED // line):
            some = min(STAGED // line, K - k)
            place = (target[0] + k * target[2] + x * size, target[1], target[2])
            there = (stage, stage_step(zero), line * size) if in_one_set(target[1]) else place
            for i in range(some):
                line_place = (there[0] + i * there[2], there[1])
                from_lanes(results + x * step + (k + i) * width * size, step, line_place, samples - 1, count, zero)
            if in_one_set(target[1]):
                copy_lines((samples, some, count), there, place, zero)


@compiled
def from_lanes(place, step, line, last, count, zero):
    """Some cells of a k, of the samples up to the last."""
    width, square, (target, sample) = lanes(zero), tile(zero, lanes(zero), 1), line
    for _ in range(count // width):
        store(_turned(load(square, place, step, lanes(zero) - 1, None)), target, sample, last, None)
        place += width * step
        target += width * element_size(zero)
    if count % width > 0:
        store(_turned(load(square, place, step, count % width - 1, None)), target, sample, last, count % width)


@compiled
def copy_lines(counts, source, target, zero):
    """Lines of cells, of some samples and channels: address, and steps from sample to sample and channel to channel."""
    samples, channels, count = counts
    vector, width = tile(zero, 1, 1), lanes(zero)
    row = width * element_size(zero)
    for n in range(samples):
        for c in range(channels):
            place, there = source[0] + n * source[1] + c * source[2], target[0] + n * target[1] + c * target[2]
            for _ in range(count // width):
                store(load(vector, place, 0, 0, None), there, 0, 0, None)
                place += row
                there += row
            if count % width > 0:
                store(load(vector, place, 0, 0, count % width), there, 0, 0, count % width)
