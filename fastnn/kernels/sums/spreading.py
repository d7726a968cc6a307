"""dz -> da of windows of one cell and stride 2: sums lie apart in da, with zeros between them.

Each sample's sums, or those of some, are made one beside the other while they stay near, and then written with the zeros, a
whole vector at a time. To clear da first and write every other cell of it after that took half as long again.
"""

from fastnn.kernels.arrays.memory import element_size
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.registers.forms import lanes
from fastnn.kernels.registers.shuffles import first_half, second_half
from fastnn.kernels.registers.tiles import load, store, tile
from fastnn.kernels.sums.planes import Images, Sizes

SUMS_BYTES = 256 * 1024  # of sums that stay in the second-level cache; or twice the weights, which are packed each time


@compiled
def are_spread(sizes, window, dz, da, zero):
    """Whether da is such, and cells are neighbours."""
    f_h, f_w, S_h, S_w, P_h, P_w, _, _ = window
    size = element_size(zero)
    met = f_h * f_w == 1 and S_w == 2 and P_h == 0 and P_w == 0 and (sizes[6] - 1) * 2 < sizes[4]
    return met and (sizes[5] - 1) * S_h < sizes[3] and dz[4] == size and da[4] == size


@compiled
def samples_together(sizes, zero):
    """Whose sums are made before they are written."""
    size = element_size(zero)
    return max(1, max(SUMS_BYTES, 2 * sizes[1] * sizes[2] * size) // max(1, sizes[1] * sizes[5] * sizes[6] * size))


@compiled
def spread_bytes(sizes, zero):
    """Of these sums."""
    return min(sizes[0], samples_together(sizes, zero)) * sizes[1] * sizes[5] * sizes[6] * element_size(zero)


@tiled
def put_spread(sizes: Sizes, S_h: int, sums: int, da: Images, zero: float) -> None:
    """Sums of all samples, (m, C, H', W'), -> da."""
    m, C, _, H, W, H_out, W_out = sizes
    size, width, nothing, line = element_size(zero), lanes(zero), tile(zero, 1, 1), sums
    for n in range(m):
        for c in range(C):
            for y in range(H):
                place = da[0] + n * da[1] + c * da[2] + y * da[3]
                if y % S_h != 0 or y // S_h >= H_out:
                    for x in range(0, W, width):
                        store(nothing, place + x * size, 0, 0, min(width, W - x))
                    continue
                for j in range(0, W_out, width):
                    found, x = load(nothing, line + j * size, 0, 0, min(width, W_out - j)), 2 * j
                    store(first_half(found, nothing, lanes(zero)), place + x * size, 0, 0, min(width, W - x))
                    x += width
                    if x < W:
                        store(second_half(found, nothing, lanes(zero)), place + x * size, 0, 0, min(width, W - x))
                for x in range(-(-W_out // width) * 2 * width, W, width):
                    store(nothing, place + x * size, 0, 0, min(width, W - x))
                line += W_out * size
