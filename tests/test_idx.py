"""fastnn.datasets: one idx file, good, damaged or lying."""

import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from idx_files import header, idx, random_bytes, refusal

from fastnn import datasets
from fastnn.datasets import DataError, load_idx, read_idx


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
