"""How Numba is kept from work that is for nothing: above all, from optimising what other compiled code takes in anyway.

It optimises every function, and translates it for the CPU, by itself too, and with all that this calls, at each level
again. What only compiled code calls is needed at the top alone; the passes of `Lean` have nothing to do here; and Python's
collector finds nothing while the compiler works.
"""

import functools
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.registry import cpu_target


class Part(JITCodeLibrary):
    """Code that is linked into other code, and is nothing by itself."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    @property
    def codegen(self) -> Any:
        return _Nowhere()


class _Nowhere:
    """What is told where a function's environment is: code that has no address has no room for one, and needs none."""

    def set_env(self, env_name: str, env: Any) -> None:
        pass


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


class Lean(CompilerBase):
    """Numba's compiler without these passes."""

    def define_pipelines(self) -> list[PassManager]:
        lean = PassManager("fastnn")
        for each, description in DefaultPassBuilder.define_nopython_pipeline(self.state).passes:
            if each.name() not in NEEDLESS:
                lean.add_pass(each, description)
        lean.finalize()
        return [lean]


# What Part replaces or uses of Numba's own classes, which promises none of it.
PRIVATE = "_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals", "_verify_declare_only_symbols"


@functools.cache
def _is_known() -> bool:
    """Whether this Numba still has all of that. If not, every function is optimised by itself too, and only that is lost."""
    codegen = cpu_target.target_context.codegen()
    library = codegen.create_library("empty")
    return hasattr(codegen, "_library_class") and all(hasattr(library, name) for name in (*PRIVATE, "_finalized"))


@contextmanager
def made_as(kind: type) -> Iterator[None]:
    """What is compiled meanwhile becomes a library of this kind."""
    codegen = cpu_target.target_context.codegen()
    with global_compiler_lock:
        if not _is_known():
            yield
            return
        before = codegen._library_class
        codegen._library_class = kind
        try:
            yield
        finally:
            codegen._library_class = before


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep Python's collector from looking, meanwhile, through all that the compiler has made and still needs.

    It took a tenth of the time, and found little: what is left behind it finds afterwards.
    """
    with global_compiler_lock:
        enabled = gc.isenabled()
        try:
            gc.disable()
            yield
        finally:
            if enabled:
                gc.enable()
