"""The ``storsim`` command.

Each subcommand is one module of this package with ``NAME``, ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``;
listing it in `COMMANDS` is all it takes to add one. ``run`` returns the exit code or raises: what the user can cause (a
file that cannot be read or understood) becomes one line on standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

COMMANDS = ("demo", "play", "record", "sweep", "export", "info", "ddis", "campaign", "coverage")

EXIT_DONE = 0
EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_INTERRUPTED = 130

EXIT_CODES = """\
exit codes:
  0    done
  1    the simulation did something the command did not expect
  2    wrong use of the command line
  3    a file could not be read or understood
  130  interrupted
"""


def commands() -> list[ModuleType]:
    """The modules of the subcommands, in the order ``--help`` lists them."""
    return [importlib.import_module(f"{__name__}.{name}") for name in COMMANDS]


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    from storsim import __version__

    parser = argparse.ArgumentParser(
        prog="storsim",
        description="A simulated PC for people who write Windows storage and audio drivers.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"storsim {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for module in commands():
        subparser = subparsers.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.__doc__,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line (`sys.argv` unless given) and returns the exit code, see `EXIT_CODES`."""
    from storsim.importers import MapError

    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except MapError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader went away (a pager, head): not worth a message. Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        name = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{name}{error.strerror or error}")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _fail(message: str) -> int:
    print(f"storsim: error: {' '.join(message.split())}", file=sys.stderr)
    return EXIT_INPUT
