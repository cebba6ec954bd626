"""Finds the shortest journal that meets the same finding: removes operations and
simplifies arguments while it is still met.

example:
  storsim shrink run.journal --out small.journal
"""

from __future__ import annotations

import argparse
import json
import sys

from storsim.cli import EXIT_DONE, EXIT_INPUT
from storsim.cli.progress import progress

NAME = "shrink"
HELP = "make a failing journal small"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim shrink``."""
    parser.add_argument("journal", metavar="JOURNAL", help="a file written by a machine")
    parser.add_argument("-o", "--out", dest="output", metavar="FILE", help="write the small one here (JOURNAL.small)")
    parser.add_argument("--budget", type=int, default=100_000, metavar="N", help="candidates tried at most (100000)")
    parser.add_argument("--keep-arguments", action="store_true", help="only remove operations")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace) -> int:
    """Shrinks. 0: done; 3: the file cannot be used, or has no finding."""
    from storsim.journal import load

    output = arguments.output or f"{arguments.journal}.small"
    try:
        journal = load(arguments.journal)
        with progress("candidates") as step:
            small = journal.shrink(
                budget=arguments.budget,
                keep_arguments=arguments.keep_arguments,
                progress=lambda tried, left: step(tried, arguments.budget) is None,
            )
        small.save(output)
    except ValueError as error:
        sys.stderr.write(f"storsim: error: {arguments.journal}: {error}\n")
        return EXIT_INPUT
    found = small.shrunk
    assert found is not None
    if arguments.json:
        values = found._asdict() | {"key": found.key._asdict(), "output": output}
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
        return EXIT_DONE
    where = f" in {found.key.routine}" if found.key.routine else ""
    state = "nothing more can go" if found.minimal else "the budget ended the search"
    sys.stdout.write(
        f"{found.key.kind} {found.key.name}{where}: {found.before} operations to {found.after}, "
        f"{found.tried} candidates tried, {state}\n{output}\n"
    )
    return EXIT_DONE
