"""The one table of cases: every row feeds the equality tests, and the rows marked `timed` feed bench/ too.

A row (case.py) makes the arguments of one call, and says how exact its result must be; case_rows.py makes the rows of a
layer, an activation or a cost. Sizes are 1, primes, nothing at all, and what a network has. A kernel without a row fails
test_namespace.py.
"""

import numpy as np
from case import Case
from case_rows import (
    ACTIVATIONS,
    activated,
    activations,
    conv,
    dense,
    elementwise_costs,
    matmul,
    pool,
    softmax,
    updates,
)

CASES = [
    *dense(1, 1, 1),
    *dense(2, 3, 5),
    *dense(7, 13, 11),
    *dense(17, 67, 31),
    *dense(0, 3, 2),
    *dense(3, 0, 2),
    *dense(3, 2, 0),
    *dense(64, 784, 128, timed=True),
    *dense(128, 784, 512, timed=True),
    *matmul((1, 1), (1, 1)),
    *matmul((7, 13), (13, 11)),
    *matmul((3, 7, 13), (3, 13, 11)),
    *matmul((3, 7, 13), (13, 11)),
    *matmul((7, 13), (3, 13, 11)),
    *matmul((0, 2, 3), (0, 3, 2)),
    *matmul((5, 0), (0, 4)),
    *matmul((256, 256), (256, 256), timed=True),
    *conv(1, 1, 1, 1, 1),
    *conv(2, 3, (5, 7), 4, 3),
    *conv(2, 3, (9, 8), 4, (3, 2), 2, (1, 3)),  # neither stride divides
    *conv(3, 2, (11, 7), 5, (2, 5), (3, 1), (0, 2)),
    *conv(2, 2, (4, 6), 3, (4, 6)),  # the window is the image
    *conv(2, 5, (6, 5), 7, 1),
    *conv(2, 5, 6, 3, 1, 3),  # cells between the windows
    *conv(1, 2, (3, 2), 2, 2, (1, 2), (3, 4)),  # some windows see nothing but padding
    *conv(2, 1, (13, 17), 1, (5, 3), (7, 4), 1),  # strides larger than the window
    *conv(0, 2, 4, 3, 2),
    *conv(2, 0, 4, 3, 2),
    *conv(2, 2, 4, 0, 2),
    *conv(2, 2, 9, 3, 3, D=2),
    *conv(2, 3, (11, 8), 2, (3, 2), (2, 3), (1, 2), (2, 4)),
    *conv(1, 2, (3, 5), 2, (2, 3), 1, (3, 2), (6, 3)),  # the cells of a window lie on both sides of the image
    *conv(2, 6, (5, 6), 4, 3, 1, 1, groups=2),
    *conv(2, 3, (7, 6), 6, (3, 2), 2, 1, (1, 2), groups=3),
    *conv(2, 5, 7, 5, 3, groups=5),  # depthwise
    *conv(2, 0, 4, 4, 2, groups=2),
    *conv(64, 1, 28, 8, 5, timed=True),
    *conv(64, 8, 12, 16, 5, timed=True),
    *conv(32, 3, 32, 32, 3, 1, 1, timed=True),
    *conv(64, 1, 28, 16, 5, 2, timed=True),
    *pool(1, 1, 1, 1, 1),
    *pool(2, 3, (6, 8), 2, 2),
    *pool(2, 3, (7, 11), (3, 2), 2, 1),
    *pool(2, 2, (7, 5), (2, 3), (3, 1)),  # cells that no window reaches
    *pool(1, 2, (5, 6), (5, 6), 1),
    *pool(2, 2, (7, 8), 3, 1, (2, 1), values=2),
    *pool(0, 2, 4, 2, 2),
    *pool(64, 6, 24, 2, 2, timed=True),
    *pool(64, 6, 24, 3, 2, 1, timed=True),
    Case("dropout", "7x13", lambda u: (u(7, 13), 0.25, 3), 2, 2.0),
    Case("dropout", "64x6x12x12", lambda u: (u(64, 6, 12, 12), 0.5, -1), 2, 2.0, True),
    *activations(1, 1),
    *activations(7, 13),
    *activations(0, 3),
    *activations(128, 512, timed=True),
    *activations(2, 3, 5, 2, names=["relu"]),  # other ranks: test_activations_take_any_rank
    *[case for name in ACTIVATIONS for case in activated(name) if name != "identity"],
    *softmax(1, 1),
    *softmax(7, 5),
    *softmax(7, 5, labels=np.int8),
    *softmax(7, 5, labels=np.uint8),
    *softmax(7, 5, labels=np.int32),
    *softmax(7, 5, labels=None),
    *softmax(11, 3, reach=1e4),
    *softmax(11, 3, reach=1e4, labels=None),
    *softmax(128, 10, timed=True),
    *softmax(128, 512, labels=None, timed=True),
    *elementwise_costs(1, 1),
    *elementwise_costs(7, 5),
    *elementwise_costs(11, 3, reach=1e4),
    *elementwise_costs(128, 10, timed=True),
    *elementwise_costs(128, 512, timed=True),
    *updates(7),
    *updates(11, step=3),
    *updates(3, 5, step=3, names=["adam_step"]),
    *updates(100_000, step=10, timed=True),
]


def typical(name):
    """A small row of the kernel that is not its first, which is often of size 1; the first, where there is no other."""
    return [case for case in CASES if case.kernel == name][:2][-1]
