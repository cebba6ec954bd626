"""Which addresses belong to which NUMA node: SRAT lines and ``Early memory node ranges`` of a Linux boot log.

    [    0.004470] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]
    [    0.009924] ACPI: SRAT: Node 2 PXM 6 [mem 0x2080000000-0x807fffffff] hotplug
    SRAT: Node 1 PXM 1 80000000-100000000                                  before Linux 3.2: the end is exclusive
    [    0.005641]   node   0: [mem 0x0000000000001000-0x000000000009ffff]

A SRAT line claims addresses, not RAM: behind a ``hotplug`` one there may be nothing yet.
Source: drivers/acpi/numa/srat.c and mm/mm_init.c of Linux, ACPI specification (SRAT memory affinity structure),
observed output.
"""

from __future__ import annotations

import re

from storsim.importers.errors import quote
from storsim.importers.ranges import MAXIMUM_NODES, Piece, Window, check_disjoint, check_piece, check_windows
from storsim.importers.text import Text

MARKER = "SRAT:"
NEW = re.compile(
    r"SRAT: Node (?P<node>[0-9]{1,4}) PXM [0-9]{1,10} "
    r"\[mem 0x(?P<start>[0-9a-fA-F]{1,16})-0x(?P<last>[0-9a-fA-F]{1,16})\]"
    r"(?P<flags>( hotplug| non-volatile)*)$"
)
OLD = re.compile(
    r"SRAT: Node (?P<node>[0-9]{1,4}) PXM [0-9]{1,10} "
    r"(?P<start>[0-9a-fA-F]{1,16})-(?P<end>[0-9a-fA-F]{1,16})(?P<flags>( \(hotplug\))?)$"
)
MEMORY_LINE = re.compile(r"SRAT: Node|SRAT:.*\[mem ")
EARLY = re.compile(
    r"\bnode +(?P<node>[0-9]{1,4}): \[mem 0x(?P<start>[0-9a-fA-F]{1,16})-0x(?P<last>[0-9a-fA-F]{1,16})\]$"
)
EARLY_LINE = re.compile(r"(^|\] )\s+node +[0-9]+: \[mem ")


def parse_srat(text: Text) -> list[Window]:
    """The windows of the SRAT lines, in the order of the text. MapError for a damaged line or nodes that overlap."""
    windows: list[Window] = []
    for number, line in text.lines():
        if MARKER not in line or MEMORY_LINE.search(line) is None:
            continue
        windows.append(_parse_line(text, number, line.rstrip()))
    check_windows(windows, text.source)
    return windows


def _parse_line(text: Text, number: int, line: str) -> Window:
    new = NEW.search(line)
    old = OLD.search(line) if new is None else None
    if new is not None:
        start, end, flags = int(new["start"], 16), int(new["last"], 16) + 1, new["flags"]
        node = int(new["node"])
    elif old is not None:
        start, end, flags = int(old["start"], 16), int(old["end"], 16), old["flags"]
        node = int(old["node"])
    else:
        found = line[line.index(MARKER) :]
        expected = "'SRAT: Node <n> PXM <n> [mem 0x<first>-0x<last>]'"
        raise text.error(f"expected {expected}, found {quote(found, 90)}", number)
    check_piece(start, end - 1, text.source, number)
    return Window(start, end, node, number, "hotplug" in flags)


def parse_early_ranges(text: Text) -> list[Piece]:
    """RAM with its node as the kernel listed it early in the boot; [] when the text has no such lines."""
    pieces: dict[tuple[int, int, int], Piece] = {}
    for number, line in text.lines():
        if EARLY_LINE.search(line) is None:
            continue
        match = EARLY.search(line.rstrip())
        if match is None:
            raise text.error(f"expected 'node <n>: [mem 0x<first>-0x<last>]', found {quote(line.strip(), 90)}", number)
        start, last, node = int(match["start"], 16), int(match["last"], 16), int(match["node"])
        check_piece(start, last, text.source, number)
        pieces.setdefault((start, last, node), Piece(start, last + 1, node, number))
    return check_disjoint(pieces.values(), text.source)


def check_node_count(text: Text, nodes: int) -> None:
    """MapError when a map has more nodes than a machine can."""
    if nodes > MAXIMUM_NODES:
        raise text.error(f"expected at most {MAXIMUM_NODES} nodes with memory, found {nodes}", 1)
