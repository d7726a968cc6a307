"""The compiled code on disk: it is found again, whatever is wrong with it is a miss, and nobody else can plant any."""

import hashlib
import os
import pickle
import stat
import sys

import numpy as np
import pytest
from processes import finish, output, start

from fastnn.kernels import cache, jit, leaky_relu, relu

Z = np.array([-1.0, 2.0])
RESULTS = {relu: [0, 2], leaky_relu: [-0.01, 2]}
POSIX = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")

# Prints how many of two kernels had to be compiled, and whether their results are right.
PROGRAM = """
import numpy as np
from fastnn.kernels import leaky_relu, relu
z = np.array([-1.0, 2.0])
right = relu(z).tolist() == [0, 2] and leaky_relu(z).tolist() == [-0.01, 2]
print(sum(len(kernel.core.stats.cache_misses) for kernel in (relu, leaky_relu)), right)
"""
COMPILED, LOADED = "2 True\n", "0 True\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty directory that is the cache, also of this process."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FASTNN_CACHE_DIR", str(folder))
    monkeypatch.setenv("FASTNN_QUIET", "1")
    return folder


def compiles():
    """Call both kernels with dispatchers as new as in another process: the names of those that had to be compiled."""
    compiled = []
    for kernel, result in RESULTS.items():
        core = jit.Core(kernel.__wrapped__, kernel.core.contract)
        assert core(Z, None).tolist() == result
        compiled += [kernel.__name__] * len(core.stats.cache_misses)
    return compiled


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_loaded_again(folder):
    """In this process and in another: nothing is compiled, and nothing written."""
    assert compiles() == ["relu", "leaky_relu"]
    before = contents(folder)
    assert sorted(name.partition("-")[0] for name in before) == ["leaky_relu", "relu"]
    assert compiles() == []
    assert output(PROGRAM) == LOADED
    assert contents(folder) == before


def exchanged(folder):
    """Each of the two files has the other's content: right by its checksum, but another kernel's."""
    first, second = sorted(folder.iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def each(change):
    """The same change of every file's content."""

    def damage(folder):
        for path in folder.iterdir():
            path.write_bytes(change(path.read_bytes()))

    return damage


def with_checksum(payload):
    """A file that someone else wrote in the same format."""
    return hashlib.sha256(payload).digest() + payload


DAMAGES = {
    "truncated": each(lambda content: content[:-1000]),
    "empty": each(lambda content: b""),
    "short": each(lambda content: content[:16]),
    "garbage": each(lambda content: b"garbage" * 1000),
    "flipped": each(lambda content: content[:-1] + bytes([content[-1] ^ 1])),
    "no-pickle": each(lambda content: with_checksum(b"garbage")),
    "other-pickle": each(lambda content: with_checksum(pickle.dumps(["foreign"]))),
    "exchanged": exchanged,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_again(damage, folder):
    """In silence, with right results; the file is replaced, and the next process loads it."""
    compiles()
    before = contents(folder)
    DAMAGES[damage](folder)
    assert compiles() == ["relu", "leaky_relu"]
    assert contents(folder).keys() == before.keys()
    assert compiles() == []


def test_what_cannot_be_replaced_is_compiled_each_time(folder):
    """A directory has the file's name."""
    compiles()
    for path in list(folder.iterdir()):
        path.unlink()
        path.mkdir()
    assert compiles() == compiles() == ["relu", "leaky_relu"]
    assert all(path.is_dir() for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fastnn.kernels.cache.source_digest", lambda: "edited"),
        ("numba.__version__", "0.0"),
        ("numpy.__version__", "0.0"),
        ("sys.version", "0.0"),
        ("numba.core.config.OPT", 1),
        ("fastnn.kernels.jit.OPTIONS", jit.OPTIONS | {"fastmath": {"contract"}}),
        ("fastnn.kernels.jit.OPTIONS", jit.OPTIONS | {"error_model": "python"}),
    ],
    ids=["source", "numba", "numpy", "python", "optimisation", "fastmath", "error-model"],
)
def test_another_key_is_a_miss(name, value, folder, monkeypatch):
    """Edited source, other versions, settings or options: compiled anew, beside the old files, which stay and are good."""
    compiles()
    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr(name, value)
        assert compiles() == ["relu", "leaky_relu"]
        assert compiles() == []
    assert before.items() < contents(folder).items()
    assert compiles() == []


def test_the_key_does_not_change_with_the_process(folder):
    """Sets have another order in each process: the options' must not be in the key."""
    for seed in range(3):
        assert output(PROGRAM, PYTHONHASHSEED=seed) == (LOADED if seed else COMPILED)


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


def test_two_processes_at_once(folder):
    """From an empty cache both compile, both are right, and a third loads what they left."""
    both = [start("-c", PROGRAM) for _ in range(2)]
    for process in both:
        status, out, err = finish(process)
        assert (status, err) == (0, "")
        assert out in (COMPILED, "1 True\n", LOADED)
    assert len(contents(folder)) == 2
    assert compiles() == []
