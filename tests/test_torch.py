"""Convolutions beside PyTorch's, where it is installed: a second opinion on stride, padding, dilation and groups."""

import numpy as np
import pytest
from differences import EXACT
from processes import output

from fastnn import Conv2D, ConvTranspose2D, Sequential
from fastnn.backend import ops

torch = pytest.importorskip("torch")

SETTINGS = 200


def uniform(rng, *shape):
    return rng.uniform(-1, 1, shape)


def setting(rng):
    """Channels of a and z, a window, its stride, padding, dilation and groups, and an image that it fits on."""
    groups = int(rng.choice([1, 1, 2, 3]))
    C, K = (int(n) * groups for n in rng.integers(1, 4, 2))
    f, S, D = (tuple(map(int, rng.integers(1, 4, 2))) for _ in range(3))
    P = tuple(map(int, rng.integers(0, 3, 2)))
    image = tuple(max(1, d * (n - 1) + 1 - 2 * p) + int(rng.integers(0, 6)) for n, p, d in zip(f, P, D, strict=True))
    return C, K, image, f, S, P, D, groups


def gradients(z, dz, *leaves):
    """Of sum(dz * z), by PyTorch."""
    return [gradient.numpy() for gradient in torch.autograd.grad(z, leaves, torch.from_numpy(dz))]


def tensors(*arrays):
    return [torch.from_numpy(array).requires_grad_() for array in arrays]


def assert_same(actual, expected):
    """Sums of some hundred terms of at most 1; all of them may be 0, where windows see nothing but padding."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=EXACT)


@pytest.mark.parametrize("seed", range(SETTINGS))
def test_conv2d(seed):
    rng = np.random.default_rng(seed)
    C, K, image, f, S, P, D, groups = setting(rng)
    a, theta, b = uniform(rng, 2, C, *image), uniform(rng, K, C // groups, *f), uniform(rng, K)
    leaves = tensors(a, theta, b)
    expected = torch.nn.functional.conv2d(*leaves, S, P, D, groups)
    more = {"dilation": D, "groups": groups}
    z = ops.conv2d_forward(a, theta, b, S, P, **more)
    assert_same(z, expected.detach().numpy())
    dz = uniform(rng, *z.shape)
    da, dtheta, db = gradients(expected, dz, *leaves)
    assert_same(ops.conv2d_dz_to_dtheta(a, dz, f, S, P, **more), dtheta)
    assert_same(ops.conv2d_dz_to_db(dz), db)
    assert_same(ops.conv2d_dz_to_da(dz, theta, image, S, P, **more), da)


@pytest.mark.parametrize("kind", [Conv2D, ConvTranspose2D])
@pytest.mark.parametrize("seed", range(50))
def test_layer(seed, kind):
    """Parameters have PyTorch's shapes and meaning, so they can be copied from one to the other."""
    rng = np.random.default_rng(seed)
    C, K, image, f, S, P, D, groups = setting(rng)
    more = {"output_padding": tuple(int(rng.integers(0, n)) for n in S)} if kind is ConvTranspose2D else {}
    P = P if kind is Conv2D else tuple(min(p, (d * (n - 1)) // 2) for p, d, n in zip(P, D, f, strict=True))
    layer = kind(K, f, S, P, dilation=D, groups=groups, **more)
    model = Sequential(layer, input_shape=(C, *image), dtype=np.float64)
    model.parameters[...] = uniform(rng, model.parameters.size)
    a, theta, b = uniform(rng, 2, C, *image), layer.parameters["theta"], layer.parameters["b"]
    leaves = tensors(a, theta, b)
    if kind is Conv2D:
        expected = torch.nn.functional.conv2d(*leaves, S, P, D, groups)
    else:
        expected = torch.nn.functional.conv_transpose2d(*leaves, S, P, more["output_padding"], groups, D)
    z = layer.forward(a)
    assert z.shape[1:] == layer.output_shape
    assert_same(z, expected.detach().numpy())
    dz = uniform(rng, *z.shape)
    da, dtheta, db = gradients(expected, dz, *leaves)
    assert_same(layer.backward(dz), da)
    assert_same(layer.gradients["theta"], dtheta)
    assert_same(layer.gradients["b"], db)


# In one process ------------------------------------------------------------------------------------------------------

LOADER = """
import faulthandler; faulthandler.dump_traceback_later(200, exit=True)
import warnings; warnings.simplefilter("ignore")  # PyTorch's word on forks and shared memory
import numpy as np, torch
import fastnn

class Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 32
    def __getitem__(self, i):
        assert i % 8 or np.array_equal(trained(), expected)
        return torch.from_numpy(fastnn.ops.relu(np.full(4, i - 16, np.float32)))

fastnn.set_num_threads(2)
if fastnn.backend.name == "numba":
    fastnn.compiled.SMALL = 0
x, y = np.random.default_rng(0).uniform(-1, 1, (2048, 4)).astype(np.float32), np.arange(2048) % 3

def trained():
    model = fastnn.Sequential(fastnn.Dense(16, "tanh"), fastnn.Dense(3), input_shape=4)
    model.fit(x, y, epochs=2, batch_size=1024, verbose=0)
    return model.parameters

before = torch.get_num_threads(), torch.get_num_interop_threads()
expected = trained()
for _ in range(3):
    rows = torch.cat([batch for batch in torch.utils.data.DataLoader(Squares(), batch_size=8, num_workers=2)])
    assert rows[:, 0].tolist() == [max(i - 16, 0) for i in range(32)]
    assert np.array_equal(trained(), expected)
assert (torch.get_num_threads(), torch.get_num_interop_threads()) == before
print("done")
"""


def test_workers_of_a_data_loader():
    """Forked after training by two threads, they train, too; and PyTorch's own threads stay as many as they were."""
    assert output(LOADER) == "done\n"


def test_tensors_are_no_arrays():
    with pytest.raises(TypeError, match=r"^relu: z: expected a numpy array, got Tensor$"):
        ops.relu(torch.ones(3))
    with pytest.raises(TypeError, match=r"^relu: out: expected a numpy array, got Tensor$"):
        ops.relu(np.ones(3), torch.ones(3))
