"""A loop writes one element too many."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "OVERRUN"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    for index in range(65):
        pc.write_va(block + index, bytes([index]))
    StorPortFreePool(hba, block)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    for index in range(64):
        pc.write_va(block + index, bytes([index]))
    StorPortFreePool(hba, block)
