"""The MDL stays when the list's buffer cannot be had."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "MDL_LEAK"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, buffer = StorPortAllocatePool(hba, 4096, "Buf5")
    if status:
        return
    status, mdl = StorPortAllocateMdl(hba, buffer, 4096)  # site
    if status == STOR_STATUS_SUCCESS:
        status, room = StorPortAllocatePool(hba, 256, "Rom5")
        if status == STOR_STATUS_SUCCESS:
            StorPortFreePool(hba, room)
            StorPortFreeMdl(hba, mdl)
    StorPortFreePool(hba, buffer)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, buffer = StorPortAllocatePool(hba, 4096, "Buf5")
    if status:
        return
    status, mdl = StorPortAllocateMdl(hba, buffer, 4096)
    if status == STOR_STATUS_SUCCESS:
        status, room = StorPortAllocatePool(hba, 256, "Rom5")
        if status == STOR_STATUS_SUCCESS:
            StorPortFreePool(hba, room)
        StorPortFreeMdl(hba, mdl)
    StorPortFreePool(hba, buffer)
