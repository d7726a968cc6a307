"""`python -m fastnn`: what it prints, which backends it runs, the files it reads and writes, and its one-line refusals."""

import gzip
import re
import struct

import numpy as np
import pytest
from processes import OTHER_BACKEND, run

import fastnn
from fastnn import __main__ as main
from fastnn import backend

RESULT = r"^{}: test accuracy \d+\.\d %, \d+\.\d s$"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """What is printed is compared: the notice of compiling, which depends on the cache, has a test of its own."""
    monkeypatch.setenv("FASTNN_QUIET", "1")


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_images(folder, size, pack=bytes, suffix=""):
    """The four files of a data set: 40 training and 12 test images of size x size, in three classes."""
    rng = np.random.default_rng(0)
    for name, n in (("train", 40), ("t10k", 12)):
        y = np.arange(n, dtype=np.uint8) % 3
        x = (rng.integers(0, 100, (n, size, size)) + 70 * y[:, np.newaxis, np.newaxis]).astype(np.uint8)
        (folder / f"{name}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(x)))
        (folder / f"{name}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(y)))
    return folder


def refusal(*arguments):
    """The one line with which it refuses; exit status 2, and nothing on stdout."""
    status, out, err = run("-m", "fastnn", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("fastnn: ")
    assert len(err.splitlines()) == 1
    return err.removeprefix("fastnn: ").rstrip()


def test_both_backends_in_turn(tmp_path):
    """Two epochs on the digits: for each backend an epoch table and its result, the same cost, and a model that loads."""
    status, out, err = run("-m", "fastnn", "--epochs", 2, "--save", tmp_path / "net.npz", FASTNN_BACKEND=None)
    assert (status, err) == (0, "")
    first, second = out.split("numpy: 1,438 training")
    for part, name in ((first, "numba"), (second, "numpy")):
        epochs = re.findall(
            r"^epoch (\d)/2  loss \d+\.\d{4}  accuracy \d+\.\d %  val_loss \d+\.\d{4}  val_accuracy \d+\.\d %  \d+\.\d\d s$",
            part,
            re.MULTILINE,
        )
        assert epochs == ["1", "2"]
        assert re.search(RESULT.format(name), part, re.MULTILINE)
        assert re.search(r"^Conv2D\(.*\) +\(32, 4, 4\) +4,640$", part, re.MULTILINE)
    costs = [float(cost) for cost in re.findall(r"test cost (\d+\.\d+)", out)]
    assert costs[0] == pytest.approx(costs[1], abs=1e-4)
    accuracies = [float(accuracy) for accuracy in re.findall(r"test accuracy (\d+\.\d)", out)]
    assert min(accuracies) > 60

    model = fastnn.load(tmp_path / "net.npz")
    _, test = fastnn.datasets.split(*fastnn.datasets.load_digits(), seed=0)
    assert model.evaluate(*test).cost == pytest.approx(costs[1], abs=1e-5)


@pytest.mark.parametrize(
    ("option", "variable"),
    [((), backend.name), (("--backend", backend.name), None), (("--backend", backend.name), OTHER_BACKEND)],
)
def test_one_backend(option, variable, tmp_path):
    """FASTNN_BACKEND alone, --backend alone, and --backend before FASTNN_BACKEND: only that one runs."""
    folder = write_images(tmp_path, 8)
    status, out, err = run("-m", "fastnn", "--epochs", 1, "--data", folder, *option, FASTNN_BACKEND=variable)
    assert (status, err) == (0, "")
    assert re.search(RESULT.format(backend.name), out, re.MULTILINE)
    assert f"{OTHER_BACKEND}:" not in out
    assert f"{backend.name}: 40 training and 12 test images of 8 x 8" in out


def test_lenet_for_larger_images(tmp_path, capsys):
    """28 x 28 images, gzipped: LeNet, for as many classes as there are, in DATA_EPOCHS epochs."""
    assert main.main(["--data", str(write_images(tmp_path, 28, gzip.compress, ".gz")), "--backend", backend.name]) == 0
    out = capsys.readouterr().out
    shapes = re.findall(r"^\w+\(.*?\)  +\((.*?)\) ", out, re.MULTILINE)
    assert shapes == ["6, 24, 24", "6, 12, 12", "16, 8, 8", "16, 4, 4", "256,", "120,", "84,", "3,"]
    assert len(re.findall(r"^epoch", out, re.MULTILINE)) == main.DATA_EPOCHS


def test_the_seed(tmp_path, capsys):
    """The same seed gives the same cost, another one another."""
    folder = str(write_images(tmp_path, 8))
    costs = []
    for seed in (1, 1, 2):
        assert main.main(["--data", folder, "--backend", backend.name, "--epochs", "1", "--seed", str(seed)]) == 0
        costs += re.findall(r"test cost (\d+\.\d+)", capsys.readouterr().out)
    assert costs[0] == costs[1] != costs[2]


def test_help():
    status, out, err = run("-m", "fastnn", "--help")
    assert (status, err) == (0, "")
    assert out.startswith("usage: python3 -m fastnn ")
    for option in ("--data DIR", "--epochs", "--backend {numba,numpy}", "--save FILE", "--seed"):
        assert option in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--epochs", "0"], "--epochs: expected an int of at least 1, got '0'"),
        (["--epochs", "abc"], "--epochs: expected an int of at least 1, got 'abc'"),
        (["--epochs", "1.5"], "--epochs: expected an int of at least 1, got '1.5'"),
        (["--seed", "-1"], "--seed: expected an int of at least 0, got '-1'"),
        (["--backend", "cupy"], "--backend: invalid choice: 'cupy' (choose from "),
        (["--speed"], "unrecognized arguments: --speed"),
    ],
)
def test_bad_options(arguments, reason, capsys):
    """argparse's usage and one line; exit status 2."""
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert reason in err.splitlines()[-1]


def test_bad_data(tmp_path):
    """A folder that is missing or lacks a file, and a file that is malformed: which, and why."""
    missing = tmp_path / "missing"
    assert refusal("--data", missing) == f"{str(missing)!r}: No such file or directory"

    folder = tmp_path / "data"
    folder.mkdir()
    images = write_images(folder, 8) / "train-images-idx3-ubyte"
    content = images.read_bytes()
    for change, reason in (
        (content[:-1], "truncated: expected 40 x 8 x 8 = 2560 bytes of data, got 2559"),
        (b"PK" + content[2:], "not an idx file: expected it to begin with 0 0 8, got 80 75 8"),
    ):
        images.write_bytes(change)
        assert refusal("--data", folder) == f"{str(images)!r}: {reason}"
    images.unlink()
    assert refusal("--data", folder).startswith(f"{str(images)!r}: no such file, nor ")


def test_bad_data_once_for_both_backends(tmp_path):
    status, out, err = run("-m", "fastnn", "--data", tmp_path, FASTNN_BACKEND=None)
    assert (status, out, len(err.splitlines())) == (2, "", 1)


def test_where_nothing_can_be_saved(tmp_path, capsys):
    """Refused before any training."""
    file = tmp_path / "missing" / "net.npz"
    for backends in ([], ["--backend", backend.name]):
        assert main.main(["--save", str(file), *backends]) == 2
        assert capsys.readouterr() == ("", f"fastnn: --save {file}: no such directory: {file.parent}\n")
    assert refusal("--save", tmp_path) == f"--save {tmp_path}: is a directory"


def test_an_unknown_backend():
    """One line, as for a wrong word on the command line, and no traceback."""
    status, out, err = run("-m", "fastnn", FASTNN_BACKEND="cupy")
    assert (status, out) == (2, "")
    assert err == "fastnn: FASTNN_BACKEND: expected 'numba' or 'numpy', got 'cupy'\n"
