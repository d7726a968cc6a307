"""One thread for NumPy's products, as Numba's kernels have, and what report.py must know about the machine."""

import sys
from pathlib import Path

import machine
import threads

NUMPY_WAS_LOADED = "numpy" in sys.modules  # its BLAS reads its settings when it is loaded
if not NUMPY_WAS_LOADED:
    threads.limit_blas(1)


def pytest_benchmark_update_machine_info(config, machine_info):
    """The versions and settings that the times depend on."""
    import numba
    import numpy as np

    machine_info["fastnn"] = {
        "numpy": np.__version__,
        "numba": numba.__version__,
        "blas": np.show_config(mode="dicts")["Build Dependencies"]["blas"].get("name", "unknown"),
        "threads": "unknown: NumPy was loaded first" if NUMPY_WAS_LOADED else "1",
        "commit": machine.commit(Path(config.rootpath)),
    }
