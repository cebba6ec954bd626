"""The queue's address goes into a 32-bit register."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "DEVICE_DMA_FOREIGN"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    register = pa & 0xFFFF_FFFF
    hba.dma_write(register, b"completion")  # site
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    register = pa
    hba.dma_write(register, b"completion")
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
