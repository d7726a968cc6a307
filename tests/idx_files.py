"""idx files for tests, and what a refusal of one looks like."""

import gzip
import struct

import numpy as np
import pytest

from fastnn.datasets import DataError

STEMS = "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"
SPELLINGS = {
    "dashed": lambda stem: f"{stem}-ubyte",
    "dotted": lambda stem: f"{stem.replace('-idx', '.idx')}-ubyte",
}
PACKINGS = {"plain": ("", bytes), "gz": (".gz", gzip.compress)}


def header(*sizes, element=8):
    return bytes([0, 0, element, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def idx(array):
    return header(*array.shape) + array.tobytes()


def random_bytes(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def four_arrays():
    """Training images and labels, test images and labels: in the order of STEMS."""
    return [random_bytes(6, 5, 4), random_bytes(6), random_bytes(3, 5, 4), random_bytes(3)]


def write_folder(folder, four, spelling="dashed", packing="plain"):
    suffix, pack = PACKINGS[packing]
    for stem, array in zip(STEMS, four, strict=True):
        (folder / (SPELLINGS[spelling](stem) + suffix)).write_bytes(pack(idx(array)))
    return folder


def refusal(function, argument, named=None):
    """The reason in the DataError of `function(argument)`, which must be one line that starts with the file's name."""
    with pytest.raises(DataError) as caught:
        function(argument)
    message = str(caught.value)
    prefix = f"{str(named or argument)!r}: "
    assert len(message.splitlines()) == 1
    assert message.startswith(prefix)
    return message.removeprefix(prefix)
