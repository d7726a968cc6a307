"""The same number of threads for every pool, set before the libraries are imported: they read it when they are loaded."""

import os

BLAS = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS"
OTHERS = "FASTNN_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC"  # NPROC: the size of XLA's pool


def limit_blas(count: int) -> None:
    """So many threads for NumPy's products; before numpy is imported."""
    os.environ.update(dict.fromkeys(BLAS, str(count)))


def limit(count: int) -> None:
    """So many threads for every pool, and so many CPUs for the process; before any of the libraries is imported.

    XLA spreads convolutions over more threads than its settings allow (it took 1.2 CPUs of the one it was given), and
    a small JAX step takes twice as long where its pool may wake up on another CPU: only the affinity is the same for all.
    """
    limit_blas(count)
    os.environ.update(dict.fromkeys(OTHERS, str(count)))
    if count == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if hasattr(os, "sched_setaffinity"):  # Linux
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < count:
            raise ValueError(f"threads: expected at most the {len(cpus)} CPUs of this process, got {count}")
        os.sched_setaffinity(0, cpus[-count:])


def count() -> int:
    """How many threads there are by `limit`: one, unless it was called."""
    return int(os.environ.get("FASTNN_NUM_THREADS", "1"))
