"""Hostile use of the HD Audio half: kept buffers, numbers outside their types, removal from the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import storsim
from kit.chip import DVD, RUN, Chip
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V2, HDAUDIO_BUS_INTERFACE_V3, StreamFormat

CAPTURE_NID = 0x20
STOP, GO = 1, 2


def capturing(source: Callable[..., Any], *, raw: bool = False) -> Chip:
    """Stream 0 captures what a source sends."""
    chip = Chip()
    chip.listen(1, DVD, CAPTURE_NID)
    if raw:
        chip.pc._codec_source(chip.hda.number, 0, 1, source)
    else:
        chip.hda.codecs[0].feed(1, source)
    chip.program(0, (960, 960))
    chip.ctl(0, RUN)
    return chip


def test_a_buffer_given_to_a_source_may_be_kept() -> None:
    kept: list[Any] = []

    def source(address: int, tag: int, buffer: Any) -> int:
        kept.extend((buffer, memoryview(buffer)))
        buffer[:] = b"\x5a" * len(buffer)
        return len(buffer)

    chip = capturing(source, raw=True)
    chip.frames(400)
    captured = bytes(chip.pc.memory.read(chip.place(0), 960))
    assert captured == b"\x5a" * 960
    for buffer in kept:
        assert bytes(buffer)[1:] == b"\x5a" * (len(buffer) - 1)
        buffer[0] = 0
    assert bytes(chip.pc.memory.read(chip.place(0), 960)) == captured


def test_a_source_may_shorten_its_buffer() -> None:
    def source(address: int, tag: int, buffer: Any) -> int:
        count = len(buffer)
        del buffer[4:]
        buffer[:] = b"abcd"
        return count

    chip = capturing(source, raw=True)
    chip.frames(100)
    assert bytes(chip.pc.memory.read(chip.place(0), 8)) == b"abcd\0\0\0\0"


@pytest.mark.parametrize(
    ("answer", "error"),
    [(lambda n: bytes(n + 1), ValueError), (lambda n: None, TypeError), (lambda n: "text", TypeError)],
    ids=["too much", "nothing", "text"],
)
def test_what_a_source_must_not_return(answer: Callable[[int], Any], error: type[Exception]) -> None:
    chip = Chip()
    chip.listen(1, DVD, CAPTURE_NID)
    chip.hda.codecs[0].feed(1, answer)
    chip.program(0, (960, 960))
    with pytest.raises(error):
        chip.ctl(0, RUN)
    chip.hda.codecs[0].feed(1, lambda count: b"\x11" * count)
    chip.frames(1000)
    assert chip.pc.check() == ""


@pytest.mark.parametrize(
    "use",
    [
        lambda hda: hda.mmio.read(0, (1 << 32) + 4),
        lambda hda: hda.mmio.read(0, -1),
        lambda hda: hda.mmio.write(0x40, (1 << 32) + 4, 0),
        lambda hda: hda.position(1 << 32),
        lambda hda: hda.codecs[0].takes(0x10, 0x10011),
        lambda hda: hda.codecs[0].behave(response_frames=(1 << 32) + 1),
        lambda hda: hda.codecs[0].parameter(0x110, 0),
        lambda hda: setattr(hda.regs, "CORBCTL", 0x100),
        lambda hda: setattr(hda.regs, "SD4CTL", 1 << 24),
        lambda hda: setattr(hda.regs, "INTCTL", -1),
        lambda hda: hda.query_interface(HDAUDIO_BUS_INTERFACE_V2, size=0x10000 + HDAUDIO_BUS_INTERFACE_V2.size),
        lambda hda: hda.query_interface(HDAUDIO_BUS_INTERFACE_V2, version=0x10100),
        lambda hda: hda.query_interface(HDAUDIO_BUS_INTERFACE_V2, client=1 << 32),
        lambda hda: hda.query_interface(HDAUDIO_BUS_INTERFACE_V2, client=-1),
    ],
    ids=[
        "load size", "negative load size", "store size", "descriptor", "format", "frames", "node", "8-bit register",
        "24-bit register", "negative register", "table size", "version", "client", "negative client",
    ],
)  # fmt: skip
def test_numbers_outside_their_types(use: Callable[[storsim.hda.Hda], object]) -> None:
    chip = Chip()
    before = chip.pc.digest()
    with pytest.raises(OverflowError):
        use(chip.hda)
    assert chip.pc.digest() == before


def test_a_sink_is_callable() -> None:
    with pytest.raises(TypeError, match="sink"):
        Chip().hda.codecs[0].record(1, 5)


def test_removal_refused_in_a_callback_is_no_removal() -> None:
    with storsim.Machine("4GiB", level="release") as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
        _, engine, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2), False)
        bus.AllocateDmaBufferWithNotification(engine, 2, 1920)
        refused: list[str] = []

        def notify(context: object, time: int) -> None:
            with pytest.raises(RuntimeError) as caught:
                hda.remove()
            refused.append(str(caught.value))

        bus.RegisterNotificationCallback(engine, pc, notify, None)
        bus.SetDmaEngineState(STOP, [engine])
        bus.SetDmaEngineState(GO, [engine])
        pc.advance(milliseconds=20)
        assert refused
        assert hda.regs.GCAP == 0x4401
        assert [leak.name for leak in hda.remove()] != []
        with pytest.raises(ValueError, match="removed before"):
            hda.remove()


def test_a_restored_controller_can_be_removed_again() -> None:
    with storsim.Machine("4GiB") as pc:
        hda = pc.add_hda()
        there = pc.snapshot()
        hda.remove()
        with pytest.raises(ValueError, match="removed"):
            _ = hda.regs.GCAP
        pc.restore(there)
        assert hda.regs.GCAP == 0x4401
        hda.remove()
