"""Whether single channels are summed with one in each lane: by the cycles of each way, whatever the number of samples.

Tuples as in planes.py, depthwise.py and depthwise_theta.py; `back` is 1 for da, and 0 for z. Constants are cycles, as
measured.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.sums.channel_bands import ALONE
from fastnn.kernels.sums.channel_lanes import FEW, ROWS, channels_bytes
from fastnn.kernels.sums.channel_lines import WIDE
from fastnn.kernels.sums.channel_theta import TAPS, channel_theta_bytes
from fastnn.kernels.sums.depthwise_rows import Theta
from fastnn.kernels.sums.depthwise_theta import TALL
from fastnn.kernels.sums.planes import Images, Sizes, Window, phases, plane_of, shape_of
from fastnn.kernels.sums.sample_turns import in_one_set

# With a channel in each lane: a vector of channels of a sample; to turn a vector, one that is staged (sample_turns.py), and
# a cell that is taken alone. Its other way must be slower by more than what is uncertain here.
CHANNELS, SQUARE, STAGED, SINGLE, MARGIN = 250, 5.3, 9, 30, 0.95
# Of `sum_channels`: a column of a tile beside its products, and a product; likewise where taps or rows are apart.
COLUMN, PRODUCT, COLUMN_APART, PRODUCT_APART = 40, 1.1, 60, 1.3
# Of `channel_theta`: a run of cells; a cell with a tile of taps beside its products, and with taps of one row.
RUN, CELL, ROW_CELL = 40, 1.5, 9
# Of `depthwise`: a channel, a vector that is copied, a tile beside its products, a row of it to cells that
# are apart, and a product, from a copy and not.
CHANNEL, COPY, TILE, PUT, PRODUCT_COPIED, PRODUCT_THERE = 66, 8, 55, 20, 1.6, 1.15
# Of `depthwise_theta`: a tile, a product, a row's vector that is copied, two of every other cell, and a cell by itself.
LINE_TILE, LINE_PRODUCT, LINE_COPY, LINE_HALVES, LINE_CELL = 40, 1.6, 10, 12, 1.6


@compiled
def _depthwise_cycles(apart, sizes, window, zero):
    """A channel's time by `depthwise`: its copy, if there is one, and its tiles. apart: whether its cells are, those of
    a plane of da.
    """
    f_h, f_w, S_h, S_w, _, _, D_h, D_w = window
    (H_out, W_out), reach = sizes[5:], (f_w - 1) * D_w // S_w
    tiles, products = -(-H_out // ROWS) * -(-W_out // lanes(zero)), ROWS * f_h * f_w
    if S_h == 1 and S_w == 1 and not apart:
        return CHANNEL + (TILE + PRODUCT_THERE * products) * tiles
    copied = ((H_out - 1) * S_h + (f_h - 1) * D_h + 1) * S_w * -(-(W_out + reach) // lanes(zero))
    return CHANNEL + COPY * copied + (TILE + PRODUCT_COPIED * products + (ROWS * PUT if apart else 0)) * tiles


@compiled
def _column_cycles(sizes, window):
    """The time of a vector of channels by `sum_channels`, but for what is turned: its columns of output cells."""
    f_h, f_w, S_h, _, _, _, D_h, _ = window
    rows = sizes[5] // ROWS * ROWS + (0 if sizes[5] % ROWS == 0 else FEW if sizes[5] % ROWS <= FEW else ROWS)
    column, product = (COLUMN, PRODUCT) if S_h == 1 and D_h == 1 else (COLUMN_APART, PRODUCT_APART)
    return sizes[6] * (column * -(-sizes[5] // ROWS) + rows * f_h * f_w * product)


@compiled
def _turned_cycles(cells, zero):
    """The time of a vector of channels to be turned."""
    width, alone = lanes(zero), cells % lanes(zero)
    if in_one_set(cells * element_size(zero)):
        return STAGED * -(-cells // width) * width
    return SQUARE * cells + SINGLE * alone if alone <= ALONE else SQUARE * -(-cells // width) * width


@tiled
def takes_channels(
    back: int, channels: int, sizes: Sizes, window: Window, image: Images, theta: Theta, out: Images, zero: float
) -> int:
    """Whether `sum_channels` takes these."""
    shape, size = shape_of(back, sizes), element_size(zero)
    if image[4] != size or out[4] != size or image[3] != shape[4] * size or out[3] != shape[6] * size:
        return 0
    if theta[3] != size or theta[2] != window[1] * size or shape[3] * shape[4] * shape[5] * shape[6] == 0:
        return 0
    if channels_bytes(back, sizes, window, zero) == 0:
        return 0
    direct, columns = 0.0, CHANNELS + _turned_cycles(shape[3] * shape[4], zero)
    columns += _turned_cycles(shape[5] * shape[6], zero)
    for q_h in range(phases(window[0], window[2], window[6]) if back else 1):
        for q_w in range(phases(window[1], window[3], window[7]) if back else 1):
            met, taps = sizes, window
            if back:
                met, taps, _, _ = plane_of(q_h, q_w, sizes, window)
            if met[5] > 0 and met[6] > 0:
                direct += _depthwise_cycles(back and window[3] > 1, met, taps, zero)
                columns += _column_cycles(met, taps)
    return 1 if -(-channels // lanes(zero)) * columns < MARGIN * channels * direct else 0


@compiled
def _line_cycles(sizes, window, zero):
    """A channel's time by `depthwise_theta`: its copies, and its tiles."""
    (_, _, _, H, W, H_out, W_out), (f_h, f_w, S_h, S_w, _, _, _, _) = sizes, window
    width, length, columns = lanes(zero), max(W_out, -(-W // S_w)), -(-f_w // WIDE)
    cycles = LINE_PRODUCT * f_h * columns * WIDE * -(-(-(-H // S_h) * length) // width)
    cycles += LINE_TILE * columns * min(f_h, S_h) * -(-f_h // (min(f_h, S_h) * TALL))
    if W_out != length:
        cycles += LINE_COPY * H_out * -(-length // width)
    if S_w > 2:
        return cycles + LINE_CELL * H * W
    if S_w == 2:
        return cycles + LINE_HALVES * H * -(-length // width)
    return cycles + (LINE_COPY * H * -(-length // width) if S_h > 1 or length != W else 0.0)


@compiled
def _theta_cycles(sizes, window, zero):
    """The time of a vector of channels by `channel_theta`."""
    (_, _, _, H, W, H_out, W_out), (f_h, f_w, _, _, _, _, _, _) = sizes, window
    cycles = CHANNELS + _turned_cycles(H * W, zero) + _turned_cycles(H_out * W_out, zero)
    tall, single = f_h // TAPS, f_h % TAPS
    for s in range(0, f_w, TAPS):
        taps = min(TAPS, f_w - s)
        cycles += H_out * W_out * (tall * (CELL + TAPS * taps) + single * ROW_CELL) + RUN * (tall + single) * (2 * taps - 1)
    return cycles


@tiled
def takes_channel_theta(channels: int, sizes: Sizes, window: Window, image: Images, zero: float) -> int:
    """Whether `channel_theta` takes these, whose dz is contiguous."""
    size = element_size(zero)
    if image[4] != size or image[3] != sizes[4] * size or sizes[3] * sizes[4] * sizes[5] * sizes[6] == 0:
        return 0
    if channel_theta_bytes(sizes, window, zero) == 0:
        return 0
    columns = -(-channels // lanes(zero)) * _theta_cycles(sizes, window, zero)
    return 1 if columns < MARGIN * channels * _line_cycles(sizes, window, zero) else 0
