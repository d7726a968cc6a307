"""Under `python -O` nothing is accepted that is refused without it: no check is an assert."""

import sys

from processes import output

# Spoils each array of a good call of each kernel, and prints the errors.
SPOILT = """
import sys; sys.path[:0] = sys.argv[1:]
import numpy as np, pytest
from refusals import KERNELS, good
from fastnn.backend import ops

changes = {
    "half": lambda x: x.astype(np.float16), "rank": lambda x: x[None, None, None], "masked": np.ma.array,
    "short": lambda x: x[:-1], "list": lambda x: x.tolist(), "large": lambda x: x + 10**6,
}
for name in KERNELS:
    for parameter, value in good(name).items():
        for change in changes if isinstance(value, np.ndarray) else ():
            call = {**good(name), parameter: changes[change](value)}
            try:
                result = getattr(ops, name)(**call)
                print(name, parameter, change, "taken")
            except (TypeError, ValueError, IndexError) as error:
                print(name, parameter, change, type(error).__name__, error)
"""


def test_kernels_refuse_the_same():
    plain, optimised = (output(SPOILT, *sys.path, flags=flags) for flags in ((), ("-O",)))
    assert optimised == plain
    assert plain.count("\n") > 500
    assert plain.count("taken") < plain.count("\n") / 4
