"""Every row of the table: the active backend gives what the reference gives in float64, however its arrays lie in memory."""

import numpy as np
import pytest
from case import DTYPES
from case_rows import ACTIVATIONS, UPDATES
from cases import CASES, typical
from comparison import assert_near, changed, expected
from layouts import LAYOUTS, WRITEABLE, c_order, read_only, sliced

from fastnn import reference
from fastnn.backend import ops

TABLE = pytest.mark.parametrize("case", CASES, ids=str)
BOTH_DTYPES = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


def arranged(case, dtype, layout):
    """The case's arguments with all arrays in this layout; those that an update writes stay writeable."""
    written = (0, 2) if case.kernel in UPDATES else ()
    return [
        (c_order if i in written and layout is read_only else layout)(value) if isinstance(value, np.ndarray) else value
        for i, value in enumerate(case.arguments(dtype))
    ]


def frozen(arguments):
    """The bits of each array."""
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in arguments]


@pytest.mark.parametrize("layout", LAYOUTS)
@BOTH_DTYPES
@TABLE
def test_result(case, dtype, layout):
    arguments = arranged(case, dtype, LAYOUTS[layout])
    before = frozen(arguments)
    result = getattr(ops, case.kernel)(*arguments, **case.keywords)
    if case.kernel in UPDATES:
        assert result is None
        assert_near(case, dtype, changed(arguments))
        assert frozen(arguments)[1] == before[1]
    else:
        assert_near(case, dtype, [result])
        assert frozen(arguments) == before


ELEMENTWISE = {*ACTIVATIONS, *(f"{name}_da_to_dz" for name in ACTIVATIONS)}
# The 18 elementwise kernels share how they treat `out`, and each specialisation takes time to compile: one dtype of it does.
WITH_OUT = [
    pytest.param(case, dtype, id=f"{case}-{dtype.__name__}")
    for case in CASES
    for dtype in DTYPES
    if case.kernel not in UPDATES and isinstance(expected(case, np.float64)[0], np.ndarray)
    if dtype is np.float32 or case.kernel not in ELEMENTWISE
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("case", "dtype"), WITH_OUT)
def test_out(case, dtype, layout):
    """`out` is returned, wholly overwritten wherever it lies, never read, and nothing around it is touched."""
    arguments = arranged(case, dtype, LAYOUTS[layout])
    before = frozen(arguments)
    out = WRITEABLE.get(layout, sliced)(np.full(expected(case, dtype)[0].shape, np.nan, dtype))
    assert getattr(ops, case.kernel)(*arguments, out=out, **case.keywords) is out
    assert_near(case, dtype, [out])
    assert frozen(arguments) == before
    if WRITEABLE.get(layout, sliced) is sliced and out.ndim:
        assert np.isnan(out.base).sum() == out.base.size - out.size


@pytest.mark.parametrize("shape", [(), (2, 1, 3, 2)], ids=str)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_take_any_rank(name, shape):
    z, da = np.linspace(-2, 2, int(np.prod(shape))).reshape(shape), np.ones(shape)
    a = getattr(ops, name)(z)
    dz = getattr(ops, f"{name}_da_to_dz")(da, z, a)
    for result, function, arguments in ((a, name, (z,)), (dz, f"{name}_da_to_dz", (da, z, a))):
        flat = getattr(reference, function)(*(x.reshape(1, -1) for x in arguments))
        assert (type(result), result.shape, result.dtype) == (np.ndarray, shape, z.dtype)
        np.testing.assert_allclose(result, flat.reshape(shape), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unaligned_arrays(dtype):
    """Elements that do not begin at a multiple of their size, as in packed records."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-1, 1, shape).astype(dtype) for shape in ((5, 7), (8, 6))]
    unaligned = []
    for array in arrays:
        memory = np.empty(array.nbytes + 1, np.uint8)[1:]
        unaligned.append(memory.view(dtype).reshape(array.shape))
        unaligned[-1][...] = array
        assert not unaligned[-1].flags.aligned
    assert np.array_equal(ops.dense_forward(*unaligned), ops.dense_forward(*arrays))


@pytest.mark.parametrize(
    "name", ["dense_forward", "conv2d_forward", "max_pool2d_forward", "softmax", "relu", "avg_pool2d_forward"]
)
def test_arrays_that_repeat_one_cell(name):
    """Inputs with stride 0, as np.broadcast_to makes them."""
    case = typical(name)
    repeated = [np.broadcast_to(v.flat[0], v.shape) if isinstance(v, np.ndarray) else v for v in case.arguments(np.float64)]
    plain = [v.copy(order="C") if isinstance(v, np.ndarray) else v for v in repeated]
    np.testing.assert_allclose(getattr(ops, name)(*repeated), getattr(ops, name)(*plain), rtol=1e-14)
