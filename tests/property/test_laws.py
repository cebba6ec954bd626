"""Laws that hold whatever the driver does: order of outputs, inverse operations, faults without traces, same seed
same world.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import storsim.storport as sp
from kit import PAGE, World
from kit.driver import Driver
from kit.lockstep import SIZES, addresses
from storsim import Placement

ALL_ONES = 2**64 - 1
MIB = 1 << 20
RANGES = [(0x1000, 0x9F000, 0), (MIB, 2 * MIB, 0), (4 * MIB, 2 * MIB, 1)]
NUMBERS = st.one_of(st.integers(0, 2**64 - 1), addresses(), st.sampled_from([0, 1, 2**32, 2**63, ALL_ONES]))


@given(
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["contiguous", "dma"]),
)
def test_success_exactly_with_a_pointer(
    size: int, lowest: int, highest: int, boundary: int, cache: int, node: int, family: str
) -> None:
    driver = Driver(RANGES, level="release")
    free = driver.pc.memory.free_bytes()
    status, va, pa = driver.allocate(family, size, lowest, highest, boundary, cache, node)
    assert (status == 0) == (va != 0)
    taken = free - driver.pc.memory.free_bytes()
    if status:
        assert taken == 0
        assert status == 0xC1000003
    else:
        assert taken == -(-size // PAGE) * PAGE
        assert lowest <= pa
        assert pa + size - 1 <= highest


@given(NUMBERS, NUMBERS, st.integers(0, 2**32 - 1), NUMBERS, NUMBERS, NUMBERS, st.integers(0, 64))
def test_host_memory_buffer_never_half_done(
    minimum: int, preferred: int, alignment: int, lowest: int, highest: int, boundary: int, count: int
) -> None:
    world = World(level="release")
    free = world.pc.memory.free_bytes()
    status, ranges = world.allocate_hmb(
        minimum, preferred, count, alignment=alignment, lowest=lowest, highest=highest, boundary=boundary
    )
    total = sum(entry.RangeLength for entry in ranges)
    assert free - world.pc.memory.free_bytes() == total
    assert (status == sp.STOR_STATUS_SUCCESS) == bool(ranges)
    if ranges:
        assert max(minimum, PAGE) <= total <= preferred
        assert len(ranges) <= count
        assert boundary == 0


@given(
    st.lists(st.tuples(st.sampled_from(["pool", "dma", "contiguous"]), SIZES), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_allocate_and_free_are_inverse(requests: list[tuple[str, int]], order: Any) -> None:
    driver = Driver(RANGES, level="strict")
    before = driver.pc.memory.runs(), len(driver.pc.allocations())
    blocks = []
    for kind, size in requests:
        answer = (
            driver.pool(size, "Laws") if kind == "pool" else driver.allocate(kind, size, 0, ALL_ONES, 0, 1, 0x80000000)
        )
        if answer[0] == 0:
            blocks.append((kind, answer[1], size))
    order.shuffle(blocks)
    for kind, va, size in blocks:
        assert (driver.free_pool(va) if kind == "pool" else driver.free(kind, va, size, 1)) == 0
    assert (driver.pc.memory.runs(), len(driver.pc.allocations())) == before
    assert len(driver.pc.violations) == 0


@given(st.integers(0, 2**64 - 1), st.sampled_from(list(Placement)))
def test_same_seed_same_digest(seed: int, placement: Placement) -> None:
    def run() -> int:
        driver = Driver(RANGES, level="release", seed=seed, placement=placement)
        for size in (100, 5000, 70000):
            driver.pool(size, "Seed")
            driver.allocate("dma", size, 0, ALL_ONES, 0, 1, 0x80000000)
        driver.hmb(0, 512 * PAGE, 0, 0, ALL_ONES, 8)
        return driver.pc.digest()

    assert run() == run()


@pytest.mark.parametrize(
    "routine", ["StorPortAllocatePool", "StorPortAllocateDmaMemory", "StorPortAllocateHostMemoryBuffer"]
)
@given(nth=st.integers(1, 6), size=SIZES)
def test_every_injected_failure_is_without_a_trace(routine: str, nth: int, size: int) -> None:
    driver = Driver(RANGES, level="strict")
    plain = Driver(RANGES, level="strict")
    driver.fault(routine, nth)
    for call in range(1, 7):
        before = driver.pc.memory.runs(), [record.va for record in driver.pc.allocations()]
        status = _call(driver, routine, size)
        if call == nth:
            assert status == 0xC1000003
            assert (driver.pc.memory.runs(), [record.va for record in driver.pc.allocations()]) == before
        else:
            assert status == _call(plain, routine, size)
    assert [(run.start, run.length) for run in driver.pc.memory.runs()] == [
        (run.start, run.length) for run in plain.pc.memory.runs()
    ]


def _call(driver: Driver, routine: str, size: int) -> int:
    if routine == "StorPortAllocatePool":
        return driver.pool(size, "Laws")[0]
    if routine == "StorPortAllocateDmaMemory":
        return driver.allocate("dma", size, 0, ALL_ONES, 0, 1, 0x80000000)[0]
    status, ranges = driver.hmb(0, -(-size // PAGE) * PAGE, 0, 0, ALL_ONES, 8)
    if status == 0:
        assert driver.free_hmb(ranges) == 0
    return status


@given(st.integers(0, 31), st.lists(st.sampled_from(["pool", "dma", "free"]), min_size=1, max_size=12))
def test_snapshot_and_restore_equal_never_having_left(seed: int, detour: list[str]) -> None:
    driver, straight = (Driver(RANGES, level="release", seed=seed, placement=Placement.RANDOM) for _ in range(2))
    for each in (driver, straight):
        each.pool(3000, "Stay")
        each.allocate("dma", 20000, 0, ALL_ONES, 0, 1, 0x80000000)
    driver.save(0)
    for step in detour:
        if step == "pool":
            driver.pool(777, "Away")
        elif step == "dma":
            driver.allocate("dma", 9999, 0, ALL_ONES, 0, 1, 0x80000000)
        else:
            driver.hmb(0, 16 * PAGE, 0, 0, ALL_ONES, 4)
            driver.pc.advance(ticks=12345)
    driver.restore(0)
    for each in (driver, straight):
        each.allocate("contiguous", 30000, 0, ALL_ONES, 65536, 0, 1)
        each.pool(50, "Late")
    assert driver.pc.digest() == straight.pc.digest()
    assert [record.va for record in driver.pc.allocations()] == [record.va for record in straight.pc.allocations()]


@given(st.lists(st.integers(1, 30 * PAGE), min_size=1, max_size=20), st.integers(0, 2**32))
def test_adversarial_placement_never_touches_the_last_block(sizes: list[int], seed: int) -> None:
    driver = Driver([(MIB, 64 * MIB, 0)], level="release", placement=Placement.ADVERSARIAL, seed=seed)
    last: tuple[int, int] | None = None
    for size in sizes:
        status, _va, pa = driver.allocate("dma", size, 0, ALL_ONES, 0, 1, 0x80000000)
        assert status == 0
        span = (pa, pa + -(-size // PAGE) * PAGE)
        if last is not None:
            assert span[1] != last[0]
            assert span[0] != last[1]
        last = span
