"""The common buffer is asked for after HwStorFindAdapter."""

from __future__ import annotations

import storsim
from storsim.storport import *

FINDING = "BAD_CONTEXT"
FOUND_BY = "run"


def ask(pc: storsim.Machine, callback: str) -> None:
    hba = pc.add_adapter("nvme0")
    with hba.callback("HwStorFindAdapter") as config:
        config.SrbExtensionSize = 64
    with hba.callback(callback) as config:
        StorPortGetUncachedExtension(hba, config, 8192)  # site


def buggy(pc: storsim.Machine) -> None:
    ask(pc, "HwStorPassiveInitializeRoutine")


def fixed(pc: storsim.Machine) -> None:
    ask(pc, "HwStorFindAdapter")
