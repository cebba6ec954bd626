"""The 83 conformance cases of the HD Audio bus interface (specification hdaudio-dma §10), in their order.

Timing is "ideal": there an interrupt fires when the link position passes a fragment's end, as the cases have it. Under
"controller" the same cases hold up to the FIFO's lead; the tests at the end say so for those that depend on it.
"""

from __future__ import annotations

from typing import Any

import pytest

import storsim
from kit.audio import *
from kit.audio import Client, Unchanged
from storsim.hdaudio import *

BIG_RENDER = StreamFormat(192000, 24, 32, 8)
BIG_CAPTURE = StreamFormat(96000, 24, 32, 8)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def client(rig: Rig) -> Client:
    return rig.client


def test_case_01_render_engine(rig: Rig, client: Client) -> None:
    status, handle, converter = client.v1.AllocateRenderDmaEngine(DVD, 0)
    assert status == OK
    assert handle != 0
    assert converter == 0x0011
    assert rig.state(handle) == "R0"


def test_case_02_capture_engine(rig: Rig, client: Client) -> None:
    status, handle, converter = client.v1.AllocateCaptureDmaEngine(0, DVD)
    assert (status, converter) == (OK, 0x0011)
    assert rig.state(handle) == "R0"


def test_case_03_no_render_engine_left(rig: Rig, client: Client) -> None:
    handles = [client.render() for _ in range(4)]
    assert len(set(handles)) == 4
    with Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(DVD, 0) == (IR, None, None)
    assert [rig.state(handle) for handle in handles] == ["R0"] * 4


def test_case_04_the_bidirectional_engine_serves() -> None:
    rig = Rig(render=1, capture=0, bidirectional=1)
    first, second = rig.client.render(), rig.client.render()
    assert not rig.info(first)["bidirectional"]
    assert rig.info(second)["bidirectional"]


def test_case_05_the_bidirectional_engine_is_taken() -> None:
    rig = Rig(render=1, capture=0, bidirectional=1)
    rig.client.render()
    rig.client.render()
    assert rig.client.v1.AllocateCaptureDmaEngine(0, DVD) == (IR, None, None)


def test_case_06_address_beyond_the_sdi_lines(rig: Rig, client: Client) -> None:
    with Unchanged(rig):
        for address in (4, 5, 15, 255):
            assert client.v1.AllocateCaptureDmaEngine(address, DVD) == (IP, None, None)
    assert client.v1.AllocateCaptureDmaEngine(3, DVD)[0] == OK, "in range, no codec attached: only the line is reserved"


def test_case_07_rate_without_encoding(rig: Rig, client: Client) -> None:
    with Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(StreamFormat(47999, 16, 16, 2)) == (IP, None, None)
    assert rig.hda.engines() == []
    assert len([client.render() for _ in range(4)]) == 4


@pytest.mark.parametrize("channels", [0, 17])
def test_case_08_channels(rig: Rig, client: Client, channels: int) -> None:
    with Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, channels))[0] == IP
        assert client.v1.AllocateCaptureDmaEngine(0, StreamFormat(48000, 16, 16, channels))[0] == IP


def test_case_09_null_handle_pointer(rig: Rig, client: Client) -> None:
    with Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(DVD, Handle=None)[0] == IP
    assert rig.hda.engines() == []
    assert rig.hda.bandwidth()[0] == 0


def test_case_10_beyond_the_fifo(rig: Rig, client: Client) -> None:
    with Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(StreamFormat(192000, 32, 32, 8)) == (BTS, None, None)


def test_case_11_link_is_full(rig: Rig, client: Client) -> None:
    first = client.render(BIG_RENDER)
    assert rig.hda.bandwidth()[0] == 768
    with Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(BIG_RENDER) == (IR, None, None)
    assert rig.state(first) == "R0"
    assert rig.hda.bandwidth()[0] == 768


def test_case_12_striping() -> None:
    rig = Rig(sdo_lines=2)
    client = rig.client
    handle = client.render(BIG_RENDER, 1)
    assert rig.info(handle)["link_bits"] == 384
    assert rig.info(handle)["striped"]
    assert client.v1.AllocateRenderDmaEngine(BIG_RENDER, 1)[0] == OK
    assert client.v1.AllocateRenderDmaEngine(BIG_RENDER, 1)[0] == IR


def test_case_13_striping_without_lines(rig: Rig, client: Client) -> None:
    with Unchanged(rig):
        for stripe in (1, 2, 255, True):
            assert client.v1.AllocateRenderDmaEngine(DVD, stripe)[0] == IP, "any nonzero Stripe counts as TRUE"


def test_case_14_lines_of_different_codecs(rig: Rig, client: Client) -> None:
    client.capture(BIG_CAPTURE, 0)
    assert rig.hda.bandwidth(0) == (394, 464)
    client.capture(BIG_CAPTURE, 1)
    client.capture(StreamFormat(48000, 24, 32, 2), 0)
    assert rig.hda.bandwidth(0) == (452, 464)
    assert rig.hda.bandwidth(1) == (394, 464)


def test_case_15_sdi_line_is_full(rig: Rig, client: Client) -> None:
    client.capture(BIG_CAPTURE, 0)
    client.capture(BIG_CAPTURE, 1)
    client.capture(StreamFormat(48000, 24, 32, 2), 0)
    with Unchanged(rig):
        assert client.v1.AllocateCaptureDmaEngine(0, DVD) == (IR, None, None)
    assert client.v1.AllocateCaptureDmaEngine(2, DVD)[0] == OK, "an engine was left"


def test_case_16_render_engine_at_dispatch(rig: Rig, client: Client) -> None:
    with rig.pc.at_irql(2), Unchanged(rig):
        assert client.v1.AllocateRenderDmaEngine(DVD) == (UNS, None, None)


def test_case_17_dma_buffer(rig: Rig, client: Client) -> None:
    handle = client.render()
    status, mdl, size, stream, fifo = client.v1.AllocateDmaBuffer(handle, 10000)
    assert (status, size, stream, fifo) == (OK, 10000, 1, 192)
    assert len(mdl.pages) == 3
    assert mdl.byte_offset == 0
    assert mdl.byte_count == 10000
    assert rig.state(handle) == "RD"
    assert [(length, ioc) for _, length, ioc in rig.hda.bdl(handle)] == [(4096, 0), (4096, 0), (1808, 0)]
    assert [address for address, _, _ in rig.hda.bdl(handle)] == list(mdl.pages)


def test_case_18_second_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    _status, mdl, *_ = client.buffers[handle]
    with Unchanged(rig):
        assert client.v1.AllocateDmaBuffer(handle, 4096) == (IDR, None, None, None, None)
    assert rig.state(handle) == "RD"
    with memoryview(mdl) as view:
        view[:4] = b"abcd"
        assert bytes(view[:4]) == b"abcd"


def test_case_19_free(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    assert client.v1.FreeDmaBuffer(handle) == OK
    assert rig.state(handle) == "R0"


def test_case_20_free_without_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    with Unchanged(rig):
        assert client.v1.FreeDmaBuffer(handle) == IDR


def test_case_21_free_twice(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    assert client.v1.FreeDmaBuffer(handle) == OK
    with Unchanged(rig):
        assert client.v1.FreeDmaBuffer(handle) == IDR


def test_case_22_free_while_stopped(rig: Rig, client: Client) -> None:
    handle = client.engine("SD")
    with Unchanged(rig):
        assert client.v1.FreeDmaBuffer(handle) == IDR
    assert rig.state(handle) == "SD"


def test_case_23_free_while_running(rig: Rig, client: Client) -> None:
    handle = client.engine("XD")
    position = client.position(handle)
    rig.pc.advance(frames=10)
    with Unchanged(rig):
        assert client.v1.FreeDmaBuffer(handle) == IDR
    assert rig.state(handle) == "XD"
    before = int(position)
    rig.pc.advance(frames=10)
    assert int(position) - before == 40


def test_case_24_free_with_a_dead_handle(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    assert client.v1.FreeDmaEngine(handle) == OK
    with Unchanged(rig):
        assert client.v1.FreeDmaBuffer(handle) == IH


def test_case_25_free_at_dispatch(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    with rig.pc.at_irql(2), Unchanged(rig):
        assert client.v1.FreeDmaBuffer(handle) == UNS
    assert rig.state(handle) == "RD"


def test_case_26_irql_comes_before_the_handle(rig: Rig, client: Client) -> None:
    with rig.pc.at_irql(2), Unchanged(rig):
        assert client.v1.FreeDmaBuffer(12345) == UNS


def test_case_27_handle_of_another_client(rig: Rig, client: Client) -> None:
    other = rig.another()
    handle = client.engine("RD")
    with Unchanged(rig):
        assert other.v1.FreeDmaBuffer(handle) == IH
    assert rig.state(handle) == "RD"


def test_case_28_successive_buffers(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    assert client.v1.FreeDmaBuffer(handle) == OK
    assert client.v1.AllocateDmaBuffer(handle, 1024)[:1] == (OK,)
    assert rig.info(handle)["buffer_bytes"] == 1024


def test_case_29_nearest_whole_frame(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    status, mdl, size, _, _ = client.v1.AllocateDmaBuffer(handle, 1001)
    assert (status, size) == (OK, 1000)
    page = mdl.pages[0]
    assert rig.hda.bdl(handle) == [(page, 384, 0), (page + 384, 616, 0)]


def test_case_30_nothing_asked(client: Client) -> None:
    assert client.v1.AllocateDmaBuffer(client.render(), 0)[2] == 256


def test_case_31_too_much_asked(rig: Rig, client: Client) -> None:
    handle = client.render()
    status, mdl, size, _, _ = client.v1.AllocateDmaBuffer(handle, 16 << 20)
    assert (status, size) == (OK, 1048576)
    assert len(mdl.pages) == 256
    assert len(rig.hda.bdl(handle)) == 256


def test_case_32_no_pages(rig: Rig, client: Client) -> None:
    handle = client.render()
    rig.exhaust()
    with Unchanged(rig):
        assert client.v1.AllocateDmaBuffer(handle, 1 << 20)[0] == IR
    assert rig.state(handle) == "R0"


def test_case_33_hardware_does_not_answer(rig: Rig, client: Client) -> None:
    handle = client.render()
    rig.hda.inject("timeout")
    assert client.v1.AllocateDmaBuffer(handle, 4096) == (DNR, None, None, None, None)
    assert rig.state(handle) == "R0"
    assert rig.info(handle)["suspect"]
    assert client.state(handle, to=ResetState) == OK
    assert not rig.info(handle)["suspect"]


def test_case_34_engine_with_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    with Unchanged(rig):
        assert client.v1.FreeDmaEngine(handle) == IDR
    assert rig.state(handle) == "RD"


def test_case_35_free_engine_at_dispatch(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    with rig.pc.at_irql(2):
        assert client.v1.FreeDmaEngine(handle) == OK
    assert rig.state(handle) == "∅"
    assert rig.names() == []


def test_case_36_free_engine_twice(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    assert client.v1.FreeDmaEngine(handle) == OK
    with Unchanged(rig):
        assert client.v1.FreeDmaEngine(handle) == IH


def test_case_37_states_need_a_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    with Unchanged(rig):
        assert client.state(handle, to=RunState) == IDR
        assert client.state(handle, to=PauseState) == IDR


def test_case_38_reset_does_not(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    assert client.state(handle, to=ResetState) == OK
    assert rig.state(handle) == "R0"


def test_case_39_reset_to_run(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    with Unchanged(rig):
        assert client.state(handle, to=RunState) == IDR
    assert rig.state(handle) == "RD"


def test_case_40_round_trip(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    position = client.position(handle)
    seen = []
    for state in (PauseState, RunState, PauseState, ResetState):
        assert client.state(handle, to=state) == OK
        seen.append(rig.state(handle))
        if state == RunState:
            rig.pc.advance(frames=7)
            assert int(position) > 0
    assert seen == ["SD", "XD", "SD", "RD"]
    assert int(position) == 0


def test_case_41_run_to_reset(rig: Rig, client: Client) -> None:
    handle = client.engine("XD")
    with Unchanged(rig):
        assert client.state(handle, to=ResetState) == IDR
    assert rig.state(handle) == "XD"


def test_case_42_stop_is_pause(rig: Rig, client: Client) -> None:
    handle = client.engine("SD")
    assert StopState == PauseState == 1
    with Unchanged(rig):
        assert client.state(handle, to=StopState) == OK
        assert client.state(handle, to=PauseState) == OK
    assert rig.state(handle) == "SD"


def test_case_43_arguments_of_set_state(rig: Rig, client: Client) -> None:
    handle = client.engine("SD")
    with Unchanged(rig):
        assert client.v1.SetDmaEngineState(3, [handle]) == IP
        assert client.v1.SetDmaEngineState(RunState, [handle], 0) == IP
        assert client.v1.SetDmaEngineState(RunState, []) == IP
        assert client.v1.SetDmaEngineState(RunState, None, 1) == IP


def test_case_44_synchronous_start(rig: Rig, client: Client) -> None:
    first, second = client.engine("SD"), client.engine("SD")
    assert client.state(first, second, to=RunState) == OK
    positions = client.position(first), client.position(second)
    for _ in range(100):
        assert int(positions[0]) == int(positions[1])
        rig.pc.advance(ticks=250)
    assert int(positions[0]) > 0


def test_case_45_one_bad_handle(rig: Rig, client: Client) -> None:
    handle = client.engine("SD")
    with Unchanged(rig):
        assert client.state(handle, handle + 1, to=RunState) == IH
        assert client.state(12345, handle, to=RunState) == IH
    assert rig.state(handle) == "SD"


def test_case_46_one_engine_not_ready(rig: Rig, client: Client) -> None:
    first, second = client.engine("SD"), client.engine("R0")
    with Unchanged(rig):
        assert client.state(first, second, to=RunState) == IDR
    assert (rig.state(first), rig.state(second)) == ("SD", "R0")


def test_case_47_handle_twice(rig: Rig, client: Client) -> None:
    handle = client.engine("SD")
    assert client.state(handle, handle, to=RunState) == OK
    assert rig.state(handle) == "XD"


def test_case_48_change_bandwidth(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    assert rig.hda.bandwidth()[0] == 32
    assert client.v1.ChangeBandwidthAllocation(handle, StreamFormat(96000, 24, 32, 2)) == (OK, 0x0831)
    assert rig.hda.bandwidth()[0] == 96
    assert rig.state(handle) == "R0"


def test_case_49_change_bandwidth_with_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    with Unchanged(rig):
        assert client.v1.ChangeBandwidthAllocation(handle, CD) == (IDR, None)


def test_case_50_change_bandwidth_beyond_the_link(rig: Rig, client: Client) -> None:
    client.render(BIG_RENDER)
    handle = client.engine("R0")
    with Unchanged(rig):
        assert client.v1.ChangeBandwidthAllocation(handle, BIG_RENDER) == (IR, None)
    assert rig.info(handle)["link_bits"] == 32
    client.bring(handle, "XD")
    rig.pc.advance(frames=10)
    assert int(client.position(handle)) > 0


def test_case_51_buffer_with_two_notifications(rig: Rig, client: Client) -> None:
    handle = client.render(CD)
    status, mdl, size, offset, stream, _fifo = client.v2.AllocateDmaBufferWithNotification(handle, 2, 3528)
    assert (status, size, offset, stream) == (OK, 3584, 2304, 1)
    assert rig.info(handle)["lvi"] == 1
    assert len(mdl.pages) == 2
    assert rig.hda.bdl(handle) == [(mdl.pages[0] + 2304, 1792, 1), (mdl.pages[1], 1792, 1)]
    assert mdl.byte_count == 2304 + 3584


@pytest.mark.parametrize("count", [0, 3, 4, 2**32 - 1])
def test_case_52_notification_count(rig: Rig, client: Client, count: int) -> None:
    handle = client.render()
    with Unchanged(rig):
        assert client.v2.AllocateDmaBufferWithNotification(handle, count, 4096)[0] == IP


def cycle(rig: Rig, client: Client, handle: int, event: Any, size: int, frames: int) -> list[int]:
    """Runs frame by frame; total bytes moved at each signal."""
    position, total, last, seen = client.position(handle), 0, int(client.position(handle)), []
    for _ in range(frames):
        rig.pc.advance(frames=1)
        now = int(position)
        total += (now - last) % size
        last = now
        if event.signaled:
            event.clear()
            seen.append(total)
    return seen


def test_case_53_signal_at_the_wrap(rig: Rig, client: Client) -> None:
    handle, event = client.render(), rig.pc.event()
    client.buffer(handle, "N1", 1920)
    assert client.v2.RegisterNotificationEvent(handle, event) == OK
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    assert cycle(rig, client, handle, event, 1920, 2 * 480) == [1920, 3840]


def test_case_54_signal_at_midpoint_and_wrap(rig: Rig, client: Client) -> None:
    handle, event = client.render(), rig.pc.event()
    assert client.buffer(handle, "N", 2048)[2] == 2048
    assert client.v2.RegisterNotificationEvent(handle, event) == OK
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    assert cycle(rig, client, handle, event, 2048, 512) == [1024, 2048]


def test_case_55_wrong_free_routine(rig: Rig, client: Client) -> None:
    handle = client.engine("RN")
    with Unchanged(rig):
        assert client.v2.FreeDmaBuffer(handle) == IDR


def test_case_56_wrong_size(rig: Rig, client: Client) -> None:
    handle = client.engine("RN")
    _status, mdl, size, *_ = client.buffers[handle]
    with Unchanged(rig):
        assert client.v2.FreeDmaBufferWithNotification(handle, mdl, size + 1) == IP
        assert client.v2.FreeDmaBufferWithNotification(handle, mdl, 0) == IP
        assert client.v2.FreeDmaBufferWithNotification(handle, int(mdl) + 8, size) == IP
    assert rig.state(handle) == "RN"


def test_case_57_event_not_registered(rig: Rig, client: Client) -> None:
    handle, event = client.render(), rig.pc.event()
    with Unchanged(rig):
        assert client.v2.UnregisterNotificationEvent(handle, event) == IP


def test_case_58_seventeenth_event(rig: Rig, client: Client) -> None:
    handle = client.render()
    events = [rig.pc.event() for _ in range(17)]
    assert [client.v2.RegisterNotificationEvent(handle, event) for event in events[:16]] == [OK] * 16
    with Unchanged(rig):
        assert client.v2.RegisterNotificationEvent(handle, events[16]) == IR


def test_case_59_callback_is_found_by_routine_and_context(rig: Rig, client: Client) -> None:
    handle, fdo, calls = client.engine("R0"), object(), []

    def notify(context: object, counter: int) -> None:
        calls.append(context)

    assert client.v3.RegisterNotificationCallback(handle, fdo, notify, "c1") == OK
    with Unchanged(rig):
        assert client.v3.UnregisterNotificationCallback(handle, notify, "c2") == IP
    assert rig.info(handle)["callbacks"] == 1
    client.bring(handle, "XN", 2048)
    rig.pc.advance(frames=520)
    assert calls == ["c1", "c1"]
    assert client.v3.UnregisterNotificationCallback(handle, notify, "c1") == OK
    assert rig.info(handle)["callbacks"] == 0


def test_case_60_timestamp_of_the_interrupt() -> None:
    late = 1700
    rig = Rig(machine={"dpc_latency": late})
    client, seen = rig.client, []
    handle = client.render()
    client.buffer(handle, "N", 2048)
    client.v3.RegisterNotificationCallback(handle, 1, lambda context, counter: seen.append((counter, rig.pc.now)), None)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    position, crossed = client.position(handle), []
    last = 0
    for _ in range(600):
        rig.pc.advance(frames=1)
        now = int(position)
        if now // 1024 != last // 1024:
            crossed.append(rig.pc.now)
        last = now
    assert len(crossed) == len(seen) == 2
    for (stamp, called), moment in zip(seen, crossed, strict=True):
        assert called == stamp + late
        assert moment - FRAME < stamp <= moment


def test_case_61_contiguous_buffer(rig: Rig, client: Client) -> None:
    handle = client.render()
    status, data, bdl = client.bdl.AllocateContiguousDmaBuffer(handle, 8192)
    assert status == OK
    assert rig.state(handle) == "RC"
    assert int(bdl) % PAGE == 0
    assert data % PAGE == 0
    content = bytes(rig.pc.read_va(data, 8192))
    assert len(set(content)) == 1, "one poison byte"
    assert content[0] != 0
    assert rig.pc.physical(data + PAGE) == rig.pc.physical(data) + PAGE


def test_case_62_pause_before_setup(rig: Rig, client: Client) -> None:
    handle = client.engine("RC")
    with Unchanged(rig):
        assert client.state(handle, to=PauseState) == IDR


def test_case_63_setup(rig: Rig, client: Client) -> None:
    handle = client.engine("RC")
    client.entries(handle, [(0, 4096, 0), (4096, 4096, 1)])
    assert client.bdl.SetupDmaEngineWithBdl(handle, 8192, 1, client.isr, None) == (OK, 1, 192)
    assert rig.state(handle) == "RB"


@pytest.mark.parametrize("lvi", [0, 256, 2**32 - 1])
def test_case_64_lvi(rig: Rig, client: Client, lvi: int) -> None:
    handle = client.engine("RC")
    client.entries(handle, [(0, 4096, 0), (4096, 4096, 1)])
    with Unchanged(rig):
        assert client.bdl.SetupDmaEngineWithBdl(handle, 8192, lvi, client.isr, None) == (IP, None, None)
    assert rig.state(handle) == "RC"


def test_case_65_length_is_not_the_sum(rig: Rig, client: Client) -> None:
    handle = client.engine("RC")
    client.entries(handle, [(0, 4096, 0), (4096, 4096, 1)])
    with Unchanged(rig):
        for length in (8191, 8188, 0, 8196):
            assert client.bdl.SetupDmaEngineWithBdl(handle, length, 1, client.isr, None)[0] == IP


def test_case_66_setup_again(rig: Rig, client: Client) -> None:
    handle, other = client.engine("RB", size=2048), []
    answer = client.bdl.SetupDmaEngineWithBdl(handle, 2048, 1, lambda context, mask: other.append((context, mask)), 77)
    assert answer[0] == OK
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=520)
    assert other == [(77, 4)]
    assert client.masks == []


def test_case_67_setup_without_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("R0")
    with Unchanged(rig):
        assert client.bdl.SetupDmaEngineWithBdl(handle, 8192, 1, client.isr, None)[0] == IDR


def test_case_68_contiguous_beside_another(rig: Rig, client: Client) -> None:
    handle = client.engine("RD")
    with Unchanged(rig):
        assert client.bdl.AllocateContiguousDmaBuffer(handle, 8192) == (IDR, None, None)


def test_case_69_engine_with_contiguous_buffer(rig: Rig, client: Client) -> None:
    handle = client.engine("RC")
    with Unchanged(rig):
        assert client.bdl.FreeDmaEngine(handle) == IDR


def test_case_70_isr(rig: Rig, client: Client) -> None:
    client.engine("XB", size=2048)
    rig.pc.advance(frames=520)
    assert [(irql, mask) for _, irql, mask in client.masks] == [(5, 4)]


def test_case_71_silent_codec() -> None:
    rig = Rig(codecs=[None, None])
    rig.hda.codecs[1].behave(silent=True)
    transfers = [HDAUDIO_CODEC_TRANSFER(address << 28 | 0xF0000) for address in (0, 1, 0)]
    assert rig.client.v1.TransferCodecVerbs(3, transfers) == OK
    assert [t.Input.IsValid for t in transfers] == [1, 0, 1]
    assert [t.Input.HasFifoOverrun for t in transfers] == [0, 0, 0]
    assert [t.Input.Response for t in transfers[::2]] == [rig.hda.codecs[0].parameter(0, 0)] * 2
    assert rig.pc.violations == []


def test_case_72_rirb_overrun(rig: Rig, client: Client) -> None:
    rig.hda.inject("rirb_overrun")
    transfer = HDAUDIO_CODEC_TRANSFER(0xF0000)
    assert client.v1.TransferCodecVerbs(1, [transfer]) == OK
    assert (transfer.Input.IsValid, transfer.Input.HasFifoOverrun) == (0, 1)
    assert client.verb(0xF0000) == rig.hda.codecs[0].parameter(0, 0), "the next command works again"


def test_case_73_order_of_asynchronous_commands(rig: Rig, client: Client) -> None:
    done: list[Any] = []

    def finished(transfer: Any, context: object) -> None:
        done.append((context, rig.pc.irql, [t.Input.IsValid for t in batch], [t.Input.IsValid for t in single]))

    batch = [HDAUDIO_CODEC_TRANSFER(0x00170500), HDAUDIO_CODEC_TRANSFER(0x001F0500)]
    single = [HDAUDIO_CODEC_TRANSFER(0x00170503)]
    assert client.v1.TransferCodecVerbs(2, batch, finished, 1) == OK
    assert client.v1.TransferCodecVerbs(1, single, finished, 2) == OK
    assert done == []
    rig.pc.advance(milliseconds=1)
    assert [(context, irql) for context, irql, _, _ in done] == [(1, 2), (2, 2)]
    assert done[0][2] == [1, 1]
    assert batch[1].Input.Response & 0xF == 0, "B read what A set; C came later"
    assert client.verb(0x001F0500) & 0xF == 3


def test_case_74_no_pool_for_the_queue(rig: Rig, client: Client) -> None:
    called: list[Any] = []
    rig.pc.faults.fail_nth("TransferCodecVerbs", 1)
    with Unchanged(rig):
        assert (
            client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0xF0000)], lambda t, c: called.append(c), 1) == NM
        )
    rig.pc.advance(milliseconds=5)
    assert called == []


def test_case_75_synchronous_at_dispatch(rig: Rig, client: Client) -> None:
    transfer = HDAUDIO_CODEC_TRANSFER(0xF0000)
    with rig.pc.at_irql(2), Unchanged(rig):
        assert client.v1.TransferCodecVerbs(1, [transfer]) == UNS
    assert int(transfer.Input) == 0


def test_case_76_tags_run_out() -> None:
    rig = Rig(codecs=[None, None])
    first, second = rig.client, rig.another()
    assert [first.v1.RegisterEventCallback(print, i) for i in range(64)] == [(OK, i) for i in range(64)]
    with Unchanged(rig):
        assert first.v1.RegisterEventCallback(print, None) == (IR, None)
    assert second.v1.GetResourceInformation()[0] == 1
    assert second.v1.RegisterEventCallback(print, None) == (OK, 0)


def test_case_77_tag_never_registered(rig: Rig, client: Client) -> None:
    with Unchanged(rig):
        for tag in (0, 5, 63, 64, 255):
            assert client.v1.UnregisterEventCallback(tag) == IP


@pytest.mark.parametrize(
    ("size", "status", "answered"), [(9, BTS, 9), (0, BTS, 0), (10, OK, 10), (12, OK, 10), (14, OK, 14), (64, OK, 14)]
)
def test_case_78_device_information(rig: Rig, client: Client, size: int, status: int, answered: int) -> None:
    info = HDAUDIO_DEVICE_INFORMATION_V2(Size=size)
    assert client.v1.GetDeviceInformation(info) == status
    assert info.Size == answered
    assert (info.DeviceVersion, info.DriverVersion) == ((0x100, 0x100) if status == OK else (0, 0))
    assert info.CodecsDetected == (status == OK)
    if size < 14:
        assert (info.CtrlRevision, info.CtrlVendorId, info.CtrlDeviceId) == (0, 0, 0)
    else:
        assert info.CtrlVendorId != 0


def test_case_79_position_before_any_buffer(client: Client) -> None:
    status, position = client.v1.GetLinkPositionRegister(client.render())
    assert status == OK
    assert int(position) == 0


def test_case_80_position_of_a_dead_handle(rig: Rig, client: Client) -> None:
    handle = client.render()
    client.v1.FreeDmaEngine(handle)
    with Unchanged(rig):
        assert client.v1.GetLinkPositionRegister(handle) == (IH, None)


def test_case_81_position_and_wall_clock(rig: Rig, client: Client) -> None:
    handle = client.engine("XD")
    position, clock = client.position(handle), client.v1.GetWallClockRegister()
    before = int(clock)
    rig.pc.advance(frames=48)
    assert int(position) == 192
    assert int(clock) - before == 24000


def test_case_82_cadence(rig: Rig, client: Client) -> None:
    handle = client.engine("XD", CD)
    position = client.position(handle)
    rig.pc.advance(frames=160)
    assert int(position) == 147 * 4


def test_case_83_tables_of_vista() -> None:
    pc = storsim.Machine("64MiB")
    hda = pc.add_hda(tables="vista")
    hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
    before = pc.digest()
    with pytest.raises(storsim.NtStatusError) as refused:
        hda.query_interface(HDAUDIO_BUS_INTERFACE_BDL)
    assert refused.value.status == NS
    assert pc.digest() == before


# --- the timing of a real controller: the same up to the FIFO's lead ------------------------------


@pytest.mark.parametrize(("kind", "fragment"), [("N1", 1920), ("N", 1024)])
def test_under_controller_timing_the_interrupt_leads_by_the_fifo(kind: str, fragment: int) -> None:
    rig = Rig(timing="controller")
    client, seen = rig.client, []
    handle = client.render()
    size = client.buffer(handle, kind, 1920 if kind == "N1" else 2048)[2]
    position = client.position(handle)
    client.v3.RegisterNotificationCallback(handle, 1, lambda context, counter: seen.append(int(position)), None)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=1100)
    ends = [fragment * (i + 1) % size for i in range(len(seen))]
    assert len(seen) >= 2
    for place, end in zip(seen, ends, strict=True):
        assert 0 <= (end - place) % size <= 192
