"""When the second allocation fails the registry buffer stays."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "REGISTRY_LEAK"
FOUND_BY = "sweep"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    buffer, _length = StorPortAllocateRegistryBuffer(hba, 256)  # site
    if not buffer:
        return
    status, copy = StorPortAllocatePool(hba, 256, "Reg1")
    if status:
        return
    StorPortFreePool(hba, copy)
    StorPortFreeRegistryBuffer(hba, buffer)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    buffer, _length = StorPortAllocateRegistryBuffer(hba, 256)
    if not buffer:
        return
    status, copy = StorPortAllocatePool(hba, 256, "Reg1")
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, copy)
    StorPortFreeRegistryBuffer(hba, buffer)
