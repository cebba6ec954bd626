"""The device cannot count across 64 KiB, and the driver does not say so."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "DEVICE_DMA_FOREIGN"
FOUND_BY = "run"


def transfer(hba: storsim.Adapter, pa: int, data: bytes) -> None:
    """The device's engine: its address counter has 16 bits."""
    for offset in range(0, len(data), 4096):
        place = (pa & ~0xFFFF) | ((pa + offset) & 0xFFFF)
        hba.dma_write(place, data[offset : offset + 4096])  # site


def run(pc: storsim.Machine, boundary: int) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 0x9000, 0, -1, boundary, MmCached, MM_ANY_NODE_OK)
    if status:
        return
    status, next_va, next_pa = StorPortAllocateDmaMemory(hba, 0x9000, 0, -1, boundary, MmCached, MM_ANY_NODE_OK)
    if status == STOR_STATUS_SUCCESS:
        transfer(hba, next_pa, bytes(0x9000))
        StorPortFreeDmaMemory(hba, next_va, 0x9000, MmCached, next_pa)
    StorPortFreeDmaMemory(hba, va, 0x9000, MmCached, pa)


def buggy(pc: storsim.Machine) -> None:
    run(pc, 0)


def fixed(pc: storsim.Machine) -> None:
    run(pc, 0x10000)
