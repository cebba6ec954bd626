"""The pointer that walks the block is the one that is freed."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "INTERIOR_POINTER"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    cursor = block
    while cursor < block + 48:
        pc.write_va(cursor, b"entry...")
        cursor += 16
    StorPortFreePool(hba, cursor)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    cursor = block
    while cursor < block + 48:
        pc.write_va(cursor, b"entry...")
        cursor += 16
    StorPortFreePool(hba, block)
