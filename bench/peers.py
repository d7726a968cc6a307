"""The libraries that fastnn is timed beside: the extra `peers`, imported only where they are asked for."""

import importlib.util
import os
from types import ModuleType

PEERS = {"NumPy": "numpy", "PyTorch": "torch", "JAX": "jax", "SciPy": "scipy"}
TABLES = {
    "D": ("NumPy", "PyTorch"),
    "C": ("PyTorch",),
    "P": ("PyTorch",),
    "M": ("SciPy",),  # Numba's np.dot stands on its BLAS
    "E": ("NumPy",),
    "T": ("PyTorch", "JAX"),
    "F": ("PyTorch", "JAX"),
}


class MissingPeerError(Exception):
    """Which peer is not installed, and how to install it: one line for the user."""


def installed(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if importlib.util.find_spec(PEERS[name]) is not None]


def require(names: list[str]) -> None:
    """MissingPeerError for the first of them that is not installed."""
    for name in names:
        if name not in installed((name,)):
            raise MissingPeerError(f"{name}: {PEERS[name]} is not installed: python3 -m pip install 'fastnn[peers]'")


def torch() -> ModuleType:
    """PyTorch, with as many threads as bench/threads.py set."""
    require(["PyTorch"])
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch


def jax() -> ModuleType:
    """JAX, with float64 allowed."""
    require(["JAX"])
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax
