"""Two adapters share a list, and the second frees what the first allocated."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "WRONG_ADAPTER"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    other = pc.add_adapter("nvme1")
    StorPortFreePool(other, block)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    pc.add_adapter("nvme1")
    StorPortFreePool(hba, block)
