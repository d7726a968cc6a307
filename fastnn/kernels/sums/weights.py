"""A convolution's weights as tiles of rows k, which the sums over windows read one column after the other."""

from fastnn.kernels.arrays.memory import copy_column, element_size, read, write
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import full_rows, half_rows, wide_rows
from fastnn.kernels.sums.planes import Images, channels_of

Shape = tuple[int, int, int, int]

LOW = 3  # rows of a group for which a tile of few rows and many vectors is used


@compiled
def packed_weights(K, taps, zero):
    """How many elements: whole tiles of rows."""
    return -(-K // full_rows(zero)) * full_rows(zero) * taps


@compiled
def are_wide(K, zero):
    """Whether K rows are for a wide tile (forms.py). LeNet has 6, forward and back: 270 us of 337, and 51 of 68."""
    return half_rows(zero) < K <= wide_rows(zero)


@compiled
def _time(K, zero):
    """The time of K rows by one kind of tile, in rows of a full one. One takes that of two: products wait for loads."""
    few, half, full = (2 if K == 1 else LOW), half_rows(zero), full_rows(zero)
    if are_wide(K, zero):
        full = wide_rows(zero)
    return few if K <= LOW else half if half >= K else -(-K // full) * full


@compiled
def rest_of(K, zero):
    """Of K rows those behind the last whole tile, if a lower tile of their own saves a sixteenth; else 0.

    Ten rows took the time of 16: 10.6 ms forward from 512 channels of 128 images of 7 x 7 cells, where 11 need 8.0.
    """
    rest = K % full_rows(zero)
    return 0 if full_rows(zero) >= K or rest == 0 or rest > half_rows(zero) else _worth(rest, K, zero)


@tiled
def _worth(rest: int, K: int, zero: float) -> int:
    return rest if (full_rows(zero) - _time(rest, zero)) * 16 > K else 0


@compiled
def rows_of_time(K, zero):
    """The time of K rows, in rows of a full tile."""
    rest = rest_of(K, zero)
    return _time(K - rest, zero) + (_time(rest, zero) if rest > 0 else 0)


@tiled
def pack_weights(theta: Images, sizes: Shape, target: int, zero: float) -> None:
    """Weights (K, C, f_h, f_w), by steps of any sign, as tiles of rows: the rows of a tile are neighbours, then taps.

    These are in the order of `tap_offsets`, for as many channels as are computed at a time.
    """
    K, C, f_h, f_w = sizes
    first, step_k, step_c, step_h, step_w = theta
    size, rows = element_size(zero), full_rows(zero)
    channels = channels_of(C, f_h, f_w)
    for k in range(0, K, rows):
        count = min(rows, K - k)
        for begin in range(0, C, channels):
            some, corner = min(channels, C - begin), first + k * step_k + begin * step_c
            for r in range(f_h):
                row = corner + r * step_h
                for _ in range(some):
                    place = row
                    for _ in range(f_w):
                        if count == rows:
                            copy_column(zero, place, step_k, target, full_rows(zero))
                        else:
                            _copy_some(place, step_k, target, count, zero)
                        place += step_w
                        target += rows * size
                    row += step_c


@compiled
def _copy_some(source, step, target, count, zero):
    """As copy_column, of fewer rows than a tile has: zeros follow."""
    size = element_size(zero)
    for row in range(count):
        write(read(zero, source + row * step), target + row * size)
    for row in range(count, full_rows(zero)):
        write(zero, target + row * size)
