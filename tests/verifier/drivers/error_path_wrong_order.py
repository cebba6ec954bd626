"""On the error path the buffer goes before the MDL that describes it."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "FREE_WITH_LIVE_MDL"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, buffer = StorPortAllocatePool(hba, 4096, "Buf3")  # site
    if status:
        return
    status, mdl = StorPortAllocateMdl(hba, buffer, 4096)
    if status:
        StorPortFreePool(hba, buffer)
        return
    StorPortBuildMdlForNonPagedPool(hba, mdl)
    status, list_buffer = StorPortAllocatePool(hba, 256, "Lst3")
    if status:
        StorPortFreePool(hba, buffer)  # site
        StorPortFreeMdl(hba, mdl)
        return
    StorPortFreePool(hba, list_buffer)
    StorPortFreeMdl(hba, mdl)
    StorPortFreePool(hba, buffer)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, buffer = StorPortAllocatePool(hba, 4096, "Buf3")
    if status:
        return
    status, mdl = StorPortAllocateMdl(hba, buffer, 4096)
    if status:
        StorPortFreePool(hba, buffer)
        return
    StorPortBuildMdlForNonPagedPool(hba, mdl)
    status, list_buffer = StorPortAllocatePool(hba, 256, "Lst3")
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, list_buffer)
    StorPortFreeMdl(hba, mdl)
    StorPortFreePool(hba, buffer)
