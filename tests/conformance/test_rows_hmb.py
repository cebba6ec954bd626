"""§3.4, §3.5 and §4.5: the Host Memory Buffer, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, BIG, PAGE, TWO_NODES, World, mem
from storsim import MemoryRange, Placement, WindowsVersion

Status = sp.StorStatus
MIB = 1 << 20
GIB = 1 << 30
ALL_ONES = 2**64 - 1
INVALID = Status.STOR_STATUS_INVALID_PARAMETER
REFUSED = Status.STOR_STATUS_INSUFFICIENT_RESOURCES


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


def _total(ranges: list[Any]) -> int:
    return sum(entry.RangeLength for entry in ranges)


def _holes(*megabytes: int, **knobs: Any) -> World:
    """Free runs of these sizes from 16 MiB up, and a small run at the bottom for the port's own blocks."""
    ranges, start = [MemoryRange(0x1000, 64 * PAGE, 0)], 16 * MIB
    for size in megabytes:
        ranges.append(MemoryRange(start, size * MIB, 0))
        start += (size + 4) * MIB
    return World(memory=ranges, placement=Placement.BOTTOM_UP, **knobs)


# -- allocate --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("irql", [0, 1])
def test_granted(level: str, irql: int) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    with world.pc.at_irql(irql):
        outcome = world.expect(lambda: world.allocate_hmb(MIB, 4 * MIB, 8), Status.STOR_STATUS_SUCCESS)
    ranges = outcome.outputs[0]
    assert _total(ranges) == 4 * MIB
    assert all(bool(entry.RangeInMemory) for entry in ranges)
    assert free - world.pc.memory.free_bytes() == 4 * MIB
    assert not any(record.va for record in world.kinds("hmb"))


def test_advisory_at_dispatch() -> None:
    world = World(level="release")
    with world.pc.at_irql(2):
        outcome = world.observe(lambda: world.allocate_hmb(0, MIB, 8))
    assert outcome.status == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("irql", [3, 5, 15])
def test_above_dispatch(level: str, irql: int) -> None:
    world = World(level=level)
    with world.pc.at_irql(irql):
        outcome = world.observe(lambda: world.allocate_hmb(0, MIB, 8))
    assert outcome.status == Status.STOR_STATUS_INVALID_IRQL
    assert outcome.outputs == ([],)
    assert not world.kinds("hmb")


@pytest.mark.parametrize(
    ("minimum", "preferred"),
    [
        (2 * MIB, MIB),
        (MIB + PAGE, MIB),
        (0, 4097),
        (0, 1),
        (0, MIB - 1),
        (1, MIB),
        (4095, MIB),
        (4097, MIB),
        (0, 0),
        (2**63, PAGE),
    ],
)
def test_sizes(level: str, minimum: int, preferred: int) -> None:
    world = World(level=level)
    assert world.expect(lambda: world.allocate_hmb(minimum, preferred, 8), INVALID).outputs == ([],)


def test_lowest_above_highest(level: str) -> None:
    world = World(level=level)
    world.expect(lambda: world.allocate_hmb(0, MIB, 8, lowest=2 * MIB, highest=MIB), INVALID)


@pytest.mark.parametrize(
    "keywords", [{"PhysicalAddressRanges": None}, {"PhysicalAddressRangeCount": None}, {"PhysicalAddressRangeCount": 0}]
)
def test_null_ranges_or_count(level: str, keywords: dict[str, Any]) -> None:
    world = World(level=level)
    arguments = (0, MIB, 0, 0, 0, ALL_ONES, 0)
    if "PhysicalAddressRangeCount" not in keywords:
        keywords = keywords | {"PhysicalAddressRangeCount": 8}
    outcome = world.observe(lambda: sp.StorPortAllocateHostMemoryBuffer(world.hba, *arguments, **keywords))
    assert outcome.status == INVALID
    assert not world.kinds("hmb")


@pytest.mark.parametrize("boundary", [1, PAGE, MIB, 2**63])
def test_boundary_must_be_zero(level: str, boundary: int) -> None:
    world = World(level=level)
    world.expect(lambda: world.allocate_hmb(0, MIB, 8, boundary=boundary), INVALID)


@pytest.mark.parametrize("alignment", [3, 4097, 12288, 0xFFFFFFFF])
def test_bad_alignment(level: str, alignment: int) -> None:
    world = World(level=level)
    world.expect(lambda: world.allocate_hmb(0, MIB, 8, alignment=alignment), INVALID)


@pytest.mark.parametrize("alignment", [0, 1, 512, 4096, 65536, MIB, 16 * MIB])
@pytest.mark.parametrize("placement", list(Placement))
def test_good_alignment(placement: Placement, alignment: int) -> None:
    world = World(placement=placement)
    ranges = world.hmb(0, 2 * MIB, 8, alignment=alignment)
    assert all(entry.RangeStart % max(alignment, PAGE) == 0 for entry in ranges)


def test_minimum_out_of_reach(level: str) -> None:
    world = World(level=level, memory=mem((16, 1024)))
    outcome = world.expect(lambda: world.allocate_hmb(8 * MIB, 8 * MIB, 8), REFUSED)
    assert outcome.outputs == ([],)


def test_zero_minimum_still_needs_a_page() -> None:
    world = World()
    world.expect(lambda: world.allocate_hmb(0, MIB, 8, lowest=0xA0000, highest=0xFFFFF), REFUSED)
    world.expect(lambda: world.allocate_hmb(0, MIB, 8, lowest=0x100001, highest=0x101FFE), REFUSED)
    assert _total(world.hmb(0, MIB, 8, lowest=0x100001, highest=0x101FFF)) == PAGE


def test_injected_failure(level: str) -> None:
    world = World(level=level)
    world.pc.faults.fail_nth("StorPortAllocateHostMemoryBuffer", 1)
    outcome = world.observe(lambda: world.allocate_hmb(0, MIB, 8))
    assert outcome.status == REFUSED
    assert outcome.outputs == ([],)
    assert outcome.names == []
    assert world.allocate_hmb(0, MIB, 8).status == Status.STOR_STATUS_SUCCESS


def test_second_buffer(level: str) -> None:
    world = World(level=level)
    world.hmb()
    world.expect(lambda: world.allocate_hmb(0, MIB, 8), REFUSED, "HMB_ALREADY_ALLOCATED")


def test_each_adapter_has_its_own(level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    first = world.hmb()
    status, second = sp.StorPortAllocateHostMemoryBuffer(other, 0, MIB, 0, 0, 0, ALL_ONES, 0, 8)
    assert status == Status.STOR_STATUS_SUCCESS
    assert {entry.RangeStart for entry in first}.isdisjoint(entry.RangeStart for entry in second)
    assert sp.StorPortFreeHostMemoryBuffer(other, second) == Status.STOR_STATUS_SUCCESS
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, first) == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("count", [1, 2, 8, 1024])
def test_count_says_how_many_entries_there_are(count: int) -> None:
    world = _holes(8, 8, 8)
    ranges = world.hmb(0, 24 * MIB, count)
    assert len(ranges) == min(count, 3)


def test_window_is_inclusive_and_page_wise() -> None:
    world = World(memory=BIG, placement=Placement.BOTTOM_UP)
    low = 64 * MIB
    ranges = world.hmb(0, 4 * MIB, 8, lowest=low + 1, highest=low + 3 * PAGE - 1)
    assert [(entry.RangeStart, entry.RangeLength) for entry in ranges] == [(low + PAGE, 2 * PAGE)]


def test_output_is_in_ascending_order() -> None:
    world = _holes(5, 20, 10)
    starts = [entry.RangeStart for entry in world.hmb(0, 35 * MIB, 3)]
    assert starts == sorted(starts)
    assert len(starts) == 3


@pytest.mark.parametrize("policy", list(Placement), ids=lambda policy: policy.name)
def test_output_is_in_ascending_order_behind_an_iommu(policy: Placement) -> None:
    world = World(memory=mem((1, 64), (4096, 100), (8192, 300), (16384, 200)), placement=policy, dma_remapping=True)
    ranges = world.hmb(0, 500 * PAGE, 8)
    starts = [entry.RangeStart for entry in ranges]
    assert starts == sorted(starts)
    assert _total(ranges) == 500 * PAGE
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, ranges) == Status.STOR_STATUS_SUCCESS
    assert world.names == []


def test_last_range_is_trimmed() -> None:
    world = _holes(20, 10)
    assert sorted(entry.RangeLength for entry in world.hmb(0, 25 * MIB, 2)) == [5 * MIB, 20 * MIB]


def test_more_than_four_gib_of_one_run_is_cut() -> None:
    world = World(
        memory=[MemoryRange(0x1000, 64 * PAGE, 0), MemoryRange(4 * GIB, 16 * GIB, 0)],
        hmb_cap=None,
        placement=Placement.BOTTOM_UP,
    )
    ranges = world.hmb(0, 6 * GIB, 4)
    assert _total(ranges) == 6 * GIB
    assert sorted(entry.RangeLength for entry in ranges) == [6 * GIB - 0xFFFFF000, 0xFFFFF000]


def test_cut_pieces_start_aligned() -> None:
    world = World(
        memory=[MemoryRange(0x1000, 64 * PAGE, 0), MemoryRange(4 * GIB, 16 * GIB, 0)],
        hmb_cap=None,
        placement=Placement.BOTTOM_UP,
    )
    ranges = world.hmb(0, 6 * GIB, 4, alignment=MIB)
    assert _total(ranges) == 6 * GIB
    assert all(entry.RangeStart % MIB == 0 for entry in ranges)


def test_runs_that_touch_at_a_node_border_stay_apart() -> None:
    world = World(memory=TWO_NODES, hmb_cap=None)
    ranges = world.hmb(0, 60 * MIB, 8)
    assert len(ranges) == 2
    joined = World(memory=TWO_NODES, hmb_cap=None, allow_cross_node=True, placement=Placement.BOTTOM_UP)
    assert len(joined.hmb(0, 60 * MIB, 8)) == 1


@pytest.mark.parametrize(
    ("os", "cap"), [(WindowsVersion.WIN10_1607, 64), (WindowsVersion.WIN11_22H2, 64), (WindowsVersion.WIN11_24H2, 200)]
)
def test_cap_by_windows_version(os: WindowsVersion, cap: int) -> None:
    world = World(memory="2GiB", os=os)
    assert _total(world.hmb(0, GIB, 64)) == cap * MIB
    world = World(memory="2GiB", os=os)
    world.expect(lambda: world.allocate_hmb((cap + 1) * MIB, GIB, 64), REFUSED)


# -- free ------------------------------------------------------------------------------------------------------------

Change = Callable[[list[Any]], list[Any]]


def _shorter(ranges: list[Any]) -> list[Any]:
    ranges[0].RangeLength -= PAGE
    return ranges


def _moved(ranges: list[Any]) -> list[Any]:
    ranges[0].RangeStart += PAGE
    return ranges


def _not_in_memory(ranges: list[Any]) -> list[Any]:
    ranges[0].RangeInMemory = 0
    return ranges


def _split(ranges: list[Any]) -> list[Any]:
    first = ranges[0]
    half = first.RangeLength // 2
    return [
        sp.ACCESS_RANGE(first.RangeStart, half, 1),
        sp.ACCESS_RANGE(first.RangeStart + half, first.RangeLength - half, 1),
        *ranges[1:],
    ]


MODIFIED: dict[str, Change] = {"shorter": _shorter, "moved": _moved, "RangeInMemory": _not_in_memory}
FOREIGN: dict[str, Change] = {
    "superset": lambda ranges: [*ranges, sp.ACCESS_RANGE(0x200000, PAGE, 1)],
    "duplicate": lambda ranges: [*ranges, ranges[0]],
    "split": _split,
    "unrelated": lambda ranges: [sp.ACCESS_RANGE(0x200000, PAGE, 1)],
}


@pytest.mark.parametrize("change", MODIFIED.values(), ids=MODIFIED)
def test_modified_entry(level: str, change: Change) -> None:
    world = _holes(8, 4, level=level)
    ranges = change(world.hmb(0, 12 * MIB, 2))
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges), Status.STOR_STATUS_UNSUCCESSFUL, "HMB_MODIFIED"
    )
    assert len(world.kinds("hmb")) >= 1


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_list_that_is_not_the_recorded_one(level: str, change: Change) -> None:
    world = _holes(8, 4, level=level)
    ranges = change(world.hmb(0, 12 * MIB, 2))
    free = world.pc.memory.free_bytes()
    outcome = world.observe(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_UNSUCCESSFUL
    assert world.pc.memory.free_bytes() == free
    assert world.kinds("hmb")


@pytest.mark.parametrize("keep", [1, 2])
def test_subset(level: str, keep: int) -> None:
    world = _holes(20, 10, 5, level=level)
    ranges = world.hmb(0, 35 * MIB, 3)
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges[:keep]),
        Status.STOR_STATUS_UNSUCCESSFUL,
        "HMB_PARTIAL",
    )
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges, keep), Status.STOR_STATUS_UNSUCCESSFUL, "HMB_PARTIAL"
    )
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, ranges, 3) == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize(("ranges", "count"), [(None, 1), (0, 1), (None, 0), ([], 0)])
def test_null_list_or_count_zero(level: str, ranges: Any, count: int) -> None:
    world = World(level=level)
    world.hmb()
    outcome = world.observe(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges, count))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_UNSUCCESSFUL
    assert world.kinds("hmb")


def test_count_zero_with_a_list(level: str) -> None:
    world = World(level=level)
    ranges = world.hmb()
    outcome = world.observe(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges, 0))
    assert outcome.status == Status.STOR_STATUS_UNSUCCESSFUL
    assert world.kinds("hmb")


def test_count_beyond_the_list_is_the_callers_mistake(level: str) -> None:
    world = World(level=level)
    ranges = world.hmb()
    digest = world.pc.digest()
    with pytest.raises(ValueError, match=r"."):
        sp.StorPortFreeHostMemoryBuffer(world.hba, ranges, len(ranges) + 1)
    assert world.pc.digest() == digest
    assert world.names == []


def test_second_free(level: str) -> None:
    world = World(level=level)
    ranges = world.hmb()
    world.expect(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges), Status.STOR_STATUS_SUCCESS)
    outcome = world.observe(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_UNSUCCESSFUL


def test_never_allocated(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, [sp.ACCESS_RANGE(0x100000, PAGE, 1)]))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_UNSUCCESSFUL


def test_reordered(level: str) -> None:
    world = _holes(20, 10, 5, level=level)
    ranges = world.hmb(0, 35 * MIB, 3)
    order = [ranges[1], ranges[2], ranges[0]]
    world.expect(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, order), Status.STOR_STATUS_SUCCESS, "HMB_REORDERED")


@pytest.mark.parametrize("irql", [3, 15])
def test_free_above_dispatch(level: str, irql: int) -> None:
    world = World(level=level)
    ranges = world.hmb()
    with world.pc.at_irql(irql):
        outcome = world.observe(lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_INVALID_IRQL
    assert world.kinds("hmb")


def test_freed_while_the_device_uses_it_without_iommu(level: str) -> None:
    world = World(level=level)
    world.hba.attach_nvme({"hmpre": 256, "hmmin": 0})
    ranges = world.hmb(0, MIB, 8)
    list_va, list_pa = world.dma(PAGE)
    world.pc.write_va(
        list_va,
        b"".join(
            e.RangeStart.to_bytes(8, "little") + (e.RangeLength // PAGE).to_bytes(4, "little") + bytes(4)
            for e in ranges
        ),
    )
    world.hba.nvme.set_features(
        0x0D, cdw11=1, cdw12=256, cdw13=list_pa & 0xFFFFFFFF, cdw14=list_pa >> 32, cdw15=len(ranges)
    )
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(world.hba, ranges),
        Status.STOR_STATUS_SUCCESS,
        "HMB_FREED_WHILE_ENABLED",
    )
    outcome = world.observe(lambda: world.hba.dma_write(ranges[0].RangeStart, b"late"))
    assert outcome.names == ["DEVICE_DMA_TO_FREED"]
