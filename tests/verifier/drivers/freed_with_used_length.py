"""The free gets the bytes in use, not the bytes allocated."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "SIZE_MISMATCH"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    used = 4096
    StorPortFreeDmaMemory(hba, va, used, MmCached, pa)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
