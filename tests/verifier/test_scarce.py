"""Low resources simulation, systematic mode, and scarce memory of other kinds, alone and together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit.world import MIB, World

PAGE = 4096

# --- low resources, C63, systematic ---------------------------------------------------------------------------------

LOW = {"verifier": {"low_resources"}}
ALLOCATORS: dict[str, Callable[[World], Any]] = {
    "pool": lambda w: w.call("StorPortAllocatePool", 64, "Test"),
    "mdl": lambda w: w.call("StorPortAllocateMdl", int(w.ext), 64),
    "contiguous": lambda w: w.call(
        "StorPortAllocateContiguousMemorySpecifyCacheNode", PAGE, 0, 2**64 - 1, 0, 1, sp.MM_ANY_NODE_OK
    ),
    "dma": lambda w: w.call("StorPortAllocateDmaMemory", PAGE, 0, 2**64 - 1, 0, 1, sp.MM_ANY_NODE_OK),
    "hmb": lambda w: w.allocate_hmb(0, MIB, 8),
    "system address": lambda w: sp.StorPortGetSystemAddress(w.hba, w.hba.srb(64)),
}


def answer(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("what", ALLOCATORS)
def test_c63_every_allocator_fails(what: str) -> None:
    world = World(low_resources_probability=10000, low_resources_delay=0, **LOW)
    for _ in range(5):
        assert answer(ALLOCATORS[what](world)) == sp.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert len(world.pc.faults.injected) == 5
    assert [fault.id for fault in world.pc.faults.injected] == [1, 2, 3, 4, 5]
    assert sum(entry.kind == "fault" for entry in world.pc.trace) == 5
    assert world.pc.stats()["verifier"]["low_resources_failed"] == 5
    assert world.pc.check() == ""


def test_low_resources_sleep_for_eight_minutes() -> None:
    world = World(low_resources_probability=10000, **LOW)
    assert answer(ALLOCATORS["pool"](world)) == sp.STOR_STATUS_SUCCESS
    world.pc.advance(seconds=479)
    assert answer(ALLOCATORS["pool"](world)) == sp.STOR_STATUS_SUCCESS
    world.pc.advance(seconds=1)
    assert answer(ALLOCATORS["pool"](world)) == sp.STOR_STATUS_INSUFFICIENT_RESOURCES


def test_low_resources_follow_the_seed_and_the_default_probability() -> None:
    def pattern(seed: int) -> list[bool]:
        world = World(seed=seed, low_resources_delay=0, **LOW)
        return [answer(ALLOCATORS["pool"](world)) != sp.STOR_STATUS_SUCCESS for _ in range(2000)]

    first = pattern(1)
    assert first == pattern(1)
    assert first != pattern(2)
    assert 60 <= sum(first) <= 190  # 6 % of 2000 is 120


def test_low_resources_tags() -> None:
    world = World(low_resources_probability=10000, low_resources_delay=0, low_resources_tags=["Fail", "Two"], **LOW)
    assert answer(sp.StorPortAllocatePool(world.hba, 64, "Good")) == sp.STOR_STATUS_SUCCESS
    assert answer(sp.StorPortAllocatePool(world.hba, 64, "Fail")) == sp.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert answer(sp.StorPortAllocatePool(world.hba, 64, "Two")) == sp.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert answer(ALLOCATORS["dma"](world)) == sp.STOR_STATUS_SUCCESS, "requests without a tag never fail then"


def test_faults_off_holds_for_the_simulation() -> None:
    world = World(low_resources_probability=10000, low_resources_delay=0, **LOW)
    with world.pc.faults.off():
        assert answer(ALLOCATORS["pool"](world)) == sp.STOR_STATUS_SUCCESS


def test_systematic_mode_fails_each_call_path_once() -> None:
    world = World(verifier={"systematic"})
    answers = [[answer(ALLOCATORS["pool"](world)), answer(ALLOCATORS["dma"](world))] for _ in range(3)]
    bad, good = sp.STOR_STATUS_INSUFFICIENT_RESOURCES, sp.STOR_STATUS_SUCCESS
    assert answers == [[bad, bad], [good, good], [good, good]]
    assert answer(sp.StorPortAllocatePool(world.hba, 64, "Test")) == bad, "another place is another path"
    counters = world.pc.stats()["verifier"]
    assert (counters["systematic_paths"], counters["systematic_failed"]) == (3, 3)


def test_systematic_what_if_fails_nothing() -> None:
    world = World(verifier={"systematic"}, systematic_what_if=True)
    assert answer(ALLOCATORS["pool"](world)) == sp.STOR_STATUS_SUCCESS
    [note] = world.pc.notes
    assert (note.name, note.routine) == ("WOULD_FAIL", "StorPortAllocatePool")
    assert world.pc.faults.injected == []


def test_systematic_mode_goes_back_with_a_snapshot() -> None:
    world = World(verifier={"systematic"})
    saved = world.pc.snapshot()
    first = [answer(ALLOCATORS["pool"](world)) for _ in range(2)]
    world.pc.restore(saved)
    assert [answer(ALLOCATORS["pool"](world)) for _ in range(2)] == first


@pytest.mark.parametrize("value", [-1, 10001])
def test_probability_is_in_ten_thousandths(value: int) -> None:
    with pytest.raises(ValueError, match="low_resources_probability"):
        World(low_resources_probability=value)


def test_bad_tags_are_refused() -> None:
    with pytest.raises(ValueError, match="low_resources_tags"):
        World(low_resources_tags=["toolong"])
    with pytest.raises(ValueError, match="at most 16"):
        World(low_resources_tags=[f"{n:04}" for n in range(17)])


# --- conditions compose ---------------------------------------------------------------------------------------------


def test_low_fragmented_and_exhausted_memory_compose_with_the_checks() -> None:
    nodes = [storsim.MemoryRange(MIB, 15 * MIB, 0), storsim.MemoryRange(16 * MIB, 16 * MIB, 1)]
    world = World(memory=nodes, verifier={"+special_pool", "+low_resources"}, node_policy="strict",
                  low_resources_probability=0, low_resources_delay=0)  # fmt: skip
    for run_ in [run for run in world.pc.memory.runs() if run.node == 1]:
        world.pc.memory.reserve(run_.start, run_.length)
    world.pc.memory.fragment(fraction=0.5, run_pages=2, seed=3)
    status, _va = sp.StorPortAllocateContiguousMemorySpecifyCacheNode(world.hba, PAGE, 0, 2**64 - 1, 0, sp.MmCached, 1)
    assert status == sp.STOR_STATUS_INSUFFICIENT_RESOURCES
    blocks = []
    while True:
        status, va = sp.StorPortAllocatePool(world.hba, 200, "Test")
        if status != sp.STOR_STATUS_SUCCESS:
            break
        blocks.append(va)
    assert world.pc.stats()["verifier"]["special_pool_fallbacks"] >= 1
    assert world.pc.memory.free_bytes() == 0
    for va in blocks:
        assert sp.StorPortFreePool(world.hba, va) == sp.STOR_STATUS_SUCCESS
    assert world.pc.check() == ""
    assert world.pc.violations == []
