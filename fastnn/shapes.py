"""Sizes, and the rules that shapes obey: each fact once, for both backends.

Every function here is plain arithmetic on integers and tuples. The reference runs it as Python and the kernels compile the
same function, so both state the same rule in the same words. A message is a constant because compiled code cannot format
one cheaply: it names the argument and what was expected, and `arguments.Contract.explain` adds what came.

Dimensions, here and in every docstring of the package:
    m            samples in a batch
    n_in, n_out  inputs and outputs of a dense layer
    C, K         channels of a convolution's input, and of its output
    H, W         height and width of an input image; H', W' of an output image
    f_h, f_w     height and width of a kernel, or of a pooling window
    S, P         stride and zero padding: a pair, vertical and horizontal
    D            dilation, a pair: the cells of a kernel meet input cells that are D apart
    groups       how many parts the channels are in: an output channel sees the input channels of its own part
    k            classes
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]

LARGEST = 2**31  # of a stride, a padding, a window or a dilation: beyond it n + 2P or D (f - 1) could overflow
MOST_INDEXED = 256  # cells of a window that a byte can tell apart
ADJACENT = (1, 1)  # the dilation of a pooling window: none
ROW_SUM = "y: expected rows that sum to one"
LABEL_RANGE = "y: expected labels from 0 to k - 1, where z is (m, k)"


def extent(f: int, D: int) -> int:
    """(15) D (f - 1) + 1: the cells from the first to the last that a window of f cells meets along one axis."""
    return D * (f - 1) + 1


def output_size(n: int, f: int, S: int, P: int) -> int:
    """(15) n' = floor((n + 2P - f) / S) + 1: how many windows of extent f fit along one axis."""
    return (n + 2 * P - f) // S + 1


def result(out: NDArray[Any] | None, shape: Shape, dtype: Any) -> NDArray[Any]:
    """The array that a kernel writes: `out`, or a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape:
        raise ValueError("out: expected the shape of the result")
    return out


def is_nested(shape: Shape, strides: Shape, itemsize: int) -> bool:
    """Whether each stride exceeds what all smaller ones reach, so that no element shares a byte with another.

    So it is in every view that indexing makes of an ordinary array: only made-up strides can be apart without it.
    """
    for axis in range(len(shape)):
        reach = itemsize
        for other in range(len(shape)):
            if other != axis and abs(strides[other]) <= abs(strides[axis]):
                reach += (shape[other] - 1) * abs(strides[other])
        if shape[axis] > 1 and reach > abs(strides[axis]):
            return False
    return True


def samples(shape: Shape) -> int:
    """(4) m, the number of samples that a cost is the mean of."""
    if shape[0] == 0:
        raise ValueError("a cost is a mean over samples: expected at least one")
    return shape[0]


# Dense layers ------------------------------------------------------------------------------------------------------


def dense_z(a: Shape, theta: Shape) -> Shape:
    """(3) z (m, n_out) from a (m, n_in) and theta (1 + n_in, n_out)."""
    if theta[0] != a[1] + 1:
        raise ValueError("theta: expected shape (1 + n_in, n_out), where a is (m, n_in)")
    return a[0], theta[1]


def dense_theta(a: Shape, dz: Shape) -> Shape:
    """(8) dtheta (1 + n_in, n_out) from a (m, n_in) and dz (m, n_out)."""
    if dz[0] != a[0]:
        raise ValueError("dz: expected shape (m, n_out), where a is (m, n_in)")
    return a[1] + 1, dz[1]


def dense_a(dz: Shape, theta: Shape) -> Shape:
    """(9) da (m, n_in) from dz (m, n_out) and theta (1 + n_in, n_out)."""
    if theta[0] == 0 or theta[1] != dz[1]:
        raise ValueError("theta: expected shape (1 + n_in, n_out), where dz is (m, n_out)")
    return dz[0], theta[0] - 1


def matmul_c(a: Shape, b: Shape) -> Shape:
    """(3) without the bias: c ([B,] m, n) from a ([B,] m, k) and b ([B,] k, n); one matrix meets all of a batch."""
    if a[-1] != b[-2]:
        raise ValueError("b: expected shape (k, n), where a is (m, k), or batches of such")
    if len(a) == 3:
        if len(b) == 3 and a[0] != b[0]:
            raise ValueError("b: expected as many matrices as a has")
        return a[0], a[1], b[-1]
    elif len(b) == 3:  # noqa: RET505 (compiled, a branch that the length rules out is dropped only as a branch)
        return b[0], a[0], b[-1]
    else:
        return a[0], b[-1]


# Windows: convolution and pooling ----------------------------------------------------------------------------------


def check_windows(f: Shape, S: Shape, P: Shape, D: Shape) -> None:
    """A window has at least one cell, a stride moves on, padding adds, and a window's cells are apart."""
    if min(f) < 1 or max(f) >= LARGEST:
        raise ValueError("kernel_size, size: expected from 1 to 2**31 - 1 along each axis")
    if min(S) < 1 or max(S) >= LARGEST:
        raise ValueError("stride: expected from 1 to 2**31 - 1 along each axis")
    if min(P) < 0 or max(P) >= LARGEST:
        raise ValueError("padding: expected from 0 to 2**31 - 1 along each axis")
    if min(D) < 1 or max(D) >= LARGEST:
        raise ValueError("dilation: expected from 1 to 2**31 - 1 along each axis")


def window_grid(n: Shape, f: Shape, S: Shape, P: Shape, D: Shape) -> Shape:
    """(15) (H', W') for an image of n = (H, W) cells under windows of f = (f_h, f_w) cells that are D apart."""
    check_windows(f, S, P, D)
    F = extent(f[0], D[0]), extent(f[1], D[1])
    if F[0] > n[0] + 2 * P[0] or F[1] > n[1] + 2 * P[1]:
        raise ValueError(
            "the window is larger than the padded image: expected dilation * (f - 1) + 1 <= n + 2 * padding along each axis"
        )
    return output_size(n[0], F[0], S[0], P[0]), output_size(n[1], F[1], S[1], P[1])


def check_groups(C: int, K: int, groups: int) -> None:
    """The channels of input and output fall into as many equal parts. K = 0 divides by all: one group will do."""
    if groups < 1 or groups > max(K, 1) or C % groups != 0 or K % groups != 0:
        raise ValueError("groups: expected a positive divisor of C and of K, the channels of a and of z")


def conv2d_z(a: Shape, theta: Shape, b: Shape, S: Shape, P: Shape, D: Shape, groups: int) -> Shape:
    """(15) z (m, K, H', W') from a (m, C, H, W), theta (K, C/groups, f_h, f_w) and b (K,)."""
    check_groups(a[1], theta[0], groups)
    if theta[1] != a[1] // groups:
        raise ValueError("theta: expected shape (K, C / groups, f_h, f_w), where a is (m, C, H, W)")
    if b[0] != theta[0]:
        raise ValueError("b: expected shape (K,), where theta is (K, C / groups, f_h, f_w)")
    grid = window_grid((a[2], a[3]), (theta[2], theta[3]), S, P, D)
    return a[0], theta[0], grid[0], grid[1]


def conv2d_theta(a: Shape, dz: Shape, f: Shape, S: Shape, P: Shape, D: Shape, groups: int) -> Shape:
    """(17) dtheta (K, C/groups, f_h, f_w) from a (m, C, H, W) and dz (m, K, H', W')."""
    check_groups(a[1], dz[1], groups)
    grid = window_grid((a[2], a[3]), f, S, P, D)
    if dz[0] != a[0] or dz[2] != grid[0] or dz[3] != grid[1]:
        raise ValueError(
            "dz: expected shape (m, K, H', W'), where a is (m, C, H, W) and H' = (H + 2P - D (f - 1) - 1) // S + 1"
        )
    return dz[1], a[1] // groups, f[0], f[1]


def conv2d_a(dz: Shape, theta: Shape, n: Shape, S: Shape, P: Shape, D: Shape, groups: int) -> Shape:
    """(19) da (m, C, H, W) from dz (m, K, H', W'), theta (K, C/groups, f_h, f_w) and n = (H, W)."""
    if min(n) < 0 or max(n) >= LARGEST:
        raise ValueError("input_size: expected from 0 to 2**31 - 1 along each axis")
    if theta[0] != dz[1]:
        raise ValueError("theta: expected shape (K, C / groups, f_h, f_w), where dz is (m, K, H', W')")
    check_groups(0, dz[1], groups)  # C is what theta makes it
    grid = window_grid(n, (theta[2], theta[3]), S, P, D)
    if dz[2] != grid[0] or dz[3] != grid[1]:
        raise ValueError(
            "dz: expected shape (m, K, H', W'), where H' = (H + 2P - D (f - 1) - 1) // S + 1 and input_size is (H, W)"
        )
    return dz[0], theta[1] * groups, n[0], n[1]


def transposed_grid(n: Shape, f: Shape, S: Shape, P: Shape, D: Shape, more: Shape) -> Shape:
    """(19) The image size (H', W') that windows take to n = (H, W): `more` cells above the smallest one along each axis."""
    check_windows(f, S, P, D)
    if min(more) < 0 or more[0] >= S[0] or more[1] >= S[1]:
        raise ValueError("output_padding: expected from 0 to stride - 1 along each axis")
    H = (n[0] - 1) * S[0] - 2 * P[0] + extent(f[0], D[0]) + more[0]
    W = (n[1] - 1) * S[1] - 2 * P[1] + extent(f[1], D[1]) + more[1]
    if H < 1 or W < 1:
        raise ValueError("padding: expected so little that at least one cell of the output is left along each axis")
    return H, W


def pool2d_a(a: Shape, f: Shape, S: Shape, P: Shape) -> Shape:
    """The pooled (m, C, H', W') of a (m, C, H, W); P < f, so that every window meets the image."""
    grid = window_grid((a[2], a[3]), f, S, P, ADJACENT)
    if P[0] >= f[0] or P[1] >= f[1]:
        raise ValueError("padding: expected less than size along each axis")
    return a[0], a[1], grid[0], grid[1]


def check_pool2d_dz(dz: Shape, a: Shape, f: Shape, S: Shape, P: Shape) -> None:
    """dz has the shape of the pooled a."""
    if dz != pool2d_a(a, f, S, P):
        raise ValueError("dz: expected shape (m, C, H', W'), where a is (m, C, H, W) and H' = (H + 2P - size) // S + 1")


def check_pool2d_index(index: Shape, pooled: Shape, f: Shape) -> None:
    """A byte for each window says which of its cells is the largest."""
    if index != pooled:
        raise ValueError("index: expected shape (m, C, H', W'), where a is (m, C, H, W) and H' = (H + 2P - size) // S + 1")
    if max(f) > MOST_INDEXED or f[0] * f[1] > MOST_INDEXED:
        raise ValueError("index: expected none where a window has more than 256 cells")


# Activations, costs and updates --------------------------------------------------------------------------------------


def check_activation(da: Shape, z: Shape, a: Shape) -> None:
    """(10) da, z and a have one shape."""
    if z != da:
        raise ValueError("z: expected the shape of da")
    if a != da:
        raise ValueError("a: expected the shape of da")


def dropout_threshold(rate: float) -> int:
    """(2) How many of the 2^24 numbers that 24 random bits make fall below the rate."""
    if not (rate >= 0 and rate < 1):
        raise ValueError("rate: expected a number in [0, 1)")
    return int(rate * 2**24)


def check_target(y: Shape, prediction: Shape) -> None:
    """(5) y has the shape of what it is compared with."""
    if y != prediction:
        raise ValueError("y: expected the shape of the prediction")


def check_classes(z: Shape) -> None:
    """(26) A softmax is over at least one class."""
    if z[1] == 0:
        raise ValueError("z: expected shape (m, k) with at least one class")


def check_labels(y: Shape, z: Shape) -> None:
    """(27) One label for each row of z (m, k)."""
    if y[0] != z[0]:
        raise ValueError("y: expected shape (m,), where z is (m, k)")


def check_update(dtheta: Shape, theta: Shape) -> None:
    """An update pairs each parameter with its gradient."""
    if dtheta != theta:
        raise ValueError("dtheta: expected the shape of theta")


def check_state(velocity: Shape, theta: Shape) -> None:
    """SGD keeps one number a parameter."""
    if velocity != theta:
        raise ValueError("velocity: expected the shape of theta")


def check_moments(moments: Shape, theta: Shape) -> None:
    """Adam keeps two numbers a parameter."""
    if moments[0] != 2 or moments[1:] != theta:
        raise ValueError("moments: expected shape (2, *theta.shape)")


def check_step(step: int) -> None:
    """Steps are counted from 1: at 0 Adam would divide by zero."""
    if step < 1:
        raise ValueError("step: expected at least 1")
