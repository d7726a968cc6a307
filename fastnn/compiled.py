"""A model in compiled code: as a value for fastnn.jit, and for `fit`, which trains on it where it can."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn import backend, losses, optimizers, plan, threads
from fastnn.constants import BATCH, LOSS_CODES
from fastnn.layers import Dropout, Flatten
from fastnn.layers.base import checked_count
from fastnn.losses import Loss
from fastnn.optimizers import Optimizer

if TYPE_CHECKING:
    from fastnn.kernels.networks.train import Network
    from fastnn.model import Sequential

Lead = Callable[..., tuple[float, int]]

OPTIMIZERS = (optimizers.SGD, optimizers.Adam, optimizers.AdamW)
SECONDS = 0.05  # of a call of compiled code, while training: Ctrl-C and the progress bar wait for so long
SMALL = 1e7  # floating-point operations of a step, below which threads would cost more than they bring: some 0.1 ms


def knows(model: Sequential, loss: Loss, optimizer: Optimizer) -> bool:
    """Whether all of them are fastnn's own, and the backend is compiled."""
    return (
        backend.name == "numba"
        and losses.LOSSES.get(loss.name) is loss
        and type(optimizer) in OPTIMIZERS
        and all(type(layer) in (Flatten, *plan.KINDS) for layer in model.layers)
    )


def network(model: Sequential, loss: str | Loss, optimizer: Optimizer | None) -> Network:
    """See Sequential.compiled."""
    if backend.name != "numba":
        raise RuntimeError(f"compiled: expected FASTNN_BACKEND=numba, got {backend.name}")
    from fastnn.kernels.networks.images import choose, scratch_bytes
    from fastnn.kernels.networks.train import Network

    found, stepper = losses.find(loss), optimizer or optimizers.Adam()
    if losses.LOSSES.get(found.name) is not found:
        raise TypeError(f"loss: expected one of {', '.join(LOSS_CODES)}, got {loss!r}")
    if type(stepper) not in OPTIMIZERS:
        raise TypeError(f"optimizer: expected SGD, Adam or AdamW, got {stepper!r}")
    if found.labels and len(model.output_shape) != 1:
        raise ValueError(f"loss: {found.name} expects a network whose output is (k,), got {model.output_shape}")
    table = plan.table(model, LOSS_CODES[found.name])
    if np.isin(table[1:, plan.KIND], (plan.CONV, plan.TRANSPOSED)).any():
        table[0, plan.SCRATCH] = scratch_bytes(table, model.dtype)
        choose(table, model.dtype)
    settings, draws = np.array(stepper.settings(), np.float64), max((layer.draws for layer in _dropouts(model)), default=0)
    stepper.attend(model.parameters)  # from here on nothing is refused
    steps = np.array([stepper.steps, draws], np.int64)
    return Network(table, model.parameters, model.gradients, stepper.state.reshape(-1), settings, steps)


def _dropouts(model: Sequential) -> list[Dropout]:
    return [layer for layer in model.layers if isinstance(layer, Dropout)]


class Trainer:
    """`fit`'s steps, compiled; TypeError where the model, the loss or the optimiser is none that compiled code knows."""

    def __init__(self, model: Sequential, loss: Loss, optimizer: Optimizer, batch_size: int, samples: int) -> None:
        from fastnn.kernels.networks import crew, train

        self.model, self.optimizer, self._dropouts = model, optimizer, _dropouts(model)
        self.net = network(model, loss, optimizer)
        self.size = min(batch_size, samples)
        self.workers = self._workers()
        self.workspace = train.workspace(self.net, self.size, self.workers)
        self._lead = crew.lead(model.dtype)
        self._warm = False
        self._held: tuple[NDArray[Any] | None, ...] = (None, None, None)
        self._order = np.arange(0)

    def _workers(self) -> int:
        """As many threads as have something to do, and one for a small step."""
        small = plan.operations(self.net.table) * self.size < SMALL
        return 1 if small else min(threads.get_num_threads(), plan.groups(self.net.table, self.size))

    def inputs(self, x: NDArray[Any]) -> NDArray[Any]:
        """x as rows that compiled code gathers from: in the model's dtype, or bytes as they are."""
        dtype = x.dtype if x.dtype == np.uint8 else self.model.dtype
        return np.ascontiguousarray(x, dtype).reshape(len(x), -1)

    def targets(self, y: NDArray[Any], loss: Loss) -> NDArray[Any]:
        """y as int64 labels, or rows in the model's dtype."""
        labels = y.dtype.kind in "iu" and loss.labels and y.ndim == 1
        if labels:
            return np.ascontiguousarray(y, np.int64)
        return np.ascontiguousarray(y, self.model.dtype).reshape(len(y), -1)

    def step(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """One step on one batch, of at most `batch_size` samples, as `inputs` and `targets` return them; its mean cost."""
        if x.dtype == np.uint8 and len(x) != len(self._order):
            self._order = np.arange(len(x))
        lead = self._lead if self._warm else self._lead_to_its_end
        return self._steps(lead, x, y, self._order if x.dtype == np.uint8 else None, 0, 1)[0] / len(x)

    def epoch(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64]) -> Iterator[tuple[int, float, int]]:
        """All batches in this order: after every few of them how many there were, the sum of costs, and the hits."""
        batches, begin, few = -(-len(order) // self.size), 0, 1
        while begin < batches:
            end, begun = min(begin + few, batches), time.perf_counter()
            cost, hits = self._steps(self._lead_to_its_end, x, y, order, begin, end)
            yield end - begin, cost, hits
            seconds = time.perf_counter() - begun
            few = max(1, int((end - begin) * min(2.0, SECONDS / max(seconds, 1e-9))))
            begin = end

    def _steps(
        self, lead: Lead, x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64] | None, begin: int, end: int
    ) -> tuple[float, int]:
        """The first step is one thread's alone: it compiles, or loads from disk, most of what the others will call."""
        held = self._held
        if x is not held[0] or y is not held[1] or order is not held[2]:
            self._hold(x, y, order)
        n, (board, team) = len(x) if order is None else len(order), threads.board(self.workers if self._warm else 1)
        try:
            result = lead(board, self._place, n, begin, end, self.size, team, 0.0)
        finally:  # steps that were taken count, though Ctrl-C came meanwhile
            self.optimizer.steps = self.net.steps.item(0)
            for layer in self._dropouts:
                layer.draws = self.net.steps.item(1)
        return result

    def _lead_to_its_end(self, *job: Any) -> tuple[float, int]:
        """Whatever Ctrl-C there is: a last batch may have so few samples that other functions are compiled for it."""
        from fastnn.kernels.compiler.interrupts import until_it_returns

        with until_it_returns():
            result: tuple[float, int] = self._lead(*job)
        self._warm = True
        return result

    def _hold(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64] | None) -> None:
        """Write these arrays' addresses into the job, and keep them in memory for it."""
        from fastnn.kernels.networks.train import job_of

        self._held, self._job = (x, y, order), job_of(self.net, x, y, order, self.workspace)
        self._place = self._job.ctypes.data


def warmup(
    model: Sequential,
    loss: str | Loss = "softmax_cross_entropy",
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
) -> None:
    """Compile, or load from disk, all that `fit`, `evaluate` and `predict` will call; the model stays as it is.

    Without it the first step does so. The loss, the kind of optimiser and the batch size are what `fit` will get: other
    functions than for few samples may be the fastest for many. The batches of the other two are of their usual size.
    """
    if not hasattr(model, "fit") or not hasattr(model, "input_shape"):
        raise TypeError(f"model: expected a fastnn.Sequential, got {model!r}")
    found, twin = losses.find(loss), copy.deepcopy(model)
    shape = () if found.labels else model.output_shape
    checked_count("batch_size", batch_size)
    samples = max(batch_size, BATCH) + 2  # a batch, and one of few
    x = np.zeros((samples, *model.input_shape), model.dtype)
    y = np.zeros((samples, *shape), np.int64 if found.labels else model.dtype)
    few = slice(batch_size + 2)
    twin.fit(x[few], y[few], found, copy.copy(optimizer), epochs=1, batch_size=batch_size, verbose=0)
    twin.evaluate(x, y)
