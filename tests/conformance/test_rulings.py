"""The rulings, one by one, where they concern Storport, memory, or the whole machine. The rest of each is in its
row's module.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, TWO_NODES, World, free_pages
from storsim import MemoryRange, WindowsVersion

Status = sp.StorStatus
MIB = 1 << 20
ALL_ONES = 2**64 - 1


# -- R1 … R8: calls and values ---------------------------------------------------------------------------------------


def test_R1_outputs_are_cleared_on_failure() -> None:
    world = World(nonpaged_budget=0)
    assert sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=9).BufferPointer == 0
    result = sp.StorPortAllocateDmaMemory(world.hba, 0, 0, 0, 0, 1, 0, BufferPointer=9, PhysicalAddress=9)
    assert (result.BufferPointer, result.PhysicalAddress) == (0, 0)
    assert world.allocate_hmb(0, 4097, 8).PhysicalAddressRanges == []


def test_R1_not_implemented_leaves_what_was_there() -> None:
    world = World(os=WindowsVersion.WIN10_1511)
    assert sp.StorPortAllocateDmaMemory(world.hba, 1, 0, 0, 0, 1, 0, BufferPointer=9)[1:] == (9, None)
    assert world.allocate_hmb(0, MIB, 8)[1] is None


@pytest.mark.parametrize("null", [0, None])
def test_R2_null(null: Any) -> None:
    world = World()
    va = world.uncached()
    assert sp.StorPortGetPhysicalAddress(world.hba, null, va).PhysicalAddress == world.pc.physical(va)
    assert sp.StorPortFreePool(world.hba, null) == Status.STOR_STATUS_INVALID_PARAMETER


def test_R3_minus_one_is_all_ones() -> None:
    world = World(level="strict")
    arguments = (4096, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    assert sp.StorPortAllocateDmaMemory(world.hba, *arguments).status == Status.STOR_STATUS_SUCCESS
    assert (
        sp.StorPortAllocateHostMemoryBuffer(world.hba, 0, MIB, 0, 0, 0, -1, 0, 8).status == Status.STOR_STATUS_SUCCESS
    )
    for wrong in (-2, 2**64, -(2**63)):
        with pytest.raises(OverflowError):
            sp.StorPortAllocateDmaMemory(world.hba, 4096, 0, wrong, 0, sp.MmCached, sp.MM_ANY_NODE_OK)


@pytest.mark.parametrize(
    ("tag", "value"),
    [("Test", 0x74736554), (b"Test", 0x74736554), ("A", 0x20202041), ("ab", 0x20206261), (0x12345678, 0x12345678)],
    ids=repr,
)
def test_R4_tags(tag: Any, value: int) -> None:
    world = World()
    assert world.record(world.pool(64, tag)).tag == value


@pytest.mark.parametrize("tag", ["", b"", "Testy", b"12345"], ids=repr)
def test_R4_tags_that_are_no_tags(tag: Any) -> None:
    world = World()
    with pytest.raises(ValueError, match=r"."):
        sp.StorPortAllocatePool(world.hba, 64, tag)
    assert world.names == []


def test_R5_count_and_list() -> None:
    world = World()
    ranges = world.hmb()
    with pytest.raises(ValueError, match=r"."):
        sp.StorPortFreeHostMemoryBuffer(world.hba, ranges, len(ranges) + 1)
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, [*ranges, *ranges], len(ranges)) == Status.STOR_STATUS_SUCCESS


def test_R6_numbers_go_through_the_machine() -> None:
    world = World(level="release")
    outcome = world.observe(lambda: world.pc.storport.StorPortAllocatePool(0xFFFF_F000_0000_0000, 64, "Test"))
    assert outcome.names == ["FOREIGN_DEVEXT"]
    with pytest.raises(TypeError):
        sp.StorPortAllocatePool(0xFFFF_F000_0000_0000, 64, "Test")


def test_R7_shapes() -> None:
    world = World()
    address = sp.StorPortGetPhysicalAddress(world.hba, None, world.uncached())
    assert type(address)._fields == ("PhysicalAddress", "Length")  # type: ignore[attr-defined]
    assert type(sp.StorPortAllocateRegistryBuffer(world.hba, 64))._fields == ("Buffer", "Length")  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [False, True, 0, 1, 255])
def test_R8_booleans(value: Any) -> None:
    world = World(level="release")
    va = world.pool(PAGE)
    mdl, buffer, seen = world.mdl(va, PAGE), world.pool(64), []
    with world.pc.at_irql(2):
        status = sp.StorPortBuildScatterGatherList(
            world.hba, mdl, va, PAGE, lambda device, irp, sg, context: seen.append(sg), 0, value, buffer, 64
        )
    assert status == Status.STOR_STATUS_SUCCESS
    assert len(seen) == 1


# -- R10 … R20: levels, order ----------------------------------------------------------------------------------------


def test_R10_release_has_no_verifier_stop() -> None:
    world = World(level="release")
    va, _pa = world.dma()
    sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached)
    world.expect(lambda: sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached), bugcheck=(0xC2, 0x60, va))


def test_R10_release_with_the_dma_check_asked_for() -> None:
    world = World(level="release", verifier=0x80)
    va, _pa = world.dma()
    sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached)
    world.expect(lambda: sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached), bugcheck=(0xE6, 0x03))


def test_R12_strict_carries_the_call_out_first() -> None:
    world = World(level="strict")
    other = world.pc.add_adapter("other")
    va = world.pool(64)
    with pytest.raises(storsim.Violation) as raised:
        sp.StorPortFreePool(other, va)
    assert raised.value.result == Status.STOR_STATUS_SUCCESS
    assert raised.value.record.name == "WRONG_ADAPTER"
    assert not world.live(va)


def test_R12_result_holds_the_outputs_too() -> None:
    world = World(level="strict")
    va = world.pool(64)
    with pytest.raises(storsim.Violation) as raised:
        sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=va)
    assert raised.value.result.status == Status.STOR_STATUS_SUCCESS
    assert world.live(raised.value.result.BufferPointer)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_R13_wrong_adapter(level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    va, _pa = world.dma()
    world.expect(
        lambda: sp.StorPortFreeDmaMemory(other, va, 8192, sp.MmCached), Status.STOR_STATUS_SUCCESS, "WRONG_ADAPTER"
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_R14_double_free(level: str) -> None:
    world = World(level=level)
    va = world.contiguous()
    sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmCached)
    world.expect(
        lambda: sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmCached), bugcheck=(0xC2, 0x60, va)
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("irql", [0, 1, 3, 15])
def test_R17_scatter_gather_level(level: str, irql: int) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    mdl, buffer = world.mdl(va, PAGE), world.pool(64)
    with world.pc.at_irql(irql):
        world.expect(
            lambda: sp.StorPortBuildScatterGatherList(world.hba, mdl, va, PAGE, lambda *_: None, 0, True, buffer, 64),
            Status.STOR_STATUS_INVALID_IRQL,
            "StorPortIrql|BAD_IRQL",
        )


LEAKS: dict[str, Any] = {
    "POOL_LEAK": lambda world: world.pool(64),
    "CONTIGUOUS_LEAK": lambda world: world.contiguous(),
    "DMA_LEAK": lambda world: world.dma(),
    "MDL_LEAK": lambda world: sp.StorPortAllocateMdl(world.hba, world.pc.add_adapter("keeper").device_extension, 64),
    "REGISTRY_LEAK": lambda world: sp.StorPortAllocateRegistryBuffer(world.hba, 64),
    "HMB_LEAK": lambda world: world.hmb(),
}


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("name", LEAKS)
def test_R18_each_leak_has_its_name_and_code(level: str, name: str) -> None:
    world = World(level=level)
    LEAKS[name](world)
    outcome = world.observe(world.hba.remove)
    assert outcome.names == [name]
    if level == "release" or name in ("MDL_LEAK", "REGISTRY_LEAK"):
        assert outcome.bugcheck is None
    elif name == "POOL_LEAK":
        assert outcome.code is not None
        assert outcome.code[:2] == (0xC4, 0x62)
        assert outcome.code[4] == 1
    elif name in ("DMA_LEAK", "CONTIGUOUS_LEAK"):
        assert outcome.code is not None
        assert outcome.code[:2] == (0xE6, 0x07)
    if outcome.bugcheck is None:
        assert (outcome.raised is not None) == (level == "strict")


def test_R18_one_violation_per_block_and_remove_returns_them() -> None:
    world = World(level="release")
    world.pool(64), world.pool(64), world.contiguous(), world.dma(), world.hmb()
    free = world.pc.memory.free_bytes()
    leaks = list(world.hba.remove())
    assert sorted(leak.name for leak in leaks) == ["CONTIGUOUS_LEAK", "DMA_LEAK", "HMB_LEAK", "POOL_LEAK", "POOL_LEAK"]
    assert [leak.name for leak in leaks] == [record.name for record in world.pc.violations]
    assert world.pc.memory.free_bytes() > free
    assert not world.pc.allocations()


def test_R18_pool_comes_first_and_the_message_lists_all() -> None:
    world = World(level="verifier")
    world.dma()
    world.pool(64)
    with pytest.raises(storsim.BugCheck) as stop:
        world.hba.remove()
    assert (stop.value.code, stop.value.parameters[0]) == (0xC4, 0x62)
    assert stop.value.parameters[3] == 1, "blocks of pool, not all leaks"
    assert world.names.count("POOL_LEAK") == world.names.count("DMA_LEAK") == 1
    text = str(stop.value)
    assert ("POOL_LEAK" in text and "DMA_LEAK" in text) or ("pool" in text.lower() and "dma" in text.lower())


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_R18_no_leak_no_word(level: str) -> None:
    world = World(level=level)
    va = world.pool(64)
    sp.StorPortFreePool(world.hba, va)
    world.uncached()
    assert list(world.hba.remove()) == []
    assert world.names == []


def test_R18_leaving_the_block_removes_the_adapters() -> None:
    with pytest.raises(storsim.BugCheck) as stop, storsim.Machine([MemoryRange(MIB, MIB, 0)]) as pc:
        sp.StorPortAllocatePool(pc.add_adapter("hba"), 64, "Test")
    assert stop.value.parameters[0] == 0x62


def test_R18_an_exception_under_way_is_not_replaced() -> None:
    def driver() -> None:
        with storsim.Machine([MemoryRange(MIB, MIB, 0)]) as pc:
            sp.StorPortAllocatePool(pc.add_adapter("hba"), 64, "Test")
            raise KeyError("the driver's own")

    with pytest.raises(KeyError):
        driver()


def _dead() -> World:
    world = World()
    va = world.contiguous()
    with pytest.raises(storsim.BugCheck):
        sp.StorPortFreePool(world.hba, va)
    return world


def test_R19_a_dead_machine_can_be_read() -> None:
    world = _dead()
    assert world.pc.now == 0
    assert world.pc.irql == 0
    assert len(world.pc.allocations()) >= 2
    assert world.pc.memory.free_bytes() == sum(run.length for run in world.pc.memory.runs())
    assert world.pc.memory.largest_free() > 0
    assert isinstance(world.pc.memory.read(MIB, 16), bytes)
    assert isinstance(world.pc.digest(), int)
    assert world.pc.report() is not None
    assert world.pc.stats() is not None
    assert world.pc.config is not None
    assert world.pc.trace is not None
    assert list(world.pc.violations) is not None
    assert world.pc.physical(int(world.ext))


@pytest.mark.parametrize(
    "action",
    [
        lambda world: sp.StorPortAllocatePool(world.hba, 64, "Test"),
        lambda world: world.pc.add_adapter("late"),
        lambda world: world.pc.advance(ticks=1),
        lambda world: world.hba.remove(),
        lambda world: world.pc.memory.reserve(MIB, PAGE),
        lambda world: world.pc.write_va(int(world.ext), b"x"),
        lambda world: world.hba.dma_write(MIB, b"x"),
        lambda world: world.pc.run_dpcs(),
        lambda world: world.hba.callback("HwStorStartIo").__enter__(),
        lambda world: world.pc.at_irql(2).__enter__(),
    ],
    ids=[
        "routine",
        "add_adapter",
        "advance",
        "remove",
        "reserve",
        "write_va",
        "dma_write",
        "run_dpcs",
        "callback",
        "at_irql",
    ],
)
def test_R19_a_dead_machine_does_nothing_more(action: Any) -> None:
    world = _dead()
    digest = world.pc.digest()
    with pytest.raises(storsim.MachineStopped):
        action(world)
    assert world.pc.digest() == digest


def test_R19_the_block_raises_the_bugcheck_again() -> None:
    def driver() -> None:
        with storsim.Machine([MemoryRange(MIB, MIB, 0)]) as pc, contextlib.suppress(Exception):  # swallows everything
            sp.StorPortFreePool(pc.add_adapter("hba"), 0x10000)

    with pytest.raises(storsim.BugCheck) as stop:
        driver()
    assert (stop.value.code, stop.value.parameters[0]) == (0xC2, 0x40)


def test_R19_restore_goes_on_from_before() -> None:
    world = World()
    snapshot, digest = world.pc.snapshot(), world.pc.digest()
    with pytest.raises(storsim.BugCheck):
        sp.StorPortFreePool(world.hba, 0x10000)
    world.pc.restore(snapshot)
    assert world.pc.digest() == digest
    assert sp.StorPortAllocatePool(world.hba, 64, "Test").status == Status.STOR_STATUS_SUCCESS


# -- R30 … R37: memory -----------------------------------------------------------------------------------------------


def _total(ranges: list[MemoryRange]) -> int:
    return storsim.Machine(ranges).memory.free_bytes()


@pytest.mark.parametrize(
    ("ranges", "pages"),
    [
        ([(0, 0x1000)], None),
        ([(0, 0x2000)], 1),
        ([(0x1000, 0x1000)], 1),
        ([(0x1001, 0x1FFF)], 1),
        ([(0x1000, 0x1FFF)], 1),
        ([(0x1000, 0x800), (0x1800, 0x800)], 1),
        ([(0x1000, 0x800), (0x1900, 0x1700)], 1),
        ([(0x5000, 0x1000), (0x1000, 0x4000)], 5),
    ],
)
def test_R30_ranges(ranges: list[tuple[int, int]], pages: int | None) -> None:
    wanted = [MemoryRange(start, length, 0) for start, length in ranges]
    if pages is None:
        with pytest.raises(ValueError, match=r"."):
            _total(wanted)
    else:
        assert _total(wanted) == pages * PAGE


def test_R31_runs_that_touch_across_nodes() -> None:
    world = World(memory=TWO_NODES)
    assert (
        sp.StorPortAllocateDmaMemory(world.hba, 40 * MIB, 0, -1, 0, 1, sp.MM_ANY_NODE_OK).status
        != Status.STOR_STATUS_SUCCESS
    )
    joined = World(memory=TWO_NODES, allow_cross_node=True, placement=storsim.Placement.BOTTOM_UP)
    assert (
        sp.StorPortAllocateDmaMemory(joined.hba, 40 * MIB, 0, -1, 0, 1, sp.MM_ANY_NODE_OK).status
        == Status.STOR_STATUS_SUCCESS
    )


def test_R34_the_port_takes_real_pages() -> None:
    pc = storsim.Machine([MemoryRange(MIB, MIB, 0)])
    free = pc.memory.free_bytes()
    hba = pc.add_adapter("hba")
    assert free - pc.memory.free_bytes() >= PAGE
    record = next(record for record in pc.allocations() if record.kind == "device_extension")
    assert record.va == int(hba.device_extension)
    assert MIB <= record.pa < 2 * MIB
    assert record.pa // PAGE not in free_pages(pc)


def test_R34_no_memory_no_adapter() -> None:
    pc = storsim.Machine([MemoryRange(MIB, PAGE, 0)])
    pc.memory.reserve(MIB, PAGE)
    with pytest.raises(MemoryError):
        pc.add_adapter("hba")
    assert pc.allocations() == [] or not list(pc.allocations())


def test_R35_reserve_and_release() -> None:
    pc = storsim.Machine([MemoryRange(MIB, MIB, 0)])
    free = pc.memory.free_bytes()
    pc.memory.reserve(MIB + 1, PAGE)
    assert free - pc.memory.free_bytes() == 2 * PAGE
    for start, length in ((MIB, PAGE), (MIB + PAGE, PAGE), (0, PAGE), (2 * MIB - PAGE, 2 * PAGE), (2 * MIB, 1)):
        with pytest.raises(ValueError, match=r"."):
            pc.memory.reserve(start, length)
        assert free - pc.memory.free_bytes() == 2 * PAGE
    with pytest.raises(ValueError, match=r"."):
        pc.memory.release(MIB, 3 * PAGE)
    pc.memory.release(MIB, 2 * PAGE)
    assert pc.memory.free_bytes() == free


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("run_pages", [1, 4, 16])
def test_R36_fragment(fraction: float, run_pages: int) -> None:
    pc = storsim.Machine([MemoryRange(MIB, 16 * MIB, 0)])
    pc.memory.fragment(fraction=fraction, run_pages=run_pages, seed=3)
    pinned = 4096 - pc.memory.free_bytes() // PAGE
    assert abs(pinned - fraction * 4096) <= run_pages
    again = storsim.Machine([MemoryRange(MIB, 16 * MIB, 0)])
    again.memory.fragment(fraction=fraction, run_pages=run_pages, seed=3)
    assert pc.memory.runs() == again.memory.runs()


def test_R36_spread_by_the_seed() -> None:
    shapes = []
    for seed in (1, 2):
        pc = storsim.Machine([MemoryRange(MIB, 16 * MIB, 0)])
        pc.memory.fragment(fraction=0.5, run_pages=2, seed=seed)
        shapes.append(tuple(pc.memory.runs()))
    assert shapes[0] != shapes[1]
    assert len(shapes[0]) > 100


# -- R50 … R57: loads and stores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["pool", "contiguous", "dma", "uncached", "device"])
def test_R50_inside_a_live_block(make: str) -> None:
    world = World(level="strict")
    va = {
        "pool": lambda: world.pool(5000),
        "contiguous": lambda: world.contiguous(),
        "dma": lambda: world.dma()[0],
        "uncached": lambda: world.uncached(),
        "device": lambda: int(world.ext),
    }[make]()
    world.pc.write_va(va + 10, b"stored")
    assert world.pc.read_va(va + 10, 6) == b"stored"
    assert world.pc.memory.read(world.pc.physical(va + 10), 6) == b"stored"


def test_R51_slack_is_not_seen_at_once() -> None:
    world = World(level="strict")
    va = world.contiguous(100)
    world.pc.write_va(va + 100, b"beyond")
    assert world.pc.read_va(va + 100, 6) == b"beyond"


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("size", [64, 8192])
def test_R52_freed_block(level: str, size: int) -> None:
    world = World(level=level)
    va = world.pool(size)
    physical = world.pc.physical(va)
    world.pc.write_va(va, b"secret")
    sp.StorPortFreePool(world.hba, va)
    outcome = world.expect(lambda: world.pc.read_va(va, 6), violation="USE_AFTER_FREE")
    assert outcome.result != b"secret"
    before = world.pc.memory.read(physical, 6)
    world.expect(lambda: world.pc.write_va(va, b"late!!"), violation="USE_AFTER_FREE")
    assert world.pc.memory.read(physical, 6) == before


NOWHERE = 0xFFFF_F000_0000_0000
NON_CANONICAL = 0x1234_0000_0000_0000


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize(
    ("os", "write_code"),
    [
        (WindowsVersion.WIN10_1507, 1),
        (WindowsVersion.WIN8, 1),
        (WindowsVersion.WIN10_1511, 2),
        (WindowsVersion.WIN11_24H2, 2),
    ],
)
@pytest.mark.parametrize(("address", "reason"), [(NOWHERE, 0x2), (NON_CANONICAL, 0x4), (0x10000, 0xF), (0, 0xF)])
def test_R53_R54_unmapped_below_dispatch(
    level: str, os: WindowsVersion, write_code: int, address: int, reason: int
) -> None:
    world = World(level=level, os=os)
    snapshot = world.pc.snapshot()
    world.expect(lambda: world.pc.read_va(address, 4), bugcheck=(0x50, address, 0, None, reason))
    world.pc.restore(snapshot)
    with world.pc.at_irql(1):
        world.expect(lambda: world.pc.write_va(address, b"1234"), bugcheck=(0x50, address, write_code, None, reason))


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("irql", [2, 5, 15])
@pytest.mark.parametrize("address", [NOWHERE, 0x10000])
def test_R53_R54_unmapped_at_dispatch(level: str, irql: int, address: int) -> None:
    world = World(level=level)
    snapshot = world.pc.snapshot()
    with world.pc.at_irql(irql):
        world.expect(lambda: world.pc.read_va(address, 4), bugcheck=(0xD1, address, irql, 0, 0))
    world.pc.restore(snapshot)
    with world.pc.at_irql(irql):
        world.expect(lambda: world.pc.write_va(address, b"1234"), bugcheck=(0xD1, address, irql, 1, 0))


def test_R53_out_of_quarantine() -> None:
    world = World(quarantine=0)
    va = world.contiguous()
    sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmCached)
    world.expect(lambda: world.pc.read_va(va, 4), bugcheck=(0x50, va, 0, None, 0x0))


def test_R55_no_virtual_address_of_the_host_memory_buffer() -> None:
    world = World()
    ranges = world.hmb()
    assert all(record.va == 0 for record in world.kinds("hmb"))
    assert not world.pc.physical(0)
    assert sum(entry.RangeLength for entry in ranges) == MIB


@pytest.mark.parametrize("kind", ["dma", "contiguous", "uncached", "pool"])
def test_R56_device_to_its_own_memory(kind: str) -> None:
    world = World(level="strict")
    va = {
        "dma": lambda: world.dma()[0],
        "contiguous": lambda: world.contiguous(),
        "uncached": lambda: world.uncached(),
        "pool": lambda: world.pool(PAGE),
    }[kind]()
    address = world.pc.physical(va)
    world.hba.dma_write(address, b"by device")
    assert world.hba.dma_read(address, 9) == world.pc.read_va(va, 9) == b"by device"


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("what", ["freed", "foreign", "nobody"])
def test_R57_device_to_anything_else(level: str, what: str) -> None:
    world = World(level=level)
    if what == "freed":
        va, address = world.dma()
        sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached)
        name = "DEVICE_DMA_TO_FREED"
    elif what == "foreign":
        other = world.pc.add_adapter("other")
        address = sp.StorPortAllocateDmaMemory(other, 8192, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK).PhysicalAddress
        name = "DEVICE_DMA_FOREIGN"
    else:  # a finding of the verifier's DMA check (DESIGN §5)
        address, name = 32 * MIB, None if level == "release" else "DEVICE_DMA_FOREIGN"
    world.expect(lambda: world.hba.dma_write(address, b"done"), violation=name)
    assert world.pc.memory.read(address, 4) == b"done"


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("what", ["foreign", "nobody"])
def test_R57_with_remapping(level: str, what: str) -> None:
    world = World(level=level, dma_remapping=True)
    address = 32 * MIB
    if what == "foreign":
        address = world.pc.physical(world.pc.add_adapter("other").device_extension)
    world.expect(lambda: world.hba.dma_write(address, b"done"), bugcheck=(0xE6, 0x26))


# -- the warning -----------------------------------------------------------------------------------------------------


def test_violations_are_announced_at_verifier_once_per_site() -> None:
    world = World(level="verifier")

    def misuse() -> None:
        sp.StorPortAllocateContiguousMemorySpecifyCacheNode(world.hba, 4096, 0, -1, 3, sp.MmCached, 0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", storsim.ViolationWarning)
        for _ in range(3):
            misuse()
        announced = [entry for entry in caught if issubclass(entry.category, storsim.ViolationWarning)]
    assert len(announced) == 1
    assert "BAD_BOUNDARY" in str(announced[0].message)
    assert world.names == ["BAD_BOUNDARY"] * 3


def test_violations_are_not_announced_at_release() -> None:
    world = World(level="release")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sp.StorPortAllocateContiguousMemorySpecifyCacheNode(world.hba, 4096, 0, -1, 3, sp.MmCached, 0)
    assert world.names == ["BAD_BOUNDARY"]
