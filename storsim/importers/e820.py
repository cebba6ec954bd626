"""The firmware's memory map as Linux prints it at boot: lines with ``BIOS-e820:``.

    [    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000008acfbfff] usable
     BIOS-e820: 0000000000100000 - 00000000bf790000 (usable)          before Linux 3.2, exclusive end
    BIOS-e820: [mem 0x0000000000100000-0x000000007ffdbfff]    1.9 GB System RAM     proposed in 2025

Time stamps and whatever a log puts before them do not matter; lines of other kinds are not looked at.
Source: arch/x86/kernel/e820.c of Linux, the mailing list for the newest form, observed output.
"""

from __future__ import annotations

import difflib
import re

from storsim.importers.errors import quote
from storsim.importers.ranges import Piece, check_disjoint, check_piece
from storsim.importers.text import Text

MARKER = "BIOS-e820"
EXPECTED = "'BIOS-e820: [mem 0x<first>-0x<last>] <type>'"
NEW = re.compile(r"BIOS-e820: \[mem 0x(?P<start>[0-9a-fA-F]{1,16})-0x(?P<last>[0-9a-fA-F]{1,16})\] +(?P<type>\S.*)$")
OLD = re.compile(r"BIOS-e820: (?P<start>[0-9a-fA-F]{16}) - (?P<end>[0-9a-fA-F]{16}) \((?P<type>.+)\)$")
GAP = re.compile(r"BIOS-e820: \[gap 0x[0-9a-fA-F]{1,16}-0x[0-9a-fA-F]{1,16}\]")
SIZE = re.compile(r"^ *[0-9]+(\.[0-9]+)? +(B|KB|MB|GB|TB) +")
USABLE = ("usable", "System RAM", "kernel usable RAM")
OTHER = ("reserved", "device reserved", "soft reserved", "ACPI data", "ACPI NVS", "unusable", "unusable memory")
NUMBERED = re.compile(r"^((persistent|persistent RAM|protected) \(type [0-9]{1,10}\)|type [0-9]{1,10})$")
TAG = re.compile(r"(?:^|\s)(?P<tag>\S{6,14}) *\[mem 0x")


def parse_e820(text: Text) -> tuple[list[Piece], list[str]]:
    """All RAM ranges of the map on node 0, and notes. MapError for a damaged line, an overlap, or no usable range."""
    seen: dict[tuple[int, int, bool], int] = {}
    everything: list[Piece] = []
    usable: list[Piece] = []
    repeated = 0
    for number, line in text.lines():
        line = line.rstrip()
        if MARKER not in line:
            _refuse_damaged_tag(text, number, line)
            continue
        entry = _parse_line(text, number, line)
        if entry is None:
            continue
        start, last, is_ram = entry
        check_piece(start, last, text.source, number, is_ram=is_ram)
        if (start, last, is_ram) in seen:
            repeated += 1
            continue
        seen[start, last, is_ram] = number
        piece = Piece(start, last + 1, 0, number)
        everything.append(piece)
        if is_ram:
            usable.append(piece)
    notes = [f"{repeated} repeated BIOS-e820 lines were counted once"] if repeated else []
    return _checked(text, everything, usable), notes


def _checked(text: Text, everything: list[Piece], usable: list[Piece]) -> list[Piece]:
    check_disjoint(everything, text.source, " (two boots in one log? give the lines of one)")
    if not usable:
        raise text.error(f"expected at least one usable BIOS-e820 range, found none in {len(everything)} lines", 1)
    return usable


def _parse_line(text: Text, number: int, line: str) -> tuple[int, int, bool] | None:
    """(start, last byte, is RAM), or None for a gap line."""
    new = NEW.search(line)
    if new is not None:
        kind = SIZE.sub("", new["type"]).strip()
        return int(new["start"], 16), int(new["last"], 16), _is_usable(text, number, kind)
    old = OLD.search(line)
    if old is not None:
        return int(old["start"], 16), int(old["end"], 16) - 1, _is_usable(text, number, old["type"])
    if GAP.search(line) is not None:
        return None
    found = line[line.index(MARKER) :]
    raise text.error(f"expected {EXPECTED}, found {quote(found, 90)}", number)


def _is_usable(text: Text, number: int, kind: str) -> bool:
    if kind in USABLE:
        return True
    if kind in OTHER or NUMBERED.match(kind):
        return False
    raise text.error(f"expected a memory type: usable, reserved, ACPI data, type 20 ..., found {quote(kind)}", number)


def _refuse_damaged_tag(text: Text, number: int, line: str) -> None:
    """A line of the map whose tag was hit would otherwise vanish, and its memory with it."""
    match = TAG.search(line)
    if match is None:
        return
    tag = match["tag"].rstrip(":")
    if difflib.SequenceMatcher(None, tag, MARKER, autojunk=False).ratio() >= 0.7:
        raise text.error(f"expected {EXPECTED}, found {quote(line.strip(), 90)}", number)
