"""dz -> da as notes (18), (19) have it: what dz cells add to those of their windows, a column of taps at a time, then sums.

cols_(c,s)(I,j) = sum_(k,r) theta_k(c,r,s) dz_k(I - (r - q) D_h / S_h, j), over the taps r of plane q (planes.py), which meet
row I of da's cells. The right side is dz itself, over the ends of its rows: it is not copied, and no product is one with a
zero. The tile has pairs (c, s) as rows, so few channels C fill it as well as many, where `correlate` would copy K f_w planes
for C results. Then the f_w lines of a row of da, which lie apart there, are added up in a register: adding in memory would
wait for the tap before, whose cells overlap.

    taps    of a row: the first, how many, and of how many that a plane has
    kinds   of columns: how many, and output columns from one tap to the next
    cols    address, step from tap to tap
    dz      address of a row's first tap, steps from one k and tap r to the next, k that go together, what is read after it
    notes   addresses in scratch: facts about columns and masks (`_note_columns`), a tile's cells
"""

from fastnn.kernels.arrays.memory import ask_to_read, element_size, read, read_integers, write, write_integer
from fastnn.kernels.compiler.jit import compiled, inlined
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.products.dots import BLOCK
from fastnn.kernels.registers.forms import form, lanes, low_form, rows_of, vectors_of, zero_of, zeros
from fastnn.kernels.registers.lanes import added_masked, store_apart, store_lanes
from fastnn.kernels.registers.simd import LINE
from fastnn.kernels.registers.tiles import added, load, rank_one, store
from fastnn.kernels.sums.planes import Images, Sizes, Window, line_apart, phases
from fastnn.kernels.sums.sample_turns import in_one_set

LOW, MIDDLE, HIGH = 3, 5, 7  # rows of a tile: as many as windows of 3, 5 or 7 columns have
SUMS = 4  # vectors of sums at a time: each addition waits for the one before
FEW_SUMS = 2  # where that many are enough
FACTS = 3  # that are noted on the columns of a kind
# k that go together: those whose part of dz leaves room for what comes next; no more than ways, where all lie in one set.
NEAR, CLASHING = 32, 8
COLS_BYTES = 16 * 1024  # of cols: they stay in the second-level cache beside what dz they come from

Counts = tuple[int, int, int]
Lines = tuple[int, int, int, int, int]
Cols = tuple[int, int]


@compiled
def tile_rows(taps):
    """Rows of the tile that leaves the fewest unused; of the highest where several do."""
    low, middle, high = -(-taps // LOW) * LOW, -(-taps // MIDDLE) * MIDDLE, -(-taps // HIGH) * HIGH
    if high <= min(low, middle):
        return HIGH
    return MIDDLE if middle <= low else LOW


@compiled
def _near(K, f_h, step):
    """k, a step apart, that meet all r of a plane before the next ones do; about as many each time, BLOCK terms at most."""
    most = max(1, min(CLASHING if in_one_set(step) else NEAR, BLOCK // f_h))
    return max(1, -(-K // max(1, -(-K // most))))


@compiled
def _layout(scratch, sizes, window, zero):
    """Rows of da's cells at a time, the step of cols; addresses of weights, cols, and notes, the end."""
    _, C, K, H, W, _, W_out = sizes
    size, taps = element_size(zero), C * window[1]
    rows = max(1, min(H, COLS_BYTES // (taps * W_out * size + 1)))
    step = line_apart(rows * W_out * size)
    weights = -(-scratch // LINE) * LINE
    high = tile_rows(taps)
    cols = -(-(weights + -(-taps // high) * high * K * window[0] * size) // LINE) * LINE
    facts = cols + taps * step
    masks = facts + 8 * FACTS * window[1]
    cells = masks + 8 * window[1] * _vectors(W, zero)
    return rows, step, weights, cols, (facts, masks, cells), cells + SUMS * lanes(zero) * size


@compiled
def _vectors(W, zero):
    """Of a row of masks: those of a tile behind the last are read, too."""
    return -(-W // lanes(zero)) + SUMS


@compiled
def scatter_bytes(sizes, window, zero):
    """The scratch of `scatter`."""
    return _layout(0, sizes, window, zero)[5] + LINE


@tiled
def scatter(sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float) -> None:
    """All samples of one group; sizes and window are the forward pass's. The cells of a dz image are neighbours."""
    m, C, K, H, _, H_out, W_out = sizes
    f_h, f_w, S_h, S_w, P_h, _, D_h, D_w = window
    size, high = element_size(zero), tile_rows(C * f_w)
    rows, step, weights, cols, notes, _ = _layout(scratch, sizes, window, zero)
    kinds, kinds_w = phases(f_h, S_h, D_h), phases(f_w, S_w, D_w)
    apart, columns = max(1, kinds * D_h // S_h), (kinds_w, kinds_w * D_w // S_w)
    _note_columns(sizes, window, columns, notes, zero)
    near = _near(K, f_h, dz[2])
    _pack((K, C, f_h, f_w), kinds, near, theta, weights, zero)
    for n in range(m):
        above = weights
        for q in range(kinds):
            some, first_row = (f_h - q + kinds - 1) // kinds, -((q * D_h - P_h) // S_h)
            until = (H - 1 + P_h - q * D_h) // S_h + 1
            for begin in range(first_row, until, rows):  # all that da has: rows that no tap reaches, too
                behind, row = min(until, begin + rows), begin
                while row < behind:
                    whole = row >= (some - 1) * apart and row < H_out
                    count = min(behind, H_out) - row if whole else 1
                    first = max(0, -((H_out - 1 - row) // apart))
                    taps = first, max(0, min(some - 1, row // apart) - first + 1), some
                    place, next_ = dz[0] + n * dz[1] + row * W_out * size, dz[0] + (n + 1) * dz[1]
                    next_ = place + count * W_out * size if row + count < H_out else next_
                    source = place, dz[2], -apart * W_out * size, near, next_
                    counts, lines = (C * f_w, K, count * W_out), (cols + (row - begin) * W_out * size, step)
                    if high == HIGH:
                        _make_high(counts, taps, source, above, lines, zero)
                    elif high == MIDDLE:
                        _make_middle(counts, taps, source, above, lines, zero)
                    else:
                        _make_low(counts, taps, source, above, lines, zero)
                    row += count
                y = begin * S_h + q * D_h - P_h
                target = (da[0] + n * da[1] + y * da[3], da[2], S_h * da[3], da[4])
                _sum_rows(behind - begin, sizes, window, columns, (cols, step), notes, target, zero)
            above += -(-C * f_w // high) * high * K * some * size


@compiled
def _pack(shape, kinds, near, theta, target, zero):
    """theta (K, C, f_h, f_w), plane by plane, as tiles of rows (c, s): these are neighbours, then near k, then r, all k."""
    K, C, f_h, f_w = shape
    first, step_k, step_c, step_h, step_w = theta
    size, taps, high = element_size(zero), C * f_w, tile_rows(C * f_w)
    for q in range(kinds):
        for tap in range(0, taps, high):
            for begin in range(0, K, near):
                for r in range(q, f_h, kinds):
                    for k in range(begin, min(begin + near, K)):
                        for t in range(tap, tap + high):
                            x = min(t, taps - 1)
                            place = first + k * step_k + x // f_w * step_c + r * step_h + x % f_w * step_w
                            write(read(zero, place), target)
                            target += size


# Each tile by itself, so that a network has only those compiled that it runs.
@tiled
def _make_low(counts: Counts, taps: Counts, dz: Lines, above: int, cols: Cols, zero: float) -> None:
    _make_cols(low_form(zero, LOW), form(zero, LOW, 2), form(zero, LOW, 1), counts, taps, dz, above, cols)


@tiled
def _make_middle(counts: Counts, taps: Counts, dz: Lines, above: int, cols: Cols, zero: float) -> None:
    _make_cols(low_form(zero, MIDDLE), form(zero, MIDDLE, 2), form(zero, MIDDLE, 1), counts, taps, dz, above, cols)


@tiled
def _make_high(counts: Counts, taps: Counts, dz: Lines, above: int, cols: Cols, zero: float) -> None:
    _make_cols(low_form(zero, HIGH), form(zero, HIGH, 2), form(zero, HIGH, 1), counts, taps, dz, above, cols)


@compiled
def _make_cols(wide, pair, single, counts, taps, dz, above, cols):
    """Those of some cells: wide tiles while they fit, then two vectors and one."""
    rows, K, cells = counts
    zero = zero_of(wide)
    size, width, done = element_size(zero), lanes(zero), 0
    while done < cells:
        rest = cells - done
        count = vectors_of(wide) * width if rest >= vectors_of(wide) * width else min(2 * width, rest)
        for row in range(0, rows, rows_of(wide)):
            last, weights = min(rows_of(wide), rows - row) - 1, above + row * K * taps[2] * size
            source, target = dz[0] + done * size, (cols[0] + row * cols[1] + done * size, cols[1])
            lines = source, dz[1], dz[2], dz[3], source + count * size if done + 2 * count <= cells else dz[4]
            if count > 2 * width:
                _run(wide, K, taps, weights, lines, target, last, None)
            elif count > width:
                _run(pair, K, taps, weights, lines, target, last, count - width)
            else:
                _run(single, K, taps, weights, lines, target, last, count)
        done += count


@inlined
def _run(kind, K, taps, weights, dz, target, last, count):
    """One tile: BLOCK terms from zero, then the next are added."""
    (first, some, of), (source, step_k, step_r, near, ahead) = taps, dz
    zero, t = zero_of(kind), zeros(kind)
    size = element_size(zero)
    rows, together = rows_of(kind) * size, BLOCK // (of * near) * near
    total = t
    for k in range(0, max(K, 1), near):
        each = min(near, K - k)
        weights += first * each * rows
        for r in range(some):
            place, beyond = source + (first + r) * step_r, ahead + r * LINE
            for _ in range(each):
                total = rank_one(total, weights, size, rows_of(kind) - 1, place, count)
                if count is None:  # each r asks for other lines of the same k
                    ask_to_read(beyond)
                    if vectors_of(kind) > MIDDLE:
                        ask_to_read(beyond + some * LINE)
                        ask_to_read(beyond + 2 * some * LINE)
                weights += rows
                place += step_k
                beyond += step_k
        weights += (of - some - first) * each * rows
        source, ahead = source + near * step_k, ahead + near * step_k
        if k + near >= K or (k + near) % together == 0:
            if k >= together:
                total = added(total, load(t, target[0], target[1], last, count))
            store(total, target[0], target[1], last, count)
            total = t


@compiled
def _note_columns(sizes, window, kinds, notes, zero):
    """Note of the cells that taps q, q + kinds, ... meet in each row of da the first, its column there, and how many.

    And for each tap and vector of these cells the lanes that it meets, as the bits of an integer. Worked out row by row they
    took half of the time of the sums.
    """
    W, W_out, (_, f_w, _, S, _, P, _, D) = sizes[4], sizes[6], window
    width, vectors = lanes(zero), _vectors(sizes[4], zero)
    for s in range(f_w):
        q = s % kinds[0]
        first = -((q * D - P) // S)
        x = first * S + q * D - P
        if s == q:
            write_integer(first, notes[0] + 8 * FACTS * q)
            write_integer(x, notes[0] + 8 * FACTS * q + 8)
            write_integer((W - 1 - x) // S + 1 if x < W else 0, notes[0] + 8 * FACTS * q + 16)
        for v in range(vectors):
            begin = s // kinds[0] * kinds[1] - first - v * width
            low, high = min(width, max(0, begin)), min(width, max(0, begin + W_out))
            write_integer((1 << high) - (1 << low), notes[1] + 8 * (s * vectors + v))


@compiled
def _sum_rows(count, sizes, window, kinds, cols, notes, da, zero):
    """Some rows of a plane of da, in all channels."""
    _, C, _, _, W, _, W_out = sizes
    f_w, (first_col, step), (facts, masks, cells) = window[1], cols, notes
    size, width, apart = element_size(zero), lanes(zero), window[3] * da[3]
    line = 8 * kinds[0] * _vectors(W, zero)
    for q in range(kinds[0]):
        first, x, columns = read_integers(facts + 8 * FACTS * q, FACTS)
        taps = ((f_w - q + kinds[0] - 1) // kinds[0], kinds[0] * step - kinds[1] * size, line)
        for c in range(C):
            for j in range(0, columns, SUMS * width):
                some = min(SUMS * width, columns - j)
                source = (first_col + (c * f_w + q) * step + (first + j) * size, W_out * size)
                bits = masks + q * (line // kinds[0]) + j // width * 8
                target = (da[0] + c * da[1] + x * da[3] + j * apart, da[2], apart, some, cells)
                if some <= width:
                    _sum_cells(form(zero, 1, 1), count, source, taps, bits, target)
                elif some > FEW_SUMS * width:
                    _sum_cells(form(zero, 1, SUMS), count, source, taps, bits, target)
                else:
                    _sum_cells(form(zero, 1, FEW_SUMS), count, source, taps, bits, target)


@compiled
def _sum_cells(kind, count, source, taps, masks, target):
    """Some vectors of each row."""
    zero, (line, step) = zero_of(kind), source
    place, step_h, apart, some, cells = target
    for _ in range(count):
        total, col, bits = zeros(kind), line, masks
        for _ in range(taps[0]):
            total = added_masked(total, col, bits)
            col += taps[1]
            bits += taps[2]
        if apart == element_size(zero):
            store_lanes(total, place, 0, some)
        elif apart == 2 * element_size(zero):
            store_apart(total, place, some)
        else:
            store(total, cells, 0, 0, None)
            for i in range(some):
                write(read(zero, cells + i * element_size(zero)), place + i * apart)
        line += step
        place += step_h
