"""Allocated cached, freed as uncached."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "CACHE_MISMATCH"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    StorPortFreeDmaMemory(hba, va, 8192, MmNonCached, pa)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
