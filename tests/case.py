"""One row of the table of cases (cases.py): a call of a kernel, and how exact its result must be.

    depth  roundings between an argument and a result: of a sum its terms, of a function some two an operation; 0: exact
    scale  the largest size of one term
    summed how many terms a cost adds up in float64, whatever the dtype
`tolerance` turns these into the one bound that every comparison of results uses.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

DTYPES = (np.float32, np.float64)

# A rounding moves a term by at most eps / 2, in the kernel and, where dtype is float64, in the reference as well: SLACK = 1
# for a chain of functions. A sum of n uniform terms has partial sums of some sqrt(n) / 2 terms, so its error is a random
# walk of some 0.1 n eps: below that, in any order of summation. Over all rows, with 20 seeds, the largest errors were 0.9 of
# the bound in Numba and 0.63 in NumPy.
SLACK = 1.0


class Case(NamedTuple):
    """One row: `make` draws the arguments of a call of `kernel`."""

    kernel: str
    id: str
    make: Callable[[Any], tuple[Any, ...]]
    depth: int
    scale: float = 1.0
    timed: bool = False
    summed: int = 0
    settings: tuple[tuple[str, Any], ...] = ()  # of parameters that come after `out`

    def arguments(self, dtype: Any, seed: int = 0) -> tuple[Any, ...]:
        """The arguments with float arrays of this dtype; the same ones for the same seed."""
        rng = np.random.default_rng(seed)
        return self.make(lambda *shape, low=-1.0, high=1.0: np.asarray(rng.uniform(low, high, shape), dtype))

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments that come after `out`."""
        return dict(self.settings)

    def __str__(self) -> str:
        return f"{self.kernel}-{self.id}"


def tolerance(case: Case, dtype: Any) -> float:
    """How far a result in this dtype may lie from the reference in float64."""
    return SLACK * case.scale * float(np.finfo(dtype).eps * case.depth + np.finfo(np.float64).eps * case.summed)
