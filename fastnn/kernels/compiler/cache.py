"""Compiled code on disk: one file a specialisation, whose name is the hash of all that the code depends on.

Numba's own cache keeps an index that two processes can leave pointing at the wrong code, and its key knows neither the
compiler's options nor the functions that a kernel calls. Here the key holds them all, a file is replaced whole, and its
content is checked when it is read. Whatever goes wrong is a miss: the kernel is compiled, and nothing else happens. Only
where Numba itself no longer does what is asked of it, a warning says once that nothing is kept.
"""

import functools
import hashlib
import importlib.resources
import os
import pickle
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import compiler, config, serialize
from numba.core.caching import NullCache


class DiskCache(NullCache):
    """The files of one kernel, compiled with the given options; `on_miss` is called before it has to be compiled."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], on_miss: Callable[[], None]) -> None:
        self._name = function.__name__
        self._made_with = (function.__module__, function.__qualname__, _ordered(options))
        self._on_miss = on_miss

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code for the argument types. A damaged, foreign or unreadable file counts as none."""
        found = self._load(sig, target_context)
        if found is None:
            self._on_miss()
        return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        key, path = self._key(sig, target_context.codegen())
        if path is None:
            return None
        try:
            target_context.refresh()
            content = path.read_bytes()
            digest, payload = content[:32], content[32:]
            if digest != hashlib.sha256(payload).digest():
                return None
            stored_key, reduced = pickle.loads(payload)
            if stored_key != key:
                return None
        except Exception:
            return None
        try:
            result = compiler.CompileResult._rebuild(target_context, *reduced)
            return result if tuple(result.signature.args) == tuple(sig) else None
        except Exception as error:  # the file is whole and of this very version, so it is Numba that has changed
            _give_up(error)
            return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep the compiled code for other processes, if it can be kept."""
        key, path = self._key(sig, cres.codegen)
        if path is None or cres.lifted or cres.library.has_dynamic_globals or not _is_as_imported():
            return
        if (
            getattr(cres.library, "_compiled_object", path) is None
        ):  # Ctrl-C came as the compiler handed it over, and was lost
            return
        try:
            payload = serialize.dumps((key, cres._replace(type_annotation="")._reduce()))  # which nobody reads
            _replace(path, hashlib.sha256(payload).digest() + payload)
        except OSError:  # a full disk, say
            return
        except Exception as error:
            _give_up(error)

    def _key(self, sig: Any, codegen: Any) -> tuple[str, Path | None]:
        folder = None if _unusable else directory()
        versions = (
            sys.version,
            numba.__version__,
            np.__version__,
            config.BOUNDSCHECK,
            config.OPT,
            config.DEBUGINFO_DEFAULT,
        )
        key = repr((self._made_with, str(sig), codegen.magic_tuple(), versions, SOURCE))
        name = f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.bin"
        return key, folder and folder / name


def directory() -> Path | None:
    """Where compiled code is kept; None where it can't be, or where FASTNN_CACHE_DIR is set to nothing."""
    return _private(os.environ.get("FASTNN_CACHE_DIR", _default()))


def source_digest() -> str:
    """A hash of fastnn's source: a kernel's code depends on its callees in other files."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources(importlib.resources.files("fastnn"))):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


def _is_as_imported() -> bool:
    """Whether the files are those that SOURCE is of: unwritten or, which takes longer to see, with the same text."""
    return (_stamps() == STAMPS != []) or source_digest() == SOURCE


def _stamps() -> list[tuple[int, int, int]]:
    """Which files these are, and when each was written; none where they are not there, or never were files."""
    try:
        states = [path.stat() for path in FILES]
    except OSError:
        return []
    return [(state.st_ino, state.st_size, state.st_mtime_ns) for state in states]


def _ordered(options: dict[str, Any]) -> list[tuple[str, Any]]:
    """The options in an order that does not change from process to process, as a set's would."""
    return sorted((name, sorted(value) if isinstance(value, set) else value) for name, value in options.items())


def _default() -> str:
    if sys.platform == "win32":
        return str(Path(os.environ.get("LOCALAPPDATA", "~")) / "fastnn" / "Cache")
    if sys.platform == "darwin":
        return "~/Library/Caches/fastnn"
    return str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fastnn")


@functools.cache
def _private(path: str) -> Path | None:
    """The directory, made for this user alone; None where it is another's or others could plant code in it."""
    try:
        if not path:
            return None
        folder = Path(path).expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):
            status = folder.stat()
            if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
        tempfile.TemporaryFile(dir=folder).close()
        return folder
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


def _sources(folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from ((f"{entry.name}/{name}", content) for name, content in _sources(entry))
        elif entry.name.endswith(".py"):
            yield entry.name, entry.read_bytes()


def _replace(path: Path, content: bytes) -> None:
    """Write the file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


# As it was imported. Who upgrades fastnn beside a running process must not find that process's old code under the new key:
# what is compiled is kept only while the files are still these. Reading them takes 2.6 ms, to ask for their times 0.2.
FILES = [*Path(__file__).parents[2].rglob("*.py")]
STAMPS = _stamps()
SOURCE = source_digest()

_unusable: list[Exception] = []


def _give_up(error: Exception) -> None:
    """Keep nothing more in this process, and say so once."""
    if not _unusable:
        _unusable.append(error)
        warnings.warn(
            f"fastnn cannot keep compiled code with numba {numba.__version__}, and compiles it in each process: {error!r}",
            RuntimeWarning,
            stacklevel=2,
        )
