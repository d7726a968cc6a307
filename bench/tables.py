"""Times fastnn beside its peers, row by row, and writes a section of bench/TABLES.md.

    python3 bench/tables.py D --threads 1 --dtype float32

One process, the same arrays, dtype and threads for all; each row's contenders first have to agree and then take turns, and
the shortest time of each counts. With --rows only the rows whose text contains one of the words, printed and not written.
"""

import argparse
import sys
import time
from pathlib import Path

import machine
import page
import peers
import rows
import threads

TABLES = Path(__file__).parent / "TABLES.md"
TITLES = {
    "C": "Convolution kernels",
    "D": "Dense kernels",
    "E": "Elementary functions",
    "F": "First use",
    "M": "Products in @njit",
    "P": "Pooling kernels",
    "T": "Training steps",
}
HEAD = """# Tables

Made by `bench/tables.py`; [CONTRIBUTING.md](../CONTRIBUTING.md) has the commands, `bench/rows.py` the rows. Times are
the shortest of many rounds in which the contenders took turns. Ratio: a peer's time over fastnn's, so above 1 fastnn is
faster; in bold against the best peer. Peak: the register tile's own in the first-level cache; it takes its turn in each row.
"""
PACKAGES = "numpy", "numba", "scipy", "torch", "jax"
EPOCHS = 3  # rounds of the rows that take seconds


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        threads.limit(options.threads)
        names = chosen_peers(options)
        section = first_use(options, names) if options.table == "F" else races(options, names)
    except (peers.MissingPeerError, ValueError, AssertionError) as error:
        print(f"bench/tables.py: {error}", file=sys.stderr)
        return 1
    print(f"\n{section}", end="")
    if not options.rows:
        write(options.page, section)
    return 0


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="bench/tables.py", description="Time fastnn beside its peers, row by row.")
    found.add_argument("table", choices=TITLES, help=", ".join(f"{letter}: {title}" for letter, title in TITLES.items()))
    found.add_argument("--threads", type=int, default=1, help="for every pool (default: 1)")
    found.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    found.add_argument("--rows", nargs="+", metavar="TEXT", help="only rows that contain one of these; nothing is written")
    found.add_argument("--peers", nargs="*", metavar="NAME", help="only these; they must be there (default: all installed)")
    found.add_argument("--seconds", type=float, default=0.3, help="for each contender in a row (default: 0.3)")
    found.add_argument("--page", type=Path, default=TABLES, help=f"where the section is written (default: {TABLES.name})")
    return found


def chosen_peers(options: argparse.Namespace) -> list[str]:
    """The table's peers that are installed, or those that were asked for."""
    offered = peers.TABLES[options.table]
    if options.peers is None:
        return peers.installed(offered)
    for name in options.peers:
        if name not in offered:
            raise ValueError(f"--peers: expected some of {', '.join(offered)}, got {name!r}")
    peers.require(options.peers)
    return list(options.peers)


def chosen_rows(options: argparse.Namespace) -> list[rows.Row]:
    found = rows.rows(options.table, options.dtype)
    if options.rows:
        found = [row for row in found if any(text in rows.name(row) for text in options.rows)]
    if not found:
        raise ValueError(f"--rows: no row of table {options.table} contains {' or '.join(map(repr, options.rows))}")
    return found


def races(options: argparse.Namespace, names: list[str]) -> str:
    """The section of a table: each row checked and timed."""
    from contest import LEAST_ROUNDS, PAUSE, check, race  # numpy, and with it all pools, only after the threads are set
    from contests import contest
    from peak import Tile

    timings = []
    tile = Tile(options.dtype)
    for row in chosen_rows(options):
        taken = contest(row, options.dtype, names)
        check(taken)
        calls = {name: contender.run for name, contender in taken.contenders.items()}
        least = EPOCHS if isinstance(row, rows.EpochRow) else LEAST_ROUNDS
        seconds = race({**calls, "tile": tile.run}, options.seconds, least, PAUSE if options.threads > 1 else 0)
        timings.append(page.Timing(row, seconds, options.threads * tile.flops / seconds.pop("tile")))
        print(page.table(timings[-1:])[-1], flush=True)
    return page.section(title(options), facts(options), timings)


def first_use(options: argparse.Namespace, names: list[str]) -> str:
    """The section of table F."""
    from first_use import lines

    return (
        "\n".join(
            [
                f"## {title(options)}",
                "",
                *(f"- {fact}" for fact in facts(options)),
                "",
                *lines(chosen_rows(options), options.dtype, names),
            ]
        )
        + "\n"
    )


def title(options: argparse.Namespace) -> str:
    count = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    return f"{options.table}. {TITLES[options.table]}, {options.dtype}, {count}"


def facts(options: argparse.Namespace) -> list[str]:
    """What a section depends on."""
    missing = [name for name in peers.TABLES[options.table] if name not in peers.installed((name,))]
    return [
        f"CPU: {machine.cpu()}, {options.threads} of its cores",
        machine.versions(PACKAGES) + (f"; without {', '.join(missing)}" if missing else ""),
        f"Commit {machine.commit()}, {time.strftime('%Y-%m-%d')}",
    ]


def write(path: Path, section: str) -> None:
    before = path.read_text(encoding="utf-8") if path.exists() else HEAD
    path.write_text(page.with_section(before, section), encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
