"""How compiled code calls functions that nothing else calls: with values as they are, and one question about errors.

    code = function(result, error, values ...)     result: where it is put; error: where the caller itself would put one

Numba's own way serves Python and C as well: it passes tuples number by number, fills places for results and errors with
zeros, and asks eight questions about the code that comes back. Of what LLVM had to read for a first step, that was a half.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_new_ref

from fastnn.kernels.compiler.private import is_known

CODE = ir.IntType(32)
SMALL = 100  # instructions, of which LLVM leaves a half
FINE = CODE(0)  # every other code is an error's, as with Numba


def is_direct(flags: Any, result: types.Type, parameters: Any) -> bool:
    """Whether a function is called so: one without wrappers for Python and C, and without what has two kinds of values."""
    without = flags.no_cpython_wrapper and flags.no_cfunc_wrapper
    return without and not any(isinstance(kind, types.Optional | types.Omitted) for kind in (result, *parameters))


def type_of(context: Any, result: types.Type, parameters: Any) -> ir.FunctionType:
    """Its type in LLVM's code."""
    if not is_known():
        return context.call_conv.get_function_type(result, parameters)
    place, error = context.call_conv.get_function_type(result, ()).args
    if _is_plain(result):
        place = context.get_value_type(result).as_pointer()
    return ir.FunctionType(CODE, [place, error, *(context.get_value_type(kind) for kind in parameters)])


def declared(context: Any, module: Any, fndesc: Any) -> Any:
    """The function in LLVM's code."""
    function = cgutils.get_or_insert_function(module, type_of(context, fndesc.restype, fndesc.argtypes), fndesc.mangled_name)
    for place in function.args[:2]:
        place.add_attribute("noalias")
    if fndesc.inline:
        function.attributes.add("alwaysinline")
    return function


def called(context: Any, builder: Any, function: Any, signature: Any, values: Any) -> Callable[[bool], Any]:
    """Call it. Returns what writes the code behind: to read the result and, if the function fails, pass its error on."""
    result = signature.return_type
    if not is_known():
        return _called_as_usual(context, builder, function, signature, values)
    place, error = function.function_type.args[0](None), builder.function.args[1]
    if result != types.none:
        with builder.goto_entry_block():
            place = builder.alloca(place.type.pointee)
    code = builder.call(function, [place, error, *values])

    def answer(fails: bool) -> Any:
        if fails:
            with builder.if_then(builder.icmp_unsigned("!=", code, FINE), likely=False):
                builder.ret(code)
        if result == types.none:
            return context.get_dummy_value()
        value = builder.load(place)
        return value if _is_plain(result) else context.get_returned_value(builder, result, value)

    return answer


def _called_as_usual(context: Any, builder: Any, function: Any, signature: Any, values: Any) -> Callable[[bool], Any]:
    """The same in Numba's own way."""
    status, value = context.call_conv.call_function(builder, function, signature.return_type, signature.args, values)

    def answer(fails: bool) -> Any:
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    return answer


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


def is_inlined(fndesc: Any, function: Any) -> bool:
    """Whether it is better off in its callers: a call takes longer than what it does, or puts tiles in memory.

    What is told by a type which tile or which function is meant has one caller.
    """
    if sum(len(block.instructions) for block in function.blocks) <= SMALL:
        return True
    return not all(kind == types.none or _is_plain(kind) for kind in (fndesc.restype, *fndesc.argtypes))


def caller_of(fndesc: Any, library: Any) -> Any:
    """What Numba asks for the code of a call."""

    def write(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = declared(context, builder.module, fndesc)
        value = called(context, builder, function, signature, values)(library.fails)
        return impl_ret_new_ref(context, builder, signature.return_type, value)

    # What Numba links behind such a function it looks up as an attribute, which mypy cannot know.
    write.libs = (library,)  # type: ignore[attr-defined]
    return write


def _is_plain(kind: types.Type) -> bool:
    """Numbers and tuples of them; tiles have a form of their own in memory (simd.py)."""
    if isinstance(kind, types.BaseTuple):
        return all(map(_is_plain, kind))
    return isinstance(kind, types.Number | types.Boolean)
