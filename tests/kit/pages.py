"""Pages seen from outside: which are free, which belong to which allocation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import storsim

PAGE = 4096


def in_pages(number_of_bytes: int) -> int:
    """Whole pages that hold this many bytes."""
    return -(-number_of_bytes // PAGE)


def free_pages(pc: storsim.Machine) -> set[int]:
    """Page frame numbers of every free page."""
    pages: set[int] = set()
    for run in pc.memory.runs():
        pages.update(range(run.start // PAGE, (run.start + run.length) // PAGE))
    return pages


def pages_of(start: int, length: int) -> set[int]:
    """Page frames that a physical byte range touches."""
    return set(range(start // PAGE, (start + max(length, 1) - 1) // PAGE + 1))


def owned_pages(records: Iterable[Any], kinds: Iterable[str]) -> dict[int, Any]:
    """Page frame → record for every physically contiguous allocation of these kinds. Fails when two share a page."""
    owner: dict[int, Any] = {}
    wanted = set(kinds)
    for record in records:
        if record.kind not in wanted:
            continue
        for page in pages_of(record.pa, record.size):
            assert page not in owner, f"page {page:#x} belongs to both {owner[page]!r} and {record!r}"
            owner[page] = record
    return owner


def page_census(pc: storsim.Machine) -> tuple[int, int]:
    """Free bytes as counted and as listed: the two must agree."""
    return pc.memory.free_bytes(), sum(run.length for run in pc.memory.runs())
