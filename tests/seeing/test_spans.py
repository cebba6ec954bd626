"""What lasts has a beginning and an end in the trace, nests, and levels, interrupts and streams follow from it."""

from __future__ import annotations

import storsim
from seeing.conftest import Concert
from storsim import spans
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V2, HDAUDIO_CODEC_TRANSFER, StreamFormat
from storsim.spans import Span
from storsim.storport import (
    MM_ANY_NODE_OK,
    MmCached,
    StorPortAllocateDmaMemory,
    StorPortAllocatePool,
    StorPortFreePool,
)

CD = StreamFormat(48000, 16, 16, 2)
DIRQL = 5


def _inside(outer: Span, inner: Span) -> bool:
    return outer.begin < inner.begin and inner.end < outer.end


def _check_nesting(found: list[Span]) -> None:
    for cpu in {span.cpu for span in found}:
        stack: list[Span] = []
        for span in (one for one in found if one.cpu == cpu):
            while stack and stack[-1].end < span.begin:
                stack.pop()
            assert not stack or _inside(stack[-1], span)
            assert span.depth == len(stack)
            assert span.begin < span.end
            assert span.began <= span.ended
            stack.append(span)


def test_everything_that_happened_has_a_place_of_its_own(concert: Concert) -> None:
    timeline = storsim.Timeline(concert.pc)
    _check_nesting(timeline.spans)
    places = [position for position, _, _ in spans.ordered(timeline.entries)]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert {span.kind for span in timeline.spans} == {"call", "isr", "dpc", "callback"}


def test_a_call_that_waits_lasts_and_what_came_meanwhile_lies_in_it() -> None:
    with storsim.Machine("1GiB", trace_entries=1 << 14) as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        before = pc.now
        bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0x000F0000)])
        timeline = storsim.Timeline(pc)
        call = next(span for span in timeline.spans if span.name == "TransferCodecVerbs")
        assert (call.began, call.ended) == (before, pc.now)
        assert call.ended > call.began
        registers = [entry for entry in timeline.entries if entry.kind == "register"]
        assert any(call.begin < spans.at(entry.time, entry.sequence) < call.end for entry in registers)
        _check_nesting(timeline.spans)


def test_interrupt_routine_deferred_call_and_callback() -> None:
    with storsim.Machine("1GiB", trace_entries=1 << 14, dpc_latency=2400) as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        heard: list[int] = []

        def responded(response: object, context: object) -> None:
            heard.append(pc.now)
            hba.pool(100, "Call").free()

        hba = pc.add_adapter("nvme0")
        bus.RegisterEventCallback(responded, None)
        hda.codecs[0].unsolicited(0, 5)
        pc.advance(milliseconds=1)
        timeline = storsim.Timeline(pc)
        (callback,) = (span for span in timeline.spans if span.name == "unsolicited response")
        isr = next(span for span in timeline.spans if span.kind == "isr" and span.end < callback.begin)
        dpc = next(span for span in timeline.spans if span.kind == "dpc" and _inside(span, callback))
        calls = [span for span in timeline.spans if span.kind == "call" and _inside(callback, span)]
        assert [span.name for span in calls] == ["StorPortAllocatePool", "StorPortFreePool"]
        assert (isr.irql, dpc.irql, callback.irql) == (DIRQL, 2, 2)
        assert dpc.began == isr.began + 2400 == heard[0]
        (one,) = (one for one in timeline.interrupts if one.span == isr)
        assert one.deferred is not None
        assert (one.raised, one.began, one.served) == (isr.began, isr.began, isr.ended)
        assert (one.deferred.queued, one.deferred.ran, one.deferred.span) == (isr.began, dpc.began, dpc)
        assert one.lowered_at is not None
        assert isr.begin < one.lowered_at < isr.end
        around = [level.irql for level in timeline.levels if isr.begin <= level.position <= dpc.end]
        assert around[:2] == [DIRQL, 0]
        assert around[-2:] == [2, 0]


def test_an_interrupt_that_the_level_holds_off() -> None:
    with storsim.Machine("1GiB", trace_entries=1 << 14) as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        bus.RegisterEventCallback(lambda response, context: None, None)
        with pc.at_irql(DIRQL):
            hda.codecs[0].unsolicited(0, 5)
            pc.advance(milliseconds=1)
            raised = storsim.Timeline(pc).interrupts[-1]
            assert raised.began is None
        one = storsim.Timeline(pc).interrupts[-1]
        assert one.raised == raised.raised
        assert one.began == pc.now > one.raised


def test_outputs_are_kept() -> None:
    with storsim.Machine("1GiB", trace_entries=1 << 14, level="release") as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        status, handle, converter = bus.AllocateRenderDmaEngine(CD)
        assert status == 0
        _, mdl, size, tag, fifo = bus.AllocateDmaBuffer(handle, 4096)
        hba = pc.add_adapter("nvme0")
        _, va, pa = StorPortAllocateDmaMemory(hba, 4096, 0, 2**64 - 1, 0, MmCached, MM_ANY_NODE_OK)
        _, block = StorPortAllocatePool(hba, 64, "Once")
        StorPortFreePool(hba, block)
        refused, _ = StorPortAllocatePool(hba, 0xFFFF_FFFF, "None")
        assert refused != 0
        found = {span.name: span for span in storsim.Timeline(pc).spans if span.kind == "call"}
        assert found["AllocateRenderDmaEngine"].outputs[:2] == (int(handle), converter)
        assert found["AllocateDmaBuffer"].outputs == (int(mdl), size, tag, fifo)
        assert found["StorPortAllocateDmaMemory"].outputs[:2] == (va, pa)
        assert found["StorPortFreePool"].outputs == ()
        pools = [one for one in storsim.Timeline(pc).spans if one.name == "StorPortAllocatePool"]
        assert [one.outputs for one in pools] == [(block,), ()]


def test_a_stream_says_when_it_stops(concert: Concert) -> None:
    (stream,) = storsim.Timeline(concert.pc).streams
    events = [event.what for event in stream.events if event.what != "complete"]
    assert events[:3] == ["run", "stop", "reset"]
    assert set(events[3:]) <= {"reset"}
    ((start, end),) = stream.runs()
    assert (start.what, end and end.what) == ("run", "stop")
    assert end is not None
    assert end.dma_bytes >= len(concert.sound.data)


def test_a_span_is_whole_while_its_entry_is_in_the_ring() -> None:
    with storsim.Machine("1GiB", trace_entries=16) as pc:
        hba = pc.add_adapter("nvme0")
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0x000F0000)])
        timeline = storsim.Timeline(pc)
        last = timeline.spans[0]
        assert last.name == "TransferCodecVerbs"
        assert last.entry.inside > 16
        assert timeline.dropped > 0
        _check_nesting(timeline.spans)
        hba.pool(100, "Last").free()
        assert storsim.Timeline(pc).spans[-1].name == "StorPortFreePool"


def test_looking_from_inside_a_callback() -> None:
    """What has not ended yet has no entry; its level shows all the same."""
    with storsim.Machine("1GiB", trace_entries=1 << 14) as pc:
        hda = pc.add_hda()
        hba = pc.add_adapter("nvme0")
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        seen: list[storsim.Timeline] = []

        def responded(response: object, context: object) -> None:
            hba.pool(100, "Open").free()
            seen.append(storsim.Timeline(pc))

        bus.RegisterEventCallback(responded, None)
        hda.codecs[0].unsolicited(0, 5)
        pc.advance(milliseconds=1)
        (timeline,) = seen
        assert timeline.spans[-1].name == "StorPortFreePool"
        assert timeline.levels[-1].irql == 2
        assert not any(span.kind == "callback" for span in timeline.spans)
