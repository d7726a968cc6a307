"""What pytest collects: the files that are about compiled code only where the backend compiles, so that numba stays away."""

from hypothesis import settings

from fastnn import backend

settings.register_profile("quick", max_examples=35, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=2000, deadline=None)
settings.load_profile("quick")

NUMBA_ONLY = [
    "test_cache.py",
    "test_conv_engine.py",
    "test_elementary.py",
    "test_entry.py",
    "test_fused.py",
    "test_fuzz.py",
    "test_gemm.py",
    "test_guards.py",
    "test_loops.py",
    "test_namespace.py",
    "test_network_errors.py",
    "test_networks.py",
    "test_njit.py",
    "test_pool.py",
    "test_prange.py",
    "test_readme.py",
    "test_registers.py",
    "test_specialisations.py",
    "test_subnormals.py",
    "test_threads.py",
    "test_verify.py",
    "test_winograd.py",
]

collect_ignore = [] if backend.name == "numba" else NUMBA_ONLY
