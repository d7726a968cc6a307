"""Every row of the tables, once: its contenders agree, as far as they are installed. bench/tables.py times them.

An epoch of 60,000 images is left to bench/tables.py: it takes seconds, and its steps are those of T5.
"""

import numpy as np
import peers
import pytest
from contest import check
from contests import contest
from rows import EpochRow, name, rows

ROWS = [
    pytest.param(table, row, dtype, id=f"{table}-{name(row)}-{dtype}")
    for table in ("D", "C", "M", "T")
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
