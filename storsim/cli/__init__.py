"""The ``storsim`` command.

Each subcommand is one module of this package with ``NAME``, ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``;
listing it in `COMMANDS` is all it takes to add one. Its docstring is its help, with an example at the end; help fits
into 24 lines of 80 columns. ``run`` returns the exit code or raises: what the user can cause (a
file that cannot be read or understood) becomes one line on standard error.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from storsim.cli.parser import Parser

COMMANDS = (
    "demo",
    "play",
    "record",
    "sweep",
    "coverage",
    "campaign",
    "replay",
    "shrink",
    "script",
    "export",
    "ddis",
    "info",
)

EXIT_DONE = 0
EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_INTERRUPTED = 130

EXIT_CODES = """\
exit codes, of every command:
  0 done             1 found something: a leak, a glitch, a difference
  2 wrong use        3 a file could not be read or understood   130 interrupted
"""


def commands() -> list[ModuleType]:
    """The modules of the subcommands, in the order ``--help`` lists them."""
    return [importlib.import_module(f"{__name__}.{name}") for name in COMMANDS]


def build_parser() -> Parser:
    """The parser with all subcommands."""
    from storsim import __version__

    modules = commands()
    parser = _Main(prog="storsim", description=_overview(modules))
    parser.add_argument("--version", action="version", version=f"storsim {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for module in modules:
        subparser = subparsers.add_parser(module.NAME, description=module.__doc__)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def _overview(modules: Sequence[ModuleType]) -> str:
    lines = [f"  {module.NAME:10}{module.HELP}" for module in modules]
    return "\n".join(
        ["A simulated PC for people who write Windows storage and audio drivers.", "", *lines, "", EXIT_CODES.rstrip()]
    )


class _Main(Parser):
    def format_help(self) -> str:
        """Usage and overview."""
        return f"usage: storsim COMMAND ...      storsim COMMAND --help      storsim --version\n\n{self.description}\n"


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
