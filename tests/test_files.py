"""Models on disk: what is saved comes back, in both backends, and an old file survives a crash."""

import os
import re
import signal

import numpy as np
import pytest
from networks import convolutional, dense, samples
from processes import OTHER_BACKEND, output, run

import fastnn
from fastnn import SGD, Conv2D, Dense, Dropout, Flatten, Loss, MaxPool2D, Sequential, losses

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


# What is saved comes back --------------------------------------------------------------------------------------------


@DTYPES
def test_round_trip(dtype, tmp_path):
    """Architecture, parameters, dtype, seed and loss; the loaded model predicts the same and can be trained on."""
    model = convolutional("relu", dtype=dtype, seed=6)
    x, y = samples(model, 9)
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "net.npz")
    loaded = fastnn.load(str(tmp_path / "net.npz"))
    assert repr(loaded) == repr(model)
    assert loaded.loss is model.loss
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded.parameters, model.parameters)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    loaded.fit(x, y, epochs=1, verbose=0)
    assert not np.array_equal(loaded.parameters, model.parameters)
    assert loaded.layers[0].parameters["theta"].base is loaded.parameters


def test_numpys_numbers_and_lists_are_saved(tmp_path):
    """Sizes that come from a computation or from JSON, and a path without an ending, which is used as it is."""
    one = np.int64(1)
    layers = Conv2D(np.int32(2), [np.int64(3), 2], stride=one), MaxPool2D(2 * one), Flatten(), Dropout(np.float32(0.5))
    model = Sequential(*layers, Dense(4 * one), input_shape=np.array([1, 8, 8]), seed=np.uint8(7))
    model.save(tmp_path / "net")
    loaded = fastnn.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.predict(np.ones((2, 1, 8, 8))), model.predict(np.ones((2, 1, 8, 8))))
    assert (loaded.seed, loaded.input_shape, loaded.output_shape) == (7, (1, 8, 8), (4,))


def test_a_loss_of_ones_own_is_not_saved(tmp_path):
    """The model is, and takes a named loss again."""
    named = losses.find("mean_squared_error")
    model = dense()
    x, y = samples(model, 5, "mean_squared_error")
    model.fit(x, y, Loss("mine", named.cost, named.da), epochs=1, verbose=0)
    model.save(tmp_path / "net.npz")
    assert fastnn.load(tmp_path / "net.npz").loss is None


CROSS = """
import sys, numpy as np, fastnn
model = fastnn.load(sys.argv[1])
x = np.linspace(-1, 1, 5 * 84).reshape(5, 2, 7, 6)
print(fastnn.backend.name, *model.predict(x).ravel())
model.save(sys.argv[2])
"""


@DTYPES
def test_round_trip_through_the_other_backend(dtype, tmp_path):
    """A file does not say which backend wrote it: the other one predicts the same from it, and writes the same bytes."""
    model = convolutional(dtype=dtype)
    model.save(tmp_path / "a.npz")
    name, *predicted = output(CROSS, tmp_path / "a.npz", tmp_path / "b.npz", FASTNN_BACKEND=OTHER_BACKEND).split()
    assert name == OTHER_BACKEND
    x = np.linspace(-1, 1, 5 * 84).reshape(5, 2, 7, 6)
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(np.array(predicted, float).reshape(5, 3), model.predict(x), rtol=0, atol=tolerance)
    with np.load(tmp_path / "a.npz") as ours, np.load(tmp_path / "b.npz") as theirs:
        assert {name: ours[name].tobytes() for name in ours} == {name: theirs[name].tobytes() for name in theirs}


def test_a_loaded_optimizer_state_is_fresh(tmp_path):
    """An optimiser that is used on with the loaded model begins anew: its parameters are other memory."""
    model, optimizer = dense(), SGD(0.1, 0.9)
    x, y = samples(model, 6)
    model.fit(x, y, optimizer=optimizer, epochs=2, verbose=0)
    model.save(tmp_path / "net.npz")
    first, second = (fastnn.load(tmp_path / "net.npz") for _ in range(2))
    first.fit(x, y, optimizer=optimizer, epochs=1, verbose=0)
    second.fit(x, y, optimizer=SGD(0.1, 0.9), epochs=1, verbose=0)
    np.testing.assert_array_equal(first.parameters, second.parameters)


# Written whole or not at all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["numpy.savez", "os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["disk-full", "ctrl-c"])
def test_a_crash_leaves_the_old_file(broken, error, tmp_path, monkeypatch):
    """Half a file written, a full disk, Ctrl-C: the old file is as it was, and no temporary file stays."""
    path = tmp_path / "net.npz"
    dense(seed=1).save(path)
    before = path.read_bytes()

    def fail(file, *rest, **more):
        if broken == "numpy.savez":
            file.write(before[:100])
        raise error

    monkeypatch.setattr(broken, fail)
    with pytest.raises(type(error)):
        dense(seed=2).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.npz"]


KILLED = """
import os, signal, sys
import numpy, fastnn
def savez(file, **parts):
    file.write(bytes(100))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
model = fastnn.load(sys.argv[1])
model.parameters[...] = 7
numpy.savez = savez
model.save(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_process_that_is_killed_leaves_the_old_file(tmp_path):
    """Amid the write, where nothing can be tidied up any more."""
    path = tmp_path / "net.npz"
    model = dense(seed=1)
    model.save(path)
    assert run("-c", KILLED, path) == (-signal.SIGKILL, "", "")
    np.testing.assert_array_equal(fastnn.load(path).parameters, model.parameters)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_files_mode_is_the_users(tmp_path, monkeypatch):
    """As open() would have made it, not the 0600 of a temporary file; other threads see no other umask meanwhile."""
    monkeypatch.delattr(os, "umask")
    dense().save(tmp_path / "net.npz")
    (tmp_path / "other").touch()
    assert (tmp_path / "net.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_cannot_be_saved(tmp_path):
    """A folder that is not there, and a layer that `load` could not make."""
    with pytest.raises(FileNotFoundError, match=re.escape(f"no folder to save into: '{tmp_path / 'missing'}'")):
        dense().save(tmp_path / "missing" / "net.npz")

    class Mine(Dense):
        pass

    with pytest.raises(TypeError, match=re.escape("layers[0]: expected one of fastnn's own layers, got ")):
        Sequential(Mine(3), input_shape=4).save(tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())
