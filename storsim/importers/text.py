"""Where the characters come from: a path or the text itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from storsim.importers.errors import MapError

MAXIMUM_BYTES = 64 << 20
"""A longer file is no memory map; refusing it keeps a wrong path (a device, a disk image) from filling memory."""


class Text(NamedTuple):
    """The content and what to call it in messages."""

    content: str
    source: str

    def lines(self) -> Iterator[tuple[int, str]]:
        """(1-based number, line without its end), counted as editors do: only line feeds end a line."""
        for number, line in enumerate(self.content.split("\n"), start=1):
            yield number, line.rstrip("\r")

    def error(self, message: str, line: int | None = None) -> MapError:
        """A MapError that names this source."""
        return MapError(message, self.source, line)


def read_text(path_or_text: str | os.PathLike[str], what: str, markers: tuple[str, ...]) -> Text:
    """The text itself, or the content of the file it names.

    A str with a line feed or one of the `markers` in it is text; so is the empty str. Anything else is a path.
    `what` names the expected content in messages. Errors: MapError for content longer than `MAXIMUM_BYTES` or empty;
    FileNotFoundError and its relatives when a path cannot be read.
    """
    if isinstance(path_or_text, str) and _is_text(path_or_text, markers):
        text = Text(path_or_text, "<text>")
        if len(path_or_text) > MAXIMUM_BYTES:
            raise text.error(f"longer than {MAXIMUM_BYTES >> 20} MiB, no {what} is", 1)
    else:
        text = _read_file(os.fspath(path_or_text), what)
    if not text.content.strip():
        raise text.error(f"expected {what}, found nothing", 1)
    return text


def _is_text(argument: str, markers: tuple[str, ...]) -> bool:
    if "\n" in argument or "\0" in argument or not argument.strip():
        return True
    return any(marker in argument for marker in markers) and not os.path.exists(argument)


def _read_file(path: str, what: str) -> Text:
    try:
        with open(path, "rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, f"no such file, and no text of {what} either", path) from None
    if len(data) > MAXIMUM_BYTES:
        raise MapError(f"longer than {MAXIMUM_BYTES >> 20} MiB, no {what} is", path, 1)
    return Text(_decode(data), path)


def _decode(data: bytes) -> str:
    """UTF-8, or UTF-16 with its mark as shells on Windows write it; bytes that are neither become U+FFFD."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
