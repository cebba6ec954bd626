"""When the tag table cannot be had, the queue stays allocated."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "DMA_LEAK"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    status, tags = StorPortAllocatePool(hba, 256, "Tags")
    if status:
        return
    StorPortFreePool(hba, tags)
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    status, tags = StorPortAllocatePool(hba, 256, "Tags")
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, tags)
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
