"""The admin queue is not freed when the adapter goes."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "DMA_LEAK"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, _pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    pc.write_va(va, b"admin queue")


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    pc.write_va(va, b"admin queue")
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
