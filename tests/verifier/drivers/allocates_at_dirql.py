"""HwStorInterrupt allocates its bookkeeping."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "StorPortIrql"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    with hba.callback("HwStorInterrupt"):
        status, block = StorPortAllocatePool(hba, 64, "Int1")  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, block)


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    with hba.callback("HwStorPassiveInitializeRoutine"):
        status, block = StorPortAllocatePool(hba, 64, "Int1")
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, block)
