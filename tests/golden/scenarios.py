"""Twenty scenarios by hand, which go through every room: what drivers do, and what goes wrong in them.

Each makes one machine and returns it. Their journals lie beside this file, so that the C core alone, on any platform,
does the same again (``csrc/fuzz/digests.c``). After a change of what the simulator does on purpose::

    python -m tests.golden

writes the journals and the numbers anew (needs make and a C compiler). Say in the change why they are others.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

import storsim
import storsim.storport as sp
from storsim import Irql, MemoryRange, Placement
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

MIB, GIB = 1 << 20, 1 << 30
ALL = 2**64 - 1
DVD, CD, SURROUND = StreamFormat(48000, 16, 16, 2), StreamFormat(44100, 16, 16, 2), StreamFormat(96000, 24, 32, 8)
PC = [MemoryRange(0x1000, 0x9F000, 0), MemoryRange(MIB, 63 * MIB, 0), MemoryRange(4 * GIB, 64 * MIB, 1)]
Scenario = Callable[[], storsim.Machine]


def _numbers(seed: int) -> Callable[[int], int]:
    """A fixed sequence that no Python version can change. Source: Numerical Recipes' constants."""
    state = seed

    def below(bound: int) -> int:
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFF_FFFF
        return (state >> 8) % bound

    return below


def _walk(pc: storsim.Machine, seed: int, steps: int, node: int = sp.MM_ANY_NODE_OK) -> storsim.Machine:
    """DMA memory under limits and boundaries, freed in another order than it was taken."""
    hba, below, live = pc.add_adapter("hba0"), _numbers(seed), []
    for _ in range(steps):
        if live and below(2):
            sp.StorPortFreeDmaMemory(hba, *live.pop(below(len(live))))
            continue
        size = 1 + below(1 << (10 + below(9)))
        highest, boundary = (1 << (20 + below(14))) - 1, (0, 4096, 65536, 1 << 20)[below(4)]
        _, va, pa = sp.StorPortAllocateDmaMemory(hba, size, 0, highest, boundary, sp.MmCached, node)
        if va:
            live.append((va, size, sp.MmCached, pa))
    return pc


def placement_bottom_up() -> storsim.Machine:
    return _walk(storsim.Machine(PC, placement=Placement.BOTTOM_UP, level="release"), 1, 200)


def placement_best_fit() -> storsim.Machine:
    return _walk(storsim.Machine(PC, placement=Placement.BEST_FIT, level="release"), 2, 200)


def placement_random() -> storsim.Machine:
    return _walk(storsim.Machine(PC, placement=Placement.RANDOM, seed=2**63 + 5, level="release"), 3, 200)


def placement_adversarial() -> storsim.Machine:
    return _walk(storsim.Machine(PC, placement=Placement.ADVERSARIAL, level="release"), 4, 200)


def strict_nodes() -> storsim.Machine:
    return _walk(storsim.Machine("256MiB", nodes=4, node_policy="strict", level="release"), 5, 200, node=2)


def fragmented() -> storsim.Machine:
    pc = storsim.Machine("1GiB", seed=9, level="release")
    pc.memory.reserve(0x100000, 0x8000)
    pc.memory.fragment(fraction=0.5, run_pages=3, seed=4)
    return _walk(pc, 6, 120)


def pool() -> storsim.Machine:
    pc = storsim.Machine("64MiB")
    hba, below, live = pc.add_adapter("hba0"), _numbers(7), []
    for step in range(150):
        if len(live) > 20:
            sp.StorPortFreePool(hba, live.pop(below(len(live))))
        _, va = sp.StorPortAllocatePool(hba, 1 + below(1 << (3 + step % 10)), "Gold")
        pc.write_va(va, bytes([step % 251]))
        live.append(va)
        pc.advance(ticks=step)
    return pc


def misuse() -> storsim.Machine:
    """Violations that a retail kernel survives, one after the other."""
    pc = storsim.Machine("64MiB", level="release")
    hba, other = pc.add_adapter("hba0"), pc.add_adapter("hba1")
    _, va = sp.StorPortAllocatePool(hba, 100, "Gold")
    _, dma, pa = sp.StorPortAllocateDmaMemory(hba, 10000, 0, ALL, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    sp.StorPortFreeDmaMemory(hba, dma, 9000, sp.MmNonCached, pa)
    sp.StorPortFreePool(other, va)
    with pc.at_irql(Irql.DISPATCH_LEVEL):
        sp.StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 4096, 0, ALL, 0, sp.MmCached, 0)
    sp.StorPortAllocatePool(hba, 0, "Gold")
    sp.StorPortAllocateDmaMemory(hba, 4096, 0, ALL, 12345, sp.MmCached, 77)
    hba.remove()
    return pc


def overrun() -> storsim.Machine:
    """Driver Verifier's special pool stops a store beyond the end."""
    pc = storsim.Machine("64MiB", level="verifier", verifier=storsim.Verifier.SPECIAL_POOL)
    hba = pc.add_adapter("hba0")
    _, va = sp.StorPortAllocatePool(hba, 4096, "Gold")
    with contextlib.suppress(storsim.BugCheck):
        pc.write_va(va + 4090, b"far beyond the end")
    return pc


def double_free() -> storsim.Machine:
    pc = storsim.Machine("64MiB")
    hba = pc.add_adapter("hba0")
    _, va = sp.StorPortAllocatePool(hba, 64, "Gold")
    sp.StorPortFreePool(hba, va)
    with contextlib.suppress(storsim.BugCheck):
        sp.StorPortFreePool(hba, va)
    return pc


def faults() -> storsim.Machine:
    pc = storsim.Machine("64MiB", seed=12, level="release")
    hba = pc.add_adapter("hba0")
    pc.faults.fail_nth("StorPortAllocatePool", 3)
    pc.faults.fail_when(lambda point: point.bytes > 5000)
    for size in range(500, 9000, 500):
        sp.StorPortAllocatePool(hba, size, "Gold")
        sp.StorPortAllocateDmaMemory(hba, size, 0, ALL, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    return pc


def scatter_gather() -> storsim.Machine:
    """Lists built with and without copies, requests, device transfers through an IOMMU."""
    pc = storsim.Machine(PC, dma_remapping=True, level="release")
    hba = pc.add_adapter("hba0")
    _, data = sp.StorPortAllocatePool(hba, 8192, "Data")
    _, place = sp.StorPortAllocatePool(hba, 512, "List")
    _, mdl = sp.StorPortAllocateMdl(hba, data, 8192)
    sp.StorPortBuildMdlForNonPagedPool(hba, mdl)

    def execute(device: Any, irp: Any, sg_list: Any, context: Any) -> None:
        sp.StorPortAllocatePool(hba, 64, "More")
        sp.StorPortPutScatterGatherList(hba, sg_list, True)

    with pc.at_irql(Irql.DISPATCH_LEVEL):
        sp.StorPortBuildScatterGatherList(hba, mdl, data, 8192, execute, "context", True, place, 512)
    sp.StorPortFreeMdl(hba, mdl)
    for fragments in (1, 2, 3):
        with hba.srb(4096 * fragments + 100, write=bool(fragments % 2), fragments=fragments) as srb:
            sp.StorPortGetScatterGatherList(hba, srb)
            pc.advance(ticks=100)
    return pc


def host_memory_buffer() -> storsim.Machine:
    """Found, lent to the drive, used by it, taken back by a reset."""
    pc = storsim.Machine(PC, level="release", hmb_policy=lambda minimum, preferred, utilization: preferred)
    hba = pc.add_adapter("hba0")
    drive = hba.attach_nvme({"hmpre": 1024, "hmmin": 256, "hmmaxd": 8})
    _, ranges = sp.StorPortAllocateHostMemoryBuffer(hba, MIB, 4 * MIB, 0, 4096, 0, ALL, 0, 8)
    _, entries, pa = sp.StorPortAllocateDmaMemory(hba, 4096, 0, ALL, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    for index, each in enumerate(ranges):
        row = each.RangeStart.to_bytes(8, "little") + (each.RangeLength // 4096).to_bytes(8, "little")
        pc.write_va(entries + 16 * index, row)
    units = sum(each.RangeLength for each in ranges) // 4096
    drive.set_features(0x0D, cdw11=1, cdw12=units, cdw13=pa & 0xFFFFFFFF, cdw14=pa >> 32, cdw15=len(ranges))
    hba.dma_write(ranges[0].RangeStart, b"translation table")
    drive.get_features(0x0D)
    drive.set_features(0x0D, cdw11=0)
    drive.reset()
    sp.StorPortFreeHostMemoryBuffer(hba, ranges)
    return pc


def snapshots() -> storsim.Machine:
    """A day lived three times, each time otherwise."""
    pc = _walk(storsim.Machine("64MiB", level="release"), 8, 40)
    kept = pc.snapshot()
    for again in range(3):
        pc.restore(kept)
        pc.advance(ticks=again)
        for address in range(0x200000, 0x204000, 0x1000):
            pc.memory.write(address + again, b"again")
    return pc


def render() -> storsim.Machine:
    """Two streams with notification; callbacks, an event, the position, stopped and started again."""
    pc = storsim.Machine("256MiB")
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    handles = []
    for wave in (DVD, CD):
        _, handle, _ = bus.AllocateRenderDmaEngine(wave)
        _, mdl, size, _, _, _ = bus.AllocateDmaBufferWithNotification(handle, 2, 8192)
        pc.write_va(mdl.va, bytes(range(256)) * (size // 256))
        bus.RegisterNotificationEvent(handle, pc.event())
        bus.RegisterNotificationCallback(handle, 1, lambda context, time: int(bus.GetWallClockRegister()), 2)
        handles.append(handle)
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, handles)
    pc.advance(milliseconds=150)
    _, register = bus.GetLinkPositionRegister(handles[0])
    int(register)
    for state in (PauseState, ResetState, PauseState, RunState):
        bus.SetDmaEngineState(state, handles)
        pc.advance(frames=333)
    hda.codecs[0].played(1)
    return pc


def capture() -> storsim.Machine:
    """A codec sends what it was given, then silence; verbs and an unsolicited response in between."""
    pc = storsim.Machine("256MiB")
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    bus.RegisterEventCallback(lambda response, context: None, 1)
    _, handle, converter = bus.AllocateCaptureDmaEngine(0, DVD)
    _, _, _, stream, _ = bus.AllocateDmaBuffer(handle, 4096)
    hda.codecs[0].feed(stream, bytes(range(256)) * 20)
    verbs = [0x20 << 20 | 0x20000 | converter, 0x20 << 20 | 0x70600 | stream << 4]
    bus.TransferCodecVerbs(2, [HDAUDIO_CODEC_TRANSFER(verb) for verb in verbs])
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, [handle])
    pc.advance(frames=2500)
    answers = [HDAUDIO_CODEC_TRANSFER(0x000F0000), HDAUDIO_CODEC_TRANSFER(0x000F0002)]
    bus.TransferCodecVerbs(2, answers, lambda transfer, context: None, 3)
    pc.advance(frames=20)
    hda.codecs[0].unsolicited(0, 0x1234)
    pc.advance(frames=20)
    bus.GetDeviceInformation(HDAUDIO_DEVICE_INFORMATION())
    hda.remove()
    return pc


def own_list() -> storsim.Machine:
    """A driver that writes its own descriptor list; one stream of 24 bits in eight channels."""
    pc = storsim.Machine("256MiB", level="release")
    bus = pc.add_hda(sdo_lines=4).query_interface(HDAUDIO_BUS_INTERFACE_BDL)
    _, handle, _ = bus.AllocateRenderDmaEngine(SURROUND)
    _, data, entries = bus.AllocateContiguousDmaBuffer(handle, 24576)
    base = pc.physical(data)
    assert base is not None
    entries[0], entries[1], entries[2] = (base, 8192, 1), (base + 8192, 8192, 0), (base + 16384, 8192, 1)
    bus.SetupDmaEngineWithBdl(handle, 24576, 2, lambda context, mask: None, None)
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, [handle])
    pc.advance(milliseconds=25)
    bus.SetDmaEngineState(PauseState, [handle])
    bus.SetDmaEngineState(ResetState, [handle])
    bus.FreeContiguousDmaBuffer(handle)
    return pc


def chip_faults() -> storsim.Machine:
    """What the hardware does wrong when asked to, and a bus driver that lives with it."""
    pc = storsim.Machine("256MiB", level="release", seed=3)
    hda = pc.add_hda(timing="emulator")
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    _, handle, _ = bus.AllocateRenderDmaEngine(DVD)
    bus.AllocateDmaBufferWithNotification(handle, 2, 4096)
    bus.RegisterNotificationCallback(handle, 1, lambda context, time: None, 2)
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, [handle])
    for fault in ("late_dpc", "fifo_error", "codec_silent", "rirb_overrun", "descriptor_error", "timeout"):
        hda.inject(fault)
        bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0x000F0000)])
        pc.advance(milliseconds=20)
        bus.SetDmaEngineState(RunState, [handle])
    hda.inject("removed")
    pc.advance(milliseconds=20)
    bus.FreeDmaEngine(handle)
    return pc


def registers() -> storsim.Machine:
    """The chip without its bus driver: a program writes the registers itself, some of them wrongly."""
    pc = storsim.Machine("64MiB", level="release")
    hda = pc.add_hda(timing="ideal")
    below = _numbers(10)
    hda.mmio.write(0x08, 4, 1)
    pc.advance(frames=30)
    for _ in range(250):
        size = (1, 2, 4)[below(3)]
        offset = below(0x180) // size * size
        if below(2):
            hda.mmio.write(offset, size, below(1 << (8 * size)) & ~(1 if offset in (0x08, 0x0B) else 0))
        else:
            hda.mmio.read(offset, size)
        pc.advance(ticks=below(2000))
    return pc


def levels() -> storsim.Machine:
    """Interrupts and DPCs on two processors, held back by the level and by a latency."""
    pc = storsim.Machine("64MiB", cpus=2, dpc_latency=700, level="release")
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    _, handle, _ = bus.AllocateRenderDmaEngine(DVD)
    bus.AllocateDmaBufferWithNotification(handle, 1, 4096)
    bus.RegisterNotificationCallback(handle, 1, lambda context, time: None, 2)
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, [handle])
    for cpu, level in ((0, 2), (1, 5), (0, 0), (1, 11)):
        with pc.on_cpu(cpu), pc.at_irql(level):
            pc.advance(milliseconds=30)
        pc.run_until_interrupt(limit=48000)
    return pc


SCENARIOS: dict[str, Scenario] = {
    function.__name__: function
    for function in (
        placement_bottom_up,
        placement_best_fit,
        placement_random,
        placement_adversarial,
        strict_nodes,
        fragmented,
        pool,
        misuse,
        overrun,
        double_free,
        faults,
        scatter_gather,
        host_memory_buffer,
        snapshots,
        render,
        capture,
        own_list,
        chip_faults,
        registers,
        levels,
    )
}
#: Programs of the seed corpus: all five kinds, long and short ones.
PROGRAMS = (
    *(0, 2, 4, 6, 7, 10, 12, 14, 16, 20),  # memory
    *(3, 13, 23, 33, 43),  # misuse
    *(1, 5, 8, 11, 15, 18),  # families
    *(9, 29, 49, 69),  # the whole table
    *(19, 39, 59, 79, 99),  # audio
)


def perform(scenario: Scenario) -> storsim.Machine:
    """Runs one; what it finds is in its machine, not announced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", storsim.ViolationWarning)
        return scenario()
