"""The mixer thread writes one period after the buffer went."""

from __future__ import annotations

import storsim
from storsim.hdaudio import *

FINDING = "USE_AFTER_FREE"
FOUND_BY = "run"
DVD = StreamFormat(48000, 16, 16, 2)
TABLE = HDAUDIO_BUS_INTERFACE_BDL


def buggy(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, data, _bdl = bus.AllocateContiguousDmaBuffer(handle, 8192)  # site
        if status == 0:
            bus.FreeContiguousDmaBuffer(handle)  # site
            pc.write_va(int(data), bytes(64))  # site
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()


def fixed(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, data, _bdl = bus.AllocateContiguousDmaBuffer(handle, 8192)
        if status == 0:
            pc.write_va(int(data), bytes(64))
            bus.FreeContiguousDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()
