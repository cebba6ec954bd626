"""ISRs, notifications, completions, unsolicited responses: level and arguments of each, exceptions, re-entry,
going back, lifetime.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import storsim
from kit.audio import *
from kit.audio import Client
from storsim.hdaudio import *

VENDOR = 0xF0000


class Note:
    """A callback that can be watched for being alive."""

    def __init__(self, act: Callable[..., Any] | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.act = act

    def __call__(self, *arguments: Any) -> None:
        self.calls.append(arguments)
        if self.act is not None:
            self.act(*arguments)


def running(rig: Rig, kind: str, note: Any, context: Any = None, client: Client | None = None) -> int:
    """A 2048-byte ring at 48 kHz stereo whose callback is note: every 512 frames for N1 and B, every 256 for N."""
    client = client or rig.client
    handle = client.render()
    if kind == "B":
        client.buffer(handle, "C", 2048)
        client.entries(handle, [(0, 1024, 0), (1024, 1024, 1)])
        assert client.bdl.SetupDmaEngineWithBdl(handle, 2048, 1, note, context)[0] == OK
    else:
        client.buffer(handle, kind, 2048)
        assert client.v3.RegisterNotificationCallback(handle, 1, note, context) == OK
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    return handle


def set_off(rig: Rig, kind: str, note: Any, context: Any = None) -> Callable[[], Any]:
    """Arranges for one callback of a kind; the result makes the time pass in which it comes."""
    if kind in ("isr", "notification"):
        running(rig, "B" if kind == "isr" else "N1", note, context)
        return lambda: rig.pc.advance(frames=520)
    if kind == "verb":
        assert rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], note, context) == OK
    else:
        tag = rig.client.v1.RegisterEventCallback(note, context)[1]
        rig.hda.codecs[0].unsolicited(tag, 0x12345)
    return lambda: rig.pc.advance(frames=10)


KINDS = ("isr", "notification", "verb", "unsolicited")


# --- level and arguments (§2, §11.9) --------------------------------------------------------------


@pytest.mark.parametrize("dirql", [3, 5, 11])
def test_isr(dirql: int) -> None:
    rig = Rig(dirql=dirql)
    levels: list[int] = []
    note, context = Note(lambda c, m: levels.append(rig.pc.irql)), object()
    running(rig, "B", note, context)
    rig.pc.advance(frames=1030)
    assert note.calls == [(context, 4), (context, 4)]
    assert levels == [dirql, dirql]
    assert rig.pc.irql == 0


def test_isr_context_is_the_object_itself() -> None:
    for context in (None, 0, 7, "text", object(), [1], {"a": 1}, lambda: None):
        rig, note = Rig(), Note()
        running(rig, "B", note, context)
        rig.pc.advance(frames=520)
        got = note.calls[0][0]
        assert got is context or got == context


def test_notification() -> None:
    rig = Rig()
    levels: list[Any] = []
    note, context = Note(lambda c, t: levels.append((rig.pc.irql, t == rig.pc.now))), object()
    running(rig, "N", note, context)
    rig.pc.advance(frames=520)
    assert [(c is context, type(t)) for c, t in note.calls] == [(True, int)] * 2
    assert levels == [(2, True)] * 2
    assert note.calls[1][1] - note.calls[0][1] == 256 * 500


def test_callbacks_before_events_each_in_order() -> None:
    """§5.12: callbacks first, then events, each in registration order."""
    rig = Rig()
    client, order, events = rig.client, [], [rig.pc.event() for _ in range(2)]
    handle = client.render()
    client.buffer(handle, "N1", 2048)
    client.v2.RegisterNotificationEvent(handle, events[0])
    for name in ("a", "b", "a"):
        client.v3.RegisterNotificationCallback(
            handle, 1, Note(lambda c, t: order.append((c, [event.signaled for event in events]))), name
        )
    client.v2.RegisterNotificationEvent(handle, events[1])
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=520)
    assert order == [("a", [False, False]), ("b", [False, False]), ("a", [False, False])]
    assert [event.signaled for event in events] == [True, True]


def test_registering_twice_calls_twice_and_unregister_takes_one() -> None:
    rig, note = Rig(), Note()
    client = rig.client
    handle = running(rig, "N1", note, "c")
    assert client.v3.RegisterNotificationCallback(handle, 1, note, "c") == OK
    rig.pc.advance(frames=520)
    assert len(note.calls) == 2
    assert client.v3.UnregisterNotificationCallback(handle, note, "c") == OK
    rig.pc.advance(frames=512)
    assert len(note.calls) == 3
    assert client.v3.UnregisterNotificationCallback(handle, note, "c") == OK
    assert client.v3.UnregisterNotificationCallback(handle, note, "c") == IP
    rig.pc.advance(frames=512)
    assert len(note.calls) == 3


def test_bound_methods_are_found_again() -> None:
    class Driver:
        def __init__(self) -> None:
            self.count = 0

        def notify(self, context: object, counter: int) -> None:
            self.count += 1

    rig, driver, other = Rig(), Driver(), Driver()
    handle = running(rig, "N1", driver.notify)
    assert rig.client.v3.UnregisterNotificationCallback(handle, other.notify, None) == IP
    rig.pc.advance(frames=520)
    assert rig.client.v3.UnregisterNotificationCallback(handle, driver.notify, None) == OK
    rig.pc.advance(frames=520)
    assert (driver.count, other.count) == (1, 0)


def test_events_stay_signaled_and_signal_again() -> None:
    rig = Rig()
    event = rig.pc.event()
    handle = rig.client.render()
    rig.client.buffer(handle, "N1", 2048)
    rig.client.v2.RegisterNotificationEvent(handle, event)
    rig.client.state(handle, to=PauseState)
    rig.client.state(handle, to=RunState)
    rig.pc.advance(frames=1540)
    assert event.signaled
    event.clear()
    assert not event.signaled
    rig.pc.advance(frames=512)
    assert event.signaled
    assert rig.client.v2.UnregisterNotificationEvent(handle, event) == OK
    event.clear()
    rig.pc.advance(frames=600)
    assert not event.signaled


def test_verb_completion() -> None:
    rig = Rig()
    levels: list[Any] = []
    transfers = [HDAUDIO_CODEC_TRANSFER(VENDOR), HDAUDIO_CODEC_TRANSFER(VENDOR + 2)]
    note, context = Note(lambda t, c: levels.append((rig.pc.irql, [x.Input.IsValid for x in transfers]))), object()
    assert rig.client.v1.TransferCodecVerbs(2, transfers, note, context) == OK
    assert [int(t.Input) for t in transfers] == [0, 0], "undefined until the callback; zeroed at submission"
    rig.pc.advance(milliseconds=1)
    assert len(note.calls) == 1
    transfer, got = note.calls[0]
    assert got is context
    assert transfer is transfers[0] or int(transfer.Input) == int(transfers[0].Input)
    assert levels == [(2, [1, 1])]
    assert transfers[0].Input.Response == rig.hda.codecs[0].parameter(0, 0)
    assert transfers[0].Input.IsUnsolicitedResponse == 0


def test_verbs_to_silence_still_complete() -> None:
    rig, note = Rig(), Note()
    transfers = [HDAUDIO_CODEC_TRANSFER(9 << 28 | VENDOR), HDAUDIO_CODEC_TRANSFER(15 << 28 | VENDOR)]
    assert rig.client.v1.TransferCodecVerbs(2, transfers, note, None) == OK
    rig.pc.advance(milliseconds=100)
    assert len(note.calls) == 1
    assert [(t.Input.IsValid, t.Input.HasFifoOverrun) for t in transfers] == [(0, 0)] * 2, (
        "15 is broadcast: no response"
    )


def test_asynchronous_verbs_of_one_client_end_in_order() -> None:
    rig, note = Rig(), Note()
    for number in range(50):
        transfers = [HDAUDIO_CODEC_TRANSFER(VENDOR)] * (number % 3 + 1)
        assert rig.client.v1.TransferCodecVerbs(len(transfers), transfers, note, number) == OK
    rig.pc.advance(milliseconds=10)
    assert [context for _, context in note.calls] == list(range(50))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_synchronous_verb_waits_for_those_before(at: int) -> None:
    rig, note = Rig(), Note()
    with rig.pc.at_irql(at):
        assert rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0x00170503)], note, 1) == OK
    transfer = HDAUDIO_CODEC_TRANSFER(0x001F0500)
    assert rig.client.v1.TransferCodecVerbs(1, [transfer]) == OK
    assert transfer.Input.Response & 0xF == 3
    rig.pc.advance(milliseconds=1)
    assert len(note.calls) == 1


def test_unsolicited_response() -> None:
    rig = Rig(codecs=[None, (2, None)])
    levels: list[int] = []
    first, second = rig.client, rig.another()
    note, context, other = Note(lambda r, c: levels.append(rig.pc.irql)), object(), Note()
    tag = first.v1.RegisterEventCallback(note, context)[1]
    assert second.v1.RegisterEventCallback(other, None) == (OK, tag), "a table per codec"
    rig.hda.codecs[0].unsolicited(tag, 0x2ABCDEF)
    rig.hda.codecs[0].unsolicited(tag, 1)
    rig.hda.codecs[0].unsolicited(9, 2)
    rig.pc.advance(milliseconds=1)
    assert levels == [2, 2]
    assert other.calls == []
    response, got = note.calls[0]
    assert got is context
    assert isinstance(response, HDAUDIO_CODEC_RESPONSE)
    assert (response.IsValid, response.IsUnsolicitedResponse, response.HasFifoOverrun) == (1, 1, 0)
    assert (response.Tag, response.Payload) == (tag, 0x2ABCDEF)
    assert response.SubTag == 0x2ABCDEF >> 21
    assert response.SDataIn == 0
    assert note.calls[1][0].Payload == 1, "first in, first out"
    rig.hda.codecs[1].unsolicited(tag, 3)
    rig.pc.advance(milliseconds=1)
    assert other.calls[0][0].SDataIn == 2
    assert first.v1.UnregisterEventCallback(tag) == OK
    rig.hda.codecs[0].unsolicited(tag, 4)
    rig.pc.advance(milliseconds=1)
    assert len(note.calls) == 2


def test_tags_are_the_lowest_free() -> None:
    bus = Rig().client.v1
    assert [bus.RegisterEventCallback(print, None)[1] for _ in range(4)] == [0, 1, 2, 3]
    assert bus.UnregisterEventCallback(1) == OK
    assert bus.RegisterEventCallback(print, None) == (OK, 1)
    assert bus.RegisterEventCallback(print, None) == (OK, 4)


def test_a_tag_of_another_client_is_none() -> None:
    rig = Rig()
    tag = rig.client.v1.RegisterEventCallback(print, None)[1]
    other = rig.another()
    assert other.v1.UnregisterEventCallback(tag) == IP
    assert rig.client.v1.UnregisterEventCallback(tag) == OK


def test_a_jack_speaks() -> None:
    rig, note = Rig(), Note()
    tag = rig.client.v1.RegisterEventCallback(note, None)[1]
    rig.client.verb(0x30 << 20 | 0x70880 | tag)
    for plugged in (False, True):
        rig.hda.codecs[0].jack(0x30, plugged)
        rig.hda.codecs[0].jack(0x30, plugged)
        rig.pc.advance(milliseconds=1)
        assert len(note.calls) == 1 + plugged, "once for each change"
        assert rig.client.verb(0x30 << 20 | 0xF0900) >> 31 == plugged, "pin sense"


# --- late DPCs ------------------------------------------------------------------------------------


def test_late_dpc_keeps_the_time_of_the_interrupt() -> None:
    rig = Rig(late_dpc=5000)
    called: list[int] = []
    note = Note(lambda c, t: called.append(rig.pc.now - t))
    running(rig, "N1", note)
    rig.hda.inject("late_dpc")
    rig.pc.advance(frames=1540)
    assert called[0] == 5000
    assert set(called[1:]) == {0}


def test_nothing_is_delivered_above_its_level() -> None:
    rig, isr, note = Rig(), Note(), Note()
    running(rig, "B", isr)
    running(rig, "N1", note)
    with rig.pc.at_irql(2):
        rig.pc.advance(frames=520)
        assert len(isr.calls) == 1
        assert note.calls == [], "a DPC waits"
    assert len(note.calls) == 1
    with rig.pc.at_irql(11):
        rig.pc.advance(frames=512)
        assert len(isr.calls) == 1
        assert len(note.calls) == 1
    assert (len(isr.calls), len(note.calls)) == (2, 2)


def test_pending_completions_are_delivered_after_a_pause() -> None:
    """§4.3: of fragments that had finished, once."""
    rig, note = Rig(), Note()
    handle = running(rig, "N1", note)
    with rig.pc.at_irql(2):
        rig.pc.advance(frames=520)
        assert rig.client.state(handle, to=PauseState) == OK
    assert len(note.calls) == 1
    rig.pc.advance(frames=2000)
    assert len(note.calls) == 1


# --- exceptions -----------------------------------------------------------------------------------


class Strange(BaseException):
    """No Exception."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, Strange, MemoryError])
@pytest.mark.parametrize("kind", KINDS)
def test_exceptions_surface_at_the_outer_call(kind: str, error: type[BaseException]) -> None:
    rig = Rig()

    def fail(*arguments: Any) -> None:
        raise error("from a callback")

    note = Note(fail)
    run = set_off(rig, kind, note)
    with pytest.raises(error, match="from a callback"):
        run()
    assert rig.pc.irql == 0, "the level is as it was"
    assert len(note.calls) == 1
    note.act = None
    again = Note()
    set_off(rig, kind, again)()
    assert len(again.calls) >= 1
    assert rig.client.verb(VENDOR) == rig.hda.codecs[0].parameter(0, 0)
    if kind in ("isr", "notification"):
        rig.pc.advance(frames=1024)
        assert len(note.calls) >= 2, "the stream goes on"


def test_the_run_stops_where_the_exception_was() -> None:
    rig, start = Rig(), None
    note = Note(lambda c, t: 1 // 0)
    running(rig, "N1", note)
    start = rig.pc.now
    with pytest.raises(ZeroDivisionError):
        rig.pc.advance(seconds=1)
    assert 511 * 500 <= rig.pc.now - start <= 513 * 500
    assert note.calls[0][1] <= rig.pc.now


def test_the_first_of_several_exceptions() -> None:
    rig = Rig()

    def fail(context: Any, counter: int) -> None:
        raise RuntimeError(context)

    client = rig.client
    handle = running(rig, "N1", fail, "first")
    client.v3.RegisterNotificationCallback(handle, 1, fail, "second")
    with pytest.raises(RuntimeError, match="first"):
        rig.pc.advance(frames=520)
    rig.pc.advance(frames=100)


def test_an_exception_surfaces_at_whatever_call_made_time_pass() -> None:
    rig = Rig()
    note = Note(lambda c, m: 1 // 0)
    running(rig, "B", note)
    rig.pc.advance(frames=505)
    with pytest.raises(ZeroDivisionError):
        rig.client.v1.TransferCodecVerbs(20, [HDAUDIO_CODEC_TRANSFER(VENDOR) for _ in range(20)])
    note.act = None
    assert rig.client.verb(VENDOR) == rig.hda.codecs[0].parameter(0, 0)


def test_what_a_callback_returns_does_not_matter() -> None:
    rig = Rig()
    for value in (None, 0, 1, "x", object()):

        def note(context: Any, counter: int, value: Any = value) -> Any:
            return value

        handle = running(rig, "N1", note)
        rig.pc.advance(frames=520)
        assert rig.state(handle) == "XN"
        assert rig.client.v3.UnregisterNotificationCallback(handle, note, None) == OK
        rig.client.release(handle)


# --- what a callback may do -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["advance", "restore", "close", "remove", "run_until_interrupt"])
def test_re_entry(kind: str, what: str) -> None:
    rig = Rig()
    snapshot = rig.pc.snapshot()
    seen: list[str] = []

    def act(*arguments: Any) -> None:
        call = {
            "advance": lambda: rig.pc.advance(frames=1),
            "restore": lambda: rig.pc.restore(snapshot),
            "close": rig.pc.close,
            "remove": rig.hda.remove,
            "run_until_interrupt": rig.pc.run_until_interrupt,
        }[what]
        try:
            call()
        except RuntimeError as refused:
            seen.append(str(refused))

    run = set_off(rig, kind, Note(act))
    run()
    assert len(seen) >= 1
    rig.pc.advance(frames=10)
    assert rig.client.v1.AllocateRenderDmaEngine(DVD)[0] == OK


def test_routines_from_a_dpc() -> None:
    rig = Rig()
    seen: dict[str, Any] = {}

    def act(context: Any, counter: int) -> None:
        bus = rig.client.v1
        seen["position"] = bus.GetLinkPositionRegister(handle)
        seen["read"] = int(seen["position"][1])
        seen["clock"] = int(bus.GetWallClockRegister())
        seen["pause"] = bus.SetDmaEngineState(PauseState, [handle])
        seen["free"] = bus.FreeDmaBuffer(handle)
        seen["verb"] = bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)])
        seen["async"] = bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], done, None)

    done = Note()
    handle = running(rig, "N1", Note(act))
    rig.pc.advance(frames=530)
    assert seen["position"][0] == OK
    assert seen["read"] == 0, "exactly at the wrap"
    assert (seen["pause"], seen["free"], seen["verb"], seen["async"]) == (OK, UNS, UNS, OK)
    assert rig.state(handle) == "SN"
    assert len(done.calls) == 1


def test_routines_from_an_isr() -> None:
    rig = Rig()
    seen: list[Any] = []

    def act(context: Any, mask: int) -> None:
        seen.append(rig.client.v1.SetDmaEngineState(PauseState, [handle]))
        seen.append(rig.client.v1.GetLinkPositionRegister(handle)[0])

    handle = running(rig, "B", Note(act))
    rig.pc.advance(frames=530)
    assert seen == [UNS, UNS]
    assert rig.state(handle) == "XB"


def test_a_callback_may_unregister_itself_and_others() -> None:
    rig = Rig()
    client, calls = rig.client, []

    def act(context: Any, counter: int) -> None:
        calls.append(context)

    handle = running(rig, "N1", act, 0)
    for number in range(1, 4):
        client.v3.RegisterNotificationCallback(handle, 1, act, number)
    rig.pc.advance(frames=520)
    assert calls == [0, 1, 2, 3]
    for number in (2, 0):
        assert client.v3.UnregisterNotificationCallback(handle, act, number) == OK
    rig.pc.advance(frames=512)
    assert calls == [0, 1, 2, 3, 1, 3]


def test_memory_read_in_a_callback_is_of_that_moment() -> None:
    """Capture: at the interrupt the fragment is in memory, and the next one is not."""
    rig = Rig()
    client, seen = rig.client, []
    handle = client.capture()
    size = client.buffer(handle, "N", 4096)[2]
    client.write(handle, bytes(size))
    client.tune(0x21, 0x11, 1)
    sent = bytes(range(1, 251)) * 40
    rig.hda.codecs[0].feed(1, sent)
    client.v3.RegisterNotificationCallback(handle, 1, lambda c, t: seen.append(client.read(handle)), None)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(seconds=1)
    assert seen[0] == sent[: size // 2] + bytes(size // 2)
    assert seen[1] == sent[:size]


# --- going back -----------------------------------------------------------------------------------


def test_restore_forgets_later_registrations() -> None:
    rig = Rig()
    early, late = Note(), Note()
    handle = running(rig, "N1", early)
    snapshot = rig.pc.snapshot()
    assert rig.client.v3.RegisterNotificationCallback(handle, 1, late, None) == OK
    tag = rig.client.v1.RegisterEventCallback(late, None)[1]
    rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], late, None)
    rig.pc.restore(snapshot)
    rig.hda.codecs[0].unsolicited(tag, 1)
    rig.pc.advance(frames=520)
    assert late.calls == []
    assert len(early.calls) == 1


def test_restore_brings_an_earlier_registration_back() -> None:
    rig, note = Rig(), Note()
    handle = running(rig, "N1", note, "c")
    rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], note, "v")
    snapshot = rig.pc.snapshot()
    for _ in range(3):
        rig.pc.advance(frames=520)
        assert [c for _, c in note.calls[:1]] == ["v"]
        assert len(note.calls) == 2
        assert rig.client.v3.UnregisterNotificationCallback(handle, note, "c") == OK
        gc.collect()
        rig.pc.restore(snapshot)
        note.calls.clear()
    rig.pc.advance(frames=520)
    assert len(note.calls) == 2


def test_callbacks_that_this_machine_never_saw() -> None:
    """A snapshot in an equally configured machine: its callbacks are not there, and the message says so."""
    rig, other = Rig(), Rig()
    running(rig, "N1", Note())
    other.pc.restore(rig.pc.snapshot())
    with pytest.raises(RuntimeError, match="register it again"):
        other.pc.advance(frames=520)
    other.pc.advance(frames=10)


def test_handles_after_restore() -> None:
    rig = Rig()
    kept = rig.client.render()
    snapshot = rig.pc.snapshot()
    gone = rig.client.render()
    rig.pc.restore(snapshot)
    assert rig.client.v1.FreeDmaEngine(gone) == IH
    assert rig.client.v1.FreeDmaEngine(kept) == OK


# --- lifetime -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_registered_callback_stays_alive(kind: str) -> None:
    rig, note, context = Rig(), Note(), Note()
    run = set_off(rig, kind, note, context)
    watch, calls = weakref.ref(note), note.calls
    del note, context
    gc.collect()
    assert watch() is not None
    run()
    assert len(calls) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_machine_takes_its_callbacks_along(kind: str) -> None:
    rig, note = Rig(), Note()
    note.act = lambda *a, rig=rig: None  # a cycle: machine → callback → machine
    run = set_off(rig, kind, note)
    run()
    watch = weakref.ref(note)
    del rig, note, run
    gc.collect()
    assert watch() is None


def test_finished_verbs_leave_nothing() -> None:
    rig, note, context = Rig(), Note(), object()
    for _ in range(3):
        rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], note, context)
    rig.pc.advance(milliseconds=1)
    note.calls.clear()
    before = sys.getrefcount(note), sys.getrefcount(context)
    for _ in range(200):
        rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], note, context)
    rig.pc.advance(milliseconds=20)
    assert len(note.calls) == 200
    note.calls.clear()
    assert (sys.getrefcount(note), sys.getrefcount(context)) == before


def test_failing_calls_leave_nothing() -> None:
    rig, note, context = Rig(), Note(), Note()
    handle = rig.client.render()
    before = sys.getrefcount(note), sys.getrefcount(context)
    for _ in range(100):
        assert rig.client.v3.RegisterNotificationCallback(5, 1, note, context) == IH
        assert rig.client.bdl.SetupDmaEngineWithBdl(handle, 4096, 1, note, context)[0] == IDR
        with rig.pc.at_irql(2):
            assert rig.client.v1.RegisterEventCallback(note, context)[0] == UNS
            assert rig.client.v1.TransferCodecVerbs(0, [], note, context) == IP
    assert (sys.getrefcount(note), sys.getrefcount(context)) == before


def test_registering_and_unregistering_for_ever_leaves_nothing() -> None:
    rig, note, context = Rig(), Note(), Note()
    handle = rig.client.render()

    def once() -> None:
        assert rig.client.v3.RegisterNotificationCallback(handle, 1, note, context) == OK
        assert rig.client.v3.UnregisterNotificationCallback(handle, note, context) == OK
        status, tag = rig.client.v1.RegisterEventCallback(note, context)
        assert status == OK
        assert rig.client.v1.UnregisterEventCallback(tag) == OK

    once()
    before = sys.getrefcount(note), sys.getrefcount(context)
    for _ in range(100):
        once()
    assert (sys.getrefcount(note), sys.getrefcount(context)) == before


def test_fdo_is_held_from_register_to_unregister() -> None:
    """Ruling R43: any object or number; a reference is held meanwhile."""
    rig, fdo = Rig(), Note()
    handle = rig.client.render()
    watch, references = weakref.ref(fdo), rig.pc._hdaudio_fdo_references
    assert references(fdo) == 0
    assert rig.client.v3.RegisterNotificationCallback(handle, fdo, print, 1) == OK
    assert rig.client.v3.RegisterNotificationCallback(handle, fdo, print, 2) == OK
    assert references(fdo) == 2
    del fdo
    gc.collect()
    fdo = watch()
    assert fdo is not None
    assert rig.client.v3.UnregisterNotificationCallback(handle, print, 3) == IP
    assert references(fdo) == 2
    assert rig.client.v3.UnregisterNotificationCallback(handle, print, 1) == OK
    assert references(fdo) == 1
    assert rig.client.v1.FreeDmaEngine(handle) == OK
    assert references(fdo) == 0, "what was left registered is dropped with the engine"


@pytest.mark.parametrize("wrong", [5, "text", 3.5, object()])
def test_what_is_not_callable(wrong: object) -> None:
    rig = Rig()
    handle = rig.client.render()
    before = rig.pc.digest()
    with pytest.raises(TypeError):
        rig.client.v3.RegisterNotificationCallback(handle, 1, wrong, None)
    with pytest.raises(TypeError):
        rig.client.v1.RegisterEventCallback(wrong, None)
    with pytest.raises(TypeError):
        rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(VENDOR)], wrong, None)
    with pytest.raises(TypeError):
        rig.client.bdl.SetupDmaEngineWithBdl(handle, 4096, 1, wrong, None)
    assert rig.pc.digest() == before


def test_a_client_that_left_is_called_no_more() -> None:
    rig, note = Rig(), Note()
    other = rig.another()
    running(rig, "N1", note, client=other)
    for _ in range(4):
        other.v1.InterfaceDereference()
    rig.pc.advance(frames=2000)
    assert note.calls == []


def test_a_violation_in_a_callback_at_strict() -> None:
    rig = Rig(machine={"level": "strict"})
    note = Note(lambda c, t: rig.client.v1.FreeDmaBuffer(1))
    running(rig, "N1", note)
    with pytest.raises(storsim.Violation, match="BAD_IRQL"):
        rig.pc.advance(frames=520)
    note.act = None
    rig.pc.advance(frames=520)
    assert len(note.calls) == 2


class Once(list[Any]):
    """A list that can be looked at once."""

    looked = 0

    def __iter__(self) -> Any:
        self.looked += 1
        if self.looked > 1:
            raise RuntimeError("looked at twice")
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        raise RuntimeError("never asked for")


class Broken(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("broken")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_list_of_transfers_is_looked_at_before_verbs_go_out(asynchronous: bool) -> None:
    with storsim.Machine("64MiB") as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(storsim.hdaudio.HDAUDIO_BUS_INTERFACE_V2)
        done: list[Any] = []
        more = (lambda transfer, context: done.append(transfer), None) if asynchronous else ()
        before, time = pc.digest(), pc.now
        with pytest.raises(RuntimeError, match="broken"):
            bus.TransferCodecVerbs(1, Broken([storsim.hdaudio.HDAUDIO_CODEC_TRANSFER(0x000F0000)]), *more)
        assert (pc.digest(), pc.now) == (before, time)
        items = Once([storsim.hdaudio.HDAUDIO_CODEC_TRANSFER(0x000F0000)])
        assert bus.TransferCodecVerbs(1, items, *more) == 0
        pc.advance(milliseconds=1)
        (transfer,) = list.__iter__(items)
        assert int(transfer.Input) != 0
        assert done == ([transfer] if asynchronous else [])
        assert bus.TransferCodecVerbs(0, []) in (0, 0xC000000D)


@pytest.mark.parametrize("state", ["RC", "RD"])
def test_a_predicate_that_gives_the_engine_its_buffer_wins(state: str) -> None:
    """The call whose failure the predicate judges looks again afterwards: one buffer, no memory lost."""
    rig = Rig()
    handle = rig.client.render()
    inner: list[Any] = []

    def judge(point: Any) -> bool:
        if not inner:
            inner.append(None)
            routine = rig.client.bdl.AllocateContiguousDmaBuffer if state == "RC" else rig.client.v1.AllocateDmaBuffer
            inner.append(routine(handle, 4096)[0])
        return False

    rig.pc.faults.fail_when(judge)
    outer = rig.client.v1.AllocateDmaBuffer if state == "RC" else rig.client.bdl.AllocateContiguousDmaBuffer
    assert outer(handle, 8192)[0] == IDR
    assert inner == [None, OK]
    assert rig.state(handle) == state


def test_engines_allocated_in_a_predicate_are_others() -> None:
    rig = Rig()
    inner: list[int] = []

    def judge(point: Any) -> bool:
        if not inner:
            inner.append(0)
            inner[0] = rig.client.render()
        return False

    rig.pc.faults.fail_when(judge, routine="AllocateRenderDmaEngine")
    outer = rig.client.render()
    assert outer != inner[0]
    assert {rig.state(outer), rig.state(inner[0])} == {"R0"}
