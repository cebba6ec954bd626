"""§4.2 and §4.3, and what the other modules leave out: cache attributes, node distances, records, large machines."""

from __future__ import annotations

from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World
from storsim import MemoryRange, Placement

Status = sp.StorStatus
MIB = 1 << 20
FOUR_NODES = [MemoryRange((16 + 16 * node) * MIB, 8 * MIB, node) for node in range(4)]
#: From each node, the others at distances that differ.
RING = ((10, 20, 40, 30), (20, 10, 30, 40), (40, 30, 10, 20), (30, 40, 20, 10))


# -- cache attributes (§4.2) -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("second", [0, 1, 2])
def test_memory_may_come_back_with_another_attribute(first: int, second: int) -> None:
    ranges = [MemoryRange(MIB, MIB, 0), MemoryRange(16 * MIB, 2 * PAGE, 0)]
    world = World(level="strict", memory=ranges, placement=Placement.BOTTOM_UP)
    window = (16 * MIB, 16 * MIB + 2 * PAGE - 1)
    va = world.contiguous(2 * PAGE, *window, cache=first)
    sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 2 * PAGE, first)
    again = world.contiguous(2 * PAGE, *window, cache=second)
    assert world.record(again).cache == second


def test_write_combined_stores_wait_for_a_fence() -> None:
    world = World(write_combining=True)
    va, address = world.dma(PAGE, cache=sp.MmWriteCombined)
    before = world.hba.dma_read(address, 8)
    world.pc.write_va(va, b"combined")
    assert world.hba.dma_read(address, 8) == before
    assert world.pc.read_va(va, 8) == b"combined", "the processor sees its own stores"
    world.pc.store_fence()
    assert world.hba.dma_read(address, 8) == b"combined"


@pytest.mark.parametrize("cache", ["MmNonCached", "MmCached"])
def test_other_stores_do_not_wait(cache: str) -> None:
    world = World(write_combining=True)
    va, address = world.dma(PAGE, cache=getattr(sp, cache))
    world.pc.write_va(va, b"at once!")
    assert world.hba.dma_read(address, 8) == b"at once!"


def test_write_combining_is_an_option() -> None:
    world = World()
    va, address = world.dma(PAGE, cache=sp.MmWriteCombined)
    world.pc.write_va(va, b"at once!")
    assert world.hba.dma_read(address, 8) == b"at once!"


# -- nodes (§4.3) ----------------------------------------------------------------------------------------------------


def _by_distance(node: int) -> list[int]:
    return sorted(range(4), key=lambda other: RING[node][other])


@pytest.mark.parametrize("placement", [Placement.TOP_DOWN, Placement.BOTTOM_UP, Placement.BEST_FIT])
@pytest.mark.parametrize("node", range(4))
def test_nodes_are_tried_by_distance(node: int, placement: Placement) -> None:
    world = World(memory=FOUR_NODES, distances=RING, placement=placement, level="strict")
    seen = []
    for _ in range(4):
        va = world.contiguous(5 * MIB, node=node)  # more than half a node: each block needs a node of its own
        seen.append(world.record(va).node)
    assert seen == _by_distance(node)


@pytest.mark.parametrize("cpu", range(4))
def test_any_node_starts_with_the_callers_and_goes_by_distance(cpu: int) -> None:
    world = World(memory=FOUR_NODES, distances=RING, cpus=4)
    with world.pc.on_cpu(cpu):
        seen = [world.record(world.contiguous(5 * MIB, node=sp.MM_ANY_NODE_OK)).node for _ in range(4)]
    assert seen == _by_distance(cpu)


@pytest.mark.parametrize("node", range(4))
def test_strict_policy_stays(node: int) -> None:
    world = World(memory=FOUR_NODES, distances=RING, node_policy="strict")
    assert world.record(world.contiguous(5 * MIB, node=node)).node == node
    arguments = (5 * MIB, 0, -1, 0, sp.MmCached, node)
    world.expect(lambda: sp.StorPortAllocateDmaMemory(world.hba, *arguments), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)


@pytest.mark.parametrize("cpu", range(4))
def test_pool_prefers_the_callers_node(cpu: int) -> None:
    world = World(memory=FOUR_NODES, distances=RING, cpus=4)
    with world.pc.on_cpu(cpu):
        assert world.record(world.pool(4 * PAGE)).node == cpu


def test_low_memory_is_on_the_first_node_only() -> None:
    """§4.4: a device limited to less than 4 GiB can never be served from the second node of a 16 GiB machine."""
    world = World(memory="16GiB", nodes=2, node_policy="strict")
    for node, granted in ((0, True), (1, False)):
        status = sp.StorPortAllocateDmaMemory(world.hba, PAGE, 0, 0xFFFFFFFF, 0, sp.MmCached, node).status
        assert (status == Status.STOR_STATUS_SUCCESS) == granted


def test_no_megabyte_below_one_megabyte() -> None:
    world = World(memory="16GiB")
    arguments = (MIB, 0, MIB - 1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    assert sp.StorPortAllocateDmaMemory(world.hba, *arguments).status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES


def test_isa_memory_exhausts() -> None:
    world = World(memory="16GiB")
    granted = 0
    while sp.StorPortAllocateDmaMemory(world.hba, MIB, 0, 0xFFFFFF, 0, 1, 0).status == Status.STOR_STATUS_SUCCESS:
        granted += 1
    assert granted == 15


# -- records ---------------------------------------------------------------------------------------------------------


def test_size_mismatch_says_both_sizes() -> None:
    world = World(level="release")
    va, _pa = world.dma(8192)
    sp.StorPortFreeDmaMemory(world.hba, va, 4096, sp.MmCached)
    record = world.pc.violations[-1]
    assert (record.expected, record.got, record.address) == (8192, 4096, va)
    assert "8192" in str(record) or "0x2000" in str(record)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_validate_range_says_yes_and_is_deprecated(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortValidateRange(world.hba, 5, 0, 0xFEB00000, 0x4000, False))
    assert outcome.bugcheck is None
    assert bool(outcome.result)
    assert set(outcome.names) <= {"StorPortDeprecated"}


@pytest.mark.parametrize("level", ["verifier", "strict"])
@pytest.mark.parametrize("foreign", [0x10000, 0xFFFF_F000_0000_0000])
def test_foreign_extension_at_dispatch(level: str, foreign: int) -> None:
    world = World(level=level)
    with world.pc.at_irql(2):
        world.expect(
            lambda: world.pc.storport.StorPortAllocatePool(foreign, 64, "Test"), bugcheck=(0xD1, foreign, 2, 0, 0)
        )


def test_injected_failures_are_recorded() -> None:
    world = World()
    world.pc.faults.fail_range("StorPortAllocatePool", 2, 3)
    for _ in range(4):
        sp.StorPortAllocatePool(world.hba, 64, "Test")
    injected = list(world.pc.faults.injected)
    assert [record.id for record in injected] == [1, 2]
    assert {record.routine for record in injected} == {"StorPortAllocatePool"}


@pytest.mark.parametrize("irql", range(3))
def test_virtual_miniport_start_io(irql: int) -> None:
    """§2.8: any level up to DISPATCH_LEVEL; pool is fine."""
    world = World(virtual_miniport=True, level="strict")
    with world.pc.at_irql(irql), world.hba.callback("HwStorStartIo"):
        assert world.pc.irql <= 2
        assert sp.StorPortAllocatePool(world.hba, 64, "Test").status == Status.STOR_STATUS_SUCCESS


# -- large machines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["16GiB", "1TiB", "64TiB"])
def test_a_large_machine_costs_little_until_it_is_used(memory: str) -> None:
    pc = storsim.Machine(memory, nodes=8)
    assert pc.stats()["host_bytes"] <= MIB
    assert pc.memory.free_bytes() > 15 << 30


def test_sixty_four_nodes() -> None:
    pc = storsim.Machine("64GiB", nodes=64)
    shares = [pc.memory.free_bytes(node=node) for node in range(64)]
    assert min(shares) > 0
    hba = pc.add_adapter("hba0")
    for node in (0, 31, 63):
        arguments: tuple[Any, ...] = (PAGE, 0, -1, 0, sp.MmCached, node)
        va = sp.StorPortAllocateDmaMemory(hba, *arguments).BufferPointer
        assert next(record for record in pc.allocations() if record.va == va).node == node


@pytest.mark.parametrize(("address", "length"), [(0, 1), (0xA0000, 1), (0x9FFFF, 2), (1 << 40, 4), (2**64 - 1, 1)])
def test_reading_what_is_no_ram(address: int, length: int) -> None:
    pc = storsim.Machine("16GiB")
    with pytest.raises(ValueError, match=r"."):
        pc.memory.read(address, length)
    with pytest.raises(ValueError, match=r"."):
        pc.memory.write(address, bytes(length))


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_device_to_no_ram(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: _survive(lambda: world.hba.dma_read(0xFEB00000, 4)))
    assert not world.pc.check() or outcome.bugcheck is not None


def _survive(call: Any) -> Any:
    """Not RAM is the caller's mistake or the machine's finding; a crash it is not."""
    try:
        return call()
    except ValueError as error:
        return str(error)
