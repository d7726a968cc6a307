"""Whether results are right: beside the reference in float64, within the row's tolerance."""

import functools

import numpy as np
from case import tolerance
from case_rows import UPDATES

from fastnn import reference


@functools.cache
def expected(case, dtype):
    """The results in float64, from the very arguments that the kernel gets: one array, a cost, or what an update changed."""
    arguments = [as_float64(value) for value in case.arguments(dtype)]
    result = getattr(reference, case.kernel)(*arguments, **case.keywords)
    return changed(arguments) if case.kernel in UPDATES else [result]


def as_float64(value):
    return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def changed(arguments):
    """What an update writes: theta, and the optimiser's state."""
    return [arguments[0], arguments[2]]


def assert_near(case, dtype, results):
    for got, wanted in zip(results, expected(case, dtype), strict=True):
        assert np.shape(got) == np.shape(wanted)
        if isinstance(wanted, np.ndarray):
            assert type(got) is np.ndarray
            assert got.dtype == dtype
        else:
            assert type(got) is float
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance(case, dtype))
