"""What the conformance and property tests share: machines to test on, recorded calls, and the expected outcomes."""

from kit.outcome import Outcome, status_of
from kit.pages import PAGE, free_pages, in_pages, owned_pages, page_census
from kit.routines import ROUTINES, Routine
from kit.world import ALL_LEVELS, BIG, EXT, HIGH, LOW, TWO_NODES, World, mem

__all__ = [
    "ALL_LEVELS",
    "BIG",
    "EXT",
    "HIGH",
    "LOW",
    "PAGE",
    "ROUTINES",
    "TWO_NODES",
    "Outcome",
    "Routine",
    "World",
    "free_pages",
    "in_pages",
    "mem",
    "owned_pages",
    "page_census",
    "status_of",
]
