"""The interrupt routine grows a ring."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "StorPortIrql"
FOUND_BY = "run"


def grow(pc: storsim.Machine, callback: str) -> None:
    hba = pc.add_adapter("nvme0")
    routine = StorPortAllocateContiguousMemorySpecifyCacheNode
    with hba.callback(callback):
        status, va = routine(hba, 4096, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreeContiguousMemorySpecifyCache(hba, va, 4096, MmCached)


def buggy(pc: storsim.Machine) -> None:
    grow(pc, "HwStorInterrupt")


def fixed(pc: storsim.Machine) -> None:
    grow(pc, "HwStorDpcRoutine")
