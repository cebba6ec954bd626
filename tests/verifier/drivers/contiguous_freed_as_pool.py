"""Contiguous memory goes back to the pool."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "CONTIGUOUS_FREED_AS_POOL"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va = StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 4096, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, va)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va = StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 4096, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status == STOR_STATUS_SUCCESS:
        StorPortFreeContiguousMemorySpecifyCache(hba, va, 4096, MmCached)
