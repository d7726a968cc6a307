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


# Digits ------------------------------------------------------------------------------------------------------------


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


# One idx file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 2), (4, 5, 6), (2, 1, 3, 2), (1,) * 32], ids=str)
def test_read_idx_round_trip(tmp_path, shape, pack):
    expected = random_bytes(*shape)
    path = tmp_path / "file"
    path.write_bytes(pack(idx(expected)))
    for spelling in (path, str(path)):
        array = read_idx(spelling)
        assert (array.shape, array.dtype, array.flags.writeable) == (shape, np.uint8, True)
        assert np.array_equal(array, expected)


def test_read_idx_known_bytes(tmp_path):
    """Big-endian sizes and rows in C order, written out by hand."""
    path = tmp_path / "file"
    path.write_bytes(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x00\x01\x02\xfd\xfe\xff")
    assert read_idx(path).tolist() == [[0, 1, 2], [253, 254, 255]]


def test_read_idx_tells_gzip_by_content_not_by_name(tmp_path):
    expected = random_bytes(4, 3)
    (tmp_path / "plain.gz").write_bytes(idx(expected))
    (tmp_path / "zipped").write_bytes(gzip.compress(idx(expected)))
    assert np.array_equal(read_idx(tmp_path / "plain.gz"), expected)
    assert np.array_equal(read_idx(tmp_path / "zipped"), expected)


def test_read_idx_larger_than_a_chunk(tmp_path):
    expected = random_bytes(2, datasets.CHUNK // 2 + 7)
    path = tmp_path / "file"
    for pack in (bytes, lambda data: gzip.compress(data, 1)):
        path.write_bytes(pack(idx(expected)))
        assert np.array_equal(read_idx(path), expected)


HUGE = 2**32 - 1
BAD_CONTENT = {
    "empty": (b"", "truncated: an idx file begins with 4 bytes of magic, got 0"),
    "cut in the magic": (b"\0\0\x08", "truncated: an idx file begins with 4 bytes of magic, got 3"),
    "cut in the sizes": (header(2, 3)[:-1], "truncated: expected 8 bytes of sizes, got 7"),
    "cut in the data": (header(2, 3) + bytes(5), "truncated: expected 2 x 3 = 6 bytes of data, got 5"),
    "no data": (header(2, 3), "truncated: expected 2 x 3 = 6 bytes of data, got 0"),
    "trailing": (header(2, 3) + bytes(7), "trailing bytes after the 2 x 3 = 6 bytes of data"),
    "first magic byte": (b"\1" + header(1)[1:] + b"x", "not an idx file: expected it to begin with 0 0 8, got 1 0 8"),
    "second magic byte": (
        b"\0\1" + header(1)[2:] + b"x",
        "not an idx file: expected it to begin with 0 0 8, got 0 1 8",
    ),
    "text": (b"<!DOCTYPE html>\n", "not an idx file: expected it to begin with 0 0 8, got 60 33 68"),
    "floats": (header(1, element=13) + bytes(4), "expected elements of type 8, unsigned byte, got type 13"),
    "signed": (header(1, element=9) + bytes(1), "expected elements of type 8, unsigned byte, got type 9"),
    "0 dimensions": (header() + bytes(1), "expected 1 to 32 dimensions, got 0"),
    "33 dimensions": (header(*[1] * 33) + bytes(1), "expected 1 to 32 dimensions, got 33"),
    "255 dimensions": (header(*[1] * 255) + bytes(1), "expected 1 to 32 dimensions, got 255"),
    "zero images": (header(0, 28, 28), "holds no data: its size is 0 x 28 x 28"),
    "zero width": (header(5, 28, 0), "holds no data: its size is 5 x 28 x 0"),
    "zero and huge": (header(0, HUGE, HUGE), f"holds no data: its size is 0 x {HUGE} x {HUGE}"),
    "huge": (header(HUGE) + bytes(9), f"truncated: expected {HUGE} = {HUGE} bytes of data, got 9"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(("content", "reason"), BAD_CONTENT.values(), ids=BAD_CONTENT)
def test_read_idx_refuses(tmp_path, content, reason, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(content))
    assert refusal(read_idx, path) == reason


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(
    "sizes", [(2**29,), (HUGE,), (HUGE, HUGE), (HUGE,) * 3, (HUGE,) * 32], ids=["512 MB", "1", "2", "3", "32"]
)
def test_read_idx_does_not_allocate_what_a_header_claims(tmp_path, sizes, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(header(*sizes) + bytes(100)))
    tracemalloc.start()
    try:
        reason = refusal(read_idx, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason.startswith("truncated")
    assert reason.endswith("got 100")
    assert peak < 4 * datasets.CHUNK


def test_read_idx_refuses_every_cut(tmp_path):
    path = tmp_path / "file"
    for content in (idx(random_bytes(3, 4)), gzip.compress(idx(random_bytes(3, 4)))):
        for length in range(len(content)):
            path.write_bytes(content[:length])
            refusal(read_idx, path)


def test_read_idx_refuses_every_damaged_bit(tmp_path):
    """In a plain header a flipped bit is always found; in a gzip file, unless it has no meaning (time, system)."""
    expected = random_bytes(3, 4)
    path = tmp_path / "file"
    plain, zipped = idx(expected), gzip.compress(idx(expected), mtime=0)
    for content, bits in ((plain, 8 * len(header(3, 4))), (zipped, 8 * len(zipped))):
        harmless = 0
        for bit in range(bits):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            try:
                assert np.array_equal(read_idx(path), expected)
                harmless += 1
            except DataError:
                refusal(read_idx, path)
        assert harmless == 0 if content is plain else harmless < bits / 2


def damage_gzip(what):
    good = gzip.compress(idx(random_bytes(30, 4)))
    bad = bytearray(good)
    if what == "checksum":
        bad[-8] ^= 1
    elif what == "length":
        bad[-4] ^= 1
    elif what == "data":
        bad[10] = 0xFF  # the first deflate block's type becomes 3, which does not exist
    elif what == "method":
        bad[2] = 7
    elif what == "cut":
        del bad[-20:]
    elif what == "cut checksum":
        del bad[-6:]
    elif what == "second member":
        bad += b"not gzip"
    return bytes(bad)


@pytest.mark.parametrize("what", ["checksum", "length", "data", "method", "cut", "cut checksum", "second member"])
def test_read_idx_refuses_damaged_gzip(tmp_path, what):
    path = tmp_path / "file.gz"
    path.write_bytes(damage_gzip(what))
    assert refusal(read_idx, path).startswith("damaged gzip: ")


def test_read_idx_missing(tmp_path):
    assert refusal(read_idx, tmp_path / "absent") == "No such file or directory"
    assert refusal(read_idx, str(tmp_path / "absent")) == "No such file or directory"


def test_read_idx_directory(tmp_path):
    assert refusal(read_idx, tmp_path) == "is a directory"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_read_idx_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(read_idx, tmp_path / "pipe") == "is not a regular file"


def test_read_idx_without_permission(tmp_path, monkeypatch):
    """Root may read everything, so the refusal of the system is imitated."""

    def denied(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "file"
    path.write_bytes(idx(random_bytes(3)))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denied)
        assert refusal(read_idx, path) == "Permission denied"
    monkeypatch.setattr(Path, "is_file", denied)
    assert refusal(load_idx, tmp_path) == "Permission denied"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_read_idx_with_an_input_error():
    assert refusal(read_idx, "/proc/self/mem") == "Input/output error"


@pytest.mark.parametrize("name", ["nul\0byte", "long" * 1000, "line\nbreak", "lone\udc80surrogate"], ids=ascii)
def test_read_idx_with_an_odd_name(tmp_path, name):
    refusal(read_idx, tmp_path / name)
    refusal(load_idx, tmp_path / name)


# A folder of four --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_load_idx(tmp_path, spelling, packing):
    four = four_arrays()
    write_folder(tmp_path, four, spelling, packing)
    for folder in (tmp_path, str(tmp_path)):
        train, test = load_idx(folder)
        for (x, y), images, labels in ((train, *four[:2]), (test, *four[2:])):
            assert (x.dtype, y.dtype) == (np.float32, np.int64)
            assert x.shape == (len(images), 1, 5, 4)
            assert np.array_equal(x[:, 0], images / np.float32(255))
            assert np.array_equal(y, labels)


def test_load_idx_range(tmp_path):
    four = four_arrays()
    four[0][0, 0, :2] = 0, 255
    (x, _), _ = load_idx(write_folder(tmp_path, four))
    assert (x.min(), x.max()) == (0, 1)
    assert x[0, 0, 0, :2].tolist() == [0, 1]


def test_load_idx_skips_a_folder_of_the_same_name(tmp_path):
    """As in Kaggle's archive of MNIST."""
    write_folder(tmp_path, four_arrays(), "dotted")
    for stem in STEMS:
        (tmp_path / SPELLINGS["dashed"](stem)).mkdir()
    assert load_idx(tmp_path)[0][0].shape == (6, 1, 5, 4)


@pytest.mark.parametrize("stem", STEMS)
def test_load_idx_missing_file(tmp_path, stem):
    path = write_folder(tmp_path, four_arrays()) / f"{stem}-ubyte"
    path.unlink()
    dotted = SPELLINGS["dotted"](stem)
    reason = refusal(load_idx, tmp_path, named=path)
    assert reason == f"no such file, nor {path.name}.gz, {dotted}, {dotted}.gz"
    path.mkdir()
    assert refusal(load_idx, tmp_path, named=path) == reason


@pytest.mark.parametrize("stem", STEMS)
def test_load_idx_bad_file(tmp_path, stem):
    path = write_folder(tmp_path, four_arrays()) / f"{stem}-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(load_idx, tmp_path, named=path).startswith("truncated")


def test_load_idx_bad_folder(tmp_path):
    assert refusal(load_idx, tmp_path / "absent") == "No such file or directory"
    (tmp_path / "file").write_bytes(b"")
    assert refusal(load_idx, tmp_path / "file") == "Not a directory"


# Which of the four is replaced, by an array of which shape; which is named, and why.
BAD_FOUR = {
    "train counts": (1, (5,), 1, "5 labels, but 6 images in '{0}'"),
    "test counts": (3, (4,), 3, "4 labels, but 3 images in '{2}'"),
    "train images 2-D": (0, (6, 20), 0, "expected images, 3 dimensions, got 2"),
    "test images 4-D": (2, (3, 5, 4, 1), 2, "expected images, 3 dimensions, got 4"),
    "train labels 2-D": (1, (6, 1), 1, "expected labels, 1 dimension, got 2"),
    "test labels 3-D": (3, (3, 5, 4), 3, "expected labels, 1 dimension, got 3"),
    "train images none": (0, (0, 5, 4), 0, "holds no data: its size is 0 x 5 x 4"),
    "test labels none": (3, (0,), 3, "holds no data: its size is 0"),
    "heights differ": (2, (3, 6, 4), 2, "images of 6 x 4, but those of '{0}' are 5 x 4"),
    "widths differ": (2, (3, 5, 3), 2, "images of 5 x 3, but those of '{0}' are 5 x 4"),
    "transposed": (2, (3, 4, 5), 2, "images of 4 x 5, but those of '{0}' are 5 x 4"),
}


@pytest.mark.parametrize(("replaced", "shape", "named", "reason"), BAD_FOUR.values(), ids=BAD_FOUR)
def test_load_idx_refuses_files_that_do_not_fit(tmp_path, replaced, shape, named, reason):
    four = four_arrays()
    four[replaced] = random_bytes(*shape)
    write_folder(tmp_path, four)
    paths = [tmp_path / f"{stem}-ubyte" for stem in STEMS]
    assert refusal(load_idx, tmp_path, named=paths[named]) == reason.format(*paths)


# Split -------------------------------------------------------------------------------------------------------------


def numbered(n):
    """x and y that tell which sample they are."""
    x = np.arange(n, dtype=np.float32)[:, np.newaxis] + np.array([0, 0.5], np.float32)
    return x, np.arange(n, dtype=np.int64)


@pytest.mark.parametrize(
    ("n", "held_out", "n_test"), [(10, 0.2, 2), (1797, 0.2, 359), (2, 0.5, 1), (9, 0.9, 8), (99, 0.01, 1)]
)
def test_split_sizes_and_pairs(n, held_out, n_test):
    x, y = numbered(n)
    (x_train, y_train), (x_test, y_test) = split(x, y, 0, held_out)
    assert (len(x_train), len(x_test)) == (n - n_test, n_test)
    assert sorted([*y_train, *y_test]) == list(range(n))
    assert np.array_equal(x_train, x[y_train])
    assert np.array_equal(x_test, x[y_test])
    assert (x_train.dtype, y_test.dtype) == (x.dtype, y.dtype)


def test_split_holds_out_a_fifth():
    _, (x_test, _) = split(*numbered(50), seed=0)
    assert len(x_test) == 10


def test_split_follows_the_seed():
    """The permutation of np.random.default_rng, held-out samples first."""
    x, y = numbered(100)
    for seed in (0, 1, np.int64(1)):
        (_, y_train), (_, y_test) = split(x, y, seed)
        order = np.random.default_rng(seed).permutation(100)
        assert np.array_equal([*y_test, *y_train], order)
    assert not np.array_equal(split(x, y, 0)[1][1], split(x, y, 1)[1][1])


def test_split_copies():
    x, y = numbered(10)
    for part in split(x, y, 0):
        for array in part:
            array[:] = -1
    assert np.array_equal(x, numbered(10)[0])
    assert np.array_equal(y, np.arange(10))


@pytest.mark.parametrize("held_out", [0, 1, 0.0, 1.0, -0.1, 1.1, 5, float("nan"), float("inf"), True])
def test_split_refuses_a_share_outside(held_out):
    with pytest.raises(ValueError, match=r"^held_out: expected a share between 0 and 1"):
        split(*numbered(10), 0, held_out)


@pytest.mark.parametrize(
    ("n", "held_out", "part"),
    [(2, 0.2, "test"), (2, 0.8, "training"), (1, 0.5, "test"), (1, 0.6, "training"), (0, 0.5, "test")],
)
def test_split_refuses_an_empty_part(n, held_out, part):
    with pytest.raises(ValueError, match=rf"^held_out: {held_out} of {n} samples leaves the {part} part empty$"):
        split(*numbered(n), 0, held_out)


def test_split_refuses_different_lengths():
    with pytest.raises(ValueError, match=r"^y: expected as many samples as x, 10, got 9$"):
        split(np.zeros((10, 2)), np.zeros(9), 0)


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"x": [1, 2, 3]}, TypeError, "x"),
        ({"y": None}, TypeError, "y"),
        ({"y": np.array(3)}, TypeError, "y"),
        ({"seed": None}, TypeError, "seed"),
        ({"seed": 0.5}, TypeError, "seed"),
        ({"seed": -1}, ValueError, "seed"),
        ({"held_out": "0.2"}, TypeError, "held_out"),
        ({"held_out": None}, TypeError, "held_out"),
    ],
    ids=str,
)
def test_split_names_the_wrong_argument(change, error, name):
    x, y = numbered(10)
    with pytest.raises(error, match=f"^{name}: expected"):
        split(**{"x": x, "y": y, "seed": 0, **change})
