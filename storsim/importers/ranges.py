"""From the ranges a file lists to the ranges a machine can use."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from storsim.importers.errors import MapError
from storsim.memory_range import PAGE_SIZE, MemoryRange

ADDRESS_LIMIT = 1 << 52
"""No x86-64 physical address is larger. Source: MAXPHYADDR in the architecture manuals."""

MAXIMUM_NODES = 64


class Piece(NamedTuple):
    """A range as listed: bytes start … end - 1, and the line it came from (for messages)."""

    start: int
    end: int
    node: int
    line: int


class Window(NamedTuple):
    """Addresses that belong to a node, whether or not RAM is behind them. `hotplug`: memory may be added later."""

    start: int
    end: int
    node: int
    line: int
    hotplug: bool = False


def check_piece(start: int, last: int, source: str, line: int, *, is_ram: bool = True) -> None:
    """MapError unless start <= last and, for RAM, both are physical addresses."""
    if start > last:
        raise MapError(f"expected a range whose end is not below its start, found {start:#x}-{last:#x}", source, line)
    if is_ram and last >= ADDRESS_LIMIT:
        raise MapError(f"expected addresses of at most 52 bits, found {last:#x}", source, line)


def check_disjoint(pieces: Iterable[Piece], source: str, hint: str = "") -> list[Piece]:
    """The pieces in address order. MapError, naming both lines, when two overlap."""
    ordered = sorted(pieces)
    for previous, piece in itertools.pairwise(ordered):
        if piece.start < previous.end:
            first, second = sorted((previous, piece), key=lambda p: p.line)
            raise MapError(
                f"expected ranges that do not overlap, found {second.start:#x}-{second.end - 1:#x}, "
                f"which shares bytes with line {first.line}{hint}",
                source,
                second.line,
            )
    return ordered


def usable_ranges(ranges: Iterable[tuple[int, int, int]]) -> list[MemoryRange]:
    """What of these (start, length, node) triples a machine can use, in address order.

    Ranges of one node that touch are joined first, then rounded inward to whole pages; page 0 is never usable and never
    counted. The ranges must not overlap. Source: model choice, documented with the memory map.
    """
    joined: list[MemoryRange] = []
    for start, length, node in sorted(ranges):
        if joined and joined[-1].end == start and joined[-1].node == node:
            joined[-1] = MemoryRange(joined[-1].start, joined[-1].length + length, node)
        else:
            joined.append(MemoryRange(start, length, node))
    usable: list[MemoryRange] = []
    for item in joined:
        first = max(PAGE_SIZE, -(-item.start // PAGE_SIZE) * PAGE_SIZE)
        end = item.end // PAGE_SIZE * PAGE_SIZE
        if end > first:
            usable.append(MemoryRange(first, end - first, item.node))
    return usable


def split_by_windows(pieces: Iterable[Piece], windows: Iterable[Window]) -> tuple[list[Piece], int]:
    """Cuts each piece at the borders of the windows and gives every part its window's node.

    Returns the parts in address order and the number of bytes no window covers (they stay on node 0, as Linux does).
    `windows` of different nodes must not overlap. O((pieces + windows) log).
    """
    ordered = _merge_windows(windows)
    parts: list[Piece] = []
    uncovered = 0
    index = 0
    for piece in sorted(pieces):
        at = piece.start
        while at < piece.end:
            while index < len(ordered) and ordered[index].end <= at:
                index += 1
            window = ordered[index] if index < len(ordered) else None
            if window is not None and window.start <= at:
                end, node = min(piece.end, window.end), window.node
            else:
                end, node = (min(piece.end, window.start) if window is not None else piece.end), 0
                uncovered += end - at
            parts.append(Piece(at, end, node, piece.line))
            at = end
    return parts, uncovered


def _merge_windows(windows: Iterable[Window]) -> list[Window]:
    """In address order, windows of one node that touch or overlap made one."""
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and merged[-1].node == window.node and window.start <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def check_windows(windows: Iterable[Window], source: str) -> None:
    """MapError when windows of two nodes overlap."""
    ordered = _merge_windows(windows)
    for previous, window in itertools.pairwise(ordered):
        if window.start < previous.end:
            first, second = sorted((previous, window), key=lambda w: w.line)
            raise MapError(
                f"expected nodes that do not overlap, found node {second.node} from {second.start:#x}, which shares "
                f"bytes with node {first.node} of line {first.line}",
                source,
                second.line,
            )


def renumber(ranges: list[MemoryRange]) -> tuple[list[MemoryRange], dict[int, int]]:
    """Gives the nodes that have memory the numbers 0, 1, 2 … without gaps; returns the ranges and old → new number.

    Source: nf-wdm-mmallocatecontiguousmemoryspecifycachenode (nodes are numbered from zero to the highest node number).
    """
    numbers = {old: new for new, old in enumerate(sorted({item.node for item in ranges}))}
    return [MemoryRange(item.start, item.length, numbers[item.node]) for item in ranges], numbers
