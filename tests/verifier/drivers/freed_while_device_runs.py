"""The buffer goes before the device is told to stop."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "DEVICE_DMA_TO_FREED"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)  # site
    hba.dma_write(pa, b"late completion")  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    hba.dma_write(pa, b"completion")
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
