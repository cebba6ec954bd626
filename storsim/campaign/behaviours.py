"""What a machine was seen to do, as (routine, state, outcome) with a count. No other module knows where it comes from.

Source: the trace of calls, routine by status.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storsim.machine import Machine

CALL = 1


@cache
def _status_names() -> dict[str, dict[int, str]]:
    from storsim import _core

    return {row["name"]: {one["value"]: one["name"] for one in row["statuses"]} for row in _core.ddi_table()}


def of(machine: Machine) -> Counter[tuple[str, str, str]]:
    """The behaviours of a machine that is still open."""
    names = _status_names()
    seen: Counter[tuple[str, str, str]] = Counter()
    for _, _, kind, routine, _, _, _, values in machine._trace():
        if kind == CALL and routine is not None:
            seen[routine, "", names.get(routine, {}).get(values[0], "returned")] += 1
    return seen
