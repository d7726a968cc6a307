"""Small results that were worked out by hand, from the equations alone: they hold whatever the two backends agree on."""

import numpy as np

from fastnn.backend import ops


def array(*values):
    return np.array(values, np.float64)


def assert_equal(actual, expected):
    """Exactly equal: all numbers here are small integers and quarters."""
    np.testing.assert_array_equal(actual, np.array(expected, np.float64), strict=True)


# Dense layers --------------------------------------------------------------------------------------------------------

A = array([1, 2], [3, -1])
THETA = array([10, 20, 30], [1, 0, 2], [0, 1, -1])  # row 0: the bias
DZ = array([1, 0, -1], [2, 1, 0])


def test_dense_forward():
    """10 + 1 * 1 + 2 * 0 = 11, 20 + 1 * 0 + 2 * 1 = 22, ..."""
    assert_equal(ops.dense_forward(A, THETA), [[11, 22, 30], [13, 19, 37]])


def test_dense_dz_to_dtheta():
    """Row 0 sums dz over the batch; row 1 is 1 * (1, 0, -1) + 3 * (2, 1, 0), row 2 is 2 * (1, 0, -1) - (2, 1, 0)."""
    assert_equal(ops.dense_dz_to_dtheta(A, DZ), [[3, 1, -1], [7, 3, -1], [0, -1, -2]])


def test_dense_dz_to_da():
    """1 * 1 + 0 * 0 - 1 * 2 = -1, 1 * 0 + 0 * 1 - 1 * -1 = 1, ...: the bias has no part in it."""
    assert_equal(ops.dense_dz_to_da(DZ, THETA), [[-1, 1], [2, 1]])


# Convolution ---------------------------------------------------------------------------------------------------------

IMAGE = array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])
KERNEL = array([[[1, 2], [0, -1]]])
BIAS = array(10)


def test_conv2d_forward():
    """1 + 2 * 2 - 5 = 0, 2 + 2 * 3 - 6 = 2, 4 + 2 * 5 - 8 = 6, 5 + 2 * 6 - 9 = 8, each plus 10: no flip."""
    assert_equal(ops.conv2d_forward(IMAGE, KERNEL, BIAS), [[[[10, 12], [16, 18]]]])


def test_conv2d_forward_with_stride_and_padding():
    """Windows begin at (-1, -1), (-1, 1), (1, -1), (1, 1): -1, -3, 2 * 4 - 7 = 1, 5 + 2 * 6 - 9 = 8, each plus 10."""
    assert_equal(ops.conv2d_forward(IMAGE, KERNEL, BIAS, 2, 1), [[[[9, 7], [11, 18]]]])


def test_conv2d_forward_with_a_stride_that_does_not_divide():
    """One window fits down, and two across: 1 + 2 * 2 - 5 = 0, 2 + 2 * 3 - 6 = 2."""
    assert_equal(ops.conv2d_forward(IMAGE, KERNEL, BIAS, (2, 1)), [[[[10, 12]]]])


def test_conv2d_forward_that_keeps_the_size():
    """Sums of the nine cells around each: 1 + 2 + 4 + 5 = 12, ..., the middle one 45."""
    z = ops.conv2d_forward(IMAGE, np.ones((1, 1, 3, 3)), array(0), padding=1)
    assert_equal(z, [[[[12, 21, 16], [27, 45, 33], [24, 39, 28]]]])


def test_conv2d_forward_with_channels():
    """Two channels in, 2 * 3 + 5 * 7 = 41; the second kernel takes the first channel only."""
    a, theta = array([[[2]], [[5]]]), array([[[3]], [[7]]], [[[1]], [[0]]])
    assert_equal(ops.conv2d_forward(a, theta, array(1, -1)), [[[[42]], [[1]]]])


def test_conv2d_dz_to_dtheta():
    """dtheta_00 = 1 * 1 + 2 * 2 + 3 * 4 + 4 * 5 = 37; the other windows begin one cell further: + 10 along, + 30 down."""
    dz = array([[[1, 2], [3, 4]]])
    assert_equal(ops.conv2d_dz_to_dtheta(IMAGE, dz, 2), [[[[37, 47], [67, 77]]]])


def test_conv2d_dz_to_dtheta_with_stride_and_padding():
    """dtheta_00 = 4 * 5, dtheta_01 = 3 * 4 + 4 * 6, dtheta_10 = 2 * 2 + 4 * 8, dtheta_11 = 1 + 2 * 3 + 3 * 7 + 4 * 9."""
    dz = array([[[1, 2], [3, 4]]])
    assert_equal(ops.conv2d_dz_to_dtheta(IMAGE, dz, 2, 2, 1), [[[[20, 36], [36, 64]]]])


def test_conv2d_dz_to_db():
    dz = array([[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]])
    assert_equal(ops.conv2d_dz_to_db(dz), [1 + 2 + 5 + 6, 3 + 4 + 7 + 8])


def test_conv2d_dz_to_da():
    """Each dz puts dz * (1, 2; 0, -1) where its window lay."""
    dz = array([[[1, 2], [3, 4]]])
    assert_equal(ops.conv2d_dz_to_da(dz, KERNEL, 3), [[[[1, 4, 4], [3, 9, 6], [0, -3, -4]]]])


def test_conv2d_dz_to_da_where_no_window_reaches():
    """Windows of 2 x 2 at (0, 0) and (0, 3) of a 3 x 5 image: column 2 and row 2 get nothing."""
    dz = array([[[1, 2]]])
    assert_equal(ops.conv2d_dz_to_da(dz, KERNEL, (3, 5), 3), [[[[1, 2, 0, 2, 4], [0, -1, 0, 0, -2], [0, 0, 0, 0, 0]]]])


def test_conv2d_dz_to_da_with_padding():
    """What a window puts on the padding is lost: dz_00 keeps only -1 * 1 at (0, 0), ..."""
    dz = array([[[1, 2], [3, 4]]])
    assert_equal(ops.conv2d_dz_to_da(dz, KERNEL, 3, 2, 1), [[[[-1, 0, -2], [6, 4, 8], [-3, 0, -4]]]])


ONE_TO_25 = np.arange(1.0, 26).reshape(1, 1, 5, 5)  # rows 1 to 5, 6 to 10, ...


def test_conv2d_with_dilation():
    """Cells two apart: 1 + 2 * 3 - 13 = -6, and each place along adds 2, each down 10."""
    z = [[[[-6, -4, -2], [4, 6, 8], [14, 16, 18]]]]
    assert_equal(ops.conv2d_forward(ONE_TO_25, KERNEL, array(0), dilation=2), z)


def test_conv2d_dz_to_dtheta_with_dilation():
    """The two windows meet 1, 3, 11, 13 and 2, 4, 12, 14: 1 + 10 * 2 = 21, 3 + 10 * 4 = 43, ..."""
    dz = array([[[1, 10]]])
    assert_equal(ops.conv2d_dz_to_dtheta(ONE_TO_25[:, :, :3, :4], dz, 2, dilation=2), [[[[21, 43], [131, 153]]]])


def test_conv2d_dz_to_da_with_dilation():
    """Each dz puts dz * (1, 2; 0, -1) on the cells that its window met, two apart."""
    dz = array([[[1, 10]]])
    da = [[[[1, 10, 2, 20], [0, 0, 0, 0], [0, 0, -1, -10]]]]
    assert_equal(ops.conv2d_dz_to_da(dz, KERNEL, (3, 4), dilation=2), da)


def test_conv2d_with_groups():
    """The first channel gives 2 * 1 and 2 * 2, the second 5 * 3 and 5 * 4; back, 1 * 1 + 10 * 2 and 100 * 3 + 1000 * 4."""
    a, theta, dz = array([[[2]], [[5]]]), array(1, 2, 3, 4).reshape(4, 1, 1, 1), array([[[1]], [[10]], [[100]], [[1000]]])
    assert_equal(ops.conv2d_forward(a, theta, array(0, 0, 0, 1), groups=2), [[[[2]], [[4]], [[15]], [[21]]]])
    assert_equal(ops.conv2d_dz_to_dtheta(a, dz, 1, groups=2), [[[[2]]], [[[20]]], [[[500]]], [[[5000]]]])
    assert_equal(ops.conv2d_dz_to_da(dz, theta, 1, groups=2), [[[[21]], [[4300]]]])


# Pooling -------------------------------------------------------------------------------------------------------------

TIES = array([[[1, 5, 2, 2], [5, 0, 2, 2], [-1, -3, 0, 9], [-2, -2, 9, 9]]])
POOLED_DZ = array([[[10, 20], [30, 40]]])


def test_max_pool2d_forward():
    assert_equal(ops.max_pool2d_forward(TIES, 2), [[[[5, 2], [-1, 9]]]])


def test_max_pool2d_forward_never_takes_padding():
    """All cells are negative, and every window meets padding."""
    assert_equal(ops.max_pool2d_forward(array([[[-1, -2], [-3, -4]]]), 2, 2, 1), [[[[-1, -2], [-3, -4]]]])


def test_max_pool2d_dz_to_da_takes_the_first_of_several():
    expected = [[[[0, 10, 20, 0], [0, 0, 0, 0], [30, 0, 0, 40], [0, 0, 0, 0]]]]
    assert_equal(ops.max_pool2d_dz_to_da(POOLED_DZ, TIES, 2), expected)


def test_max_pool2d_dz_to_da_sums_overlapping_windows():
    """The middle cell is the largest of both windows."""
    assert_equal(ops.max_pool2d_dz_to_da(array([[[10, 20]]]), array([[[1, 3, 2]]]), (1, 2), 1), [[[[0, 30, 0]]]])


def test_avg_pool2d_forward():
    assert_equal(ops.avg_pool2d_forward(TIES, 2), [[[[2.75, 2], [-2, 6.75]]]])


def test_avg_pool2d_forward_counts_padding_as_zeros():
    assert_equal(ops.avg_pool2d_forward(array([[[4, 8], [12, 16]]]), 2, 2, 1), [[[[1, 2], [3, 4]]]])


def test_avg_pool2d_dz_to_da():
    """A window of 2 x 1, moved by one: the middle row lies in both windows."""
    dz, a = array([[[2, 4], [6, 8]]]), np.zeros((1, 1, 3, 2))
    assert_equal(ops.avg_pool2d_dz_to_da(dz, a, (2, 1), 1), [[[[1, 2], [4, 6], [3, 4]]]])
