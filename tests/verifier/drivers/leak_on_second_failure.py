"""The context stays allocated when the second allocation fails."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "POOL_LEAK"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, context = StorPortAllocatePool(hba, 256, "Ctx1")  # site
    if status:
        return
    status, queue = StorPortAllocatePool(hba, 512, "Que1")
    if status:
        return
    StorPortFreePool(hba, queue)
    StorPortFreePool(hba, context)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, context = StorPortAllocatePool(hba, 256, "Ctx1")
    if status:
        return
    status, queue = StorPortAllocatePool(hba, 512, "Que1")
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, queue)
    StorPortFreePool(hba, context)
