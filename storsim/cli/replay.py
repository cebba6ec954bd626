"""Re-executes a journal and compares every result, and the digest at its end.
Needs nothing but the journal: callbacks answer as they did then.

example:
  storsim replay run.journal
"""

from __future__ import annotations

import argparse
import json
import sys

from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT

NAME = "replay"
HELP = "re-execute a journal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim replay``."""
    parser.add_argument("journal", metavar="JOURNAL", help="a file written by a machine")
    parser.add_argument("--records", action="store_true", help="print what it holds")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace) -> int:
    """Replays. 0: as recorded; 1: something differs; 3: the file cannot be used."""
    from storsim.journal import load

    try:
        journal = load(arguments.journal)
        found = journal.replay()
    except ValueError as error:
        sys.stderr.write(f"storsim: error: {arguments.journal}: {error}\n")
        return EXIT_INPUT
    if arguments.json:
        values = found._asdict() | {"ok": found.ok, "torn": journal.torn, "digest": f"{found.digest:016x}"}
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
        return EXIT_DONE if found.ok else EXIT_FOUND
    if arguments.records:
        for record in journal.records():
            sys.stdout.write(f"{record.number:6} {record}\n")
    tail = "; the recording stops inside a record, as after a crash" if journal.torn else ""
    if not found.ok:
        sys.stdout.write(f"different after {found.calls} calls: {found.difference}{tail}\n")
        return EXIT_FOUND
    digest = f"digest {found.digest:016x} confirmed" if found.sealed else "no digest recorded"
    sys.stdout.write(f"{found.calls} calls replayed as recorded, {digest}{tail}\n")
    return EXIT_DONE
