"""A kernel is compiled once for a dtype, whatever the layouts of its arrays: no call in training waits for a compiler."""

import numpy as np
import pytest
from case import DTYPES
from case_rows import ACTIVATIONS, UPDATES
from cases import typical
from layouts import LAYOUTS, read_only
from numba import njit
from numba.core.registry import cpu_target

from fastnn import kernels
from fastnn.kernels.networks.workspace import whole_lines


def signatures_after(kernel, case, layouts):
    """How many specialisations the kernel has after calls in both dtypes with all arrays in each layout."""
    for dtype in DTYPES:
        for layout in layouts:
            arguments = [layout(value) if isinstance(value, np.ndarray) else value for value in case.arguments(dtype)]
            kernel(*arguments, **case.keywords)
    return len(kernel.signatures)


@pytest.mark.parametrize("name", kernels.__all__)
def test_layouts_share_a_specialisation(name):
    kernel, case = getattr(kernels, name), typical(name)
    layouts = [layout for layout in LAYOUTS.values() if layout is not read_only or name not in UPDATES]
    one_layout = signatures_after(kernel, case, layouts[:1])
    assert signatures_after(kernel, case, layouts) == one_layout


@pytest.mark.parametrize("name", ["dense_forward", "conv2d_forward"])
def test_activations_share_a_specialisation(name):
    kernel, case = getattr(kernels, name), typical(name)
    before = signatures_after(kernel, case, [np.array])
    for activation in ACTIVATIONS:
        kernel(*case.arguments(np.float32), activation=activation)
    assert len(kernel.signatures) == before


@pytest.mark.parametrize("name", ["conv2d_forward", "avg_pool2d_forward"])
def test_ints_and_pairs_share_a_specialisation(name):
    kernel, case = getattr(kernels, name), typical(name)
    arrays = [value for value in case.arguments(np.float32) if isinstance(value, np.ndarray)]
    size = () if name.startswith("conv") else (2,)
    kernel(*arrays, *size, 1, 0)
    before = len(kernel.signatures)
    kernel(*arrays, *size, (2, 1), (0, 1))
    kernel(*arrays, *size, stride=[2, 2], padding=np.int32(1))
    if name.startswith("conv"):
        kernel(*arrays, *size, dilation=(1, 2), groups=np.int8(1))
    assert len(kernel.signatures) == before


def test_what_only_compiled_code_calls_is_translated_with_its_callers():
    @njit
    def lines(n):
        return whole_lines(n)

    assert lines(65) == 128
    engine = cpu_target.target_context.codegen()._engine
    inner, outer = (
        [engine.is_symbol_defined(result.fndesc.llvm_func_name) for result in function.overloads.values()]
        for function in (whole_lines, lines)
    )
    assert inner
    assert not any(inner)
    assert outer == [True]
