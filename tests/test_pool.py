"""Pooling in vectors: every way through it beside the reference, with ties and NaN, in bounds, and on other CPUs."""

import os
import subprocess
import sys

import numpy as np
import pytest
from guarded import guarded
from networks import batch, pools
from numba import njit

from fastnn import jit, kernels, plan, reference, shapes

DTYPES = (np.float32, np.float64)
NAMES = ("max_pool2d_forward", "max_pool2d_dz_to_da", "avg_pool2d_forward", "avg_pool2d_dz_to_da")


def images(rng, shape, dtype):
    """Few different values, so that windows have ties, and some NaN and infinity."""
    a = rng.integers(-2, 3, shape).astype(dtype)
    for special in (np.nan, np.inf, -np.inf):
        a[rng.random(shape) < rng.choice([0, 0.05])] = special
    return a


def check(a, f, S, P, place=lambda array: array):
    """The four kernels beside the reference, and those with an index; their arrays lie where `place` puts them.

    Sums of small integers are exact.
    """
    f, S, P = (tuple(map(int, np.broadcast_to(value, 2))) for value in (f, S, P))
    z = reference.max_pool2d_forward(a, f, S, P)
    dz = np.arange(1, z.size + 1, dtype=a.dtype).reshape(z.shape) % 11
    for name in NAMES:
        arguments = (dz, a) if name.endswith("da") else (a,)
        with np.errstate(invalid="ignore"):
            expected = getattr(reference, name)(*arguments, f, S, P)
        out = place(np.full_like(expected, 99))
        getattr(kernels, name)(*map(place, arguments), f, S, P, out=out)
        close = 4 * f[0] * f[1] * np.finfo(a.dtype).eps if name.startswith("avg") else 0
        np.testing.assert_allclose(out, expected, rtol=close, atol=close * 11, err_msg=f"{name} {a.shape} {f} {S} {P}")
    check_index(a, dz, (f, S, P), place)


def check_index(a, dz, windows, place):
    """The way forward that writes an index and the way back that reads it, beside those without; and any bytes for one."""
    z, index = place(np.full_like(dz, 99)), place(np.full(dz.shape, 99, np.uint8))
    expected = np.full(dz.shape, 98, np.uint8)
    assert kernels.max_pool2d_forward(place(a), *windows, z, index) is z
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(z, reference.max_pool2d_forward(a, *windows, index=expected))
    np.testing.assert_array_equal(index, expected, err_msg=f"{a.shape} {windows}")
    nothing, da = np.full_like(a, np.nan), place(np.full_like(a, 99))  # of which only the shape matters
    kernels.max_pool2d_dz_to_da(place(dz), nothing, *windows, da, index)
    np.testing.assert_array_equal(da, reference.max_pool2d_dz_to_da(dz, a, *windows))
    cells = np.prod(windows[0])
    index[...] = np.random.default_rng(0).choice([*range(cells), cells, 255], index.shape)
    kernels.max_pool2d_dz_to_da(place(dz), nothing, *windows, da, index)
    np.testing.assert_array_equal(da, reference.max_pool2d_dz_to_da(dz, nothing, *windows, index=index))


@pytest.mark.parametrize("dtype", DTYPES)
def test_windows_of_2x2(dtype):
    """Rows of each width around a vector, half of one and several; an odd last row or column belongs to no window."""
    rng = np.random.default_rng(0)
    for W in (*range(2, 20), 31, 32, 33, 40, 63, 64, 65, 70):
        for m, H in ((1, 2), (3, 6), (2, 5)):
            check(images(rng, (m, 3, H, W), dtype), 2, 2, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_distance_from_a_to_da(dtype):
    """Modulo 4 KB, by which the way back goes from the first windows to the last or the other way round."""
    rng = np.random.default_rng(5)
    for shape in ((1, 3, 6, 10), (2, 3, 5, 6), (1, 2, 8, 8), (3, 1, 6, 16), (1, 2, 7, 24), (1, 1, 64, 70)):
        a = images(rng, shape, dtype)
        dz = rng.integers(1, 9, (*shape[:2], shape[2] // 2, shape[3] // 2)).astype(dtype)
        expected = reference.max_pool2d_dz_to_da(dz, a, 2)
        memory = np.empty(3 * 4096 + 2 * a.nbytes, np.uint8)
        for distance in (0, 16, 512, 1024, 2048, 4080):
            begin = (a.ctypes.data + distance - memory.ctypes.data) % 4096
            da = memory[begin : begin + a.nbytes].view(dtype).reshape(shape)
            da[...] = 99
            kernels.max_pool2d_dz_to_da(dz, a, 2, out=da)
            np.testing.assert_array_equal(da, expected, err_msg=f"{shape} {distance}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_windows_of_3x3(dtype):
    """Rows of less than half a vector to several strips; two to four images at a time, and a rest; all kinds of padding."""
    rng = np.random.default_rng(4)
    for W in (*range(1, 20), 29, 30, 31, 32, 33, 57, 61, 70):
        for m, H, P in (
            (1, 3, 0),
            (3, 6, (0, 1)),
            (2, 1, (1, 2)),
            (3, 7, 1),
            (1, 4, (2, 0)),
            (5, 2, 2),
            (11, 5, 1),
            (75, 8, 0),
        ):
            if W + 2 * np.broadcast_to(P, 2)[1] >= 3:
                check(images(rng, (m, 1, H, W), dtype), 3, 2, P)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_windows(dtype):
    """Sizes, strides and paddings of every kind, on images of a few cells and of several vectors."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        n = np.array([rng.integers(1, 9), rng.integers(1, rng.choice([9, 80]))])
        P = rng.integers(0, 3, 2)
        f = rng.integers(P + 1, np.minimum(n + 2 * P, P + 4) + 1)
        check(images(rng, (2, 2, *n), dtype), f, rng.integers(1, 5, 2), P)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_windows_of_many_images(dtype, before):
    """As many planes as a vector has lanes, a few more, and vectors of them."""
    rng = np.random.default_rng(6)
    for m in (2, 4, 8, 9, 16, 17, 31, 33) * 5:
        n = rng.integers(1, 13, 2)
        P = rng.integers(0, 3, 2)
        f = rng.integers(P + 1, np.minimum(n + 2 * P, P + 4) + 1)
        check(images(rng, (m, 2, *n), dtype), f, rng.integers(1, 5, 2), P, lambda array: guarded(array, before))


def test_windows_far_larger_than_many_images():
    """Whose cells have numbers that no float32 has."""
    a = np.random.default_rng(7).permutation(64 * 35).reshape(64, 1, 5, 7).astype(np.float32)
    far = 2**30
    da = kernels.max_pool2d_dz_to_da(np.ones_like(a), a, 2 * far - 1, 1, far - 1)
    np.testing.assert_array_equal(da, 35 * (a == a.max((2, 3), keepdims=True)))


@pytest.mark.parametrize(("f", "S", "P"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)])
def test_copies_live_as_long_as_they_are_read(f, S, P):
    """Arrays in another order are copied, and memory beyond 32 MB is no longer the process's once a copy is freed."""
    a = np.ones((1, 4, 4096, 600), np.float32)
    other = np.asfortranarray(a)
    for name in ("max_pool2d_forward", "avg_pool2d_forward"):
        z = getattr(kernels, name)(a, f, S, P)
        assert np.array_equal(getattr(kernels, name)(other, f, S, P), z)
    dz = np.asfortranarray(z)
    assert np.array_equal(kernels.max_pool2d_dz_to_da(dz, other, f, S, P), kernels.max_pool2d_dz_to_da(z, a, f, S, P))


def test_windows_far_larger_than_the_image():
    """The time depends on the image's cells, not on the window's."""
    a = np.arange(12.0).reshape(1, 1, 3, 4)
    far = 2**30
    assert kernels.max_pool2d_forward(a, 2 * far - 1, 1, far - 1).max() == 11
    assert kernels.max_pool2d_dz_to_da(np.ones_like(a), a, 2 * far - 1, 1, far - 1)[0, 0, 2, 3] == 12


def test_places_beyond_the_integers_of_float32():
    """A row so long that a float32 cannot number its cells."""
    W = 2**24 + 12
    a = np.zeros((1, 1, 1, W), np.float32)
    a[..., 5::7] = 1
    dz = np.ones((1, 1, 1, W // 7), np.float32)
    da = kernels.max_pool2d_dz_to_da(dz, a, (1, 7), (1, 7))
    covered = W // 7 * 7
    assert np.array_equal(da[..., :covered], a[..., :covered])
    assert not da[..., covered:].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_by_an_index(dtype, monkeypatch):
    """The same bits as without; the first layer's pool, whose da nobody asks for, keeps none."""
    found = []
    for most in (256, 0):
        monkeypatch.setattr(shapes, "MOST_INDEXED", most)
        model = pools(seed=1, dtype=dtype)
        net = model.compiled("mean_squared_error")
        assert net.table[1:, plan.INDEXED].tolist() == [0, 0, most > 0, 0, most > 0, most > 0, 0]
        for m in (1, 7, 130):
            x, y = batch(model, m, "mean_squared_error")
            space = jit.workspace(net, m)
            space[:] = np.nan
            found.append((most, jit.gradient(net, x, y, space), model.gradients.tobytes()))
    assert [step[1:] for step in found[:3]] == [step[1:] for step in found[3:]]


@njit
def both_ways(a, dz, index):
    """With the index by name and by place."""
    z = kernels.max_pool2d_forward(a, 2, index=index)
    da = kernels.max_pool2d_dz_to_da(dz, a, 2, None, 0, None, index)
    return z, da


def test_index_in_njit():
    rng = np.random.default_rng(0)
    a, dz = rng.uniform(-1, 1, (2, 3, 4, 6)), rng.uniform(-1, 1, (2, 3, 2, 3))
    index = np.empty(dz.shape, np.uint8)
    z, da = both_ways(a, dz, index)
    assert np.array_equal(z, reference.max_pool2d_forward(a, 2))
    assert np.array_equal(da, reference.max_pool2d_dz_to_da(dz, a, 2))
    with pytest.raises(ValueError, match="index: expected shape"):
        both_ways(a, dz, index[:1])


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_guard_pages(dtype, before):
    """No access outside an operand: each lies right behind or right before memory that may not be touched."""
    rng = np.random.default_rng(2)
    for W in (2, 3, 7, 8, 15, 16, 17, 24, 32, 33, 50):
        for f, S, P in ((2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 2, 2), (3, 1, 1), (2, 3, 0), (2, 2, 1)):
            for planes in (4, 3):
                a = images(rng, (1, planes, 5 - W % 2, W), dtype)
                if f < W:
                    check(a, f, S, P, lambda array: guarded(array, before))


@pytest.mark.parametrize("cpu", ["haswell", "generic"])
def test_other_cpus(cpu):
    program = (
        "import numpy as np, sys; sys.path.insert(0, sys.argv[1]); import test_pool as t\n"
        "rng = np.random.default_rng(3)\n"
        "for W in (4, 8, 24, 33):\n"
        "    for f, S, P in ((2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (2, 2, 1), (2, 3, 0)):\n"
        "        t.check(t.images(rng, (3, 3, 6, W), np.float32), f, S, P)\n"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run([sys.executable, "-c", program, os.path.dirname(__file__)], env=environment, capture_output=True)  # noqa: PTH120
    assert done.returncode == 0, done.stderr.decode()
