"""Data sets: the digits that ship with the package, MNIST-style files, and a held-out split.

Images are float32 (n, 1, H, W) in [0, 1] and labels int64 (n,), as the layers and losses take them. A file that cannot
be used raises `DataError`, and nothing else: one line with the file's name and the reason.
"""

import gzip
import io
import math
import numbers
import os
import stat
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = tuple[NDArray[np.float32], NDArray[np.int64]]  # x (n, 1, H, W), y (n,)
Arrays = tuple[NDArray[Any], NDArray[Any]]
FilePath = str | os.PathLike[str]

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 8  # the idx code of the only element type that MNIST-style files have
MAX_NDIM = 32  # which every NumPy can hold: NumPy 1 has no more
CHUNK = 1 << 20  # bytes


class DataError(ValueError):
    """A data file that cannot be used; the message is one line that names it and says why."""


def load_digits() -> Samples:
    """x (1797, 1, 8, 8) and y (1797,): 8 x 8 images of handwritten digits, ten classes.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, CC BY 4.0; data/README.md.
    """
    packed = (resources.files("fastnn") / "data" / "digits.npz").read_bytes()
    with np.load(io.BytesIO(packed)) as arrays:
        return _scaled(arrays["images"], 16), arrays["labels"].astype(np.int64)


def load_idx(folder: FilePath) -> tuple[Samples, Samples]:
    """(x_train, y_train), (x_test, y_test) from a folder with the four files of MNIST, Fashion-MNIST or the like.

    x (n, 1, H, W), y (n,). The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`
    and `t10k-labels-idx1-ubyte`; `.idx` for `-idx` and a `.gz` at the end are also found.
    """
    stems = "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"
    train_images, train_labels, test_images, test_labels = (_find(Path(folder), stem) for stem in stems)
    train = _load_samples(train_images, train_labels)
    test = _load_samples(test_images, test_labels)
    size, expected = test[0].shape[2:], train[0].shape[2:]
    if size != expected:
        raise DataError(
            f"{str(test_images)!r}: images of {_times(size)}, but those of {str(train_images)!r} are {_times(expected)}"
        )
    return train, test


def read_idx(path: FilePath) -> NDArray[np.uint8]:
    """The array in one idx file, plain or gzip (told apart by content: browsers unpack without renaming).

    Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # asked before opening: a pipe would block, and a device need never end
            raise ValueError("is a directory" if stat.S_ISDIR(mode) else "is not a regular file")
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            return _parse_idx(gzip.GzipFile(fileobj=raw) if zipped else raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{str(path)!r}: damaged gzip: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: from here, from _parse_idx, or a name that no file can have
        raise DataError(f"{str(path)!r}: {_reason(error)}") from error


def split(x: NDArray[Any], y: NDArray[Any], seed: int, held_out: float = 0.2) -> tuple[Arrays, Arrays]:
    """(x_train, y_train), (x_test, y_test): samples in random order, of which the share `held_out` is for the test.

    x (n, ...), y (n, ...); round(held_out * n) samples are held out. The same seed gives the same split.
    """
    for name, array in (("x", x), ("y", y)):
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            raise TypeError(f"{name}: expected an array with samples along its first axis, got {type(array).__name__}")
    n = len(x)
    if len(y) != n:
        raise ValueError(f"y: expected as many samples as x, {n}, got {len(y)}")
    if not isinstance(seed, numbers.Integral):
        raise TypeError(f"seed: expected an integer, got {type(seed).__name__}")
    if seed < 0:
        raise ValueError(f"seed: expected at least 0, got {seed}")
    if not isinstance(held_out, numbers.Real):
        raise TypeError(f"held_out: expected a number, got {type(held_out).__name__}")
    if not 0 < held_out < 1:
        raise ValueError(f"held_out: expected a share between 0 and 1, both excluded, got {held_out}")
    n_test = round(float(held_out) * n)
    if n_test in (0, n):
        raise ValueError(
            f"held_out: {held_out} of {n} samples leaves {'the test' if n_test == 0 else 'the training'} part empty"
        )
    order = np.random.default_rng(seed).permutation(n)
    test, train = order[:n_test], order[n_test:]
    return (x[train], y[train]), (x[test], y[test])


def _find(folder: Path, stem: str) -> Path:
    """The path of one of the four files, in whichever spelling the folder has it."""
    spellings = (stem, stem.replace("-idx", ".idx"))
    paths = [folder / f"{spelling}-ubyte{suffix}" for spelling in spellings for suffix in ("", ".gz")]
    try:
        next(folder.iterdir(), None)  # so that a bad folder is named as such, not as four missing files
        for path in paths:
            if path.is_file():  # Kaggle's MNIST has a folder of one spelling beside the file of the other
                return path
    except (OSError, ValueError) as error:
        raise DataError(f"{str(folder)!r}: {_reason(error)}") from error
    raise DataError(f"{str(paths[0])!r}: no such file, nor {', '.join(path.name for path in paths[1:])}")


def _load_samples(images_path: Path, labels_path: Path) -> Samples:
    """x (n, 1, H, W) and y (n,) from a file of images (n, H, W) and its file of labels (n,)."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        raise DataError(f"{str(images_path)!r}: expected images, 3 dimensions, got {images.ndim}")
    if labels.ndim != 1:
        raise DataError(f"{str(labels_path)!r}: expected labels, 1 dimension, got {labels.ndim}")
    if len(labels) != len(images):
        raise DataError(f"{str(labels_path)!r}: {len(labels)} labels, but {len(images)} images in {str(images_path)!r}")
    return _scaled(images, 255), labels.astype(np.int64)


def _scaled(images: NDArray[np.uint8], largest: int) -> NDArray[np.float32]:
    """(n, 1, H, W) in [0, 1] from (n, H, W) in [0, largest]."""
    x = images[:, np.newaxis].astype(np.float32)
    x /= np.float32(largest)  # in place: the training images of MNIST take 188 MB
    return x


def _parse_idx(file: io.BufferedIOBase) -> NDArray[np.uint8]:
    """Magic 0 0 type ndim, ndim big-endian sizes of 4 bytes, then exactly as many elements; else ValueError."""
    magic = file.read(4)
    if len(magic) < 4:
        raise ValueError(f"truncated: an idx file begins with 4 bytes of magic, got {len(magic)}")
    if magic[:2] != b"\0\0":
        raise ValueError(f"not an idx file: expected it to begin with 0 0 8, got {' '.join(map(str, magic[:3]))}")
    if magic[2] != UNSIGNED_BYTE:
        raise ValueError(f"expected elements of type {UNSIGNED_BYTE}, unsigned byte, got type {magic[2]}")
    ndim = magic[3]
    if not 1 <= ndim <= MAX_NDIM:
        raise ValueError(f"expected 1 to {MAX_NDIM} dimensions, got {ndim}")
    header = file.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise ValueError(f"truncated: expected {4 * ndim} bytes of sizes, got {len(header)}")
    sizes = [int.from_bytes(header[i : i + 4], "big") for i in range(0, 4 * ndim, 4)]
    if 0 in sizes:
        raise ValueError(f"holds no data: its size is {_times(sizes)}")
    data = _read_at_most(file, math.prod(sizes))
    if len(data) < math.prod(sizes):
        raise ValueError(f"truncated: expected {_times(sizes)} = {math.prod(sizes)} bytes of data, got {len(data)}")
    if file.read(1):  # reaching the end is also what makes gzip compare its checksum
        raise ValueError(f"trailing bytes after the {_times(sizes)} = {len(data)} bytes of data")
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _read_at_most(file: io.BufferedIOBase, count: int) -> bytearray:
    """The next `count` bytes, or fewer at the end of the file."""
    data = bytearray()
    # In chunks: a damaged header may ask for any count, and memory grows with what the file holds, not what it claims.
    while len(data) < count and (chunk := file.read(min(CHUNK, count - len(data)))):
        data += chunk
    return data


def _times(sizes: Any) -> str:
    return " x ".join(map(str, sizes))


def _reason(error: Exception) -> str:
    """What went wrong, without the file's name that the message of an OSError repeats."""
    return getattr(error, "strerror", None) or str(error)
