"""Code and memory by a name or an address, and the floating-point mode around calls. See simd.py for who speaks LLVM."""

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils
from numba.core.registry import cpu_target

from fastnn.kernels.compiler import direct


def name_address(symbol: str, address: int) -> None:
    """Let compiled code of this process find an address by a name."""
    binding.add_symbol(symbol, address)


def c_function(builder: Any, symbol: str, result: ir.Type, parameters: list[ir.Type]) -> Any:
    """The function of that name outside, as C calls it."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, parameters), symbol)


def named_address(builder: Any, symbol: str) -> Any:
    """What `name_address` gave that name to."""
    known = builder.module.globals.get(symbol)
    return builder.ptrtoint(known or cgutils.add_global_variable(builder.module, ir.IntType(8), symbol), ir.IntType(64))


def field(builder: Any, place: Any, offset: int, bits: int = 64) -> Any:
    """An integer behind an address."""
    address = builder.add(place, ir.IntType(64)(offset))
    return builder.load(builder.inttoptr(address, ir.IntType(bits).as_pointer()))


def call_symbol(builder: Any, symbol: str, *numbers: Any) -> None:
    """Call the function of that name, which takes so many int64 and whose result nobody wants."""
    builder.call(c_function(builder, symbol, ir.VoidType(), [ir.IntType(64)] * len(numbers)), numbers)


# The bits of the floating-point mode that let subnormal numbers count as 0: of x86's MXCSR flush-to-zero (15) and
# denormals-are-zero (6), of ARM's FPCR flush-to-zero (24). The other CPUs that Numba compiles for have none here.
X86_BITS, ARM_BITS = 1 << 15 | 1 << 6, 1 << 24


def exchange_mode(builder: Any, flushes: bool) -> Any:
    """Let subnormal numbers count as 0, or not, in this thread; returns the mode before, for `put_mode`."""
    if is_x86():
        word = ir.IntType(32)
        place = cgutils.alloca_once(builder, word)
        _x86_mode(builder, "st", place)
        kept, bits = builder.load(place), word(X86_BITS)
    elif is_arm():
        word = ir.IntType(64)
        kept, bits = builder.call(c_function(builder, "llvm.aarch64.get.fpcr", word, []), []), word(ARM_BITS)
    else:
        return None
    put_mode(builder, builder.or_(kept, bits) if flushes else builder.and_(kept, builder.not_(bits)))
    return kept


def put_mode(builder: Any, mode: Any) -> None:
    """Set this thread's floating-point mode, if there is one to set."""
    if mode is None:
        return
    if is_x86():
        place = cgutils.alloca_once(builder, mode.type)
        builder.store(mode, place)
        _x86_mode(builder, "ld", place)
    else:
        builder.call(c_function(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), [mode.type]), [mode])


def _x86_mode(builder: Any, direction: str, place: Any) -> None:
    """Store MXCSR at a place, or load it from there."""
    byte = ir.IntType(8).as_pointer()
    function = c_function(builder, f"llvm.x86.sse.{direction}mxcsr", ir.VoidType(), [byte])
    builder.call(function, [builder.bitcast(place, byte)])


def is_x86() -> bool:
    return _architecture() in ("x86_64", "i686", "i386")


def is_arm() -> bool:
    return _architecture() in ("aarch64", "arm64")


def _architecture() -> str:
    return cpu_target.target_context.codegen().magic_tuple()[0].partition("-")[0]


def call_by_address(context: Any, builder: Any, signature: Any, args: Any, slot: str, fill: str, flushes: bool) -> Any:
    """Call the function whose address stands at the symbol `slot`; where that is 0, first `fill` with that place.

    Where it `flushes`, subnormal numbers count as 0 until it returns, with an error or without one.
    """
    kind = direct.type_of(context, signature.return_type, signature.args).as_pointer()
    place = builder.module.globals.get(slot) or cgutils.add_global_variable(builder.module, kind, slot)
    with builder.if_then(cgutils.is_null(builder, builder.load(place)), likely=False):
        builder.call(_filling(builder.module, fill), [builder.ptrtoint(place, ir.IntType(64))])
        with builder.if_then(cgutils.is_null(builder, builder.load(place)), likely=False):
            context.call_conv.return_user_exc(builder, RuntimeError, (f"{slot}: could not be compiled",))
    kept = exchange_mode(builder, True) if flushes else None
    answer = direct.called(context, builder, builder.load(place), signature, args)
    put_mode(builder, kept)
    return answer(True)


def _filling(module: Any, fill: str) -> Any:
    """A function that calls the one of that name. Only a slot's first call comes here: so it is not inlined."""
    name = f"{fill}.calmly"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.IntType(64)]), name)
    function.linkage = "linkonce_odr"
    for attribute in ("cold", "noinline"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block())
    kept = exchange_mode(builder, False)  # the compiler is Python code, and NumPy's, which expect subnormals
    call_symbol(builder, fill, *function.args)
    put_mode(builder, kept)
    builder.ret_void()
    return function
