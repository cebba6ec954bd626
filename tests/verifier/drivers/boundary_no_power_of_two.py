"""The boundary is the ring's size, 12 KiB."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "BAD_BOUNDARY"
FOUND_BY = "run"


def ring(pc: storsim.Machine, boundary: int) -> None:
    hba = pc.add_adapter("nvme0")
    status, va, pa = StorPortAllocateDmaMemory(hba, 0x3000, 0, -1, boundary, MmCached, MM_ANY_NODE_OK)  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreeDmaMemory(hba, va, 0x3000, MmCached, pa)


def buggy(pc: storsim.Machine) -> None:
    ring(pc, 0x3000)


def fixed(pc: storsim.Machine) -> None:
    ring(pc, 0x4000)
