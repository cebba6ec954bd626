"""How fragmented a real machine was: ``/proc/buddyinfo`` and ``/proc/pagetypeinfo``.

    Node 0, zone   Normal    356    154    571    302    143     14      7      4      3      2      0

Column n counts the free blocks of 2^n pages of 4096 bytes, n = 0 … 10. pagetypeinfo has the same columns per migrate
type; its rows of one zone are added up. Source: mm/vmstat.c of Linux, observed output.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from storsim.importers.errors import quote
from storsim.importers.text import Text, read_text
from storsim.memory_range import PAGE_SIZE

ORDERS = 11
WHAT = "/proc/buddyinfo"
COUNT_LIMIT = 1 << 40
LINE = re.compile(
    r"^Node +(?P<node>[0-9]{1,4}), zone +(?P<zone>[A-Za-z0-9_]+)(?P<type>, type +\S+)? +(?P<counts>[0-9>][0-9> ]*)$"
)
ZONES: dict[str, tuple[int, int]] = {
    "DMA": (0, (16 << 20) - 1),
    "DMA32": (16 << 20, (4 << 30) - 1),
    "Normal": (4 << 30, (1 << 64) - 1),
    "Movable": (4 << 30, (1 << 64) - 1),
    "Device": (4 << 30, (1 << 64) - 1),
}
"""First and last address of each zone of x86-64. Movable can lie lower; Linux takes it from the top of a node."""


@dataclass(frozen=True)
class Zone:
    """Free blocks of one zone on one node. free: counts by order, 0 … 10."""

    node: int
    zone: str
    free: tuple[int, ...]

    @property
    def free_pages(self) -> int:
        """4096-byte pages free in all orders."""
        return sum(count << order for order, count in enumerate(self.free))

    @property
    def free_bytes(self) -> int:
        """Bytes free in all orders."""
        return self.free_pages * PAGE_SIZE

    @property
    def window(self) -> tuple[int, int]:
        """First and last physical address the zone can have on x86-64."""
        return ZONES.get(self.zone, (0, (1 << 64) - 1))


@dataclass(frozen=True)
class BuddyInfo:
    """Free memory by node, zone and block size.

    nodes: how many nodes are listed. kind: ``buddyinfo`` or ``pagetypeinfo``.
    """

    zones: list[Zone]
    nodes: int
    kind: str
    source: str
    notes: list[str] = field(default_factory=list)

    @property
    def total_bytes(self) -> int:
        """Bytes free in all zones."""
        return sum(zone.free_bytes for zone in self.zones)

    @property
    def free(self) -> tuple[int, ...]:
        """Free blocks of all zones by order, 0 … 10."""
        return tuple(sum(zone.free[order] for zone in self.zones) for order in range(ORDERS))

    @property
    def largest_order(self) -> int:
        """Order of the largest free block; -1 when nothing is free."""
        return max((order for order, count in enumerate(self.free) if count), default=-1)


def load_buddyinfo(path_or_text: str | os.PathLike[str]) -> BuddyInfo:
    """Reads ``/proc/buddyinfo`` or ``/proc/pagetypeinfo``: a path, or the text itself.

    Errors: MapError with the line number for a line of another shape, a wrong number of columns, a zone listed twice,
    or no zone at all; OSError when a path cannot be read. O(lines).
    """
    text = read_text(path_or_text, WHAT, ("Node ",))
    by_type = "Free pages count per migrate type" in text.content or ", type " in text.content
    return _parse_pagetypeinfo(text) if by_type else _parse_buddyinfo(text)


def _parse_buddyinfo(text: Text) -> BuddyInfo:
    zones: dict[tuple[int, str], tuple[int, tuple[int, ...]]] = {}
    for number, line in text.lines():
        if not line.strip():
            continue
        node, zone, counts, _ = _parse_line(text, number, line)
        if (node, zone) in zones:
            first = zones[node, zone][0]
            raise text.error(f"expected each zone once, found node {node}, zone {zone} as on line {first}", number)
        zones[node, zone] = (number, counts)
    return _build(text, "buddyinfo", {key: counts for key, (_, counts) in zones.items()}, [])


def _parse_pagetypeinfo(text: Text) -> BuddyInfo:
    zones: dict[tuple[int, str], tuple[int, ...]] = {}
    seen: set[tuple[int, str, str]] = set()
    capped = 0
    for number, line in text.lines():
        if line.startswith("Number of blocks type"):
            break
        if not line.startswith("Node") or not line.strip():
            if line.strip() and not line.startswith(("Page block order", "Pages per block", "Free pages count")):
                expected = f"'Node <n>, zone <name>, type <name> <{ORDERS} counts>'"
                raise text.error(f"expected {expected}, found {quote(line)}", number)
            continue
        node, zone, counts, kind = _parse_line(text, number, line)
        if not kind:
            raise text.error("expected ', type <name>' after the zone, as on the other lines of pagetypeinfo", number)
        if (node, zone, kind) in seen:
            raise text.error(f"expected each type once, found node {node}, zone {zone}, type {kind} again", number)
        seen.add((node, zone, kind))
        capped += line.count(">")
        before = zones.get((node, zone), (0,) * ORDERS)
        zones[node, zone] = tuple(a + b for a, b in zip(before, counts, strict=True))
    notes = [f"{capped} counts are lower bounds: Linux stopped counting"] if capped else []
    return _build(text, "pagetypeinfo", zones, notes)


def _parse_line(text: Text, number: int, line: str) -> tuple[int, str, tuple[int, ...], str]:
    """(node, zone, counts by order, migrate type or '')."""
    match = LINE.match(line.rstrip())
    if match is None:
        raise text.error(f"expected 'Node <n>, zone <name> <{ORDERS} counts>', found {quote(line)}", number)
    columns = match["counts"].split()
    if len(columns) != ORDERS:
        raise text.error(f"expected {ORDERS} counts (orders 0 to {ORDERS - 1}), found {len(columns)}", number)
    counts: list[int] = []
    for column in columns:
        digits = column.removeprefix(">") if match["type"] else column
        if not digits.isdecimal() or len(digits) > 15 or int(digits) >= COUNT_LIMIT:
            raise text.error(f"expected a number of free blocks, found {quote(column)}", number)
        counts.append(int(digits))
    kind = (match["type"] or "").removeprefix(", type").strip()
    return int(match["node"]), match["zone"], tuple(counts), kind


def _build(text: Text, kind: str, zones: dict[tuple[int, str], tuple[int, ...]], notes: list[str]) -> BuddyInfo:
    if not zones:
        raise text.error(f"expected at least one 'Node <n>, zone <name>' line of {WHAT}, found none", 1)
    rows = [Zone(node, zone, counts) for (node, zone), counts in zones.items()]
    return BuddyInfo(rows, len({row.node for row in rows}), kind, text.source, notes)
