"""The error path frees the context, and so does the common exit."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "DOUBLE_FREE"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, context = StorPortAllocatePool(hba, 256, "Ctx2")  # site
    if status:
        return
    status, queue = StorPortAllocatePool(hba, 512, "Que2")
    if status:
        StorPortFreePool(hba, context)  # site
    else:
        StorPortFreePool(hba, queue)
    StorPortFreePool(hba, context)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, context = StorPortAllocatePool(hba, 256, "Ctx2")
    if status:
        return
    status, queue = StorPortAllocatePool(hba, 512, "Que2")
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, queue)
    StorPortFreePool(hba, context)
