"""Prints a journal as a stand-alone Python program with documented names.

example:
  storsim script small.journal > reproduce.py
"""

from __future__ import annotations

import argparse
import sys

from storsim.cli import EXIT_DONE, EXIT_INPUT

NAME = "script"
HELP = "print a journal as a Python program"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim script``."""
    parser.add_argument("journal", metavar="JOURNAL", help="a file written by a machine")
    parser.add_argument("-o", "--out", dest="output", metavar="FILE", help="write it here instead of printing it")


def run(arguments: argparse.Namespace) -> int:
    """Prints. 0: done; 3: the file cannot be used."""
    from storsim.journal import load

    try:
        program = load(arguments.journal).script()
        if arguments.output:
            with open(arguments.output, "w", encoding="utf-8") as file:
                file.write(program)
        else:
            sys.stdout.write(program)
    except ValueError as error:
        sys.stderr.write(f"storsim: error: {arguments.journal}: {error}\n")
        return EXIT_INPUT
    return EXIT_DONE
