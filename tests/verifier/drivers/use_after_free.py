"""A timer that was not stopped reads the context after its free."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "USE_AFTER_FREE"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    StorPortFreePool(hba, block)  # site
    with hba.callback("HwStorTimer"):
        pc.read_va(block, 8)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    with hba.callback("HwStorTimer"):
        pc.read_va(block, 8)
    StorPortFreePool(hba, block)
