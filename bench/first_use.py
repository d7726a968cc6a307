"""Table F: from the start of a process to the end of its first training step, for each library.

    python3 bench/first_use.py LIBRARY ROW

is what runs in a process of its own: it takes one step and prints the clock, which its parent read before it began.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rows

ROUNDS = 3


def main(library: str, operation: str) -> int:
    """One step, then the clock."""
    import steps

    row = first_row(operation)
    taken = steps.trainer(library, row.network, steps.first_weights(row.network, "float32"))
    float(taken.step_on(*steps.samples(row.network, row.m, "float32"))())
    print(time.monotonic())
    return 0


def first_row(operation: str) -> rows.StepRow:
    return next(row for row in rows.STEPS if row.operation == operation)


def seconds(library: str, operation: str, cache: Path) -> float:
    """The time of a new process, with fastnn's compiled code in `cache`; time.monotonic is one clock for all processes."""
    environment = {**os.environ, "FASTNN_CACHE_DIR": str(cache), "FASTNN_QUIET": "1"}
    begun = time.monotonic()
    command = [sys.executable, __file__, library, operation]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"first step of {operation} with {library}: {done.stderr.strip()}")
    return float(done.stdout) - begun


def measure(names: list[str], operation: str) -> dict[str, float]:
    """The shortest times for one network, by library and by what is in fastnn's cache."""
    other = next(name for name in rows.FIRST_USE if name != operation)
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as used:
            seconds("fastnn", other, Path(used))
            times = {
                "fastnn, empty cache": seconds("fastnn", operation, Path(cold)),
                "fastnn, after the other network": seconds("fastnn", operation, Path(used)),
                "fastnn, second process": seconds("fastnn", operation, Path(cold)),
                **{name: seconds(name, operation, Path(cold)) for name in names},
            }
        best = {name: min(time, best.get(name, time)) for name, time in times.items()}
    return best


def lines(names: list[str]) -> list[str]:
    """The table; the ratio is to fastnn's second process."""
    found = {operation: measure(names, operation) for operation in rows.FIRST_USE}
    heads = [f"{operation} {first_row(operation).network.name}, s | ratio" for operation in found]
    text = [f"| | {' | '.join(heads)} |", f"|---|{'--:|--:|' * len(found)}"]
    for name in next(iter(found.values())):
        cells = [f"{best[name]:.2f} | {best[name] / best['fastnn, second process']:.2f}" for best in found.values()]
        text.append(f"| {name} | {' | '.join(cells)} |")
    return text


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
