"""The block is as long as the payload, the copy as long as header and payload."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "OVERRUN"
FOUND_BY = "run"
REQUEST = {"payload_length": 100, "total_length": 108}


def buggy(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, message = StorPortAllocatePool(hba, REQUEST["payload_length"], "Msg1")  # site
    if status:
        return
    pc.write_va(message, bytes(REQUEST["total_length"]))
    StorPortFreePool(hba, message)  # site


def fixed(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, message = StorPortAllocatePool(hba, REQUEST["total_length"], "Msg1")
    if status:
        return
    pc.write_va(message, bytes(REQUEST["total_length"]))
    StorPortFreePool(hba, message)
