"""The product of two matrices, or of batches of them: what dense layers are made of, without bias and a_0."""

import numpy as np

from fastnn import shapes
from fastnn.arguments import Matrices, checked


@checked
def matmul(a: Matrices, b: Matrices, out: Matrices | None = None) -> Matrices:
    """(3) without the bias: c_ij = a_it b_tj; for batches, the same for each pair of matrices.

    a (m, k) or (B, m, k), b (k, n) or (B, k, n), c (m, n), or (B, m, n) where a or b is a batch.
    """
    c = shapes.result(out, shapes.matmul_c(a.shape, b.shape), a.dtype)
    return np.matmul(a, b, out=c)
