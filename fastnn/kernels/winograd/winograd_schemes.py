"""Which products minimal algorithms sum windows of 3 x 3 by: along each axis a few cells, weights and sums that meet.

    ONE   stride 1, F(2, 3): two cells z in 4 products, where 6 stand in the equation. With d_0 .. d_3 under them,
          (d_0 - d_2) g_0, (d_1 + d_2) (g_0 + g_1 + g_2) / 2, (d_2 - d_1) (g_0 - g_1 + g_2) / 2, (d_1 - d_3) g_2 = m_0 .. m_3
          z_0 = m_0 + m_1 + m_2, z_1 = m_1 - m_2 - m_3
    TWO   stride 2: two cells in 5 products. Even cells of d meet g_0 and g_2, odd ones g_1 alone:
          (d_0 - d_2) g_0 + d_1 g_1, d_2 (g_0 + g_2), d_3 g_1 + (d_4 - d_2) g_2 = s_0, s_1, s_2
          z_0 = s_0 + s_1, z_1 = s_1 + s_2
    BACK  from dz to da of stride 2: four cells of da in 5 products, where 6 stand in the equation. With dz d_0 .. d_2,
          (d_0 - d_1) g_2, d_1 (g_0 + g_2), (d_2 - d_1) g_0, d_1 g_1, d_e g_1 = m_0 .. m_4
          da, those that meet g_0 and g_2, are m_0 + m_1 and m_1 + m_2, the others m_3 and m_4. If the first cell is one of
          the latter, it meets d_e = d_0, and d_1 the next of its kind, else d_1, and d_e = d_2 the next.

In two dimensions the products are those of a product of both: 16, where 36 stand in the equation, and 25, of 36. Cells,
weights and sums are numbered as they stand here; there are 4 weights, of TWO and BACK g_0, g_1, g_0 + g_2, g_2. Sources:
Winograd (1980), Lavin and Gray (2016).
"""

from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.sums.planes import plane_of, shape_of

ONE, TWO, BACK = range(3)
WEIGHTS = 4  # along an axis


@compiled
def scheme_of(window):
    """Of windows that are summed to z."""
    return TWO if window[2] == 2 else ONE


@compiled
def way_back(sizes, window):
    """The scheme on the way back to da, and the sizes and window that it takes: of the first plane, if it goes by planes."""
    if window[0] == 3 and window[2] == 2 and window[3] == 2:
        return BACK, shape_of(1, sizes), window
    turned, met, _, _ = plane_of(0, 0, sizes, window)
    return ONE, turned, met


@compiled
def cells_of(scheme):
    """How many cells of transformed patches there are, along an axis."""
    return 5 if scheme == TWO else 4


@compiled
def sums_of(scheme):
    return (4, 3, 5)[scheme]


@compiled
def products_of(scheme):
    return 4 if scheme == ONE else 5


@compiled
def products_in(scheme, i):
    """The products of sum i, from one to another."""
    return (2 * i - i // 2, 2 * i + 2 - (i + 1) // 2) if scheme == TWO else (i, i + 1)


@compiled
def cell_of(scheme, product):
    return (0, 1, 2, 1, 3)[product] if scheme == BACK else product


@compiled
def weight_of(scheme, product):
    if scheme == ONE:
        return product
    return (0, 1, 2, 1, 3)[product] if scheme == TWO else (3, 2, 0, 1, 1)[product]


@compiled
def sum_of(scheme, product):
    """The sum that it belongs to."""
    return (0, 0, 1, 2, 2)[product] if scheme == TWO else product


@compiled
def products_with(scheme, weight):
    """Those that a weight is in: every other one from one to another."""
    if scheme == TWO:
        return (0, 1, 2, 4)[weight], (1, 4, 3, 5)[weight]
    return weight, weight + 1


@compiled
def tile_side(scheme):
    """Cells that are written."""
    return 4 if scheme == BACK else 2


@compiled
def patch_apart(scheme):
    """From one tile to the next, cells that are read."""
    return 4 if scheme == TWO else 2


@compiled
def grid_of(scheme, sizes):
    """Tiles of a sample along both axes: those at the lower and right edge may have fewer cells."""
    side = tile_side(scheme)
    return -(-sizes[5] // side), -(-sizes[6] // side)


@compiled
def corner_of(scheme, window):
    """Where the first patch begins, and whether the first cell of da meets g_1, along each axis."""
    P_h, P_w = window[4], window[5]
    if scheme == BACK:
        return (P_h + 1) // 2 - 1, (P_w + 1) // 2 - 1, P_h % 2, P_w % 2
    return -P_h, -P_w, 0, 0
