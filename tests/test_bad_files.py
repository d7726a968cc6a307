"""Files that are no model: damaged, foreign or hostile, each is refused by its name, and does no harm."""

import json
import os
import pickle
import re
import tracemalloc
import zipfile

import numpy as np
import pytest
from networks import dense

import fastnn

CONFIG = {
    "format": "fastnn model 1",
    "input_shape": [4],
    "seed": 0,
    "loss": None,
    "layers": [{"layer": "Dense", "units": 2, "activation": "relu"}],
}


def write(path, config=None, parameters=None, **arrays):
    """An npz file as `save` makes it, with other contents: by default a good model of 10 parameters."""
    config = config if isinstance(config, str) else json.dumps(CONFIG | (config or {}))
    np.savez(path, config=config, parameters=np.zeros(10, np.float32) if parameters is None else parameters, **arrays)
    return path


def refusal(path):
    """Why `load` refuses the file: a ValueError of one line that begins with the file's name."""
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: not a model of fastnn's") as caught:
        fastnn.load(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        fastnn.load(tmp_path / "missing.npz")


def test_truncated_files(tmp_path):
    """Cut anywhere, a file is refused."""
    path = tmp_path / "net.npz"
    dense().save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        refusal(path)


def test_flipped_bits(tmp_path):
    """A flip is refused, or is in a byte that does not matter: no other error, and never other parameters."""
    path = tmp_path / "net.npz"
    model = dense()
    model.save(path)
    content = path.read_bytes()
    reasons = []
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            loaded = fastnn.load(path)
        except ValueError as error:
            reasons.append(str(error))
        else:
            np.testing.assert_array_equal(loaded.parameters, model.parameters)
            assert repr(loaded) == repr(model)
    assert len(reasons) > 0.8 * len(content)
    assert all(reason.startswith(f"{path}: not a model of fastnn's") for reason in reasons)


def test_foreign_files(tmp_path):
    """Text, an array, an archive of other things, a picture of nothing, a folder."""
    text, npy, foreign, lone, folder = (tmp_path / name for name in ("text", "a.npy", "foreign.npz", "lone.npz", "folder"))
    text.write_text("theta = 3")
    np.save(npy, np.zeros(3))
    np.savez(foreign, x=np.zeros(3))
    np.savez(lone, config=json.dumps(CONFIG))
    folder.mkdir()
    for path in (text, npy, foreign, lone, folder):
        refusal(path)
    for config in ("", "{", "[]", "null", "3", "[" * 100_000, json.dumps(CONFIG | {"format": "fastnn model 2"})):
        refusal(write(tmp_path / "config.npz", config))


class Trap:
    """Unpickled, it makes a folder: the proof that something was run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickles_are_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)], dtype=object)
    refusal(write(tmp_path / "parameters.npz", parameters=trap))
    np.savez(tmp_path / "config.npz", config=trap, parameters=np.zeros(10))
    refusal(tmp_path / "config.npz")
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Trap(sprung)))
    refusal(tmp_path / "bare.npz")
    assert not sprung.exists()


HUGE = 2**40


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"layers": [{"layer": "Attention"}]}, "layers: expected one of Dense, "),
        ({"layers": [{"layer": ["Dense"]}]}, "unhashable"),
        ({"layers": [{"units": 2}]}, "layers: expected one of Dense, "),
        ({"layers": ["Dense"]}, "layers: expected one of Dense, "),
        ({"layers": {"layer": "Dense"}}, "layers: expected list, got "),
        ({"layers": [{"layer": "Dense"}]}, "missing 1 required positional argument: 'units'"),
        ({"layers": [{"layer": "Dense", "units": 2, "color": "red"}]}, "unexpected keyword argument 'color'"),
        ({"layers": [{"layer": "Dense", "units": "2"}]}, "units: expected a positive int, got '2'"),
        ({"layers": [{"layer": "Dense", "units": -2}]}, "units: expected a positive int, got -2"),
        ({"layers": [{"layer": "Dense", "units": 2, "activation": {}}]}, "activation: expected one of identity, "),
        ({"layers": [{"layer": "Dense", "units": 2, "activation": "__import__"}]}, "activation: expected one of identity, "),
        ({"layers": [{"layer": "Dropout", "rate": 2}]}, "rate: expected a number in [0, 1), got 2"),
        ({"layers": [{"layer": "Dense", "units": HUGE}]}, f"expected {5 * HUGE} parameters, got shape (10,)"),
        ({"layers": [{"layer": "Dense", "units": 10**400}]}, "parameters, got shape (10,)"),
        ({"layers": [{"layer": "Dense", "units": 3}]}, "expected 15 parameters, got shape (10,)"),
        ({"layers": []}, "expected 0 parameters, got shape (10,)"),
        ({"input_shape": [HUGE]}, f"expected {2 * HUGE + 2} parameters, got shape (10,)"),
        ({"input_shape": 4}, "input_shape: expected list, got 4"),
        ({"input_shape": [4.0]}, "input_shape: expected positive ints"),
        ({"input_shape": [[4]]}, "input_shape: expected positive ints"),
        ({"input_shape": [2, 2]}, "put a Flatten before it"),
        ({"seed": -1}, "seed: expected an int of at least 0, got -1"),
        ({"seed": "0"}, "seed: expected int, got '0'"),
        ({"loss": "hinge"}, "loss: expected one of softmax_cross_entropy, "),
        ({"loss": 3}, "loss: expected str, got 3"),
        (
            {"input_shape": [HUGE] * 3, "layers": [{"layer": "Conv2D", "filters": HUGE, "kernel_size": 2**31 - 1}]},
            "parameters, got shape (10,)",
        ),
        (
            {
                "input_shape": [1, 4, 4],
                "layers": [{"layer": "Conv2D", "filters": 1, "kernel_size": [3, 3], "padding": 2**80}],
            },
            "padding: expected from 0 to 2**31 - 1",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_hostile_architectures(config, reason, tmp_path):
    """Refused with the reason, before any memory is taken for what they ask."""
    path = write(tmp_path / "net.npz", config)
    assert reason in peak_within(1 << 20, path)


def peak_within(most, path):
    """Why the file is refused, while Python and NumPy take at most so many bytes."""
    fastnn.load(write(path.with_name("good.npz")))  # what loading imports is not counted
    tracemalloc.start()
    try:
        reason = refusal(path)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    return reason


@pytest.mark.parametrize(
    "parameters",
    [
        *(np.zeros(shape, np.float32) for shape in ((2, 5), (9,), ())),
        *(np.zeros(10, dtype) for dtype in ("i8", "f2", "U3", "c16", "M8[s]", [("a", "f4")])),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_parameters_of_another_kind(parameters, tmp_path):
    refusal(write(tmp_path / "net.npz", parameters=parameters))


def test_parameters_of_the_other_byte_order(tmp_path):
    """They are numbers all the same."""
    loaded = fastnn.load(write(tmp_path / "net.npz", parameters=np.arange(10, dtype=">f4")))
    np.testing.assert_array_equal(loaded.parameters, np.arange(10, dtype=np.float32))


def test_files_that_would_grow(tmp_path):
    """A compressed archive and a header that promises more than there is: refused without the memory that they ask for."""
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("parameters.npy", "w") as part:
        np.lib.format.write_array_header_1_0(part, {"descr": "<f4", "fortran_order": False, "shape": (1 << 24,)})
        part.write(bytes(1 << 26))
    assert "compressed" in peak_within(1 << 21, bomb)

    liar = tmp_path / "liar.npz"
    with zipfile.ZipFile(liar, "w") as archive:
        archive.writestr("config.npy", b"")
        with archive.open("parameters.npy", "w") as part:
            np.lib.format.write_array_header_1_0(part, {"descr": "<f4", "fortran_order": False, "shape": (HUGE * HUGE,)})
    refusal(liar)
