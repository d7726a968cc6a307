"""FASTNN_BACKEND chooses the namespace that every layer computes with; with "numpy", numba is never imported."""

import importlib
import os
from types import ModuleType

BACKENDS = {"numba": "fastnn.kernels", "numpy": "fastnn.reference"}


def load(name: str) -> ModuleType:
    """The backend of that name; ValueError, naming the choices, for any other."""
    if name not in BACKENDS:
        choices = " or ".join(repr(choice) for choice in BACKENDS)
        raise ValueError(f"FASTNN_BACKEND: expected {choices}, got {name!r}")
    return importlib.import_module(BACKENDS[name])


name = os.environ.get("FASTNN_BACKEND", "numba")
ops = load(name)
