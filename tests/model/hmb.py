"""The Host Memory Buffer (specification §4.5, ruling R32), by brute force over sets of runs."""

from __future__ import annotations

from itertools import combinations

from model.memory import PAGE, Run

CUT = 0xFFFFF000
MIB = 1 << 20


def usable_pieces(
    runs: list[Run], alignment: int = 0, lowest: int = 0, highest: int = 2**64 - 1
) -> list[tuple[int, int]]:
    """Pieces (start, bytes) that single entries may describe: inside the window, aligned, whole pages, below 4 GiB
    each.
    """
    step = max(PAGE, alignment)
    pieces = []
    for run in runs:
        start, end = max(run.first * PAGE, lowest), min(run.end * PAGE, highest + 1)
        end -= end % PAGE
        start += -start % step
        while end - start >= PAGE:
            length = min(end - start, CUT)
            pieces.append((start, length))
            start += length
            start += -start % step
    return pieces


def hmb_target(
    policy: int, minimum: int, preferred: int, utilization: int, *, divisor: int = 1024, cap: int | None = None
) -> int:
    """Bytes to aim for; 0 means that the policy gives nothing."""
    if policy == 0:
        return 0
    if policy == 1:
        target = minimum or PAGE
    elif policy == 2:
        target = preferred
    else:
        pages = -(-(utilization // divisor) // PAGE) if divisor else 0
        target = min(max(pages * PAGE, minimum), preferred)
    if cap is not None:
        if cap < minimum:
            return 0
        target = min(target, cap)
    return target


def largest_total(pieces: list[tuple[int, int]], count: int) -> int:
    """Most bytes that at most ``count`` pieces give. Tries every choice of pieces."""
    best = 0
    for number in range(1, min(count, len(pieces)) + 1):
        best = max(best, max(sum(length for _, length in choice) for choice in combinations(pieces, number)))
    return best


def fewest_ranges(pieces: list[tuple[int, int]], total: int) -> int | None:
    """Fewest pieces that hold ``total`` bytes, by trying every choice; None when all together do not."""
    for number in range(1, len(pieces) + 1):
        if any(sum(length for _, length in choice) >= total for choice in combinations(pieces, number)):
            return number
    return None


def hmb_outcome(pieces: list[tuple[int, int]], target: int, minimum: int, count: int) -> tuple[int, int] | None:
    """(total bytes, number of ranges) that must come out, or None for INSUFFICIENT_RESOURCES."""
    if target == 0:
        return None
    total = min(target, largest_total(pieces, count))
    if total < max(minimum, PAGE):
        return None
    number = fewest_ranges(pieces, total)
    assert number is not None
    return total, number
