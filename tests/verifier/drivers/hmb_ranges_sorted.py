"""The array is sorted by length before it is freed."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "HMB_REORDERED"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    pc.memory.fragment(fraction=0.9, run_pages=1, seed=5)
    hba = pc.add_adapter("nvme0")
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)
    if status:
        return
    StorPortFreeHostMemoryBuffer(hba, ranges[::-1])  # site


def fixed(pc: storsim.Machine) -> None:
    pc.memory.fragment(fraction=0.9, run_pages=1, seed=5)
    hba = pc.add_adapter("nvme0")
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)
    if status:
        return
    StorPortFreeHostMemoryBuffer(hba, ranges)
