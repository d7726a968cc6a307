"""What the times depend on: CPU, versions, commit."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = "bench/TABLES.md", "bench/RESULTS.md"


def commit(folder: Path = ROOT) -> str:
    """The checkout's commit, and whether files differ from it, other than the pages that benchmarks write."""
    try:
        number = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{page}" for page in PAGES))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{number}-dirty" if changed else number


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def cpu() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def versions(packages: tuple[str, ...]) -> str:
    """The versions of those that are installed."""
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
