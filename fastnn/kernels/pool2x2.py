"""Pooling by windows of 2 x 2 that neither overlap nor meet padding: a vector of windows at a time, and each cell once.

A vector of windows has an upper and a lower row, each of two vectors of cells that hold the windows as pairs of lanes. Two
ways lead from memory to them and back:

    flat    a row of the image is a vector or half of one: whole vectors follow one another, wherever rows begin, and
            shuffles sort out the upper and the lower rows, of which a vector has as many as `parts`
    rows    else, and for what is left: the windows of one row, with the last vectors cut off where the row ends

Addresses are in bytes, as in tiles.py. Numba frees an array after its last use, and an address is none: the caller keeps the
arrays. Planes are the images of all samples and channels, one behind the other.
"""

from fastnn.kernels.jit import compiled
from fastnn.kernels.lanes import evens, first_half, odds, scaled, second_half, where_larger
from fastnn.kernels.layout import address
from fastnn.kernels.memory import element_size
from fastnn.kernels.pool_windows import larger
from fastnn.kernels.tiles import lanes, load, store, tile


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
def _read_row(place, cells, zero):
    """The first cells of a row, as two vectors."""
    t, size, every = tile(zero, 1, 1), element_size(zero), lanes(zero)
    return load(t, place, 0, 0, cells), load(t, place + every * size, 0, 0, cells - every)


@compiled
def _write_row(row, place, cells, zero):
    size, every = element_size(zero), lanes(zero)
    store(row[0], place, 0, 0, cells)
    store(row[1], place + every * size, 0, 0, cells - every)


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
def _joined(planes, H):
    """Planes with an even number of rows are like one that is as high as all of them."""
    return (1, planes * H) if H % 2 == 0 else (planes, H)


# Forward -------------------------------------------------------------------------------------------------------------


@compiled
def forward(images, target, planes, H, W, join, share):
    """(15), (16) z = share join_rs a_rs for each window."""
    a, z = address(images), address(target)
    planes, H = _joined(planes, H)
    every, done = lanes(share), 0
    if planes == 1 and every == W:
        done = _forward_flat(a, z, H * W, 1, join, share)
    elif planes == 1 and every == 2 * W:
        done = _forward_flat(a, z, H * W, 2, join, share)
    size, H_out, W_out = element_size(share), H // 2, W // 2
    for p in range(planes):
        for j in range(0, W_out, every):
            count = W_out - j
            for i in range(done // W_out, H_out):
                place = a + ((p * H + 2 * i) * W + 2 * j) * size
                upper, lower = _read_row(place, 2 * count, share), _read_row(place + W * size, 2 * count, share)
                target = z + ((p * H_out + i) * W_out + j) * size
                store(pooled(upper, lower, join, share), target, 0, 0, count)


@compiled
def _forward_flat(a, z, cells, parts, join, share):
    every, size = lanes(share), element_size(share)
    vectors = cells // (4 * every)
    for v in range(vectors):
        upper, lower = _read_flat(a + 4 * v * every * size, parts, share)
        store(pooled(upper, lower, join, share), z + v * every * size, 0, 0, None)
    return vectors * every


# Backward ------------------------------------------------------------------------------------------------------------


@compiled
def backward_max(gradients, images, target, planes, H, W, zero):
    """(18) da: each dz goes to the first of the largest cells of its window. Cells in no window are not written."""
    dz, a, da = address(gradients), address(images), address(target)
    planes, H = _joined(planes, H)
    every, done = lanes(zero), 0
    if planes == 1 and every == W:
        done = _backward_max_flat(dz, a, da, H * W, 1, zero)
    elif planes == 1 and every == 2 * W:
        done = _backward_max_flat(dz, a, da, H * W, 2, zero)
    size, H_out, W_out = element_size(zero), H // 2, W // 2
    t = tile(zero, 1, 1)
    for p in range(planes):
        for j in range(0, W_out, every):
            count = W_out - j
            for i in range(done // W_out, H_out):
                offset = ((p * H + 2 * i) * W + 2 * j) * size
                upper = _read_row(a + offset, 2 * count, zero)
                lower = _read_row(a + offset + W * size, 2 * count, zero)
                amount = load(t, dz + ((p * H_out + i) * W_out + j) * size, 0, 0, count)
                upper, lower = routed(amount, upper, lower, zero)
                _write_row(upper, da + offset, 2 * count, zero)
                _write_row(lower, da + offset + W * size, 2 * count, zero)


@compiled
def _backward_max_flat(dz, a, da, cells, parts, zero):
    every, size, t = lanes(zero), element_size(zero), tile(zero, 1, 1)
    vectors = cells // (4 * every)
    for v in range(vectors):
        offset = 4 * v * every * size
        upper, lower = _read_flat(a + offset, parts, zero)
        upper, lower = routed(load(t, dz + v * every * size, 0, 0, None), upper, lower, zero)
        _write_flat(upper, lower, da + offset, parts, zero)
    return vectors * every


@compiled
def backward_avg(gradients, target, planes, H, W, share):
    """(19) da = share dz in each cell of a window. Cells in no window are not written."""
    dz, da = address(gradients), address(target)
    planes, H = _joined(planes, H)
    every, done = lanes(share), 0
    if planes == 1 and every == W:
        done = _backward_avg_flat(dz, da, H * W, 1, share)
    elif planes == 1 and every == 2 * W:
        done = _backward_avg_flat(dz, da, H * W, 2, share)
    size, H_out, W_out = element_size(share), H // 2, W // 2
    t = tile(share, 1, 1)
    for p in range(planes):
        for j in range(0, W_out, every):
            count = W_out - j
            for i in range(done // W_out, H_out):
                amount = scaled(load(t, dz + ((p * H_out + i) * W_out + j) * size, 0, 0, count), share)
                row = first_half(amount, amount, every), second_half(amount, amount, every)
                place = da + ((p * H + 2 * i) * W + 2 * j) * size
                _write_row(row, place, 2 * count, share)
                _write_row(row, place + W * size, 2 * count, share)


@compiled
def _backward_avg_flat(dz, da, cells, parts, share):
    every, size, t = lanes(share), element_size(share), tile(share, 1, 1)
    vectors = cells // (4 * every)
    for v in range(vectors):
        amount = scaled(load(t, dz + v * every * size, 0, 0, None), share)
        row = first_half(amount, amount, every), second_half(amount, amount, every)
        _write_flat(row, row, da + 4 * v * every * size, parts, share)
    return vectors * every
