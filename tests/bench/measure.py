"""Interleaved timing: what is compared takes turns, round by round, so that a noisy machine troubles all alike.

Times are those of the processor for this process, so that what else the machine does is not counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Does its work `times` times and returns seconds.
Timed = Callable[[int], float]


@dataclass(frozen=True)
class Ratio:
    """One number of a row: median over the rounds, with the middle half as spread."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: list[float]) -> Ratio:
        """Median and quartiles."""
        if len(values) < 4:
            return Ratio(statistics.median(values), min(values), max(values))
        low, middle, high = statistics.quantiles(values, n=4)
        return Ratio(middle, low, high)


@dataclass
class Row:
    """One line of the table. `value` is None when a peer is missing: then `missing` says how to get it."""

    key: str
    what: str
    yardstick: str
    target: float | None
    value: Ratio | None = None
    unit: str = "×"
    missing: str = ""
    detail: dict[str, float] = field(default_factory=dict)
    least: bool = False  # the target is a lower bound

    @property
    def met(self) -> bool | None:
        """Whether the median is within the target; None without a figure or target."""
        if self.value is None or self.target is None:
            return None
        return self.value.median >= self.target if self.least else self.value.median <= self.target


def loop(body: Callable[[], object]) -> Timed:
    """Times calls of a function; the loop itself is part of it, for storsim and yardstick alike."""

    def timed(times: int) -> float:
        start = time.process_time()
        for _ in range(times):
            body()
        return time.process_time() - start

    return timed


def source(code: str, **names: object) -> Timed:
    """Times a statement, written out ten times in a loop over local names."""
    parameters = ", ".join(f"{name}={name}" for name in names)
    lines = [
        f"def timed(times, clock=clock, {parameters}):",
        " start = clock()",
        " for _ in range(times // 10):",
        *("  " + line for line in code.splitlines() * 10),
        " return clock() - start",
    ]
    scope: dict[str, object] = {**names, "clock": time.process_time}
    exec("\n".join(lines), scope)
    timed = scope["timed"]
    assert callable(timed)
    return timed  # type: ignore[no-any-return]


def rounds(arms: Mapping[str, Timed], count: int, seconds: float = 0.02, least: int = 10) -> dict[str, list[float]]:
    """Seconds per call of each arm in each round. Every arm runs about `seconds` a round, in at least `least` calls."""
    times: dict[str, int] = {}
    for name, arm in arms.items():
        arm(least)
        spent = max(arm(least), 1e-9)
        times[name] = max(least, int(seconds / (spent / least)) // 10 * 10)
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(count):
        for name, arm in arms.items():
            found[name].append(arm(times[name]) / times[name])
    return found


def ratios(above: list[float], *below: list[float]) -> Ratio:
    """Ratio of each round to the sum of the others in the same round."""
    return Ratio.of([a / sum(parts) for a, *parts in zip(above, *below, strict=True)])
