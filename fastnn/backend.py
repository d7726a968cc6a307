"""FASTNN_BACKEND chooses the namespace that every layer computes with; with "numpy", numba is never imported."""

import importlib
import os
import sys
from types import ModuleType

MALFORMED = 2  # exit status for arguments, variables and files that will not do
BACKENDS = {"numba": "fastnn.kernels", "numpy": "fastnn.reference"}


def load(name: str) -> ModuleType:
    """The backend of that name; ValueError, naming the choices, for any other."""
    if name not in BACKENDS:
        choices = " or ".join(repr(choice) for choice in BACKENDS)
        raise ValueError(f"FASTNN_BACKEND: expected {choices}, got {name!r}")
    return importlib.import_module(BACKENDS[name])


def chosen(name: str) -> ModuleType:
    """`load`, but one line instead of a traceback for `python3 -m fastnn`."""
    try:
        return load(name)
    except ValueError as error:
        flag = sys.orig_argv.index("-m") if "-m" in sys.orig_argv else len(sys.orig_argv)
        if sys.argv[:1] != ["-m"] or sys.orig_argv[flag + 1 : flag + 2] != ["fastnn"]:
            raise
        print(f"fastnn: {error}", file=sys.stderr)
        sys.exit(MALFORMED)


name = os.environ.get("FASTNN_BACKEND", "numba")
ops = chosen(name)
