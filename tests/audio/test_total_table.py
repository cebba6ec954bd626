"""The total state table (specification hdaudio-dma §4.2) cell by cell, several handles at once (§4.4), the order
of checks (§5.0), and every policy switch (§12).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import storsim
from kit.audio import *
from kit.audio import Unchanged
from storsim.hdaudio import *

TABLE = tomllib.loads((Path(__file__).parent / "total_table.toml").read_text(encoding="utf-8"))
STATUS = {"OK": OK, "IH": IH, "IP": IP, "IDR": IDR, "NSD": NSD}
#: States a column stands for.
COLUMN = {"S": ("SD", "SN", "SB"), "X": ("XD", "XN", "XB")}


class Bench:
    """One client with an engine in a state, and something of everything to call with."""

    def __init__(self, state: str) -> None:
        self.rig = Rig()
        self.client = self.rig.client
        self.event, self.event_in = self.rig.pc.event(), self.rig.pc.event()
        if state == "none":
            self.handle = self.client.render()
            assert self.client.v1.FreeDmaEngine(self.handle) == OK
        else:
            self.handle = self.client.engine(state)
            assert self.client.v2.RegisterNotificationEvent(self.handle, self.event_in) == OK
            assert self.client.v3.RegisterNotificationCallback(self.handle, 1, print, "in") == OK
        self.tag = self.client.v1.RegisterEventCallback(print, None)[1]
        self.rig.pc.advance(frames=3)

    @property
    def mdl_and_size(self) -> tuple[Any, Any]:
        """What the engine's allocation returned, or numbers that no allocation returned."""
        result = self.client.buffers.get(self.handle)
        return (result[1], result[2]) if result is not None and len(result) > 3 else (0xFFFFA00000BAD000, 8192)

    def setup(self) -> Any:
        """SetupDmaEngineWithBdl with a list that is right where there is one."""
        state = self.rig.state(self.handle)
        if state[1:] in ("C", "B") and state[0] == "R":
            self.client.entries(self.handle, [(0, 4096, 0), (4096, 4096, 1)])
        return self.client.bdl.SetupDmaEngineWithBdl(self.handle, 8192, 1, self.client.isr, None)

    def fault(self, name: str) -> Any:
        self.rig.hda.inject(name)
        self.rig.pc.advance(frames=2500)
        return OK

    def dereference(self) -> Any:
        for _ in range(4):  # one reference for each of the four queries
            self.client.v1.InterfaceDereference()
        return OK


EVENTS: dict[str, Callable[[Bench], Any]] = {
    "AllocateOther": lambda b: (b.client.v1.AllocateRenderDmaEngine(DVD), b.client.v1.AllocateCaptureDmaEngine(0, DVD))[
        1
    ],
    "ChangeBandwidthAllocation": lambda b: b.client.v1.ChangeBandwidthAllocation(b.handle, CD),
    "AllocateDmaBuffer": lambda b: b.client.v1.AllocateDmaBuffer(b.handle, 8192),
    "FreeDmaBuffer": lambda b: b.client.v1.FreeDmaBuffer(b.handle),
    "AllocateDmaBufferWithNotification": lambda b: b.client.v2.AllocateDmaBufferWithNotification(b.handle, 2, 8192),
    "FreeDmaBufferWithNotification_matching": lambda b: b.client.v2.FreeDmaBufferWithNotification(
        b.handle, *b.mdl_and_size
    ),
    "FreeDmaBufferWithNotification_differs": lambda b: b.client.v2.FreeDmaBufferWithNotification(
        b.handle, b.mdl_and_size[0], b.mdl_and_size[1] + 128
    ),
    "AllocateContiguousDmaBuffer": lambda b: b.client.bdl.AllocateContiguousDmaBuffer(b.handle, 8192),
    "SetupDmaEngineWithBdl": lambda b: b.setup(),
    "FreeContiguousDmaBuffer": lambda b: b.client.bdl.FreeContiguousDmaBuffer(b.handle),
    "FreeDmaEngine": lambda b: b.client.v1.FreeDmaEngine(b.handle),
    "SetReset": lambda b: b.client.state(b.handle, to=ResetState),
    "SetPause": lambda b: b.client.state(b.handle, to=PauseState),
    "SetRun": lambda b: b.client.state(b.handle, to=RunState),
    "GetLinkPositionRegister": lambda b: b.client.v1.GetLinkPositionRegister(b.handle),
    "RegisterNotificationEvent": lambda b: b.client.v2.RegisterNotificationEvent(b.handle, b.event),
    "RegisterNotificationCallback": lambda b: b.client.v3.RegisterNotificationCallback(b.handle, 1, print, "new"),
    "UnregisterNotificationEvent_registered": lambda b: b.client.v2.UnregisterNotificationEvent(b.handle, b.event_in),
    "UnregisterNotificationCallback_registered": lambda b: b.client.v3.UnregisterNotificationCallback(
        b.handle, print, "in"
    ),
    "UnregisterNotificationEvent_unknown": lambda b: b.client.v2.UnregisterNotificationEvent(b.handle, b.event),
    "UnregisterNotificationCallback_unknown": lambda b: b.client.v3.UnregisterNotificationCallback(
        b.handle, print, "out"
    ),
    "TransferCodecVerbs": lambda b: b.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0xF0000)]),
    "RegisterEventCallback": lambda b: b.client.v1.RegisterEventCallback(print, None),
    "UnregisterEventCallback": lambda b: b.client.v1.UnregisterEventCallback(b.tag),
    "GetDeviceInformation": lambda b: b.client.v1.GetDeviceInformation(HDAUDIO_DEVICE_INFORMATION()),
    "TimeAdvance": lambda b: b.rig.pc.advance(frames=100) or OK,
    "DescriptorError": lambda b: b.fault("descriptor_error"),
    "FifoError": lambda b: b.fault("fifo_error"),
    "LastDereference": lambda b: b.dereference(),
    "DeviceRemoved": lambda b: b.rig.hda.inject("removed") and OK,
}


def cells() -> list[Any]:
    found = []
    for event, row in TABLE["events"].items():
        assert len(row) == len(TABLE["columns"])
        for column, cell in zip(TABLE["columns"], row, strict=True):
            if cell != "-":
                found += [
                    pytest.param(event, state, cell, id=f"{event}-{state}") for state in COLUMN.get(column, (column,))
                ]
    return found


def test_every_event_has_a_row() -> None:
    assert set(TABLE["events"]) == set(EVENTS)


@pytest.mark.parametrize(("event", "state", "cell"), cells())
def test_cell(event: str, state: str, cell: str) -> None:
    bench = Bench(state)
    answer, _, following = cell.partition(">")
    before, had = bench.rig.pc.digest(), bench.rig.info(bench.handle)
    other = [engine for engine in bench.rig.hda.engines() if engine["handle"] != bench.handle]
    result = EVENTS[event](bench)
    assert status(result) == STATUS[answer]
    if answer != "OK":
        assert bench.rig.pc.digest() == before, "a failing call changed something"
        if isinstance(result, tuple):
            assert all(output is None for output in result[1:]), "no out-parameter is written on failure"
    expected = following.replace("*", state[1:]) if following else state
    assert bench.rig.state(bench.handle) == expected.replace("none", "∅")
    now = [engine for engine in bench.rig.hda.engines() if engine["handle"] != bench.handle]
    assert now[: len(other)] == other or event in ("AllocateOther", "LastDereference")
    info = bench.rig.info(bench.handle)
    if info and had:
        assert info["stream_id"] == had["stream_id"], "fixed per engine"
        if event not in ("ChangeBandwidthAllocation",):
            assert (info["format"], info["link_bits"]) == (had["format"], had["link_bits"])


@pytest.mark.parametrize("state", STATES)
def test_position_of_a_state(state: str) -> None:
    bench = Bench(state)
    position = bench.client.position(bench.handle)
    before = int(position)
    bench.rig.pc.advance(frames=100)
    assert int(position) - before == (400 if state[0] == "X" else 0)
    if state[0] == "R":
        assert before == 0


@pytest.mark.parametrize("state", ["XD", "XN", "XB"])
def test_run_again_after_a_descriptor_error(state: str) -> None:
    bench = Bench(state)
    bench.fault("descriptor_error")
    assert bench.rig.state(bench.handle) == "S" + state[1]
    stood = int(bench.client.position(bench.handle))
    bench.rig.pc.advance(frames=50)
    assert int(bench.client.position(bench.handle)) == stood
    assert bench.client.state(bench.handle, to=RunState) == OK
    bench.rig.pc.advance(frames=50)
    assert int(bench.client.position(bench.handle)) != stood


def test_errors_reach_the_isr_of_a_bdl_buffer() -> None:
    bench = Bench("XB")
    bench.fault("fifo_error")
    assert any(mask & 8 for _, _, mask in bench.client.masks)
    bench.client.masks.clear()
    bench.fault("descriptor_error")
    assert any(mask & 16 for _, _, mask in bench.client.masks)
    assert all(not mask & ~0x1C for _, _, mask in bench.client.masks)
    assert {irql for _, irql, _ in bench.client.masks} == {5}


@pytest.mark.parametrize("state", ["none", *STATES])
def test_after_removal_every_routine_says_so(state: str) -> None:
    bench = Bench(state)
    assert bench.rig.hda.inject("removed")
    at = bench.rig.state(bench.handle)
    for event, call in EVENTS.items():
        if event in (
            "TimeAdvance",
            "DescriptorError",
            "FifoError",
            "LastDereference",
            "DeviceRemoved",
            "SetupDmaEngineWithBdl",
        ):
            continue
        assert status(call(bench)) == NSD, event
    assert bench.client.bdl.SetupDmaEngineWithBdl(bench.handle, 8192, 1, print, None)[0] == NSD
    bench.rig.pc.advance(frames=100)
    assert bench.rig.state(bench.handle) == at, "state stands still"


@pytest.mark.parametrize("state", STATES)
def test_last_dereference_reports_what_was_held(state: str) -> None:
    bench = Bench(state)
    before = len(bench.rig.pc.violations)
    bench.dereference()
    names = [record.name for record in bench.rig.pc.violations[before:]]
    expected = {"ENGINE_LEAK", "REGISTRATION_LEAK"} | ({"BUFFER_LEAK"} if state[1] != "0" else set())
    assert set(names) == expected
    assert names.count("ENGINE_LEAK") == 1
    assert bench.rig.hda.bandwidth()[0] == 0
    assert bench.rig.hda.engines() == []


@pytest.mark.parametrize(
    "name", [name for name in EVENTS if name[0] in "ACFGRSTU" and name not in ("TimeAdvance", "FifoError")]
)
def test_dead_context(name: str) -> None:
    bench = Bench("RD")
    bench.dereference()
    before = len(bench.rig.pc.violations)
    if name == "SetupDmaEngineWithBdl":
        result = bench.client.bdl.SetupDmaEngineWithBdl(bench.handle, 8192, 1, print, None)
    else:
        result = EVENTS[name](bench)
    assert status(result) == NSD
    assert "DEAD_CONTEXT" in [record.name for record in bench.rig.pc.violations[before:]]


def test_dead_context_of_void_routines() -> None:
    bench = Bench("R0")
    bench.dereference()
    before = len(bench.rig.pc.violations)
    assert bench.client.v1.GetWallClockRegister() is None
    assert bench.client.v1.GetResourceInformation() == (None, None)
    assert [record.name for record in bench.rig.pc.violations[before:]] == ["DEAD_CONTEXT"] * 2


def test_references_are_per_client() -> None:
    rig = Rig()
    other = rig.another()
    for _ in range(4):
        rig.client.v1.InterfaceDereference()
    assert rig.names() == []
    assert other.v1.AllocateRenderDmaEngine(DVD)[0] == OK
    assert rig.client.v1.AllocateRenderDmaEngine(DVD)[0] == NSD


def test_an_extra_reference_keeps_the_context() -> None:
    rig = Rig()
    rig.client.v2.InterfaceReference()
    for _ in range(4):
        rig.client.v1.InterfaceDereference()
    assert rig.client.v1.AllocateRenderDmaEngine(DVD)[0] == OK
    rig.client.v3.InterfaceDereference()
    assert rig.client.v1.AllocateRenderDmaEngine(DVD)[0] == NSD


# --- §4.3 effects ---------------------------------------------------------------------------------


def test_paused_engine_freed_without_reset_names_the_pause() -> None:
    """Ruling R41."""
    bench = Bench("SD")
    before = len(bench.rig.pc.violations)
    assert bench.client.v1.FreeDmaEngine(bench.handle) == IDR
    record = bench.rig.pc.violations[before]
    assert record.name == "ENGINE_NOT_RESET"
    assert "kit/audio.py" in record.text.replace("\\", "/"), "the call that paused it"


def test_reset_keeps_everything_but_the_position() -> None:
    bench = Bench("XN")
    bench.client.write(bench.handle, bytes(range(256)) * 32)
    bench.rig.pc.advance(frames=200)
    had = bench.rig.info(bench.handle)
    bench.client.state(bench.handle, to=PauseState)
    bench.client.state(bench.handle, to=ResetState)
    now = bench.rig.info(bench.handle)
    for key in ("stream_id", "format", "link_bits", "buffer_va", "buffer_bytes", "events", "callbacks", "mdl", "lvi"):
        assert now[key] == had[key], key
    assert bench.client.read(bench.handle) == bytes(range(256)) * 32
    assert int(bench.client.position(bench.handle)) == 0
    client, handle = bench.client, bench.handle
    client.tune(0x10, 0x11, 1)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    bench.rig.pc.advance(frames=300)
    heard = bench.rig.hda.codecs[0].played(1)
    assert len(heard) >= 1196
    assert heard == (bytes(range(256)) * 8)[: len(heard)], "from byte 0, the registers restored"


def test_handles_are_never_reused() -> None:
    rig = Rig(render=1)
    seen = []
    for _ in range(20):
        handle = rig.client.render()
        seen.append(handle)
        assert rig.client.v1.FreeDmaEngine(handle) == OK
    assert len(set(seen)) == 20
    assert all(rig.client.v1.FreeDmaEngine(handle) == IH for handle in seen)


def test_registrations_survive_a_new_buffer_but_not_the_engine() -> None:
    rig = Rig()
    client, event = rig.client, rig.pc.event()
    handle = client.engine("RN")
    assert client.v2.RegisterNotificationEvent(handle, event) == OK
    _status, mdl, size, *_ = client.buffers[handle]
    assert client.v2.FreeDmaBufferWithNotification(handle, mdl, size) == OK
    assert rig.info(handle)["events"] == 1
    client.bring(handle, "XN", 2048)
    rig.pc.advance(frames=300)
    assert event.signaled
    _status, mdl, size, *_ = client.buffers[handle]
    client.state(handle, to=PauseState)
    client.state(handle, to=ResetState)
    client.v2.FreeDmaBufferWithNotification(handle, mdl, size)
    before = len(rig.pc.violations)
    assert client.v1.FreeDmaEngine(handle) == OK
    assert [record.name for record in rig.pc.violations[before:]] == ["REGISTRATION_LEAK"]
    event.clear()
    fresh = client.engine("XN", size=2048)
    assert rig.info(fresh)["events"] == 0
    rig.pc.advance(frames=600)
    assert not event.signaled, "the next owner does not inherit them"


def test_buffer_access_after_free_is_noticed() -> None:
    rig = Rig()
    handle = rig.client.engine("RD")
    va = rig.info(handle)["buffer_va"]
    rig.pc.write_va(va, b"data")
    assert rig.client.v1.FreeDmaBuffer(handle) == OK
    rig.pc.read_va(va, 4)
    assert rig.names()[-1] == "USE_AFTER_FREE"


# --- §4.4 several handles -------------------------------------------------------------------------


def test_mixed_states_each_permit_the_edge() -> None:
    rig = Rig()
    stopped, running = rig.client.engine("SD"), rig.client.engine("XN")
    assert rig.client.state(stopped, running, to=RunState) == OK, "Run of a running engine is a permitted self-edge"
    assert (rig.state(stopped), rig.state(running)) == ("XD", "XN")


def test_mixed_directions() -> None:
    rig = Rig()
    out, into = rig.client.engine("SD"), rig.client.bring(rig.client.capture(), "SD")
    rig.client.tune(0x20, 0x11, rig.info(into)["stream_id"])
    assert rig.client.state(out, into, to=RunState) == OK
    rig.pc.advance(frames=20)
    assert int(rig.client.position(out)) == int(rig.client.position(into)) > 0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_all_change_in_one_frame(count: int) -> None:
    rig = Rig()
    handles = [rig.client.engine("SD") for _ in range(count)]
    rig.pc.advance(ticks=137)
    assert rig.client.state(*handles, to=RunState) == OK
    positions = [rig.client.position(handle) for handle in handles]
    for _ in range(40):
        rig.pc.advance(ticks=91)
        assert len({int(position) for position in positions}) == 1
    assert rig.client.state(*handles, to=PauseState) == OK
    assert len({int(position) for position in positions}) == 1


@pytest.mark.parametrize("timing", ["controller", "ideal"])
def test_all_change_in_one_frame_also_when_formats_differ(timing: str) -> None:
    rig = Rig(timing=timing)
    first, second = rig.client.engine("SD", StreamFormat(96000, 16, 16, 2)), rig.client.engine("SD", DVD)
    assert rig.client.state(first, second, to=RunState) == OK
    positions = rig.client.position(first), rig.client.position(second)
    for _ in range(100):
        rig.pc.advance(frames=1)
        assert int(positions[0]) == 2 * int(positions[1])
    assert int(positions[1]) > 0


def test_number_of_handles_may_be_less_than_the_array() -> None:
    rig = Rig()
    handles = [rig.client.engine("SD") for _ in range(2)]
    assert rig.client.v1.SetDmaEngineState(RunState, handles, 1) == OK
    assert [rig.state(handle) for handle in handles] == ["XD", "SD"]


def test_number_of_handles_beyond_the_array_is_the_callers_mistake() -> None:
    rig = Rig()
    handle = rig.client.engine("SD")
    with pytest.raises(ValueError, match="Handles"), Unchanged(rig):
        rig.client.v1.SetDmaEngineState(RunState, [handle], 2)


def test_order_of_checks_of_set_state() -> None:
    """IRQL, then the arguments, then handles in array order, then states in array order."""
    rig = Rig()
    empty = rig.client.engine("R0")
    with rig.pc.at_irql(5):
        assert rig.client.v1.SetDmaEngineState(3, None, 0) == UNS
    assert rig.client.v1.SetDmaEngineState(3, [12345]) == IP
    assert rig.client.state(empty, 12345, to=RunState) == IH, "a bad handle before a bad state"


# --- §5.0 order of checks -------------------------------------------------------------------------


def test_order_irql_device_handle_parameter_state_resource() -> None:
    rig = Rig()
    client = rig.client
    with_buffer, bare = client.engine("RD"), client.engine("R0")
    bad_format = StreamFormat(47999, 16, 16, 2)
    huge = StreamFormat(192000, 32, 32, 8)
    with rig.pc.at_irql(2):
        assert client.v1.ChangeBandwidthAllocation(12345, bad_format)[0] == UNS
    assert client.v1.ChangeBandwidthAllocation(12345, bad_format)[0] == IH
    assert client.v1.ChangeBandwidthAllocation(with_buffer, bad_format)[0] == IP
    assert client.v1.ChangeBandwidthAllocation(with_buffer, None)[0] == IP
    assert client.v1.ChangeBandwidthAllocation(with_buffer, huge)[0] == IDR
    assert client.v1.ChangeBandwidthAllocation(bare, huge)[0] == BTS
    rig.exhaust()
    rig.hda.inject("timeout")
    assert client.v1.AllocateDmaBuffer(bare, 1 << 20)[0] == IR, "memory before hardware"
    rig.hda.inject("removed")
    with rig.pc.at_irql(2):
        assert client.v1.FreeDmaBuffer(12345) == UNS, "IRQL before presence"
    assert client.v1.FreeDmaBuffer(12345) == NSD, "presence before the handle"


def test_fifo_before_link_and_engine_before_both() -> None:
    rig = Rig(render=2)
    client = rig.client
    client.render(StreamFormat(192000, 24, 32, 8))
    huge = StreamFormat(192000, 32, 32, 8)
    assert client.v1.AllocateRenderDmaEngine(huge)[0] == BTS, "FIFO before bandwidth (§11, 21)"
    client.render(StreamFormat(8000, 8, 8, 1))
    assert client.v1.AllocateRenderDmaEngine(huge)[0] == IR, "no engine comes first"


# --- §12 policies ---------------------------------------------------------------------------------


def test_policy_direct_transition() -> None:
    rig = Rig(direct_transition="skl")
    handle = rig.client.engine("RD")
    assert rig.client.state(handle, to=RunState) == OK
    assert rig.state(handle) == "XD"
    rig.pc.advance(frames=10)
    assert int(rig.client.position(handle)) == 40
    assert rig.client.state(handle, to=ResetState) == OK
    before = int(rig.client.position(handle))
    rig.pc.advance(frames=10)
    assert int(rig.client.position(handle)) != before, "OK, but the stream runs on (§4.2 note 8)"


def test_policy_dn_pairing() -> None:
    rig = Rig(dn_pairing="shared")
    client = rig.client
    d, n = client.engine("RD"), client.engine("RN")
    assert client.v1.FreeDmaBuffer(n) == OK
    _status, mdl, size, *_ = client.buffers[d]
    assert client.v2.FreeDmaBufferWithNotification(d, mdl, size) == OK
    assert (rig.state(d), rig.state(n)) == ("R0", "R0")


def test_policy_free_args() -> None:
    rig = Rig(free_args="ignore")
    handle = rig.client.engine("RN")
    assert rig.client.v2.FreeDmaBufferWithNotification(handle, 0x1000, 1) == OK
    assert rig.state(handle) == "R0"


def test_policy_multi_atomic() -> None:
    rig = Rig(multi_atomic=False)
    stopped, empty = rig.client.engine("SD"), rig.client.engine("R0")
    assert rig.client.state(stopped, 12345, to=RunState) == IH
    assert rig.state(stopped) == "XD", "the earlier handle was changed"
    assert rig.client.state(stopped, empty, to=PauseState) == IDR
    assert rig.state(stopped) == "SD"


def test_policy_dup_handles() -> None:
    rig = Rig(dup_handles="reject")
    handle = rig.client.engine("SD")
    with Unchanged(rig):
        assert rig.client.state(handle, handle, to=RunState) == IP
    assert rig.client.state(handle, to=RunState) == OK


@pytest.mark.parametrize(("choice", "answer"), [(True, IDR), (False, BTS)])
def test_policy_state_before_resources(choice: bool, answer: int) -> None:
    rig = Rig(state_before_resources=choice)
    handle = rig.client.engine("RD")
    with Unchanged(rig):
        assert rig.client.v1.ChangeBandwidthAllocation(handle, StreamFormat(192000, 32, 32, 8))[0] == answer


def test_policy_stripe_unsupported() -> None:
    rig = Rig(stripe_unsupported="ignore")
    status, handle, _ = rig.client.v1.AllocateRenderDmaEngine(DVD, 1)
    assert status == OK
    assert rig.info(handle)["link_bits"] == 32


COMMON = (8000, 9600, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000)


def test_policy_rates() -> None:
    rig = Rig(rates="common")
    taken = []
    for rate in RATES_38:
        status, handle, _ = rig.client.v1.AllocateRenderDmaEngine(StreamFormat(rate, 16, 16, 2))
        if status == OK:
            taken.append(rate)
            rig.client.v1.FreeDmaEngine(handle)
        else:
            assert status == IP
    assert tuple(sorted(taken)) == COMMON


RATES_38 = tuple(sorted(storsim._core.HDAUDIO_RATES))


def test_policy_container() -> None:
    rig, strict = Rig(container="any"), Rig()
    for bits, container in ((24, 24), (20, 24), (16, 32), (8, 16)):
        form = StreamFormat(48000, bits, container, 2)
        status, handle, converter = rig.client.v1.AllocateRenderDmaEngine(form)
        assert status == OK
        assert converter == {8: 0x01, 16: 0x11, 20: 0x21, 24: 0x31}[bits]
        rig.client.v1.FreeDmaEngine(handle)
        assert strict.client.v1.AllocateRenderDmaEngine(form)[0] == IP
    assert rig.client.v1.AllocateRenderDmaEngine(StreamFormat(48000, 24, 16, 2))[0] == IP, "Valid ≤ Container"


@pytest.mark.parametrize(("rule", "size"), [("nearest", 1000), ("exact", 1001), ("round_up", 1004)])
def test_policy_size_rule(rule: str, size: int) -> None:
    rig = Rig(size_rule=rule)
    status, _, got, _, _ = rig.client.v1.AllocateDmaBuffer(rig.client.render(), 1001)
    if rule == "exact":
        assert (status, got) in ((OK, size), (IP, None), (IR, None)), "exactly what was asked, or nothing"
        assert rig.client.v1.AllocateDmaBuffer(rig.client.render(), 1004)[2] == 1004
    else:
        assert (status, got) == (OK, size)


def test_policy_bdl_check() -> None:
    for choice, answer in (("strict", IP), ("hw", OK)):
        rig = Rig(bdl_check=choice)
        handle = rig.client.engine("RC")
        outside = rig.pc.physical(rig.client.buffers[handle][1]) + 64
        rig.client.buffers[handle][2][0] = (outside, 4096, 0)
        rig.client.buffers[handle][2][1] = (outside + 4096, 4032, 1)
        assert rig.client.bdl.SetupDmaEngineWithBdl(handle, 8128, 1, print, None)[0] == answer


def test_policy_bdl_check_hw_dese_at_the_entry() -> None:
    rig = Rig(bdl_check="hw")
    client, handle = rig.client, rig.client.engine("RC")
    base = rig.pc.physical(client.buffers[handle][1])
    client.buffers[handle][2][0] = (base, 1024, 0)
    client.buffers[handle][2][1] = (0xFFFF_F000_0000, 1024, 1)
    assert client.bdl.SetupDmaEngineWithBdl(handle, 2048, 1, client.isr, None)[0] == OK
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=300)
    assert rig.state(handle) == "SB"
    assert [mask & 16 for _, _, mask in client.masks][-1] == 16


@pytest.mark.parametrize(("choice", "count"), [("off", 0), ("on", 2)])
def test_policy_d_ioc(choice: str, count: int) -> None:
    rig = Rig(d_ioc=choice)
    client, calls = rig.client, []
    handle = client.render()
    client.v3.RegisterNotificationCallback(handle, 1, lambda context, counter: calls.append(counter), None)
    client.bring(handle, "XD", 2048)
    assert [ioc for _, _, ioc in rig.hda.bdl(handle)] == [0] * (len(rig.hda.bdl(handle)) - 1) + [int(choice == "on")]
    rig.pc.advance(frames=1030)
    assert len(calls) == count


@pytest.mark.parametrize("choice", ["once_first", "once_last", "each"])
def test_policy_verb_cb(choice: str) -> None:
    rig = Rig(verb_cb=choice)
    calls: list[Any] = []
    transfers = [HDAUDIO_CODEC_TRANSFER(0xF0000 | 2 * i) for i in range(3)]
    status = rig.client.v1.TransferCodecVerbs(3, transfers, lambda transfer, context: calls.append(transfer), None)
    assert status == OK
    rig.pc.advance(milliseconds=2)
    numbers = [[int(t.Output) for t in transfers].index(int(call.Output)) for call in calls]
    assert numbers == {"once_first": [0], "once_last": [2], "each": [0, 1, 2]}[choice]


@pytest.mark.parametrize(("choice", "count"), [("off", 4), ("on", 1)])
def test_policy_coalesce(choice: str, count: int) -> None:
    rig = Rig(coalesce=choice, machine={"dpc": "manual"})
    client, calls = rig.client, []
    handle = client.render()
    client.v3.RegisterNotificationCallback(handle, 1, lambda context, counter: calls.append(counter), None)
    client.bring(handle, "XN", 2048)
    rig.pc.advance(frames=1030)
    assert calls == []
    rig.pc.run_dpcs()
    assert len(calls) == count


@pytest.mark.parametrize(("choice", "value"), [("count", 2), ("mask", 0b1010)])
def test_policy_codecs_detected(choice: str, value: int) -> None:
    rig = Rig(codecs_detected=choice, codecs=[(1, None), (3, None)])
    info = HDAUDIO_DEVICE_INFORMATION()
    assert rig.client.v1.GetDeviceInformation(info) == OK
    assert info.CodecsDetected == value


EXPOSED = {
    "all": ("V1", "V2", "V3", "BDL"),
    "vista": ("V1", "V2"),
    "w10_1903": ("V1", "V2", "V3"),
    "xp": ("V1", "BDL"),
}


@pytest.mark.parametrize("choice", EXPOSED)
def test_policy_tables(choice: str) -> None:
    hda = storsim.Machine("64MiB").add_hda(tables=choice)
    got = []
    for name, table in TABLES.items():
        try:
            hda.query_interface(table)
        except storsim.NtStatusError as refused:
            assert refused.status == NS
        else:
            got.append(name)
    assert tuple(got) == EXPOSED[choice]


def test_profile_skl() -> None:
    """Every switch of the open-source driver at once, those that can be told apart from outside."""
    rig = Rig(profile="skl")
    handle = rig.client.render()
    assert rig.client.v1.AllocateDmaBuffer(handle, 1000)[2] == 1000
    assert rig.client.state(handle, to=RunState) == OK
    assert rig.client.v1.AllocateRenderDmaEngine(StreamFormat(6000, 16, 16, 2))[0] == IP


def test_unknown_policy_or_choice() -> None:
    pc = storsim.Machine("64MiB")
    with pytest.raises(ValueError, match="reject"):
        pc.add_hda(direct_transition="perhaps")
    with pytest.raises(TypeError, match="dup_handles"):
        pc.add_hda(dup_handle="set")
