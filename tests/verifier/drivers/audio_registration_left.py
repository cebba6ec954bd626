"""The unsolicited-response callback is not withdrawn."""

from __future__ import annotations

import storsim
from storsim.hdaudio import *

FINDING = "REGISTRATION_LEAK"
FOUND_BY = "run"
DVD = StreamFormat(48000, 16, 16, 2)
TABLE = HDAUDIO_BUS_INTERFACE_V2


def buggy(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, _tag = bus.RegisterEventCallback(print, None)  # site
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()


def fixed(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, tag = bus.RegisterEventCallback(print, None)
        if status == 0:
            bus.UnregisterEventCallback(tag)
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()
