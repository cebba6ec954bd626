"""A small, naive model of the memory rules, written from the specification for lock-step property tests.

Plain Python, sets of page numbers and exhaustive search: slow and obvious, so that it can be believed.
"""

from model.hmb import fewest_ranges, hmb_outcome, hmb_target, largest_total, usable_pieces
from model.memory import Memory, Request, Run, RunMemory

__all__ = [
    "Memory",
    "Request",
    "Run",
    "RunMemory",
    "fewest_ranges",
    "hmb_outcome",
    "hmb_target",
    "largest_total",
    "usable_pieces",
]
