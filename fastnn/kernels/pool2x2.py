"""Pooling by windows of 2 x 2 that neither overlap nor meet padding: a vector of windows at a time, and each cell once.

A vector of windows has an upper and a lower row, each of two vectors of cells that hold the windows as pairs of lanes. Two
ways lead from memory to them and back:

    flat    a row of the image is a vector or half of one: whole vectors follow one another, wherever rows begin, and
            shuffles sort out the upper and the lower rows, of which a vector has as many as `parts`
    rows    else, and for what is left: the windows of one row, a strip of a vector of windows after the other. Where the
            last strip's cells fit into one vector, the next row of windows takes the place of the second.

Beyond the second-level cache all this takes little longer than to copy the images (max backward of 128 x 6 x 24 x 24
float32: 130 us beside 113), and stores past the caches longer still, as soon as somebody reads what they wrote.

Addresses are in bytes, as in tiles.py. Numba frees an array after its last use, and an address is none: the caller keeps the
arrays. Planes are the images of all samples and channels, one behind the other.
"""

from fastnn.kernels.forms import lanes
from fastnn.kernels.jit import compiled
from fastnn.kernels.lanes import evens, first_half, load_lanes, odds, scaled, second_half, store_lanes, where_larger
from fastnn.kernels.memory import element_size
from fastnn.kernels.pool_windows import larger, total
from fastnn.kernels.shared import tiled
from fastnn.kernels.tiles import load, store, tile

CHUNK = 16 * 1024  # bytes of rows of an image, which leave a first-level cache of 48 KB room for as many of da, and for dz


@compiled
def fits(f, S, P):
    """Whether the windows are of this kind."""
    return f[0] == 2 and f[1] == 2 and S[0] == 2 and S[1] == 2 and P[0] == 0 and P[1] == 0


@compiled
def covers(f, S, P, H, W):
    """Whether the windows are of this kind and all cells of the image are in one."""
    return fits(f, S, P) and H % 2 == 0 and W % 2 == 0


@compiled
def pooled(upper, lower, join, share):
    """(15), (16) z = share join_rs a_rs of a vector of windows."""
    every = lanes(share)
    low, high = join(upper[0], lower[0]), join(upper[1], lower[1])
    return scaled(join(evens(low, high, every), odds(low, high, every)), share)


@compiled
def routed(dz, upper, lower, zero):
    """(18) da of a vector of windows: dz in the first of the largest cells, 0 in the others."""
    every, nothing = lanes(zero), tile(zero, 1, 1)
    first, second = evens(upper[0], upper[1], every), odds(upper[0], upper[1], every)
    third, fourth = evens(lower[0], lower[1], every), odds(lower[0], lower[1], every)
    above, below = larger(first, second), larger(third, fourth)
    dz_above, dz_below = where_larger(above, below, nothing, dz), where_larger(above, below, dz, nothing)
    one, two = where_larger(first, second, nothing, dz_above), where_larger(first, second, dz_above, nothing)
    three, four = where_larger(third, fourth, nothing, dz_below), where_larger(third, fourth, dz_below, nothing)
    return (first_half(one, two, every), second_half(one, two, every)), (
        first_half(three, four, every),
        second_half(three, four, every),
    )


# From memory and back ------------------------------------------------------------------------------------------------


@compiled
def _strip(W, j, rows, zero):
    """Windows j, j + 1, ... of one row, or of two where they fit: (beside, cells, windows, row).

    beside    bytes from the first vector of cells to the second, and from the windows of lane 0 to those of half the lanes
    cells     how many the two vectors have; windows, how many lie in lanes from 0 on and from half the lanes on
    row       bytes of a row of the image
    """
    size, every, count = element_size(zero), lanes(zero), W // 2 - j
    if rows == 2:
        return (2 * W * size, (W // 2 - every // 2) * size), (2 * count, 2 * count), (count, count), W * size
    return (every * size, 0), (2 * count, 2 * count - every), (count, 0), W * size


@compiled
def _read_row(place, strip, zero):
    """The cells of a strip, in one row of the image, as two vectors."""
    beside, cells, _, _ = strip
    t = tile(zero, 1, 1)
    return load_lanes(t, place, 0, cells[0]), load_lanes(t, place + beside[0], 0, cells[1])


@compiled
def _write_row(row, place, strip):
    beside, cells, _, _ = strip
    store_lanes(row[0], place, 0, cells[0])
    store_lanes(row[1], place + beside[0], 0, cells[1])


@compiled
def _read_windows(place, strip, zero):
    """What the windows of a strip have, as one vector."""
    beside, _, windows, _ = strip
    half = lanes(zero) // 2
    first = load_lanes(tile(zero, 1, 1), place, 0, windows[0])
    return load_lanes(first, place + beside[1], half, half + windows[1])


@compiled
def _write_windows(vector, place, strip, zero):
    beside, _, windows, _ = strip
    half = lanes(zero) // 2
    store_lanes(vector, place, 0, windows[0])
    store_lanes(vector, place + beside[1], half, half + windows[1])


@compiled
def _read_flat(place, parts, zero):
    """Four vectors, as the upper and the lower rows of a vector of windows."""
    t, step = tile(zero, 1, 1), element_size(zero) * lanes(zero)
    v = load(t, place, 0, 0, None)
    w = load(t, place + step, 0, 0, None)
    x = load(t, place + 2 * step, 0, 0, None)
    y = load(t, place + 3 * step, 0, 0, None)
    return (evens(v, w, parts), evens(x, y, parts)), (odds(v, w, parts), odds(x, y, parts))


@compiled
def _write_flat(upper, lower, place, parts, zero):
    step = element_size(zero) * lanes(zero)
    store(first_half(upper[0], lower[0], parts), place, 0, 0, None)
    store(second_half(upper[0], lower[0], parts), place + step, 0, 0, None)
    store(first_half(upper[1], lower[1], parts), place + 2 * step, 0, 0, None)
    store(second_half(upper[1], lower[1], parts), place + 3 * step, 0, 0, None)


@compiled
def _by_rows(work, places, sizes, done, share):
    """work(places, cell, window, strip, share) for each strip of window rows; `done` windows are so already.

    cell and window are the offsets, in bytes, of a strip's first ones. Strips of some rows follow one another, so that the
    rows stay in the first-level cache until the last strip is through: else images would come from memory once a strip.
    """
    (planes, H, W), size, every = sizes, element_size(share), lanes(share)
    H_out, W_out = H // 2, W // 2
    together = max(2, CHUNK // (2 * W * size) // 2 * 2)
    for p in range(planes):
        for first in range(done // W_out, H_out, together):
            behind = min(first + together, H_out)
            for j in range(0, W_out, every):
                i = first
                if 2 * (W_out - j) <= every:
                    while i + 1 < behind:
                        cell, window = ((p * H + 2 * i) * W + 2 * j) * size, ((p * H_out + i) * W_out + j) * size
                        work(places, cell, window, _strip(W, j, 2, share), share)
                        i += 2
                while i < behind:
                    cell, window = ((p * H + 2 * i) * W + 2 * j) * size, ((p * H_out + i) * W_out + j) * size
                    work(places, cell, window, _strip(W, j, 1, share), share)
                    i += 1


@compiled
def _flat_vectors(sizes, parts, zero):
    """How many vectors of windows can go the flat way with so many parts."""
    (planes, H, W), every = sizes, lanes(zero)
    return planes * H * W // (4 * every) if planes == 1 and every == parts * W else 0


@compiled
def _joined(planes, H, W):
    """Planes with an even number of rows are like one that is as high as all of them."""
    return (1, planes * H, W) if H % 2 == 0 else (planes, H, W)


# Forward -------------------------------------------------------------------------------------------------------------


@tiled
def forward_max(images: int, target: int, planes: int, H: int, W: int, one: float) -> None:
    """(16) z = max_rs a_rs for each window."""
    sizes, places = _joined(planes, H, W), (images, target)
    done = _pool_flat(places, sizes, 1, larger, one) + _pool_flat(places, sizes, 2, larger, one)
    _by_rows(_largest_of, places, sizes, done, one)


@tiled
def forward_avg(images: int, target: int, planes: int, H: int, W: int, share: float) -> None:
    """(15) z = share sum_rs a_rs for each window."""
    sizes, places = _joined(planes, H, W), (images, target)
    done = _pool_flat(places, sizes, 1, total, share) + _pool_flat(places, sizes, 2, total, share)
    _by_rows(_mean_of, places, sizes, done, share)


@compiled
def _largest_of(places, cell, window, strip, one):
    _pool_strip(places[0] + cell, places[1] + window, strip, larger, one)


@compiled
def _mean_of(places, cell, window, strip, share):
    _pool_strip(places[0] + cell, places[1] + window, strip, total, share)


@compiled
def _pool_strip(cell, window, strip, join, share):
    upper, lower = _read_row(cell, strip, share), _read_row(cell + strip[3], strip, share)
    _write_windows(pooled(upper, lower, join, share), window, strip, share)


@compiled
def _pool_flat(places, sizes, parts, join, share):
    """As many windows as go the flat way."""
    step, vectors, (a, z) = element_size(share) * lanes(share), _flat_vectors(sizes, parts, share), places
    for v in range(vectors):
        upper, lower = _read_flat(a + 4 * v * step, parts, share)
        store(pooled(upper, lower, join, share), z + v * step, 0, 0, None)
    return vectors * lanes(share)


# Backward ------------------------------------------------------------------------------------------------------------


@tiled
def backward_max(gradients: int, images: int, target: int, planes: int, H: int, W: int, zero: float) -> None:
    """(18) da: each dz goes to the first of the largest cells of its window. Cells in no window are not written."""
    sizes, places = _joined(planes, H, W), (gradients, images, target)
    done = _route_flat(places, sizes, 1, zero) + _route_flat(places, sizes, 2, zero)
    _by_rows(_route_strip, places, sizes, done, zero)


@compiled
def _route_strip(places, cell, window, strip, zero):
    (dz, a, da), row = places, strip[3]
    upper, lower = _read_row(a + cell, strip, zero), _read_row(a + cell + row, strip, zero)
    upper, lower = routed(_read_windows(dz + window, strip, zero), upper, lower, zero)
    _write_row(upper, da + cell, strip)
    _write_row(lower, da + cell + row, strip)


@compiled
def _route_flat(places, sizes, parts, zero):
    step, vectors, (dz, a, da) = element_size(zero) * lanes(zero), _flat_vectors(sizes, parts, zero), places
    for v in range(vectors):
        upper, lower = _read_flat(a + 4 * v * step, parts, zero)
        upper, lower = routed(load(tile(zero, 1, 1), dz + v * step, 0, 0, None), upper, lower, zero)
        _write_flat(upper, lower, da + 4 * v * step, parts, zero)
    return vectors * lanes(zero)


@tiled
def backward_avg(gradients: int, target: int, planes: int, H: int, W: int, share: float) -> None:
    """(19) da = share dz in each cell of a window. Cells in no window are not written."""
    sizes, places = _joined(planes, H, W), (gradients, target)
    done = _spread_flat(places, sizes, 1, share) + _spread_flat(places, sizes, 2, share)
    _by_rows(_spread_strip, places, sizes, done, share)


@compiled
def _spread_strip(places, cell, window, strip, share):
    row = _both(scaled(_read_windows(places[0] + window, strip, share), share), share)
    _write_row(row, places[1] + cell, strip)
    _write_row(row, places[1] + cell + strip[3], strip)


@compiled
def _spread_flat(places, sizes, parts, share):
    step, vectors, (dz, da) = element_size(share) * lanes(share), _flat_vectors(sizes, parts, share), places
    for v in range(vectors):
        row = _both(scaled(load(tile(share, 1, 1), dz + v * step, 0, 0, None), share), share)
        _write_flat(row, row, da + 4 * v * step, parts, share)
    return vectors * lanes(share)


@compiled
def _both(amount, share):
    """A row of the image that has a window's amount in both of its cells."""
    every = lanes(share)
    return first_half(amount, amount, every), second_half(amount, amount, every)
