"""The 51 conformance cases of the controller (specification hda-controller §16); the test is the bus driver.

Common set-up: ISS = OSS = 4, 64OK, generic personality, F = 192 bytes, latencies one frame, stream 4 (the
first output) with tag 1 and format 0x0011, GIE = 1.
"""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest

import storsim
from kit.chip import *
from kit.chip import Chip, pattern

ONE_FRAME = 4
CAPTURE_NID, RENDER_NID = 0x20, 0x10
GET_VENDOR, GET_REVISION, GET_NODES = 0xF0000, 0xF0002, 0xF0004


@pytest.fixture
def chip() -> Chip:
    return Chip()


def c14(chip: Chip, control: int = RUN, *, ioc: set[int] | None = None) -> bytes:
    """The set-up of C14: two entries of 960 bytes, IOC on both, RUN."""
    data = chip.program(4, (960, 960), ioc)
    chip.listen()
    chip.ctl(4, control)
    return data


#: name, offset, width in bytes, value after power-on. Source: hda-controller §2 and §4.
POWER_ON = [
    ("GCAP", 0x00, 2, 0x4401), ("VMIN", 0x02, 1, 0), ("VMAJ", 0x03, 1, 1), ("OUTPAY", 0x04, 2, 0x3C),
    ("INPAY", 0x06, 2, 0x1D), ("GCTL", 0x08, 4, 0), ("WAKEEN", 0x0C, 2, 0), ("STATESTS", 0x0E, 2, 0),
    ("GSTS", 0x10, 2, 0), ("OUTSTRMPAY", 0x18, 2, 0x30), ("INSTRMPAY", 0x1A, 2, 0x18), ("INTCTL", 0x20, 4, 0),
    ("INTSTS", 0x24, 4, 0), ("WALCLK", 0x30, 4, 0), ("SSYNC", 0x38, 4, 0), ("CORBLBASE", 0x40, 4, 0),
    ("CORBUBASE", 0x44, 4, 0), ("CORBWP", 0x48, 2, 0), ("CORBRP", 0x4A, 2, 0), ("CORBCTL", 0x4C, 1, 0),
    ("CORBSTS", 0x4D, 1, 0), ("CORBSIZE", 0x4E, 1, 0x42), ("RIRBLBASE", 0x50, 4, 0), ("RIRBUBASE", 0x54, 4, 0),
    ("RIRBWP", 0x58, 2, 0), ("RINTCNT", 0x5A, 2, 0), ("RIRBCTL", 0x5C, 1, 0), ("RIRBSTS", 0x5D, 1, 0),
    ("RIRBSIZE", 0x5E, 1, 0x42), ("ICOI", 0x60, 4, 0), ("ICII", 0x64, 4, 0), ("ICIS", 0x68, 2, 0),
    ("DPLBASE", 0x70, 4, 0), ("DPUBASE", 0x74, 4, 0),
]  # fmt: skip
DESCRIPTOR = [
    ("STS", 3, 1),
    ("LPIB", 4, 4),
    ("CBL", 8, 4),
    ("LVI", 12, 2),
    ("FMT", 18, 2),
    ("BDPL", 24, 4),
    ("BDPU", 28, 4),
]


def test_c01_power_on() -> None:
    chip = Chip(up=False)
    for name, offset, size, value in POWER_ON:
        assert chip.read(offset, size) == value, name
        assert getattr(chip.regs, name) == value
    for n in range(8):
        for name, offset, size in DESCRIPTOR:
            assert chip.read(chip.sd(n, offset), size) == 0, f"SD{n}{name}"
        assert [chip.read(chip.sd(n, i), 1) for i in range(3)] == [0, 0, 0]
    assert not chip.hda.interrupt_line


def test_c02_writes_in_reset() -> None:
    chip = Chip(up=False)
    chip.write(0x40, 4, 0x1234580)
    assert chip.read(0x40) == 0
    chip.write(0x08, 4, 1)
    chip.frames(2)
    assert chip.read(0x40) == 0, "the write was ignored, not kept"


def test_c03_leaving_reset() -> None:
    chip = Chip(up=False)
    chip.pc.advance(ticks=123)
    chip.write(0x08, 4, 1)
    waited = 0
    while not chip.read(0x08) & 1:
        chip.pc.advance(ticks=1)
        waited += 1
    assert waited <= FRAME
    assert chip.read(0x30) <= FRAME
    before = chip.read(0x30)
    chip.pc.advance(ticks=77)
    assert chip.read(0x30) == before + 77


def test_c04_codecs_signal_themselves() -> None:
    chip = Chip(up=False, codecs=[(0, None), (2, None)])
    assert chip.read(0x0E, 2) == 0
    chip.write(0x08, 4, 1)
    while not chip.read(0x08) & 1:
        chip.pc.advance(ticks=1)
    assert chip.read(0x0E, 2) == 0
    chip.pc.advance(ticks=521 * 24)
    assert chip.read(0x0E, 2) == 0x0005


def test_c05_state_change_bits_survive_reset() -> None:
    chip = Chip(codecs=[(0, None), (2, None)])
    assert chip.read(0x0E, 2) == 5
    chip.write(0x0E, 2, 0x0001)
    assert chip.read(0x0E, 2) == 4
    chip.write(0x08, 4, 0)
    chip.frames(2)
    assert chip.read(0x08) & 1 == 0
    assert chip.read(0x0E, 2) == 4
    chip.write(0x08, 4, 1)
    chip.frames(1)
    assert chip.read(0x08) & 1
    assert chip.read(0x0E, 2) == 4, "before the codecs are detected again"
    chip.frames(26)
    assert chip.read(0x0E, 2) == 5


def test_c06_wake_interrupt() -> None:
    chip = Chip(codecs=[(0, None), (2, None)])
    chip.write(0x0E, 2, 0x7FFF)
    chip.write(0x0C, 2, 0x0004)
    chip.write(0x20, 4, GIE | CIE)
    assert not chip.hda.interrupt_line
    chip.hda.codecs[1].wake()
    chip.frames(1)
    assert chip.read(0x0E, 2) == 4
    assert chip.read(0x24) == GIE | CIE
    assert chip.hda.interrupt_line
    chip.write(0x0E, 2, 4)
    assert not chip.hda.interrupt_line
    assert chip.read(0x24) == 0


#: name, offset, width, what to write, read-back. RUN, SRST, CRST, ICB, CORBRUN, RIRBDMAEN stay 0.
WRITE_MASKS = [
    ("CORBLBASE", 0x40, 4, 0xFFFFFF80), ("CORBUBASE", 0x44, 4, 0xFFFFFFFF), ("RIRBLBASE", 0x50, 4, 0xFFFFFF80),
    ("RIRBUBASE", 0x54, 4, 0xFFFFFFFF), ("DPLBASE", 0x70, 4, 0xFFFFFF81), ("DPUBASE", 0x74, 4, 0xFFFFFFFF),
    ("CORBWP", 0x48, 2, 0x00FF), ("RINTCNT", 0x5A, 2, 0x00FF), ("INTCTL", 0x20, 4, 0xC00000FF),
    ("WAKEEN", 0x0C, 2, 0x7FFF),
    ("SSYNC", 0x38, 4, 0x000000FF), ("ICOI", 0x60, 4, 0xFFFFFFFF),
    *(
        (f"SD{n}{name}", 0x80 + 0x20 * n + offset, size, mask)
        for n in range(8)
        for name, offset, size, mask in (
            ("CBL", 8, 4, 0xFFFFFFFF), ("LVI", 12, 2, 0x00FF), ("FMT", 18, 2, 0x7F7F), ("BDPL", 24, 4, 0xFFFFFF80),
            ("BDPU", 28, 4, 0xFFFFFFFF),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "offset", "size", "mask"), WRITE_MASKS, ids=[row[0] for row in WRITE_MASKS])
def test_c07_write_masks(chip: Chip, name: str, offset: int, size: int, mask: int) -> None:
    ones = (1 << 8 * size) - 1
    for value in (ones, 0, 0x5A5A5A5A & ones, 0xA5A5A5A5 & ones, 0):
        chip.write(offset, size, value)
        assert chip.read(offset, size) == value & mask
        assert getattr(chip.regs, name) == value & mask
    for lane in range(size):
        chip.write(offset + lane, 1, 0xFF)
        assert chip.read(offset, size) == mask & 0xFF << 8 * lane, "a narrower access touches only its bytes"
        chip.write(offset + lane, 1, 0)


def test_c08_read_only_registers(chip: Chip) -> None:
    places = [(0x00, 2), (0x02, 1), (0x03, 1), (0x04, 2), (0x06, 2), (0x18, 2), (0x1A, 2), (0x24, 4)]
    places += [(chip.sd(n, 4), 4) for n in range(8)] + [(chip.sd(n, 0x10), 2) for n in range(4)]
    before = [chip.read(*place) for place in places]
    clock = chip.read(0x30)
    for offset, size in places:
        chip.write(offset, size, (1 << 8 * size) - 1)
    chip.write(0x30, 4, 0xFFFFFFFF)
    chip.write(0x2030, 4, 0xFFFFFFFF)
    assert [chip.read(*place) for place in places] == before
    assert chip.read(0x30) == chip.read(0x2030) == clock


def test_c09_a_wide_read_covers_several_registers(chip: Chip) -> None:
    assert chip.read(0x00, 4) == 0x01004401
    assert chip.read(0x01, 1) == 0x44
    assert chip.read(0x04, 4) == 0x001D003C


def test_c10_a_narrow_write_touches_its_byte(chip: Chip) -> None:
    chip.program()
    chip.ctl(4, IOCE | FEIE)
    chip.write(chip.sd(4, 2), 1, 0x50)
    assert chip.read(chip.sd(4, 0), 4) & 0xFFFFFF == 0x500000 | IOCE | FEIE
    chip.ctl(4, IOCE | RUN)
    chip.write(chip.sd(4, 2), 1, 0x30)
    assert chip.read(chip.sd(4, 0), 1) == IOCE | RUN


def test_c11_stream_reset(chip: Chip) -> None:
    chip.program()
    chip.ctl(4, RUN | IOCE)
    chip.frames(10)
    chip.ctl(4, IOCE)
    chip.frames(1)
    assert chip.lpib() > 0
    chip.ctl(4, SRST)
    chip.frames(1)
    assert chip.read(chip.sd(4, 0), 1) & SRST
    for offset, size in ((4, 4), (8, 4), (12, 2), (18, 2), (24, 4), (28, 4), (2, 1), (3, 1)):
        assert chip.read(chip.sd(4, offset), size) == 0, hex(offset)


def test_c12_writes_in_stream_reset(chip: Chip) -> None:
    chip.ctl(4, SRST)
    chip.frames(1)
    chip.write(chip.sd(4, 8), 4, 0x100)
    chip.ctl(4, 0)
    chip.frames(1)
    assert chip.read(chip.sd(4, 0), 1) & SRST == 0
    assert chip.read(chip.sd(4, 8)) == 0
    chip.write(chip.sd(4, 8), 4, 0x100)
    assert chip.read(chip.sd(4, 8)) == 0x100


def test_c13_stream_reset_while_running(chip: Chip) -> None:
    chip.listen(2, nid=CAPTURE_NID)
    chip.program(0, (960, 960), tag=2, data=bytes(1920))
    chip.hda.codecs[0].feed(2, b"\xaa" * 4000)
    chip.ctl(0, RUN)
    chip.frames(50)
    chip.ctl(0, SRST)
    chip.frames(1)
    assert chip.read(chip.sd(0, 0), 1) == SRST
    assert chip.lpib(0) == 0
    memory = bytes(chip.pc.memory.read(chip.place(0), 960))
    chip.frames(200)
    assert bytes(chip.pc.memory.read(chip.place(0), 960)) == memory
    assert chip.notes(), "software must not do this"


def test_c14_positions_and_completions(chip: Chip) -> None:
    c14(chip)
    first = None
    for ms in range(1, 21):
        for _ in range(48):
            chip.frames(1)
            if first is None and chip.sts() & BCIS:
                first = chip.hda.position(4)
        gap = (192 * ms - chip.lpib()) % 1920
        assert min(gap, 1920 - gap) <= ONE_FRAME
    assert first is not None
    assert first.dma_bytes >= 960 > first.dma_bytes - ONE_FRAME
    assert first.link_bytes >= 960 - 192
    assert first.link_bytes - ONE_FRAME < 960 - 192


def test_c15_interrupt_line(chip: Chip) -> None:
    chip.write(0x20, 4, GIE | 1 << 4)
    c14(chip, RUN | IOCE)
    seen = 0
    for _ in range(960):
        chip.frames(1)
        if chip.hda.interrupt_line:
            seen += 1
            assert chip.read(0x24) == GIE | 1 << 4
            chip.clear(4, BCIS)
            assert not chip.hda.interrupt_line
    assert seen == 4


@pytest.mark.parametrize(("intctl", "control"), [(GIE | 1 << 4, RUN), (GIE, RUN | IOCE)], ids=["c16", "c17"])
def test_c16_c17_enables_gate_the_line_only(chip: Chip, intctl: int, control: int) -> None:
    chip.write(0x20, 4, intctl)
    c14(chip, control)
    chip.frames(300)
    assert chip.sts() & BCIS
    assert chip.read(0x24) == GIE | 1 << 4, "SIS and GIS do not depend on enables"
    assert not chip.hda.interrupt_line


def test_c18_global_enable(chip: Chip) -> None:
    chip.write(0x20, 4, 1 << 4)
    c14(chip, RUN | IOCE)
    chip.frames(300)
    assert chip.sts() & BCIS
    assert not chip.hda.interrupt_line
    chip.write(0x20, 4, GIE | 1 << 4)
    assert chip.hda.interrupt_line


def test_c19_dma_never_waits_for_software(chip: Chip) -> None:
    c14(chip, RUN | IOCE)
    places = []
    for _ in range(50):
        chip.frames(48)
        places.append(chip.lpib())
    assert any(b < a for a, b in pairwise(places)), "wrapped"
    assert chip.hda.position(4).link_bytes == 50 * 192
    assert chip.sts() & BCIS


def test_c20_only_ones_clear(chip: Chip) -> None:
    c14(chip)
    chip.frames(300)
    for value, left in ((0x00, True), (0x18, True), (0x04, False)):
        chip.clear(4, value)
        assert bool(chip.sts() & BCIS) is left


def completions(chip: Chip, frames: int) -> list[int]:
    """D, whole bytes, at which BCIS was found set, looking every frame."""
    found = []
    for _ in range(frames):
        chip.frames(1)
        if chip.sts() & BCIS:
            chip.clear(4, BCIS)
            found.append(chip.hda.position(4).dma_bytes)
    return found


@pytest.mark.parametrize("timing", ["controller", "ideal"])
def test_c21_unequal_entries(timing: str) -> None:
    chip = Chip(timing=timing)
    data = chip.program(4, (192, 384, 768, 576), {2})
    chip.listen()
    chip.ctl(4, RUN)
    found = completions(chip, 480 * 3 + 2)
    assert [d - d % 4 - (d - 1344) % 1920 for d in found] == [1344 + 1920 * i for i in range(len(found))]
    assert all((d - 1344) % 1920 < ONE_FRAME for d in found)
    assert len(found) == 3
    assert chip.heard()[: 2 * 1920] == data * 2


def test_c22_interrupt_at_the_wrap(chip: Chip) -> None:
    chip.program(4, (480,) * 8, {7})
    chip.ctl(4, RUN)
    found = completions(chip, 960 * 3)
    assert [d // 3840 for d in found] == [1, 2, 3]
    assert all(d % 3840 < ONE_FRAME for d in found)


def test_c23_256_entries(chip: Chip) -> None:
    data = chip.program(4, (128,) * 256, set(), gap=128)
    chip.listen()
    assert chip.read(chip.sd(4, 12), 2) == 255
    chip.ctl(4, RUN)
    chip.frames(2 * 32768 // 4)
    assert chip.heard()[: 2 * 32768] == data * 2


@pytest.mark.parametrize("lengths", [(2, 1918), (962, 958), (1918, 2)], ids=["c24", "c25", "mirrored"])
@pytest.mark.parametrize("form", [DVD, 0x0031])
def test_c24_c25_seams(chip: Chip, lengths: tuple[int, int], form: int) -> None:
    data = chip.program(4, lengths, form=form, gap=128)
    chip.listen(form=form)
    chip.ctl(4, RUN)
    chip.frames(1500)
    heard = chip.heard()
    assert len(heard) >= 5000
    assert heard == (data * 8)[: len(heard)]


def test_c26_pause(chip: Chip) -> None:
    c14(chip)
    chip.frames(7 * 48)
    chip.ctl(4, 0)
    chip.frames(1)
    assert chip.read(chip.sd(4, 0), 1) & RUN == 0
    place = chip.lpib()
    assert abs(place - 7 * 192) <= 2 * ONE_FRAME
    for _ in range(10):
        chip.frames(48)
        assert chip.lpib() == place


def test_c27_resume(chip: Chip) -> None:
    data = c14(chip)
    for wait in (336, 1, 77, 500):
        chip.frames(wait)
        chip.ctl(4, 0)
        chip.frames(2)
        before = chip.lpib()
        chip.frames(31)
        chip.ctl(4, RUN)
        assert chip.lpib() == before
        chip.frames(11)
        assert (chip.lpib() - before) % 1920 >= 10 * 4
    heard = chip.heard()
    assert heard == (data * 10)[: len(heard)], "neither repeated nor left out"


def test_c28_reset_starts_at_zero(chip: Chip) -> None:
    c14(chip)
    chip.frames(336)
    chip.ctl(4, 0)
    chip.frames(1)
    chip.reset_stream()
    chip.hda.codecs[0].clear(1)
    data = c14(chip)
    assert chip.lpib() == 0
    chip.frames(100)
    heard = chip.heard()
    assert len(heard) >= 396
    assert heard == data[: len(heard)]


GROUPS = (12, 11, 11, 12, 11, 11, 12, 11, 11, 12, 11, 11, 11)


def per_frame(chip: Chip, frames: int) -> list[int]:
    """Bytes sent in each frame from the first that moves."""
    sent, last = [], chip.hda.position(4).link_bytes
    while len(sent) < frames:
        chip.frames(1)
        now = chip.hda.position(4).link_bytes
        if sent or now != last:
            sent.append(now - last)
        last = now
    return sent


def test_c29_cadence_of_44100(chip: Chip) -> None:
    chip.program(form=CD)
    chip.ctl(4, RUN)
    sent = per_frame(chip, 320)
    expected = [4 * active for group in GROUPS for active in [1] * group + [0]]
    assert sum(expected) == 588
    assert sent == expected * 2
    assert [i + 1 for i, n in enumerate(sent) if not n][:4] == [13, 25, 37, 50]


def test_c30_two_blocks_a_frame(chip: Chip) -> None:
    chip.program(form=0x0831)
    chip.ctl(4, RUN)
    assert per_frame(chip, 10) == [16] * 10


def test_c31_32_khz(chip: Chip) -> None:
    chip.program(form=0x0A10)
    chip.ctl(4, RUN)
    assert per_frame(chip, 6) == [4, 0, 0, 4, 0, 0]


def test_c32_capture(chip: Chip) -> None:
    fed = pattern(8000, 9)
    chip.listen(2, nid=CAPTURE_NID)
    chip.hda.codecs[0].feed(2, fed)
    chip.program(0, (960, 960), tag=2, data=bytes(1920))
    chip.ctl(0, RUN)
    arrived = b""
    half = 0
    for _ in range(1200):
        chip.frames(1)
        place = chip.hda.position(0)
        assert place.dma_bytes <= place.link_bytes <= place.dma_bytes + 192
        if chip.sts(0) & BCIS:
            assert place.dma_bytes // 960 == len(arrived) // 960 + 1
            chip.clear(0)
            arrived += bytes(chip.pc.memory.read(chip.place(0) + (960 + 64) // 128 * 128 * half, 960))
            half ^= 1
    assert len(arrived) >= 3 * 960
    assert arrived == fed[: len(arrived)]


def test_c33_two_streams(chip: Chip) -> None:
    first = c14(chip)
    second = chip.program(5, (960, 960), tag=2, form=CD)
    chip.listen(2, CD, nid=0x11)
    chip.frames(13)
    chip.ctl(5, RUN)
    seen = set()
    for _ in range(600):
        chip.frames(1)
        bits = chip.read(0x24) & 0x3FFFFFFF
        assert bits == (1 << 4 if chip.sts(4) & BCIS else 0) | (1 << 5 if chip.sts(5) & BCIS else 0)
        seen.add(bits)
        if bits:
            chip.clear(4)
            chip.clear(5)
    assert {1 << 4, 1 << 5} <= seen
    assert chip.hda.position(5).link_bytes < chip.hda.position(4).link_bytes
    assert chip.heard(1) == (first * 3)[: len(chip.heard(1))]
    assert chip.heard(2) == (second * 3)[: len(chip.heard(2))]


def test_c34_synchronous_start(chip: Chip) -> None:
    chip.write(0x38, 4, 0x30)
    chip.program(4)
    chip.program(5, tag=2)
    chip.ctl(4, RUN)
    chip.frames(3)
    chip.ctl(5, RUN)
    chip.frames(2)
    assert chip.sts(4) & chip.sts(5) & FIFORDY
    for _ in range(5):
        chip.frames(48)
        assert (chip.lpib(4), chip.lpib(5)) == (0, 0)
        assert chip.hda.position(4).dma_bytes == chip.hda.position(5).dma_bytes == 192
    chip.write(0x38, 4, 0)
    for _ in range(20):
        chip.frames(1)
        assert chip.lpib(4) == chip.lpib(5)
    assert chip.lpib(4) > 0


def slot(chip: Chip, n: int) -> tuple[int, int]:
    low, high = struct.unpack("<II", bytes(chip.pc.memory.read(POSITIONS + 8 * n, 8)))
    return low, high


def test_c35_position_buffer(chip: Chip) -> None:
    chip.pc.memory.write(POSITIONS, b"\xee" * 64)
    chip.write(0x70, 4, POSITIONS | 1)
    c14(chip)
    chip.frames(2)
    for _ in range(600):
        chip.frames(1)
        low, high = slot(chip, 4)
        assert low == chip.hda.position(4).dma_bytes % 1920
        assert 0 <= (low - chip.lpib()) % 1920 <= 192
        assert high == 0xEEEEEEEE
    assert bytes(chip.pc.memory.read(POSITIONS, 32)) == b"\xee" * 32
    assert bytes(chip.pc.memory.read(POSITIONS + 40, 24)) == b"\xee" * 24


def test_c36_position_buffer_off(chip: Chip) -> None:
    chip.write(0x70, 4, POSITIONS | 1)
    c14(chip)
    chip.frames(100)
    chip.write(0x70, 4, POSITIONS)
    chip.frames(1)
    before = slot(chip, 4)
    assert before[0] > 0
    chip.frames(100)
    assert slot(chip, 4) == before
    assert chip.notes() == [], "enable bits may be written while running (ruling R46)"


@pytest.mark.parametrize("control", [RUN, RUN | DEIE])
def test_c37_list_not_in_memory(chip: Chip, control: int) -> None:
    chip.write(0x20, 4, GIE | 1 << 4)
    chip.registers(4, 1920, 1, 1, DVD, HOLE)
    chip.ctl(4, control)
    chip.frames(2)
    assert chip.sts() & DESE
    assert chip.read(chip.sd(4, 0), 1) & RUN == 0
    assert chip.read(0x24) & 1 << 4
    assert chip.hda.interrupt_line is bool(control & DEIE)


def test_c38_buffer_not_in_memory(chip: Chip) -> None:
    data = pattern(960, 5)
    chip.pc.memory.write(chip.place(4), data)
    table = struct.pack("<QIIQII", chip.place(4), 960, 1, HOLE, 960, 1)
    chip.pc.memory.write(chip.bdl_address(4), table)
    chip.registers(4, 1920, 1, 1, DVD, chip.bdl_address(4))
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(300)
    assert chip.sts() & (DESE | BCIS) == DESE | BCIS
    assert chip.read(chip.sd(4, 0), 1) & RUN == 0
    heard = chip.heard()
    assert heard == data[: len(heard)]
    assert 960 - 192 <= len(heard) <= 960, "what was in the FIFO is dropped"


def test_c38_under_ideal_timing_the_whole_entry_plays() -> None:
    chip = Chip(timing="ideal")
    chip.pc.memory.write(chip.place(4), pattern(960, 5))
    chip.pc.memory.write(chip.bdl_address(4), struct.pack("<QIIQII", chip.place(4), 960, 1, HOLE, 960, 1))
    chip.registers(4, 1920, 1, 1, DVD, chip.bdl_address(4))
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(300)
    assert chip.sts() & DESE
    assert chip.heard() == pattern(960, 5)


def test_c39_starved(chip: Chip) -> None:
    data = c14(chip)
    chip.frames(20)
    chip.hda.stall(True)
    chip.frames(192 // 4 + 2)
    assert chip.sts() & FIFOE
    frozen = chip.lpib()
    chip.clear(4, FIFOE)
    chip.frames(30)
    assert chip.lpib() == frozen
    assert chip.read(chip.sd(4, 0), 1) & RUN
    chip.hda.stall(False)
    chip.clear(4, FIFOE)
    chip.frames(20)
    assert (chip.lpib() - frozen) % 1920 >= 18 * 4
    assert not chip.sts() & FIFOE
    heard = chip.heard()
    assert heard == (data * 2)[: len(heard)]


def test_c40_wall_clock_rolls_over(chip: Chip) -> None:
    c14(chip)
    chip.frames(5)
    before = chip.hda.position(4).link_bytes
    chip.hda.set_wall_clock(2**32 - 1000)
    chip.pc.advance(ticks=2400)
    assert chip.read(0x30) == 1400
    assert chip.read(0x2030) == 1400
    assert chip.hda.position(4).link_bytes - before in (16, 20)


def test_c41_commands(chip: Chip) -> None:
    chip.rings()
    chip.verbs([GET_VENDOR, GET_REVISION, GET_NODES])
    pointers = []
    for _ in range(3):
        chip.frames(1)
        pointers.append(chip.read(0x4A, 2))
    assert pointers[-1] == 3
    assert sorted(set(pointers)) == pointers, "one verb per frame"
    chip.frames(1)
    assert chip.read(0x58, 2) == 3
    codec = chip.hda.codecs[0]
    assert [chip.response(i) for i in (1, 2, 3)] == [(codec.parameter(0, p), 0) for p in (0, 2, 4)]


def test_c42_interrupt_by_count_and_by_gap(chip: Chip) -> None:
    chip.rings(rintcnt=2, rirbctl=3)
    chip.verbs([GET_VENDOR, GET_REVISION, GET_NODES])
    at = []
    for _ in range(8):
        chip.frames(1)
        if chip.read(0x5D, 1) & 1:
            at.append(chip.read(0x58, 2))
            chip.write(0x5D, 1, 1)
    assert at == [2, 3]


def test_c43_interrupt_at_the_empty_slot(chip: Chip) -> None:
    chip.rings(rintcnt=255, rirbctl=3)
    chip.verbs([GET_VENDOR, GET_REVISION, GET_NODES])
    written = None
    for frame in range(10):
        chip.frames(1)
        if written is None and chip.read(0x58, 2) == 3:
            written = frame
            assert not chip.read(0x5D, 1) & 1
        elif chip.read(0x5D, 1) & 1:
            assert written is not None
            assert frame == written + 1
            return
    pytest.fail("no interrupt")


def test_c43_without_the_enable_there_is_no_flag(chip: Chip) -> None:
    chip.rings(rintcnt=255, rirbctl=2)
    chip.verbs([GET_VENDOR])
    chip.frames(10)
    assert chip.read(0x58, 2) == 1
    assert chip.read(0x5D, 1) == 0


def test_c44_absent_codec(chip: Chip) -> None:
    chip.rings()
    chip.verbs([7 << 28 | GET_VENDOR])
    chip.frames(10)
    assert chip.read(0x4A, 2) == 1
    assert chip.read(0x58, 2) == 0


def test_c45_unsolicited_responses(chip: Chip) -> None:
    chip.rings()
    chip.hda.codecs[0].unsolicited(5, 0x123)
    chip.frames(5)
    assert chip.read(0x58, 2) == 0
    chip.write(0x08, 4, 0x101)
    chip.frames(5)
    assert chip.read(0x58, 2) == 0, "dropped, not kept"
    chip.hda.codecs[0].unsolicited(37, 0x2ABCDEF)
    chip.frames(5)
    assert chip.read(0x58, 2) == 1
    assert chip.response(1) == (37 << 26 | 0x2ABCDEF, 0x10)


def test_c46_ring_wraps(chip: Chip) -> None:
    chip.rings()
    codec, sent, found, last = chip.hda.codecs[0], [], [], 0
    for batch in range(3):
        verbs = [GET_VENDOR + 2 * ((batch + i) % 3) for i in range(100)]
        sent += verbs
        chip.verbs(verbs)
        for _ in range(106):
            chip.frames(1)
            while last != chip.read(0x58, 2):
                last = (last + 1) % 256
                found.append(chip.response(last)[0])
    assert chip.read(0x4A, 2) == 300 - 256
    assert found == [codec.command(verb) for verb in sent]


def test_c46_slot_zero_is_used(chip: Chip) -> None:
    chip.rings()
    for _ in range(2):
        chip.verbs([GET_VENDOR] * 128)
        chip.frames(140)
    assert chip.read(0x58, 2) == 0
    assert chip.response(0)[0] == chip.hda.codecs[0].parameter(0, 0)


def test_c47_rirb_pointer_reset(chip: Chip) -> None:
    chip.rings()
    chip.verbs([GET_VENDOR] * 3)
    chip.frames(6)
    chip.write(0x5C, 1, 0)
    chip.write(0x58, 2, 0x8000)
    assert chip.read(0x58, 2) == 0


def test_c48_immediate_command(chip: Chip) -> None:
    chip.write(0x68, 2, 2)
    chip.write(0x60, 4, GET_VENDOR)
    chip.write(0x68, 2, 1)
    assert chip.read(0x68, 2) & 3 == 1
    chip.frames(3)
    assert chip.read(0x68, 2) & 3 == 2
    assert chip.read(0x64) == chip.hda.codecs[0].parameter(0, 0)
    chip.write(0x68, 2, 2)
    assert chip.read(0x68, 2) & 3 == 0


def test_c48_absent_codec_keeps_it_busy(chip: Chip) -> None:
    chip.write(0x60, 4, 9 << 28 | GET_VENDOR)
    chip.write(0x68, 2, 1)
    chip.frames(100)
    assert chip.read(0x68, 2) & 3 == 1
    chip.write(0x68, 2, 0)
    assert chip.read(0x68, 2) & 3 == 0


@pytest.mark.parametrize("ok64", [True, False])
def test_c49_above_4_gib(ok64: bool) -> None:
    chip = Chip(ok64=ok64)
    assert chip.read(0, 2) & 1 == ok64
    data = chip.program(base=HIGH + 0x8000)
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(100)
    if ok64:
        heard = chip.heard()
        assert len(heard) >= 98 * 4
        assert heard == data[: len(heard)]
        assert not chip.sts() & DESE
    else:
        assert chip.sts() & DESE
        assert chip.read(chip.sd(4, 0), 1) & RUN == 0
        chip.write(0x44, 4, 0xFFFFFFFF)
        chip.write(chip.sd(5, 0x1C), 4, 0xFFFFFFFF)
        assert chip.read(0x44) == chip.read(chip.sd(5, 0x1C)) == 0


def test_c49_buffer_across_4_gib() -> None:
    chip = Chip(ranges=[storsim.MemoryRange(BASE, 32 << 20), storsim.MemoryRange(HIGH - 0x10000, 0x20000)])
    data = chip.program(4, (1024, 1024), base=HIGH - 512)
    chip.listen()
    chip.ctl(4, RUN)
    chip.frames(600)
    heard = chip.heard()
    assert len(heard) > 2048
    assert heard == (data * 2)[: len(heard)]


def test_c50_two_outputs_with_one_tag(chip: Chip) -> None:
    first = chip.program(4, tag=1)
    second = chip.program(5, tag=1)
    assert first != second
    chip.listen()
    chip.ctl(4, RUN)
    assert chip.notes() == []
    chip.ctl(5, RUN)
    chip.frames(100)
    assert chip.notes()
    assert chip.lpib(4) > 0
    assert chip.lpib(5) > 0, "both send"
    heard = chip.heard()
    assert heard == first[: len(heard)], "the codec takes the lower index"


def test_c51_flush(chip: Chip) -> None:
    chip.write(0x70, 4, POSITIONS)
    chip.write(0x08, 4, 3)
    chip.frames(2)
    assert chip.read(0x10, 2) == 2
    assert chip.read(0x08) == 1
    chip.write(0x10, 2, 2)
    assert chip.read(0x10, 2) == 0
