"""From pytest-benchmark's result to bench/RESULTS.md.

python -m pytest bench --benchmark-json=result.json && python bench/report.py result.json
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "RESULTS.md"
BACKENDS = ("numba", "numpy")


class ReportError(Exception):
    """Why there is no report: one line for the user."""


def load(path: Path) -> dict[str, Any]:
    """The result file's content, known to come from bench/test_kernels.py."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ReportError(f"{path}: expected JSON: {error}") from None
    if not isinstance(content, dict) or "benchmarks" not in content or "fastnn" not in content.get("machine_info", {}):
        raise ReportError(f"{path}: expected a result of `python -m pytest bench --benchmark-json={path}`")
    return content


def groups(content: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The shortest time of each backend in each group, in seconds."""
    times: dict[str, dict[str, float]] = {}
    for entry in content["benchmarks"]:
        backend = entry["extra_info"].get("backend")
        if backend in BACKENDS:
            times.setdefault(entry["group"], {})[backend] = entry["stats"]["min"]
    whole = {group: pair for group, pair in times.items() if len(pair) == len(BACKENDS)}
    if not whole:
        raise ReportError("expected at least one kernel that was timed with both backends")
    return whole


def machine(content: dict[str, Any]) -> list[str]:
    """What the times depend on, one line each."""
    info = content["machine_info"]
    versions = info["fastnn"]
    return [
        f"- CPU: {info.get('cpu', {}).get('brand_raw', 'unknown')}, {info.get('cpu', {}).get('count', '?')} logical cores",
        f"- System: {info['system']} {info['release']}, {info['machine']}",
        f"- Python {info['python_version']}, NumPy {versions['numpy']} ({versions['blas']}), Numba {versions['numba']}",
        f"- Threads: {versions['threads']}",
        f"- Commit: {versions['commit']}",
        f"- Date: {content['datetime'][:10]}",
    ]


def duration(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f}"


def report(content: dict[str, Any]) -> str:
    """The whole page: a table for each kernel, and the geometric mean of all ratios."""
    times = groups(content)
    ratios = {group: pair["numpy"] / pair["numba"] for group, pair in times.items()}
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    wins = sum(ratio > 1 for ratio in ratios.values())
    lines = [
        "# Numba and NumPy, kernel by kernel",
        "",
        "Made by `bench/report.py`; see `bench/test_kernels.py` for what is timed. Times are the shortest of many calls.",
        "Ratio: NumPy's time over Numba's, so above 1 Numba is faster.",
        "",
        *machine(content),
        "",
        f"Geometric mean of the {len(ratios)} ratios: **{mean:.2f}**. "
        f"Numba is faster in {wins}, NumPy in {len(ratios) - wins}.",
    ]
    for kernel in dict.fromkeys(group.split(" ")[0] for group in times):
        lines += ["", f"## {kernel}", "", "| size | dtype | Numba, µs | NumPy, µs | ratio |", "|---|---|--:|--:|--:|"]
        for group, pair in times.items():
            name, size, dtype = group.split(" ")
            if name == kernel:
                numba, numpy = (duration(pair[backend]) for backend in BACKENDS)
                lines.append(f"| {size} | {dtype} | {numba} | {numpy} | {ratios[group]:.2f} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python bench/report.py RESULT.json", file=sys.stderr)
        return 2
    try:
        RESULTS.write_text(report(load(Path(arguments[0]))), encoding="utf-8")
    except ReportError as error:
        print(f"bench/report.py: {error}", file=sys.stderr)
        return 1
    print(f"wrote {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
