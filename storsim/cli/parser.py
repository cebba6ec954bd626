"""The parser of the ``storsim`` command: help that fits a screen of 24 lines, wrong use answered in one line."""

from __future__ import annotations

import argparse
import difflib
from typing import Any, NoReturn

WIDTH = 80
EXAMPLE = "\nexample:"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=21, width=WIDTH)


class Parser(argparse.ArgumentParser):
    """A subcommand's parser. Its description is the module's docstring, from whose line ``example:`` on everything
    stands below the arguments.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        more |= {"add_help": False, "formatter_class": _Formatter, "allow_abbrev": False}
        super().__init__(*arguments, **more)
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
        self.set_defaults(parser=self)

    def format_usage(self) -> str:
        """One line."""
        words = [self.prog]
        if any(action.option_strings and action.dest != "help" for action in self._actions):
            words.append("[options]")
        for action in self._actions:
            if not action.option_strings:
                name = str(action.metavar or action.dest)
                words.append({"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ..."}.get(str(action.nargs), name))
        return f"usage: {' '.join(words)}\n"

    def format_help(self) -> str:
        """Usage, what the command does, its arguments, an example."""
        text, _, example = (self.description or "").partition(EXAMPLE)
        formatter = self._get_formatter()
        formatter.start_section("arguments")
        formatter.add_arguments(self._actions)
        formatter.end_section()
        parts = [self.format_usage(), text.strip() + "\n", formatter.format_help().strip() + "\n"]
        if example:
            parts.append(f"example:{example.rstrip()}\n")
        return "\n".join(parts)

    def error(self, message: str) -> NoReturn:
        """One line: what is wrong, what was meant perhaps, and where to read on. Exit code 2."""
        self.exit(2, f"{self.prog}: error: {message}{self._meant(message)}; see {self.prog} --help\n")

    def _meant(self, message: str) -> str:
        """The option that an unknown one looks like."""
        _, unknown, words = message.partition("unrecognized arguments: ")
        known = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(words.split()[0], known, 1) if unknown and words else []
        return f" (did you mean {near[0]}?)" if near else ""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse; an argument that nobody knows is the subcommand's to complain about."""
        found, left = self.parse_known_args(args, namespace)
        if left:
            getattr(found, "parser", self).error(f"unrecognized arguments: {' '.join(left)}")
        return found
