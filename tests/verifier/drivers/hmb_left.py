"""The Host Memory Buffer is not freed when the adapter goes."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "HMB_LEAK"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)  # site
    if status:
        return
    assert ranges


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)
    if status:
        return
    StorPortFreeHostMemoryBuffer(hba, ranges)
