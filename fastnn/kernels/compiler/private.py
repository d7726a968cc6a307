"""What lean.py, lowering.py, direct.py and linking.py replace or use of Numba's own classes, which promise none of it."""

import functools

from numba.core.base import BaseContext
from numba.core.callconv import CPUCallConv
from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary, JITCPUCodegen
from numba.core.dispatcher import Dispatcher, _DispatcherBase
from numba.core.lowering import Lower
from numba.core.typed_passes import PreLowerStripPhis
from numba.core.typeinfer import TypeInferer
from numba.core.typing.context import BaseContext as TypingContext

MEMBERS = (
    (TypingContext, "_lookup_global"),
    (PreLowerStripPhis, "_strip_phi_nodes"),
    (TypeInferer, "seed_argument"),
    (TypeInferer, "build_constraint"),
    (Lower, "_find_singly_assigned_variable"),
    (Lower, "_cast_var"),
    (Lower, "setup_function"),
    (Lower, "extract_function_arguments"),
    (Lower, "lower_normal_function"),
    (BaseContext, "insert_func_defn"),
    (BaseContext, "remove_user_function"),
    (CPUCallConv, "init_call_helper"),
    (JITCPUCodegen, "_library_class"),
    (JITCodeLibrary, "_optimize_functions"),
    (JITCodeLibrary, "_optimize_final_module"),
    (JITCodeLibrary, "_get_module_for_linking"),
    (JITCodeLibrary, "_finalized"),
)
# By the methods that set them.
ATTRIBUTES = (
    (Lower, "_find_singly_assigned_variable", "_singly_assigned_vars"),
    (Lower, "_find_singly_assigned_variable", "_blk_local_varmap"),
    (Lower, "extract_function_arguments", "fnargs"),
    (TypingContext, "__init__", "callstack"),
    (_DispatcherBase, "__init__", "_compiling_counter"),
    (Dispatcher, "__init__", "_cache_hits"),
    (Dispatcher, "__init__", "_cache_misses"),
    (CPUCodeLibrary, "__init__", "_final_module"),
    (CPUCodeLibrary, "__init__", "_linking_libraries"),
)


@functools.cache
def is_known() -> bool:
    """Whether this Numba still has all of that. If not, all is compiled as it always does, and only time is lost."""
    if not all(hasattr(holder, name) for holder, name in MEMBERS):
        return False
    if "_compiler" not in Dispatcher.__init__.__code__.co_names:  # not above: as a part of other names no test can rename it
        return False
    return all(name in getattr(holder, method).__code__.co_names for holder, method, name in ATTRIBUTES)
