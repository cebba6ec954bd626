"""What the rulings decide (R40–R48), live registers, structures, and the interface's own findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import storsim
from kit.audio import *
from kit.chip import Chip
from storsim.hdaudio import *

# --- R40: leaks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_leaks_at_removal(state: str) -> None:
    rig = Rig()
    handle = rig.client.engine(state)
    rig.client.v2.RegisterNotificationEvent(handle, rig.pc.event())
    names = [record.name for record in rig.hda.remove()]
    expected = {"ENGINE_LEAK", "REGISTRATION_LEAK", "INTERFACE_LEAK"} | ({"BUFFER_LEAK"} if state[1] != "0" else set())
    assert set(names) == expected


def test_a_tidy_client_leaks_nothing() -> None:
    with storsim.Machine("256MiB", level="strict") as pc:
        hda = pc.add_hda()
        before = pc.memory.free_bytes()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE)
        started = pc.memory.free_bytes()
        handle = bus.AllocateRenderDmaEngine(DVD)[1]
        bus.AllocateDmaBuffer(handle, 65536)
        for state in (PauseState, RunState, PauseState, ResetState):
            assert bus.SetDmaEngineState(state, [handle]) == OK
        assert bus.FreeDmaBuffer(handle) == OK
        assert bus.FreeDmaEngine(handle) == OK
        assert pc.memory.free_bytes() == started
        bus.InterfaceDereference()
        assert hda.remove() == []
        assert pc.memory.free_bytes() == before
    assert pc.findings == []


def test_leaving_the_machine_reports_at_strict() -> None:
    with pytest.raises(storsim.Violation, match="LEAK"), storsim.Machine("64MiB", level="strict") as pc:
        pc.add_hda().query_interface(HDAUDIO_BUS_INTERFACE).AllocateRenderDmaEngine(DVD)


def test_forced_freeing_stops_the_hardware() -> None:
    rig = Rig()
    handle = rig.client.engine("XD")
    descriptor = rig.info(handle)["descriptor"]
    for _ in range(4):
        rig.client.v1.InterfaceDereference()
    assert rig.hda.mmio.read(0x80 + 0x20 * descriptor, 1) & 2 == 0
    other = rig.another()
    assert other.v1.AllocateRenderDmaEngine(DVD)[0] == OK
    notes = len(rig.pc.findings)
    rig.pc.advance(milliseconds=100)
    assert len(rig.pc.findings) == notes


# --- R41, R44 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["SD", "SN", "SB"])
def test_engine_freed_while_paused(state: str) -> None:
    rig = Rig()
    handle = rig.client.engine(state)
    assert rig.client.v1.FreeDmaEngine(handle) == IDR
    assert rig.names() == ["ENGINE_NOT_RESET"]


@pytest.mark.parametrize("state", ["RD", "RN", "RC", "RB", "XD", "XN", "XB"])
def test_other_refusals_are_statuses_only(state: str) -> None:
    rig = Rig()
    handle = rig.client.engine(state)
    assert rig.client.v1.FreeDmaEngine(handle) == IDR
    assert rig.names() == []


def test_tables_do_not_follow_the_version_of_windows() -> None:
    hda = storsim.Machine("64MiB", os=storsim.WindowsVersion.VISTA).add_hda()
    for table in TABLES.values():
        assert hda.query_interface(table).Size == table.size


# --- R42: the phase of a capture stream ------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 12, 13, 37, 159])
def test_capture_cadence_starts_where_the_converter_got_its_tag(delay: int) -> None:
    rig = Rig()
    client = rig.client
    handle = client.bring(client.capture(CD), "SD")
    rig.pc.advance(ticks=(FRAME - (rig.hda.regs.WALCLK % FRAME)) % FRAME + 10)
    codec = rig.hda.codecs[0]
    codec.command(0x21 << 20 | 0x24011)
    codec.command(0x21 << 20 | 0x70610)
    rig.pc.advance(frames=delay)
    tuned = rig.hda.regs.WALCLK // FRAME - delay
    assert client.state(handle, to=RunState) == OK
    position, last, moved = client.position(handle), 0, []
    first = rig.hda.regs.WALCLK // FRAME - tuned
    for _ in range(170):
        rig.pc.advance(frames=1)
        moved.append((int(position) - last) % 8192 // 4)
        last = int(position)
    groups = (12, 11, 11, 12, 11, 11, 12, 11, 11, 12, 11, 11, 11)
    cadence = [active for group in groups for active in [1] * group + [0]]
    assert moved == [cadence[(first + i) % 160] for i in range(170)]


def test_writing_what_the_converter_has_starts_nothing_anew() -> None:
    """Model choice: the phase belongs to the tag and format the converter got, not to the last write of the same."""
    moved = []
    for again in (False, True):
        rig = Rig()
        handle = rig.client.bring(rig.client.capture(CD), "SD")
        codec = rig.hda.codecs[0]
        codec.command(0x21 << 20 | 0x24011)
        codec.command(0x21 << 20 | 0x70610)
        rig.pc.advance(frames=5)
        if again:
            codec.command(0x21 << 20 | 0x24011)
            codec.command(0x21 << 20 | 0x70610)
        rig.client.state(handle, to=RunState)
        position = rig.client.position(handle)
        moved.append([rig.pc.advance(frames=1) or int(position) for _ in range(100)])
    assert moved[0] == moved[1]


def test_capture_without_a_sender_stands_still() -> None:
    rig = Rig()
    handle = rig.client.bring(rig.client.capture(), "XD")
    rig.pc.advance(milliseconds=50)
    assert int(rig.client.position(handle)) == 0
    rig.client.write(handle, b"\xaa" * 8192)
    rig.client.tune(0x21, 0x11, 1)
    rig.pc.advance(frames=100)
    assert int(rig.client.position(handle)) > 0
    assert rig.client.read(handle)[:300] == bytes(300), "a tagged converter with nothing fed sends silence"


# --- R46: base registers while an engine runs ------------------------------------------------------------------------


def test_base_registers_while_running() -> None:
    chip = Chip()
    chip.program()
    chip.rings()
    chip.ctl(4, 2)
    chip.frames(3)
    for offset in (0x40, 0x50, chip.sd(4, 0x18)):
        before = len(chip.notes())
        value = chip.read(offset)
        chip.write(offset, 4, value)
        assert len(chip.notes()) == before, "nothing changed"
        chip.write(offset, 4, value ^ 0x1000)
        assert len(chip.notes()) == before + 1
        assert chip.read(offset) == value ^ 0x1000, "the read-back value only"
    position = chip.hda.position(4).link_bytes
    chip.frames(10)
    assert chip.hda.position(4).link_bytes == position + 40, "the latched list is used"


# --- R47: live registers ----------------------------------------------------------------------------------------------


def test_registers_are_the_aliases_and_live() -> None:
    rig = Rig()
    handle = rig.client.engine("XD")
    descriptor = rig.info(handle)["descriptor"]
    position, clock = rig.client.position(handle), rig.client.v1.GetWallClockRegister()
    for _ in range(20):
        rig.pc.advance(ticks=777)
        assert (
            int(position)
            == rig.hda.mmio.read(0x2084 + 0x20 * descriptor)
            == getattr(rig.hda.regs, f"SD{descriptor}LPIB")
        )
        assert int(clock) == rig.hda.mmio.read(0x2030) == rig.hda.regs.WALCLK
        assert int.from_bytes(bytes(rig.pc.read_va(position.address, 4)), "little") == int(position)


def test_position_register_is_per_engine_and_stable() -> None:
    rig = Rig()
    client = rig.client
    first, second = client.render(), client.render()
    register = client.position(first)
    assert register != client.position(second)
    for state in ("RD", "XN"):
        client.bring(first, state)
        assert client.position(first) == register
        rig.pc.advance(frames=3)
        if state[0] == "X":
            assert int(register) == 12
            continue
        assert client.v1.FreeDmaBuffer(first) == OK


def test_writing_a_live_register() -> None:
    rig = Rig()
    handle = rig.client.engine("XD")
    rig.pc.advance(frames=10)
    for register in (rig.client.position(handle), rig.client.v1.GetWallClockRegister()):
        before = int(register)
        rig.pc.write_va(register.address, b"\0\0\0\0")
        assert int(register) == before
        assert rig.names()[-1] == "REGISTER_WRITTEN"


def test_a_dead_position_register() -> None:
    rig = Rig()
    handle = rig.client.render()
    register = rig.client.position(handle)
    rig.client.v1.FreeDmaEngine(handle)
    before = len(rig.pc.violations)
    int(register)
    assert [record.name for record in rig.pc.violations[before:]] == ["USE_AFTER_FREE"]


def test_wall_clock_wraps() -> None:
    rig = Rig()
    clock = rig.client.v1.GetWallClockRegister()
    rig.hda.set_wall_clock(2**32 - 100)
    assert int(clock) == 2**32 - 100
    rig.pc.advance(ticks=150)
    assert int(clock) == 50
    rig.pc.advance(ticks=2**32)
    assert int(clock) == 50, "179 s later"


# --- R48 and the list in memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "names"), [("RC", []), ("RB", []), ("SB", ["BDL_CHANGED"]), ("XB", ["BDL_CHANGED"])])
def test_a_list_changed_while_in_use(state: str, names: list[str]) -> None:
    rig = Rig()
    handle = rig.client.engine(state)
    base = rig.pc.physical(rig.client.buffers[handle][1])
    rig.client.buffers[handle][2][0] = (base + 128, 4096, 0)
    if state == "XB":
        rig.client.state(handle, to=PauseState)
    if state[0] in "SX":
        rig.client.state(handle, to=ResetState)
    assert rig.names() == names


def test_a_list_reads_back() -> None:
    rig = Rig()
    handle = rig.client.engine("RC")
    listed = rig.client.buffers[handle][2]
    assert len(listed) == 256
    listed[255] = HDAUDIO_BUFFER_DESCRIPTOR(0x1234_5678_9ABC, 7, 1)
    assert listed[255] == (0x1234_5678_9ABC, 7, 1)
    assert listed[-1].InterruptOnCompletion == 1
    with pytest.raises(IndexError):
        listed[256]
    with pytest.raises(ValueError, match="Length"):
        listed[0] = (0, 1 << 32, 0)


# --- structures (§2) --------------------------------------------------------------------------------------------------


def test_commands() -> None:
    assert HDAUDIO_CODEC_COMMAND.Verb8(2, 0, 0xF00, 4) == 0x200F0004
    assert HDAUDIO_CODEC_COMMAND.Verb16(15, 0xFF, 0xF, 0xFFFF) == 0xFFFFFFFF
    assert HDAUDIO_CODEC_COMMAND.Verb16(0, 2, 2, 0x4011).Command == 0x224011
    for arguments in ((16, 0, 0, 0), (0, 256, 0, 0), (0, 0, 0x1000, 0), (0, 0, 0, 256), (-1, 0, 0, 0)):
        with pytest.raises(ValueError, match="bits"):
            HDAUDIO_CODEC_COMMAND.Verb8(*arguments)


def test_responses() -> None:
    response = HDAUDIO_CODEC_RESPONSE(1 << 63 | 1 << 62 | 1 << 36 | 5 << 32 | 0xFC00_0000 | 0x1F << 21 | 0x1ABCDE)
    assert (response.IsValid, response.HasFifoOverrun, response.IsUnsolicitedResponse, response.SDataIn) == (1, 1, 1, 5)
    assert (response.Tag, response.SubTag, response.Payload) == (63, 31, 0x3FABCDE)
    assert response.Response == 0xFFFABCDE
    assert response.CompleteResponse == int(response)


@pytest.mark.parametrize("codecs", [1, 2, 3, 4])
def test_clients_are_function_groups(codecs: int) -> None:
    rig = Rig(codecs=[None] * codecs)
    got = [rig.hda.query_interface(HDAUDIO_BUS_INTERFACE, i).GetResourceInformation() for i in range(codecs)]
    assert got == [(address, 1) for address in range(codecs)]


def test_device_information_is_static() -> None:
    rig = Rig(sdo_lines=2, ctrl_vendor_id=0x1234, ctrl_device_id=0x5678, ctrl_revision=9)
    info = HDAUDIO_DEVICE_INFORMATION_V2()
    assert rig.client.v1.GetDeviceInformation(info) == OK
    assert info == HDAUDIO_DEVICE_INFORMATION_V2(14, 0x100, 0x100, 1, 1, 9, 0x1234, 0x5678)
    rig.client.engine("XN")
    again = HDAUDIO_DEVICE_INFORMATION_V2()
    assert rig.client.v1.GetDeviceInformation(again) == OK
    assert again == info


# --- order and choice of engines (§3) --------------------------------------------------------------------------------


def test_stream_ids_and_engine_choice() -> None:
    rig = Rig(render=2, capture=1, bidirectional=3)
    client, seen = rig.client, []
    for make in (client.render, client.capture, client.render, client.capture, client.render, client.render):
        info = rig.info(make())
        seen.append((info["capture"], info["bidirectional"], info["descriptor"], info["stream_id"]))
    assert seen == [
        (False, False, 1, 1), (True, False, 0, 1), (False, False, 2, 2), (True, True, 3, 15), (False, True, 4, 14),
        (False, True, 5, 13),
    ]  # fmt: skip
    assert client.v1.AllocateCaptureDmaEngine(0, DVD)[0] == IR


def test_the_lowest_engine_is_used_again() -> None:
    rig = Rig()
    handles = [rig.client.render() for _ in range(3)]
    rig.client.release(handles[1])
    assert rig.info(rig.client.render())["stream_id"] == 2


def test_a_bidirectional_engine_works_both_ways() -> None:
    rig = Rig(render=0, capture=0, bidirectional=1)
    for make, nid in ((rig.client.render, 0x10), (rig.client.capture, 0x20), (rig.client.render, 0x10)):
        handle = make()
        rig.client.buffer(handle, "N", 2048)
        data = bytes(range(256)) * 8
        rig.client.tune(nid, 0x11, 15)
        codec = rig.hda.codecs[0]
        codec.clear(15)
        if nid == 0x10:
            rig.client.write(handle, data)
        else:
            codec.feed(15, data * 2)
        rig.client.state(handle, to=PauseState)
        rig.client.state(handle, to=RunState)
        rig.pc.advance(frames=514)
        assert (codec.played(15)[:2048] if nid == 0x10 else rig.client.read(handle)) == data
        rig.client.verb(nid << 20 | 0x70600)
        rig.client.release(handle)


# --- invariants (§9) --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("form", [DVD, CD, StreamFormat(192000, 24, 32, 6), StreamFormat(8000, 8, 8, 1)], ids=str)
def test_k_laps_are_k_times_count_interrupts(form: Any, count: int) -> None:
    rig = Rig()
    client, calls = rig.client, []
    handle = client.render(form)
    size = client.v2.AllocateDmaBufferWithNotification(handle, count, 3000)[2]
    client.v3.RegisterNotificationCallback(handle, 1, lambda context, counter: calls.append(counter), None)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    descriptor = rig.info(handle)["descriptor"]
    while rig.hda.position(descriptor).link_bytes < 7 * size:
        rig.pc.advance(frames=1)
    assert len(calls) == 7 * count
    assert rig.info(handle)["interrupts"] == 7 * count


def test_many_fragments_in_one_frame() -> None:
    """§8: one completion per fragment, in order, also when several end in one frame."""
    rig = Rig()
    client = rig.client
    handle = client.render(StreamFormat(192000, 32, 32, 4))
    client.buffer(handle, "C", 4096)
    client.entries(handle, [(128 * i, 8, 1) for i in range(16)])
    assert client.bdl.SetupDmaEngineWithBdl(handle, 128, 15, client.isr, None)[0] == OK
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=20)
    moved = rig.hda.position(rig.info(handle)["descriptor"]).link_bytes
    assert moved == 20 * 64
    assert len(client.masks) == moved // 8
    assert {mask for _, _, mask in client.masks} == {4}


# --- every finding names the rule, the fix and the source (DESIGN §3) -------------------------------------------------

FINDINGS: dict[str, Callable[[Rig], Any]] = {
    "BAD_IRQL": lambda rig: _at_dispatch(rig),
    "ENGINE_LEAK": lambda rig: (rig.client.render(), rig.hda.remove()),
    "ENGINE_NOT_RESET": lambda rig: rig.client.v1.FreeDmaEngine(rig.client.engine("SD")),
    "REGISTER_WRITTEN": lambda rig: rig.pc.write_va(rig.client.position(rig.client.render()).address, bytes(4)),
    "DEAD_CONTEXT": lambda rig: (
        [rig.client.v1.InterfaceDereference() for _ in range(4)],
        rig.client.v1.GetWallClockRegister(),
    ),
}


def _at_dispatch(rig: Rig) -> None:
    with rig.pc.at_irql(2):
        rig.client.v1.FreeDmaBuffer(5)


@pytest.mark.parametrize("name", FINDINGS)
def test_findings_speak(name: str) -> None:
    rig = Rig()
    FINDINGS[name](rig)
    record = next(record for record in rig.pc.violations if record.name == name)
    assert record.rule.endswith(".")
    assert record.fix.endswith(".")
    assert record.source
    assert "storport" not in record.source.lower(), "an HD Audio rule has an HD Audio source"
    assert "storport" not in record.text.lower()
    assert "Called from" in record.text
    assert "tests" in record.text
    assert str(0x48440000 + rig.hda.number) not in record.text, "the owner has a name"


# --- what the caller's Python gets wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"render": 16}, ValueError), ({"render": -1}, ValueError), ({"sdo_lines": 3}, ValueError),
        ({"render": 15, "capture": 15, "bidirectional": 1}, ValueError), ({"render": 0, "capture": 0}, ValueError),
        ({"timing": "real"}, ValueError), ({"personality": "amd"}, ValueError), ({"profile": "other"}, ValueError),
        ({"dirql": 2}, ValueError), ({"dirql": 12}, ValueError), ({"nonsense": 1}, TypeError),
        ({"codecs": [None] * 16}, ValueError), ({"fifo_render": 0}, ValueError), ({"stripe_lines": 3}, ValueError),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_settings_that_make_no_sense(settings: dict[str, Any], error: type[Exception]) -> None:
    pc = storsim.Machine("64MiB")
    before = pc.digest()
    with pytest.raises(error):
        pc.add_hda(**settings)
    assert pc.digest() == before
    assert pc.add_hda().query_interface(HDAUDIO_BUS_INTERFACE).Size == 144


WRONG: dict[str, tuple[Any, ...]] = {
    "AllocateRenderDmaEngine": ("48000",),
    "AllocateCaptureDmaEngine": (256, DVD),
    "ChangeBandwidthAllocation": ("handle", DVD),
    "AllocateDmaBuffer": (1, -1),
    "SetDmaEngineState": (RunState, 5),
    "GetDeviceInformation": (3,),
    "TransferCodecVerbs": (1, [7]),
    "UnregisterEventCallback": (256,),
    "AllocateDmaBufferWithNotification": (1, 1 << 32, 4096),
    "AllocateContiguousDmaBuffer": (1, 1 << 32),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_types_and_ranges(name: str) -> None:
    rig = Rig()
    before = rig.pc.digest()
    with pytest.raises((TypeError, OverflowError, ValueError)):
        rig.client.routine(name)(*WRONG[name])
    assert rig.pc.digest() == before
    with pytest.raises(TypeError):
        rig.client.routine(name)()
    with pytest.raises(TypeError):
        rig.client.routine(name)(*WRONG[name], no_such_parameter=1)


def test_count_beyond_the_array_of_transfers() -> None:
    rig = Rig()
    with pytest.raises(ValueError, match="CodecTransfer"):
        rig.client.v1.TransferCodecVerbs(2, [HDAUDIO_CODEC_TRANSFER(0xF0000)])
    transfers = [HDAUDIO_CODEC_TRANSFER(0xF0000) for _ in range(3)]
    assert rig.client.v1.TransferCodecVerbs(2, transfers) == OK
    assert [t.Input.IsValid for t in transfers] == [1, 1, 0]


def test_a_thousand_verbs() -> None:
    rig = Rig()
    transfers = [HDAUDIO_CODEC_TRANSFER(0xF0000 | 2 * (i % 3)) for i in range(1000)]
    assert rig.client.v1.TransferCodecVerbs(1000, transfers) == OK
    codec = rig.hda.codecs[0]
    assert [t.Input.Response for t in transfers] == [codec.parameter(0, 2 * (i % 3)) for i in range(1000)]
    assert rig.pc.notes == []


def test_two_controllers_are_two() -> None:
    pc = storsim.Machine("256MiB")
    first, second = pc.add_hda(timing="ideal"), pc.add_hda(timing="ideal")
    one, two = (hda.query_interface(HDAUDIO_BUS_INTERFACE) for hda in (first, second))
    assert one.Context != two.Context
    handle = one.AllocateRenderDmaEngine(DVD)[1]
    assert two.FreeDmaEngine(handle) == IH
    assert second.bandwidth()[0] == 0
    one.AllocateDmaBuffer(handle, 4096)
    for state in (PauseState, RunState):
        assert one.SetDmaEngineState(state, [handle]) == OK
    second.remove()
    before = int(one.GetLinkPositionRegister(handle)[1])
    pc.advance(frames=10)
    assert int(one.GetLinkPositionRegister(handle)[1]) == before + 40


def test_memory_behind_an_iommu() -> None:
    """The list holds logical addresses; the bytes are the same."""
    rig = Rig(dma_remapping=True)
    client = rig.client
    handle = client.render()
    status, mdl, size, stream, _ = client.v1.AllocateDmaBuffer(handle, 8192)
    assert status == OK
    data = bytes(range(256)) * (size // 256)
    with memoryview(mdl) as view:
        view[:size] = data
    client.tune(0x10, 0x11, stream)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=size // 4 + 2)
    assert rig.hda.codecs[0].played(stream)[:size] == data
    assert rig.pc.violations == []


# --- after the end ----------------------------------------------------------------------------------------------------


def test_a_removed_controller_says_so() -> None:
    rig = Rig()
    handle = rig.client.render()
    codec = rig.hda.codecs[0]
    rig.hda.remove()
    for use in (
        rig.hda.remove,
        lambda: rig.hda.regs.GCTL,
        lambda: setattr(rig.hda.regs, "GCTL", 1),
        lambda: rig.hda.mmio.read(8),
        lambda: rig.hda.mmio.write(8, 4, 1),
    ):
        with pytest.raises(ValueError, match="removed"):
            use()
    assert rig.client.v1.FreeDmaEngine(handle) == NSD
    assert rig.hda.engines() == []
    assert rig.hda.interrupt_line is False
    assert codec.present is False
    rig.pc.advance(milliseconds=10)
    assert rig.pc.add_hda().query_interface(HDAUDIO_BUS_INTERFACE).AllocateRenderDmaEngine(DVD)[0] == OK


def test_a_pulled_controller_reads_ones() -> None:
    rig = Rig()
    handle = rig.client.engine("XD")
    assert rig.hda.inject("removed")
    assert rig.hda.mmio.read(8) == 0xFFFFFFFF
    assert rig.client.v1.SetDmaEngineState(PauseState, [handle]) == NSD
    assert rig.client.v1.GetWallClockRegister() is None
    rig.pc.advance(milliseconds=10)
    rig.hda.remove()


@pytest.mark.parametrize(
    ("offset", "size"), [(1, 2), (2, 4), (0, 3), (0, 8), (0x4000, 4), (0x3FFE, 4), (2**64 - 4, 4), (0, 0)]
)
def test_accesses_the_bus_cannot_make(offset: int, size: int) -> None:
    chip = Chip()
    before = chip.pc.digest()
    assert chip.read(offset, size) == (1 << 8 * size) - 1
    chip.write(offset, size, 0)
    assert chip.pc.digest() == before
    assert set(chip.notes()) == {"BAD_ACCESS"}


# --- hardware that does not answer ------------------------------------------------------------------------------------


def test_a_controller_that_never_leaves_reset() -> None:
    hda = storsim.Machine("64MiB").add_hda(crst_latency="stuck")
    with pytest.raises(storsim.NtStatusError) as refused:
        hda.query_interface(HDAUDIO_BUS_INTERFACE)
    assert refused.value.status == NSD


@pytest.mark.parametrize("latency", [0, 100, "frame", 500, 1500])
def test_stream_reset_within_the_patience_of_real_drivers(latency: int | str) -> None:
    """Drivers poll for about 0.9 ms; a link frame satisfies all of them."""
    rig = Rig(srst_latency=latency)
    handle = rig.client.engine("XD")
    assert rig.client.state(handle, to=PauseState) == OK
    assert rig.client.state(handle, to=ResetState) == OK
    assert not rig.info(handle)["suspect"]


def test_stream_reset_that_never_ends_is_not_ready() -> None:
    rig = Rig(srst_latency="stuck")
    handle = rig.client.render()
    assert rig.client.v1.AllocateDmaBuffer(handle, 4096)[0] == DNR
    assert rig.state(handle) == "R0"
    assert rig.info(handle)["suspect"]
    assert rig.client.v1.FreeDmaEngine(handle) == OK
