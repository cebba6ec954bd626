"""The status of the allocation is not looked at; its pointer is used."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "USER_PAGE_FAULT"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    _status, block = StorPortAllocatePool(hba, 64, "Unc1")
    pc.write_va(block, b"data")  # site
    StorPortFreePool(hba, block)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Unc1")
    if status == STOR_STATUS_SUCCESS:
        pc.write_va(block, b"data")
        StorPortFreePool(hba, block)
