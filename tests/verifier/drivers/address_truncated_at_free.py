"""The free gets the address from a 32-bit field."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "PA_MISMATCH"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa & 0xFFFF_FFFF)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
