"""fastnn.datasets: a folder of the four idx files."""

import numpy as np
import pytest
from idx_files import PACKINGS, SPELLINGS, STEMS, four_arrays, random_bytes, refusal, write_folder

from fastnn.datasets import load_idx


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
