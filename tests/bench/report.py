"""What the rows say: as text, as a table for the README, as JSON, as one picture."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.bench.measure import Row


def machine() -> str:
    """The machine the figures are from: processor, cores, system, Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, {python}"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def figure(row: Row) -> str:
    """Median with its spread, or why there is none."""
    if row.value is None:
        return f"not measured ({row.missing})"
    unit = f" {row.unit}" if row.unit else ""
    spread = "" if row.value.low == row.value.high else f" ({_number(row.value.low)} – {_number(row.value.high)})"
    return f"{_number(row.value.median)}{unit}{spread}"


def goal(row: Row) -> str:
    """The target, or a dash."""
    if row.target is None:
        return "–"
    return f"{'≥' if row.least else '≤'} {row.target:g}"


def verdict(row: Row) -> str:
    """Whether the target is met, in a word."""
    return {True: "met", False: "missed", None: ""}[row.met]


def text(rows: Iterable[Row]) -> str:
    """A table for a terminal."""
    lines = [machine(), ""]
    for row in rows:
        lines.append(
            f"{row.key:34} {figure(row):>32}   {goal(row):>8} {verdict(row):7} {row.what}, against: {row.yardstick}"
        )
        if row.detail:
            lines.append(" " * 35 + ", ".join(f"{name} {_number(value)}" for name, value in row.detail.items()))
    return "\n".join(lines)


def markdown(rows: Iterable[Row]) -> str:
    """A table for a README."""
    lines = ["| what | against | target | reached (middle half of the rounds) |", "|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.yardstick} | {goal(row)} | {figure(row)} {verdict(row)} |".replace(" |", " |")
        for row in rows
    ]
    return "\n".join(lines)


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Every row with its figures and details, and the machine."""
    data = {"machine": machine(), "python": sys.version, "rows": [asdict(row) | {"met": row.met} for row in rows]}
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def draw(rows: Iterable[Row], path: Path) -> None:
    """Rows with a target, as the share of the target that was used; raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [row for row in rows if row.value is not None and row.target]
    shares = [
        [
            (bound if not row.least else 1 / bound) / (row.target if not row.least else 1 / row.target)
            for bound in (row.value.median, row.value.low, row.value.high)
        ]
        for row in shown
        if row.value and row.target
    ]
    figure_, axes = pyplot.subplots(figsize=(10, 0.32 * len(shown) + 1.4), layout="constrained")
    for place, (middle, low, high) in enumerate(shares):
        axes.plot([low, high], [place, place], color="#444444", linewidth=2)
        axes.plot([middle], [place], "o" if middle <= 1 else "X", color="#0072B2" if middle <= 1 else "#D55E00")
    axes.axvline(1, color="#444444", linestyle="--", linewidth=1)
    axes.set_yticks(
        range(len(shown)), [row.what if len(row.what) < 70 else row.what[:67] + "…" for row in shown], fontsize=7
    )
    axes.set_xscale("log")
    axes.set_xlabel("share of the target that is used: left of the line it is met (circle), right of it missed (cross)")
    axes.set_title(machine(), fontsize=8)
    axes.invert_yaxis()
    figure_.savefig(path, dpi=130)
    pyplot.close(figure_)
