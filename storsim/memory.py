"""``pc.memory``: the debugger's view of physical memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from storsim.memory_range import PAGE_SIZE, MemoryRange

if TYPE_CHECKING:
    from fractions import Fraction

    from storsim.importers import BuddyInfo
    from storsim.machine import Machine

NODE_ANY = 0x8000_0000
ALL_ONES = 2**64 - 1
_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_LOW_START, _LOW_END, _HIGH_START = 0x1000, 0xA0000, 0x100000
_PCI_HOLE, _FOUR_GIB = 3 << 30, 4 << 30


def parse_size(text: str | int) -> int:
    """Bytes of "16GiB", "512 MiB", "64TiB" or a number. Raises ValueError for anything else."""
    if isinstance(text, int):
        return text
    stripped = text.strip()
    digits = stripped.rstrip("BKMGTiIbkmgt ")
    unit = stripped[len(digits) :].strip().upper()
    try:
        return int(digits, 0) * _UNITS[unit]
    except (ValueError, KeyError):
        raise ValueError(
            f"memory={text!r}: pass a size such as '16GiB' (B, KiB, MiB, GiB, TiB) or a list of MemoryRange"
        ) from None


def pc_shape(size: int, nodes: int) -> list[MemoryRange]:
    """A PC's memory of this size: 4 KiB – 640 KiB, 1 MiB – 3 GiB, the rest from 4 GiB. Nodes share it evenly in
    address order.

    size: bytes, a multiple of 4096. nodes: 1 … 64. Raises ValueError. Source: DESIGN §7, spec storport-memory §4.4.
    """
    if size < 2 * PAGE_SIZE or size % PAGE_SIZE:
        raise ValueError(f"memory of {size} bytes: pass a multiple of 4096, at least 8192")
    if size // PAGE_SIZE < 2 * nodes:
        raise ValueError(f"memory of {size} bytes is too small for {nodes} nodes")
    pages = size // PAGE_SIZE
    ranges: list[MemoryRange] = []
    for node in range(nodes):
        first, end = pages * node // nodes * PAGE_SIZE, pages * (node + 1) // nodes * PAGE_SIZE
        for start, stop in ((_LOW_START, _LOW_END), (_HIGH_START, _PCI_HOLE)):
            low, high = max(start, first), min(stop, end)
            if low < high:
                ranges.append(MemoryRange(low, high - low, node))
        low = max(first, _PCI_HOLE)
        if low < end:
            ranges.append(MemoryRange(low + _FOUR_GIB - _PCI_HOLE, end - low, node))
    return ranges


@lru_cache(64)
def _shape(memory: str | int, nodes: int) -> tuple[MemoryRange, ...]:
    """The shape of a size; the same few are asked for again and again."""
    return tuple(pc_shape(parse_size(memory), nodes))


def to_ranges(memory: Any, nodes: int) -> list[MemoryRange]:
    """What ``Machine(memory=…)`` takes, as ranges."""
    if isinstance(memory, (str, int)):
        return list(_shape(memory, nodes))
    if not isinstance(memory, Iterable):
        raise TypeError(f"memory={memory!r}: pass a size such as '16GiB' or a list of MemoryRange")
    ranges = []
    for item in memory:
        if not isinstance(item, tuple) or not 2 <= len(item) <= 3:
            raise TypeError(f"memory: {item!r} is no MemoryRange(start, length, node)")
        start, length, node = (*item, 0)[:3]
        for name, value in (("start", start), ("length", length), ("node", node)):
            if not isinstance(value, int):
                raise TypeError(f"memory: {name} of {item!r} is no int")
        if start < 0 or length <= 0 or start + length > ALL_ONES or not 0 <= node < 64:
            raise ValueError(f"memory: {item!r} needs start >= 0, length > 0 and a node from 0 to 63")
        ranges.append(MemoryRange(int(start), int(length), int(node)))
    return ranges


class Memory:
    """Physical memory of a machine as a debugger sees it: nothing here is checked against the rules or recorded.

    Addresses and lengths are in bytes. Reading and writing what is no RAM is a ValueError.
    """

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def read(self, pa: int, n: int) -> bytes:
        """``n`` bytes from physical address ``pa``. Raises ValueError where there is no RAM."""
        return self._machine._memory_read(pa, n)

    def write(self, pa: int, data: bytes | bytearray | memoryview) -> None:
        """Stores bytes at physical address ``pa``. Raises ValueError where there is no RAM."""
        self._machine._memory_write(pa, data)

    @property
    def ranges(self) -> list[MemoryRange]:
        """The map: usable RAM in address order, by node."""
        return [MemoryRange(*run) for run in self._machine._memory_map()]

    @property
    def total_bytes(self) -> int:
        """Bytes of usable RAM."""
        return self._machine._memory_total(NODE_ANY)

    def free_bytes(self, node: int | None = None, lowest: int = 0, highest: int = ALL_ONES) -> int:
        """Free bytes, of one node or all, in whole pages inside [lowest, highest]."""
        return self._machine._memory_free_bytes(NODE_ANY if node is None else node, lowest, highest & ALL_ONES)

    def largest_free(self, lowest: int = 0, highest: int = ALL_ONES, boundary: int = 0) -> int:
        """Largest block one request could get inside [lowest, highest] without crossing a multiple of ``boundary``
        (0: none).
        """
        return self._machine._memory_largest(lowest, highest & ALL_ONES, boundary)

    def runs(self) -> list[MemoryRange]:
        """Maximal free runs in address order, split where nodes meet."""
        return [MemoryRange(*run) for run in self._machine._memory_runs()]

    def reserve(self, pa: int, n: int) -> None:
        """Takes ``n`` bytes, rounded outward to pages, out of the free ones. Raises ValueError unless all are free
        RAM (ruling R35).
        """
        self._machine._memory_reserve(pa, n)

    def release(self, pa: int, n: int) -> None:
        """Undoes `reserve`. Raises ValueError unless every page was reserved."""
        self._machine._memory_release(pa, n)

    def fragment(
        self,
        fraction: float | Fraction | None = None,
        run_pages: int = 1,
        seed: int | None = None,
        *,
        buddyinfo: str | os.PathLike[str] | BuddyInfo | None = None,
    ) -> int:
        """Pins pages so that free memory is in pieces; returns how many pages were pinned.

        fraction: share of the pages free now, 0 … 1, pinned in runs of ``run_pages`` spread by ``seed`` (ruling R36;
        the machine's seed when left out). buddyinfo: path, text or BuddyInfo of /proc/buddyinfo: memory is pinned
        until the free blocks have the shape it lists. Raises TypeError unless exactly one of the two is given,
        ValueError for numbers out of range.
        """
        if (fraction is None) == (buddyinfo is None):
            raise TypeError("pass fraction= or buddyinfo=")
        machine = self._machine
        if buddyinfo is not None:
            from storsim.buddy import shape

            return shape(machine, buddyinfo, machine.config.seed if seed is None else seed)
        from fractions import Fraction

        share = Fraction(repr(fraction)) if isinstance(fraction, float) else Fraction(fraction or 0)
        if not 0 <= share <= 1 or run_pages < 1:
            raise ValueError("fraction lies between 0 and 1, and a run has at least one page")
        share = share.limit_denominator(1 << 32)
        chosen = machine.config.seed if seed is None else seed
        return machine._memory_fragment(share.numerator, share.denominator, run_pages, chosen & ALL_ONES)

    def _repr_html_(self) -> str:
        from storsim import html

        return html.memory(self)

    def __repr__(self) -> str:
        return f"<memory {self.total_bytes} bytes, {self.free_bytes()} free>"
