"""The engine is freed while its stream is paused."""

from __future__ import annotations

import storsim
from storsim.hdaudio import *

FINDING = "ENGINE_NOT_RESET"
FOUND_BY = "run"
DVD = StreamFormat(48000, 16, 16, 2)
TABLE = HDAUDIO_BUS_INTERFACE_V2


def buggy(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, _mdl, _size, _tag, _fifo = bus.AllocateDmaBuffer(handle, 8192)
        if status == 0:
            bus.SetDmaEngineState(PauseState, [handle])  # site
            bus.FreeDmaEngine(handle)  # site
            bus.SetDmaEngineState(ResetState, [handle])
            bus.FreeDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()


def fixed(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, _mdl, _size, _tag, _fifo = bus.AllocateDmaBuffer(handle, 8192)
        if status == 0:
            bus.SetDmaEngineState(PauseState, [handle])
            bus.SetDmaEngineState(ResetState, [handle])
            bus.FreeDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()
