"""Numba's compiler without the work that is for nothing here: passes, lives of variables, questions asked again.

Most variables are numbers, tuples of them, or tiles: nobody counts references to them, and when they are used last is of no
interest. Numba asks that seven times for each function, and types every operator as if it had never met it. Of what a first
step takes to compile, all of this was a third.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar

from numba.core import sigutils
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.interpreter import Interpreter
from numba.core.ir_utils import build_definitions
from numba.core.registry import CPUDispatcher
from numba.core.rewrites import rewrite_registry
from numba.core.ssa import reconstruct_ssa
from numba.core.transforms import canonicalize_cfg
from numba.core.typed_passes import IRLegalization, NativeLowering, NopythonTypeInference, PreLowerStripPhis
from numba.core.typeinfer import TypeInferer
from numba.core.untyped_passes import GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode

from fastnn.kernels.compiler import direct
from fastnn.kernels.compiler.answers import Asked
from fastnn.kernels.compiler.lowering import LeanLower, is_counted
from fastnn.kernels.compiler.private import is_known

# Passes over what no function here has: closures, functions to inline, loops over the items of tuples, products of whole
# arrays. They took a tenth of the time to compile.
NEEDLESS = (
    "with_lifting",
    "inline_closure_likes",
    "make_function_op_code_to_jit_function",
    "inline_inlinables",
    "find_literally",
    "literal_unroll",
    "inline_overloads",
    "nopython_rewrites",
    "dump_parfor_diagnostics",
)


class Reader(Interpreter):
    """Of Python's bytecode. What is put right afterwards are exceptions that are caught, dicts and starred arguments."""

    def post_process(self, peepholes: Any, func_ir: Any) -> Any:
        if all(each.opname in CALLS or each.opname.startswith(USUAL) for each in self.bytecode):
            return func_ir
        return super().post_process(peepholes, func_ir)


# What code without those is made of.
CALLS = "CALL", "CALL_FUNCTION", "CALL_METHOD", "CALL_KW"
USUAL = (
    "LOAD_", "STORE_FAST", "STORE_SUBSCR", "BUILD_SLICE", "BUILD_TUPLE", "UNPACK_SEQUENCE", "KW_NAMES", "BINARY_", "UNARY_",
    "COMPARE_OP", "IS_OP", "TO_BOOL", "POP_JUMP_", "POP_TOP", "POP_ITER", "JUMP_", "FOR_ITER", "GET_ITER", "END_FOR",
    "RETURN_", "RAISE_VARARGS", "PRECALL", "PUSH_NULL", "SWAP", "COPY", "DUP_TOP", "ROT_", "RESUME", "NOP", "NOT_TAKEN",
    "CACHE", "EXTENDED_ARG",
)  # fmt: skip


@register_pass(mutates_CFG=True, analysis_only=False)
class Reading(TranslateByteCode):
    """Bytecode -> what Numba works on."""

    _name = "fastnn_reading"

    def run_pass(self, state: Any) -> bool:
        state.func_ir = Reader(state.func_id).interpret(state.bc)
        return True


class AsTheyCome:
    """Warnings, of which there are none: Numba prepares, for each constraint on a type, to gather them."""

    nothing: ClassVar[Any] = nullcontext()

    @classmethod
    def catch_warnings(cls, filename: Any, lineno: Any) -> Any:
        return cls.nothing


@register_pass(mutates_CFG=True, analysis_only=False)
class Inference(NopythonTypeInference):
    """The types of variables."""

    _name = "fastnn_inference"

    def run_pass(self, state: Any) -> bool:
        context, read = state.typingctx, state.func_ir
        before, context.resolve_function_type = context.resolve_function_type, Asked(context)
        try:
            infer = TypeInferer(context, read, AsTheyCome)
            with context.callstack.register(state.targetctx.target, infer, read.func_id, state.args):
                for place, (name, kind) in enumerate(zip(read.arg_names, state.args, strict=True)):
                    infer.seed_argument(name, place, kind)
                infer.build_constraint()
                state.typing_errors = infer.propagate()
                state.typemap, state.return_type, state.calltypes = infer.unify()
        finally:
            context.resolve_function_type = before
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class Processing(IRProcessing):
    """Blocks in their usual form; when variables live is asked later, if at all. No function here is a generator."""

    _name = "fastnn_processing"

    def run_pass(self, state: Any) -> bool:
        state.func_ir.blocks = canonicalize_cfg(state.func_ir.blocks)
        state.func_ir.generator_info = None
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class Rewriting(GenericRewrites):
    """Items at constant places, exceptions that are raised; when variables live is not asked afterwards."""

    _name = "fastnn_rewriting"

    def run_pass(self, state: Any) -> bool:
        blocks = state.func_ir.blocks
        for kind in rewrite_registry.rewrites["before-inference"]:
            rewrite = kind(state)
            for offset in blocks:
                while rewrite.match(state.func_ir, blocks[offset], state.typemap, state.calltypes):
                    blocks[offset] = rewrite.apply()
        return True


def _defined_anew(func_ir: Any) -> Any:
    func_ir._definitions = build_definitions(func_ir.blocks)
    return func_ir


@register_pass(mutates_CFG=False, analysis_only=False)
class SSA(ReconstructSSA):
    """A name for each value of a variable."""

    _name = "fastnn_ssa"

    def run_pass(self, state: Any) -> bool:
        state.func_ir = _defined_anew(reconstruct_ssa(state.func_ir))
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class StripPhis(PreLowerStripPhis):
    """Assignments in place of what LLVM would call phi nodes."""

    _name = "fastnn_strip_phis"

    def run_pass(self, state: Any) -> bool:
        state.func_ir = _defined_anew(self._strip_phi_nodes(state.func_ir))
        return True


@register_pass(mutates_CFG=False, analysis_only=True)
class EndsOfLives(IRLegalization):
    """Where variables are used last, if there are some to which that matters."""

    _name = "fastnn_ends_of_lives"

    def run_pass(self, state: Any) -> bool:
        if state.flags.debuginfo or any(is_counted(state.targetctx, kind) for kind in set(state.typemap.values())):
            super().run_pass(state)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class Lowering(NativeLowering):
    """LLVM's code."""

    _name = "fastnn_lowering"

    @property
    def lowering_class(self) -> type[LeanLower]:
        return LeanLower

    def run_pass(self, state: Any) -> bool:
        super().run_pass(state)
        fndesc, code, context = state.cr.fndesc, state.cr.cfunc, state.targetctx
        if direct.is_direct(state.flags, fndesc.restype, fndesc.argtypes):
            context.remove_user_function(code)
            context.insert_func_defn([(direct.caller_of(fndesc, state.library), code, fndesc.argtypes)])
        return True


# By the names of Numba's own passes.
INSTEAD = {
    "translate_bytecode": Reading,
    "ir_processing": Processing,
    "generic_rewrites": Rewriting,
    "reconstruct_ssa": SSA,
    "nopython_type_inference": Inference,
    "strip_phis": StripPhis,
    "ir_legalization": EndsOfLives,
    "native_lowering": Lowering,
}


class Passes(PassManager):
    """Passes one after the other. Numba's own manager times each, tells listeners, and words an error for it beforehand."""

    def _runPass(self, index: int, each: Any, state: Any) -> None:
        each.analysis = self._analysis
        each.run_initialization(state)
        each.run_pass(state)
        each.run_finalizer(state)


class Lean(CompilerBase):
    """Numba's compiler with these passes, which are the same for every function: they are put together once."""

    lean: ClassVar[list[PassManager]] = []

    def define_pipelines(self) -> list[PassManager]:
        known = is_known()
        if known and self.lean:
            return self.lean
        lean = Passes("fastnn") if known else PassManager("fastnn")
        for each, description in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if each.name() not in NEEDLESS:
                lean.add_pass(INSTEAD.get(each.name(), each) if known else each, description)
        lean.finalize()
        if known:
            self.lean.append(lean)
        return [lean]


class LeanDispatcher(CPUDispatcher):
    """Numba's dispatcher with that compiler."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        super().__init__(function, targetoptions={"nopython": True, **options}, pipeline_class=Lean)

    def compile(self, sig: Any) -> Any:
        """Numba has clocks for each function, which all are told of every call of LLVM's code."""
        if not is_known():
            return super().compile(sig)
        args, _ = sigutils.normalize_signature(sig)
        with global_compiler_lock, self._compiling_counter:
            if args in self.overloads:
                return self.overloads[args].entry_point
            result = self._cache.load_overload(sig, self.targetctx)
            if result is not None:
                self._cache_hits[sig] += 1
                self.targetctx.insert_user_function(result.entry_point, result.fndesc, [result.library])
                self.add_overload(result)
                return result.entry_point
            self._cache_misses[sig] += 1
            result = self._compiler.compile(args, None)
            self.add_overload(result)
            self._cache.save_overload(sig, result)
            return result.entry_point
