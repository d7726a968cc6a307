"""Threads and forks: each test in a process of its own."""

import importlib.util
from pathlib import Path

import pytest
from processes import run
from trainings import POSIX, PRELUDE, does

import fastnn

# Threads -------------------------------------------------------------------------------------------------------------

KERNELS = """
def call_all(number):
    names = sys.argv[1:] or kernels.__all__
    calls = [call for call in verify.CALLS[: len(verify.CALLS) // 2] if call.kernel in names]
    first = number * len(calls) // 8
    for call in calls[first:] + calls[:first]:
        for dtype in verify.DTYPES[:: (-1) ** number]:
            assert verify._error(call, dtype) <= verify._bound(call, dtype), call
at_once(call_all, 8)
"""


def test_eight_threads_call_every_kernel():
    """Each begins with another kernel, in a process that has loaded none."""
    does(KERNELS)


def test_eight_threads_compile_at_once():
    """Nothing is kept on disk, so each kernel and each shared function is compiled by whoever comes first."""
    does(KERNELS, "relu", "sigmoid_da_to_dz", "dropout", "sgd_step", "mean_squared_error", FASTNN_CACHE_DIR="")


def test_eight_models_are_trained_at_once():
    """With two threads for whoever gets them: the bits of each model are those of training alone."""
    does("""
found = [None] * 8
def train(number):
    found[number] = trained(number)
at_once(train, 8)
assert all(np.array_equal(trained(number), found[number]) for number in range(8))
""")


PRANGE = """
from numba import njit, prange, threading_layer
from fastnn.kernels import conv2d_forward, dense_dz_to_dtheta, dense_forward, max_pool2d_forward, relu, softmax_cross_entropy

@njit(parallel=True)
def together(net, x, y, spaces, images, costs):
    for i in prange(images.shape[0]):
        own = jit.apart(net)
        z = relu(max_pool2d_forward(conv2d_forward(images[i : i + 1], images[:1, :, :3, :3], images[0, 0, 0, :1]), 2))
        theta = dense_dz_to_dtheta(x, dense_forward(x, own.parameters[:15].reshape((5, 3))))
        costs[i] = jit.cost(own, x, y, spaces[i]) + z.sum() + theta.sum() + softmax_cross_entropy(x, y)
        jit.step(own, x, y, spaces[i])

net = network().compiled()
spaces = np.stack([jit.workspace(net, 64)] * 40)
images = np.repeat(np.random.default_rng(1).uniform(-1, 1, (1, 2, 6, 6)), 40, axis=0).astype(np.float32)
images = np.ascontiguousarray(images)
for _ in range(5):
    costs = np.zeros(40)
    together(net, x[:64], y[:64], spaces, images, costs)
    assert np.isfinite(costs).all() and (costs == costs[0]).all(), costs
assert threading_layer() == sys.argv[1]
before = trained()
if pid := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
else:
    os._exit(not np.array_equal(trained(), before))
"""


@POSIX
@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_prange_of_the_users_own(layer):
    """Around kernels and networks that are not compiled yet; then training by two threads, and in a fork."""
    if layer == "tbb" and importlib.util.find_spec("tbb") is None:
        pytest.skip("tbb is not installed")
    does(PRANGE, layer, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=2)


# Forks ---------------------------------------------------------------------------------------------------------------

FORKS = f"""{PRELUDE}
import concurrent.futures, multiprocessing

def child(seed):
    assert kernels.relu(x[:2]).min() == 0
    return trained(seed).tolist()

if __name__ == "__main__":
    kernels.tanh(x)
    expected = [trained(seed).tolist() for seed in range(4)]
    for _ in range(5):
        if pid := os.fork():
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        else:
            os._exit(child(1) != expected[1])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(child, range(4)) == expected
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(child, range(4))) == expected
    print("done")
"""


@POSIX
def test_children_train(tmp_path):
    """After kernels and training by two threads in the parent: os.fork, and pools that fork and spawn."""
    program = tmp_path / "forks.py"
    program.write_text(FORKS)
    assert run(program, PYTHONPATH=Path(fastnn.__file__).parents[1]) == (0, "done\n", "")


@POSIX
def test_a_fork_while_another_thread_compiles():
    """The fork waits for the compiler, and the child compiles what it needs itself."""
    does("""
names, wrong = ("relu", "sigmoid", "tanh", "elu", "softplus", "silu"), []
def compile_all():
    for name in names:
        getattr(kernels, name)(np.ones(3))
thread = threading.Thread(target=compile_all)
thread.start()
number = 0
while thread.is_alive():
    time.sleep(0.05)
    number += 1
    if pid := os.fork():
        wrong += [number] if os.waitpid(pid, 0)[1] else []
    else:
        signal.alarm(60)
        a = kernels.identity(np.ones(3)) if number % 4 == 1 else kernels.relu(np.ones(3, np.float64))
        os._exit(int(a.sum() != 3))
thread.join()
assert number > 2 and not wrong, (number, wrong)
""", FASTNN_CACHE_DIR="")  # fmt: skip


@POSIX
def test_helpers_sleep_when_there_is_nothing_to_do():
    """An idle process burns no core."""
    does("""
trained()
time.sleep(0.1)
before = time.process_time()
time.sleep(0.5)
assert time.process_time() - before < 0.05
""")


def test_other_threads_go_on():
    """While a kernel and a training run, a thread of Python's counts on."""
    does("""
a, many = np.ones((1500, 1500)), 500
kernels.matmul(a[:9], a)
long_x, long_y = np.tile(x, (many, 1)), np.tile(y, many)
model = network()
model.fit(x, y, batch_size=2048, verbose=0)
for work in (lambda: kernels.matmul(a, a), lambda: model.fit(long_x, long_y, batch_size=2048, verbose=0)):
    ticks, ended = [], threading.Event()
    def count():
        while not ended.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)
    thread = threading.Thread(target=count)
    thread.start()
    begun = end = time.perf_counter()
    while end < begun + 0.3:  # a fast machine ends one before the other thread has had its turn
        work()
        end = time.perf_counter()
    ended.set()
    thread.join()
    among = sum(begun < tick < end for tick in ticks)
    assert among > 50 * (end - begun), (among, end - begun)
""")


def test_nothing_of_the_process_is_changed():
    """Numba's and OpenBLAS's threads, NumPy's error state, denormal numbers, rounding, signal handlers."""
    does("""
import ctypes, numba
from pathlib import Path
def blas_threads():
    libraries = [ctypes.CDLL(str(path)) for path in Path(np.__file__).parents[1].glob("numpy.libs/*openblas*")]
    names = "scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_"
    return [getattr(library, name)() for library in libraries for name in names if hasattr(library, name)]
def state():
    tiny = np.array([1e-40], np.float32)
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    rounded = np.array([1, -1], np.float64) / 3 * np.float64(1e300) + 1
    numbers = (tiny * np.float32(1)).tobytes(), rounded.tobytes()
    return (numba.get_num_threads(), blas_threads()), np.geterr(), numbers, handlers, os.environ.copy()
before = state()
trained()
kernels.sigmoid(np.array([np.nan, 1e-40, -1e4, np.inf], np.float32))
kernels.softmax(np.array([[1e-310, 800.0, -800.0]]))
assert state() == before
assert before[2][0] == np.array([1e-40], np.float32).tobytes()
assert np.array_equal(trained(), trained())
with np.errstate(all="raise"):
    kernels.sigmoid(np.array([-1e4, 1e4, 1e-40], np.float32))
    np.ones(3) / 3
""")
