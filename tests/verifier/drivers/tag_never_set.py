"""The pool tag comes from a field that nobody set."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "BAD_TAG"
FOUND_BY = "run"


def allocate(pc: storsim.Machine, tag: int) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 32, tag)  # site
    if status == STOR_STATUS_SUCCESS:
        StorPortFreePool(hba, block)


def buggy(pc: storsim.Machine) -> None:
    allocate(pc, 0)


def fixed(pc: storsim.Machine) -> None:
    allocate(pc, 0x74736554)
