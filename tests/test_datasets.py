"""fastnn.datasets: the shipped digits, idx files good and bad, and the held-out split."""

import gzip
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from fastnn import datasets
from fastnn.datasets import DataError, load_digits, load_idx, read_idx, split

STEMS = "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"
DASHED, DOTTED = "{}-ubyte", "{}-ubyte"


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def header(*sizes, element=8):
    return bytes([0, 0, element, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def arrays(train=6, test=3, size=(5, 4)):
    """The four arrays of a data set, in the order of STEMS."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (n, *size), np.uint8) for n in (train, test)]
    labels = [rng.integers(0, 10, n).astype(np.uint8) for n in (train, test)]
    return [images[0], labels[0], images[1], labels[1]]


def write_folder(folder, four, name="{}-ubyte", pack=bytes):
    folder.mkdir(exist_ok=True)
    for stem, array in zip(STEMS, four, strict=True):
        (folder / name(stem) if callable(name) else folder / name.format(stem)).write_bytes(pack(idx_bytes(array)))
    return folder


def refusal(function, path, *, names=None):
    """The reason in the DataError that `function(path)` raises, once its form is checked: one line, the file's name first."""
    with pytest.raises(DataError) as caught:
        function(path)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert len(message.splitlines()) == 1
    prefix = f"{str(names or path)!r}: "
    assert message.startswith(prefix)
    return message.removeprefix(prefix)
