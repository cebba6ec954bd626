"""`load_map`: a machine's physical memory from what its operating system printed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from storsim.importers import e820, iomem, srat
from storsim.importers.errors import quote
from storsim.importers.ranges import Piece, Window, renumber, split_by_windows, usable_ranges
from storsim.importers.text import Text, read_text
from storsim.memory_range import PAGE_SIZE, MemoryRange

WHAT = "a memory map (/proc/iomem, BIOS-e820 or SRAT lines)"
LAST_PFN = re.compile(r"last_pfn = 0x(?P<pfn>[0-9a-f]{1,13}) max_arch_pfn")


@dataclass(frozen=True)
class MapFile:
    """A memory map as a machine can use it.

    ranges: usable RAM in address order: pieces of one node that touch are joined, rounded inward to whole 4096-byte
    pages, page 0 left out.
    nodes: number of NUMA nodes with memory; they are numbered 0 … nodes - 1.
    kind: ``iomem``, ``e820``, ``srat`` or ``early`` (Early memory node ranges).
    source: the file name, or ``<text>``.
    notes: what a reader should know: nodes renumbered, memory without a node, windows left out.
    listed_bytes: RAM as the file lists it, before rounding and without the rule about page 0.
    hotplug: addresses where memory may be added later; nothing is there now.
    """

    ranges: list[MemoryRange]
    nodes: int
    kind: str
    source: str
    notes: list[str] = field(default_factory=list)
    listed_bytes: int = 0
    hotplug: list[MemoryRange] = field(default_factory=list)

    @property
    def total_bytes(self) -> int:
        """Bytes of all ranges."""
        return sum(item.length for item in self.ranges)

    @property
    def top(self) -> int:
        """Physical address after the highest usable byte."""
        return max(item.end for item in self.ranges)

    def node_bytes(self, node: int) -> int:
        """Bytes on one node."""
        return sum(item.length for item in self.ranges if item.node == node)


def load_map(path_or_text: str | os.PathLike[str]) -> MapFile:
    """Reads Linux ``/proc/iomem``, the ``BIOS-e820`` lines of a boot log, SRAT lines, or a mixture.

    path_or_text: a path, or the text itself (a str with a line feed, or one line of a map).
    SRAT lines next to either map give its ranges their nodes. SRAT lines alone count as RAM, but for ``hotplug``
    windows. ``Early memory node ranges`` give nodes to an e820 map without SRAT, and are the map when there is no
    other.
    Errors: MapError for anything that cannot be understood, with the line number; OSError when a path cannot be read.
    O(lines log lines). Source: model choice; formats as the modules of this package describe them.
    """
    text = read_text(path_or_text, WHAT, (e820.MARKER, srat.MARKER, " : "))
    kind = _kind(text)
    windows = srat.parse_srat(text)
    notes: list[str] = []
    if kind == "e820":
        pieces, notes = e820.parse_e820(text)
        early = srat.parse_early_ranges(text)
        if not windows and len({piece.node for piece in early}) > 1:
            windows = [Window(piece.start, piece.end, piece.node, piece.line) for piece in early]
            notes.append("nodes are those of 'Early memory node ranges'")
        notes += _check_last_pfn(text, pieces)
    elif kind == "iomem":
        pieces = iomem.parse_iomem(text)
    elif kind == "srat":
        pieces = _windows_as_ram(text, windows, notes)
    else:
        pieces = srat.parse_early_ranges(text)
    return _build(text, kind, pieces, windows, notes)


def _kind(text: Text) -> str:
    """Which of the formats this is; MapError for none of them."""
    first = 0
    found: set[str] = set()
    for number, line in text.lines():
        if not line.strip():
            continue
        first = first or number
        if e820.MARKER in line:
            return "e820"
        if iomem.LINE.match(line.rstrip()):
            found.add("iomem")
        elif srat.MARKER in line and srat.MEMORY_LINE.search(line):
            found.add("srat")
        elif srat.EARLY_LINE.search(line):
            found.add("early")
    for kind in ("iomem", "srat", "early"):
        if kind in found:
            return kind
    line = text.content.split("\n")[first - 1].strip()
    raise text.error(f"expected {WHAT}, found {quote(line)}", first)


def _windows_as_ram(text: Text, windows: list[Window], notes: list[str]) -> list[Piece]:
    present = [window for window in windows if not window.hotplug]
    if not present:
        raise text.error(
            "expected at least one SRAT window that is not hotplug, found none: add the machine's BIOS-e820 lines", 1
        )
    notes.append("no BIOS-e820 or iomem lines: the windows of the SRAT lines are taken as RAM")
    pieces: list[Piece] = []
    for window in sorted(present):
        if pieces and pieces[-1].node == window.node and window.start <= pieces[-1].end:
            pieces[-1] = pieces[-1]._replace(end=max(pieces[-1].end, window.end))
        else:
            pieces.append(Piece(window.start, window.end, window.node, window.line))
    return pieces


def _check_last_pfn(text: Text, pieces: list[Piece]) -> list[str]:
    """Linux prints where RAM ends; a map that ends elsewhere has lost lines or was limited by an option."""
    ends = [int(match["pfn"], 16) * PAGE_SIZE for match in LAST_PFN.finditer(text.content)]
    top = max(piece.end for piece in pieces) // PAGE_SIZE * PAGE_SIZE
    if not ends or max(ends) == top:
        return []
    return [f"the log's last_pfn puts the end of RAM at {max(ends):#x}, its BIOS-e820 lines at {top:#x}"]


def _build(text: Text, kind: str, pieces: list[Piece], windows: list[Window], notes: list[str]) -> MapFile:
    listed = sum(piece.end - piece.start for piece in pieces)
    hotplug = _hotplug(kind, windows)
    if windows:
        pieces, uncovered = split_by_windows(pieces, windows)
        if uncovered:
            notes.append(f"{uncovered} bytes lie in no node's window and are put on node 0")
    ranges = usable_ranges((piece.start, piece.end - piece.start, piece.node) for piece in pieces)
    if not ranges:
        raise text.error("expected at least one whole page of RAM above page 0, found none", pieces[0].line)
    ranges, numbers = renumber(ranges)
    srat.check_node_count(text, len(numbers))
    moved = ", ".join(f"{old} is now {new}" for old, new in numbers.items() if old != new)
    if moved:
        notes.append(f"nodes are numbered without gaps: {moved}")
    if hotplug:
        size = sum(item.length for item in hotplug)
        nodes = ", ".join(str(node) for node in sorted({item.node for item in hotplug}))
        notes.append(f"{size} bytes of hotplug windows (node {nodes}) hold no RAM yet and are left out")
    return MapFile(ranges, len(numbers), kind, text.source, notes, listed, hotplug)


def _hotplug(kind: str, windows: list[Window]) -> list[MemoryRange]:
    """Hotplug windows, under the file's own node numbers; only where no map says what RAM they already hold."""
    if kind != "srat":
        return []
    return [MemoryRange(w.start, w.end - w.start, w.node) for w in sorted(windows) if w.hotplug]
