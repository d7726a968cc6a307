"""fit: shuffle, batches, validation, history, the lines that it prints, early stopping and Ctrl-C."""

from __future__ import annotations

import contextlib
import importlib.util
import operator
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn import compiled, losses, threads
from fastnn.losses import Loss
from fastnn.optimizers import Adam, Optimizer

if TYPE_CHECKING:
    from fastnn.model import Sequential

Floats = NDArray[np.floating]
Pair = tuple[NDArray[Any], NDArray[Any]]
Steps = Callable[[NDArray[Any], NDArray[Any], NDArray[np.int64]], Iterator[tuple[int, float, int]]]


class History(dict[str, list[float]]):
    """What `fit` saw: `loss`, `accuracy`, `val_loss`, `val_accuracy` and `seconds`, each a list with an entry an epoch.

    The training figures are means over the epoch's batches, each taken just before its step. `interrupted` tells of Ctrl-C.
    """

    interrupted = False

    def plot(self) -> Any:
        """Loss and accuracy against the epoch, as a matplotlib figure; needs the extra `plot`."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError("History.plot needs matplotlib: python3 -m pip install 'fastnn[plot]'") from None
        figure = Figure(figsize=(8, 3), layout="constrained")
        kinds = [kind for kind in ("loss", "accuracy") if kind in self]
        for place, kind in enumerate(kinds, 1):
            axes = figure.add_subplot(1, len(kinds), place)
            for name in (kind, f"val_{kind}"):
                if name in self:
                    axes.plot(range(1, len(self[name]) + 1), self[name], label=name)
            axes.set_xlabel("epoch")
            axes.legend()
        return figure

    def _append(self, **figures: float | None) -> None:
        for name, value in figures.items():
            if value is not None:
                self.setdefault(name, []).append(value)


@dataclass
class Plan:
    """How to train: `fit`'s arguments but for the data. ValueError names the one that will not do."""

    loss: Loss
    optimizer: Optimizer | None
    epochs: int
    batch_size: int
    shuffle: bool
    patience: int | None
    verbose: int
    progress: bool | None
    stepper: Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.epochs = count("epochs", self.epochs, 0)
        self.batch_size = count("batch_size", self.batch_size, 1)
        self.patience = None if self.patience is None else count("patience", self.patience, 1)
        if self.optimizer is not None and not isinstance(self.optimizer, Optimizer):
            raise TypeError(f"optimizer: expected an optimiser, as fastnn.Adam(1e-3), got {self.optimizer!r}")
        self.stepper = self.optimizer or Adam()
        if self.progress and importlib.util.find_spec("tqdm") is None:
            raise ImportError("progress=True needs tqdm: python3 -m pip install 'fastnn[progress]'")


def fit(
    model: Sequential, x: ArrayLike, y: ArrayLike, plan: Plan, validation_data: tuple[ArrayLike, ArrayLike] | None
) -> History:
    """Train the model as planned; see Sequential.fit."""
    data = pairs(model, x, y, plan.loss)
    validation = None
    if validation_data is not None:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise TypeError(f"validation_data: expected a pair (x, y), got {type(validation_data).__name__}")
        validation = pairs(model, *validation_data, plan.loss, prefix="validation_data: ")
    if plan.patience is not None and validation is None:
        raise ValueError("patience: expected validation_data with it")
    threads.get_num_threads()  # a bad FASTNN_NUM_THREADS is told now, not at the first step that is large enough
    if any(np.may_share_memory(data[0], own) for own in (model.parameters, model.gradients)):
        data = data[0].copy(), data[1]  # x is what it was, whatever the model learns meanwhile
    with plan.stepper.unless_refused():
        prepared, steps = _steps_of(model, data, plan)
    model.loss = plan.loss
    history, best = History(), _Best(plan.patience)
    try:
        for epoch in range(1, plan.epochs + 1):
            begun = time.perf_counter()
            cost, accuracy = _epoch(model, prepared, steps, plan, epoch)
            seconds = time.perf_counter() - begun
            found = None if validation is None else model.evaluate(*validation, plan.loss, plan.batch_size)
            history._append(loss=cost, accuracy=accuracy, seconds=seconds)
            if found is not None:
                history._append(val_loss=found.cost, val_accuracy=found.accuracy)
                best.see(found.cost, model.parameters)
            if plan.verbose:
                print(_line(epoch, plan.epochs, history), flush=True)
            if best.is_past:
                break
    except KeyboardInterrupt:
        history.interrupted = True
        if plan.verbose:
            print("interrupted: the model keeps what it has learnt", flush=True)
    best.put_back(model.parameters)
    return history


def _epoch(model: Sequential, data: Pair, steps: Steps, plan: Plan, epoch: int) -> tuple[float, float | None]:
    """One pass over the data: the mean cost and accuracy of its batches."""
    n = len(data[0])
    order = model.rng.permutation(n) if plan.shuffle else np.arange(n)
    cost, right = 0.0, 0
    with _bar(-(-n // plan.batch_size), plan, epoch) as bar:
        for batches, batch_cost, batch_right in steps(*data, order):
            cost, right = cost + batch_cost, right + batch_right
            bar.update(batches)
    return cost / n, None if plan.loss.hits is None else right / n


def _steps_of(model: Sequential, data: Pair, plan: Plan) -> tuple[Pair, Steps]:
    """The data as the steps want them, and the steps: compiled whole where model, loss and optimiser are fastnn's own."""
    if compiled.knows(model, plan.loss, plan.stepper):
        trainer = compiled.Trainer(model, plan.loss, plan.stepper, plan.batch_size, len(data[0]))
        return (trainer.inputs(data[0]), trainer.targets(data[1], plan.loss)), trainer.epoch

    def epoch(x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64]) -> Iterator[tuple[int, float, int]]:
        for part in slices(len(order), plan.batch_size):
            target = y[order[part]]
            a = model.forward(batch_of(x, order[part], model.dtype), training=True)
            cost = plan.loss.cost(a, target) * len(a)
            right = 0 if plan.loss.hits is None else int(plan.loss.hits(a, target).sum())
            model.backward(plan.loss.da(a, target))
            plan.stepper.step(model.parameters, model.gradients)
            yield 1, cost, right

    return data, epoch


class _NoBar:
    """Stands for a progress bar where there is none."""

    def update(self, batches: int) -> None:
        pass


def _bar(batches: int, plan: Plan, epoch: int) -> Any:
    """A progress bar over the epoch's batches, where one is wanted and can be had."""
    wanted = plan.progress if plan.progress is not None else bool(plan.verbose) and sys.stderr.isatty()
    if not wanted or importlib.util.find_spec("tqdm") is None:
        return contextlib.nullcontext(_NoBar())
    from tqdm.auto import tqdm

    return tqdm(total=batches, desc=f"epoch {epoch}/{plan.epochs}", leave=False)


def _line(epoch: int, epochs: int, history: History) -> str:
    """The last epoch in words: loss, accuracy, time."""
    words = [f"epoch {epoch:>{len(str(epochs))}}/{epochs}"]
    for kind, name in (("", "loss"), ("val_", "val_loss")):
        if name in history:
            words.append(f"{name} {history[name][-1]:.4f}")
        if f"{kind}accuracy" in history:
            words.append(f"{kind}accuracy {100 * history[f'{kind}accuracy'][-1]:.1f} %")
    return "  ".join([*words, f"{history['seconds'][-1]:.2f} s"])


class _Best:
    """The parameters at the lowest validation cost, if there is a patience to run out of."""

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.cost = np.inf
        self.waited = 0
        self.parameters: Floats | None = None

    def see(self, cost: float, parameters: Floats) -> None:
        self.waited += 1
        if self.patience is not None and cost < self.cost:
            self.cost, self.waited, self.parameters = cost, 0, parameters.copy()

    @property
    def is_past(self) -> bool:
        return self.patience is not None and self.waited >= self.patience

    def put_back(self, parameters: Floats) -> None:
        if self.parameters is not None:
            parameters[...] = self.parameters


def slices(n: int, size: int) -> Iterator[slice]:
    """Consecutive parts of n samples; the last may be shorter."""
    return (slice(begin, min(begin + size, n)) for begin in range(0, n, size))


def batch_of(x: NDArray[Any], batch: slice | NDArray[np.integer], dtype: DTypeLike) -> Floats:
    """Some of the samples, in the model's dtype and C order."""
    return np.ascontiguousarray(x[batch], dtype)


def count(name: str, value: Any, least: int) -> int:
    """An int of at least so much; else a ValueError that names the argument."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name}: expected an int of at least {least}, got {value!r}")
    return number


def samples(name: str, x: ArrayLike, shape: tuple[int, ...], other: str = "") -> NDArray[Any]:
    """x as an array of real numbers (n, *shape), with n > 0; `other` is what else the message may offer."""
    array = np.asarray(x)
    if isinstance(x, np.ma.MaskedArray) or array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected an array of real numbers, got {type(x).__name__} of dtype {array.dtype}")
    if array.shape[1:] != shape or len(array.shape) == 0 or len(array) == 0:
        wanted = ", ".join(["n", *map(str, shape)])
        raise ValueError(f"{name}: expected {other}shape ({wanted}) with n > 0, got {array.shape} {array.dtype}")
    return array


def pairs(model: Sequential, x: ArrayLike, y: ArrayLike, loss: Loss, prefix: str = "") -> tuple[NDArray[Any], NDArray[Any]]:
    """x and y as arrays that fit the model and the loss: as many targets as samples, floats in the model's dtype."""
    inputs = samples(f"{prefix}x", x, model.input_shape)
    array = np.asarray(y)
    if loss.labels and array.dtype.kind in "iu" and array.ndim == 1:
        targets = samples(f"{prefix}y", y, ())
    else:
        other = "integer labels (n,), or " if loss.labels else ""
        targets = samples(f"{prefix}y", y, model.output_shape, other).astype(model.dtype)
    if len(inputs) != len(targets):
        raise ValueError(f"{prefix}y: expected {len(inputs)} targets, one a sample of x, got {len(targets)}")
    if loss.labels and losses.LOSSES.get(loss.name) is loss:
        check_classes(targets, model, loss)
    return inputs, targets


def check_classes(targets: NDArray[Any], model: Sequential, loss: Loss) -> None:
    """Rows that do not sum to one, and labels out of range, in the words of the loss, before anything is changed."""
    if len(model.output_shape) != 1:
        raise ValueError(f"loss: {loss.name} expects a network whose output is (k,), got {model.output_shape}")
    for part in slices(len(targets), 4096):
        loss.cost(np.zeros((part.stop - part.start, *model.output_shape), model.dtype), targets[part])


def chosen_loss(model: Sequential, y: ArrayLike, loss: str | Loss | None) -> Loss:
    """The loss that was asked for, else the model's own, else what integer labels or real targets suggest."""
    if loss is not None:
        return losses.find(loss)
    if model.loss is not None:
        return model.loss
    return losses.find("softmax_cross_entropy" if np.asarray(y).dtype.kind in "iu" else "mean_squared_error")
