"""One valid call of every routine: what the tables over IRQL, Windows version and NULL are run on.

Written from the parameter lists of the specification, not from the package's own table, so that the two check each
other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import storsim.storport as sp

if TYPE_CHECKING:
    from kit.world import World

ALL_ONES = 2**64 - 1
ANY_IRQL = (0, 15)


@dataclass(frozen=True)
class Routine:
    """A routine, a valid call of it, and its row of the specification."""

    name: str
    first_os: str
    #: Arguments after HwDeviceExtension, made at PASSIVE_LEVEL.
    prepare: Callable[[World], tuple[Any, ...]]
    #: Arguments of the right types for a Windows that has no such routine.
    dummy: tuple[Any, ...]
    #: Levels at which the call is fine; None where the specification says nothing.
    irql: tuple[int, int] | None
    #: What a breach leads to: "status" (INVALID_IRQL and a violation), "stop" (that at release, 0xC4/0xE5 with the
    #: verifier),
    #: "quiet" (INVALID_IRQL), "null" (NULL and a violation, 0xC4/0xE5 with the verifier), or "" for none.
    breach: str = ""
    returns: str = "status"
    #: Documented names of the out-parameters that come back as results.
    outputs: tuple[str, ...] = ()
    #: Documented names of the pointers passed in.
    pointers: tuple[str, ...] = ()
    takes_extension: bool = True
    context: str | None = None

    def invoke(self, world: World, arguments: tuple[Any, ...], **keywords: Any) -> Any:
        """The call itself."""
        if not self.takes_extension:
            return getattr(world.pc.storport, self.name)(*arguments, **keywords)
        return getattr(sp, self.name)(world.hba, *arguments, **keywords)

    def __str__(self) -> str:
        return self.name


def _contiguous(world: World) -> tuple[Any, ...]:
    return (8192, 0, ALL_ONES, 0, sp.MmCached, sp.MM_ANY_NODE_OK)


def _sg_build(world: World) -> tuple[Any, ...]:
    va = world.pool(4096)
    buffer = world.pool(256)
    return (world.mdl(va, 4096), va, 4096, lambda *_: None, 0, True, buffer, 256)


def _sg_put(world: World) -> tuple[Any, ...]:
    lists: list[Any] = []
    va = world.pool(4096)
    buffer = world.pool(256)
    mdl = world.mdl(va, 4096)
    with world.pc.at_irql(2):
        sp.StorPortBuildScatterGatherList(
            world.hba, mdl, va, 4096, lambda device, irp, sg, context: lists.append(sg), 0, True, buffer, 256
        )
    return (int(lists[0]), True)


def _registry_buffer(world: World) -> tuple[Any, ...]:
    buffer, _length = sp.StorPortAllocateRegistryBuffer(world.hba, 64)
    return (int(buffer),)


def _get_pfns(world: World) -> tuple[Any, ...]:
    srb = world.hba.srb(8192)
    _status, mdl = sp.StorPortGetOriginalMdl(world.hba, srb)
    return (srb, mdl)


def _hmb(world: World) -> tuple[Any, ...]:
    return (0, 1 << 20, 0, 0, 0, ALL_ONES, 0, 8)


def _dma_free(world: World) -> tuple[Any, ...]:
    va, pa = world.dma(8192)
    return (va, 8192, sp.MmCached, pa)


def _uncached_physical(world: World) -> tuple[Any, ...]:
    va = world.uncached(8192)
    return (0, va)


def _uncached_virtual(world: World) -> tuple[Any, ...]:
    va = world.uncached(8192)
    pa, _length = sp.StorPortGetPhysicalAddress(world.hba, 0, va)
    return (pa,)


def _copy(world: World) -> tuple[Any, ...]:
    return (world.pool(64), 64, world.pool(64), 64)


def _move(world: World) -> tuple[Any, ...]:
    return (world.pool(64), world.pool(64), 64)


_LIST: tuple[Routine, ...] = (
    Routine(
        "StorPortAllocatePool",
        "WS03SP2",
        lambda w: (64, "Test"),
        (64, "Test"),
        (0, 2),
        "status",
        outputs=("BufferPointer",),
    ),
    Routine(
        "StorPortFreePool", "WS03SP2", lambda w: (w.pool(64),), (0,), (0, 2), "status", pointers=("BufferPointer",)
    ),
    Routine(
        "StorPortAllocateMdl",
        "WS03SP2",
        lambda w: (w.pool(4096), 4096),
        (0, 4096),
        (0, 2),
        "status",
        outputs=("Mdl",),
        pointers=("BufferPointer",),
    ),
    Routine(
        "StorPortFreeMdl", "WS03SP2", lambda w: (w.mdl(w.pool(4096), 4096),), (0,), (0, 2), "status", pointers=("Mdl",)
    ),
    Routine(
        "StorPortBuildMdlForNonPagedPool",
        "WS03SP2",
        lambda w: (w.mdl(w.pool(4096), 4096, built=False),),
        (0,),
        (0, 2),
        "status",
        pointers=("Mdl",),
    ),
    Routine(
        "StorPortGetSystemAddress",
        "WS03SP2",
        lambda w: (w.hba.srb(4096),),
        (0,),
        (0, 2),
        "status",
        outputs=("SystemAddress",),
    ),
    Routine("StorPortGetOriginalMdl", "WS03SP2", lambda w: (w.hba.srb(4096),), (0,), ANY_IRQL, outputs=("Mdl",)),
    Routine("StorPortBuildScatterGatherList", "WS03SP2", _sg_build, (0, 0, 4096, 0, 0, True, 0, 256), (2, 2), "status"),
    Routine("StorPortPutScatterGatherList", "WS03SP2", _sg_put, (0, True), (2, 2), "status"),
    Routine("StorPortGetActiveNodeCount", "WIN7", lambda w: (), (), (0, 2), outputs=("NumberNodes",)),
    Routine("StorPortGetNodeAffinity", "WIN7", lambda w: (0,), (0,), None, outputs=("NodeAffinityMask",)),
    Routine("StorPortGetHighestNodeNumber", "WIN7", lambda w: (), (), (0, 2), outputs=("HighestNode",)),
    Routine(
        "StorPortAllocateContiguousMemorySpecifyCacheNode",
        "WIN7",
        _contiguous,
        (8192, 0, ALL_ONES, 0, 1, 0),
        (0, 2),
        "stop",
        outputs=("BufferPointer",),
    ),
    Routine(
        "StorPortFreeContiguousMemorySpecifyCache",
        "WIN7",
        lambda w: (w.contiguous(8192), 8192, sp.MmCached),
        (0, 8192, 1),
        (0, 2),
        "stop",
    ),
    Routine(
        "StorPortGetDataInBufferMdl",
        "WIN8",
        lambda w: (w.hba.srb(4096, write=False),),
        (0,),
        ANY_IRQL,
        outputs=("Mdl",),
    ),
    Routine(
        "StorPortGetDataInBufferSystemAddress",
        "WIN8",
        lambda w: (w.hba.srb(4096, write=False),),
        (0,),
        (0, 2),
        "status",
        outputs=("SystemAddress",),
    ),
    Routine(
        "StorPortGetDataInBufferScatterGatherList",
        "WIN8",
        lambda w: (w.hba.srb(4096, write=False),),
        (0,),
        ANY_IRQL,
        outputs=("SgList",),
    ),
    Routine(
        "StorPortMarkDumpMemory",
        "WIN8",
        lambda w: (w.pool(4096), 4096, 0),
        (0, 4096, 0),
        ANY_IRQL,
        context="HwStorFindAdapter",
    ),
    Routine(
        "StorPortAllocateHostMemoryBuffer",
        "WIN10_1607",
        _hmb,
        (0, 1 << 20, 0, 0, 0, ALL_ONES, 0, 8),
        (0, 2),
        "quiet",
        outputs=("PhysicalAddressRanges",),
    ),
    Routine("StorPortFreeHostMemoryBuffer", "WIN10_1607", lambda w: (w.hmb(),), ([],), (0, 2), "quiet"),
    Routine(
        "StorPortGetPfns",
        "WIN10_1709",
        _get_pfns,
        (0, 0),
        ANY_IRQL,
        outputs=("Pfns", "PfnCount", "StartingOffset"),
        pointers=("Srb", "Mdl"),
    ),
    Routine(
        "StorPortAllocateDmaMemory",
        "WIN10_1803",
        _contiguous,
        (8192, 0, ALL_ONES, 0, 1, 0),
        (0, 2),
        "stop",
        outputs=("BufferPointer", "PhysicalAddress"),
    ),
    Routine("StorPortFreeDmaMemory", "WIN10_1803", _dma_free, (0, 8192, 1, 0), (0, 2), "stop"),
    Routine("StorPortGetCurrentIrql", "SERVER_2022", lambda w: (), (), ANY_IRQL, outputs=("Irql",)),
    Routine("StorPortSecureCopyMemory", "SERVER_2022", _copy, (0, 64, 0, 64), None, takes_extension=False),
    Routine(
        "StorPortGetNodeAffinity2",
        "WIN11_22H2",
        lambda w: (0, 1),
        (0, 1),
        None,
        outputs=("GroupAffinities", "GroupAffinitiesCountRequired"),
    ),
    Routine(
        "StorPortGetPhysicalAddress",
        "WS03SP2",
        _uncached_physical,
        (0, 0),
        ANY_IRQL,
        returns="physical",
        outputs=("Length",),
    ),
    Routine("StorPortGetVirtualAddress", "WS03SP2", _uncached_virtual, (0,), ANY_IRQL, returns="pointer"),
    Routine("StorPortGetScatterGatherList", "WS03SP2", lambda w: (w.hba.srb(4096),), (0,), None, returns="pointer"),
    Routine(
        "StorPortAllocateRegistryBuffer",
        "WS03SP2",
        lambda w: (64,),
        (64,),
        (0, 0),
        "null",
        returns="pointer",
        outputs=("Length",),
    ),
    Routine("StorPortFreeRegistryBuffer", "WS03SP2", _registry_buffer, (0,), (0, 0), "null", returns="void"),
    Routine("StorPortMoveMemory", "WS03SP2", _move, (0, 0, 64), None, returns="void", takes_extension=False),
    Routine(
        "StorPortConvertUlongToPhysicalAddress",
        "WS03SP2",
        lambda w: (0x1234,),
        (0x1234,),
        None,
        returns="physical",
        takes_extension=False,
    ),
)

#: Every routine by its documented name. GetUncachedExtension lives in its callback and has rows of its own.
ROUTINES: dict[str, Routine] = {routine.name: routine for routine in _LIST}
