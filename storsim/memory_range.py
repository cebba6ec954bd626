"""A piece of physical memory: where it starts, how long it is, which NUMA node it belongs to."""

from __future__ import annotations

from typing import NamedTuple

PAGE_SIZE = 4096


class MemoryRange(NamedTuple):
    """``length`` bytes of RAM from physical address ``start`` on, all of one NUMA node.

    start: physical address of the first byte, 0 or more. length: bytes, more than 0 in every range this package
    returns. node: 0 or more. A tuple, so it can be unpacked, compared and sorted by address.
    Source: model choice.
    """

    start: int
    length: int
    node: int = 0

    @property
    def end(self) -> int:
        """Physical address after the last byte."""
        return self.start + self.length

    @property
    def last(self) -> int:
        """Physical address of the last byte."""
        return self.start + self.length - 1

    @property
    def pages(self) -> int:
        """Whole 4096-byte pages inside the range."""
        first = -(-self.start // PAGE_SIZE)
        return max(0, self.end // PAGE_SIZE - first)

    def __repr__(self) -> str:
        return f"MemoryRange({self.start:#x}, {self.length:#x}, {self.node})"
