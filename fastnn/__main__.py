"""python3 -m fastnn: train a strided convolutional network on real images, with each backend in turn."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fastnn import Adam, Conv2D, Dense, Flatten, Layer, MaxPool2D, backend, datasets, warmup
from fastnn import Sequential as Model

DIGITS_EPOCHS, DATA_EPOCHS = 20, 5
DIGITS_LR, DATA_LR = 2e-3, 1e-3
BATCH_SIZE = 32
# What sets the threads of the libraries that NumPy multiplies matrices with, before it is imported.
SERIAL = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
SMALLEST_FOR_LENET = 16  # two 5 x 5 kernels and two halvings leave one cell of it


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and train; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["verify"]:
        return _verify(given[1:])
    options = _parser().parse_args(given)
    chosen = options.backend or os.environ.get("FASTNN_BACKEND")
    if options.save is not None and (reason := _unwritable(options.save.absolute())):
        return _refuse(f"--save {options.save}: {reason}")
    if chosen == backend.name:
        return _train(options)
    for name in backend.BACKENDS if chosen is None else [chosen]:
        # The backend is fixed when fastnn is imported, so each has a process of its own.
        child = [sys.executable, "-m", "fastnn", *given, "--backend", name]
        status = subprocess.run(child, env={**os.environ, "FASTNN_BACKEND": name}, check=False).returncode
        if status != 0:
            return status
    return 0


def _verify(given: list[str]) -> int:
    """In a process where NumPy's products have one thread, like fastnn's kernels: with more, ratios would mean nothing."""
    argparse.ArgumentParser(
        prog="python3 -m fastnn verify",
        description="Check every kernel on this machine: its error against float64 beside a bound, and its speed against "
        "NumPy by one thread. Prints what a bug report needs. Exit status 1 if a bound is broken.",
    ).parse_args(given)
    if backend.name != "numba":
        return _refuse(f"verify: expected FASTNN_BACKEND=numba, got {backend.name}")
    if any(os.environ.get(name) != "1" for name in SERIAL):
        child = [sys.executable, "-m", "fastnn", "verify"]
        return subprocess.run(child, env={**os.environ, **dict.fromkeys(SERIAL, "1")}, check=False).returncode
    from fastnn import verify

    return verify.main()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m fastnn",
        description="Train a convolutional network on the handwritten digits that ship with fastnn, with each backend in "
        "turn, and report the test accuracy and the time of both.",
        epilog="python3 -m fastnn verify: check every kernel on this machine, and print what a bug report needs.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="train LeNet on the four idx files in DIR instead (MNIST, Fashion-MNIST; plain or .gz)",
    )
    parser.add_argument("--epochs", type=_at_least(1), help=f"default: {DIGITS_EPOCHS}, with --data {DATA_EPOCHS}")
    parser.add_argument(
        "--backend", choices=list(backend.BACKENDS), help="only this one; default: FASTNN_BACKEND, else both"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the trained model (with both: the last backend's)")
    parser.add_argument("--seed", type=_at_least(0), default=0, help="of the parameters and the shuffles (default: 0)")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected an int of at least {least}, got {text!r}")
        return int(text)

    return parse


def _unwritable(path: Path) -> str | None:
    """Why no file can be written there, asked before the training; None if one can."""
    if not path.parent.is_dir():
        return f"no such directory: {path.parent}"
    if path.is_dir():
        return "is a directory"
    return None if os.access(path.parent, os.W_OK) else f"no permission to write into {path.parent}"


def _train(options: argparse.Namespace) -> int:
    """Train with this process's backend."""
    try:
        if options.data is None:
            train, test = datasets.split(*datasets.load_digits(), seed=0)
        else:
            train, test = datasets.load_idx(options.data)
    except datasets.DataError as error:
        return _refuse(str(error))
    (x, y), shape, classes = train, train[0].shape[1:], int(max(train[1].max(), test[1].max())) + 1

    print(f"{backend.name}: {len(x):,} training and {len(test[0]):,} test images of {shape[1]} x {shape[2]}", flush=True)
    begun = time.perf_counter()
    model = _network(shape, classes, options.seed)
    warmup(model, batch_size=BATCH_SIZE)
    ready = time.perf_counter() - begun

    print(model.summary(), flush=True)
    usual, lr = (DIGITS_EPOCHS, DIGITS_LR) if options.data is None else (DATA_EPOCHS, DATA_LR)
    epochs = options.epochs or usual
    begun = time.perf_counter()
    model.fit(x, y, "softmax_cross_entropy", Adam(lr), epochs, BATCH_SIZE, validation_data=test)
    seconds = time.perf_counter() - begun
    cost, accuracy = model.evaluate(*test)
    print(f"{backend.name}: test cost {cost:.6f}; ready to train after {ready:.1f} s")
    print(f"{backend.name}: test accuracy {100 * (accuracy or 0):.1f} %, {seconds:.1f} s", flush=True)
    if options.save is not None:
        model.save(options.save)
        print(f"{backend.name}: saved to {options.save}", flush=True)
    return 0


def _network(shape: tuple[int, ...], classes: int, seed: int) -> Model:
    """LeNet (LeCun et al., 1998, with relu and max pooling) where the images are large enough, else a smaller network.

    The smaller one has no kinks: at a kink two roundings of one number can part for good, and the backends' costs would
    differ in the fourth digit after 900 steps of Adam instead of the eighth.
    """
    layers: list[Layer]
    if min(shape[1:]) >= SMALLEST_FOR_LENET:
        layers = [
            Conv2D(6, 5, activation="relu"),
            MaxPool2D(2),
            Conv2D(16, 5, activation="relu"),
            MaxPool2D(2),
            Flatten(),
            Dense(120, "relu"),
            Dense(84, "relu"),
        ]
    else:
        layers = [
            Conv2D(16, 3, padding=1, activation="tanh"),
            Conv2D(32, 3, stride=2, padding=1, activation="tanh"),
            Flatten(),
            Dense(64, "tanh"),
        ]
    return Model(*layers, Dense(classes), input_shape=shape, seed=seed)


def _refuse(reason: str) -> int:
    print(f"fastnn: {reason}", file=sys.stderr)
    return backend.MALFORMED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
