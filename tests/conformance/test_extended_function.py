"""§2.5: the StorPortExtendedFunction codes behind the routines, as the DDI table has them."""

from __future__ import annotations

from typing import Any

import pytest

import storsim
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
DIRECT = (
    "StorPortGetUncachedExtension",
    "StorPortGetPhysicalAddress",
    "StorPortGetVirtualAddress",
    "StorPortGetScatterGatherList",
    "StorPortAllocateRegistryBuffer",
    "StorPortFreeRegistryBuffer",
    "StorPortMoveMemory",
    "StorPortConvertUlongToPhysicalAddress",
)


def _rows() -> dict[str, Any]:
    return {row["name"]: row for row in storsim._core.ddi_table() if row["family"] == "storport"}


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=CODES)
def test_code(name: str, code: int) -> None:
    assert _rows()[name]["function_code"] == code


@pytest.mark.parametrize("name", DIRECT)
def test_direct_exports_have_no_code(name: str) -> None:
    assert _rows()[name]["function_code"] == -1


def test_no_two_routines_share_a_code() -> None:
    codes = [row["function_code"] for row in _rows().values() if row["function_code"] >= 0]
    assert len(set(codes)) == len(codes) == len(CODES)


def test_call_by_code() -> None:
    world = World(level="strict")
    result = sp.StorPortExtendedFunction(0, world.hba, 64, "Test")
    assert result.status == sp.STOR_STATUS_SUCCESS
    assert world.live(result.BufferPointer)
    assert sp.StorPortExtendedFunction(1, world.hba, result.BufferPointer) == sp.STOR_STATUS_SUCCESS
    assert not world.live(result.BufferPointer)


@pytest.mark.parametrize("code", [7, 8, 11, 54, 79, 121, 1000, 0x7FFFFFFF])
def test_unknown_code_leaves_everything_alone(code: int) -> None:
    world = World(level="strict")
    outcome = world.expect(
        lambda: sp.StorPortExtendedFunction(code, world.hba, 1, 2, 3), sp.STOR_STATUS_NOT_IMPLEMENTED
    )
    assert outcome.outputs == ()


def test_code_newer_than_windows() -> None:
    world = World(level="strict", os=storsim.WindowsVersion.WIN10_1709)
    arguments = (8192, 0, 2**64 - 1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    outcome = world.observe(lambda: sp.StorPortExtendedFunction(82, world.hba, *arguments))
    assert outcome.status == sp.STOR_STATUS_NOT_IMPLEMENTED
    assert not world.kinds("dma")
