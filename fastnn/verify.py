"""python3 -m fastnn verify: whether the kernels are right on this machine, how fast they are, and what a bug report needs.

Every kernel is called on two sizes in float32 and float64, and compared with the reference in float64. A call's bound is
eps * depth * scale: depth counts the roundings between an argument and a result, scale is the largest size of a term.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba.core.registry import cpu_target
from numpy.typing import DTypeLike, NDArray

import fastnn
from fastnn import compiled, jit, kernels, losses, reference, threads
from fastnn.kernels.compiler import cache
from fastnn.kernels.registers.simd import registers

BROKEN = 1  # exit status where something is wrong

DTYPES = np.float32, np.float64
SECONDS = 0.01  # of timing, for each kernel and its reference
LEAST_ROUNDS = 2
STEP_DEPTH = 200  # roundings that a step's gradients may differ by, where two ways of summing them go through all layers
REACH = 4.0  # logits are uniform from -REACH to REACH
EXACT = "identity", "relu"  # of the activations

Draw = Callable[..., NDArray[Any]]


class Call(NamedTuple):
    """One kernel's arguments, drawn from uniform numbers, and how exact its result must be."""

    kernel: str
    draw: Callable[[Draw], tuple[Any, ...]]
    depth: int
    scale: float = 1.0

    def arguments(self, dtype: DTypeLike) -> tuple[Any, ...]:
        rng = np.random.default_rng(0)
        return self.draw(lambda *shape, low=-1.0, high=1.0: rng.uniform(low, high, shape).astype(dtype))


def _products(m: int, n: int, k: int) -> list[Call]:
    return [
        Call("dense_forward", lambda u: (u(m, n), u(1 + n, k)), n + 1),
        Call("dense_dz_to_dtheta", lambda u: (u(m, n), u(m, k)), m),
        Call("dense_dz_to_da", lambda u: (u(m, k), u(1 + n, k)), k),
        Call("matmul", lambda u: (u(2, m, n), u(n, k)), n),
    ]


def _windows(m: int, C: int, n: int, K: int, f: int, S: int, P: int) -> list[Call]:
    z = (n + 2 * P - f) // S + 1
    a, theta, dz, pooled = (m, C, n, n), (K, C, f, f), (m, K, z, z), (m, C, z, z)
    return [
        Call("conv2d_forward", lambda u: (u(*a), u(*theta), u(K), S, P), C * f * f + 1),
        Call("conv2d_dz_to_dtheta", lambda u: (u(*a), u(*dz), f, S, P), m * z * z),
        Call("conv2d_dz_to_db", lambda u: (u(*dz),), m * z * z),
        Call("conv2d_dz_to_da", lambda u: (u(*dz), u(*theta), n, S, P), K * f * f),
        Call("max_pool2d_forward", lambda u: (u(*a), f, S, P), 0),
        Call("max_pool2d_dz_to_da", lambda u: (u(*pooled), u(*a), f, S, P), f * f),
        Call("avg_pool2d_forward", lambda u: (u(*a), f, S, P), f * f + 2, 1 / f**2),
        Call("avg_pool2d_dz_to_da", lambda u: (u(*pooled), u(*a), f, S, P), f * f + 2, 1 / f**2),
    ]


def _activations(m: int, k: int) -> Iterator[Call]:
    def backward(name: str) -> Callable[[Draw], tuple[Any, ...]]:
        def draw(u: Draw) -> tuple[Any, ...]:
            da, z = u(m, k), u(m, k, low=-REACH, high=REACH)
            return da, z, getattr(reference, name)(z.astype(np.float64)).astype(z.dtype)

        return draw

    for name in ("identity", "relu", "leaky_relu", "sigmoid", "tanh", "elu", "softplus", "silu", "gelu"):
        exact = name in EXACT
        yield Call(name, lambda u: (u(m, k, low=-REACH, high=REACH),), 0 if exact else 4, REACH)
        yield Call(f"{name}_da_to_dz", backward(name), 0 if exact else 6, REACH)


def _costs(m: int, k: int) -> Iterator[Call]:
    def labelled(u: Draw) -> tuple[Any, ...]:
        return u(m, k, low=-REACH, high=REACH), u(m, low=0, high=k).astype(np.int64)

    def paired(u: Draw) -> tuple[Any, ...]:
        return u(m, k, low=0.1, high=0.9), u(m, k, low=0)

    yield Call("softmax", lambda u: labelled(u)[:1], k + 4)
    yield Call("softmax_cross_entropy", labelled, k + 4, 2 * REACH)
    yield Call("softmax_cross_entropy_dz", labelled, k + 4, 1 / m)
    for name, ending in (("sigmoid_cross_entropy", "dz"), ("binary_cross_entropy", "da"), ("mean_squared_error", "da")):
        yield Call(name, paired, k + 4, 2.0)
        yield Call(f"{name}_{ending}", paired, 6, 10 / m)


def _others(n: int) -> list[Call]:
    def adam(*settings: float) -> Callable[[Draw], tuple[Any, ...]]:
        return lambda u: (u(n), u(n), np.stack([u(n), u(n, low=0.25)]), 3, 0.1, *settings)

    return [
        Call("dropout", lambda u: (u(n), 0.25, 3), 2, 2.0),
        Call("sgd_step", lambda u: (u(n), u(n), u(n), 0.1, 0.9, True), 5, 2.0),
        Call("adam_step", adam(), 8),
        Call("adamw_step", adam(0.01), 9),
    ]


CALLS = [
    *_products(7, 13, 11),
    *_windows(2, 3, 9, 5, 3, 2, 1),
    *_activations(7, 13),
    *_costs(7, 5),
    *_others(1000),
    *_products(64, 256, 128),
    *_windows(8, 16, 16, 16, 3, 1, 1),
    *_activations(64, 512),
    *_costs(128, 10),
    *_others(30_000),
]


def main() -> int:
    """Print the report; returns the exit status."""
    print("\n".join(_machine()), flush=True)
    bad = [*_check_kernels(), *_check_network()]
    for line in bad:
        print(f"BROKEN  {line}")
    print("nothing is wrong" if not bad else f"{len(bad)} of the bounds are broken: please report it, with all of the above")
    return BROKEN if bad else 0


def _machine() -> Iterator[str]:
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    versions = [f"{name} {version(name)}" for name in ("numpy", "numba", "llvmlite")]
    yield f"fastnn {fastnn.__version__}, Python {platform.python_version()}, {', '.join(versions)}"
    yield f"system      {platform.platform()}, {os.cpu_count()} CPUs: {_model()}"
    wanted = [part[1:] for part in features.split(",") if part.startswith("+")]
    known = [name for name in ("sse4.2", "avx", "avx2", "fma", "avx512f", "amx-tile", "neon", "sve") if name in wanted]
    yield f"compiled    for {cpu} ({triple}): {' '.join(known)}; {registers()[1]} vectors of {registers()[0]} bytes"
    kept = cache.directory()
    yield f"cache       {kept or 'none: switched off, or no directory that is private and writable'}"
    yield f"threads     {threads.get_num_threads()}"
    given = sorted(name for name in os.environ if name.startswith(("FASTNN_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_")))
    yield f"variables   {' '.join(f'{name}={os.environ[name]}' for name in given) or 'none'}"


def _model() -> str:
    """The CPU's name as its maker has it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _check_kernels() -> list[str]:
    """A line a kernel, of the size whose error is nearest to its bound; returns what is beyond its own."""
    print(f"\n{'kernel':28}{'float32: error':>16}{'bound':>9}{'float64: error':>17}{'bound':>9}{'NumPy/fastnn':>15}")
    bad = []
    for name in kernels.__all__:
        calls = [call for call in CALLS if call.kernel == name]
        words = [f"{name:28}"]
        for dtype in DTYPES:
            found = [(_error(call, dtype), call) for call in calls]
            error, call = max(found, key=lambda pair: pair[0] / _bound(pair[1], dtype))
            words.append(f"{error:14.1e}  {_bound(call, dtype):9.1e}")
            bad += [
                f"{name}, {np.dtype(dtype)}: error {error:.1e}, bound {_bound(call, dtype):.1e}"
                for error, call in found
                if not error <= _bound(call, dtype)  # also where it is NaN
            ]
        print(*words, f"{_ratio(calls[-1]):13.1f}", flush=True)
    return bad


def _bound(call: Call, dtype: DTypeLike) -> float:
    """Never 0, so that errors can be divided by it: what must be exact may be wrong by the smallest number there is."""
    return max(float(np.finfo(dtype).eps) * call.depth * call.scale, float(np.finfo(dtype).tiny))


def _error(call: Call, dtype: DTypeLike) -> float:
    """The largest difference from the reference in float64, over all that the kernel returns or changes."""
    computed = _results(kernels, call, call.arguments(dtype))
    wide = [v.astype(np.float64) if isinstance(v, np.ndarray) and v.dtype == dtype else v for v in call.arguments(dtype)]
    expected = _results(reference, call, tuple(wide))
    return max(float(np.max(np.abs(c - e))) for c, e in zip(computed, expected, strict=True))


def _results(backend: Any, call: Call, arguments: tuple[Any, ...]) -> list[Any]:
    result = getattr(backend, call.kernel)(*arguments)
    return [arguments[0], arguments[2]] if result is None else [result]


def _ratio(call: Call) -> float:
    """The reference's time over the kernel's, in float32: the shortest of each, in turn."""
    functions = [getattr(backend, call.kernel) for backend in (reference, kernels)]
    best, begun, rounds = [float("inf")] * 2, time.perf_counter(), 0
    while rounds < LEAST_ROUNDS or time.perf_counter() - begun < 2 * SECONDS:
        rounds += 1
        for place, function in enumerate(functions):
            arguments = call.arguments(np.float32)
            start = time.perf_counter()
            function(*arguments)
            best[place] = min(best[place], time.perf_counter() - start)
    return best[0] / best[1]


def _network(dtype: DTypeLike) -> fastnn.Sequential:
    return fastnn.Sequential(
        fastnn.Conv2D(8, 3, stride=2, activation="relu"),
        fastnn.MaxPool2D(2, stride=1),
        fastnn.Flatten(),
        fastnn.Dense(64, "tanh"),
        fastnn.Dense(10),
        input_shape=(1, 12, 12),
        dtype=dtype,
    )


def _check_network() -> list[str]:
    """A compiled step beside the layers', and the parameters after some steps by one thread and by two."""
    print()
    loss, bad, m = losses.find("softmax_cross_entropy"), [], 1000
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (m, 1, 12, 12)), rng.integers(0, 10, m)
    for dtype in DTYPES:
        model, twin = _network(dtype), _network(dtype)
        samples: NDArray[np.floating] = x.astype(dtype)
        net = model.compiled(loss, fastnn.SGD(0.1))
        jit.step(net, samples, y, jit.workspace(net, m))
        twin.cost_and_gradients(samples, y, loss)
        error = float(np.max(np.abs(model.gradients - twin.gradients)))
        bound = STEP_DEPTH * float(np.finfo(dtype).eps) * float(np.max(np.abs(twin.gradients)))
        line = f"compiled step, {np.dtype(dtype)}: error {error:.1e}, bound {bound:.1e}"
        print(line)
        bad += [line] if not error <= bound else []
    same = np.array_equal(_trained(x, y, 1), _trained(x, y, 2))
    print(f"steps by 1 and by 2 threads, float32: {'the same' if same else 'different'} bits")
    return bad if same else [*bad, "steps by 1 and by 2 threads: different bits"]


def _trained(x: NDArray[Any], y: NDArray[Any], workers: int) -> NDArray[Any]:
    """The parameters after 5 steps by so many threads."""
    loss, model = losses.find("softmax_cross_entropy"), _network(np.float32)
    threads.set_num_threads(workers)
    try:
        trainer = compiled.Trainer(model, loss, fastnn.Adam(1e-3), len(x), len(x))
        rows, targets = trainer.inputs(x), trainer.targets(y, loss)
        for _ in range(5):
            trainer.step(rows, targets)
    finally:
        threads.set_num_threads(None)
    return model.parameters
