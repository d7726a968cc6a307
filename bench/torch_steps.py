"""PyTorch's training steps, eager: zero_grad, forward, backward, step, with the fused optimisers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import peers
from architectures import SOFTMAX, Convolution, Dense, Network
from steps import Array, Weights

torch = peers.torch()
nn = torch.nn
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
LOSSES = {
    SOFTMAX: nn.CrossEntropyLoss,
    "sigmoid_cross_entropy": nn.BCEWithLogitsLoss,
    "mean_squared_error": nn.MSELoss,
}


class Trainer:
    """A network with given parameters, and its optimiser; images in NCHW, or NHWC ("channels last")."""

    def __init__(self, network: Network, weights: list[Weights | None], channels_last: bool = False) -> None:
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = nn.Sequential(*modules(network, weights)).to(memory_format=self.memory_format)
        self.loss = LOSSES[network.loss]()
        kind, lr = network.optimizer
        self.optimizer = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[kind](self.model.parameters(), lr, fused=True)

    def step_on(self, x: Array, y: Array) -> Callable[[], Any]:
        """One step on this batch."""
        inputs, targets = self.tensors(x, y)
        return lambda: self.step(inputs, targets)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        cost = self.loss(self.model(x), y)
        cost.backward()
        self.optimizer.step()
        return cost.detach()

    def tensors(self, x: Array, y: Array) -> tuple[Any, Any]:
        inputs = torch.from_numpy(x)
        return inputs.contiguous(memory_format=self.memory_format) if x.ndim == 4 else inputs, torch.from_numpy(y)

    def epoch(self, x: Array, y: Array, m: int, rng: np.random.Generator) -> float:
        """One pass over the samples in a new order; the mean cost of its batches."""
        inputs, targets = self.tensors(x, y)
        order, total = torch.from_numpy(rng.permutation(len(x))), 0.0
        for batch in order.split(m):
            total += self.step(inputs[batch], targets[batch]) * len(batch)
        return float(total) / len(x)


def modules(network: Network, weights: list[Weights | None]) -> list[Any]:
    """The network's layers, with a Flatten where an image meets a dense layer."""
    found: list[Any] = []
    for (layer, before, after), values in zip(network.shapes(), weights, strict=True):
        if values is None:
            found.append(nn.MaxPool2d(layer.f))
            continue
        if isinstance(layer, Convolution):
            holder = nn.Conv2d(before[0], layer.filters, layer.f, layer.S)
        else:
            found += [nn.Flatten()] * (len(before) == 3)
            holder = nn.Linear(int(np.prod(before)), *after)
        matrix = values.weights.T if isinstance(layer, Dense) else values.weights
        holder.weight = nn.Parameter(torch.from_numpy(matrix.copy()))  # PyTorch's rows are outputs
        holder.bias = nn.Parameter(torch.from_numpy(values.b.copy()))
        found.append(holder)
        if layer.activation != "identity":
            found.append(ACTIVATIONS[layer.activation]())
    return found
