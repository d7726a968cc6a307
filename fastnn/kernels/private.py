"""What lean.py, lowering.py and direct.py replace or use of Numba's own classes, which promise none of it."""

import functools

from numba.core.base import BaseContext
from numba.core.callconv import CPUCallConv
from numba.core.dispatcher import Dispatcher, _DispatcherBase
from numba.core.lowering import Lower
from numba.core.typed_passes import PreLowerStripPhis
from numba.core.typeinfer import TypeInferer
from numba.core.typing.context import BaseContext as TypingContext

METHODS = (
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
)
NAMES = *(name for _, name in METHODS), *(name for _, _, name in ATTRIBUTES)


@functools.cache
def is_known() -> bool:
    """Whether this Numba still has all of that. If not, its own passes are run, and only time is lost."""
    if not all(hasattr(holder, name) for holder, name in METHODS):
        return False
    if "_compiler" not in Dispatcher.__init__.__code__.co_names:  # not above: as a part of other names no test can rename it
        return False
    return all(name in getattr(holder, method).__code__.co_names for holder, method, name in ATTRIBUTES)
