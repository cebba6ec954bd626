"""``python -m tests.trust``: makes every figure of the table in the guide's page on trust again.

--quick leaves out what takes more than five minutes; --hours 2 lets threads, signals and fuzzing go on for two hours
each. Each row prints whether its claim held, its figure and its seconds. The last line is ``trust: HELD/ROWS rows
hold``. Exit code 1 when a row did not hold, also when what it needs is not here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

from tests.installed import prefer

MODULES = (
    "hosts",
    "python_memory",
    "capi",
    "leaks",
    "threads",
    "free",
    "fuzz",
    "proofs",
    "outside",
    "platforms",
    "digests",
    "coverage",
    "mutants",
)


def main() -> int:
    """Runs the rows asked for."""
    prefer()
    parser = argparse.ArgumentParser(prog="python -m tests.trust", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only rows that take under five minutes")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only rows whose name contains this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here")
    parser.add_argument("--where-possible", action="store_true", help="a row whose tools are not here does not count")
    parser.add_argument("--list", action="store_true", help="show the rows and run none")
    parser.add_argument(
        "--hours", type=float, metavar="N", help="how long each open-ended row goes on (threads, signals, fuzz)"
    )
    options = parser.parse_args()
    if options.hours is not None:
        os.environ["STORSIM_TRUST_SECONDS"] = str(3600 * options.hours)
    from trust.rows import ROWS, Held, Unavailable

    for module in MODULES:
        importlib.import_module(f"trust.{module}")
    chosen = [row for row in ROWS if row.quick or not options.quick]
    if options.only:
        chosen = [row for row in chosen if any(text in row.name for text in options.only)]
    if options.list:
        for row in ROWS:
            print(f"{row.name:28} {'quick' if row.quick else 'long '} {row.claim}")
        return 0
    table, held, absent = [], 0, 0
    for row in chosen:
        start = time.monotonic()
        try:
            outcome = row.run()
        except Unavailable as error:
            if options.where_possible:
                print(f"  --   {row.name:28} not made: {error}", flush=True)
                absent += 1
                continue
            outcome = Held(False, f"not made: {error}")
        except RuntimeError as error:
            outcome = Held(False, str(error))
        seconds = time.monotonic() - start
        held += outcome.held
        print(f"{'holds' if outcome.held else 'FAILS'}  {row.name:28} {seconds:6.1f} s  {outcome.figure}", flush=True)
        table.append({"row": row.name, "claim": row.claim, "held": outcome.held, "figure": outcome.figure})
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")
    print(f"trust: {held}/{len(chosen) - absent} rows hold")
    return 0 if held == len(chosen) - absent else 1


if __name__ == "__main__":
    sys.exit(main())
