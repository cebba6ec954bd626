"""Linux ``/proc/iomem``: inclusive hexadecimal ranges, two spaces of indent per level of nesting.

RAM is every line named ``System RAM`` (memory added later appears as ``System RAM (kmem)`` inside other resources) that
is not inside another such line. Siblings are listed in address order and never overlap, children lie within their
parent: what breaks that is damage. Source: kernel/resource.c of Linux, observed output.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from storsim.importers.errors import quote
from storsim.importers.ranges import Piece, check_piece
from storsim.importers.text import Text

LINE = re.compile(r"^(?P<indent> *)(?P<start>[0-9a-fA-F]{8,16})-(?P<last>[0-9a-fA-F]{8,16}) : (?P<name>\S.*)$")
RAM = "System RAM"
NOT_RAM = ("System ROM",)


class _Level(NamedTuple):
    indent: int
    start: int
    last: int
    line: int
    is_ram: bool


def parse_iomem(text: Text) -> list[Piece]:
    """The RAM of a ``/proc/iomem`` text, all on node 0. MapError for any line that is none of its kind."""
    pieces: list[Piece] = []
    open_levels: list[_Level] = []
    lines = 0
    non_zero = False
    for number, line in text.lines():
        if not line.strip() or "SRAT" in line:
            continue
        level = _parse_line(text, number, line)
        lines += 1
        non_zero = non_zero or level.last != 0
        inside_ram = _enter(text, open_levels, level)
        if level.is_ram and not inside_ram:
            pieces.append(Piece(level.start, level.last + 1, 0, number))
    if lines and not non_zero:
        raise text.error(
            "every address is zero because Linux hides them from ordinary users: read /proc/iomem as root "
            "(sudo cat /proc/iomem > map.iomem)",
            1,
        )
    if not pieces:
        raise text.error(f"expected at least one {RAM!r} line, found none in {lines} lines", max(1, lines))
    return pieces


def _parse_line(text: Text, number: int, line: str) -> _Level:
    match = LINE.match(line.rstrip())
    if match is None:
        raise text.error(f"expected '<first byte>-<last byte> : <name>' in hexadecimal, found {quote(line)}", number)
    name = match["name"]
    if _is_damaged_ram(name):
        raise text.error(f"expected a resource name, found {quote(name)}, which looks like a damaged {RAM!r}", number)
    start, last = int(match["start"], 16), int(match["last"], 16)
    is_ram = name == RAM or name.startswith(RAM + " ")
    check_piece(start, last, text.source, number, is_ram=is_ram)
    return _Level(len(match["indent"]), start, last, number, is_ram)


def _is_damaged_ram(name: str) -> bool:
    if name == RAM or name.startswith(RAM + " ") or name in NOT_RAM:
        return False
    if RAM.startswith(name) or name.casefold() == RAM.casefold():
        return True
    if abs(len(name) - len(RAM)) > 2:
        return False
    return difflib.SequenceMatcher(None, name, RAM, autojunk=False).ratio() >= 0.8


def _enter(text: Text, open_levels: list[_Level], level: _Level) -> bool:
    """Checks the level against its neighbours and makes it the innermost; True when it lies inside RAM."""
    sibling: _Level | None = None
    while open_levels and open_levels[-1].indent >= level.indent:
        sibling = open_levels.pop()
    if sibling is not None and sibling.indent == level.indent and level.start <= sibling.last and level.last != 0:
        raise text.error(
            f"expected ranges in address order that do not overlap, found {level.start:#x}-{level.last:#x} after "
            f"{sibling.start:#x}-{sibling.last:#x} of line {sibling.line}",
            level.line,
        )
    if open_levels:
        parent = open_levels[-1]
        outside = level.start < parent.start or level.last > parent.last
        if level.indent == parent.indent + 2 and outside:
            raise text.error(
                f"expected a range inside {parent.start:#x}-{parent.last:#x} of line {parent.line}, found "
                f"{level.start:#x}-{level.last:#x}",
                level.line,
            )
    inside_ram = any(outer.is_ram for outer in open_levels)
    open_levels.append(level)
    return inside_ram
