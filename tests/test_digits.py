"""fastnn.datasets: the shipped digits."""

import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

from fastnn import datasets
from fastnn.datasets import load_digits


def test_digits_shapes_and_range():
    x, y = load_digits()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((1797, 1, 8, 8), np.float32, (1797,), np.int64)
    assert (x.min(), x.max()) == (0, 1)
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert y.flags.writeable


def test_digits_are_the_published_ones():
    """Class counts as in UCI's optdigits.names, first rows as in optdigits.tes, checksums of scikit-learn's copy."""
    x, y = load_digits()
    pixels = (x * 16).astype(np.uint8)
    assert np.array_equal(pixels, x * 16)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert pixels[0, 0, :2].tolist() == [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]
    assert pixels.sum(dtype=int) == 561718
    assert zlib.crc32(pixels.tobytes()) == 4087501628
    assert zlib.crc32(y.astype(np.uint8).tobytes()) == 4168075561


def test_digits_are_fresh_each_time():
    load_digits()[0][:] = 7
    assert load_digits()[0].max() == 1


def test_digits_from_a_zipped_package(tmp_path):
    """The package may be a zip; and datasets needs neither numba nor the rest of fastnn."""
    package = Path(datasets.__file__).parent
    archive = tmp_path / "fastnn.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("fastnn/__init__.py", "")
        for name in ("datasets.py", "data/digits.npz"):
            file.write(package / name, f"fastnn/{name}")
    code = (
        "import sys, fastnn.datasets as d; x, y = d.load_digits(); "
        "print(d.__file__, x.shape, sorted(m for m in sys.modules if m.startswith(('fastnn', 'numba'))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stderr == ""
    where = archive / "fastnn" / "datasets.py"
    assert run.stdout.strip() == f"{where} (1797, 1, 8, 8) ['fastnn', 'fastnn.datasets']"


def test_digits_name_their_source():
    text = (Path(datasets.__file__).parent / "data" / "README.md").read_text()
    for part in ("Optical Recognition of Handwritten Digits", "Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0"):
        assert part in text
