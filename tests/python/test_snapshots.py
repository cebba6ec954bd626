"""Snapshots as Python objects: kept in memory, portable when asked, good for as long as anybody holds them."""

from __future__ import annotations

import gc
import pickle
import random

import pytest

import storsim
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_BDL, PauseState, RunState, StreamFormat
from storsim.storport import *

SIZE = 20_000


def _machine() -> tuple[storsim.Machine, storsim.Adapter]:
    pc = storsim.Machine("64MiB", seed=3)
    return pc, pc.add_adapter("nvme0")


def _work(pc: storsim.Machine, hba: storsim.Adapter, chance: random.Random) -> None:
    """Allocates, writes, frees and lets time pass."""
    for _ in range(chance.randrange(1, 30)):
        live = [block for block in pc.allocations() if block.kind == "pool"]
        what = chance.randrange(4)
        if what == 0 or not live:
            StorPortAllocatePool(hba, chance.randrange(1, SIZE), "Test")
        elif what == 1:
            StorPortFreePool(hba, chance.choice(live).va)
        elif what == 2:
            block = chance.choice(live)
            pc.write_va(block.va, chance.randbytes(block.size))
        else:
            pc.advance(chance.randrange(1000))


@pytest.mark.parametrize("seed", range(6))
def test_going_back_in_any_order_is_what_the_bytes_say(seed: int) -> None:
    chance = random.Random(seed)
    pc, hba = _machine()
    kept: list[tuple[storsim.Snapshot, bytes, int]] = []
    for _ in range(25):
        _work(pc, hba, chance)
        if len(kept) < 5 or chance.random() < 0.2:
            snapshot = pc.snapshot()
            kept.append((snapshot, bytes(pc.snapshot()), pc.digest()))
        snapshot, portable, digest = chance.choice(kept)
        pc.restore(snapshot if chance.random() < 0.7 else portable)
        assert pc.digest() == digest
        assert bytes(pc.snapshot()) == portable == bytes(snapshot)
        assert pc.check() == ""
        if chance.random() < 0.3:
            kept.remove((snapshot, portable, digest))


def test_bytes_are_those_of_its_moment() -> None:
    pc, hba = _machine()
    _, va = StorPortAllocatePool(hba, SIZE, "Test")
    pc.write_va(va, b"then" * 1000)
    snapshot, portable = pc.snapshot(), bytes(pc.snapshot())
    pc.write_va(va, b"now!" * 1000)
    after = pc.digest()
    assert bytes(snapshot) == portable
    assert pc.digest() == after
    assert pc.read_va(va, 4) == b"now!"


@pytest.mark.parametrize("asked", [False, True], ids=["bytes_not_asked_for", "bytes_asked_for"])
def test_it_outlives_its_machine(asked: bool) -> None:
    pc, hba = _machine()
    _, va = StorPortAllocatePool(hba, SIZE, "Test")
    pc.write_va(va, b"then")
    snapshot, digest = pc.snapshot(), pc.digest()
    if asked:
        assert bytes(snapshot)
    pc.write_va(va, b"now!")
    pc.close()
    del pc, hba
    gc.collect()
    other, _ = _machine()
    other.restore(snapshot)
    assert other.digest() == digest
    assert other.read_va(va, 4) == b"then"
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot


def test_a_machine_that_is_dropped_leaves_its_snapshots() -> None:
    pc, hba = _machine()
    digest, snapshot = pc.digest(), pc.snapshot()
    del pc, hba
    gc.collect()
    other, _ = _machine()
    other.restore(snapshot)
    assert other.digest() == digest


def test_a_snapshot_can_be_looked_at_from_inside_a_callback() -> None:
    pc, hba = _machine()
    snapshot, seen = pc.snapshot(), []
    StorPortAllocatePool(hba, SIZE, "Test")
    pc._queue_dpc(lambda context: seen.append(bytes(snapshot)), None)
    pc.advance(10)
    assert seen == [bytes(snapshot)]
    assert [block.size for block in pc.allocations() if block.kind == "pool"] == [SIZE]


def test_a_view_does_not_change_while_bytes_are_made() -> None:
    pc, hba = _machine()
    block = hba.dma(8192)
    pc.write_va(block.va, b"a" * 8192)
    snapshot, portable = pc.snapshot(), bytes(pc.snapshot())
    with memoryview(block) as view:
        view[:4] = b"view"
        assert bytes(snapshot) == portable
        assert bytes(view[:6]) == b"viewaa"
        with pytest.raises(BufferError):
            pc.restore(snapshot)
        during = pc.snapshot()
        view[:4] = b"late"
    pc.restore(during)
    assert pc.read_va(block.va, 6) == b"viewaa"
    pc.restore(snapshot)
    assert pc.read_va(block.va, 6) == b"aaaaaa"


def test_running_streams_go_back() -> None:
    pc = storsim.Machine("256MiB")
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_BDL)
    heard: list[int] = []
    _, handle, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
    _, buffer, bdl = bus.AllocateContiguousDmaBuffer(handle, 8192)
    for entry in range(4):
        bdl[entry] = (pc.physical(buffer) + 2048 * entry, 2048, 1)
    bus.SetupDmaEngineWithBdl(handle, 8192, 3, lambda context, mask: heard.append(pc.now), 0)
    for state in (PauseState, RunState):
        assert bus.SetDmaEngineState(state, [handle]) == 0
    pc.advance(milliseconds=7)
    snapshot = pc.snapshot()
    runs = []
    for again in (False, True, True):
        if again:
            pc.restore(snapshot)
        heard.clear()
        pc.advance(milliseconds=50)
        runs.append((pc.digest(), list(heard), hda.regs.SD4LPIB, bytes(pc.snapshot())))
    assert runs[0] == runs[1] == runs[2]
    assert heard


def test_without_host_memory_nothing_has_changed() -> None:
    pc, hba = _machine()
    StorPortAllocatePool(hba, SIZE, "Test")
    requests, before = pc._host_memory[0], pc.digest()
    for fail_at in range(1, 40):
        pc = storsim.Machine("64MiB", seed=3, _fail_host_at=requests + fail_at)
        hba = pc.add_adapter("nvme0")
        StorPortAllocatePool(hba, SIZE, "Test")
        try:
            bytes(pc.snapshot())
        except MemoryError:
            assert pc.check() == ""
            continue
        finally:
            assert pc.digest() == before
        assert fail_at > 3
        return
    raise AssertionError("the snapshot never came about")
