"""The descriptor list is rewritten under a running stream."""

from __future__ import annotations

import storsim
from storsim.hdaudio import *

FINDING = "BDL_CHANGED"
FOUND_BY = "run"
DVD = StreamFormat(48000, 16, 16, 2)
TABLE = HDAUDIO_BUS_INTERFACE_BDL


def buggy(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, data, bdl = bus.AllocateContiguousDmaBuffer(handle, 8192)
        if status == 0:
            pa = pc.physical(data)
            bdl[0], bdl[1] = (pa, 4096, 0), (pa + 4096, 4096, 1)
            bus.SetupDmaEngineWithBdl(handle, 8192, 1, lambda context, mask: None, None)
            bus.SetDmaEngineState(PauseState, [handle])
            bus.SetDmaEngineState(RunState, [handle])
            bdl[0] = (pa, 4096, 1)
            pc.advance(milliseconds=100)
            bus.SetDmaEngineState(PauseState, [handle])
            bus.SetDmaEngineState(ResetState, [handle])
            bus.FreeContiguousDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()


def fixed(pc: storsim.Machine) -> None:
    hda = pc.add_hda()
    bus = hda.query_interface(TABLE)
    status, handle, _converter = bus.AllocateRenderDmaEngine(DVD)
    if status == 0:
        status, data, bdl = bus.AllocateContiguousDmaBuffer(handle, 8192)
        if status == 0:
            pa = pc.physical(data)
            bdl[0], bdl[1] = (pa, 4096, 1), (pa + 4096, 4096, 1)
            bus.SetupDmaEngineWithBdl(handle, 8192, 1, lambda context, mask: None, None)
            bus.SetDmaEngineState(PauseState, [handle])
            bus.SetDmaEngineState(RunState, [handle])
            pc.advance(milliseconds=1)
            bus.SetDmaEngineState(PauseState, [handle])
            bus.SetDmaEngineState(ResetState, [handle])
            bus.FreeContiguousDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
    bus.InterfaceDereference()
