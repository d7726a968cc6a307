"""What pytest collects, and a cache for each test that asks for one.

The files that are about compiled code are collected only where the backend compiles, so that numba stays away.
"""

import pytest
from hypothesis import settings

from fastnn import backend

settings.register_profile("quick", max_examples=35, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=2000, deadline=None)
settings.load_profile("quick")

NUMBA_ONLY = [
    "test_cache.py",
    "test_cache_folder.py",
    "test_choices.py",
    "test_compiled.py",
    "test_conv_engine.py",
    "test_elementary.py",
    "test_entry.py",
    "test_fused.py",
    "test_fuzz.py",
    "test_gemm.py",
    "test_guards.py",
    "test_interrupts.py",
    "test_last_cell.py",
    "test_linking.py",
    "test_loops.py",
    "test_lowering.py",
    "test_namespace.py",
    "test_network_errors.py",
    "test_networks.py",
    "test_njit.py",
    "test_njit_errors.py",
    "test_pool.py",
    "test_prange.py",
    "test_readme.py",
    "test_registers.py",
    "test_sample_lanes.py",
    "test_shared.py",
    "test_single_cells.py",
    "test_specialisations.py",
    "test_subnormals.py",
    "test_threads.py",
    "test_verify.py",
    "test_winograd.py",
    "test_winograd_choices.py",
]

collect_ignore = [] if backend.name == "numba" else NUMBA_ONLY


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty directory that is the cache, also of this process."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FASTNN_CACHE_DIR", str(folder))
    monkeypatch.setenv("FASTNN_QUIET", "1")
    return folder
