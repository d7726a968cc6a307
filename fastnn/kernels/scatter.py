"""dz -> da as notes (18), (19) have it: what each dz cell adds to each cell of its window, and then the sums of these.

cols_(c,r,s)(i,j) = theta_k(c,r,s) dz_k(i,j) is a product whose right side is dz itself, and whose tile has taps as rows:
so few channels C fill it as well as many, where `correlate` would copy K planes for C results. Some output rows at a time
are kept, in a ring: row I of da's cells is the sum of cols_(c,r,s) at row I - (r - q) D_h / S_h and the like column, over
the taps of its planes (planes.py), added up in a register: adding in memory would wait for the tap before, whose cells
overlap.
"""

from fastnn.kernels.dots import BLOCK
from fastnn.kernels.forms import form, lanes, most_rows, zero_of, zeros
from fastnn.kernels.jit import compiled
from fastnn.kernels.lanes import added_lanes, store_apart, store_lanes
from fastnn.kernels.memory import ask_to_read, element_size, read, read_integer, read_integers, write, write_integer
from fastnn.kernels.planes import Images, Sizes, Window, halo, line_apart, phases
from fastnn.kernels.shared import shared
from fastnn.kernels.simd import LINE, VECTORS
from fastnn.kernels.tiles import added, load, rank_one, store, tile

SUMS = 4  # vectors of sums at a time: each addition waits for the one before
FEW_SUMS = 2  # where that many are enough
FACTS = 3  # that are noted on the columns of a kind (`_note_columns`)
RING_BYTES = 256 * 1024  # of cols: they stay in the second-level cache


@compiled
def ring(sizes, window, size):
    """Output rows that are computed at a time, rows in the ring, and the step in bytes from tap to tap."""
    _, C, _, _, _, H_out, W_out = sizes
    beyond = halo(window[0], window[2], window[6])
    rows = max(1, min(H_out, RING_BYTES // (C * window[0] * window[1] * W_out * size + 1) - beyond))
    kept = H_out if rows == H_out else -(-(beyond + rows) // rows) * rows
    return rows, kept, line_apart(kept * W_out * size)


@compiled
def scatter_bytes(sizes, window, zero):
    """The scratch of `scatter`: the packed weights, the ring, notes on rows and columns, some vectors."""
    size, taps = element_size(zero), sizes[1] * window[0] * window[1]
    tiles = -(-taps // most_rows(zero)) * most_rows(zero)
    notes = 8 * (window[0] + FACTS * window[1])
    return tiles * sizes[2] * size + taps * ring(sizes, window, size)[2] + notes + (3 + SUMS) * LINE


@shared
def scatter(sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float) -> None:
    """All samples of one group; sizes and window are the forward pass's. The cells of a dz image are neighbours."""
    m, C, K, H, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, _, D_h, D_w = window
    size, taps = element_size(zero), C * window[0] * window[1]
    rows, kept, step = ring(sizes, window, size)
    beyond = halo(window[0], window[2], window[6])
    weights = -(-scratch // LINE) * LINE
    cols = -(-(weights + -(-taps // most_rows(zero)) * most_rows(zero) * K * size) // LINE) * LINE
    kinds_h, kinds_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    kinds = (kinds_h, kinds_h * D_h // S_h, kinds_w, kinds_w * D_w // S_w)
    notes = cols + taps * step
    _note_columns(sizes, window, kinds_w, notes + 8 * f_h)
    _pack_taps((K, C, window[0], window[1]), theta, weights, zero)
    for n in range(m):
        target = (da[0] + n * da[1], da[2], da[3], da[4])
        for i in range(0, H_out, rows):
            some = min(rows, H_out - i)
            source = (dz[0] + n * dz[1] + i * W_out * size, dz[2])
            _make_cols(source, (K, taps, some * W_out), weights, cols + i % kept * W_out * size, step, zero)
            begin = i if i > 0 else min(0, -(((kinds_h - 1) * D_h - P_h) // S_h))
            until = i + some if i + some < H_out else max(H_out + beyond, (H - 1 + P_h) // S_h + 1)
            for row in range(begin, until):  # all that da has: rows that no window reaches too
                _sum_row(row, sizes, window, kinds, (cols, kept, step, notes), target, zero)


@compiled
def _pack_taps(shape, theta, target, zero):
    """theta (K, C, f_h, f_w) as tiles of taps: the taps of a tile are neighbours, then k."""
    K, C, f_h, f_w = shape
    first, step_k, step_c, step_h, step_w = theta
    size, full, taps = element_size(zero), most_rows(zero), C * f_h * f_w
    for tap in range(0, taps, full):
        for row in range(full):
            t = min(tap + row, taps - 1)
            place = first + t // (f_h * f_w) * step_c + t // f_w % f_h * step_h + t % f_w * step_w
            for k in range(K):
                write(read(zero, place + k * step_k), target + (k * full + row) * size)
        target += K * full * size


@compiled
def _make_cols(dz, counts, weights, cols, step, zero):
    """cols_t = theta_kt dz_k for some cells: wide tiles while they fit, then single vectors."""
    K, taps, cells = counts
    size, width, full = element_size(zero), lanes(zero), most_rows(zero)
    done = 0
    while done < cells:
        wide = cells - done >= VECTORS * width
        count = VECTORS * width if wide else min(width, cells - done)
        for tap in range(0, taps, full):
            last = min(full, taps - tap) - 1
            above, target = weights + tap * K * size, cols + tap * step + done * size
            if wide:
                _run(form(zero, full, VECTORS), K, last, above, (dz[0] + done * size, dz[1]), target, step, None)
            else:
                _run(form(zero, full, 1), K, last, above, (dz[0] + done * size, dz[1]), target, step, count)
        done += count


@compiled
def _run(kind, K, last, above, dz, target, step, count):
    """One tile: BLOCK terms from zero, then the next are added."""
    zero, t = zero_of(kind), zeros(kind)
    size, full, place = element_size(zero), most_rows(zero), dz[0]
    row = VECTORS * lanes(zero) * size
    for k in range(0, max(K, 1), BLOCK):
        total = t
        for _ in range(min(BLOCK, K - k)):
            if count is None:  # what the next tile reads, which is as wide
                for line in range(row, 2 * row, LINE):
                    ask_to_read(place + line)
            total = rank_one(total, above, size, full - 1, place, count)
            above += full * size
            place += dz[1]
        if k > 0:
            total = added(total, load(t, target, step, last, count))
        store(total, target, step, last, count)


@compiled
def _note_columns(sizes, window, kinds, notes):
    """Note of the cells that planes q, q + kinds, ... have in each row of da the first, its column there, and how many.

    Worked out row by row, divisions took a third of the time of the sums with a stride of 2.
    """
    W, (_, _, _, S, _, P, _, D) = sizes[4], window
    for q in range(kinds):
        first = -((q * D - P) // S)
        x = first * S + q * D - P
        write_integer(first, notes + 8 * FACTS * q)
        write_integer(x, notes + 8 * FACTS * q + 8)
        write_integer((W - 1 - x) // S + 1 if x < W else 0, notes + 8 * FACTS * q + 16)


@compiled
def _sum_row(row, sizes, window, kinds, cols, da, zero):
    """The cells of da in row `row` of each plane. kinds: how many of rows, output rows from one to the next; of columns."""
    _, C, _, H, _, _, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, _, D_h, _ = window
    kinds_h, apart_h, kinds_w, apart_w = kinds
    size, width, (cells, _, tap, notes) = element_size(zero), lanes(zero), cols
    facts, step = notes + 8 * f_h, S_w * da[3]
    buffer = facts + 8 * FACTS * f_w
    for q_h in range(kinds_h):
        y = row * S_h + q_h * D_h - P_h
        if y < 0 or y >= H:
            continue
        met = _note_rows(row, (q_h, f_h, kinds_h, apart_h), sizes[5], f_w, cols, W_out * size)
        for q_w in range(kinds_w):
            first, x, columns = read_integers(facts + 8 * FACTS * q_w, FACTS)
            taps = (f_w - q_w, kinds_w, apart_w, kinds_w * tap)
            for c in range(C):
                place = da[0] + c * da[1] + y * da[2] + x * da[3]
                source = cells + (c * f_h * f_w + q_w) * tap
                for j in range(0, columns, SUMS * width):
                    count = min(SUMS * width, columns - j)
                    target = (place + j * step, step, count, buffer)
                    if count <= width:
                        _sum_cells(form(zero, 1, 1), source, first + j, W_out, taps, (notes, met), target)
                    elif count > FEW_SUMS * width:
                        _sum_cells(form(zero, 1, SUMS), source, first + j, W_out, taps, (notes, met), target)
                    else:
                        _sum_cells(form(zero, 1, FEW_SUMS), source, first + j, W_out, taps, (notes, met), target)


@compiled
def _note_rows(row, taps, H_out, f_w, cols, row_bytes):
    """Note where the taps r of plane q find what they add to a row, if it is not outside; returns how many do."""
    (q, f_h, kinds, apart), (_, kept, tap, notes) = taps, cols
    met, i = 0, row
    for r in range(q, f_h, kinds):
        if i >= 0 and i < H_out:
            where = i if i < kept else i % kept
            write_integer(r * f_w * tap + where * row_bytes, notes + 8 * met)
            met += 1
        i -= apart
    return met


@compiled
def _sum_cells(kind, source, column, W_out, taps, rows, target):
    """Some vectors of them. Masks are those of a column s, the same for all rows r."""
    zero = zero_of(kind)
    notes, met = rows
    total = zeros(kind)
    for _ in range(0, taps[0], taps[1]):
        place, begin, behind = source + column * element_size(zero), -column, W_out - column
        for r in range(met):
            total = added_lanes(total, place + read_integer(notes + 8 * r), begin, behind)
        column -= taps[2]
        source += taps[3]
    place, step, count, buffer = target
    if step == element_size(zero):
        store_lanes(total, place, 0, count)
        return
    store(total, buffer, 0, 0, None)
    width, vector = lanes(zero), tile(zero, 1, 1)
    for j in range(0, count, width):
        if step == 2 * element_size(zero):
            store_apart(load(vector, buffer + j * element_size(zero), 0, 0, None), place + j * step, min(width, count - j))
        else:
            for i in range(j, min(j + width, count)):
                write(read(zero, buffer + i * element_size(zero)), place + i * step)
