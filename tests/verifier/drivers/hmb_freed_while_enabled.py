"""The buffer is freed before the controller is told to stop using it."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "HMB_FREED_WHILE_ENABLED"
FOUND_BY = "run"


def run(pc: storsim.Machine, disable_first: bool) -> None:
    hba = pc.add_adapter("nvme0")
    hba.attach_nvme({"hmpre": 2048, "hmmin": 16, "hmminds": 0, "hmmaxd": 0})
    status, ranges = StorPortAllocateHostMemoryBuffer(hba, 0, 8 << 20, 0, 0, 0, -1, 0, 8)
    if status:
        return
    status, va, pa = StorPortAllocateDmaMemory(hba, 4096, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status == STOR_STATUS_SUCCESS:
        for index, item in enumerate(ranges):
            entry = item.RangeStart.to_bytes(8, "little") + (item.RangeLength // 4096).to_bytes(8, "little")
            pc.write_va(va + 16 * index, entry)
        pages = sum(item.RangeLength for item in ranges) // 4096
        high, low = pa >> 32, pa & 0xFFFF_FFFF
        hba.nvme.set_features(0x0D, cdw11=1, cdw12=pages, cdw13=low, cdw14=high, cdw15=len(ranges))
    if disable_first:
        hba.nvme.set_features(0x0D, cdw11=0)
    StorPortFreeHostMemoryBuffer(hba, ranges)  # site
    hba.nvme.set_features(0x0D, cdw11=0)
    if status == STOR_STATUS_SUCCESS:
        StorPortFreeDmaMemory(hba, va, 4096, MmCached, pa)


def buggy(pc: storsim.Machine) -> None:
    run(pc, disable_first=False)


def fixed(pc: storsim.Machine) -> None:
    run(pc, disable_first=True)
