"""The device is given the length rounded up to its sector."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "OVERRUN"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 300, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    hba.dma_write(pa, bytes(512))
    StorPortFreeDmaMemory(hba, va, 300, MmCached, pa)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 300, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    hba.dma_write(pa, bytes(300))
    StorPortFreeDmaMemory(hba, va, 300, MmCached, pa)
