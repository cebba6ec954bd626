"""Pictures with matplotlib (extra ``viz``): ``pip install 'storsim[viz]'``.

Every function takes ``ax=None`` (a new figure) and returns the axes it drew on. Colours are Okabe and Ito's, which the
colour-blind tell apart; where colour says something, so does a hatch, a marker or a label, and legends use words. Times
are virtual, milliseconds; sizes in bytes and their binary multiples. Nothing of the machine changes.
"""

from __future__ import annotations

from storsim.viz.audio import (
    dma_timeline,
    edge_counts,
    engine_states,
    interrupt_latency,
    irql_lane,
    positions,
    refills,
)
from storsim.viz.campaign import behaviours_over_programs, outcomes
from storsim.viz.memory import (
    FragmentationLog,
    PolicyResult,
    compare_policies,
    drive_limits,
    fragmentation,
    free_runs,
    hmb_ranges,
    memory_map,
    placement_policies,
)

__all__ = [
    "FragmentationLog",
    "PolicyResult",
    "behaviours_over_programs",
    "compare_policies",
    "dma_timeline",
    "drive_limits",
    "edge_counts",
    "engine_states",
    "fragmentation",
    "free_runs",
    "hmb_ranges",
    "interrupt_latency",
    "irql_lane",
    "memory_map",
    "outcomes",
    "placement_policies",
    "positions",
    "refills",
]
