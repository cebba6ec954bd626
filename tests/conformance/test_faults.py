"""§5: fault plans. Every injected failure answers as documented, leaves no trace of the call, and repeats."""

from __future__ import annotations

from typing import Any

import pytest

import storsim.storport as sp
from kit import PAGE, World

Status = sp.StorStatus
REFUSED = Status.STOR_STATUS_INSUFFICIENT_RESOURCES

ALLOCATORS: dict[str, Any] = {
    "StorPortAllocatePool": lambda world: sp.StorPortAllocatePool(world.hba, 64, "Test"),
    "StorPortAllocateContiguousMemorySpecifyCacheNode": lambda world: (
        sp.StorPortAllocateContiguousMemorySpecifyCacheNode(world.hba, 8192, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    ),
    "StorPortAllocateDmaMemory": lambda world: sp.StorPortAllocateDmaMemory(
        world.hba, 8192, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK
    ),
    "StorPortAllocateHostMemoryBuffer": lambda world: world.allocate_hmb(0, 1 << 20, 8),
    "StorPortAllocateMdl": lambda world: sp.StorPortAllocateMdl(world.hba, int(world.ext), 64),
}


def _statuses(world: World, routine: str, count: int) -> list[bool]:
    """For each of ``count`` calls: did it fail? What was obtained is given back at once."""
    failed = []
    for _ in range(count):
        result = ALLOCATORS[routine](world)
        failed.append(result.status != Status.STOR_STATUS_SUCCESS)
        if failed[-1]:
            assert result.status == REFUSED
        elif routine == "StorPortAllocateHostMemoryBuffer":
            sp.StorPortFreeHostMemoryBuffer(world.hba, result.PhysicalAddressRanges)
        elif routine == "StorPortAllocatePool":
            sp.StorPortFreePool(world.hba, result.BufferPointer)
        elif routine == "StorPortAllocateMdl":
            sp.StorPortFreeMdl(world.hba, result.Mdl)
        elif routine == "StorPortAllocateDmaMemory":
            sp.StorPortFreeDmaMemory(world.hba, result.BufferPointer, 8192, sp.MmCached)
        else:
            sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, result.BufferPointer, 8192, sp.MmCached)
    return failed


@pytest.mark.parametrize("routine", ALLOCATORS)
@pytest.mark.parametrize("nth", [1, 2, 5])
def test_fail_nth(routine: str, nth: int) -> None:
    world = World(level="strict")
    world.pc.faults.fail_nth(routine, nth)
    assert _statuses(world, routine, 6) == [index == nth for index in range(1, 7)]


@pytest.mark.parametrize("routine", ALLOCATORS)
def test_fail_range(routine: str) -> None:
    world = World(level="strict")
    world.pc.faults.fail_range(routine, 2, 4)
    assert _statuses(world, routine, 6) == [False, True, True, True, False, False]


@pytest.mark.parametrize("routine", ALLOCATORS)
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_fail_probability_extremes(routine: str, probability: float) -> None:
    world = World()
    world.pc.faults.fail_probability(probability)
    assert _statuses(world, routine, 8) == [probability == 1.0] * 8


def test_fail_probability_follows_the_seed() -> None:
    def pattern(seed: int) -> list[bool]:
        world = World(seed=seed)
        world.pc.faults.fail_probability(0.5)
        return _statuses(world, "StorPortAllocatePool", 64)

    assert pattern(1) == pattern(1)
    assert pattern(1) != pattern(2)
    assert 10 < sum(pattern(1)) < 54


def test_fail_when() -> None:
    world = World()
    asked: list[Any] = []

    def predicate(call: Any) -> bool:
        asked.append(call)
        return len(asked) % 2 == 0

    world.pc.faults.fail_when(predicate)
    assert _statuses(world, "StorPortAllocatePool", 6) == [False, True] * 3
    assert len(asked) == 6


def test_fail_when_raises() -> None:
    world = World()

    def predicate(call: Any) -> bool:
        raise LookupError("broken plan")

    world.pc.faults.fail_when(predicate)
    before = len(world.pc.allocations())
    with pytest.raises(LookupError):
        sp.StorPortAllocatePool(world.hba, 64, "Test")
    assert len(world.pc.allocations()) == before


@pytest.mark.parametrize("routine", ALLOCATORS)
def test_an_injected_failure_changes_nothing(routine: str) -> None:
    world = World(level="strict")
    _statuses(world, routine, 1)
    before = (
        world.pc.memory.free_bytes(),
        [(record.kind, record.va) for record in world.pc.allocations()],
        list(world.pc.memory.runs()),
    )
    world.pc.faults.fail_nth(routine, 1)
    assert _statuses(world, routine, 1) == [True]
    after = (
        world.pc.memory.free_bytes(),
        [(record.kind, record.va) for record in world.pc.allocations()],
        list(world.pc.memory.runs()),
    )
    assert before == after
    assert world.names == []


def test_calls_that_fail_their_checks_do_not_count() -> None:
    """§1.3, R37: n counts the calls that reach the fault injector, which comes after every check."""
    world = World(level="release")
    world.pc.faults.fail_nth("StorPortAllocatePool", 1)
    assert (
        sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=None).status
        == Status.STOR_STATUS_INVALID_PARAMETER
    )
    with world.pc.at_irql(5):
        assert sp.StorPortAllocatePool(world.hba, 64, "Test").status == Status.STOR_STATUS_INVALID_IRQL
    assert sp.StorPortAllocatePool(world.hba, 64, "Test").status == REFUSED


def test_checks_come_before_faults() -> None:
    world = World()
    world.pc.faults.fail_probability(1.0)
    assert world.allocate_hmb(0, 4097, 8).status == Status.STOR_STATUS_INVALID_PARAMETER
    assert sp.StorPortAllocateMdl(world.hba, 0, 64).status == Status.STOR_STATUS_INVALID_PARAMETER


def test_one_routine_leaves_the_others_alone() -> None:
    world = World()
    world.pc.faults.fail_range("StorPortAllocatePool", 1, 100)
    assert _statuses(world, "StorPortAllocateDmaMemory", 3) == [False] * 3
    assert _statuses(world, "StorPortAllocatePool", 3) == [True] * 3


def test_by_tag_and_size() -> None:
    world = World()
    world.pc.faults.fail_range("StorPortAllocatePool", 1, 100, tag="Bad ")
    assert sp.StorPortAllocatePool(world.hba, 64, "Good").status == Status.STOR_STATUS_SUCCESS
    assert sp.StorPortAllocatePool(world.hba, 64, "Bad ").status == REFUSED
    sized = World()
    sized.pc.faults.fail_range("StorPortAllocatePool", 1, 100, minimum_bytes=PAGE)
    assert sp.StorPortAllocatePool(sized.hba, 64, "Test").status == Status.STOR_STATUS_SUCCESS
    assert sp.StorPortAllocatePool(sized.hba, PAGE, "Test").status == REFUSED


def test_faults_can_be_withdrawn() -> None:
    world = World()
    world.pc.faults.fail_probability(1.0)
    world.pc.faults.clear()
    assert _statuses(world, "StorPortAllocatePool", 4) == [False] * 4


def test_a_plan_is_part_of_a_snapshot() -> None:
    world = World()
    world.pc.faults.fail_nth("StorPortAllocatePool", 2)
    snapshot = world.pc.snapshot()
    first = _statuses(world, "StorPortAllocatePool", 4)
    world.pc.restore(snapshot)
    assert _statuses(world, "StorPortAllocatePool", 4) == first == [False, True, False, False]


@pytest.mark.parametrize("nth", [0, -1])
def test_counting_starts_at_one(nth: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        World().pc.faults.fail_nth("StorPortAllocatePool", nth)


TOO_MUCH = {
    "n": lambda plan: plan.fail_nth(None, 2**64 + 1),
    "last": lambda plan: plan.fail_range(None, 1, 2**64),
    "minimum_bytes": lambda plan: plan.fail_nth(None, 1, minimum_bytes=2**64),
    "count": lambda plan: plan.hardware("timeout", count=2**64),
    "device below": lambda plan: plan.hardware("timeout", device=-1),
    "device above": lambda plan: plan.hardware("timeout", device=2**32),
    "p": lambda plan: plan.fail_probability(1.00001),
    "p no number": lambda plan: plan.fail_probability(float("nan")),
    "p without end": lambda plan: plan.fail_probability(float("inf")),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_numbers_do_not_wrap(what: str) -> None:
    world = World()
    before = world.pc.digest()
    with pytest.raises(ValueError, match=r"number from 0|between 0 and 1"):
        TOO_MUCH[what](world.pc.faults)
    assert world.pc.digest() == before


def test_unknown_routine() -> None:
    with pytest.raises((ValueError, KeyError)):
        World().pc.faults.fail_nth("StorPortAllocateEverything", 1)


def test_a_plan_for_any_call_does_not_see_routines_that_cannot_run_out() -> None:
    """GetCurrentIrql fails only when a rule names it, and is no fault point otherwise."""
    world = World()
    pc, hba = world.pc, world.hba
    pc.faults.fail_nth(None, 1)
    points = pc.faults.points
    assert sp.StorPortGetCurrentIrql(hba).status == 0
    assert pc.faults.points == points
    rule = pc.faults.fail_range("StorPortGetCurrentIrql", 2, 2)
    results = [int(sp.StorPortGetCurrentIrql(hba).status) for _ in range(3)]
    assert results == [0, 0xC1000001, 0]
    assert [(fault.rule, fault.routine) for fault in pc.faults.injected] == [(rule, "StorPortGetCurrentIrql")]
    assert int(sp.StorPortAllocatePool(hba, 64, "Test").status) == 0xC1000003
