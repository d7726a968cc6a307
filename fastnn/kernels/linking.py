"""Code that other compiled code takes in: Numba would optimise it, and translate it for the CPU, by itself too.

It does so for every function with all that this calls, at each level again. What only compiled code calls is needed at the
top alone: a first step of LeNet in a process that had trained dense layers took 20 s of a core, and takes 14; steps take as
long as before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
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


@contextmanager
def made_as(kind: type) -> Iterator[None]:
    """What is compiled meanwhile becomes a library of this kind."""
    codegen = cpu_target.target_context.codegen()
    with global_compiler_lock:
        before = codegen._library_class
        codegen._library_class = kind
        try:
            yield
        finally:
            codegen._library_class = before
