"""dtheta of convolutions of single channels, depthwise ones above all.

A channel's cells are one line of memory, row after row, and so are dz's, with rows as long: L. Row x, column j lies at
x L + j, whatever the row, so a tap multiplies two stretches of these lines, dz's some rows earlier and a's some cells later,
and full vectors go over the ends of rows. What a tap meets beside the image is left out by masks, the same for all samples
and channels. A register tile is the vectors of sums of some taps, of up to TALL rows and WIDE columns, which share what they
load. With strides there is a line for each rest by S, in scratch; with stride 1 and rows of dz as long as the image's, the
image is read where it is. (Vectors of one row each left lanes empty, and each met f_h f_w others: with 3 x 3 taps images of
14 x 14 cells took twice as long, of 7 x 7 three times.)

Tuples as in planes.py, and
    grid    L, the rows of a line that are summed at a time, the bytes of a plane and of a copied dz, columns of taps in
            whole tiles, and how many channels of a sample are copied, and summed, one after the other
    room    addresses in scratch: planes, copied dz, sums, where columns of taps begin in a plane, what planes have of an
            image (`note_planes`), and masks (`note_masks`)
    band    the first row of a line that is summed, and how many
    run     a tile's images: how many, and the steps from one to the next, of a, dz and sums
"""

from fastnn.kernels.arrays.memory import element_size, read, read_integers, write
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import shared, tiled
from fastnn.kernels.registers.column_tiles import add_masked, add_some
from fastnn.kernels.registers.forms import form, lanes, rows_of, zero_of, zeros
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import added, lane_sums, load, store, tile
from fastnn.kernels.sums.channel_lines import FACTS, WIDE, copy_dz, copy_planes, note_masks, note_planes
from fastnn.kernels.sums.planes import Images, Sizes, Window, evenly

Pair = tuple[int, int]
Triple = tuple[int, int, int]
Line = tuple[int, int, int, int]

TALL = 3  # rows of a tile: with its sums, three vectors of dz and one of a it has 13 registers
NEAR = 128  # vectors of a line at a time: a sum is over no more terms, from zero
# Of images at a time: they stay in the first-level cache, and where they are copied, which goes on while the next are on
# their way from far away, a few do not have the sums wait for longer than these take.
NEAR_BYTES, COPIED_BYTES = 16 * 1024, 6 * 1024
SUMS_BYTES = 128 * 1024  # of sums: in the second-level cache


@compiled
def _grid(sizes, window, zero):
    H, W, W_out, (f_h, f_w, S_h, S_w, _, _, D_h, _) = sizes[3], sizes[4], sizes[6], window
    length, size = max(W_out, -(-W // S_w)), element_size(zero)
    rows = evenly(-(-H // S_h), max(1, NEAR * lanes(zero) // max(length, 1)))
    plane = (rows * length + lanes(zero)) * size
    copied = ((rows + (f_h - 1) * D_h + 1) * length + lanes(zero)) * size
    together = (NEAR_BYTES if S_h * S_w == 1 else COPIED_BYTES) // (S_h * S_w * plane + copied)
    return length, rows, plane, copied, -(-f_w // WIDE) * WIDE, max(1, min(together, _channels(window, zero)))


@compiled
def _channels(window, zero):
    """How many have their sums in scratch."""
    return max(1, SUMS_BYTES // (window[0] * -(-window[1] // WIDE) * WIDE * lanes(zero) * element_size(zero)))


@compiled
def _room(scratch, sizes, window, zero):
    """`room`, and the address behind it."""
    f_h, _, S_h, S_w, _, _, _, _ = window
    length, rows, plane, copied, columns, together = _grid(sizes, window, zero)
    planes = -(-scratch // LINE) * LINE
    dz = planes + together * S_h * S_w * plane
    sums = -(-(dz + together * copied) // LINE) * LINE
    begins = sums + _channels(window, zero) * f_h * columns * lanes(zero) * element_size(zero)
    facts = begins + 8 * columns
    masks = facts + 8 * FACTS * S_h * S_w
    behind = masks + 8 * (columns + f_h) * -(-rows * length // lanes(zero))
    return (planes, dz, sums, begins, facts, masks), behind


@compiled
def depthwise_theta_bytes(sizes, window, zero):
    """The scratch of `depthwise_theta`."""
    return _room(0, sizes, window, zero)[1] + LINE


@tiled
def depthwise_theta(
    channels: int, sizes: Sizes, window: Window, image: Images, dz: Images, out: Pair, scratch: int, zero: float
) -> None:
    """(17) dtheta: out is its address and the step from one k to the next; its taps are neighbours."""
    (m, _, _, H, W, _, _), (f_h, f_w, S_h, S_w, _, _, _, _), size = sizes, window, element_size(zero)
    grid, room, most = _grid(sizes, window, zero), _room(scratch, sizes, window, zero)[0], _channels(window, zero)
    length, rows, _, _, columns, together = grid
    sums_step, lines = f_h * columns * lanes(zero) * size, -(-H // S_h)
    near = S_h == 1 and S_w == 1 and length == W and image[4] == size and image[3] == length * size
    note_planes(sizes, window, (image[3], image[4]), grid, near, room, size)
    for first in range(0, channels, most):
        count = min(most, channels - first)
        for place in range(room[2], room[2] + count * sums_step, lanes(zero) * size):
            store(tile(zero, 1, 1), place, 0, 0, None)
        for x in range(0, lines, rows):
            band = (x, min(rows, lines - x))
            inner = note_masks(band, sizes, window, grid, room[5], zero)
            for n in range(m):
                for k in range(0, count, together):
                    some = min(together, count - k)
                    a = (image[0] + n * image[1] + (first + k) * image[2], image[2], image[3], image[4])
                    line = (dz[0] + n * dz[1] + (first + k) * dz[2], dz[2])
                    sums = (room[2] + k * sums_step, sums_step)
                    _add_images(some, band, sizes, window, a, line, near, grid, room, inner, sums, zero)
        _deliver((count, f_h, f_w, columns), room[2], (out[0] + first * out[1], out[1]), zero)
    if may_miss(channels, sizes, window, out, zero):
        add_beside(channels, sizes, window, dz, out, zero)


@compiled
def _add_images(some, band, sizes, window, a, dz, near, grid, room, inner, sums, zero):
    """A band of some channels of a sample: copied, if it has to be, and summed."""
    (length, _, plane, copied, _, _), size = grid, element_size(zero)
    source, line = (a[0] + band[0] * length * size, a[1], 0), dz
    if not near:
        copy_planes(some, band, sizes[4], window, a, grid, room, zero)
        source = (room[0], window[2] * window[3] * plane, window[3] * plane)
    if sizes[6] != length:
        line = (copy_dz(some, band, sizes, window, dz, grid, room[1], zero), copied)
    _add(some, band[0], window, source, line, grid, room, inner, sums, zero)


@compiled
def _add(some, x, window, a, dz, grid, room, inner, sums, zero):
    """All taps of a band of some channels."""
    (f_h, f_w, S_h, S_w, _, _, D_h, _), (length, _, _, _, columns, _) = window, grid
    size, row, run = element_size(zero), lanes(zero) * element_size(zero), (some, a[1], dz[1], sums[1])
    for q in range(S_h):
        first, taps = read_integers(room[4] + 8 * (FACTS * q * S_w + 3), 2)
        for u in range(0, taps, TALL):
            r, rows = q + u * S_h, min(TALL, taps - u)
            gradients = (dz[0] + (x + first - u * D_h) * length * size, -D_h * length * size)
            for s in range(0, f_w, WIDE):
                target = (sums[0] + (r * columns + s) * row, S_h * columns * row)
                masks = (room[5] + 8 * s, room[5] + 8 * (columns + r), 8 * S_h, 8 * (columns + f_h))
                cells = (a[0] + q * a[2], room[3] + 8 * s)
                if rows == 3:
                    _add_three(run, gradients, cells, masks, inner, target, zero)
                elif rows == 2:
                    _add_two(run, gradients, cells, masks, inner, target, zero)
                else:
                    _add_one(run, gradients, cells, masks, inner, target, zero)


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _add_three(run: Line, dz: Pair, a: Pair, masks: Line, inner: Triple, sums: Pair, zero: float) -> None:
    _add_tile(form(zero, 3, WIDE), run, dz, a, masks, inner, sums)


@tiled
def _add_two(run: Line, dz: Pair, a: Pair, masks: Line, inner: Triple, sums: Pair, zero: float) -> None:
    _add_tile(form(zero, 2, WIDE), run, dz, a, masks, inner, sums)


@tiled
def _add_one(run: Line, dz: Pair, a: Pair, masks: Line, inner: Triple, sums: Pair, zero: float) -> None:
    _add_tile(form(zero, 1, WIDE), run, dz, a, masks, inner, sums)


@inlined
def _add_tile(kind, run, dz, a, masks, inner, sums):
    """One tile over the vectors of a band, channel by channel."""
    zero, t = zero_of(kind), zeros(kind)
    (begin, behind, vectors), row, places = inner, lanes(zero) * element_size(zero), read_integers(a[1], WIDE)
    (source, first, target), (_, step), (_, _, bits_step, next_bits) = (dz[0], a[0], sums[0]), dz, masks
    for _ in range(run[0]):
        line, place, bits, dz_bits, total = source, first, masks[0], masks[1], t
        for _ in range(begin):
            total = add_some(total, line, step, dz_bits, bits_step, places, place, bits)
            line, place, bits, dz_bits = line + row, place + row, bits + next_bits, dz_bits + next_bits
        for _ in range(behind - begin):
            total = add_masked(total, line, step, places, place, bits)
            line, place, bits = line + row, place + row, bits + next_bits
        dz_bits += (behind - begin) * next_bits
        for _ in range(vectors - behind):
            total = add_some(total, line, step, dz_bits, bits_step, places, place, bits)
            line, place, bits, dz_bits = line + row, place + row, bits + next_bits, dz_bits + next_bits
        last = rows_of(kind) - 1
        store(added(total, load(t, target, sums[1], last, None)), target, sums[1], last, None)
        source, first, target = source + run[2], first + run[1], target + run[3]


@compiled
def _deliver(counts, sums, out, zero):
    """The sums over the lanes -> dtheta, of counts (channels, rows, columns of taps, and these in whole tiles)."""
    (channels, f_h, f_w, columns), size = counts, element_size(zero)
    row, t, one = lanes(zero) * size, tile(zero, 1, WIDE), tile(zero, 1, 1)
    for k in range(channels):
        for r in range(f_h):
            for s in range(0, f_w, WIDE if lanes(zero) >= WIDE else 1):
                place, target = sums + ((k * f_h + r) * columns + s) * row, out[0] + k * out[1] + (r * f_w + s) * size
                if lanes(zero) >= WIDE:
                    store(lane_sums(load(t, place, 0, 0, None)), target, 0, 0, min(WIDE, f_w - s))
                else:
                    store(lane_sums(load(one, place, 0, 0, None)), target, 0, 0, 1)


@compiled
def may_miss(channels, sizes, window, out, zero):
    """Whether dz may not be finite where a tap meets padding, which the masks leave out, and 0 times NaN is NaN.

    Taps that meet the image have it then, and dtheta tells; where windows may lie beside the image whole, nothing does.
    """
    (_, _, _, H, W, _, _), (f_h, f_w, _, _, P_h, P_w, D_h, D_w), beside = sizes, window, zero
    if P_h == 0 and P_w == 0:
        return False
    if P_h > (f_h - 1) * D_h or P_w > (f_w - 1) * D_w or D_h > H or D_w > W:
        return True
    for k in range(channels):
        for t in range(f_h * f_w):
            beside += read(zero, out[0] + k * out[1] + t * element_size(zero)) * zero
    return beside != zero


@shared
def add_beside(channels: int, sizes: Sizes, window: Window, dz: Images, out: Pair, zero: float) -> None:
    """What padding, which is 0, adds to dtheta: NaN, where dz is infinite or NaN."""
    (m, _, _, H, W, H_out, W_out), (f_h, f_w, S_h, S_w, P_h, P_w, D_h, D_w), size = sizes, window, element_size(zero)
    for k in range(channels):
        for n in range(m):
            for cell in range(H_out * W_out):
                beside = read(zero, dz[0] + n * dz[1] + k * dz[2] + cell * size) * zero
                if beside == zero:
                    continue
                for t in range(f_h * f_w):
                    i, j = cell // W_out * S_h - P_h + t // f_w * D_h, cell % W_out * S_w - P_w + t % f_w * D_w
                    if not (0 <= i < H and 0 <= j < W):
                        write(beside, out[0] + k * out[1] + t * size)
