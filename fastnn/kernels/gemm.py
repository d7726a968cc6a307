"""Products of contiguous matrices, added to a third: what dense layers and convolutions are made of.

Each inner loop runs over neighbours in memory, so that it becomes vector instructions.
"""

from fastnn.kernels.jit import compiled

# Rows of B that one pass over a row of C takes in: four loads of B then share one load and store of C.
UNROLL = 4


@compiled
def add_product(A, B, C):
    """C += A B, with A (m, k), B (k, n), C (m, n)."""
    m, k = A.shape
    n = B.shape[1]
    whole = k - k % UNROLL
    for i in range(m):
        for t in range(0, whole, UNROLL):
            a_0, a_1, a_2, a_3 = A[i, t], A[i, t + 1], A[i, t + 2], A[i, t + 3]
            for j in range(n):
                C[i, j] += (a_0 * B[t, j] + a_1 * B[t + 1, j]) + (a_2 * B[t + 2, j] + a_3 * B[t + 3, j])
        for t in range(whole, k):
            a_0 = A[i, t]
            for j in range(n):
                C[i, j] += a_0 * B[t, j]


@compiled
def add_product_left_transposed(A, B, C):
    """C += A^T B, with A (k, m), B (k, n), C (m, n)."""
    k, m = A.shape
    n = B.shape[1]
    whole = k - k % UNROLL
    for t in range(0, whole, UNROLL):
        for i in range(m):
            a_0, a_1, a_2, a_3 = A[t, i], A[t + 1, i], A[t + 2, i], A[t + 3, i]
            for j in range(n):
                C[i, j] += (a_0 * B[t, j] + a_1 * B[t + 1, j]) + (a_2 * B[t + 2, j] + a_3 * B[t + 3, j])
    for t in range(whole, k):
        for i in range(m):
            a_0 = A[t, i]
            for j in range(n):
                C[i, j] += a_0 * B[t, j]


@compiled
def add_product_right_transposed(A, B, C):
    """C += A B^T, with A (m, k), B (n, k), C (m, n)."""
    m, k = A.shape
    for i in range(m):
        for j in range(B.shape[0]):
            total = A.dtype.type(0)
            for t in range(k):
                total += A[i, t] * B[j, t]
            C[i, j] += total
