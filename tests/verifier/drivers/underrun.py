"""A negative index writes into the header before the block."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "POOL_HEADER_DAMAGED"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    for index in range(3, -2, -1):
        pc.write_va(block + 16 * index, b"0123456789ABCDEF")
    StorPortFreePool(hba, block)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    for index in range(3, -1, -1):
        pc.write_va(block + 16 * index, b"0123456789ABCDEF")
    StorPortFreePool(hba, block)
