"""What the controller's specification says beyond its numbered cases, section by section (hda-controller §2 – §14)."""

from __future__ import annotations

import struct

import pytest

from kit.chip import *
from kit.chip import Chip, pattern

GET_VENDOR, GET_REVISION = 0xF0000, 0xF0002
BUSY, VALID = 1, 2

# --- §2, §4: the ICH personality -----------------------------------------------------------------------------


def test_ich_stream_control_reset_value() -> None:
    chip = Chip(personality="ich")
    for n in range(8):
        assert chip.read(chip.sd(n, 0)) & 0xFFFFFF == 0x040000, "TP is hard-wired 1"
        chip.write(chip.sd(n, 2), 1, 0)
        assert chip.read(chip.sd(n, 2), 1) == 0x04


@pytest.mark.parametrize("value", [0x0F, 0x1F, 0x3F, 0x7F, 0xBF])
def test_ich_fifos_of_outputs_can_be_written(value: int) -> None:
    chip = Chip(personality="ich")
    assert chip.read(chip.sd(4, 0x10), 2) == 0xBF
    chip.write(chip.sd(4, 0x10), 2, value)
    assert chip.read(chip.sd(4, 0x10), 2) == value


@pytest.mark.parametrize("value", [0x00, 0x0E, 0x10, 0xC0, 0xFE, 0x1FF, 0xFF])
def test_ich_other_fifo_sizes_read_back_bf(value: int) -> None:
    chip = Chip(personality="ich", fifo_render_wide=256)
    chip.write(chip.sd(4, 0x10), 2, 0x3F)
    chip.write(chip.sd(4, 0x10), 2, value)
    assert chip.read(chip.sd(4, 0x10), 2) == 0xBF
    chip.write(chip.sd(4, 0x12), 2, 0x0031)
    chip.write(chip.sd(4, 0x10), 2, 0xFF)
    assert chip.read(chip.sd(4, 0x10), 2) == 0xFF, "legal for 20 and 24 bits"


@pytest.mark.parametrize(("written", "read"), [(2, 2), (3, 3), (4, 4), (0, 4), (1, 4), (5, 4), (7, 4)])
def test_ich_fifo_watermark(written: int, read: int) -> None:
    chip = Chip(personality="ich")
    assert chip.read(chip.sd(0, 0xE), 2) == 4
    chip.write(chip.sd(0, 0xE), 2, written)
    assert chip.read(chip.sd(0, 0xE), 2) == read


def test_ich_ssync_at_its_old_place() -> None:
    chip = Chip(personality="ich")
    chip.write(0x34, 4, 0x30)
    chip.program(4)
    chip.ctl(4, RUN)
    chip.frames(20)
    assert chip.lpib(4) == 0
    chip.write(0x34, 4, 0)
    chip.frames(20)
    assert chip.lpib(4) > 0


@pytest.mark.parametrize(("render", "capture", "both"), [(1, 1, 0), (15, 15, 0), (4, 4, 22), (0, 0, 1), (15, 0, 15)])
def test_gcap_tells_the_engines(render: int, capture: int, both: int) -> None:
    chip = Chip(render=render, capture=capture, bidirectional=both, sdo_lines=4)
    assert chip.read(0, 2) == render << 12 | capture << 8 | both << 3 | 2 << 1 | 1
    count = render + capture + both
    chip.write(0x20, 4, 0xFFFFFFFF)
    assert chip.read(0x20) == 0xC0000000 | (1 << count) - 1, "only bits of existing descriptors are writable"
    chip.write(0x38, 4, 0xFFFFFFFF)
    assert chip.read(0x38) == (1 << count) - 1
    assert chip.read(chip.sd(count, 8)) == 0
    chip.write(chip.sd(count, 8), 4, 0xFFFFFFFF)
    assert chip.read(chip.sd(count, 8)) == 0, "unimplemented bytes ignore writes"


def test_position_alias() -> None:
    chip = Chip()
    chip.program()
    chip.ctl(4, RUN)
    for _ in range(600):
        chip.frames(1)
        assert chip.read(0x2084 + 0x80) == chip.lpib(4)


# --- §3: reset -----------------------------------------------------------------------------------------------


def test_controller_reset_clears_all_but_the_resume_well() -> None:
    chip = Chip(codecs=[(0, None), (3, None)])
    chip.write(0x0C, 2, 0x0008)
    chip.write(0x0E, 2, 0x0001)
    chip.program(4)
    chip.rings()
    chip.ctl(4, RUN | IOCE)
    chip.frames(50)
    chip.write(0x08, 4, 0)
    chip.frames(1)
    assert chip.read(0x08) == 0
    assert (chip.read(0x0C, 2), chip.read(0x0E, 2)) == (8, 8)
    for offset, size in (
        (0x20, 4),
        (0x30, 4),
        (0x40, 4),
        (0x48, 2),
        (0x4A, 2),
        (0x4C, 1),
        (0x50, 4),
        (0x58, 2),
        (0x5C, 1),
    ):
        assert chip.read(offset, size) == 0, hex(offset)
    for offset in (0, 4, 8, 0xC, 0x18):
        assert chip.read(chip.sd(4, offset)) == 0
    assert "CRST_WHILE_RUNNING" in chip.notes()
    heard = len(chip.heard())
    chip.frames(100)
    assert len(chip.heard()) == heard


def test_no_dma_after_reset() -> None:
    chip = Chip()
    chip.listen(2, nid=0x20)
    chip.hda.codecs[0].feed(2, b"\xaa" * 100000)
    chip.program(0, (960, 960), tag=2, data=bytes(1920))
    chip.write(0x70, 4, POSITIONS | 1)
    chip.ctl(0, RUN)
    chip.frames(100)
    chip.write(0x08, 4, 0)
    chip.frames(1)
    before = bytes(chip.pc.memory.read(chip.place(0), 2048)), bytes(chip.pc.memory.read(POSITIONS, 64))
    chip.frames(500)
    assert (bytes(chip.pc.memory.read(chip.place(0), 2048)), bytes(chip.pc.memory.read(POSITIONS, 64))) == before


def test_flush_needs_stopped_streams() -> None:
    chip = Chip()
    chip.program()
    chip.ctl(4, RUN)
    chip.write(0x08, 4, 3)
    chip.frames(2)
    assert "FLUSH_WHILE_RUNNING" in chip.notes()


# --- §5: descriptor lists ------------------------------------------------------------------------------------


def test_a_cyclic_length_that_is_not_the_sum() -> None:
    """LPIB wraps at CBL, the list after LVI, independently; a note."""
    chip = Chip(timing="ideal")
    data = chip.program(4, (960, 960), cbl=1000)
    chip.listen()
    chip.ctl(4, RUN)
    for _ in range(700):
        chip.frames(1)
        assert chip.lpib() == chip.hda.position(4).link_bytes % 1000
    assert chip.heard() == (data * 3)[: len(chip.heard())]
    assert chip.notes() == ["CBL_MISMATCH"]


def test_one_entry_is_carried_out_with_a_note() -> None:
    chip = Chip()
    data = chip.program(4, (960,))
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(500)
    assert chip.heard() == (data * 3)[: len(chip.heard())]
    assert "LVI_ZERO" in chip.notes()


def test_misaligned_buffers_are_carried_out_with_a_note() -> None:
    chip = Chip()
    data = pattern(1920, 7)
    chip.pc.memory.write(chip.place(4) + 66, data)
    table = struct.pack("<QIIQII", chip.place(4) + 66, 960, 1, chip.place(4) + 1026, 960, 1)
    chip.pc.memory.write(chip.bdl_address(4), table)
    chip.registers(4, 1920, 1, 1, DVD, chip.bdl_address(4))
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(500)
    assert chip.heard() == (data * 2)[: len(chip.heard())]
    assert "BDL_ALIGNMENT" in chip.notes()


@pytest.mark.parametrize("entry", [(BASE + 0x500000, 0, 1), (BASE + 0x500001, 960, 1)], ids=["length 0", "odd address"])
def test_entries_that_cannot_be_used(entry: tuple[int, int, int]) -> None:
    chip = Chip()
    chip.pc.memory.write(chip.bdl_address(4), struct.pack("<QIIQII", chip.place(4), 960, 0, *entry))
    chip.registers(4, 1920, 1, 1, DVD, chip.bdl_address(4))
    chip.ctl(4, RUN)
    chip.frames(400)
    assert chip.sts() & DESE
    assert chip.read(chip.sd(4, 0), 1) & RUN == 0
    chip.clear(4, DESE)
    assert not chip.sts() & DESE


@pytest.mark.parametrize("prefetch", [False, True])
def test_when_descriptors_are_read(prefetch: bool) -> None:
    """Entry k when its first byte is needed, or all at RUN as emulators do."""
    chip = Chip(timing="ideal", bdl_prefetch=prefetch)
    data = chip.program(4, (960, 960))
    other = pattern(960, 99)
    chip.pc.memory.write(chip.place(6), other)
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(100)
    chip.pc.memory.write(chip.bdl_address(4) + 16, struct.pack("<Q", chip.place(6)))
    chip.frames(380)
    second = data[960:] if prefetch else other
    assert chip.heard() == (data[:960] + second)[: len(chip.heard())]
    assert len(chip.heard()) >= 1916


def test_bytes_are_read_when_they_are_fetched() -> None:
    """Ideal: a byte written one frame before it is due is heard; under controller timing it is up to F too late."""
    for timing, lead in (("ideal", 0), ("controller", 192)):
        chip = Chip(timing=timing)
        chip.program(4, (960, 960), data=bytes(1920))
        chip.listen()
        chip.ctl(4, RUN)
        chip.frames(100)
        link = chip.hda.position(4).link_bytes
        chip.pc.memory.write(chip.place(4) + link, b"\xff" * (960 - link))
        chip.frames(100)
        assert chip.heard()[link : link + lead] == bytes(lead)
        assert chip.heard()[link + lead : link + 300] == b"\xff" * (300 - lead)


# --- §6: streams ---------------------------------------------------------------------------------------------


def test_synchronous_stop() -> None:
    chip = Chip()
    for n, form in ((4, DVD), (5, 0x0831)):
        chip.program(n, tag=n, form=form)
        chip.ctl(n, RUN)
    chip.frames(100)
    chip.write(0x38, 4, 0x30)
    chip.frames(1)
    places = chip.lpib(4), chip.lpib(5)
    for n in (4, 5):
        chip.frames(3)
        chip.ctl(n, 0)
        chip.frames(2)
    assert (chip.lpib(4), chip.lpib(5)) == places
    chip.write(0x38, 4, 0)
    chip.frames(10)
    assert (chip.lpib(4), chip.lpib(5)) == places


def test_fifordy() -> None:
    chip = Chip()
    chip.program()
    assert not chip.sts() & FIFORDY
    chip.ctl(4, RUN)
    chip.frames(2)
    assert chip.sts() & FIFORDY
    chip.clear(4, 0xFF)
    assert chip.sts() & FIFORDY, "read only"
    chip.ctl(4, 0)
    chip.frames(1)
    chip.reset_stream()
    assert not chip.sts() & FIFORDY


def test_fifo_invariant() -> None:
    """L ≤ D ≤ L + F, and right after each frame D = L + F."""
    chip = Chip()
    chip.program(4, (962, 958))
    chip.ctl(4, RUN)
    chip.frames(2)
    for _ in range(1000):
        chip.frames(1)
        place = chip.hda.position(4)
        assert place.dma_bytes == place.link_bytes + 192


def test_overrun_of_capture() -> None:
    chip = Chip()
    chip.listen(2, nid=0x20)
    fed = pattern(20000, 4)
    chip.hda.codecs[0].feed(2, fed)
    chip.program(0, (960, 960), tag=2, data=bytes(1920))
    chip.ctl(0, RUN)
    chip.frames(50)
    chip.hda.stall(True)
    chip.frames(192 // 4 + 5)
    assert chip.sts(0) & FIFOE
    full = chip.hda.position(0)
    assert full.link_bytes - full.dma_bytes == 192
    chip.frames(100)
    assert chip.hda.position(0).link_bytes == full.link_bytes, "L does not advance for lost data"
    chip.hda.stall(False)
    chip.frames(100)
    place = chip.hda.position(0)
    assert place.link_bytes > full.link_bytes
    memory = bytes(chip.pc.memory.read(chip.place(0), 960))
    assert memory[: full.link_bytes] == fed[: full.link_bytes], "what was in the FIFO is kept"
    assert memory[full.link_bytes : full.link_bytes + 40] != fed[full.link_bytes : full.link_bytes + 40], "lost"


# --- §7: interrupts ------------------------------------------------------------------------------------------


def test_error_interrupts_have_enables_of_their_own() -> None:
    for enable, cause in ((FEIE, "fifo_error"), (DEIE, "descriptor_error")):
        for on in (False, True):
            chip = Chip()
            chip.write(0x20, 4, GIE | 1 << 4)
            chip.program()
            chip.ctl(4, RUN | (enable if on else 0))
            chip.frames(10)
            chip.hda.inject(cause)
            chip.frames(500)
            assert chip.sts() & (FIFOE | DESE)
            assert chip.read(0x24) & 1 << 4
            assert chip.hda.interrupt_line is on
            chip.clear(4)
            assert not chip.hda.interrupt_line


def test_corb_fetch_error() -> None:
    chip = Chip()
    chip.write(0x20, 4, GIE | CIE)
    chip.rings()
    chip.write(0x4C, 1, 0)
    chip.frames(2)
    chip.write(0x40, 4, HOLE)
    chip.write(0x4C, 1, 3)
    chip.write(0x48, 2, 1)
    chip.frames(3)
    assert chip.read(0x4D, 1) & 1
    assert chip.read(0x4C, 1) & 2 == 0, "the engine stops"
    assert chip.hda.interrupt_line
    chip.write(0x4D, 1, 1)
    assert not chip.hda.interrupt_line


def test_writes_to_intsts_have_no_effect() -> None:
    chip = Chip()
    chip.program()
    chip.ctl(4, RUN)
    chip.frames(300)
    before = chip.read(0x24)
    chip.write(0x24, 4, 0xFFFFFFFF)
    assert chip.read(0x24) == before != 0


def test_a_wide_write_clears_status_by_accident() -> None:
    """§1: a 32-bit read-modify-write of SDnCTL clears the status bits that read 1."""
    chip = Chip()
    chip.program()
    chip.ctl(4, RUN)
    chip.frames(300)
    value = chip.read(chip.sd(4, 0))
    assert value >> 24 & BCIS
    chip.write(chip.sd(4, 0), 4, value)
    assert not chip.sts() & BCIS
    assert chip.read(chip.sd(4, 0), 1) & RUN


# --- §9: stripes and too much on the link --------------------------------------------------------------------


def test_a_stripe_changes_no_byte() -> None:
    chip = Chip(sdo_lines=2)
    data = chip.program()
    chip.listen()
    chip.write(chip.sd(4, 2), 1, 0x11)
    chip.ctl(4, RUN)
    chip.frames(300)
    assert chip.hda.position(4).link_bytes in (1196, 1200)
    assert chip.heard() == data[: len(chip.heard())]
    assert chip.notes() == []


def test_a_stripe_beyond_the_lines() -> None:
    chip = Chip(sdo_lines=1)
    chip.program()
    chip.write(chip.sd(4, 2), 1, 0x11)
    chip.ctl(4, RUN)
    chip.frames(10)
    assert "STRIPE_LIMIT" in chip.notes()


def test_too_much_on_the_link_runs_with_a_note() -> None:
    chip = Chip()
    data = chip.program(4, form=0x1847)
    chip.listen(form=0x1847)
    chip.ctl(4, RUN)
    chip.frames(30)
    assert {"OVERSUBSCRIBED", "STREAM_PAYLOAD"} & set(chip.notes())
    assert chip.heard() == (data * 3)[: len(chip.heard())]


# --- §10: the position buffer --------------------------------------------------------------------------------


def test_slots_by_descriptor() -> None:
    chip = Chip()
    chip.pc.memory.write(POSITIONS, bytes(64))
    chip.write(0x70, 4, POSITIONS | 1)
    for n in (4, 5, 7):
        chip.program(n, tag=n, form=(DVD, CD, 0, 0x0A11)[n - 4])
        chip.ctl(n, RUN)
    chip.frames(100)
    for n in range(8):
        low = struct.unpack("<I", bytes(chip.pc.memory.read(POSITIONS + 8 * n, 4)))[0]
        assert low == (chip.hda.position(n).dma_bytes % 1920 if n in (4, 5, 7) else 0)


def test_stream_reset_leaves_the_slot_alone() -> None:
    chip = Chip()
    chip.write(0x70, 4, POSITIONS | 1)
    chip.program()
    chip.ctl(4, RUN)
    chip.frames(50)
    chip.ctl(4, 0)
    chip.frames(2)
    before = bytes(chip.pc.memory.read(POSITIONS + 32, 8))
    assert any(before)
    chip.reset_stream()
    assert bytes(chip.pc.memory.read(POSITIONS + 32, 8)) == before


# --- §11 – §13: commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "code", "size"), [(1, 0, 2), (2, 1, 16), (4, 2, 256), (7, 0, 2), (7, 1, 16), (7, 2, 256)]
)
def test_ring_sizes(mask: int, code: int, size: int) -> None:
    chip = Chip(corb_sizes=mask, rirb_sizes=mask)
    for offset in (0x4E, 0x5E):
        assert chip.read(offset, 1) >> 4 == mask
        chip.write(offset, 1, code)
        assert chip.read(offset, 1) & 3 == code
    chip.rings()
    codec, last, found = chip.hda.codecs[0], 0, []
    for number in range(2 * size + 3 if size < 256 else 40):
        slot = (number + 1) % size
        chip.pc.memory.write(CORB + 4 * slot, struct.pack("<I", GET_VENDOR + 2 * (number % 2)))
        chip.write(0x48, 2, slot)
        chip.frames(3)
        last = (last + 1) % size
        assert chip.read(0x58, 2) == last
        found.append(chip.response(last)[0])
    assert found == [codec.parameter(0, 2 * (i % 2)) for i in range(len(found))]


def test_corb_reset_handshake() -> None:
    chip = Chip()
    chip.rings()
    chip.verbs([GET_VENDOR] * 3)
    chip.frames(5)
    assert chip.read(0x4A, 2) == 3
    chip.write(0x4C, 1, 0)
    chip.frames(1)
    assert chip.read(0x4C, 1) == 0
    assert chip.read(0x4A, 2) == 3, "RP keeps its value"
    chip.write(0x4A, 2, 0x8000)
    assert chip.read(0x4A, 2) == 0x8000
    chip.write(0x4C, 1, 2)
    chip.frames(5)
    assert chip.read(0x4A, 2) == 0x8000, "nothing is fetched meanwhile"


def test_corb_reset_of_some_parts_clears_itself() -> None:
    chip = Chip(corb_reset_quirk=True)
    chip.write(0x4A, 2, 0x8000)
    assert chip.read(0x4A, 2) == 0


def test_responses_without_rirb_dma_are_dropped() -> None:
    chip = Chip()
    chip.rings(rirbctl=0)
    chip.verbs([GET_VENDOR] * 3)
    chip.frames(10)
    assert chip.read(0x4A, 2) == 3
    assert chip.read(0x58, 2) == 0
    chip.write(0x5C, 1, 2)
    chip.frames(10)
    assert chip.read(0x58, 2) == 0


def test_response_overrun() -> None:
    chip = Chip()
    chip.write(0x20, 4, GIE | CIE)
    chip.rings(rirbctl=6)
    chip.hda.inject("rirb_overrun")
    chip.verbs([GET_VENDOR])
    chip.frames(5)
    assert chip.read(0x5D, 1) & 4
    assert chip.read(0x58, 2) == 0
    assert chip.hda.interrupt_line
    chip.write(0x5D, 1, 4)
    assert not chip.hda.interrupt_line


def test_rintcnt_0_is_256() -> None:
    chip = Chip()
    chip.rings(rintcnt=0, rirbctl=3)
    chip.verbs([GET_VENDOR] * 255)
    for _ in range(254):
        chip.frames(1)
        assert not chip.read(0x5D, 1) & 1
    chip.frames(5)
    assert chip.read(0x5D, 1) & 1, "at the empty slot"


def test_slow_codec() -> None:
    chip = Chip()
    chip.hda.codecs[0].behave(response_frames=20)
    chip.rings()
    chip.verbs([GET_VENDOR, GET_REVISION])
    chip.frames(15)
    assert chip.read(0x58, 2) == 0
    chip.frames(10)
    assert chip.read(0x58, 2) == 2
    codec = chip.hda.codecs[0]
    assert [chip.response(i)[0] for i in (1, 2)] == [codec.parameter(0, 0), codec.parameter(0, 2)]


def test_immediate_command_beside_the_rings() -> None:
    chip = Chip()
    chip.rings()
    chip.write(0x60, 4, GET_VENDOR)
    chip.write(0x68, 2, BUSY)
    chip.frames(3)
    assert chip.read(0x64) == chip.hda.codecs[0].parameter(0, 0)
    assert "IMMEDIATE_WHILE_RINGS" in chip.notes()
    assert chip.read(0x58, 2) == 0


def test_busy_written_while_busy() -> None:
    chip = Chip()
    chip.write(0x60, 4, GET_VENDOR)
    for _ in range(5):
        chip.write(0x68, 2, BUSY)
    chip.frames(3)
    assert chip.read(0x68, 2) & 3 == VALID
    assert chip.read(0x64) == chip.hda.codecs[0].parameter(0, 0)
    chip.write(0x68, 2, VALID)
    chip.frames(10)
    assert chip.read(0x68, 2) & 3 == 0, "sent once"
