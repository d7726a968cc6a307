"""The compiled code on disk: it is found again, whatever is wrong with it is a miss, and nobody else can plant any."""

import hashlib
import os
import pickle
import shutil
from pathlib import Path

import pytest
from cached import COMPILED, LOADED, PROGRAM, compiles, contents, files
from numba.core.compiler import CompileResult
from processes import finish, output, start

import fastnn
from fastnn.kernels.compiler import cache, jit
from fastnn.kernels.registers.simd import LINE

# Kernels whose loops take functions as arguments: Numba passes addresses of their own functions, which no file may hold.
WITH_FUNCTIONS = """
import numpy as np
from fastnn import kernels
a = np.ones((1, 1, 8, 8), np.float32)
for size, stride in ((2, 2), (3, 2), (2, 3)):
    dz = kernels.max_pool2d_forward(a, size, stride)
    kernels.avg_pool2d_forward(a, size, stride)
    kernels.max_pool2d_dz_to_da(dz, a, size, stride)
    kernels.avg_pool2d_dz_to_da(dz, a, size, stride)
for name in ("identity", "relu", "leaky_relu", "gelu"):
    getattr(kernels, name)(a)
"""


def test_functions_passed_to_functions(folder):
    """A second process compiles nothing: it says nothing."""
    output(WITH_FUNCTIONS)
    output(WITH_FUNCTIONS, FASTNN_QUIET="0")


TRAINED = """
import sys, importlib
importlib.import_module(sys.argv[1])
import numpy as np, fastnn
model = fastnn.Sequential(fastnn.Dense(2), input_shape=3)
model.fit(np.ones((4, 3)), np.zeros((4, 2)), "mean_squared_error", epochs=1, verbose=0)
print("done")
"""


def test_the_order_of_imports_changes_nothing(folder):
    """Shared functions come into being in another order: code that the first process kept calls the right ones."""
    for first in ("fastnn.kernels.networks.optimise", "fastnn.kernels.networks.network"):
        assert output(TRAINED, first) == "done\n"


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
    first, second = files(folder)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def each(change):
    """The same change of every file's content."""

    def damage(folder):
        for path in folder.iterdir():
            path.write_bytes(change(path.read_bytes()))

    return damage


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def with_checksum(payload):
    """A file that someone else wrote in the same format."""
    return hashlib.sha256(payload).digest() + payload


DAMAGES = {
    "truncated": each(lambda content: content[:-1000]),
    "empty": each(lambda content: b""),
    "short": each(lambda content: content[:16]),
    "garbage": each(lambda content: b"garbage" * 1000),
    "flipped": each(lambda content: flipped(content, len(content) // 2)),  # amid machine code, where only a checksum tells
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
        ("numba.__version__", "0.0"),
        ("numpy.__version__", "0.0"),
        ("sys.version", "0.0"),
        ("numba.core.config.OPT", 1),
        ("fastnn.kernels.compiler.jit.OPTIONS", jit.OPTIONS | {"fastmath": {"contract"}}),
        ("fastnn.kernels.compiler.jit.OPTIONS", jit.OPTIONS | {"error_model": "python"}),
    ],
    ids=["numba", "numpy", "python", "optimisation", "fastmath", "error-model"],
)
def test_another_key_is_a_miss(name, value, folder, monkeypatch):
    """Other versions, settings or options: compiled anew, beside the old files, which stay and are good."""
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


def test_two_processes_at_once(folder):
    """From an empty cache both compile, both are right, and a third loads what they left."""
    both = [start("-c", PROGRAM) for _ in range(2)]
    for process in both:
        status, out, err = finish(process)
        assert (status, err) == (0, "")
        assert out in (COMPILED, "1 True\n", LOADED)
    assert len(contents(folder)) == 2
    assert compiles() == []


def test_edited_source_is_a_miss(folder, monkeypatch):
    compiles()
    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "SOURCE", "edited")
        patch.setattr(cache, "source_digest", lambda: "edited")
        assert compiles() == ["relu", "leaky_relu"]
        assert compiles() == []
    assert before.items() < contents(folder).items()
    assert compiles() == []


def test_what_was_imported_before_an_upgrade_is_not_kept(folder, monkeypatch):
    """The files are others by now: nobody who imports them may find this process's code."""
    monkeypatch.setattr(cache, "FILES", [Path(__file__)])
    monkeypatch.setattr(cache, "source_digest", lambda: "upgraded")
    assert compiles() == compiles() == ["relu", "leaky_relu"]
    assert not contents(folder)


@pytest.mark.parametrize("files", [[Path(__file__)], [Path("not there")], []])
def test_the_same_source_in_other_files_is_kept(folder, monkeypatch, files):
    """Written anew, or in no files at all: what is in them counts."""
    monkeypatch.setattr(cache, "FILES", files)
    assert compiles() == ["relu", "leaky_relu"]
    assert compiles() == []


# A slope and the length of a workspace: by a constant and a helper in other files than what is called.
UPGRADED = """
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np, fastnn, fastnn.jit
net = fastnn.Sequential(fastnn.Dense(1), input_shape=1).compiled()
print(fastnn.ops.leaky_relu(np.array([-1.0]))[0], fastnn.jit.workspace(net, 1).size)
"""
EDITS = {"constants.py": ("SLOPE = 0.01", "SLOPE = 0.5"), "kernels/networks/workspace.py": ("+ LINE) //", "+ 2 * LINE) //")}


def test_an_upgrade_never_runs_old_code(tmp_path):
    """A copy of the package, used, edited, and used again with the same cache: each time its own code, then loaded again."""
    package, kept = tmp_path / "fastnn", tmp_path / "cache"
    shutil.copytree(Path(fastnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    old = output(UPGRADED, tmp_path, FASTNN_CACHE_DIR=kept)
    before = set(kept.iterdir())
    assert {path.name.partition("-")[0] for path in before} == {"leaky_relu", "leaky_relu_at", "workspace"}
    for name, (text, other) in EDITS.items():
        content = (package / name).read_text()
        assert text in content
        (package / name).write_text(content.replace(text, other))
    new = output(UPGRADED, tmp_path, FASTNN_CACHE_DIR=kept)
    slope, size = map(float, old.split())
    assert slope == -0.01
    assert new == f"-0.5 {size + LINE // 4:.0f}\n"
    after = set(kept.iterdir())
    assert len(after) == 2 * len(before)
    assert output(UPGRADED, tmp_path, FASTNN_CACHE_DIR=kept) == new
    assert set(kept.iterdir()) == after


# Trains a network, and prints how many functions of every kind were compiled, and how many loaded.
EVERY_KIND = """
import numpy as np, fastnn, fastnn.jit
from fastnn.kernels import relu
from fastnn.kernels.compiler import cache
loads, load = [], cache.DiskCache._load
def counted(self, *arguments):
    loads.append(load(self, *arguments))
    return loads[-1]
cache.DiskCache._load = counted
model = fastnn.Sequential(fastnn.Dense(3, "relu"), fastnn.Dense(2), input_shape=2)
x, y = np.ones((4, 2), np.float32), np.arange(4) % 2
model.fit(relu(x), y, epochs=1, verbose=0)
net = model.compiled()
fastnn.jit.step(net, x, y, fastnn.jit.workspace(net, 4))
print(sum(found is None for found in loads), sum(found is not None for found in loads))
"""


def test_kernels_shared_functions_and_networks_are_all_loaded():
    """In the suite's own directory: the first process may have to compile what the second one loads."""
    compiled, loaded = map(int, output(EVERY_KIND).split())
    assert output(EVERY_KIND) == f"0 {compiled + loaded}\n"
    assert compiled + loaded > 12


# One of 8 that start at once: kernels in an order, dtypes and ranks of its own. Prints what was wrong.
CROWD = """
import sys, numpy as np
from fastnn.kernels import leaky_relu, relu
number, kernels = int(sys.argv[1]), {relu: 2, leaky_relu: 1.99}
z = np.array([[-1.0, 2, 0], [0, 0, 0]])[None if number % 2 else slice(None)]
for place in range(2):
    kernel, total = list(kernels.items())[(place + number // 2) % 2]
    for dtype in (np.float32, np.float64)[:: (-1) ** number]:
        a = np.asarray(z.T if number % 4 > 1 else z, dtype)
        result = kernel(a)
        if abs(result.sum() - total) > 1e-6 or result.dtype != dtype:
            print(kernel.__name__, result)
"""
ROUNDS = int(os.environ.get("FASTNN_TEST_ROUNDS", "1"))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_eight_processes_at_once(number, tmp_path):
    """From an empty cache, several dtypes, ranks and layouts: no wrong result there, or in a later process."""
    everyone = [start("-c", CROWD, place, FASTNN_CACHE_DIR=tmp_path / "cache") for place in range(8)]
    assert [finish(process) for process in everyone] == [(0, "", "")] * 8
    left = sorted((tmp_path / "cache").iterdir())
    assert {path.suffix for path in left} == {".bin"}
    for place in (0, 3):
        assert output(CROWD, place, FASTNN_CACHE_DIR=tmp_path / "cache") == ""
    assert sorted((tmp_path / "cache").iterdir()) == left


# Where Numba changes ------------------------------------------------------------------------------------------------


def changed(*args):
    raise TypeError("unserialize_library() takes no such argument")


@pytest.mark.parametrize("name", ["_rebuild", "_reduce"])
@pytest.mark.parametrize("there", [True, False], ids=["another", "none"])
def test_a_numba_that_keeps_no_code(name, there, folder, monkeypatch):
    """Its private interface is another, or gone: one warning in a process, and everything is compiled."""
    if name == "_rebuild":
        compiles()
    monkeypatch.setattr(cache, "_unusable", [])
    if there:
        monkeypatch.setattr(CompileResult, name, changed)
    else:
        monkeypatch.delattr(CompileResult, name)
    with pytest.warns(RuntimeWarning, match="^fastnn cannot keep compiled code with numba ") as caught:
        assert compiles() == compiles() == ["relu", "leaky_relu"]
    assert len(caught) == 1
