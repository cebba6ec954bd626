"""One visit to every routine of both families and to every input: what the failure and leak rows run again and again.

``units()`` gives it in pieces that each make a machine of their own: one per Storport routine, called with arguments
it accepts; one for what is no routine (stores, device DMA, faults, time, snapshots); one for a life of the HD Audio
bus interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import storsim
import storsim.storport as sp
from kit.routines import ROUTINES, Routine
from kit.world import LOW, World
from storsim.hdaudio import (
    HDAUDIO_BUS_INTERFACE_BDL,
    HDAUDIO_BUS_INTERFACE_V3,
    HDAUDIO_CODEC_TRANSFER,
    HDAUDIO_DEVICE_INFORMATION,
    PauseState,
    ResetState,
    RunState,
    StreamFormat,
)

Step = tuple[str, Callable[[], Any]]
Unit = tuple[str, Callable[..., Any]]


def _call(world: World, routine: Routine) -> Any:
    arguments = routine.prepare(world)
    if routine.context:
        with world.hba.callback(routine.context):
            return routine.invoke(world, arguments)
    with world.pc.at_irql(routine.irql[0] if routine.irql else 0):
        return routine.invoke(world, arguments)


def inputs(world: World) -> Iterator[Step]:
    """What is no routine: the device's side, the driver's own loads and stores, faults, time, events."""
    pc, hba = world.pc, world.hba
    va = world.pool(4096)

    def stores() -> None:
        pc.write_va(va, b"data")
        pc.read_va(va, 4)
        pa = pc.physical(va)
        assert pa is not None
        hba.dma_write(pa, b"more")
        hba.dma_read(pa, 4)
        pc.memory.read(pa, 4)

    def faults() -> None:
        pc.faults.fail_nth("StorPortAllocatePool", 1)
        sp.StorPortAllocatePool(hba, 64, "Test")

    def export() -> None:
        with hba.pool(100, tag="Buff") as block, memoryview(block) as view:
            view[:4] = b"abcd"

    def time() -> None:
        event = pc.event()
        pc.advance(milliseconds=1)
        event.clear()
        pc.run_until_interrupt(limit=500)
        pc.run_dpcs()

    def back() -> None:
        pc.restore(pc.snapshot())
        pc.digest()

    def look() -> None:
        pc.allocations()
        list(pc.trace)
        pc.stats()
        str(pc.report())

    def questions() -> None:
        kept, table = pc.snapshot(), storsim._core.ddi_table()
        hash(kept), repr(kept), repr(pc.storport), len(table), storsim._core.behaviour_layout()
        repr(storsim._core.hdaudio_decode(storsim._core.hdaudio_encode(48000, 16, 16, 2)))
        hba.dump_marks, pc.cpu, pc.check(), sp.StorPortFreePool.id, pc._memory_distance(0, 0), pc._callback_current()

    def validate() -> None:
        sp.StorPortValidateRange(hba, 5, 0, 0xFEB00000, 0x4000, False)

    def request() -> None:
        with hba.srb(8192) as srb:
            sp.StorPortGetScatterGatherList(hba, srb)

    yield from (("stores", stores), ("faults", faults), ("export", export), ("request", request), ("range", validate))
    yield from (("time", time), ("snapshot and restore", back), ("records", look), ("questions", questions))


def audio(pc: storsim.Machine) -> Iterator[Step]:
    """Every routine of the HD Audio bus interface, in an order a driver could have."""
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    own = hda.query_interface(HDAUDIO_BUS_INTERFACE_BDL)
    dvd, cd = StreamFormat(48000, 16, 16, 2), StreamFormat(44100, 16, 16, 2)
    seen: list[Any] = []
    kept: dict[str, Any] = {}

    def note(*given: Any) -> None:
        seen.append(given)

    def engines() -> None:
        _status, kept["render"], _ = bus.AllocateRenderDmaEngine(dvd)
        _status, kept["capture"], _ = bus.AllocateCaptureDmaEngine(0, dvd)
        _status, kept["own"], _ = own.AllocateRenderDmaEngine(cd)
        bus.ChangeBandwidthAllocation(kept["render"], dvd)

    def buffers() -> None:
        bus.AllocateDmaBuffer(kept["capture"], 8192)
        result = bus.AllocateDmaBufferWithNotification(kept["render"], 2, 8192)
        kept["mdl"], kept["size"] = result[1], result[2]
        _status, data, entries = own.AllocateContiguousDmaBuffer(kept["own"], 8192)
        base = pc.physical(data)
        entries[0], entries[1] = (base, 4096, 0), (base + 4096, 4096, 1)
        own.SetupDmaEngineWithBdl(kept["own"], 8192, 1, lambda context, mask: seen.append(mask), None)

    def notices() -> None:
        kept["event"] = pc.event()
        bus.RegisterNotificationEvent(kept["render"], kept["event"])
        bus.InterfaceReference()
        bus.InterfaceDereference()
        bus.RegisterNotificationCallback(kept["render"], 1, note, 7)
        _status, kept["tag"] = bus.RegisterEventCallback(lambda *given: seen.append(given), None)

    def play() -> None:
        handles = [kept["render"], kept["own"], kept["capture"]]
        bus.SetDmaEngineState(PauseState, handles)
        bus.SetDmaEngineState(RunState, handles)
        pc.advance(milliseconds=60)
        _status, register = bus.GetLinkPositionRegister(kept["render"])
        int(register)
        int(bus.GetWallClockRegister())
        bus.SetDmaEngineState(PauseState, handles)
        bus.SetDmaEngineState(ResetState, handles)

    def verbs() -> None:
        bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0x000F0000)])
        bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0x000F0004)], lambda *given: seen.append(given), 1)
        pc.advance(milliseconds=1)
        hda.codecs[0].unsolicited(1, 5)
        hda.codecs[0].feed_pending(1)
        pc.advance(milliseconds=1)
        bus.GetDeviceInformation(HDAUDIO_DEVICE_INFORMATION())
        bus.GetResourceInformation()

    def undo() -> None:
        bus.UnregisterEventCallback(kept["tag"])
        bus.UnregisterNotificationCallback(kept["render"], note, 7)
        bus.UnregisterNotificationEvent(kept["render"], kept["event"])
        for handle in (kept["render"], kept["capture"], kept["own"]):
            pc.digest()
            own.FreeContiguousDmaBuffer(handle)
            bus.FreeDmaBuffer(handle)
        bus.FreeDmaBufferWithNotification(kept["render"], kept["mdl"], kept["size"])
        for handle in (kept["render"], kept["capture"], kept["own"]):
            bus.FreeDmaEngine(handle)

    yield from (("engines", engines), ("buffers", buffers), ("notifications", notices), ("play", play))
    yield from (("verbs", verbs), ("frees", undo), ("remove the controller", hda.remove))


def _routine(routine: Routine) -> Callable[..., Any]:
    def unit(watch: Callable[[storsim.Machine], None], **settings: Any) -> None:
        world = World(level="release", memory=LOW, **settings)
        watch(world.pc)
        _call(world, routine)

    return unit


def _all(watch: Callable[[storsim.Machine], None], **settings: Any) -> None:
    world = World(level="release", memory=LOW, **settings)
    watch(world.pc)
    for _name, step in inputs(world):
        step()
    world.pc.close()


def _audio(watch: Callable[[storsim.Machine], None], **settings: Any) -> None:
    pc = storsim.Machine("64MiB", level="release", **settings)
    watch(pc)
    for _name, step in audio(pc):
        step()
    pc.close()


def units() -> list[Unit]:
    """The tour in pieces that stand alone: (name, function(watch, **settings)); `watch` gets the machine at once."""
    return [
        *((name, _routine(routine)) for name, routine in ROUTINES.items()),
        ("inputs", _all),
        ("HD Audio", _audio),
    ]


def tour(**settings: Any) -> int:
    """Every piece once; returns how many there are."""
    every = units()
    for _name, unit in every:
        unit(lambda pc: None, **settings)
    return len(every)
