"""Code in a process of its own: with the other backend, an empty cache, or nothing imported yet."""

import os
import subprocess
import sys

from fastnn import backend

OTHER_BACKEND = {"numba": "numpy", "numpy": "numba"}[backend.name]


def start(*arguments, flags=(), **environment):
    """Python with flags, every warning an error, in this backend unless FASTNN_BACKEND is given; None unsets a variable."""
    changed = {"FASTNN_BACKEND": backend.name, "FASTNN_QUIET": "1", "NUMBA_DISABLE_JIT": None, **environment}
    kept = {name: value for name, value in os.environ.items() if name not in changed}
    given = {name: str(value) for name, value in changed.items() if value is not None}
    command = [sys.executable, "-W", "error", *flags, *map(str, arguments)]
    return subprocess.Popen(command, env=kept | given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Its exit status, and what it wrote to stdout and stderr."""
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def run(*arguments, flags=(), **environment):
    """Exit status, stdout and stderr of Python with these arguments."""
    return finish(start(*arguments, flags=flags, **environment))


def output(code, *arguments, flags=(), **environment):
    """What the code prints; it must end well and write nothing to stderr."""
    status, out, err = run("-c", code, *arguments, flags=flags, **environment)
    assert (status, err) == (0, "")
    return out
