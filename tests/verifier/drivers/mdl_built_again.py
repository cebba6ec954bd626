"""Every request builds the same MDL again."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "MDL_REBUILD"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 4096, "Blk1")
    if status:
        return
    status, mdl = StorPortAllocateMdl(hba, block, 4096)
    if status == STOR_STATUS_SUCCESS:
        for _request in range(2):
            StorPortBuildMdlForNonPagedPool(hba, mdl)  # site
        StorPortFreeMdl(hba, mdl)
    StorPortFreePool(hba, block)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 4096, "Blk1")
    if status:
        return
    status, mdl = StorPortAllocateMdl(hba, block, 4096)
    if status == STOR_STATUS_SUCCESS:
        StorPortBuildMdlForNonPagedPool(hba, mdl)
        StorPortFreeMdl(hba, mdl)
    StorPortFreePool(hba, block)
