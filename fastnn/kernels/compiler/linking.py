"""How Numba is kept from work that is for nothing: above all, from optimising what other compiled code takes in anyway.

It optimises every function, and translates it for the CPU, by itself too, and with all that this calls, at each level
again. What only compiled code calls is needed at the top alone; and Python's collector finds nothing while the compiler
works.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import binding
from numba.core import config
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from fastnn.kernels.compiler.private import is_known

INLINED = b"fastnn.inlined"  # what `Tiled` code does not call, but takes in


class Whole(JITCodeLibrary):
    """Code that is optimised in one run, with all that it calls.

    Numba does so three times: each function as it comes, all of them without much effort, so that counts of references meet
    and go, and then in earnest. The first two took a tenth of the time to compile. What is left of the first makes values of
    variables, and selections of the branches that give them one value or another: else loops over `log` are not vectorised.
    """

    fails = True  # whether what calls it has to ask (direct.py)

    def _optimize_functions(self, module: Any) -> None:
        if _is_new(self._codegen):
            module.data_layout = self._codegen._data_layout
            passes = binding.create_new_module_pass_manager()
            passes.add_sroa_pass()
            passes.add_simplify_cfg_pass()
            passes.run(module, self._codegen._pass_builder())
        else:
            super()._optimize_functions(module)

    def _optimize_final_module(self) -> None:
        if _is_new(self._codegen):
            passes, builder = self._codegen._module_pass_manager()
            passes.run(self._final_module, builder)
        else:
            super()._optimize_final_module()


def _is_new(codegen: Any) -> bool:
    """Whether Numba runs LLVM's passes by its new manager: what was measured goes for that."""
    manages = hasattr(binding, "create_pipeline_tuning_options") and hasattr(binding, "create_pass_builder")
    return manages and all(hasattr(codegen, name) for name in ("_pass_builder", "_module_pass_manager", "_tm"))


class Tiled(Whole):
    """Code whose vectors are written as such, on addresses.

    LLVM need not look for loops of which it could make vectors, nor write loops out several times, nor, with its higher
    levels, for what Numba counts in arrays. These took a half of its time for the engines, whose tiles are as fast without.
    Nor need it go through each function before and behind its search for what to inline, which is said here (direct.py):
    that took a half of what was left.
    """

    def _optimize_final_module(self) -> None:
        if not _is_new(self._codegen):
            super()._optimize_final_module()
            return
        options = binding.create_pipeline_tuning_options(min(1, config.OPT))
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = binding.create_pass_builder(self._codegen._tm, options)
        passes, module = binding.create_new_module_pass_manager(), self._final_module
        if not hasattr(passes, "add_always_inliner_pass"):  # of older Numbas
            builder.getModulePassManager().run(module, builder)
            return
        for function in module.functions:
            if not function.is_declaration and any(INLINED in each for each in function.attributes):
                function.add_function_attribute("alwaysinline")
        passes.add_always_inliner_pass()
        passes.add_global_dead_code_eliminate_pass()
        passes.add_post_order_function_attributes_pass()
        passes.run(module, builder)
        each_by_itself = builder.getFunctionPassManager()
        for function in module.functions:
            if not function.is_declaration:
                each_by_itself.run(function, builder)


class Part(Whole):
    """Code that is linked into other code, and is nothing by itself: it is neither optimised nor checked."""

    _final_module: Any
    _linking_libraries: list[Any]

    def finalize(self) -> None:
        """Numba changes how names are seen in a copy, since it may need the module itself."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "external":
                function.linkage = "linkonce_odr"
        for library in dict.fromkeys(self._linking_libraries):
            if hasattr(self, "_reload_init"):  # of newer Numbas: what is to be called where code is loaded from disk
                self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        return self._final_module

    @property
    def codegen(self) -> Any:
        return _Nowhere()


class _Nowhere:
    """What is told where a function's environment is: code that has no address has no room for one, and needs none."""

    def set_env(self, env_name: str, env: Any) -> None:
        pass


@contextmanager
def made_as(kind: type) -> Iterator[None]:
    """What is compiled meanwhile becomes a library of this kind."""
    codegen = cpu_target.target_context.codegen()
    with global_compiler_lock:
        if not is_known():
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
                _call_all_old()
                gc.enable()


def _call_all_old() -> None:
    """Or the collector would look through all of it at once, as young as it is: 10 ms each time."""
    if gc.get_freeze_count() == 0:  # else somebody keeps objects from it
        gc.freeze()
        gc.unfreeze()
