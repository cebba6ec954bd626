"""§2.5: the StorPortExtendedFunction codes behind the routines, as the DDI table has them."""

from __future__ import annotations

from typing import Any

import pytest

import storsim

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
    "StorPortGetUncachedExtension", "StorPortGetPhysicalAddress", "StorPortGetVirtualAddress", "StorPortGetScatterGatherList",
    "StorPortAllocateRegistryBuffer", "StorPortFreeRegistryBuffer", "StorPortMoveMemory", "StorPortConvertUlongToPhysicalAddress",
)  # fmt: skip


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
