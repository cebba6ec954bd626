"""The driver cuts the range for the device in the array it frees with."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "HMB_MODIFIED"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)
    if status:
        return
    ranges[0].RangeLength -= 4096
    StorPortFreeHostMemoryBuffer(hba, ranges)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)
    if status:
        return
    given = [(item.RangeStart, item.RangeLength - 4096) for item in ranges]
    assert given
    StorPortFreeHostMemoryBuffer(hba, ranges)
