"""The one exception of the importers."""

from __future__ import annotations


class MapError(ValueError):
    """Input that cannot be understood. ``str()`` is always one line: source, line number, what was expected and found.

    source: the file name, or ``<text>``. line: 1-based line number, or None where the input has no lines (a dict).
    """

    def __init__(self, message: str, source: str = "<text>", line: int | None = None) -> None:
        super().__init__(message, source, line)
        self.message = message
        self.source = source
        self.line = line

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}, line {self.line}"
        return f"{where}: {self.message}"


def quote(text: str, limit: int = 60) -> str:
    """The text in quotes for a message: printable ASCII, at most `limit` characters and the quotes."""
    shown = ascii(text if len(text) <= limit else text[: limit - 3] + "...")
    return shown if len(shown) <= limit + 2 else f"{shown[: limit - 2]}...{shown[0]}"
