"""Prints which behaviours were seen, routine by outcome, and what of all that the
tables document was never reached. A FILE is what `pc.behaviours.save(path)`, a
campaign or the fuzz targets wrote; several are united.

example:
  storsim coverage *.behaviours --routine '*Pool*' --never
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys

from storsim.cli import text

NAME = "coverage"
HELP = "which behaviours were seen, and what was never reached"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim coverage``."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="sets of behaviours; their union is shown")
    parser.add_argument("--routine", default="*", metavar="PATTERN", help="only routines that match, e.g. '*Pool*'")
    parser.add_argument("--never", action="store_true", help="only what was never reached")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("-o", "--out", dest="output", metavar="FILE", help="also write the union to this file")


def run(arguments: argparse.Namespace) -> int:
    """Prints the table. 0; a file that is no set is an error of the input."""
    from storsim.coverage import load, merge

    seen = merge([load(path) for path in arguments.files])
    if arguments.output:
        seen.save(arguments.output)
    lines = [line for line in seen.table() if fnmatch.fnmatch((line.routine or "").lower(), arguments.routine.lower())]
    left = seen.never()
    statuses = [pair for pair in left.statuses if fnmatch.fnmatch(pair[0].lower(), arguments.routine.lower())]
    if arguments.json:
        document = {
            "behaviours": len(seen),
            "reached": [] if arguments.never else [line._asdict() for line in lines],
            "never": {"statuses": statuses, "routines": left.routines, "rules": left.rules},
        }
        json.dump(document, sys.stdout, indent=2)
        print()
        return 0
    if not arguments.never:
        rows = [
            (
                line.routine or "(outside of routines)",
                line.outcome,
                str(line.states),
                "rule" if line.kind == "finding" else "",
            )
            for line in lines
        ]
        print("\n".join(text.table(("routine", "outcome", "states", ""), rows, "llrl")))
    print("\n".join(text.heading("Never reached: documented statuses")))
    print("\n".join(text.table(("routine", "status"), statuses)) if statuses else "  none")
    print("\n".join(text.heading("Never reached: rules")))
    print("\n".join(text.wrap(", ".join(left.rules) or "none")))
    print(f"\n{text.many(len(seen), 'behaviour')} in {text.many(len(arguments.files), 'file')}; ", end="")
    print(f"{len(left.statuses)} documented statuses and {len(left.rules)} rules never reached")
    return 0
