"""fastnn.datasets: the held-out split."""

import numpy as np
import pytest

from fastnn.datasets import split


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
