"""Where compiled code is kept: a private directory, or none, and little or no room in it."""

import errno
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cached import COMPILED, LOADED, PROGRAM, compiles
from processes import output, run

import fastnn
from fastnn.kernels.compiler import cache

POSIX = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")


def test_nothing_is_kept_where_it_is_switched_off(tmp_path):
    """FASTNN_CACHE_DIR="": no file is written, in the home directory neither."""
    assert output(PROGRAM, FASTNN_CACHE_DIR="", HOME=tmp_path, XDG_CACHE_HOME=None) == COMPILED
    assert not list(tmp_path.iterdir())


def test_the_default_directory(tmp_path, monkeypatch):
    """Under XDG_CACHE_HOME, else ~/.cache."""
    if sys.platform in ("win32", "darwin"):
        pytest.skip("other systems have other conventions")
    monkeypatch.delenv("FASTNN_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache.directory() == tmp_path / ".cache" / "fastnn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == tmp_path / "xdg" / "fastnn"


def test_where_no_directory_can_be_made(tmp_path, monkeypatch):
    """The kernels work all the same, as here below a file."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FASTNN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert compiles() == compiles() == ["relu", "leaky_relu"]


@POSIX
def test_what_is_not_writable_is_not_used(folder, monkeypatch):
    """As on a read-only file system: there a directory can be read, but no file made."""

    def refuse(*args, **kwargs):
        raise PermissionError("read-only file system")

    monkeypatch.setattr(cache.tempfile, "TemporaryFile", refuse)
    assert cache.directory() is None


@POSIX
@pytest.mark.parametrize(("mode", "refused"), [(0o700, False), (0o755, False), (0o770, True), (0o722, True), (0o777, True)])
def test_a_directory_that_others_can_write_is_refused(mode, refused, folder):
    """Whoever can write there could plant code: compiled code is unpickled and run."""
    folder.mkdir()
    folder.chmod(mode)
    assert cache.directory() == (None if refused else folder)


@POSIX
def test_a_directory_of_another_user_is_refused(folder, monkeypatch):
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert cache.directory() is None


@POSIX
def test_what_is_made_is_private(tmp_path):
    """The directory 0700, its files 0600, whatever the umask; and no temporary file stays."""
    folder = tmp_path / "deep" / "cache"
    assert output(f"import os; os.umask(0)\n{PROGRAM}", FASTNN_CACHE_DIR=folder) == COMPILED
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {path.suffix for path in folder.iterdir()} == {".bin"}


def test_a_full_disk(folder, monkeypatch):
    """A file system without room for the code: compiled each time, in silence, and no piece of a file stays."""
    folder.mkdir()
    monkeypatch.setattr(cache.os, "fdopen", lambda handle, mode: Full(handle))
    assert compiles() == compiles() == ["relu", "leaky_relu"]
    assert not list(folder.iterdir())


class Full:
    """A file on a disk that fills up amid a write."""

    def __init__(self, handle):
        self.handle = handle

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.handle)

    def write(self, content):
        os.write(self.handle, content[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@POSIX
def test_a_small_file_system(tmp_path):
    """The same on a real one, where this user may mount it."""
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        assert output(PROGRAM, FASTNN_CACHE_DIR=folder) == COMPILED
        assert not [path for path in folder.iterdir() if path.suffix != ".bin"]
        assert sum(path.stat().st_size for path in folder.iterdir()) < 16384
    finally:
        subprocess.run(["umount", folder], check=True)


@POSIX
def test_without_a_home(tmp_path):
    """No directory can be made: nothing is kept, and nothing is said but that."""
    status, out, err = run("-c", PROGRAM, FASTNN_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME="/dev/null", FASTNN_QUIET="0")
    assert (status, out) == (0, COMPILED)
    assert err.splitlines() == [
        "fastnn: compiling kernels for this CPU, some seconds (nothing is kept: no private cache directory)"
    ]


def test_a_package_in_a_zip_file_that_is_read_only(tmp_path):
    """It compiles the same code as the installed one, and finds it."""
    package, packed = Path(fastnn.__file__).parent, tmp_path / "fastnn.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in package.rglob("*.py"):
            archive.write(path, path.relative_to(package.parent))
    packed.chmod(0o400)
    code = f"import sys; sys.path.insert(0, sys.argv[1])\n{PROGRAM}\nimport fastnn; print(fastnn.__file__)"
    expected = f"{tmp_path}/fastnn.zip/fastnn/__init__.py\n"
    for first in (COMPILED, LOADED):
        assert output(code, packed, FASTNN_CACHE_DIR=tmp_path / "cache") == first + expected
