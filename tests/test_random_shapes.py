"""Sizes, strides and paddings that nobody chose: each is a row of the table like the others."""

import numpy as np
from case_rows import conv, dense, pool
from comparison import assert_near
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastnn.backend import ops

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
SIZES = st.integers(0, 9)
STRIDES = st.tuples(st.integers(1, 4), st.integers(1, 4))
ADJACENT = st.just((1, 1))


@st.composite
def windows(draw, most_padding=3, dilations=ADJACENT):
    """An image, a window that fits on it, a stride, a padding and a dilation."""
    image = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    padding = draw(st.tuples(st.integers(0, most_padding), st.integers(0, most_padding)))
    dilation = draw(dilations)
    most = [(n + 2 * P - 1) // D + 1 for n, P, D in zip(image, padding, dilation, strict=True)]
    window = tuple(draw(st.integers(1, f)) for f in most)
    return image, window, draw(STRIDES), padding, dilation


def assert_rows_hold(rows):
    for row in rows:
        assert_near(row, np.float64, [getattr(ops, row.kernel)(*row.arguments(np.float64), **row.keywords)])


@QUICK
@given(SIZES, SIZES, SIZES)
def test_dense(m, n_in, n_out):
    assert_rows_hold(dense(m, n_in, n_out))


@QUICK
@given(st.integers(0, 3), st.integers(0, 4), st.integers(0, 4), windows())
def test_conv2d(m, C, K, setting):
    image, f, S, P, _ = setting
    assert_rows_hold(conv(m, C, image, K, f, S, P))


@QUICK
@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 4), windows(dilations=STRIDES))
def test_conv2d_with_dilation_and_groups(m, C_part, K_part, groups, setting):
    image, f, S, P, D = setting
    assert_rows_hold(conv(m, groups * C_part, image, groups * K_part, f, S, P, D, groups))


@QUICK
@given(st.integers(0, 3), st.integers(0, 3), windows(), st.sampled_from([0, 1, 3]))
def test_pool2d(m, C, setting, values):
    image, f, S, P, _ = setting
    assume(P[0] < f[0] and P[1] < f[1])
    assert_rows_hold(pool(m, C, image, f, S, P, values=values))
