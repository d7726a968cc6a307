"""Lines of memory that will be needed: noted, and asked for one by one between products, which hide how far away they are.

A note is 8 int64 in scratch: the pieces of memory that are left, and what leads from one to the next. There are two, of what
will be written and of what will be read; the first goes first.
"""

from fastnn.kernels.arrays.memory import ask_to_read, ask_to_write, read_integer, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.registers.simd import LINE

TO_WRITE, TO_READ = 0, 64
NOTES_BYTES = 128


@compiled
def note(notes, place, steps, counts, length):
    """Pieces of so many bytes: of some samples, and in each of some channels, steps apart. Returns about how many lines."""
    samples, channels = counts
    left = samples if length * channels > 0 else 0
    for i, value in enumerate((place, 0, 0, left, length, steps[1], steps[0] - channels * steps[1], channels)):
        write_integer(value, notes + 8 * i)
    return left * channels * (length // LINE + 1)


@inlined
def ask(notes):
    """Asks for the next line."""
    if read_integer(notes + TO_WRITE + 24) > 0:
        ask_to_write(_next(notes + TO_WRITE))
    elif read_integer(notes + TO_READ + 24) > 0:
        ask_to_read(_next(notes + TO_READ))


@inlined
def _next(notes):
    """Where it is. A piece's last byte is asked for, too: pieces do not begin where lines do."""
    place, x, length = read_integer(notes), read_integer(notes + 8), read_integer(notes + 32)
    line = place + min(x, length - 1)
    x += LINE
    if x >= length + LINE - 1:
        x, place, channel = 0, place + read_integer(notes + 40), read_integer(notes + 16) + 1
        if channel == read_integer(notes + 56):
            channel, place = 0, place + read_integer(notes + 48)
            write_integer(read_integer(notes + 24) - 1, notes + 24)
        write_integer(channel, notes + 16)
        write_integer(place, notes)
    write_integer(x, notes + 8)
    return line
