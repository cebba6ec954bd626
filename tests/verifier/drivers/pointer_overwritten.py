"""A restart allocates into the variable that still holds the first block."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "StorPortAllocatePool2"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    first = block
    status, block = StorPortAllocatePool(hba, 64, "Blk1", BufferPointer=block)  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, block)
    StorPortFreePool(hba, first)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    StorPortFreePool(hba, block)
    block = 0
    status, block = StorPortAllocatePool(hba, 64, "Blk1", BufferPointer=block)
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, block)
