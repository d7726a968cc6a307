"""Table F: from the start of a process to the end of its first training step, for each library.

    python3 bench/first_use.py LIBRARY ROW DTYPE

is what runs in a process of its own: it takes one step and prints the clock, which its parent read before it began.
"""

import os
import subprocess
import sys
import tempfile
import time

import rows

ROUNDS = 3
WARM = "fastnn, second process"


def main(library: str, operation: str, dtype: str) -> int:
    """One step, then the clock."""
    import steps

    row = next(row for row in rows.rows("F", dtype) if row.operation == operation)
    taken = steps.trainer(library, row.network, steps.first_weights(row.network, dtype))
    float(taken.step_on(*steps.samples(row.network, row.m, dtype))())
    print(time.monotonic())
    return 0


def seconds(library: str, operation: str, dtype: str, cache: str) -> float:
    """The time of a new process, with fastnn's compiled code in `cache`; time.monotonic is one clock for all processes."""
    environment = {**os.environ, "FASTNN_CACHE_DIR": cache, "FASTNN_QUIET": "1"}
    begun = time.monotonic()
    command = [sys.executable, __file__, library, operation, dtype]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"first step of {operation} with {library}: {done.stderr.strip()}")
    return float(done.stdout) - begun


def measure(operation: str, dtype: str, names: list[str]) -> dict[str, float]:
    """The shortest times for one network, by library and by what is in fastnn's cache."""
    other = next(row.operation for row in rows.rows("F", dtype) if row.operation != operation)
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as used:
            seconds("fastnn", other, dtype, used)
            times = {
                "fastnn, empty cache": seconds("fastnn", operation, dtype, cold),
                "fastnn, after the other network": seconds("fastnn", operation, dtype, used),
                WARM: seconds("fastnn", operation, dtype, cold),
                **{name: seconds(name, operation, dtype, cold) for name in names},
            }
        best = {name: min(time, best.get(name, time)) for name, time in times.items()}
    return best


def lines(chosen: list[rows.Row], dtype: str, names: list[str]) -> list[str]:
    """The table; the ratio is to fastnn's second process."""
    found = {row: measure(row.operation, dtype, names) for row in chosen}
    heads = [f"{row.operation} {row.size}, s | ratio" for row in found]
    text = [f"| | {' | '.join(heads)} |", f"|---|{'--:|--:|' * len(found)}"]
    for name in next(iter(found.values())):
        cells = [f"{best[name]:.2f} | {best[name] / best[WARM]:.2f}" for best in found.values()]
        text.append(f"| {name} | {' | '.join(cells)} |")
    return text


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
