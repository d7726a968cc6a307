"""The LLVM code that tiles.py is made of: `Code` writes instructions while one of its functions is compiled."""

import functools
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from fastnn.kernels.registers.simd import POINTER, Tile, integer


def indices(values: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(values)), values)


class Code:
    """The instructions for one tile: its loads, stores and sums, written at a builder's place."""

    def __init__(self, builder: Any, t: Tile, count_type: types.Type = types.none, count: Any = None) -> None:
        self.builder, self.t = builder, t
        self.mask: Any = None if count_type == types.none else self._mask(count)

    @property
    def fma(self) -> Any:
        return self.function("fmuladd", self.t.vector, [self.t.vector] * 3)

    def function(self, name: str, result: ir.Type, arguments: list[ir.Type], suffix: str = "") -> Any:
        kind = f"v{self.t.lanes}{'i' if self.t.size == 1 else 'f'}{8 * self.t.size}"
        signature = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.{name}.{kind}{suffix}")

    def _mask(self, count: Any, comparison: str = "<") -> Any:
        """Lane i is on where i < count."""
        i32 = ir.IntType(32)
        wide = self._splat(self.builder.trunc(count, i32), ir.VectorType(i32, self.t.lanes))
        return self.builder.icmp_signed(comparison, indices(list(range(self.t.lanes))), wide)

    def _between(self, first: Any, behind: Any) -> Any:
        """Lane i is on where first <= i < behind."""
        return self.builder.and_(self._mask(first, ">="), self._mask(behind))

    def _splat(self, scalar: Any, vector: ir.VectorType) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, indices([0] * vector.count))

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
        return self.splat(self.builder.load(self.pointer(address, self.t.element), align=self.t.size))

    def splat(self, number: Any) -> Any:
        return self._splat(number, self.t.vector)

    def _masked(self, v: int) -> bool:
        return self.mask is not None and v == self.t.vectors - 1

    def load(self, address: Any, v: int) -> Any:
        place = self.pointer(address, self.t.vector, v * self.t.lanes * self.t.size)
        if not self._masked(v):
            return self.builder.load(place, align=self.t.size)
        return self._load(ir.Constant(self.t.vector, None), place, self.mask)

    def load_lanes(self, others: Any, address: Any, first: Any, behind: Any) -> Any:
        return self._load(others, self.pointer(address, self.t.vector), self._between(first, behind))

    def bits(self, address: Any) -> Any:
        """The bits of an int64 in memory, as a mask."""
        number = self.builder.load(self.builder.inttoptr(address, POINTER), align=8)
        lanes = ir.VectorType(ir.IntType(1), self.t.lanes)
        return self.builder.bitcast(self.builder.trunc(number, ir.IntType(self.t.lanes)), lanes)

    def load_bits(self, address: Any, bits: Any) -> Any:
        """The lanes whose bits are 1 in an int64 in memory, the others 0."""
        return self._load(self.t.zero_vector(), self.pointer(address, self.t.vector), self.bits(bits))

    def _load(self, others: Any, place: Any, mask: Any) -> Any:
        i32 = ir.IntType(32)
        function = self.function("masked.load", self.t.vector, [place.type, i32, mask.type, self.t.vector], ".p0")
        return self.builder.call(function, [place, ir.Constant(i32, self.t.size), mask, others])

    def gather(self, others: Any, address: Any, step: Any, first: Any, behind: Any) -> Any:
        i32, i64, mask = ir.IntType(32), ir.VectorType(ir.IntType(64), self.t.lanes), self._between(first, behind)
        numbers = ir.Constant(i64, list(range(self.t.lanes)))
        places = self.builder.add(self._splat(address, i64), self.builder.mul(self._splat(step, i64), numbers))
        pointers = self.builder.inttoptr(places, ir.VectorType(self.t.element.as_pointer(), self.t.lanes))
        suffix = f".v{self.t.lanes}p0"
        function = self.function("masked.gather", self.t.vector, [pointers.type, i32, mask.type, self.t.vector], suffix)
        return self.builder.call(function, [pointers, ir.Constant(i32, self.t.size), mask, others])

    def store(self, vector: Any, address: Any, v: int) -> None:
        place = self.pointer(address, self.t.vector, v * self.t.lanes * self.t.size)
        if self._masked(v):
            self._store(vector, place, self.mask)
        else:
            self.builder.store(vector, place, align=self.t.size)

    def store_lanes(self, vector: Any, address: Any, first: Any, behind: Any) -> None:
        self._store(vector, self.pointer(address, self.t.vector), self._between(first, behind))

    def _store(self, vector: Any, place: Any, mask: Any) -> None:
        i32 = ir.IntType(32)
        function = self.function("masked.store", ir.VoidType(), [self.t.vector, place.type, i32, mask.type], ".p0")
        self.builder.call(function, [vector, place, ir.Constant(i32, self.t.size), mask])

    def _apart(self, address: Any, behind: Any, first: Any = None) -> list[tuple[Any, Any]]:
        """Where the two vectors lie whose even lanes are elements, up to one or from one to another, and their masks."""
        i32, n = ir.IntType(32), self.t.lanes
        ends = [("<", behind)] if first is None else [("<", behind), (">=", first)]
        limits = [(sign, self._splat(self.builder.trunc(end, i32), ir.VectorType(i32, n))) for sign, end in ends]
        never = 2**31 - 1
        numbers = [[(half + i) // 2 if i % 2 == 0 else never for i in range(n)] for half in (0, n)]
        places = [self.pointer(address, self.t.vector, v * n * self.t.size) for v in range(2)]
        masks = [[self.builder.icmp_signed(sign, indices(numbers[v]), end) for sign, end in limits] for v in range(2)]
        return [(places[v], functools.reduce(self.builder.and_, masks[v])) for v in range(2)]

    def load_apart(self, address: Any, behind: Any, first: Any = None) -> Any:
        nothing = ir.Constant(self.t.vector, None)
        low, high = (self._load(nothing, place, mask) for place, mask in self._apart(address, behind, first))
        return self.builder.shuffle_vector(low, high, indices(list(range(0, 2 * self.t.lanes, 2))))

    def store_apart(self, vector: Any, address: Any, count: Any) -> None:
        for v, (place, mask) in enumerate(self._apart(address, count)):
            picks = [(v * self.t.lanes + i) // 2 for i in range(self.t.lanes)]
            self._store(self.builder.shuffle_vector(vector, vector, indices(picks)), place, mask)

    def copy(self, source: Any, target: Any, count: int, step: int) -> None:
        """Elements that are 1 or 2 apart -> neighbours. What 2 apart reach is two vectors, that share one element."""
        vector = ir.VectorType(self.t.element, count)
        starts = (0,) if step == 1 else (0, count - 1)
        found = [self.builder.load(self.pointer(source, vector, i * self.t.size), align=self.t.size) for i in starts]
        if step != 1:
            found[0] = self.builder.shuffle_vector(*found, indices([i + (i >= count) for i in range(0, 2 * count, 2)]))
        self.builder.store(found[0], self.pointer(target, vector), align=self.t.size)

    def copy_column(self, source: Any, step: Any, target: Any, count: int) -> None:
        """Elements a step apart -> neighbours, in one register, or in as many as they fill."""
        column = ir.Constant(ir.VectorType(self.t.element, count), ir.Undefined)
        for i in range(count):
            place = self.pointer(self.builder.add(source, self.builder.mul(step, integer(i))), self.t.element)
            column = self.builder.insert_element(column, self.builder.load(place, align=self.t.size), integer(i, 32))
        self.builder.store(column, self.pointer(target, column.type), align=self.t.size)

    def prefetch(self, address: Any, offset: int, writes: int, closeness: int) -> None:
        place, i32 = self.pointer(address, ir.IntType(8), offset), ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [place.type, i32, i32, i32])
        ask = cgutils.get_or_insert_function(self.builder.module, signature, "llvm.prefetch.p0")
        self.builder.call(ask, [place, i32(writes), i32(closeness), i32(1)])

    def add_product(self, value: Any, i: int, left: Any, right: Any) -> Any:
        total = self.builder.call(self.fma, [left, right, self.builder.extract_value(value, i)])
        return self.builder.insert_value(value, total, i)

    def sum_lanes(self, vector: Any) -> Any:
        """The sum over the lanes; reassoc lets them be added pairwise instead of one after the other."""
        reduce = self.function("vector.reduce.fadd", self.t.element, [self.t.element, self.t.vector])
        return self.builder.call(reduce, [ir.Constant(self.t.element, 0.0), vector], fastmath=("reassoc",))

    def lane_sums(self, vectors: list[Any]) -> list[Any]:
        """The sums over their lanes, in the order of the vectors: log2(lanes) rounds, in each of which two become one.

        `half` lanes of what is left of a vector are added to its other ones: 3 instructions a sum, in place of 8.
        """
        half = self.t.lanes // 2
        while half:
            firsts = [i for i in range(2 * self.t.lanes) if not i & half]
            pairs = zip(vectors[::2], [*vectors[1::2], vectors[-1]], strict=False)
            vectors = [self._folded(x, y, indices(firsts), indices([i + half for i in firsts])) for x, y in pairs]
            half //= 2
        return vectors

    def _folded(self, x: Any, y: Any, firsts: Any, seconds: Any) -> Any:
        first, second = (self.builder.shuffle_vector(x, y, picks) for picks in (firsts, seconds))
        return self.builder.fadd(first, second)

    def load_parts(self, address: Any, step: Any) -> list[Any]:
        """Vectors of parts, of as many elements as there are rows: part b of row r is the (r + b rows)th, a step apart."""
        part = ir.VectorType(self.t.element, self.t.rows)
        found = []
        for r in range(self.t.rows):
            places = self._part_places(address, step, r, part)
            vectors = [self.builder.load(place, align=self.t.size) for place in places]
            while len(vectors) > 1:
                picks = indices(list(range(2 * vectors[0].type.count)))
                vectors = [self.builder.shuffle_vector(x, y, picks) for x, y in zip(*[iter(vectors)] * 2, strict=True)]
            found += vectors
        return found

    def store_parts(self, vectors: list[Any], address: Any, step: Any) -> None:
        """load_parts, the other way."""
        n = self.t.rows
        for r, vector in enumerate(vectors):
            for b, place in enumerate(self._part_places(address, step, r, ir.VectorType(self.t.element, n))):
                part = self.builder.shuffle_vector(vector, vector, indices(list(range(b * n, b * n + n))))
                self.builder.store(part, place, align=self.t.size)

    def _part_places(self, address: Any, step: Any, r: int, part: ir.VectorType) -> list[Any]:
        numbers = range(r, self.t.lanes, self.t.rows)
        return [self.pointer(self.builder.add(address, self.builder.mul(step, integer(i))), part) for i in numbers]

    def transpose(self, rows: list[Any]) -> list[Any]:
        """log2(rows) rounds of two-row shuffles: round `half` swaps the off-diagonal blocks of half x half elements."""
        half = len(rows) // 2
        while half:
            rows = self._swap_blocks(rows, half)
            half //= 2
        return rows

    def _swap_blocks(self, rows: list[Any], half: int) -> list[Any]:
        """[[A, B], [C, D]] -> [[A, C], [B, D]] for each square of 2 half x 2 half elements."""
        count = self.t.lanes
        left = indices([i if not i & half else count + i - half for i in range(count)])
        right = indices([i + half if not i & half else count + i for i in range(count)])
        swapped = list(rows)
        for r in range(len(rows)):
            if not r & half:
                swapped[r] = self.builder.shuffle_vector(rows[r], rows[r + half], left)
                swapped[r + half] = self.builder.shuffle_vector(rows[r], rows[r + half], right)
        return swapped
