"""From times to Markdown: a section a run, and a page of sections. Ratios are a peer's time over fastnn's."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from rows import Row


class Timing(NamedTuple):
    """A row's shortest time by contender, in seconds, and the tile's peak in the same rounds, for all threads."""

    row: Row
    seconds: dict[str, float]
    peak: float

    @property
    def ratios(self) -> dict[str, float]:
        ours = self.seconds["fastnn"]
        return {name: time / ours for name, time in self.seconds.items() if name != "fastnn"}

    @property
    def ratio(self) -> float | None:
        """Against the best peer; None where there is none."""
        return min(self.ratios.values(), default=None)

    @property
    def speed(self) -> float:
        """fastnn's operations a second."""
        return self.row.flops / self.seconds["fastnn"]

    @property
    def share(self) -> float:
        """fastnn's speed as a part of the peak."""
        return self.speed / self.peak


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def section(title: str, facts: Sequence[str], timings: Sequence[Timing]) -> str:
    """One run as text: what it depends on, what it comes to, and its rows."""
    peaks = [timing.peak / 1e9 for timing in timings]
    facts = [*facts, f"Peak of the register tile: {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s"]
    lines = [f"## {title}", "", *(f"- {fact}" for fact in facts), ""]
    if any(timing.ratio is not None for timing in timings):
        lines += [*summary(timings), ""]
    return "\n".join([*lines, *table(timings)]) + "\n"


def summary(timings: Sequence[Timing]) -> list[str]:
    """The ratios of all rows and of each group of rows: geometric mean and lowest, and the lowest share of the peak."""
    kinds = [group for place in (0, 1) for timing in timings for group in timing.row.groups[place : place + 1]]
    groups = ["all", *dict.fromkeys(kinds)]
    lines = ["| rows | number | geometric mean | lowest ratio | of peak, lowest |", "|---|--:|--:|--:|--:|"]
    for group in groups:
        chosen = [timing for timing in timings if group == "all" or group in timing.row.groups]
        ratios = [timing.ratio for timing in chosen if timing.ratio is not None]
        share = percent(min(timing.share for timing in chosen))
        lines.append(f"| {group} | {len(chosen)} | **{geometric_mean(ratios):.2f}** | {min(ratios):.2f} | {share} |")
    return lines


def table(timings: Sequence[Timing]) -> list[str]:
    """A line a row: µs, each peer's with its ratio, the ratio to the best of them, and fastnn's speed."""
    names = list(dict.fromkeys(name for timing in timings for name in timing.seconds if name != "fastnn"))
    lines = [
        f"| | size | {' | '.join(f'{name}, µs' for name in ('fastnn', *names))} | ratio | GFLOP/s | of peak |",
        f"|---|---|{'--:|' * (len(names) + 4)}",
    ]
    for timing in timings:
        peers = [
            f"{microseconds(timing.seconds[name])} ({timing.ratios[name]:.2f})" if name in timing.seconds else "-"
            for name in names
        ]
        ratio = "-" if timing.ratio is None else f"**{timing.ratio:.2f}**"
        speed = f"{timing.speed / 1e9:.1f}" if timing.speed else "-"
        cells = [timing.row.operation, timing.row.size, microseconds(timing.seconds["fastnn"]), *peers, ratio, speed]
        lines.append(f"| {' | '.join([*cells, percent(timing.share)])} |")
    return lines


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.2f}" if seconds < 1e-4 else f"{seconds * 1e6:,.0f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share else "-"


def with_section(page: str, text: str) -> str:
    """The page with this section in the place of the one with its title, else in the order of titles; the rest as it was."""
    head, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    titled = {old.partition("\n")[0]: old.rstrip("\n") for old in sections}
    titled[text.partition("\n")[0]] = text.rstrip("\n")
    return "\n\n".join([head.rstrip("\n"), *(titled[title] for title in sorted(titled))]) + "\n"
