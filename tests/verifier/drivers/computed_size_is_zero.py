"""With no namespaces the table's size is computed as zero."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "ZERO_LENGTH"
FOUND_BY = "run"


def table(pc: storsim.Machine, least: int) -> None:
    hba = pc.add_adapter("nvme0")
    namespaces = 0
    status, block = StorPortAllocatePool(hba, max(least, namespaces * 32), "Tbl1")  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, block)


def buggy(pc: storsim.Machine) -> None:
    table(pc, 0)


def fixed(pc: storsim.Machine) -> None:
    table(pc, 32)
