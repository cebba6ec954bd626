"""Every check of the verifier: a smallest program that breaks the rule, and a smallest one that does not.

Codes and parameters are those of storport-memory §6 and of the bugcheck pages; None stands for any value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit.outcome import code_matches
from kit.world import GIB, MIB, World, mem

PAGE = 4096
SPECIAL = {"special_pool"}
Seen = dict[str, int]
Act = Callable[[World, Seen], object]


@dataclass(frozen=True)
class Check:
    """One row: what breaks it, what does not, and what is reported. `code` may depend on what the program saw."""

    id: str
    name: str
    bad: Act
    good: Act
    code: Callable[[Seen], tuple[int | None, ...]] | None = None
    violation: str | None = None
    level: str = "verifier"
    knobs: dict[str, Any] = field(default_factory=dict)
    #: The same with the check switched off: what is reported then. None: not switchable.
    off: dict[str, Any] | None = None


def pool(world: World, seen: Seen, size: int = 100, tag: Any = "Test") -> int:
    seen["va"] = world.pool(size, tag)
    return seen["va"]


def free(world: World, va: int) -> Any:
    return sp.StorPortFreePool(world.hba, va)


def touched(size: int, at: int, data: bytes = b"\xff", *, then_free: bool = True) -> Act:
    """Allocates `size` bytes, stores `data` at an offset, frees."""

    def act(world: World, seen: Seen) -> object:
        va = pool(world, seen, size)
        world.pc.write_va(va + at, data)
        return free(world, va) if then_free else None

    return act


def loaded(size: int, at: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        va = pool(world, seen, size)
        world.pc.read_va(va + at, 1)
        return free(world, va)

    return act


def used_late(write: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        va = pool(world, seen)
        free(world, va)
        return world.pc.write_va(va, b"x") if write else world.pc.read_va(va + 3, 1)

    return act


def freed(offset: int, times: int = 1) -> Act:
    def act(world: World, seen: Seen) -> object:
        va = pool(world, seen)
        for _ in range(times):
            free(world, va + offset)
        return None

    return act


def at_dirql(then: Act) -> Act:
    def act(world: World, seen: Seen) -> object:
        with world.pc.at_irql(5):
            return then(world, seen)

    return act


def pool_freed_at_dirql(world: World, seen: Seen) -> object:
    va = pool(world, seen)
    with world.pc.at_irql(5):
        return free(world, va)


def pool_call(world: World, seen: Seen) -> object:
    return free(world, pool(world, seen))


def pool_kept(world: World, seen: Seen) -> object:
    pool(world, seen)
    pool(world, seen)
    seen["ext"] = int(world.ext)
    return world.hba.remove()


def pool_removed(world: World, seen: Seen) -> object:
    pool_call(world, seen)
    return world.hba.remove()


def unloading(world: World, seen: Seen) -> object:
    with world.hba.callback("HwStorFreeAdapterResources"):
        return world.pool(64)


def before_unloading(world: World, seen: Seen) -> object:
    va = pool(world, seen)
    with world.hba.callback("HwStorFreeAdapterResources"):
        return free(world, va)


def dma(world: World, seen: Seen, size: int = 100, **more: int) -> tuple[int, int]:
    seen["va"], seen["pa"] = world.dma(size, **more)
    return seen["va"], seen["pa"]


def free_dma(world: World, va: int, size: int, pa: int = 0, cache: int = sp.MmCached) -> Any:
    return sp.StorPortFreeDmaMemory(world.hba, va, size, cache, pa)


def dma_touched(at: int, size: int = 100, *, by_cpu: bool = False, data: bytes = b"\xff") -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen, size)
        if by_cpu:
            world.pc.write_va(va + at, data)
        else:
            world.hba.dma_write(pa + at, data)
        return free_dma(world, va, size, pa)

    return act


def contiguous_touched(at: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        va = seen["va"] = world.contiguous(100)
        world.pc.write_va(va + at, b"\xff")
        return sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 100, sp.MmCached)

    return act


def uncached_touched(at: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        seen["va"] = world.uncached(5000)
        world.pc.write_va(seen["va"] + at, b"\xff")
        return world.hba.remove()

    return act


def looked_at(at: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        _va, pa = dma(world, seen)
        world.hba.dma_write(pa + at, b"\xff")
        return world.pc.check()

    return act


def dma_twice(times: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen)
        for _ in range(times):
            free_dma(world, va, 100, pa)
        return None

    return act


def dma_kept(world: World, seen: Seen) -> object:
    dma(world, seen)
    seen["ext"] = int(world.ext)
    return world.hba.remove()


def dma_removed(world: World, seen: Seen) -> object:
    dma_twice(1)(world, seen)
    return world.hba.remove()


def wrong_free(size: int, cache: int = sp.MmCached, shift: int = 0) -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen, 8192)
        return free_dma(world, va, size, pa + shift, cache)

    return act


def low_request(highest: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen, 8192, highest=highest)
        return free_dma(world, va, 8192, pa)

    return act


def contiguous_at(irql: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        with world.pc.at_irql(irql):
            return sp.StorPortAllocateContiguousMemorySpecifyCacheNode(
                world.hba, PAGE, 0, 2**64 - 1, 0, sp.MmCached, sp.MM_ANY_NODE_OK
            )

    return act


def marked(user: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        address = 0x7000_0000 if user else world.pool(PAGE)
        with world.hba.callback("HwStorFindAdapter"):
            return sp.StorPortMarkDumpMemory(world.hba, address, PAGE, 0)

    return act


def listed(puts: int, length: int = 4096, start: int = 0) -> Act:
    """Builds a scatter/gather list over a page of pool and puts it so often."""

    def act(world: World, seen: Seen) -> object:
        va = seen["va"] = world.pool(4096)
        seen["mdl"] = int(world.mdl(va, 4096))
        room, lists = world.pool(4096), []
        seen["ext"] = int(world.ext)
        with world.pc.at_irql(2):
            sp.StorPortBuildScatterGatherList(
                world.hba,
                seen["mdl"],
                va + start,
                length,
                lambda device, irp, found, context: lists.append(found),
                None,
                True,
                room,
                4096,
            )
            for _ in range(puts):
                sp.StorPortPutScatterGatherList(world.hba, lists[0], True)
        for address in (va, room) if puts else ():
            free_mdl = seen.pop("mdl", 0)
            if free_mdl:
                sp.StorPortFreeMdl(world.hba, free_mdl)
            free(world, address)
        if not puts:
            sp.StorPortFreeMdl(world.hba, seen["mdl"])
            free(world, room)
            return world.hba.remove() if length == 4096 and start == 0 else None
        return None

    return act


def sg_leak(world: World, seen: Seen) -> object:
    """A list over a request's own buffer is never put."""
    srb = world.hba.srb(4096)
    _status, mdl = sp.StorPortGetOriginalMdl(world.hba, srb)
    _status, va = sp.StorPortGetSystemAddress(world.hba, srb)
    room = world.uncached(4096)
    seen["ext"] = int(world.ext)
    with world.pc.at_irql(2):
        sp.StorPortBuildScatterGatherList(world.hba, mdl, va, 4096, lambda *a: None, None, True, room, 4096)
    return world.hba.remove()


def sg_put(world: World, seen: Seen) -> object:
    srb = world.hba.srb(4096)
    _status, mdl = sp.StorPortGetOriginalMdl(world.hba, srb)
    _status, va = sp.StorPortGetSystemAddress(world.hba, srb)
    room, lists = world.uncached(4096), []
    with world.pc.at_irql(2):
        sp.StorPortBuildScatterGatherList(
            world.hba, mdl, va, 4096, lambda d, i, found, c: lists.append(found), None, True, room, 4096
        )
        sp.StorPortPutScatterGatherList(world.hba, lists[0], True)
    return world.hba.remove()


def remapped(inside: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen, PAGE)
        seen["where"] = pa if inside else pa + 64 * MIB
        world.hba.dma_write(seen["where"], b"data")
        return free_dma(world, va, PAGE, pa)

    return act


def device_late(late: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen, PAGE)
        if late:
            free_dma(world, va, PAGE, pa)
            world.hba.dma_write(pa, b"data")
        else:
            world.hba.dma_write(pa, b"data")
            free_dma(world, va, PAGE, pa)
        return None

    return act


def built(freed_first: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        va = pool(world, seen, PAGE)
        seen["mdl"] = int(world.mdl(va, PAGE, built=False))
        if freed_first:
            free(world, va)
        sp.StorPortBuildMdlForNonPagedPool(world.hba, seen["mdl"])
        sp.StorPortFreeMdl(world.hba, seen["mdl"])
        return free(world, va)

    return act


def built_over(kind: str) -> Act:
    def act(world: World, seen: Seen) -> object:
        memory = world.pc.pageable(PAGE) if kind == "pageable" else world.pool(PAGE)
        seen["va"] = int(memory)
        seen["mdl"] = int(world.mdl(seen["va"], PAGE, built=False))
        return sp.StorPortBuildMdlForNonPagedPool(world.hba, seen["mdl"])

    return act


def uncached_late(in_find_adapter: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        if in_find_adapter:
            return world.uncached(PAGE)
        with world.hba.callback("HwStorPassiveInitializeRoutine") as config:
            return sp.StorPortGetUncachedExtension(world.hba, config, PAGE)

    return act


def translated(late: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        va, pa = dma(world, seen, PAGE)
        seen["ext"] = int(world.ext)
        if late:
            free_dma(world, va, PAGE, pa)
        return sp.StorPortGetPhysicalAddress(world.hba, 0, va)

    return act


def overwritten(again: bool) -> Act:
    def act(world: World, seen: Seen) -> object:
        va = pool(world, seen)
        return sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=va if again else 0)

    return act


def half_duplex(callback: str) -> Act:
    def act(world: World, seen: Seen) -> object:
        with world.hba.callback(callback):
            return sp.StorPortAllocatePool(world.hba, 64, "Test")

    return act


def deprecated(world: World, seen: Seen) -> object:
    return sp.StorPortValidateRange(world.hba, 5, 0, 0x1000, 0x100, False)


def irql_event(world: World, seen: Seen) -> object:
    with world.pc.at_irql(5):
        return sp.StorPortAllocatePool(world.hba, 64, "Test")


def paged_touched(irql: int) -> Act:
    def act(world: World, seen: Seen) -> object:
        memory = world.pc.pageable(64)
        seen["va"] = int(memory)
        with world.pc.at_irql(irql):
            return world.pc.write_va(int(memory), b"x")

    return act


def hmb_kept(world: World, seen: Seen) -> object:
    world.hmb()
    return world.hba.remove()


def hmb_freed(world: World, seen: Seen) -> object:
    ranges = world.hmb()
    sp.StorPortFreeHostMemoryBuffer(world.hba, ranges)
    return world.hba.remove()


def nothing(world: World, seen: Seen) -> object:
    return None


TRACKING = {"verifier": {"dma", "force_irql"}}
NO_DMA = {"verifier": {"pool_tracking", "force_irql"}}
NO_SPECIAL = {"verifier": None}

CHECKS = [
    Check("V1", "store past the end", touched(100, 100), touched(100, 99), lambda s: (0xD6, s["va"] + 100, 1, 0, 0),
          knobs={"verifier": SPECIAL}, off=NO_SPECIAL),
    Check("V1", "load past the end", loaded(64, 64), loaded(64, 63), lambda s: (0xD6, s["va"] + 64, 0, 0, 0),
          knobs={"verifier": SPECIAL}),
    Check("V1", "store across the end", touched(100, 96, b"12345678"), touched(100, 92, b"12345678"),
          lambda s: (0xD6, s["va"] + 100, 1, 0, 0), knobs={"verifier": SPECIAL}),
    Check("V2", "store before the start", touched(100, -3), touched(100, 0),
          lambda s: (0xC1, s["va"], s["va"] - 3, 0, 0x23), knobs={"verifier": SPECIAL}, off=NO_SPECIAL),
    Check("V2", "one flipped bit", touched(100, -1, b"\x0e"), touched(100, -1, b"\x0f"),
          lambda s: (0xC1, s["va"], s["va"] - 1, 0, 0x32), knobs={"verifier": SPECIAL}),
    Check("V3", "store before the start", touched(100, -1), touched(100, 0), lambda s: (0xD6, s["va"] - 1, 1, 0, 0),
          knobs={"verifier": SPECIAL, "special_pool_start": True}, off=NO_SPECIAL),
    Check("V3", "store past the end", touched(100, 100), touched(100, 99),
          lambda s: (0xC1, s["va"], s["va"] + 100, 0, 0x24), knobs={"verifier": SPECIAL, "special_pool_start": True}),
    Check("V4", "load after the free", used_late(False), pool_call, lambda s: (0xD5, s["va"] + 3, 0, 0, 0),
          knobs={"verifier": SPECIAL}),
    Check("V4", "store after the free", used_late(True), pool_call, lambda s: (0xD5, s["va"], 1, 0, 0),
          knobs={"verifier": SPECIAL}),
    Check("V4", "without special pool", used_late(True), pool_call, violation="USE_AFTER_FREE"),
    Check("V5", "never allocated", lambda w, s: free(w, 0xFFFF_B000_0000_1000), pool_call,
          lambda s: (0xC1, 0xFFFF_B000_0000_1000, 0, 0, 0x20), knobs={"verifier": SPECIAL}),
    Check("V5", "freed twice", freed(0, 2), freed(0), lambda s: (0xC1, s["va"], 0, 0, 0x20),
          knobs={"verifier": SPECIAL}),
    Check("V5", "bad address", freed(16), freed(0), lambda s: (0xC1, s["va"] + 16, 100, 84, 0x21),
          knobs={"verifier": SPECIAL}),
    Check("V5", "allocated at DIRQL", at_dirql(pool_call), pool_call, lambda s: (0xC1, 5, 512, 100, 0x30),
          knobs={"verifier": SPECIAL, "bypass_irql_status": True}),
    Check("V5", "freed at DIRQL", pool_freed_at_dirql, pool_call, lambda s: (0xC1, 5, 512, s["va"], 0x31),
          knobs={"verifier": SPECIAL, "bypass_irql_status": True}),
    Check("V7", "pool left", pool_kept, pool_removed, lambda s: (0xC4, 0x62, s["ext"], 0, 2), off=TRACKING),
    Check("V8", "pool while unloading", unloading, before_unloading, lambda s: (0xC4, 0x61, 0, 0, 0), off=TRACKING),
    Check("V9", "overrun of a slot", touched(100, 100), touched(100, 99),
          lambda s: (0xC4, 0x51, s["va"], s["va"] + 100, 100)),
    Check("V9", "overrun of a page block", touched(5000, 5004), touched(5000, 4999),
          lambda s: (0xC4, 0x51, s["va"], s["va"] + 5004, 5000), off=TRACKING),
    Check("V9", "header damaged", touched(100, -12), touched(100, 0), lambda s: (0xC4, 0x54, s["va"], 0, 0)),
    Check("V9", "plain kernel", touched(100, 100), touched(100, 99), lambda s: (0x19, 0x21, s["va"], 100, None),
          level="release"),
    Check("V9", "plain kernel, header", touched(100, -14), touched(100, 0),
          lambda s: (0x19, 0x20, s["va"] - 16, None, 0), level="release"),
    Check("V10", "zero bytes", lambda w, s: w.call("StorPortAllocatePool", 0, "Test"), pool_call,
          lambda s: (0xC4, 0x00, 0, 512, 0)),
    Check("V11", "allocated at DIRQL", at_dirql(pool_call), pool_call, lambda s: (0xC4, 0x02, 5, 512, 100),
          knobs={"bypass_irql_status": True}),
    Check("V11", "freed at DIRQL", pool_freed_at_dirql, pool_call, lambda s: (0xC4, 0x12, 5, 512, s["va"]),
          knobs={"bypass_irql_status": True}),
    Check("V11", "plain kernel", at_dirql(pool_call), pool_call, lambda s: (0xC2, 0x08, 5, 512, 100),
          knobs={"bypass_irql_status": True}, level="release"),
    Check("V12", "unknown address", lambda w, s: free(w, 0xFFFF_B000_0000_1000), pool_call,
          lambda s: (0xC4, 0x10, 0xFFFF_B000_0000_1000, 0, 0)),
    Check("V12", "freed twice", freed(0, 2), freed(0), lambda s: (0xC4, 0x13, 0, s["va"] - 16, None)),
    Check("V13", "size in the header", touched(100, -14, b"\x7f"), touched(100, 0),
          lambda s: (0xC4, 0x13F, s["va"], 0x7F0, None), off=None),
    Check("V14", "size", wrong_free(4096), wrong_free(8192), lambda s: (0xC4, 0x16, 0, s["va"], 0), level="strict"),
    Check("V14", "cache type", wrong_free(8192, sp.MmNonCached), wrong_free(8192),
          lambda s: (0xC4, 0x16, 0, s["va"], 0), level="strict"),
    Check("V14", "physical address", wrong_free(8192, shift=PAGE), wrong_free(8192),
          lambda s: (0xC4, 0x16, 0, s["va"], 0), level="strict"),
    Check("V14", "size, recorded", wrong_free(4096), wrong_free(8192), violation="SIZE_MISMATCH"),
    Check("V15", "below 4 GiB", low_request(2**32 - 1), low_request(2**64 - 1),
          lambda s: (0xC4, 0x141, 2**32 - 1, 8192, 0), knobs={"explicit_low_memory": True},
          off={"explicit_low_memory": False}),
    Check("V16", "contiguous memory at DIRQL", contiguous_at(5), contiguous_at(2), lambda s: (0xC4, 0xE5, 5, 0, 0)),
    Check("V17", "user address", marked(True), marked(False), lambda s: (0xC4, 0xE0, 0x7000_0000, PAGE, 0)),
    Check("V18", "common buffer freed twice", dma_twice(2), dma_twice(1), lambda s: (0xE6, 0x03, 1, 0, 0)),
    Check("V19", "common buffer left", dma_kept, dma_removed, lambda s: (0xE6, 0x07, s["ext"], 1, 0), off=NO_DMA),
    Check("V20", "C62: device, first byte behind", dma_touched(100), dma_touched(99),
          lambda s: (0xE6, 0x0F, 5, s["va"], s["va"] + 100), off=NO_DMA),
    Check("V20", "processor, slack", dma_touched(4095, by_cpu=True), dma_touched(99, by_cpu=True),
          lambda s: (0xE6, 0x0F, 5, s["va"], s["va"] + 4095)),
    Check("V20", "contiguous memory", contiguous_touched(100), contiguous_touched(99),
          lambda s: (0xE6, 0x0F, 5, s["va"], s["va"] + 100)),
    Check("V20", "tag before", dma_touched(-1), dma_touched(0), lambda s: (0xE6, 0x0F, 1, 100, s["va"])),
    Check("V20", "tag behind", dma_touched(4096), dma_touched(0), lambda s: (0xE6, 0x0F, 2, 100, s["va"])),
    Check("V20", "padding before", dma_touched(-64), dma_touched(0),
          lambda s: (0xE6, 0x0F, 4, s["va"], s["va"] - 64)),
    Check("V20", "padding behind the tag", dma_touched(4096 + 64), dma_touched(0),
          lambda s: (0xE6, 0x0F, 5, s["va"], s["va"] + 4096 + 64)),
    Check("V20", "uncached extension, at removal", uncached_touched(5000), uncached_touched(4999),
          lambda s: (0xE6, 0x0F, 5, s["va"], s["va"] + 5000), off=NO_DMA),
    Check("V20", "at pc.check()", looked_at(100), looked_at(99),
          lambda s: (0xE6, 0x0F, 5, s["va"], s["va"] + 100)),
    Check("V21", "put twice", listed(2), listed(1), lambda s: (0xE6, 0x06, None, None)),
    Check("V21", "never put", sg_leak, sg_put, lambda s: (0xE6, 0x0A, s["ext"], 1, 0), off=NO_DMA),
    Check("V22", "zero length", listed(0, 0), listed(1), lambda s: (0xE6, 0x21)),
    Check("V22", "before the MDL", listed(0, 16, -16), listed(1), lambda s: (0xE6, 0x1F, 1, s["va"] - 16, s["mdl"])),
    Check("V22", "after the MDL", listed(0, 16, 4096), listed(1), lambda s: (0xE6, 0x1F, 2, s["va"] + 4096, s["mdl"])),
    Check("V22", "too long", listed(0, 8192), listed(1), lambda s: (0xE6, 0x1F, 3, s["mdl"], 8192)),
    Check("V23", "outside every mapping", remapped(False), remapped(True),
          lambda s: (0xE6, 0x26, None, s["where"], 1), knobs={"dma_remapping": True}),
    Check("V23", "after the free", device_late(True), device_late(False), violation="DEVICE_DMA_TO_FREED"),
    Check("V24", "build over freed memory", built(True), built(False), lambda s: (0x1A, 0x1240, s["mdl"], None, 0)),
    Check("V24", "build over pageable memory", built_over("pageable"), built_over("pool"),
          lambda s: (0xC4, 0x140, 0, s["mdl"], s["va"])),
    Check("V25", "uncached extension", uncached_late(False), uncached_late(True), lambda s: (0xF1, 0x2002, 0, 0, 0)),
    Check("V25", "bad address", translated(True), translated(False), lambda s: (0xF1, 0x1006, s["ext"], s["va"], 0)),
    Check("V26", "StorPortIrql", irql_event, nothing, violation="StorPortIrql"),
    Check("V26", "StorPortAllocatePool2", overwritten(True), overwritten(False), violation="StorPortAllocatePool2"),
    Check("V26", "SpNoWait", half_duplex("HwStorStartIo"), half_duplex("HwStorBuildIo"), violation="SpNoWait",
          knobs={"full_duplex": False}),
    Check("V26", "StorPortDeprecated", deprecated, nothing, violation="StorPortDeprecated"),
    Check("V27", "pageable memory at DISPATCH", paged_touched(2), paged_touched(1),
          lambda s: (0xD1, s["va"], 2, 1, 0), off={"verifier": {"pool_tracking", "dma"}}),
    Check("V28", "buffer left", hmb_kept, hmb_freed, violation="HMB_LEAK"),
]  # fmt: skip

IDS = [f"{check.id}-{check.name}" for check in CHECKS]
MEMORY = mem((1, 159), (256, 16000), (GIB // PAGE * 4, 8192))


def world_of(check: Check, **changed: Any) -> World:
    """A world with the knobs of a check."""
    return World(level=check.level, memory=MEMORY, **(check.knobs | changed))


def run(world: World, act: Act) -> tuple[storsim.BugCheck | None, list[str], Seen]:
    seen: Seen = {}
    try:
        act(world, seen)
    except storsim.BugCheck as stop:
        return stop, [record.name for record in world.pc.violations], seen
    except storsim.Violation:
        pass
    return None, [record.name for record in world.pc.violations], seen


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
def test_violating(check: Check) -> None:
    world = world_of(check)
    stop, names, seen = run(world, check.bad)
    if check.code is None:
        assert stop is None
        assert check.violation in names
        record = next(record for record in world.pc.violations if record.name == check.violation)
    else:
        assert stop is not None, names
        want = check.code(seen)
        assert code_matches((stop.code, *stop.parameters), want), (repr(stop), [hex(value or 0) for value in want])
        assert stop.name == record_name(stop.code)
        record = stop.record
    assert record.rule
    assert record.fix
    assert record.source
    assert record.site is not None
    assert "tests" in record.site.file


def record_name(code: int) -> str:
    return {
        0x19: "BAD_POOL_HEADER",
        0x1A: "MEMORY_MANAGEMENT",
        0xC1: "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION",
        0xC2: "BAD_POOL_CALLER",
        0xC4: "DRIVER_VERIFIER_DETECTED_VIOLATION",
        0xD1: "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
        0xD5: "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL",
        0xD6: "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION",
        0xE6: "DRIVER_VERIFIER_DMA_VIOLATION",
        0xF1: "SCSI_VERIFIER_DETECTED_VIOLATION",
    }[code]


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
def test_conforming(check: Check) -> None:
    world = world_of(check)
    stop, names, _seen = run(world, check.good)
    assert stop is None, str(stop)
    assert names == []
    assert world.pc.check() == ""


@pytest.mark.parametrize("check", [c for c in CHECKS if c.off is not None], ids=lambda c: f"{c.id}-{c.name}")
def test_switched_off(check: Check) -> None:
    """Without its flag a check does not stop with its own code."""
    world = world_of(check, **(check.off or {}))
    stop, _names, seen = run(world, check.bad)
    assert check.code is not None
    assert stop is None or not code_matches((stop.code, *stop.parameters), check.code(seen))


def test_every_check_has_a_program() -> None:
    assert {check.id for check in CHECKS} | {"V6"} == {f"V{n}" for n in range(1, 29)}


# --- V6: limits of special pool -------------------------------------------------------------------------------------


def test_v6_whole_pages_are_not_covered() -> None:
    world = World(verifier=SPECIAL)
    va = world.pool(PAGE)
    assert va % PAGE == 0
    assert world.pc.stats()["verifier"]["special_pool_live"] == 0
    world.pool(PAGE - 1)
    assert world.pc.stats()["verifier"]["special_pool_live"] == 1


def test_v6_exhausted_special_pool_falls_back_and_counts() -> None:
    world = World(verifier=SPECIAL, special_pool_pages=2)
    blocks = [world.pool(64) for _ in range(5)]
    counters = world.pc.stats()["verifier"]
    assert (counters["special_pool_live"], counters["special_pool_fallbacks"]) == (2, 3)
    assert [block % PAGE + 64 == PAGE for block in blocks] == [True, True, False, False, False]
    for block in blocks:
        assert sp.StorPortFreePool(world.hba, block) == sp.STOR_STATUS_SUCCESS
    assert world.pc.stats()["verifier"]["special_pool_live"] == 0
    assert world.pool(64) % PAGE == PAGE - 64


def test_special_pool_touches_the_end_or_the_start_of_its_page() -> None:
    for size in (1, 16, 100, 4095):
        assert (World(verifier=SPECIAL).pool(size) + size) % PAGE == 0
        assert World(verifier=SPECIAL, special_pool_start=True).pool(size) % PAGE == 0


def test_special_pool_survives_a_snapshot() -> None:
    world = World(verifier=SPECIAL)
    va = world.pool(100)
    world.pc.write_va(va, b"kept")
    saved = world.pc.snapshot()
    with pytest.raises(storsim.BugCheck):
        world.pc.write_va(va + 100, b"x")
    world.pc.restore(saved)
    assert world.pc.read_va(va, 4) == b"kept"
    assert world.pc.physical(va + 99) % PAGE == PAGE - 1
    assert sp.StorPortFreePool(world.hba, va) == sp.STOR_STATUS_SUCCESS


def test_mdl_over_special_pool() -> None:
    world = World(verifier=SPECIAL)
    va = world.pool(100)
    mdl = world.mdl(va, 100)
    assert mdl.byte_offset == va % PAGE
    assert [page // PAGE for page in mdl.pages] == [world.pc.physical(va) // PAGE]


# --- levels ---------------------------------------------------------------------------------------------------------


def test_release_has_no_flags_and_hands_out_the_same_addresses() -> None:
    def addresses(**knobs: Any) -> list[Any]:
        world = World(**knobs)
        return [world.pool(100), world.dma(100), world.contiguous(5000), world.pool(64), world.dma(4096)]

    assert World(level="release").pc.config.verifier == 0
    assert addresses(level="release") == addresses(level="verifier") == addresses(level="strict")


@pytest.mark.parametrize("level", ["release", "verifier", "strict"])
def test_a_look_at_the_guards_reports_once_where_no_check_owns_them(level: str) -> None:
    world = World(level=level, verifier=0)
    va, pa = world.dma(100)
    world.hba.dma_write(pa + 100, b"x")
    if level == "strict":
        with pytest.raises(storsim.Violation) as raised:
            world.pc.check()
        assert raised.value.record.name == "OVERRUN"
    else:
        assert world.pc.check() == ""
    assert world.pc.check() == ""
    [record] = world.pc.violations
    assert (record.name, record.address) == ("OVERRUN", va + 100)
    assert "byte 1 past the end of a block of 100 bytes was changed" in record.text


def test_leaks_come_before_damage_at_removal() -> None:
    world = World()
    va = world.pool(100)
    world.pc.write_va(va + 100, b"x")
    with pytest.raises(storsim.BugCheck) as stop:
        world.hba.remove()
    assert stop.value.parameters == (0x62, int(world.ext), 0, 1)
    assert [record.name for record in stop.value.leaks] == ["POOL_LEAK"]
    assert "OVERRUN" in [record.name for record in world.pc.violations]
