"""Every row of the tables, once: its contenders agree, as far as they are installed. bench/tables.py times them.

An epoch of 60,000 images is left to bench/tables.py: it takes seconds, and its steps are those of T5.
"""

import numpy as np
import peers
import pytest
import threads
from contest import check
from contests import contest
from rows import OPERATIONS, ConvolutionRow, EpochRow, name, rows

ROWS = [
    pytest.param(table, row, dtype, id=f"{table}-{name(row)}-{dtype}")
    for table in ("D", "C", "P", "M", "T")
    for dtype in ("float32", "float64")
    for row in rows(table, dtype)
    if not isinstance(row, EpochRow)
]


@pytest.mark.parametrize(("table", "row", "dtype"), ROWS)
def test_row(table, row, dtype):
    """Where no peer is installed, fastnn's own result is looked at."""
    names = peers.installed(peers.TABLES[table])
    taken = contest(row, dtype, names)
    check(taken)
    assert np.isfinite(taken.contenders["fastnn"].result()).all()
    if not names:
        pytest.skip(f"no peer is installed: {', '.join(peers.TABLES[table])}")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("m", "C"), [(7, 3), (1, 3), (1, 43), (2, 43)])
def test_shares_of_a_batch(m, C, operation, monkeypatch):
    """Seven samples by two threads, and by one; and what is cut by k or channels: a single one, or theta is larger."""
    row, results = ConvolutionRow(operation, m, C, 4, 5, 5, 3, 2, 1), []
    for count in (1, 2):
        monkeypatch.setattr(threads, "count", lambda count=count: count)
        results.append(contest(row, "float64", []).contenders["fastnn"].result())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12, atol=1e-12)
