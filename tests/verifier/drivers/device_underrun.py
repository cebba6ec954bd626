"""The device's ring pointer starts one entry before the ring."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "OVERRUN"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)  # site
    if status:
        return
    for entry in range(-1, 3):
        hba.dma_write(pa + 16 * entry, b"0123456789ABCDEF")
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    for entry in range(3):
        hba.dma_write(pa + 16 * entry, b"0123456789ABCDEF")
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
