"""The product of two matrices, or of batches of them: what dense layers are made of, without bias and a_0."""

from fastnn import shapes
from fastnn.arguments import Matrices
from fastnn.kernels.arrays.layout import strided
from fastnn.kernels.arrays.overlap import apart
from fastnn.kernels.compiler.jit import compiled, kernel
from fastnn.kernels.products.gemm import product


@compiled
def number(matrices, i):
    """Matrix i of a batch; a matrix is every one of its own."""
    if matrices.ndim == 2:
        return strided(matrices)
    else:  # noqa: RET505 (a branch that the type rules out is dropped only as a branch)
        return strided(matrices[i])


@kernel
def matmul(a: Matrices, b: Matrices, out: Matrices | None = None) -> Matrices:
    """(3) without the bias: c_ij = a_it b_tj; for batches, the same for each pair of matrices.

    a (m, k) or (B, m, k), b (k, n) or (B, k, n), c (m, n), or (B, m, n) where a or b is a batch.
    """
    c = shapes.result(out, shapes.matmul_c(a.shape, b.shape), a.dtype)
    apart(out, a)
    apart(out, b)
    for i in range(1 if c.ndim == 2 else c.shape[0]):
        product(number(a, i), number(b, i), None, number(c, i))
    return c
