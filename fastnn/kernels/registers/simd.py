"""Vector registers: what the host has, and tiles of them as Numba types; instructions.py has the LLVM code of these.

Those two and calls.py are all that speaks LLVM. Nothing here is compiled by itself.
"""

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import models, register_model
from numba.np.numpy_support import as_dtype

# Vectors a row of the full tile. Each step of a product loads VECTORS vectors and `rows` broadcasts for rows x VECTORS fused
# multiply-adds. Three vectors a row leave the most multiply-adds a load among the tiles that fill 16 or 32 registers.
VECTORS = 3

LINE = 64  # bytes of a cache line
POINTER = ir.IntType(64).as_pointer()  # to an int64

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


def low_vectors_of(count: int, rows: int) -> int:
    """Vectors of a tile of few rows: sums, vectors of b and a broadcast share the registers; 8 at most.

    With one more, three rows and 8 vectors in 32 registers, what was spilled took a sixth longer.
    """
    return min(8, max(1, (count - 1) // (rows + 1)))


def long_vectors_of(count: int, rows: int) -> int:
    """Vectors of a tile of few rows: sums, a vector of each row and one more share the registers.

    At most 9 beside three rows, and 5 beside four: as many taps as windows of 3 x 3 have, and a row of 5 x 5.
    """
    return min(9 if rows < 4 else 5, (count - rows - 1) // rows)


class Tile(types.Type):
    """The type of a register tile, of whole registers or of a part of each."""

    def __init__(self, dtype: types.Type, rows: int, vectors: int, parts: int = 1) -> None:
        self.dtype, self.rows, self.vectors = dtype, rows, vectors
        self.size = dtype.bitwidth // 8
        self.lanes = max(1, registers()[0] // self.size // parts)
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

    def zero(self) -> ir.Constant:
        return ir.Constant(self.element, 0.0)

    def zero_vector(self) -> ir.Constant:
        return ir.Constant(self.vector, None)

    def zeros(self) -> ir.Constant:
        return ir.Constant(self.value, None)


class Bytes(Tile):
    """The type of a vector of bytes, one for each lane of a vector of floats."""

    def __init__(self, lanes: int) -> None:
        self.dtype, self.rows, self.vectors, self.size, self.lanes = types.uint8, 1, 1, 1, lanes
        types.Type.__init__(self, f"Bytes({lanes})")

    @property
    def element(self) -> ir.Type:
        return ir.IntType(8)


@register_model(Bytes)
@register_model(Tile)
class TileModel(models.PrimitiveModel):
    """A tile is an LLVM array of vectors, which LLVM takes apart into registers.

    A function that is not inlined returns one in memory, as a packed struct, for which no alignment is assumed. LLVM puts
    places that are not in use together into one. Numba links what was compiled so into a caller and compiles it again, and
    then that one has the alignment of the smaller: an array of vectors lay there, and an aligned store ended the process.
    """

    def __init__(self, manager: Any, tile: Tile) -> None:
        super().__init__(manager, tile, tile.value)

    def get_data_type(self) -> ir.Type:
        tile = self.fe_type
        return ir.LiteralStructType([tile.vector] * (tile.rows * tile.vectors), packed=True)

    def as_data(self, builder: Any, value: Any) -> Any:
        return _moved(builder, value, self.get_data_type())

    def from_data(self, builder: Any, value: Any) -> Any:
        return _moved(builder, value, self.get_value_type())

    get_return_type = get_data_type
    as_return = as_data
    from_return = from_data


def _moved(builder: Any, value: Any, into: ir.Type) -> Any:
    """The vectors of one aggregate as another."""
    moved = ir.Constant(into, ir.Undefined)
    for place in range(len(into)):
        moved = builder.insert_value(moved, builder.extract_value(value, place), place)
    return moved


class Form(types.Opaque):
    """The type of what says which tile is meant, and holds none: a tile is passed to a function in memory, a form is not."""

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
        super().__init__(f"Form({tile.name})")


register_model(Form)(models.OpaqueModel)


def integer(value: int, bits: int = 64) -> ir.Constant:
    return ir.Constant(ir.IntType(bits), value)


def constant(function: Callable[[Any], int]) -> Callable[[Any], int]:
    """Make an int that depends on a number's dtype alone a constant of compiled code: a literal, which can shape a tile."""

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            return types.literal(function(as_dtype(args[0]).type(0)))(*args)

    @lower_builtin(function, types.Float)
    def number(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return integer(signature.return_type.literal_value)

    infer_global(function, types.Function(Template))
    return function


def without_knowing(builder: Any, number: Any, integer: ir.Type) -> Any:
    """The number as if it were not known while compiling: through a register, as an integer, without an instruction.

    LLVM 15, which the oldest Numba has, would leave a branch where one stands, and a loop over it without vectors.
    """
    if binding.llvm_version_info[0] < 16:
        return number
    kind = ir.FunctionType(integer, [integer])
    unknown = builder.asm(kind, "", "=r,0", [builder.bitcast(number, integer)], side_effect=False)
    for attribute in ("nounwind", "readnone", "willreturn"):  # or it would stay in loops; llvmlite does not know the last
        set.add(unknown.attributes, attribute)
    return builder.bitcast(unknown, number.type)
