"""Nothing frees the context when the adapter goes."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "POOL_LEAK"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")  # site
    if status:
        return
    pc.write_va(block, b"context")


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    pc.write_va(block, b"context")
    StorPortFreePool(hba, block)
