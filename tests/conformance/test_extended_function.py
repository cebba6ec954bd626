"""§2.5: the StorPortExtendedFunction codes behind the routines, and what a newer or unknown code answers."""

from __future__ import annotations

import pytest

import storsim.storport as sp
from kit import World

CODES = {
    "StorPortAllocatePool": 0,
    "StorPortFreePool": 1,
    "StorPortAllocateMdl": 2,
    "StorPortFreeMdl": 3,
    "StorPortBuildMdlForNonPagedPool": 4,
    "StorPortGetSystemAddress": 5,
    "StorPortGetOriginalMdl": 6,
    "StorPortBuildScatterGatherList": 9,
    "StorPortPutScatterGatherList": 10,
    "StorPortGetActiveNodeCount": 20,
    "StorPortGetNodeAffinity": 21,
    "StorPortGetHighestNodeNumber": 22,
    "StorPortAllocateContiguousMemorySpecifyCacheNode": 24,
    "StorPortFreeContiguousMemorySpecifyCache": 25,
    "StorPortGetDataInBufferMdl": 42,
    "StorPortGetDataInBufferSystemAddress": 43,
    "StorPortGetDataInBufferScatterGatherList": 44,
    "StorPortMarkDumpMemory": 45,
    "StorPortAllocateHostMemoryBuffer": 69,
    "StorPortFreeHostMemoryBuffer": 70,
    "StorPortGetPfns": 76,
    "StorPortAllocateDmaMemory": 82,
    "StorPortFreeDmaMemory": 83,
    "StorPortGetCurrentIrql": 109,
    "StorPortGetNodeAffinity2": 117,
}


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=CODES)
def test_code(name: str, code: int) -> None:
    assert sp.FUNCTION_CODES[name] == code


def test_no_two_routines_share_a_code() -> None:
    assert len(set(sp.FUNCTION_CODES.values())) == len(sp.FUNCTION_CODES)


def test_call_by_code() -> None:
    world = World(level="strict")
    result = sp.StorPortExtendedFunction(0, world.hba, 64, "Test")
    assert result.status == sp.STOR_STATUS_SUCCESS
    assert sp.StorPortExtendedFunction(1, world.hba, result.BufferPointer) == sp.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("code", [7, 8, 11, 54, 79, 121, 1000, 0x7FFFFFFF])
def test_unknown_code(code: int) -> None:
    world = World(level="strict")
    outcome = world.observe(lambda: sp.StorPortExtendedFunction(code, world.hba))
    assert outcome.status == sp.STOR_STATUS_NOT_IMPLEMENTED
    assert outcome.names == []
