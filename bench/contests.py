"""From a row to its contest."""

import convolution
import dense
import elementary_functions
import pooling
import products
import steps
from contest import Contest
from rows import ConvolutionRow, DenseRow, ElementaryRow, PoolRow, ProductRow, Row

BUILDERS = {
    DenseRow: dense.contest,
    ConvolutionRow: convolution.contest,
    PoolRow: pooling.contest,
    ProductRow: products.contest,
    ElementaryRow: elementary_functions.contest,
}


def contest(row: Row, dtype: str, names: list[str]) -> Contest:
    """The row's contest between fastnn and the named peers."""
    return BUILDERS.get(type(row), steps.contest)(row, dtype, names)
