"""The conformance cases of the Storport specification, §7, by id. C62 and C63 belong to the verifier's own machinery.

A case runs at the level its row names; where the rulings say that the outcome depends on the level, at each of them.
"""

from __future__ import annotations

from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, HIGH, PAGE, TWO_NODES, World
from storsim import Irql, MemoryRange, Placement, WindowsVersion

ALL_ONES = 2**64 - 1
MIB = 1 << 20
GIB = 1 << 30
Status = sp.StorStatus


# -- pool ------------------------------------------------------------------------------------------------------------


def test_C01_pool_at_dispatch() -> None:
    world = World()
    with world.pc.at_irql(Irql.DISPATCH_LEVEL):
        status, va = sp.StorPortAllocatePool(world.hba, 100, "Test")
    assert status == Status.STOR_STATUS_SUCCESS
    assert va % 16 == 0
    assert va // PAGE == (va + 99) // PAGE


def test_C02_a_page_of_pool_is_page_aligned() -> None:
    world = World()
    status, va = sp.StorPortAllocatePool(world.hba, 4096, "Test")
    assert status == Status.STOR_STATUS_SUCCESS
    assert va % PAGE == 0


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C03_pool_null_output(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=None))
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER
    assert not world.kinds("pool")


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C04_pool_at_dirql(level: str) -> None:
    world = World(level=level)
    with world.pc.at_irql(5):
        outcome = world.expect(
            lambda: sp.StorPortAllocatePool(world.hba, 64, "Test"),
            Status.STOR_STATUS_INVALID_IRQL,
            "StorPortIrql|BAD_IRQL",
        )
    assert outcome.outputs == (0,)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C05_pool_without_budget(level: str) -> None:
    world = World(level=level, nonpaged_budget=0)
    outcome = world.expect(
        lambda: sp.StorPortAllocatePool(world.hba, 64, "Test"), Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    )
    assert outcome.outputs == (0,)


def test_C06_failed_pool_clears_the_output() -> None:
    world = World(nonpaged_budget=0)
    status, va = sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=0xDEAD)
    assert status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert va == 0


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C07_free_of_null_pool(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortFreePool(world.hba, 0))
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C08_free_at_dirql_keeps_the_block(level: str) -> None:
    world = World(level=level)
    va = world.pool(64)
    with world.pc.at_irql(5):
        world.expect(
            lambda: sp.StorPortFreePool(world.hba, va), Status.STOR_STATUS_INVALID_IRQL, "StorPortIrql|BAD_IRQL"
        )
    assert world.live(va)
    assert sp.StorPortFreePool(world.hba, va) == Status.STOR_STATUS_SUCCESS
    assert not world.live(va)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C09_double_free_of_pool(level: str) -> None:
    world = World(level=level)
    va = world.pool(64)
    sp.StorPortFreePool(world.hba, va)
    outcome = world.expect(lambda: sp.StorPortFreePool(world.hba, va), release=(0xC2, 0x07), verifier=(0xC4, 0x13))
    if level == "release":
        assert outcome.code is not None
        assert outcome.code[4] == va


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C10_free_of_an_interior_pool_pointer(level: str) -> None:
    world = World(level=level)
    va = world.pool(256)
    world.expect(
        lambda: sp.StorPortFreePool(world.hba, va + 16),
        release=(0xC2, 0x99, va + 16, 0, 0),
        verifier=(0xC4, 0x10, va + 16, 0, 0),
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C11_pool_in_half_duplex_start_io(level: str) -> None:
    world = World(level=level, full_duplex=False)
    with world.hba.callback("HwStorStartIo"):
        outcome = world.observe(lambda: sp.StorPortAllocatePool(world.hba, 64, "Test"))
    assert outcome.status == Status.STOR_STATUS_INVALID_IRQL
    assert outcome.outputs == (0,)
    assert "SpNoWait" in outcome.names


@pytest.mark.parametrize("callback", ["HwStorStartIo", "HwStorBuildIo"])
def test_C12_pool_in_full_duplex_start_io(callback: str) -> None:
    world = World(level="strict", full_duplex=True)
    with world.hba.callback(callback):
        status, va = sp.StorPortAllocatePool(world.hba, 64, "Test")
    assert status == Status.STOR_STATUS_SUCCESS
    assert world.live(va)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C13_zero_length_pool(level: str) -> None:
    world = World(level=level)
    with world.pc.at_irql(Irql.APC_LEVEL):
        world.expect(
            lambda: sp.StorPortAllocatePool(world.hba, 0, "Test"),
            Status.STOR_STATUS_SUCCESS,
            "ZERO_LENGTH",
            verifier=(0xC4, 0x00, 1, 512, 0),
        )


# -- DMA and contiguous memory ---------------------------------------------------------------------------------------


def test_C14_dma_memory_before_1803() -> None:
    world = World(os=WindowsVersion.WIN10_1709)
    arguments = (8192, 0, 0xFFFFFF, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    status, va, pa = sp.StorPortAllocateDmaMemory(world.hba, *arguments, BufferPointer=0xDEAD, PhysicalAddress=0xBEEF)
    assert status == Status.STOR_STATUS_NOT_IMPLEMENTED
    assert (va, pa) == (0xDEAD, 0xBEEF)
    status, va, pa = sp.StorPortAllocateDmaMemory(world.hba, *arguments)
    assert status == Status.STOR_STATUS_NOT_IMPLEMENTED
    assert va is None
    assert pa is None


def test_C15_dma_memory_on_1803_below_16_mib() -> None:
    world = World(os=WindowsVersion.WIN10_1803)
    status, va, pa = sp.StorPortAllocateDmaMemory(world.hba, 8192, 0, 0xFFFFFF, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    assert status == Status.STOR_STATUS_SUCCESS
    assert va % PAGE == 0
    assert pa % PAGE == 0
    assert pa + 8191 <= 0xFFFFFF
    assert world.pc.physical(va) == pa


def test_C16_no_dma_memory_below_16_mib() -> None:
    world = World(memory=HIGH, os=WindowsVersion.WIN10_1803)
    outcome = world.expect(
        lambda: sp.StorPortAllocateDmaMemory(
            world.hba, 8192, 0, 0xFFFFFF, 0, sp.MmCached, sp.MM_ANY_NODE_OK, BufferPointer=1, PhysicalAddress=1
        ),
        Status.STOR_STATUS_INSUFFICIENT_RESOURCES,
    )
    assert outcome.outputs == (0, 0)


@pytest.mark.parametrize("placement", list(Placement))
def test_C17_lowest_inside_a_page(placement: Placement) -> None:
    world = World(placement=placement)
    va = world.contiguous(0x2000, lowest=0x800001)
    assert world.pc.physical(va) >= 0x801000
    if placement == Placement.BOTTOM_UP:
        assert world.pc.physical(va) == 0x801000


def test_C18_one_byte_takes_a_page() -> None:
    world = World()
    before = world.pc.memory.free_bytes()
    va = world.contiguous(1)
    assert before - world.pc.memory.free_bytes() == PAGE
    assert va % PAGE == 0
    assert world.record(va).size == 1
    others = {world.pc.physical(world.contiguous(1)) // PAGE for _ in range(4)}
    assert world.pc.physical(va) // PAGE not in others
    assert len(others) == 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("placement", list(Placement))
def test_C19_blocks_stay_inside_their_window(placement: Placement, seed: int) -> None:
    world = World(seed=seed, placement=placement)
    world.pc.memory.fragment(fraction=0.5, run_pages=3, seed=seed)
    for _ in range(60):
        pa = world.pc.physical(world.contiguous(0x3000, boundary=0x10000))
        assert pa >> 16 == (pa + 0x2FFF) >> 16


@pytest.mark.parametrize("placement", list(Placement))
def test_C20_size_equal_to_the_boundary_aligns(placement: Placement) -> None:
    world = World(placement=placement)
    for _ in range(8):
        assert world.pc.physical(world.contiguous(0x10000, boundary=0x10000)) % 0x10000 == 0


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C21_size_above_the_boundary(level: str) -> None:
    world = World(level=level)
    world.expect(lambda: _contiguous(world, 0x10001, boundary=0x10000), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C22_boundary_that_is_no_power_of_two(level: str) -> None:
    world = World(level=level)
    world.expect(
        lambda: _contiguous(world, 0x1000, boundary=0x3000), Status.STOR_STATUS_INSUFFICIENT_RESOURCES, "BAD_BOUNDARY"
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C23_lowest_above_highest(level: str) -> None:
    world = World(level=level)
    world.expect(lambda: _contiguous(world, 0x1000, 0x200000, 0x100000), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)


@pytest.mark.parametrize("placement", list(Placement))
def test_C24_a_hole_is_never_bridged(placement: Placement) -> None:
    world = World(memory="16GiB", placement=placement)
    arguments = (2 * MIB, 3 * GIB - MIB, 4 * GIB + MIB)
    world.expect(lambda: _contiguous(world, *arguments), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)
    assert world.pc.memory.largest_free(lowest=3 * GIB - MIB, highest=4 * GIB + MIB) in (MIB, MIB + 1)


def _fill_node_one(world: World) -> None:
    for run in world.pc.memory.runs():
        if run.node == 1:
            world.pc.memory.reserve(run.start, run.length)
    assert world.pc.memory.free_bytes(node=1) == 0


def test_C25_full_node_strict_policy() -> None:
    world = World(memory=TWO_NODES, node_policy="strict")
    _fill_node_one(world)
    world.expect(lambda: _contiguous(world, 8192, node=1), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)


def test_C26_full_node_preferred() -> None:
    world = World(memory=TWO_NODES, level="strict")
    _fill_node_one(world)
    va = world.contiguous(8192, node=1)
    assert world.record(va).node == 0
    assert world.pc.physical(va) + 8192 <= 32 * MIB


@pytest.mark.parametrize("policy", ["prefer", "strict"])
def test_C27_any_node(policy: str) -> None:
    world = World(memory=TWO_NODES, node_policy=policy, level="strict")
    _fill_node_one(world)
    assert world.record(world.contiguous(8192, node=sp.MM_ANY_NODE_OK)).node == 0


@pytest.mark.parametrize("policy", ["prefer", "strict"])
def test_C28_node_ignored_with_one_node(policy: str) -> None:
    world = World(node_policy=policy, level="strict")
    assert world.live(world.contiguous(8192, node=7))


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C29_wrong_size_at_free(level: str) -> None:
    world = World(level=level)
    before = world.pc.memory.free_bytes()
    va, pa = world.dma(8192)
    outcome = world.expect(
        lambda: sp.StorPortFreeDmaMemory(world.hba, va, 4096, sp.MmCached, pa),
        Status.STOR_STATUS_SUCCESS,
        "SIZE_MISMATCH",
        strict=(0xC4, 0x16, None, va, 0),
    )
    if outcome.bugcheck is None:
        assert world.pc.memory.free_bytes() == before
        assert not world.live(va)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C30_wrong_cache_type_at_free(level: str) -> None:
    world = World(level=level)
    va = world.contiguous(8192, cache=sp.MmCached)
    world.expect(
        lambda: sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmNonCached),
        Status.STOR_STATUS_SUCCESS,
        "CACHE_MISMATCH",
        strict=(0xC4, 0x16),
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C31_free_without_physical_address(level: str) -> None:
    world = World(level=level)
    va, _pa = world.dma(8192)
    world.expect(lambda: sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached, 0), Status.STOR_STATUS_SUCCESS)
    va, _pa = world.dma(8192)
    world.expect(lambda: sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached), Status.STOR_STATUS_SUCCESS)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C32_wrong_physical_address_at_free(level: str) -> None:
    world = World(level=level)
    va, pa = world.dma(8192)
    world.expect(
        lambda: sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached, pa + 4096),
        Status.STOR_STATUS_SUCCESS,
        "PA_MISMATCH",
        strict=(0xC4, 0x16),
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C33_double_free_of_contiguous_memory(level: str) -> None:
    world = World(level=level)
    va = world.contiguous(8192)
    sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmCached)
    world.expect(
        lambda: sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmCached),
        bugcheck=(0xC2, 0x60, va, 0, 0),
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C34_interior_pointer_of_contiguous_memory(level: str) -> None:
    world = World(level=level)
    va = world.contiguous(8192)
    world.expect(
        lambda: sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va + 4096, 4096, sp.MmCached),
        bugcheck=(0xC2, 0x60, va + 4096, 0, 0),
    )
    assert world.live(va)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C35_contiguous_memory_freed_as_pool(level: str) -> None:
    world = World(level=level)
    va = world.contiguous(8192)
    pfn = world.pc.physical(va) // PAGE
    outcome = world.expect(lambda: sp.StorPortFreePool(world.hba, va), bugcheck=(0xC2, 0x41, va, pfn))
    assert outcome.code is not None
    assert outcome.code[4] == (4 * GIB + 64 * MIB) // PAGE - 1
    assert world.live(va)


# -- Host Memory Buffer ----------------------------------------------------------------------------------------------


def _hmb_world(*megabytes: int, **knobs: Any) -> World:
    """Free runs of these sizes, plus a small one at the bottom that the port's own blocks go to."""
    ranges, start = [MemoryRange(0x1000, 64 * PAGE, 0)], 16 * MIB
    for size in megabytes:
        ranges.append(MemoryRange(start, size * MIB, 0))
        start += size * MIB + 4 * MIB
    return World(memory=ranges, placement=Placement.BOTTOM_UP, **knobs)


def _sizes(ranges: list[Any]) -> list[int]:
    return [entry.RangeLength for entry in ranges]


def test_C36_one_run_gives_one_range() -> None:
    world = _hmb_world(64)
    status, ranges = world.allocate_hmb(32 * MIB, 64 * MIB, 16)
    assert status == Status.STOR_STATUS_SUCCESS
    assert _sizes(ranges) == [64 * MIB]
    assert ranges[0].RangeInMemory


def test_C37_largest_runs_first() -> None:
    world = _hmb_world(20, 10, 5)
    status, ranges = world.allocate_hmb(32 * MIB, 64 * MIB, 3)
    assert status == Status.STOR_STATUS_SUCCESS
    assert sorted(_sizes(ranges)) == [5 * MIB, 10 * MIB, 20 * MIB]


def test_C38_too_few_entries() -> None:
    world = _hmb_world(20, 10, 5)
    before = world.pc.memory.free_bytes()
    outcome = world.expect(lambda: world.allocate_hmb(32 * MIB, 64 * MIB, 2), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)
    assert outcome.outputs == ([],)
    assert world.pc.memory.free_bytes() == before


def test_C39_no_minimum_takes_what_there_is() -> None:
    world = _hmb_world(20, 10, 5)
    status, ranges = world.allocate_hmb(0, 64 * MIB, 2)
    assert status == Status.STOR_STATUS_SUCCESS
    assert sorted(_sizes(ranges)) == [10 * MIB, 20 * MIB]


@pytest.mark.parametrize(
    ("minimum", "preferred", "count", "boundary"),
    [
        pytest.param(0, 4097, 8, 0, id="C40"),
        pytest.param(8 * MIB, 4 * MIB, 8, 0, id="C41"),
        pytest.param(0, MIB, 0, 0, id="C42"),
        pytest.param(0, MIB, 8, MIB, id="C43"),
    ],
)
@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C40_to_C43_host_memory_buffer_parameters(
    level: str, minimum: int, preferred: int, count: int, boundary: int
) -> None:
    world = World(level=level)
    outcome = world.expect(
        lambda: world.allocate_hmb(minimum, preferred, count, boundary=boundary), Status.STOR_STATUS_INVALID_PARAMETER
    )
    assert outcome.outputs == ([],)


def test_C44_policy_that_gives_nothing() -> None:
    world = World(hmb_policy=0)
    world.expect(lambda: world.allocate_hmb(0, MIB, 8), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)


@pytest.mark.parametrize(("policy", "megabytes"), [(1, 8), (2, 64), (3, 16)])
def test_C45_policies(policy: int, megabytes: int) -> None:
    world = _hmb_world(128, hmb_policy=policy)
    ranges = world.hmb(8 * MIB, 64 * MIB, 16, utilization=16 * GIB)
    assert sum(_sizes(ranges)) == megabytes * MIB


def test_C46_free_and_free_again() -> None:
    world = World()
    before = world.pc.memory.free_bytes()
    ranges = world.hmb()
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, ranges) == Status.STOR_STATUS_SUCCESS
    assert world.pc.memory.free_bytes() == before
    world.expect(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges), Status.STOR_STATUS_UNSUCCESSFUL)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C47_partial_free(level: str) -> None:
    world = _hmb_world(20, 10, 5, level=level)
    ranges = world.hmb(32 * MIB, 35 * MIB, 3)
    assert len(ranges) == 3
    before = world.pc.memory.free_bytes()
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges[:2]), Status.STOR_STATUS_UNSUCCESSFUL, "HMB_PARTIAL"
    )
    assert world.pc.memory.free_bytes() == before
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, ranges) == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C48_reversed_list(level: str) -> None:
    world = _hmb_world(20, 10, 5, level=level)
    ranges = world.hmb(32 * MIB, 35 * MIB, 3)
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges[::-1]), Status.STOR_STATUS_SUCCESS, "HMB_REORDERED"
    )
    assert not world.kinds("hmb")


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C49_changed_length(level: str) -> None:
    world = _hmb_world(20, 10, level=level)
    ranges = world.hmb(0, 30 * MIB, 2)
    ranges[1].RangeLength -= PAGE
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges), Status.STOR_STATUS_UNSUCCESSFUL, "HMB_MODIFIED"
    )
    assert world.kinds("hmb")


def _enable(world: World, ranges: list[Any], *, memory_return: bool = False, list_at: int | None = None) -> Any:
    """Writes the descriptor list as a driver does and enables the buffer; returns (virtual address of the list,
    completion).
    """
    if list_at is None:
        list_at = world.dma(PAGE)[0]
    device_address = next(record for record in world.pc.allocations() if record.va == list_at)
    address = getattr(device_address, "device_address", device_address.pa)
    entries = b"".join(
        entry.RangeStart.to_bytes(8, "little") + (entry.RangeLength // PAGE).to_bytes(4, "little") + bytes(4)
        for entry in ranges
    )
    world.pc.write_va(list_at, entries)
    completion = world.hba.nvme.set_features(
        0x0D,
        cdw11=1 | (2 if memory_return else 0),
        cdw12=sum(entry.RangeLength for entry in ranges) // PAGE,
        cdw13=address & 0xFFFFFFFF,
        cdw14=address >> 32,
        cdw15=len(ranges),
    )
    return list_at, completion


IDENTIFY = {"hmpre": 256, "hmmin": 16, "hmminds": 0, "hmmaxd": 0}


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C50_freed_while_enabled(level: str) -> None:
    world = World(level=level, dma_remapping=True)
    world.hba.attach_nvme(IDENTIFY)
    ranges = world.hmb(0, MIB, 8)
    _enable(world, ranges)
    start = ranges[0].RangeStart
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges),
        Status.STOR_STATUS_SUCCESS,
        "HMB_FREED_WHILE_ENABLED",
    )
    outcome = world.expect(lambda: world.hba.dma_write(start, b"map"), bugcheck=(0xE6, 0x26))
    assert outcome.code is not None
    assert start in outcome.code


def test_C51_returned_after_reset() -> None:
    world = World()
    world.hba.attach_nvme(IDENTIFY)
    ranges = world.hmb(0, MIB, 8)
    list_at, _completion = _enable(world, ranges)
    world.hba.dma_write(ranges[0].RangeStart, b"translation table")
    world.hba.nvme.set_features(0x0D, cdw11=0)
    world.hba.nvme.reset()
    _, completion = _enable(world, ranges, memory_return=True, list_at=list_at)
    assert int(completion) == 0
    assert world.names == []
    assert world.hba.dma_read(ranges[0].RangeStart, 17) == b"translation table"


def test_C51_returned_with_a_changed_list() -> None:
    world = World()
    world.hba.attach_nvme(IDENTIFY)
    ranges = world.hmb(0, MIB, 8)
    list_at, _completion = _enable(world, ranges)
    world.hba.nvme.set_features(0x0D, cdw11=0)
    world.hba.nvme.reset()
    ranges[0].RangeLength -= PAGE
    _enable(world, ranges, memory_return=True, list_at=list_at)
    assert "HMB_RETURN_CHANGED" in world.names


# -- uncached extension, addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C52_second_uncached_extension(level: str) -> None:
    world = World(level=level)
    with world.find_adapter() as config:
        config.Master = True
        config.SrbExtensionSize = 512
        first = sp.StorPortGetUncachedExtension(world.hba, config, 8192)
        assert first
        same = sp.StorPortGetUncachedExtension(world.hba, config, 8192)
        assert same == first
        assert world.names == []
        world.expect(
            lambda: sp.StorPortGetUncachedExtension(world.hba, config, 65536), violation="UNCACHED_SHORT", result=first
        )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C53_uncached_extension_outside_find_adapter(level: str) -> None:
    world = World(level=level)
    with world.find_adapter() as config:
        config.Master = True
        config.SrbExtensionSize = 512
    with world.hba.callback("HwStorPassiveInitializeRoutine"):
        world.expect(
            lambda: sp.StorPortGetUncachedExtension(world.hba, config, 8192),
            violation="*",
            result=0,
            verifier=(0xF1, 0x2002, 0, 0, 0),
        )


def test_C54_uncached_address_there_and_back() -> None:
    world = World(level="strict")
    va = world.uncached(8192)
    pa, length = sp.StorPortGetPhysicalAddress(world.hba, None, va + 100)
    assert pa == world.pc.physical(va) + 100
    assert length == 8192 - 100
    assert sp.StorPortGetVirtualAddress(world.hba, pa) == va + 100


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C55_no_virtual_address_of_a_host_memory_buffer(level: str) -> None:
    world = World(level=level)
    ranges = world.hmb()
    world.expect(lambda: sp.StorPortGetVirtualAddress(world.hba, ranges[0].RangeStart), violation="*", result=0)


def test_C56_one_registry_buffer() -> None:
    world = World()
    first, length = sp.StorPortAllocateRegistryBuffer(world.hba, 64)
    assert first
    assert length >= 64
    second, _length = sp.StorPortAllocateRegistryBuffer(world.hba, 64)
    assert second == 0
    sp.StorPortFreeRegistryBuffer(world.hba, first)
    third, _length = sp.StorPortAllocateRegistryBuffer(world.hba, 64)
    assert third


# -- scatter/gather, MDLs, removal, nodes ----------------------------------------------------------------------------


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C57_scatter_gather_below_dispatch(level: str) -> None:
    world = World(level=level)
    va, buffer = world.pool(4096), world.pool(256)
    mdl = world.mdl(va, 4096)
    with world.pc.at_irql(Irql.APC_LEVEL):
        world.expect(
            lambda: sp.StorPortBuildScatterGatherList(world.hba, mdl, va, 4096, lambda *_: None, 0, True, buffer, 256),
            Status.STOR_STATUS_INVALID_IRQL,
            "StorPortIrql|BAD_IRQL",
        )


def test_C58_scatter_gather_buffer_too_small() -> None:
    world = World()
    srb = world.hba.srb(3 * PAGE, fragments=3)
    _status, mdl = sp.StorPortGetOriginalMdl(world.hba, srb)
    buffer, seen = world.pool(256), []
    with world.pc.at_irql(Irql.DISPATCH_LEVEL):
        arguments = (mdl, srb.DataBuffer, 3 * PAGE, lambda device, irp, sg, context: seen.append(sg), 0, True, buffer)
        world.expect(
            lambda: sp.StorPortBuildScatterGatherList(world.hba, *arguments, 16 + 24 * 2),
            Status.STOR_STATUS_BUFFER_TOO_SMALL,
        )
        assert seen == []
        status = sp.StorPortBuildScatterGatherList(world.hba, *arguments, 16 + 24 * 3)
    assert status == Status.STOR_STATUS_SUCCESS
    assert len(seen) == 1


def test_C59_deferred_delivery() -> None:
    world = World(sg_delivery="deferred")
    va, buffer = world.pool(4096), world.pool(256)
    mdl = world.mdl(va, 4096)
    levels: list[int] = []
    with world.pc.at_irql(Irql.DISPATCH_LEVEL):
        status = sp.StorPortBuildScatterGatherList(
            world.hba, mdl, va, 4096, lambda *_: levels.append(world.pc.irql), 0, True, buffer, 256
        )
        assert status == Status.STOR_STATUS_SUCCESS
        assert levels == []
    world.pc.advance(milliseconds=10)
    world.pc.run_dpcs()
    assert levels == [2]


def test_C60_mdl_over_three_pages() -> None:
    world = World(level="strict")
    va = world.pool(16384)
    mdl = world.mdl(va + 0x800, 10000)
    assert len(mdl.pages) == 3
    assert mdl.flags & 0x4
    assert mdl.byte_offset == 0x800
    assert mdl.byte_count == 10000


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C61_pool_left_at_removal(level: str) -> None:
    world = World(level=level)
    for _ in range(3):
        world.pool(64)
    outcome = world.observe(world.hba.remove)
    assert outcome.names == ["POOL_LEAK"] * 3
    if level == "release":
        assert outcome.bugcheck is None
    else:
        assert outcome.code is not None
        assert outcome.code[0] == 0xC4
        assert outcome.code[1] == 0x62
        assert outcome.code[4] == 3


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_C64_affinity_of_node_70000(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortGetNodeAffinity(world.hba, 70000))
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER


def test_every_case_of_the_list_is_here() -> None:
    import re
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    seen = {int(number) for number in re.findall(r"(?:test_|_to_|id=\")C(\d\d)", text)}
    assert seen == set(range(1, 65)) - {62, 63}


def _contiguous(
    world: World, number_of_bytes: int, lowest: int = 0, highest: int = ALL_ONES, *, boundary: int = 0, node: Any = None
) -> Any:
    return sp.StorPortAllocateContiguousMemorySpecifyCacheNode(
        world.hba, number_of_bytes, lowest, highest, boundary, sp.MmCached, sp.MM_ANY_NODE_OK if node is None else node
    )
