"""Callbacks of the host: what they answered and what they called meanwhile is in the journal, and in the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit.journals import recorded, run_script, story
from storsim import Irql, journal
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V3, HDAUDIO_CODEC_TRANSFER, PauseState, RunState, StreamFormat


def scatter_gather() -> None:
    """An execution routine that puts its list and allocates."""
    pc = storsim.Machine("1GiB")
    hba = pc.add_adapter("a")
    _, pool = sp.StorPortAllocatePool(hba, 8192, "Data")
    _, buffer = sp.StorPortAllocatePool(hba, 512, "List")
    _, mdl = sp.StorPortAllocateMdl(hba, pool, 8192)
    sp.StorPortBuildMdlForNonPagedPool(hba, mdl)

    def execute(device: Any, irp: Any, sg_list: Any, context: Any) -> None:
        sp.StorPortAllocatePool(hba, 64, "More")
        sp.StorPortPutScatterGatherList(hba, sg_list, True)

    with pc.at_irql(Irql.DISPATCH_LEVEL):
        sp.StorPortBuildScatterGatherList(hba, mdl, pool, 8192, execute, "context", True, buffer, 512)
    sp.StorPortFreeMdl(hba, mdl)


def predicate() -> None:
    """A fault plan that a callable decides."""
    pc = storsim.Machine("1GiB")
    hba = pc.add_adapter("a")
    pc.faults.fail_when(lambda point: point.bytes > 100)
    for size in (50, 150, 90, 200):
        sp.StorPortAllocatePool(hba, size, "Data")


def policy() -> None:
    """A callable that decides how large a host memory buffer gets."""
    pc = storsim.Machine("1GiB")
    hba = pc.add_adapter("a", hmb_policy=lambda minimum, preferred, utilization: preferred // 2)
    sp.StorPortAllocateHostMemoryBuffer(hba, 0, 1 << 20, 0, 4096, 0, 2**64 - 1, 0, 8)


def deferred() -> None:
    """A DPC that raises."""
    pc = storsim.Machine("1GiB")
    hba = pc.add_adapter("a")

    def routine(context: Any) -> None:
        sp.StorPortAllocatePool(hba, 64, "Late")
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), pc.at_irql(Irql.DISPATCH_LEVEL):
        pc._queue_dpc(routine, None)
    sp.StorPortAllocatePool(hba, 32, "Next")


def notifications() -> None:
    """A stream with notification, a completion of verbs, an unsolicited response, and a codec's sender."""
    pc = storsim.Machine("1GiB")
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    bus.RegisterEventCallback(lambda response, context: None, 1)
    wave = StreamFormat(48000, 16, 16, 2)
    _, handle, _ = bus.AllocateRenderDmaEngine(wave)
    _, mdl, _, _, _, _ = bus.AllocateDmaBufferWithNotification(handle, 2, 2048)
    pc.write_va(mdl.va, b"\x01" * 64)
    bus.RegisterNotificationCallback(handle, 1, lambda context, time: None, 2)
    _, capture, converter = bus.AllocateCaptureDmaEngine(0, wave)
    _, _, _, stream_id, _ = bus.AllocateDmaBuffer(capture, 2048)
    hda.codecs[0].feed(stream_id, lambda count: bytes(range(256))[: min(count, 256)])
    verbs = [0x20 << 20 | 0x20000 | converter, 0x20 << 20 | 0x70600 | stream_id << 4]
    bus.TransferCodecVerbs(2, [HDAUDIO_CODEC_TRANSFER(verb) for verb in verbs])
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, [handle, capture])
    pc.advance(frames=1500)
    transfers = [HDAUDIO_CODEC_TRANSFER(0x000F0000), HDAUDIO_CODEC_TRANSFER(0x000F0002)]
    bus.TransferCodecVerbs(2, transfers, lambda transfer, context: None, 3)
    pc.advance(frames=20)
    hda.codecs[0].unsolicited(0, 0x1234)
    pc.advance(frames=20)
    bus.SetDmaEngineState(PauseState, [handle, capture])
    hda.codecs[0].played(1)
    hda.remove()


RUNS: list[Callable[[], None]] = [scatter_gather, predicate, policy, deferred, notifications]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_recorded_and_replayed(run: Callable[[], None]) -> None:
    (found,) = recorded(run)
    assert any(record.kind == "callback" for record in found.records())
    replay = found.replay()
    assert replay.ok, replay.difference
    assert replay.sealed


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_printed(run: Callable[[], None]) -> None:
    (found,) = recorded(run)
    assert story(run_script(found.script())) == story(found)


def test_every_kind_of_callback_of_a_stream() -> None:
    (found,) = recorded(notifications)
    kinds = {record.name for record in found.records() if record.kind == "callback"}
    assert kinds >= {"NotificationCallback", "TransferCallback", "codec_source"}


def test_what_a_callback_did_stands_inside_it() -> None:
    (found,) = recorded(scatter_gather)
    inside = [record.name for record in found.records() if record.depth == 1]
    assert inside == ["StorPortAllocatePool", "StorPortPutScatterGatherList"]


def test_stores_through_a_view() -> None:
    """A memoryview is written between calls; no call says so, the journal does."""
    with storsim.Machine("1GiB") as pc:
        hba = pc.add_adapter("a")
        with hba.dma(8192) as block:
            with memoryview(block) as view:
                view[10:14] = b"abcd"
                pc.advance(5)
                view[8190:] = b"yz"
                assert hba.dma_read(block.pa + 8190, 2) == b"yz"
                hba.dma_write(block.pa, b"device")
            assert pc.read_va(block.va, 6) == b"device"
            found = journal.load(pc.journal.to_bytes())
    stores = [record.arguments for record in found.records() if record.kind == "store"]
    assert [(row["offset"], row["data"]) for row in stores] == [(10, b"abcd"), (8190, b"yz")]
    assert found.replay().ok
    again = run_script(found.script())
    assert [record.arguments["data"] for record in again.records() if record.kind == "store"] == [b"abcd", b"yz"]


def test_snapshots() -> None:
    """Back to a snapshot of this run, and to one from elsewhere."""
    other = storsim.Machine("1GiB")
    foreign = other.snapshot()
    pc = storsim.Machine("1GiB")
    hba = pc.add_adapter("a")
    kept = pc.snapshot()
    sp.StorPortAllocatePool(hba, 100, "Gone")
    pc.restore(kept)
    sp.StorPortAllocatePool(hba, 200, "Here")
    pc.restore(foreign)
    pc.advance(7)
    found = journal.load(pc.journal.to_bytes())
    replay = found.replay()
    assert replay.ok, replay.difference
    assert replay.digest == pc.digest()
    restored = [record.arguments["bytes"] for record in found.records() if record.name == "restore"]
    assert restored[0] is None
    assert restored[1] == bytes(foreign)
    assert story(run_script(found.script())) == story(found)
