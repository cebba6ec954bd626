"""One queue entry more than the common buffer holds."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "OVERRUN"
FOUND_BY = "run"


def queue(pc: storsim.Machine, entries: int) -> None:
    hba = pc.add_adapter("nvme0")
    with hba.callback("HwStorFindAdapter") as config:
        config.SrbExtensionSize = 64
        va = StorPortGetUncachedExtension(hba, config, 100 * 64)  # site
    for entry in range(entries if va else 0):
        pc.write_va(va + 64 * entry, bytes(64))


def buggy(pc: storsim.Machine) -> None:
    queue(pc, 101)


def fixed(pc: storsim.Machine) -> None:
    queue(pc, 100)
