"""The interrupt routine frees; the status that refuses is not looked at."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "StorPortIrql"
FOUND_BY = "run"


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    with hba.callback("HwStorInterrupt"):
        StorPortFreePool(hba, block)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Blk1")
    if status:
        return
    with hba.callback("HwStorInterrupt"):
        pass
    with hba.callback("HwStorDpcRoutine"):
        StorPortFreePool(hba, block)
