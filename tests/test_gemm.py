"""The product of matrices under the dense kernels: every way through it, its bounds, its accuracy, its memory."""

import os
import subprocess
import sys

import numpy as np
import pytest
from guarded import guarded
from numba import njit

from fastnn.kernels import dense_dz_to_da, dense_dz_to_dtheta, dense_forward
from fastnn.kernels.products.gemm import product
from fastnn.kernels.products.product_ways import ACROSS, COPIED_DOTS, COPIED_ROWS, DIRECT, DOTS, PACKED, way_of
from fastnn.kernels.registers.simd import full_rows_of

DTYPES = (np.float32, np.float64)


def layouts(rng, shape, dtype):
    """Uniform numbers of a shape, in memory in one of six ways."""
    m, n = shape
    way = rng.integers(6)
    if way == 0:
        return rng.uniform(-1, 1, (n, m)).astype(dtype).T
    if way == 1:
        return rng.uniform(-1, 1, (2 * m, 3 * n)).astype(dtype)[::2, ::3]
    if way == 2:
        return rng.uniform(-1, 1, (m, n)).astype(dtype)[::-1, ::-1]
    if way == 3:
        return rng.uniform(-1, 1, (m + 3, n + 5)).astype(dtype)[1 : m + 1, 2 : n + 2]
    if way == 4:
        return rng.uniform(-1, 1, (n, m)).astype(dtype)[::-1].T
    return rng.uniform(-1, 1, (m, n)).astype(dtype)


def check(computed, exact, terms):
    """Each element within the rounding of a sum of so many terms of at most 1."""
    assert computed.shape == exact.shape
    bound = (terms + 1) * np.finfo(computed.dtype).eps
    assert np.abs(computed - exact).max(initial=0) <= bound


def check_all(rng, m, k, n, dtype, make):
    """The three dense kernels on a (m, k), theta (1 + k, n), dz (m, n), into arrays of NaN."""
    a, theta, dz = make((m, k)), make((k + 1, n)), make((m, n))
    wide = [array.astype(np.float64) for array in (a, theta, dz)]
    outs = [make(shape) for shape in ((m, n), (k + 1, n), (m, k))]
    for out in outs:
        out[...] = np.nan
    check(dense_forward(a, theta, out=outs[0]), wide[0] @ wide[1][1:] + wide[1][0], k)
    check(dense_dz_to_dtheta(a, dz, out=outs[1]), np.vstack([wide[2].sum(0, keepdims=True), wide[0].T @ wide[2]]), m)
    check(dense_dz_to_da(dz, theta, out=outs[2]), wide[2] @ wide[1][1:].T, n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_shapes_and_layouts(dtype):
    """500 products in all, from 0 to 70 along each axis."""
    rng = np.random.default_rng(1)
    for _ in range(250):
        m, k, n = rng.integers(0, 71, 3)
        check_all(rng, m, k, n, dtype, lambda shape: layouts(rng, shape, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_and_panels(dtype):
    """Sizes around the blocks of the sum, the panels of b and the packed rows of a."""
    rng = np.random.default_rng(2)
    for m, k, n in (
        (1, 1000, 700),
        (17, 257, 300),
        (130, 511, 530),
        (65, 256, 1030),
        (300, 70, 129),
        (3, 1500, 2),
        (0, 300, 2),
    ):
        for _ in range(2):
            check_all(rng, m, k, n, dtype, lambda shape: layouts(rng, shape, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_no_terms(dtype):
    """dtheta of no samples is 0, whatever way its shape goes."""
    for k in (1, 5, 13, 40, 300):
        for n in (1, 2, 3, 5, 70):
            out = np.full((k + 1, n), np.nan, dtype)
            assert not dense_dz_to_dtheta(np.empty((0, k), dtype), np.empty((0, n), dtype), out=out).any()


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_guard_pages(dtype, before):
    """No access outside an operand: each lies right behind or right before memory that may not be touched."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        m, k, n = rng.integers(0, 71, 3)
        check_all(rng, m, k, n, dtype, lambda shape: guarded(rng.uniform(-1, 1, shape).astype(dtype), before))


@njit
def multiply(a, b, start, c):
    """c = start + a b, and the way it went."""
    product(a, b, start, c)
    (m, k), n, zero = a.shape, b.shape[1], c.dtype.type(0)
    return way_of(m, k, n, (0, a.strides[0], a.strides[1]), (0, b.strides[0], b.strides[1]), True, zero)


# m, k, n, and the order of a and of b in memory: sizes that end amid tiles, vectors and blocks of either dtype.
SHAPES = (
    (203, 301, 2, "C", "F"),
    (203, 301, 1, "C", "C"),
    (2, 301, 203, "C", "F"),
    (37, 500, 5, "C", "F"),
    (6, 500, 37, "C", "F"),
    (203, 301, 2, "C", "C"),
    (203, 405, 3, "C", "C"),
    (203, 2, 1, "C", "C"),
    (21, 3100, 2, "C", "F"),
    (2, 3100, 21, "C", "F"),
    (1101, 19, 3, "F", "C"),
    (2050, 200, 2, "F", "F"),
    (1101, 201, 1, "F", "C"),
    (45, 50, 70, "C", "C"),
    (45, 50, 70, "F", "C"),
    (1301, 19, 203, "C", "F"),
    (301, 7, 1030, "F", "F"),
    (120, 300, 203, "C", "C"),
    (120, 300, 203, "F", "F"),
)


def check_way(m, k, n, a_order, b_order, dtype, before):
    """The sums, with a row that they begin with and without, and no access outside an operand; returns the way."""
    rng = np.random.default_rng(8)
    a, b, start = (rng.uniform(-1, 1, shape).astype(dtype) for shape in ((m, k), (k, n), (n,)))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    left, right = (
        guarded(array, before) if order == "C" else guarded(np.ascontiguousarray(array.T), before).T
        for array, order in ((a, a_order), (b, b_order))
    )
    for row in (guarded(start, before), None):
        c = guarded(np.full((m, n), np.nan, dtype), before)
        way = multiply(left, right, row, c)
        check(c, exact if row is None else exact + start, k)
    return way


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("before", [True, False])
def test_every_way(before):
    """Which one a shape goes hangs on the CPU's vectors and registers; on each CPU all are gone."""
    ways = {check_way(*shape, dtype, before) for shape in SHAPES for dtype in DTYPES}
    assert ways == {DOTS, COPIED_DOTS, ACROSS, DIRECT, COPIED_ROWS, PACKED}


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (5, 1)])
def test_long_sums(shape):
    """(3) k = 10,000,000 in float32: an error of at most 100 eps sum |a b|; one sum after the other would stop growing."""
    m, n = shape
    k = 10_000_000
    rng = np.random.default_rng(4)
    a, theta = rng.random((m, k), np.float32), rng.random((k + 1, n), np.float32)
    exact = a.astype(np.float64) @ theta[1:].astype(np.float64) + theta[0]
    error = np.abs(dense_forward(a, theta) - exact) / exact
    assert error.max() <= 100 * np.finfo(np.float32).eps


def test_an_element_is_the_same_sum_in_any_batch():
    """Bit for bit: a row of z does not depend on the rows around it, where all go the same way."""
    rng = np.random.default_rng(5)
    a, theta = rng.uniform(-1, 1, (64, 300)).astype(np.float32), rng.uniform(-1, 1, (301, 96)).astype(np.float32)
    whole = dense_forward(a, theta)
    for begin, end in ((0, 8), (3, 21), (40, 64), (63, 64)):
        assert np.array_equal(dense_forward(a[begin:end], theta), whole[begin:end])


def test_nan_and_infinity_stay_where_they_are():
    """What fills up a packed panel never reaches an element of the product."""
    rng = np.random.default_rng(6)
    a, theta = rng.uniform(-1, 1, (40, 300)), rng.uniform(-1, 1, (301, 203))
    a[7, 3], theta[9, 200] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = a @ theta[1:] + theta[0]
    assert np.array_equal(np.isfinite(dense_forward(a, theta)), np.isfinite(expected))


@pytest.mark.parametrize(("registers", "rows"), [(32, 8), (16, 4)])
def test_rows_of_the_full_tile(registers, rows):
    """8 x 3 sums fill 32 registers with 3 vectors and a broadcast, 4 x 3 sums fill 16."""
    assert full_rows_of(registers) == rows


@pytest.mark.parametrize("cpu", ["haswell", "generic"])
def test_other_cpus(cpu):
    """The same products with the instructions of a CPU without AVX-512, and of one without fused multiply-adds."""
    program = (
        "import numpy as np, sys; sys.path.insert(0, sys.argv[1]); import test_gemm as t\n"
        "rng = np.random.default_rng(7)\n"
        "for m, k, n in 10 * ((33, 45, 70), (5, 300, 3), (70, 130, 200)):\n"
        "    a, theta = (t.layouts(rng, shape, np.float32) for shape in ((m, k), (k + 1, n)))\n"
        "    t.check(t.dense_forward(a, theta), a.astype(float) @ theta[1:].astype(float) + theta[0], k)\n"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run([sys.executable, "-c", program, os.path.dirname(__file__)], env=environment, capture_output=True)  # noqa: PTH120
    assert done.returncode == 0, done.stderr.decode()


def test_the_array_that_was_given_comes_back():
    """It is `out` itself; no call keeps a reference to an array or to the class of arrays."""
    a, theta, z = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32), np.empty((3, 2), np.float32)
    watched = (a, theta, z, np.ndarray)
    before = [sys.getrefcount(item) for item in watched]
    for _ in range(1000):
        assert dense_forward(a, theta, z) is z
    assert all(abs(sys.getrefcount(item) - count) < 500 for item, count in zip(watched, before, strict=True))
