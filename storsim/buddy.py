"""Gives a machine's free memory the shape that /proc/buddyinfo lists.

buddyinfo counts free blocks of 2**order pages by zone. In each zone's window the wanted blocks are placed, largest
first, at addresses that are multiples of their size and chosen by a seed, a pinned page between neighbours wherever
there is room; every other page that was free is pinned. What does not fit is left out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storsim.memory_range import PAGE_SIZE

if TYPE_CHECKING:
    from random import Random

    from storsim.importers import BuddyInfo
    from storsim.machine import Machine

Interval = tuple[int, int]  # first page, page after the last


def _wanted(info: BuddyInfo, nodes: int) -> dict[tuple[int, Interval], list[int]]:
    """Free blocks by order for each (node, window in pages); zones that share a window are added up."""
    wanted: dict[tuple[int, Interval], list[int]] = {}
    for zone in info.zones:
        if zone.node >= nodes:
            raise ValueError(f"buddyinfo lists node {zone.node}, this machine has nodes 0 to {nodes - 1}")
        first, last = zone.window
        window = (first // PAGE_SIZE, (last + 1) // PAGE_SIZE)
        counts = wanted.setdefault((zone.node, window), [0] * len(zone.free))
        for order, count in enumerate(zone.free):
            counts[order] += count
    return wanted


def _blocks(run: Interval, order: int) -> list[Interval]:
    """A run of pages cut into blocks of at most 2**order pages, each at a multiple of its size."""
    blocks = []
    at, end = run
    while at < end:
        size = 1 << order
        while at % size or at + size > end:
            size >>= 1
        blocks.append((at, at + size))
        at += size
    return blocks


def _place(runs: list[Interval], counts: list[int], rng: Random) -> list[Interval]:
    """Chooses which blocks stay free."""
    top = len(counts) - 1
    unused: list[list[Interval]] = [[] for _ in counts]
    for run in runs:
        for block in _blocks(run, top):
            unused[(block[1] - block[0]).bit_length() - 1].append(block)
    kept: list[Interval] = []
    for order in range(top, -1, -1):
        for _ in range(counts[order]):
            source = next((larger for larger in range(order, top + 1) if unused[larger]), None)
            if source is None:
                break
            pool = unused[source]
            index = rng.randrange(len(pool))
            pool[index], pool[-1] = pool[-1], pool[index]
            start, end = pool.pop()
            while end - start > 1 << order:  # the other half stays for smaller blocks
                middle = (start + end) // 2
                low, high = (start, middle), (middle, end)
                (start, end), rest = (low, high) if rng.random() < 0.5 else (high, low)
                unused[(rest[1] - rest[0]).bit_length() - 1].append(rest)
            kept.append((start, end))
    return sorted(kept)


def shape(machine: Machine, buddyinfo: str | os.PathLike[str] | BuddyInfo, seed: int) -> int:
    """Pins every free page outside the blocks that buddyinfo lists; returns how many pages were pinned.

    Raises ValueError when it lists a node the machine does not have, or is damaged. O(free runs + blocks).
    """
    from random import Random

    from storsim.importers import load_buddyinfo

    info = load_buddyinfo(buddyinfo) if isinstance(buddyinfo, (str, os.PathLike)) else buddyinfo
    free = [(run.start // PAGE_SIZE, (run.start + run.length) // PAGE_SIZE, run.node) for run in machine.memory.runs()]
    pinned = 0
    for (node, (low, high)), counts in _wanted(info, machine.config.nodes).items():
        clipped = [(max(start, low), min(end, high)) for start, end, owner in free if owner == node]
        runs = [(start, end) for start, end in clipped if start < end]
        kept = iter(_place(runs, counts, Random(f"{seed} {node} {low}")))
        block = next(kept, None)
        for start, end in runs:
            at = start
            while block is not None and block[0] < end:
                pinned += _pin(machine, at, block[0])
                at, block = block[1], next(kept, None)
            pinned += _pin(machine, at, end)
    return pinned


def _pin(machine: Machine, first: int, end: int) -> int:
    if first < end:
        machine._memory_reserve(first * PAGE_SIZE, (end - first) * PAGE_SIZE)
    return max(0, end - first)
