"""Pooling by windows of 2 x 2 that neither overlap nor meet padding: a vector of windows at a time, and each cell once.

pool2x2_strips.py leads from memory to the windows and back; pool2x2_back.py is the way back. The cell that is a window's
largest has a number, 2 r + s.

Addresses are in bytes, as in tiles.py. Numba frees an array after its last use, and an address is none: the caller keeps the
arrays. Planes are the images of all samples and channels, one behind the other.
"""

from fastnn.kernels.arrays.layout import on_stack
from fastnn.kernels.arrays.memory import element_size, read_integer, write_integer
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.pooling.pool2x2_strips import (
    along_rows,
    by_rows,
    by_short_rows,
    flat_vectors,
    is_long,
    joined,
    read_flat,
    read_row,
    window_cells,
    write_windows,
)
from fastnn.kernels.pooling.pool_order import above, larger, nan_in, where_above_of, where_larger_of
from fastnn.kernels.pooling.pool_windows import total
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.lane_bytes import numbered
from fastnn.kernels.registers.lanes import scaled
from fastnn.kernels.registers.shuffles import collected, lefts, rights
from fastnn.kernels.registers.tiles import store


@compiled
def fits(f, S, P):
    """Whether the windows are of this kind."""
    return f[0] == 2 and f[1] == 2 and S[0] == 2 and S[1] == 2 and P[0] == 0 and P[1] == 0


@compiled
def covers(f, S, P, H, W):
    """Whether the windows are of this kind and all cells of the image are in one."""
    return fits(f, S, P) and H % 2 == 0 and W % 2 == 0


@tiled
def forward_max(images: int, target: int, planes: int, H: int, W: int, zero: float) -> None:
    """(16) z = max_rs a_rs for each window."""
    met = on_stack(1, 0.0)
    write_integer(0, met)
    _pool(_largest, (images, target, met), joined(planes, H, W), zero)
    if read_integer(met) != 0:
        forward_max_nan(images, target, planes, H, W, zero)


@tiled
def forward_max_nan(images: int, target: int, planes: int, H: int, W: int, zero: float) -> None:
    """The same for images with NaN."""
    _pool(_largest_or_nan, (images, target, 0), joined(planes, H, W), zero)


@tiled
def forward_avg(images: int, target: int, planes: int, H: int, W: int, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    _pool(_mean, (images, target, 0), joined(planes, H, W), share)


@compiled
def _largest(upper, lower, met, zero):
    nan_in(upper, lower, met)
    return _joined(upper, lower, above, zero)


@compiled
def _largest_or_nan(upper, lower, met, zero):
    return _joined(upper, lower, larger, zero)


@compiled
def _mean(upper, lower, met, share):
    return scaled(_joined(upper, lower, total, share), share)


@compiled
def _joined(upper, lower, join, share):
    """join_rs a_rs of a vector of windows."""
    low, high = join(upper[0], lower[0]), join(upper[1], lower[1])
    return collected(join(lefts(low, high), rights(low, high)), element_size(share))


@compiled
def _pool(how, places, sizes, share):
    done = _pool_flat(how, places, sizes, 1, share) + _pool_flat(how, places, sizes, 2, share)
    by_rows(_pool_strip, how, places, sizes, done, False, share)


@compiled
def _pool_strip(how, places, cell, window, strip, share):
    place = places[0] + cell
    upper, lower = read_row(place, strip, share), read_row(place + strip[3], strip, share)
    write_windows(how(upper, lower, places[2], share), places[1], window, strip, element_size(share))


@compiled
def _pool_flat(how, places, sizes, parts, share):
    """As many windows as go the flat way."""
    step, vectors, (a, z, met) = element_size(share) * lanes(share), flat_vectors(sizes, parts, share), places
    for v in range(vectors):
        upper, lower = read_flat(a + 4 * v * step, parts, share)
        store(how(upper, lower, met, share), z + v * step, 0, 0, None)
    return vectors * lanes(share)


@tiled
def forward_max_index(images: int, target: int, index: int, planes: int, H: int, W: int, zero: float) -> None:
    """(16) z, and the number of the first of the largest cells of each window."""
    met = on_stack(1, 0.0)
    write_integer(0, met)
    if is_long(W, zero):
        _find_along(images, target, index, met, planes, H, W, zero)
    else:
        _find(where_above_of, (images, target, index, met), joined(planes, H, W), zero)
    if read_integer(met) != 0:
        forward_max_index_nan(images, target, index, planes, H, W, zero)


@tiled
def forward_max_index_nan(images: int, target: int, index: int, planes: int, H: int, W: int, zero: float) -> None:
    """The same for images with NaN."""
    sizes, places = joined(planes, H, W), (images, target, index, on_stack(1, 0.0))
    if is_long(W, zero):
        along_rows(_find_strip, where_larger_of, places, sizes, zero)
    else:
        _find(where_larger_of, places, sizes, zero)


@tiled
def _find_along(images: int, target: int, index: int, met: int, planes: int, H: int, W: int, zero: float) -> None:
    """By itself: most networks' rows are shorter, and `_find` has four loops of its own."""
    along_rows(_find_strip, where_above_of, (images, target, index, met), joined(planes, H, W), zero)


@compiled
def _find(where, places, sizes, zero):
    done = _find_flat(where, places, sizes, 1, zero) + _find_flat(where, places, sizes, 2, zero)
    by_short_rows(_find_strip, where, places, sizes, done, False, zero)


@compiled
def _find_strip(where, places, cell, window, strip, zero):
    a, z, index, met = places
    upper, lower = read_row(a + cell, strip, zero), read_row(a + cell + strip[3], strip, zero)
    nan_in(upper, lower, met)
    best, number = _found(upper, lower, where, zero)
    write_windows(best, z, window, strip, element_size(zero))
    write_windows(number, index, window, strip, 1)


@compiled
def _find_flat(where, places, sizes, parts, zero):
    every, vectors, (a, z, index, met) = lanes(zero), flat_vectors(sizes, parts, zero), places
    step = element_size(zero) * every
    for v in range(vectors):
        upper, lower = read_flat(a + 4 * v * step, parts, zero)
        nan_in(upper, lower, met)
        best, number = _found(upper, lower, where, zero)
        store(best, z + v * step, 0, 0, None)
        store(number, index + v * every, 0, 0, None)
    return vectors * every


@compiled
def _found(upper, lower, where, zero):
    """Of a vector of windows the largest cell, the first one where several are, and its number."""
    size, (first, second, third, fourth) = element_size(zero), window_cells(upper, lower)
    above, below = where(first, second, second, first), where(third, fourth, fourth, third)
    in_above = where(first, second, numbered(first, 1), numbered(first, 0))
    in_below = where(third, fourth, numbered(first, 3), numbered(first, 2))
    number, best = where(above, below, in_below, in_above), where(above, below, below, above)
    return collected(best, size), collected(number, size)
