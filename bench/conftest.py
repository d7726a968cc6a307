"""One thread for NumPy's products, as Numba's kernels have, and what report.py must know about the machine."""

import os
import subprocess
import sys
from pathlib import Path

NUMPY_WAS_LOADED = "numpy" in sys.modules  # its BLAS reads these when it is loaded
THREADS = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS"
if not NUMPY_WAS_LOADED:
    os.environ.update(dict.fromkeys(THREADS, "1"))


def pytest_benchmark_update_machine_info(config, machine_info):
    """The versions and settings that the times depend on."""
    import numba
    import numpy as np

    machine_info["fastnn"] = {
        "numpy": np.__version__,
        "numba": numba.__version__,
        "blas": np.show_config(mode="dicts")["Build Dependencies"]["blas"].get("name", "unknown"),
        "threads": "unknown: NumPy was loaded first" if NUMPY_WAS_LOADED else "1",
        "commit": commit(Path(config.rootpath)),
    }


def commit(folder):
    """The checkout's commit, and whether the files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
