"""Who keeps whom alive: closing, garbage, references, exported bytes, host memory that runs out."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from storsim import _core


def test_a_closed_machine_refuses_everything() -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    extension, block, srb = hba.device_extension, hba.pool(64), hba.srb(4096)
    mdl = sp.StorPortGetOriginalMdl(hba, srb).Mdl
    sg = sp.StorPortGetScatterGatherList(hba, srb)
    routine = pc.storport.StorPortAllocatePool
    sp.StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 1, 0, -1, 3, 1, 0)
    pc.close()
    pc.close()
    assert pc.closed
    assert [record.name for record in pc.violations] == ["BAD_BOUNDARY"]
    for use in (
        lambda: sp.StorPortAllocatePool(hba, 1, "Test"),
        lambda: sp.StorPortAllocatePool(extension, 1, "Test"),
        lambda: routine(0, 1, "Test"),
        lambda: pc.storport,
        lambda: pc.now,
        lambda: pc.irql,
        lambda: pc.advance(1),
        lambda: pc.add_adapter("x"),
        lambda: pc.memory.read(0x1000, 1),
        lambda: pc.memory.runs(),
        lambda: pc.allocations(),
        lambda: pc.digest(),
        lambda: pc.snapshot(),
        lambda: pc.stats(),
        lambda: hba.live,
        lambda: hba.config.Length,
        lambda: hba.remove(),
        lambda: srb.va,
        lambda: mdl.va,
        lambda: sg.elements,
        lambda: block.live,
        lambda: memoryview(block),
        lambda: memoryview(mdl),
        lambda: pc.__enter__(),
    ):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "violation" in repr(pc.violations[0])
    assert "BAD_BOUNDARY" in pc.report()
    for value in (pc, hba, block, srb, mdl, sg, routine, extension):
        assert repr(value)


def test_a_machine_never_initialised() -> None:
    raw = _core.Machine.__new__(_core.Machine)
    for use in (lambda: raw.now, lambda: raw.storport, lambda: raw.digest(), lambda: raw._allocations()):
        with pytest.raises(ValueError, match="never initialised"):
            use()
    raw.close()
    assert not raw._dead
    assert raw._sites is None


def test_a_machine_is_initialised_once() -> None:
    pc = storsim.Machine("64MiB")
    with pytest.raises(RuntimeError):
        pc.__init__("64MiB")  # type: ignore[misc]


def test_machines_go_when_nobody_holds_them() -> None:
    pc = storsim.Machine("64MiB")
    hba = pc.add_adapter("hba")
    things: list[Any] = [
        hba,
        hba.pool(64),
        hba.srb(64),
        pc.storport,
        pc.storport.StorPortFreePool,
        hba.config,
        pc.memory,
    ]
    gone = weakref.ref(pc)
    del pc
    assert gone() is not None
    del hba
    things.clear()
    assert gone() is None, "no cycle without the user's own"


def test_a_cycle_through_a_callback_is_collected() -> None:
    pc = storsim.Machine("64MiB", sg_delivery="deferred", dpc="manual")

    class Driver:
        def __init__(self, machine: storsim.Machine) -> None:
            self.machine = machine

        def predicate(self, call: Any) -> bool:
            return self.machine is None

    driver = Driver(pc)
    pc.faults.fail_when(driver.predicate)
    gone = weakref.ref(driver)
    del driver, pc
    gc.collect()
    assert gone() is None


def test_types_are_not_leaked() -> None:
    def one() -> None:
        with storsim.Machine("64MiB", level="release") as pc:
            hba = pc.add_adapter("hba")
            with hba.pool(64) as block, hba.srb(8192) as srb:
                memoryview(block).release()
                sg = sp.StorPortGetScatterGatherList(hba, srb)
                assert sg.elements
                assert srb.mdl.pages
            pc.restore(pc.snapshot())
            pc.allocations(), pc.findings, pc.stats(), list(pc.trace)

    one()
    gc.collect()
    types = [getattr(_core, name) for name in dir(_core) if isinstance(getattr(_core, name), type)]
    before = [sys.getrefcount(kind) for kind in types]
    for _ in range(50):
        one()
    gc.collect()
    assert [sys.getrefcount(kind) for kind in types] == before


def test_calls_leak_no_references() -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    marker = "Test" + str(id(pc))[:0]
    watched: list[Any] = [hba, hba.device_extension, marker, None, sp.StorStatus.STOR_STATUS_SUCCESS]

    def calls() -> None:
        for form in (hba, hba.device_extension):
            status, va = sp.StorPortAllocatePool(form, NumberOfBytes=64, Tag=marker)
            assert sp.StorPortFreePool(hba, va) == status
        for wrong in ((hba,), (hba, "x", marker), (hba, 1, 1.5), (hba, 2**32, marker), (None, 1, marker)):
            with pytest.raises((TypeError, OverflowError)):
                sp.StorPortAllocatePool(*wrong)
        _status, ranges = sp.StorPortAllocateHostMemoryBuffer(hba, 0, 65536, 0, 0, 0, -1, 0, 4)
        sp.StorPortFreeHostMemoryBuffer(hba, ranges)
        sp.StorPortFreeHostMemoryBuffer(hba, [])

    calls()
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(200):
        calls()
    gc.collect()
    after = [sys.getrefcount(thing) for thing in watched]
    assert all(abs(now - then) < 20 for now, then in zip(after, before, strict=True)), (before, after)


# --- exported bytes ---------------------------------------------------------------------------------------------------


def test_a_view_is_the_memory() -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    with hba.dma(8192) as block, memoryview(block) as view:
        assert len(view) == 8192
        assert not view.readonly
        view[:4] = b"view"
        assert pc.read_va(block.va, 4) == b"view" == hba.dma_read(block.pa, 4)
        pc.write_va(block.va + 4, b"kernel")
        assert bytes(view[4:10]) == b"kernel"
        assert bytes(block)[:10] == b"viewkernel"


def test_a_view_outlives_its_machine() -> None:
    pc = storsim.Machine("64MiB", level="release")
    block = pc.add_adapter("hba").dma(4096)
    view = memoryview(block)
    pc.close()
    view[0] = 1
    assert view[0] == 1
    del pc, block
    gc.collect()
    view[1] = 2
    view.release()


def test_a_view_outlives_its_block() -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    block = hba.dma(4096)
    first, second = memoryview(block), memoryview(block)
    block.free()
    assert not block.live
    with pytest.raises(BufferError, match="freed"):
        memoryview(block)
    first[0] = (first[0] + 1) & 255
    first.release()
    second.release()
    assert "USE_AFTER_FREE" in [record.name for record in pc.violations]
    assert pc.check() == ""


def test_requests_and_mdls_export_their_bytes() -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    with hba.srb(10000, fragments=3, offset=100) as srb:
        with memoryview(srb) as view:
            view[:] = bytes(range(250)) * 40
        assert bytes(srb.mdl) == bytes(srb) == bytes(range(250)) * 40
        gathered = b"".join(
            hba.dma_read(piece.PhysicalAddress, piece.Length)
            for piece in sp.StorPortGetScatterGatherList(hba, srb).elements
        )
        assert gathered == bytes(range(250)) * 40
        assert srb.pa == pc.physical(srb.va)
        assert srb.size == 10000
        assert srb.live
    assert not srb.live


def test_a_host_memory_buffer_has_no_bytes_for_the_processor() -> None:
    hba = storsim.Machine("64MiB").add_adapter("hba")
    with hba.hmb(preferred=65536) as buffer:
        with pytest.raises(BufferError, match="device"):
            memoryview(buffer)
        with pytest.raises(TypeError):
            int(buffer)
        hba.dma_write(buffer.pa, b"table")


# --- host memory ------------------------------------------------------------------------------------------------------


def _life(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("hba")
    _status, va = sp.StorPortAllocatePool(hba, 64, "Test")
    pc.write_va(va, b"x")
    _status, ranges = sp.StorPortAllocateHostMemoryBuffer(hba, 0, 65536, 0, 0, 0, -1, 0, 4)
    sp.StorPortFreeHostMemoryBuffer(hba, ranges)
    sp.StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 1, 0, -1, 3, 1, 0)
    with hba.srb(8192) as srb:
        sp.StorPortGetScatterGatherList(hba, srb)
    pc.restore(pc.snapshot())
    pc.digest()
    sp.StorPortFreePool(hba, va)
    hba.remove()


def test_each_host_allocation_may_fail() -> None:
    """The n-th request for host memory fails, for every n: MemoryError, and a machine that is sound."""
    whole = storsim.Machine("64MiB", level="release")
    _life(whole)
    requests = whole._host_memory[0]
    assert requests > 50
    for at in range(1, requests + 1):
        try:
            pc = storsim.Machine("64MiB", level="release", _fail_host_at=at)
        except MemoryError:
            continue
        with contextlib.suppress(MemoryError):
            _life(pc)
        assert pc.check() == ""


def test_a_big_machine_is_small_at_first() -> None:
    pc = storsim.Machine("64TiB", nodes=8)
    _requests, asked = pc._host_memory
    assert asked < 1 << 20
    assert pc.memory.total_bytes > 63 << 40


def test_leaks_that_cannot_be_told_are_an_error_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    hba.pool(64)

    def no_memory(*given: Any) -> None:
        raise MemoryError("no record")

    monkeypatch.setattr(storsim.Finding, "__init__", no_memory)
    with pytest.raises(MemoryError, match="no record"):
        hba.remove()
    monkeypatch.undo()
    assert pc.check() == ""
    assert [finding.name for finding in pc.violations] == ["POOL_LEAK"]
