"""The time to 90 % on Fashion-MNIST: LeNet with dropout, the same recipe in fastnn and in PyTorch.

    python3 bench/accuracy.py /usr/share/datasets/fashion-mnist --threads 2

Adam in batches of 64: 2e-3 for 6 epochs, 4e-4 for 3, 1e-4 for 3. Each counts from its first step until 90 % of the 10,000
test images are right after an epoch; compile time is not in it. Each draws its own parameters, shuffles and dropout.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import threads

RATES = (2e-3,) * 6 + (4e-4,) * 3 + (1e-4,) * 3  # of each epoch
BATCH, DROPOUT = 64, 0.1
GOAL = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the directory of the four idx files")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    threads.limit(options.threads)
    from fastnn import datasets

    train, test = datasets.load_idx(options.data)
    for name, epochs in (("fastnn", fastnn_epochs), ("PyTorch", torch_epochs)):
        seconds, accuracies = 0.0, [0.0]
        for spent, accuracy in epochs(train, test):
            seconds += spent
            accuracies.append(accuracy)
            if accuracy >= GOAL:
                break
        found = f"{100 * accuracies[-1]:.2f} % after {len(accuracies) - 1} epochs, {seconds:.1f} s"
        print(f"{name}: {found}, threads {options.threads}", flush=True)


def fastnn_epochs(train, test) -> Iterator[tuple[float, float]]:
    """The seconds of each epoch, and the test accuracy after it."""
    import fastnn
    from fastnn import Conv2D, Dense, Dropout, Flatten, MaxPool2D

    model = fastnn.Sequential(
        Conv2D(6, 5, activation="relu"), MaxPool2D(2), Conv2D(16, 5, activation="relu"), MaxPool2D(2), Flatten(),
        Dropout(DROPOUT), Dense(120, "relu"), Dense(84, "relu"), Dense(10), input_shape=train[0].shape[1:],
    )  # fmt: skip
    fastnn.warmup(model, batch_size=BATCH)
    optimizer = fastnn.Adam(RATES[0])
    for rate in RATES:
        optimizer.lr, begun = rate, time.perf_counter()
        model.fit(*train, optimizer=optimizer, epochs=1, batch_size=BATCH, verbose=0)
        yield time.perf_counter() - begun, model.evaluate(*test).accuracy


def torch_epochs(train, test) -> Iterator[tuple[float, float]]:
    """The same with PyTorch."""
    import peers

    torch = peers.torch()
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(DROPOUT), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    loss, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), fused=True)
    (x, y), (x_test, y_test) = [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in (train, test)]
    for rate in RATES:
        optimizer.param_groups[0]["lr"], begun = rate, time.perf_counter()
        model.train()
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss(model(x[batch]), y[batch]).backward()
            optimizer.step()
        seconds = time.perf_counter() - begun
        model.eval()
        with torch.no_grad():
            yield seconds, float((model(x_test).argmax(1) == y_test).float().mean())


if __name__ == "__main__":
    main()
