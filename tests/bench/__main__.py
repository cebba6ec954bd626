"""Everything about speed, in one command:

    python -m tests.bench [--quick] [--only ROW ...] [--json FILE] [--picture FILE] [--prototype RADIX.c] [--traces DIR]

Every figure is a ratio to a yardstick measured in the same run, in turn with it, or an absolute one where the row
says so; behind it the middle half of the rounds. What a row needs and does not find it names; such a row says "not
measured".
Nothing is asserted.

Needs a C compiler and make; the core is built once, into a temporary directory. Peers, where they are installed:
mimalloc and jemalloc (Debian: libmimalloc2.0, libjemalloc2; or STORSIM_BENCH_MIMALLOC=/path/to/lib.so),
sortedcontainers and virtual-allocator (PyPI), valgrind for instructions, Hypothesis, matplotlib for the picture.
STORSIM_BENCH_PROTOTYPE and STORSIM_BENCH_TRACES stand for the two options.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.installed import prefer

prefer()  # before anything is imported that imports storsim

from tests.bench import report, rows_audio, rows_core, rows_python, rows_testing  # noqa: E402
from tests.bench.build import CannotBuild, extension  # noqa: E402
from tests.bench.measure import Row  # noqa: E402

Group = Callable[[], list[Row]]


def _path(text: str | None, variable: str) -> Path | None:
    chosen = text or os.environ.get(variable)
    return Path(chosen) if chosen else None


def _groups(options: argparse.Namespace, folder: Path) -> dict[str, Group]:
    """Groups of rows by the first part of their keys. What several need is built once, when the first asks for it."""
    quick, count = options.quick, options.rounds or (5 if options.quick else 11)
    built: dict[str, rows_core.Core] = {}

    def core() -> rows_core.Core:
        if "core" not in built:
            built["core"] = rows_core.Core(folder, _path(options.prototype, "STORSIM_BENCH_PROTOTYPE"))
        return built["core"]

    def calls() -> list[Row]:
        try:
            alone: float | None = min(core().routine("dma", 100_000) for _ in range(3))
        except CannotBuild:
            alone = None
        return rows_python.calls(extension(folder), count, alone)

    def audio() -> list[Row]:
        try:
            seconds = 20 if quick else 100
            own: Callable[[], float] | None = partial(core().notification, seconds)
        except CannotBuild:
            own = None
        return rows_audio.streams(extension(folder), count, own)

    few = max(3, count // 3)
    return {
        "python": calls,
        "machine": lambda: rows_python.machines(count),
        "snapshot": lambda: rows_python.snapshots(count),
        "audio": audio,
        "batch": lambda: rows_testing.journals(core().folder / "run_journal", few),
        "hypothesis": lambda: rows_testing.hypothesis_machines(1 if quick else 7, 1 if quick else 99),
        "placement": lambda: rows_core.placement(few),
        "pages": lambda: rows_core.pages(core(), quick, few, _path(options.traces, "STORSIM_BENCH_TRACES")),
        "w5": lambda: rows_core.pool(core(), quick, few),
        "routine": lambda: rows_core.routines(core()),
        "metadata": lambda: [] if quick else rows_core.metadata(),
    }


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Ratios to yardsticks measured in the same run."
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller workloads and fewer rounds: under a minute once the core is built"
    )
    parser.add_argument(
        "--only", action="append", metavar="ROW", help="groups or rows whose key starts so; may be repeated"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every row (11; quick: 5)")
    parser.add_argument(
        "--json", type=Path, default=Path("bench.json"), metavar="FILE", help="where the figures go (bench.json)"
    )
    parser.add_argument(
        "--picture", type=Path, default=Path("bench.png"), metavar="FILE", help="where the picture goes (bench.png)"
    )
    parser.add_argument("--markdown", action="store_true", help="prints the table as in the README")
    parser.add_argument(
        "--prototype", metavar="FILE", help="C source of an allocator to compare with, behind the trace ABI"
    )
    parser.add_argument("--traces", metavar="DIR", help="trace files to replay besides the generated workloads")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        groups = _groups(options, Path(folder))
        for name, group in groups.items():
            wanted = options.only is None or any(
                only.split(".")[0] == name or (name == "pages" and only[0] == "w") for only in options.only
            )
            if not wanted:
                continue
            start = time.perf_counter()
            try:
                rows += group()
            except CannotBuild as error:
                rows.append(Row(name, "this group of rows", "", None, missing=str(error)))
            print(f"{name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    if options.only is not None:
        groups_named = set(groups)
        rows = [row for row in rows if any(only in groups_named or row.key.startswith(only) for only in options.only)]
    print(report.markdown(rows) if options.markdown else report.text(rows))
    report.write_json(rows, options.json)
    try:
        report.draw(rows, options.picture)
    except ImportError:
        print("no picture: pip install matplotlib", file=sys.stderr)


if __name__ == "__main__":
    main()
