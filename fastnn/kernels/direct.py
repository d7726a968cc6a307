"""How compiled code calls functions that nothing else calls: with values as they are, and one question about errors.

    code = function(result, error, values ...)     result: where it is put; error: where the caller itself would put one

Numba's own way serves Python and C as well: it passes tuples number by number, fills places for results and errors with
zeros, and asks eight questions about the code that comes back. Of what LLVM had to read for a first step, that was a half.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_new_ref

CODE = ir.IntType(32)
FINE = ir.Constant(CODE, 0)  # every other code is an error's, as with Numba


def is_direct(flags: Any, result: types.Type, parameters: Any) -> bool:
    """Whether a function is called so: one without wrappers for Python and C, and without what has two kinds of values."""
    without = flags.no_cpython_wrapper and flags.no_cfunc_wrapper
    return without and not any(isinstance(kind, types.Optional | types.Omitted) for kind in (result, *parameters))


def type_of(context: Any, result: types.Type, parameters: Any) -> ir.FunctionType:
    """Its type in LLVM's code."""
    place, error = context.call_conv.get_function_type(result, ()).args
    if _is_plain(result):
        place = context.get_value_type(result).as_pointer()
    return ir.FunctionType(CODE, [place, error, *(context.get_value_type(kind) for kind in parameters)])


def declared(context: Any, module: Any, fndesc: Any) -> Any:
    """The function in LLVM's code."""
    function = cgutils.get_or_insert_function(
        module, type_of(context, fndesc.restype, fndesc.argtypes), fndesc.mangled_name
    )
    for place in function.args[:2]:
        place.add_attribute("noalias")
    if fndesc.inline:
        function.attributes.add("alwaysinline")
    return function


def called(builder: Any, function: Any, result: types.Type, values: Any) -> tuple[Any, Any]:
    """The code that a call returns, and where its result is."""
    place, error = function.function_type.args[0](None), builder.function.args[1]
    if result != types.none:
        with builder.goto_entry_block():
            place = builder.alloca(place.type.pointee)
    return builder.call(function, [place, error, *values]), place


def answer(context: Any, builder: Any, result: types.Type, code: Any, place: Any, fails: bool = True) -> Any:
    """The result; where the function `fails`, its error is passed on."""
    if fails:
        with builder.if_then(builder.icmp_unsigned("!=", code, FINE), likely=False):
            builder.ret(code)
    if result == types.none:
        return context.get_dummy_value()
    value = builder.load(place)
    return value if _is_plain(result) else context.get_returned_value(builder, result, value)


def give_back(context: Any, builder: Any, result: types.Type, value: Any) -> None:
    """Return from it."""
    if result != types.none:
        value = value if _is_plain(result) else context.get_return_value(builder, result, value)
        builder.store(value, builder.function.args[0])
    builder.ret(FINE)


def may_fail(function: Any) -> bool:
    """Whether it returns with another code somewhere."""
    ends = [block.terminator for block in function.blocks]
    return any(isinstance(end, ir.instructions.Ret) and end.operands[0] is not FINE for end in ends)


def caller_of(fndesc: Any, library: Any) -> Any:
    """What Numba asks for the code of a call."""

    def write(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = fndesc.restype
        code, place = called(builder, declared(context, builder.module, fndesc), kind, values)
        return impl_ret_new_ref(context, builder, kind, answer(context, builder, kind, code, place, library.fails))

    write.libs = (library,)  # type: ignore[attr-defined]
    return write


def _is_plain(kind: types.Type) -> bool:
    """Numbers and tuples of them; tiles have a form of their own in memory (simd.py)."""
    if isinstance(kind, types.BaseTuple):
        return all(map(_is_plain, kind))
    return isinstance(kind, types.Number | types.Boolean)
