"""The rows of the tables: what is timed, and its arithmetic. Everything here is data; bench/tables.py times it.

D dense kernels, C convolution kernels, P pooling kernels, M products of matrices in @njit, E elementary functions,
T training steps, F first use.
"""

import math
from typing import NamedTuple

from architectures import COLOUR, DIGITS, LARGE, LENET, MATRIX, MIDDLE, PLANE, STRIDED, Network

OPERATIONS = "forward", "dz_to_dtheta", "dz_to_da"


class DenseRow(NamedTuple):
    """A dense kernel: a (m, n_in), theta (1 + n_in, n_out)."""

    operation: str
    m: int
    n_in: int
    n_out: int

    @property
    def size(self) -> str:
        return f"({self.m}, {self.n_in}, {self.n_out})"

    @property
    def flops(self) -> int:
        return 2 * self.m * self.n_in * self.n_out

    @property
    def groups(self) -> tuple[str, ...]:
        return (self.operation, *(["m n_in n_out <= 64^3"] if self.flops <= 2 * 64**3 else []))


class ConvolutionRow(NamedTuple):
    """A convolution kernel: a (m, C, H, W), theta (K, C, f, f), stride S, padding P."""

    operation: str
    m: int
    C: int
    H: int
    W: int
    K: int
    f: int
    S: int
    P: int

    @property
    def size(self) -> str:
        return f"({', '.join(map(str, self[1:]))})"

    @property
    def z_shape(self) -> tuple[int, int, int, int]:
        return (self.m, self.K, *((n + 2 * self.P - self.f) // self.S + 1 for n in (self.H, self.W)))

    @property
    def flops(self) -> int:
        return 2 * math.prod(self.z_shape) * self.C * self.f**2

    @property
    def groups(self) -> tuple[str, ...]:
        return (self.operation, *(["C f f >= 64, K >= 16"] if self.C * self.f**2 >= 64 and self.K >= 16 else []))


class PoolRow(NamedTuple):
    """A pooling kernel: a (m, C, H, W), windows of f x f at a stride S."""

    operation: str
    m: int
    C: int
    H: int
    W: int
    f: int
    S: int
    flops = 0  # comparisons and additions of what was just loaded

    @property
    def size(self) -> str:
        return f"({', '.join(map(str, self[1:]))})"

    @property
    def z_shape(self) -> tuple[int, int, int, int]:
        return (self.m, self.C, *((n - self.f) // self.S + 1 for n in (self.H, self.W)))

    @property
    def groups(self) -> tuple[str, ...]:
        return (self.operation,)


class ProductRow(NamedTuple):
    """A product of two n x n matrices inside @njit, both C-ordered, transposed, or every second element of larger ones."""

    operation: str
    n: int

    @property
    def size(self) -> str:
        return f"({self.n}, {self.n}, {self.n})"

    @property
    def flops(self) -> int:
        return 2 * self.n**3

    groups = ()


class ElementaryRow(NamedTuple):
    """A function of n elements: as the loop that a kernel is, or as the public kernel."""

    operation: str
    n: int
    flops = 0  # its polynomials are not counted
    groups = ()

    @property
    def size(self) -> str:
        return f"{self.n:,}"


class StepRow(NamedTuple):
    """One training step of a network on a batch of m."""

    operation: str
    network: Network
    m: int
    groups = ()

    @property
    def size(self) -> str:
        return f"{self.network.name}, batch {self.m:,}"

    @property
    def flops(self) -> int:
        return self.m * self.network.flops


class EpochRow(NamedTuple):
    """One epoch over n samples in batches of m: shuffled, gathered, the last batch shorter."""

    operation: str
    network: Network
    m: int
    n: int
    groups = ()

    @property
    def size(self) -> str:
        return f"{self.network.name}, an epoch of {self.n:,}, batch {self.m}"

    @property
    def flops(self) -> int:
        return self.n * self.network.flops


Row = DenseRow | ConvolutionRow | PoolRow | ProductRow | ElementaryRow | StepRow | EpochRow

DENSE = [
    DenseRow(operation, *shape)
    for operation in OPERATIONS
    for shape in (
        *((1, 64, 64), (8, 16, 16), (32, 64, 32), (37, 53, 29), (100, 100, 100)),
        *((64, 784, 128), (128, 784, 512), (256, 512, 512), (512, 1024, 1024), (1024, 2048, 2048)),
    )
]
CONVOLUTION = [
    ConvolutionRow(operation, *shape)
    for operation in OPERATIONS
    for shape in (
        *((64, 1, 28, 28, 8, 5, 1, 0), (64, 8, 12, 12, 16, 5, 1, 0), (64, 1, 28, 28, 32, 3, 1, 0)),
        *((64, 32, 26, 26, 64, 3, 1, 0), (32, 3, 32, 32, 32, 3, 1, 1), (32, 64, 28, 28, 64, 3, 1, 1)),
        *((32, 64, 28, 28, 128, 3, 2, 1), (16, 128, 14, 14, 128, 3, 1, 1), (8, 3, 224, 224, 64, 7, 2, 3)),
        *((1, 1, 28, 28, 8, 5, 1, 0), (256, 16, 8, 8, 32, 3, 1, 0), (64, 1, 28, 28, 16, 5, 2, 0)),
        (32, 256, 14, 14, 256, 1, 1, 0),
    )
]
POOL = [  # the pools of T5 at batches of 32 and 128, and of T7, and the same images under the other common window
    PoolRow(operation, *shape, *window)
    for operation in (
        *("max_forward_index", "max_dz_to_da_index", "max_forward", "max_dz_to_da"),  # PyTorch's always have the index
        *("avg_forward", "avg_dz_to_da"),
    )
    for window in ((2, 2), (3, 2))
    for shape in ((32, 6, 24, 24), (128, 6, 24, 24), (32, 16, 8, 8), (128, 16, 8, 8), (32, 32, 28, 28), (32, 64, 10, 10))
]
PRODUCT = [ProductRow(operands, 256) for operands in ("C order", "transposed", "sliced")]
ELEMENTARY = [ElementaryRow(name, n) for name in ("exp", "tanh", "tanh_kernel") for n in (10_000, 1_000_000)]
STEPS = [
    StepRow("T1", PLANE, 32),
    StepRow("T2", DIGITS, 32),
    StepRow("T3", MIDDLE, 64),
    StepRow("T4", LARGE, 128),
    *(StepRow("T5", LENET, m) for m in (32, 128, 512)),
    StepRow("T6", STRIDED, 64),
    StepRow("T7", COLOUR, 32),
    StepRow("T8", MATRIX, 10_000),
]
EPOCH = EpochRow("T5", LENET, 128, 60_000)
FLOAT64_STEPS = "T3", "T5"
FIRST_USE = "T2", "T5"


def rows(table: str, dtype: str) -> list[Row]:
    """The rows of a table in float32 or float64."""
    steps: list[Row] = [row for row in (*STEPS, EPOCH) if dtype == "float32" or row.operation in FLOAT64_STEPS]
    first = [next(row for row in STEPS if row.operation == operation) for operation in FIRST_USE]
    found: dict[str, list[Row]] = {
        "D": [*DENSE],
        "C": [*CONVOLUTION],
        "P": [*POOL],
        "M": [*PRODUCT],
        "E": [*ELEMENTARY],
        "T": steps,
        "F": [*first],
    }
    return found[table]


def name(row: Row) -> str:
    """A row in words: its operation and its size."""
    return f"{row.operation} {row.size}"
