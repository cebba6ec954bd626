"""DESIGN §3, §4, §7 for the machine itself: outcomes, determinism, IRQL, time, state, threads (spec §3.14)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit import PAGE, TWO_NODES, World
from storsim import MemoryRange

Status = sp.StorStatus
MIB = 1 << 20


# -- records ---------------------------------------------------------------------------------------------------------


def test_violation_record() -> None:
    world = World(level="release")
    with world.pc.at_irql(1):
        sp.StorPortAllocateContiguousMemorySpecifyCacheNode(world.hba, 4096, 0, -1, 3, sp.MmCached, 7)
    record = world.pc.violations[-1]
    assert record.name == "BAD_BOUNDARY"
    assert record.routine == "StorPortAllocateContiguousMemorySpecifyCacheNode"
    assert record.irql == 1
    assert record.time == world.pc.now
    assert record.source
    assert "test_machine" in str(record.site)
    assert 3 in tuple(record.arguments.values() if isinstance(record.arguments, dict) else record.arguments)


def test_related_sites_of_a_double_free() -> None:
    world = World()
    va = world.pool(64)
    sp.StorPortFreePool(world.hba, va)
    with pytest.raises(storsim.BugCheck) as stop:
        sp.StorPortFreePool(world.hba, va)
    assert len(list(stop.value.record.related_sites)) >= 2
    text = str(stop.value)
    assert "StorPortFreePool" in text
    assert "world.py" in text
    assert "test_machine.py" in text


def test_messages_name_rule_source_and_fix() -> None:
    world = World(level="strict")
    va, pa = world.dma()
    other = world.pc.add_adapter("other")
    with pytest.raises(storsim.Violation) as raised:
        sp.StorPortFreeDmaMemory(other, va, 8192, sp.MmCached, pa)
    text = str(raised.value)
    for part in ("WRONG_ADAPTER", "StorPortFreeDmaMemory"):
        assert part in text
    assert len(text) > 80


def test_allocation_records() -> None:
    world = World(memory=TWO_NODES)
    va, pa = world.dma(5000, node=1, cache=sp.MmNonCached)
    record = world.record(va)
    assert (record.kind, record.va, record.pa, record.size, record.node, record.cache) == (
        "dma",
        va,
        pa,
        5000,
        1,
        sp.MmNonCached,
    )
    assert "hba0" in str(record.owner)
    assert "world.py" in str(record.site)


# -- IRQL and processors ---------------------------------------------------------------------------------------------


def test_at_irql_nests() -> None:
    pc = World().pc
    with pc.at_irql(storsim.Irql.APC_LEVEL):
        with pc.at_irql(storsim.Irql.DISPATCH_LEVEL):
            assert pc.irql == 2
        assert pc.irql == 1
    assert pc.irql == 0


@pytest.mark.parametrize("irql", [-1, 16, 31, 256])
def test_no_such_level(irql: int) -> None:
    pc = World().pc
    with pytest.raises((ValueError, OverflowError)), pc.at_irql(irql):
        pass
    assert pc.irql == 0


def test_each_processor_has_its_own_level() -> None:
    pc = storsim.Machine(TWO_NODES, cpus=2)
    with pc.at_irql(5):
        with pc.on_cpu(1):
            assert pc.irql == 0
        assert pc.irql == 5


def test_no_such_processor() -> None:
    pc = storsim.Machine(TWO_NODES, cpus=2)
    with pytest.raises((ValueError, IndexError)), pc.on_cpu(2):
        pass


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "amount", "ticks"),
    [("ticks", 7, 7), ("frames", 3, 1500), ("milliseconds", 2, 48000), ("seconds", 1, 24_000_000)],
)
def test_advance(unit: str, amount: int, ticks: int) -> None:
    pc = World().pc
    pc.advance(**{unit: amount})
    assert pc.now == ticks


def test_time_stands_still_otherwise() -> None:
    world = World()
    world.pool(64), world.dma(), world.hmb()
    assert world.pc.now == 0


def test_advance_backwards() -> None:
    with pytest.raises((ValueError, OverflowError)):
        World().pc.advance(ticks=-1)


# -- state -----------------------------------------------------------------------------------------------------------


def _life(world: World) -> list[Any]:
    """A bit of everything; what a driver can observe of it."""
    seen: list[Any] = [world.pool(100), world.dma(8192), world.contiguous(65536, boundary=65536), world.uncached(12345)]
    seen += [(entry.RangeStart, entry.RangeLength) for entry in world.hmb(0, 3 * MIB, 8)]
    mdl = world.mdl(seen[0], 100)
    seen += [int(mdl), *mdl.pages]
    world.pc.write_va(seen[0], b"something")
    sp.StorPortFreeMdl(world.hba, mdl)
    sp.StorPortFreePool(world.hba, seen[0])
    seen.append(world.pc.digest())
    return seen


def test_same_calls_same_everything() -> None:
    assert _life(World(seed=3)) == _life(World(seed=3))


def test_digest_sees_what_a_driver_sees() -> None:
    world = World()
    before = world.pc.digest()
    va = world.pool(64)
    allocated = world.pc.digest()
    world.pc.write_va(va, b"x")
    written = world.pc.digest()
    with world.pc.at_irql(2):
        raised = world.pc.digest()
    world.pc.advance(ticks=1)
    later = world.pc.digest()
    assert len({before, allocated, written, raised, later}) == 5
    assert all(0 <= value < 2**64 for value in (before, allocated, written, raised, later))


def test_digest_does_not_see_violations_or_sites() -> None:
    first, second = World(level="release"), World(level="release")
    second.observe(lambda: sp.StorPortFreeHostMemoryBuffer(second.hba, []))
    second.observe(lambda: second.allocate_hmb(0, 0, 0))
    sp.StorPortAllocateContiguousMemorySpecifyCacheNode(second.hba, 1, 0, -1, 3, 1, 0)
    assert second.names
    va, vb = first.pool(64), sp.StorPortAllocatePool(second.hba, 64, "Test").BufferPointer
    assert va == vb
    assert first.pc.digest() == second.pc.digest()


def test_snapshot_and_restore() -> None:
    world = World(seed=9)
    keep = world.pool(64)
    world.pc.write_va(keep, b"kept")
    snapshot = world.pc.snapshot()
    digest = world.pc.digest()
    first = _life(world)
    world.pc.restore(snapshot)
    assert world.pc.digest() == digest
    assert world.pc.read_va(keep, 4) == b"kept"
    assert _life(world) == first


def test_snapshot_restores_into_an_equal_machine() -> None:
    first, second = World(seed=9), World(seed=9)
    _life(first)
    second.pc.restore(first.pc.snapshot())
    assert first.pc.digest() == second.pc.digest()
    assert [record.va for record in first.pc.allocations()] == [record.va for record in second.pc.allocations()]


def test_snapshots_travel_as_bytes() -> None:
    import pickle

    world = World(seed=9)
    world.pool(64)
    snapshot, digest = world.pc.snapshot(), world.pc.digest()
    again = pickle.loads(pickle.dumps(snapshot))
    world.pool(64)
    world.pc.restore(again)
    assert world.pc.digest() == digest


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_snapshot_is_refused_whole(damage: str) -> None:
    world = World(seed=9)
    world.pool(64)
    raw = bytes(world.pc.snapshot())
    digest = world.pc.digest()
    broken = {"cut": raw[: len(raw) // 2], "flip": raw[:100] + bytes([raw[100] ^ 1]) + raw[101:], "empty": b""}[damage]
    with pytest.raises(ValueError, match=r"."):
        world.pc.restore(broken)
    assert world.pc.digest() == digest
    world.pool(64)


def test_check_finds_nothing_wrong() -> None:
    world = World()
    _life(world)
    assert not world.pc.check()


def test_restore_under_an_export() -> None:
    world = World()
    snapshot = world.pc.snapshot()
    block = world.hba.dma(8192)
    view = memoryview(block)
    with pytest.raises(BufferError):
        world.pc.restore(snapshot)
    view.release()
    world.pc.restore(snapshot)


# -- the friendly face -----------------------------------------------------------------------------------------------


def test_friendly_blocks() -> None:
    world = World(level="strict")
    free = world.pc.memory.free_bytes()
    with (
        world.hba.pool(64, tag="Test") as pool,
        world.hba.dma(8192, highest=0xFFFFFF) as dma,
        world.hba.contiguous(4096) as block,
    ):
        assert pool.size == 64
        assert dma.size == 8192
        assert block.size == 4096
        assert world.pc.physical(dma.va) == dma.pa <= 0xFFFFFF
        with memoryview(dma) as view:
            view[:5] = b"bytes"
        assert world.pc.read_va(dma.va, 5) == b"bytes"
        assert memoryview(dma)[:5] == b"bytes"
        assert len(world.kinds("dma")) == 1
    assert world.pc.memory.free_bytes() == free or not world.kinds("dma") + world.kinds("contiguous") + world.kinds(
        "pool"
    )


def test_friendly_failure() -> None:
    world = World(memory=[MemoryRange(4 << 30, MIB, 0)])
    with pytest.raises(storsim.StorStatusError) as error:
        world.hba.dma(8192, highest=0xFFFFFF)
    assert error.value.status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert isinstance(error.value, storsim.StatusError)
    assert not isinstance(error.value, storsim.NtStatusError)


def test_friendly_host_memory_buffer() -> None:
    world = World(level="strict")
    with world.hba.hmb(minimum=MIB, preferred=2 * MIB, max_ranges=4):
        assert world.kinds("hmb")
    assert not world.kinds("hmb")


def test_friendly_request() -> None:
    world = World(level="strict")
    with world.hba.srb(8192, write=True, fragments=2) as srb:
        assert srb.size == 8192
        assert world.pc.physical(srb.va) == srb.pa
        with memoryview(srb) as view:
            view[:4] = b"data"
        assert world.pc.read_va(srb.va, 4) == b"data"
    other = world.hba.srb(4096)
    other.free()
    assert not world.kinds("srb_data")


def test_late_write_through_an_export() -> None:
    world = World()
    block = world.hba.dma(8192)
    view = memoryview(block)
    block.free()
    view[0:4] = b"late"
    view.release()
    assert "USE_AFTER_FREE" in world.names


# -- callbacks and threads -------------------------------------------------------------------------------------------


def _inside_a_callback(world: World, action: Any) -> Any:
    """Runs the action inside a scatter/gather execution routine."""
    va = world.pool(PAGE)
    mdl, buffer, seen = world.mdl(va, PAGE), world.pool(64), []
    with world.pc.at_irql(2):
        sp.StorPortBuildScatterGatherList(
            world.hba, mdl, va, PAGE, lambda device, irp, sg, context: seen.append(action(sg)), 0, True, buffer, 64
        )
    return seen[0]


def test_callbacks_may_call_routines() -> None:
    world = World(level="strict")
    result = _inside_a_callback(world, lambda sg: sp.StorPortAllocatePool(world.hba, 64, "Test"))
    assert result.status == Status.STOR_STATUS_SUCCESS


def test_callback_may_put_its_list() -> None:
    world = World(level="strict")
    assert (
        _inside_a_callback(world, lambda sg: sp.StorPortPutScatterGatherList(world.hba, sg, True))
        == Status.STOR_STATUS_SUCCESS
    )


@pytest.mark.parametrize("what", ["advance", "restore", "remove", "close"])
def test_not_from_inside_a_callback(what: str) -> None:
    world = World()
    snapshot = world.pc.snapshot()
    action = {
        "advance": lambda sg: world.pc.advance(ticks=1),
        "restore": lambda sg: world.pc.restore(snapshot),
        "remove": lambda sg: world.hba.remove(),
        "close": lambda sg: world.pc.close(),
    }[what]
    with pytest.raises(RuntimeError) as error:
        _inside_a_callback(world, action)
    assert not isinstance(error.value, (storsim.BugCheck, storsim.MachineStopped))
    assert world.pool(64), "the machine goes on"


@pytest.mark.parametrize("error", [LookupError("driver"), KeyboardInterrupt(), SystemExit(3)])
def test_exceptions_of_callbacks_surface(error: BaseException) -> None:
    world = World()

    def fail(sg: Any) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        _inside_a_callback(world, fail)
    assert raised.value is error
    assert world.pool(64), "the machine goes on"


def test_threads_have_their_own_processor_and_level() -> None:
    world = World(cpus=4)
    levels: dict[int, list[int]] = {}
    barrier = threading.Barrier(4)
    blocks: list[int] = []

    def work(cpu: int) -> None:
        with world.pc.on_cpu(cpu), world.pc.at_irql(cpu % 3):
            barrier.wait(timeout=30)
            for _ in range(50):
                status, va = sp.StorPortAllocatePool(world.hba, 64, "Test")
                assert status == Status.STOR_STATUS_SUCCESS
                blocks.append(va)
                levels.setdefault(cpu, []).append(world.pc.irql)

    threads = [threading.Thread(target=work, args=(cpu,)) for cpu in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert {cpu: set(seen) for cpu, seen in levels.items()} == {cpu: {cpu % 3} for cpu in range(4)}
    assert len(set(blocks)) == 200
    assert not world.pc.check()


def test_machines_do_not_know_each_other() -> None:
    first, second = World(level="strict"), World(level="strict")
    va = first.pool(64)
    second.pool(64)
    sp.StorPortFreePool(first.hba, va)
    assert second.kinds("pool")
    assert not first.kinds("pool")


def test_representations() -> None:
    world = World()
    for value in (
        world.pc,
        world.hba,
        world.hmb()[0],
        world.pc.allocations()[0],
        MemoryRange(MIB, MIB, 0),
        world.hba.dma(64),
    ):
        assert len(repr(value)) > 4
        assert " at 0x7" not in repr(value)
    assert eval(repr(MemoryRange(MIB, MIB, 0)), {"MemoryRange": MemoryRange}) == MemoryRange(MIB, MIB, 0)
