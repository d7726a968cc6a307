"""Register tiles as Numba values: the only place that speaks LLVM.

A tile is `rows` x `vectors` SIMD vectors of `lanes` floats, a value like any other: LLVM keeps it in registers as long as it is
only passed on. Contract, for every function below:

    dtype      float32 or float64, the tile's; `lanes` of it make one vector register of the host
    address    of memory, an int64 in bytes; elements of a vector are neighbours; it need not be aligned to more than an element
    row_step   from one row to the next, in bytes, of any sign
    last       the last row that exists: rows behind it read row `last` again, and are not written
    count      None: whole vectors are read and written. An int: of a row's last vector only so many lanes are; the others are
               neither touched in memory nor trusted to be in bounds, and are 0 as values
    returns    a new tile; the given one is unchanged

Nothing is checked: an address that is wrong reads or writes wherever it points. Callers own the bounds.

    tile(zero, rows, vectors)                     all zeros, of zero's dtype; rows and vectors are constants
    rank_one(t, a, row_step, last, b, count)      t_rv + a_r b_v: a_r one element in each row from a, b_v the vectors from b
    row_products(t, a, row_step, last, b, count)  t_r + a_r b, elementwise: a_r a vector in each row from a; one vector a row
    load(t, address, row_step, last, count)       memory, as a tile of t's shape
    store(t, address, row_step, last, count)      t -> memory
    store_sums(t, address, row_step, last)        the sum over a row's lanes -> one element in each row; one vector a row
    added(t, u)                                   t + u
    prefetch(t, address, row_step, last)          asks for the cache lines under a tile that will be loaded and stored
    prefetch_line(address)                        asks for one that will be read some time later
    transposed(t)                                 rows become lanes; as many rows as lanes, and one vector a row
    read(zero, address), write(value, address)    one element
    lanes, element_size, full_rows(zero)          constants: of a vector, of a float in bytes, of the tile with VECTORS vectors
"""

import functools
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model

# Vectors a row of the full tile. Each step of a product loads VECTORS vectors and `rows` broadcasts for rows x VECTORS fused
# multiply-adds. Three vectors a row leave the most multiply-adds a load among the tiles that fill 16 or 32 registers.
VECTORS = 3

LINE = 64  # bytes of a cache line

_PROBE = """
define <16 x float> @sum(<16 x float> %a, <16 x float> %b) {{
  %c = fadd <16 x float> %a, %b
  ret <16 x float> %c
}}
"""


@functools.cache
def registers() -> tuple[int, int]:
    """The bytes of a vector register and how many there are, as the compiler uses them for the CPU that it compiles for."""
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features)
    assembly = machine.emit_assembly(binding.parse_assembly(_PROBE.format()))
    if "%zmm" in assembly:
        return 64, 32
    if "%ymm" in assembly:
        return 32, 16
    return 16, 16 if "%xmm" in assembly else 32  # 32 of 16 bytes: NEON


def full_rows_of(count: int) -> int:
    """Rows of the full tile: rows * VECTORS sums, VECTORS vectors of b and a broadcast share the registers; a power of 2."""
    rows = 1
    while 2 * rows * VECTORS + VECTORS + 1 <= count:
        rows *= 2
    return rows


class Tile(types.Type):
    """The type of a register tile."""

    def __init__(self, dtype: types.Float, rows: int, vectors: int) -> None:
        self.dtype, self.rows, self.vectors = dtype, rows, vectors
        self.size = dtype.bitwidth // 8
        self.lanes = registers()[0] // self.size
        super().__init__(f"Tile({dtype}, {rows}, {vectors}, {self.lanes})")

    @property
    def element(self) -> ir.Type:
        return ir.FloatType() if self.size == 4 else ir.DoubleType()

    @property
    def vector(self) -> ir.VectorType:
        return ir.VectorType(self.element, self.lanes)

    @property
    def value(self) -> ir.ArrayType:
        return ir.ArrayType(self.vector, self.rows * self.vectors)


@register_model(Tile)
class TileModel(models.PrimitiveModel):
    """A tile is an LLVM array of vectors, which LLVM takes apart into registers."""

    def __init__(self, manager: Any, tile: Tile) -> None:
        super().__init__(manager, tile, tile.value)


@intrinsic(prefer_literal=True)
def tile(typing_context, zero, rows, vectors):
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(vectors, types.IntegerLiteral)):
        raise TypingError("rows and vectors: expected constants")
    result = Tile(zero, rows.literal_value, vectors.literal_value)
    return result(zero, rows, vectors), lambda context, builder, signature, args: ir.Constant(result.value, None)


def _constant(zero: types.Float, value: int) -> Any:
    """The signature and the code of a constant that depends on the dtype: a literal, so that it can shape a tile."""
    return types.literal(value)(zero), lambda context, builder, signature, args: ir.Constant(ir.IntType(64), value)


@intrinsic
def lanes(typing_context, zero):
    return _constant(zero, Tile(zero, 1, 1).lanes)


@intrinsic
def element_size(typing_context, zero):
    return _constant(zero, zero.bitwidth // 8)


@intrinsic
def full_rows(typing_context, zero):
    return _constant(zero, full_rows_of(registers()[1]))


@intrinsic
def read(typing_context, zero, address):
    t = Tile(zero, 1, 1)

    def generate(context, builder, signature, args):
        return builder.load(_Memory(builder, t).pointer(args[1], t.element), align=t.size)

    return zero(zero, types.int64), generate


@intrinsic
def write(typing_context, value, address):
    t = Tile(value, 1, 1)

    def generate(context, builder, signature, args):
        builder.store(args[0], _Memory(builder, t).pointer(args[1], t.element), align=t.size)
        return context.get_dummy_value()

    return types.none(value, types.int64), generate


@intrinsic
def rank_one(typing_context, t, a, row_step, last, b, count):
    def generate(context, builder, signature, args):
        value, a, row_step, last, b, count = args
        memory = _Memory(builder, t, signature.args[5], count)
        vectors = [memory.load(b, v) for v in range(t.vectors)]
        for r in range(t.rows):
            broadcast = memory.broadcast(memory.row(a, row_step, last, r))
            for v, vector in enumerate(vectors):
                value = memory.add_product(value, r * t.vectors + v, broadcast, vector)
        return value

    return t(t, types.int64, types.int64, types.int64, types.int64, count), generate


@intrinsic
def row_products(typing_context, t, a, row_step, last, b, count):
    def generate(context, builder, signature, args):
        value, a, row_step, last, b, count = args
        memory = _Memory(builder, t, signature.args[5], count)
        vector = memory.load(b, 0)
        for r in range(t.rows):
            value = memory.add_product(value, r, memory.load(memory.row(a, row_step, last, r), 0), vector)
        return value

    return t(t, types.int64, types.int64, types.int64, types.int64, count), generate


@intrinsic
def load(typing_context, t, address, row_step, last, count):
    def generate(context, builder, signature, args):
        value, address, row_step, last, count = args
        memory = _Memory(builder, t, signature.args[4], count)
        for r in range(t.rows):
            row = memory.row(address, row_step, last, r)
            for v in range(t.vectors):
                value = builder.insert_value(value, memory.load(row, v), r * t.vectors + v)
        return value

    return t(t, types.int64, types.int64, types.int64, count), generate


@intrinsic
def store(typing_context, t, address, row_step, last, count):
    def generate(context, builder, signature, args):
        value, address, row_step, last, count = args
        memory = _Memory(builder, t, signature.args[4], count)
        for r in range(t.rows):
            with memory.where_row_exists(last, r):
                row = memory.row(address, row_step, last, r)
                for v in range(t.vectors):
                    memory.store(builder.extract_value(value, r * t.vectors + v), row, v)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64, count), generate


@intrinsic
def store_sums(typing_context, t, address, row_step, last):
    def generate(context, builder, signature, args):
        value, address, row_step, last = args
        memory = _Memory(builder, t)
        reduce = memory.function("vector.reduce.fadd", t.element, [t.element, t.vector])
        for r in range(t.rows):
            # reassoc lets the lanes be added pairwise instead of one after the other
            total = builder.call(reduce, [ir.Constant(t.element, 0.0), builder.extract_value(value, r)], fastmath=("reassoc",))
            with memory.where_row_exists(last, r):
                builder.store(total, memory.pointer(memory.row(address, row_step, last, r), t.element), align=t.size)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64), generate


@intrinsic
def added(typing_context, t, u):
    def generate(context, builder, signature, args):
        value, other = args
        for i in range(t.rows * t.vectors):
            total = builder.fadd(builder.extract_value(value, i), builder.extract_value(other, i))
            value = builder.insert_value(value, total, i)
        return value

    return t(t, t), generate


@intrinsic
def prefetch(typing_context, t, address, row_step, last):
    def generate(context, builder, signature, args):
        address, row_step, last = args[1:]
        memory = _Memory(builder, t)
        length = t.vectors * t.lanes * t.size
        for r in range(t.rows):
            row = memory.row(address, row_step, last, r)
            for offset in [*range(0, length, LINE), length - 1]:
                memory.prefetch(row, offset, writes=1, closeness=3)
        return context.get_dummy_value()

    return types.none(t, types.int64, types.int64, types.int64), generate


@intrinsic
def prefetch_line(typing_context, address):
    def generate(context, builder, signature, args):
        _Memory(builder, Tile(types.float32, 1, 1)).prefetch(args[0], 0, writes=0, closeness=2)
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic
def transposed(typing_context, t):
    """log2(lanes) rounds of two-row shuffles; round h swaps the off-diagonal blocks of h x h elements."""

    def generate(context, builder, signature, args):
        rows = [builder.extract_value(args[0], r) for r in range(t.rows)]
        half = t.lanes // 2
        while half:
            rows = _swap_blocks(builder, rows, half)
            half //= 2
        value = args[0]
        for r, row in enumerate(rows):
            value = builder.insert_value(value, row, r)
        return value

    if t.rows != t.lanes or t.vectors != 1:
        raise TypingError(f"t: expected as many rows as lanes and one vector a row, got {t}")
    return t(t), generate


def _swap_blocks(builder: Any, rows: list[Any], half: int) -> list[Any]:
    """[[A, B], [C, D]] -> [[A, C], [B, D]] for each square of 2 half x 2 half elements."""
    count = len(rows)
    swapped = list(rows)
    for r in range(count):
        if r & half:
            continue
        upper, lower = rows[r], rows[r + half]
        left = [i if not i & half else count + i - half for i in range(count)]
        right = [i + half if not i & half else count + i for i in range(count)]
        swapped[r] = builder.shuffle_vector(upper, lower, _indices(left))
        swapped[r + half] = builder.shuffle_vector(upper, lower, _indices(right))
    return swapped


def _indices(values: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(values)), values)


class _Memory:
    """Loads and stores of one tile's vectors while code is generated."""

    def __init__(self, builder: Any, t: Tile, count_type: types.Type = types.none, count: Any = None) -> None:
        self.builder, self.t = builder, t
        self.mask = None if count_type == types.none else self._mask(count)
        self.fma = self.function("fmuladd", t.vector, [t.vector] * 3)

    def function(self, name: str, result: ir.Type, arguments: list[ir.Type], suffix: str = "") -> Any:
        kind = f"v{self.t.lanes}f{8 * self.t.size}"
        signature = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.{name}.{kind}{suffix}")

    def _mask(self, count: Any) -> Any:
        """Lane i is on where i < count."""
        i32 = ir.IntType(32)
        wide = self._splat(self.builder.trunc(count, i32), ir.VectorType(i32, self.t.lanes))
        return self.builder.icmp_signed("<", _indices(list(range(self.t.lanes))), wide)

    def _splat(self, scalar: Any, vector: ir.VectorType) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, _indices([0] * vector.count))

    def row(self, address: Any, row_step: Any, last: Any, r: int) -> Any:
        """Where row r is; rows behind the last are the last again."""
        if r == 0:
            return address
        number = ir.Constant(ir.IntType(64), r)
        row = self.builder.select(self.builder.icmp_signed("<", number, last), number, last)
        return self.builder.add(address, self.builder.mul(row_step, row))

    def where_row_exists(self, last: Any, r: int) -> Any:
        """A block of code that is run if row r is not behind the last."""
        return self.builder.if_then(self.builder.icmp_signed("<=", ir.Constant(ir.IntType(64), r), last))

    def pointer(self, address: Any, pointee: ir.Type, offset: int = 0) -> Any:
        place = self.builder.add(address, ir.Constant(ir.IntType(64), offset))
        return self.builder.inttoptr(place, pointee.as_pointer())

    def broadcast(self, address: Any) -> Any:
        element = self.builder.load(self.pointer(address, self.t.element), align=self.t.size)
        return self._splat(element, self.t.vector)

    def _masked(self, v: int) -> bool:
        return self.mask is not None and v == self.t.vectors - 1

    def load(self, address: Any, v: int) -> Any:
        place = self.pointer(address, self.t.vector, v * self.t.lanes * self.t.size)
        if not self._masked(v):
            return self.builder.load(place, align=self.t.size)
        i32 = ir.IntType(32)
        function = self.function("masked.load", self.t.vector, [place.type, i32, self.mask.type, self.t.vector], ".p0")
        return self.builder.call(function, [place, ir.Constant(i32, self.t.size), self.mask, ir.Constant(self.t.vector, None)])

    def store(self, vector: Any, address: Any, v: int) -> None:
        place = self.pointer(address, self.t.vector, v * self.t.lanes * self.t.size)
        if not self._masked(v):
            self.builder.store(vector, place, align=self.t.size)
            return
        i32 = ir.IntType(32)
        function = self.function("masked.store", ir.VoidType(), [self.t.vector, place.type, i32, self.mask.type], ".p0")
        self.builder.call(function, [vector, place, ir.Constant(i32, self.t.size), self.mask])

    def prefetch(self, address: Any, offset: int, writes: int, closeness: int) -> None:
        place, i32 = self.pointer(address, ir.IntType(8), offset), ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [place.type, i32, i32, i32])
        ask = cgutils.get_or_insert_function(self.builder.module, signature, "llvm.prefetch.p0")
        self.builder.call(ask, [place, i32(writes), i32(closeness), i32(1)])

    def add_product(self, value: Any, i: int, left: Any, right: Any) -> Any:
        total = self.builder.call(self.fma, [left, right, self.builder.extract_value(value, i)])
        return self.builder.insert_value(value, total, i)
