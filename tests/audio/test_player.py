"""Playing and recording through the DMA engine: identical samples with every interface, timing, rate, width and
channel count.
"""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import storsim
from kit.dumps import STEREO_ONLY
from storsim import player
from storsim.codec_driver import CodecDriver, CodecError
from storsim.hdaudio import RATES
from storsim.player import Beat, PlayError, play, record
from storsim.wav import Wav, WavFormat

PACKED = {8: (1,), 16: (2,), 20: (3, 4), 24: (3, 4), 32: (4,)}
INTERFACES = ("v1", "v2", "v3", "bdl")
STEREO = WavFormat(48000, 16, 2, 2)


def machine(timing: str = "controller", **settings: Any) -> tuple[Any, Any]:
    pc = storsim.Machine("256MiB", level="strict")
    return pc, pc.add_hda(timing=timing, **{**player.WIDE_LINK, **settings})


def sound(form: WavFormat, frames: int, seed: int = 1) -> Wav:
    data = bytearray(random.Random(seed).randbytes(frames * form.frame_bytes))
    if form.packed == 3:
        data[0::4] = bytes(len(data) // 4)
    return Wav(form, bytes(data))


def forms(count: int, seed: int) -> list[WavFormat]:
    """Formats that between them have every rate, width and number of channels."""
    dice = random.Random(seed)
    chosen = []
    for i in range(count):
        bits = (8, 16, 20, 24, 32)[i % 5]
        chosen.append(WavFormat(RATES[i % len(RATES)], bits, i % 16 + 1, dice.choice(PACKED[bits])))
    return chosen


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("timing", ["controller", "ideal", "emulator"])
def test_identical(timing: str, interface: str) -> None:
    pc, hda = machine(timing)
    wav = sound(STEREO, 20011)
    with pc:
        report = play(hda, wav, interface=interface)
        assert report.data == wav.data
        assert report.late == 0
        assert report.least_slack_ms > 0
        assert report.stream_id == 1
        assert hda.engines() == []
        assert (report.interrupts == 0) == (interface == "v1")
    assert pc.violations == []


@pytest.mark.parametrize("form", forms(80, 4), ids=str)
def test_every_rate_width_and_channel_count(form: WavFormat) -> None:
    interface = INTERFACES[form.rate % 4 ^ form.channels % 4]
    pc, hda = machine()
    wav = sound(form, form.rate // 8 + 3)
    with pc:
        assert play(hda, wav, interface=interface).data == wav.data
        taken = record(hda, form, wav.frames, interface=interface, source=wav.data)
        assert taken.data == wav.data
    assert pc.violations == []


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("frames", [1, 2, 3, 47, 960, 1919, 1920, 1921, 3840])
def test_lengths_around_the_ring(interface: str, frames: int) -> None:
    pc, hda = machine()
    wav = sound(STEREO, frames)
    with pc:
        assert play(hda, wav, interface=interface).data == wav.data


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("ring", [0, 1, 5, 40, 500])
def test_ring_lengths(interface: str, ring: float) -> None:
    pc, hda = machine()
    wav = sound(WavFormat(96000, 24, 6, 3), 9000)
    with pc:
        assert play(hda, wav, interface=interface, ring_ms=ring).data == wav.data


@settings(max_examples=15)
@given(
    rate=st.sampled_from(RATES),
    bits=st.sampled_from((8, 16, 20, 24, 32)),
    channels=st.integers(1, 16),
    frames=st.integers(1, 4000),
    interface=st.sampled_from(INTERFACES),
    timing=st.sampled_from(("controller", "ideal")),
    ring=st.integers(1, 120),
)
def test_any_sound(rate: int, bits: int, channels: int, frames: int, interface: str, timing: str, ring: int) -> None:
    pc, hda = machine(timing)
    wav = sound(WavFormat(rate, bits, channels, PACKED[bits][0]), frames, frames)
    with pc:
        assert play(hda, wav, interface=interface, ring_ms=ring).data == wav.data


def test_again_and_again_on_one_controller() -> None:
    pc, hda = machine()
    with pc:
        for seed, interface in enumerate(INTERFACES * 2):
            wav = sound(forms(8, 9)[seed], 3000, seed)
            assert play(hda, wav, interface=interface).data == wav.data
        before = pc.memory.free_bytes()
        play(hda, sound(STEREO, 3000))
        assert pc.memory.free_bytes() == before


def test_the_default_link_carries_ordinary_formats() -> None:
    pc = storsim.Machine("256MiB", level="strict")
    hda = pc.add_hda()
    with pc:
        wav = sound(WavFormat(44100, 16, 2, 2), 12000)
        assert play(hda, wav).data == wav.data
        with pytest.raises(PlayError, match="DMA engine"):
            play(hda, sound(WavFormat(192000, 32, 8, 4), 100))
        assert hda.engines() == []


# --- late -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interface", ["v2", "v3", "bdl"])
def test_late_refills_are_seen_and_heard(interface: str) -> None:
    pc, hda = machine()
    wav = sound(STEREO, 24000)
    with pc:
        report = play(hda, wav, interface=interface, late_ms=30)
        assert report.late > 0
        assert report.least_slack_ms < 0
        assert report.data != wav.data
        assert any(beat.slack < 0 for beat in report.beats)


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("timing", ["controller", "ideal"])
@pytest.mark.parametrize("late", [0.01, 0.5, 3, 5, 6, 10, 13])
def test_a_little_late_is_in_time(timing: str, interface: str, late: float) -> None:
    """Whatever the slack says is what the codec hears: not late means identical."""
    pc, hda = machine(timing)
    wav = sound(STEREO, 12000)
    with pc:
        report = play(hda, wav, interface=interface, late_ms=late)
        assert report.late == 0
        assert report.data == wav.data
        assert 0 < report.least_slack_ms < 21 - late
        taken = record(hda, STEREO, wav.frames, interface=interface, source=wav.data, late_ms=late)
        assert taken.late == 0
        assert taken.data == wav.data


def test_slack_shrinks_by_what_the_refill_is_late() -> None:
    slacks = []
    for late in (0, 3, 6):
        pc, hda = machine()
        with pc:
            slacks.append(play(hda, sound(STEREO, 9600), late_ms=late).least_slack_ms)
    assert slacks[0] - slacks[1] == pytest.approx(3)
    assert slacks[1] - slacks[2] == pytest.approx(3)


def test_progress() -> None:
    pc, hda = machine()
    beats: list[Beat] = []
    with pc:
        report = play(hda, sound(STEREO, 24000), progress=beats.append)
    assert beats == report.beats
    assert [beat.number for beat in beats] == list(range(1, len(beats) + 1))
    assert all(a.time < b.time for a, b in pairwise(beats))
    assert all(0 <= beat.position < report.ring_bytes for beat in beats)
    gaps = {round((b.interrupt - a.interrupt) / 24000) for a, b in pairwise(beats)}
    assert gaps == {20}, "two halves of 20 ms"


def test_an_exception_of_progress_surfaces_and_the_machine_goes_on() -> None:
    pc, hda = machine()

    def stop(beat: Beat) -> None:
        if beat.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(hda, sound(STEREO, 24000), progress=stop)
    pc.advance(milliseconds=100)
    wav = sound(WavFormat(44100, 16, 2, 2), 3000)
    assert play(hda, wav, interface="v1").data == wav.data


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", [WavFormat(96000, 16, 2, 2), WavFormat(48000, 24, 2, 3), WavFormat(48000, 16, 6, 2)], ids=str
)
def test_a_codec_that_cannot_says_what_it_can(form: WavFormat) -> None:
    pc, hda = machine(codecs=[STEREO_ONLY])
    with pc:
        with pytest.raises(CodecError) as refused:
            play(hda, sound(form, 100))
        text = str(refused.value)
        assert "\n" not in text
        assert "44100/48000 Hz" in text
        assert "16 bit" in text
        assert "2 channels" in text
        assert hda.engines() == []
        wav = sound(STEREO, 5000)
        assert play(hda, wav).data == wav.data
    assert pc.violations == []


def test_a_codec_without_input() -> None:
    pc, hda = machine(codecs=[STEREO_ONLY])
    with pc, pytest.raises(CodecError, match="no input converter"):
        record(hda, STEREO, 100)


def test_a_rate_without_encoding() -> None:
    pc, hda = machine()
    with pc, pytest.raises(PlayError, match="22049 Hz"):
        play(hda, sound(WavFormat(22049, 16, 2, 2), 100))


def test_an_interface_that_does_not_exist() -> None:
    pc, hda = machine()
    with pc, pytest.raises(PlayError, match="v1, v2, v3, bdl"):
        play(hda, sound(STEREO, 100), interface="v9")


def test_a_silent_codec() -> None:
    pc, hda = machine()
    hda.codecs[0].behave(silent=True)
    with pc, pytest.raises(CodecError, match="does not answer"):
        play(hda, sound(STEREO, 100))


def test_a_route_through_mixers_and_selectors() -> None:
    text = STEREO_ONLY.replace(
        "Node 0x03 [Pin Complex] wcaps 0x400101: Stereo",
        "Node 0x03 [Pin Complex] wcaps 0x400101: Stereo",
    ).replace("  Connection: 1\n     0x02\n", "  Connection: 2\n     0x05* 0x04\n")
    text += "Node 0x04 [Audio Mixer] wcaps 0x200101: Stereo\n  Connection: 1\n     0x02\n"
    text += "Node 0x05 [Audio Selector] wcaps 0x300101: Stereo\n  Connection: 1\n     0x05\n"
    pc, hda = machine(codecs=[text])
    with pc:
        wav = sound(STEREO, 3000)
        report = play(hda, wav)
        assert report.data == wav.data
        assert (report.converter, report.pin) == (2, 3)
        assert hda.codecs[0].command(0x3F0100) == 1, "the pin was switched to the mixer"


# --- recording ------------------------------------------------------------------------------------


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("timing", ["controller", "ideal"])
def test_recording(timing: str, interface: str) -> None:
    pc, hda = machine(timing)
    wav = sound(STEREO, 10007)
    with pc:
        report = record(hda, STEREO, wav.frames, interface=interface, source=wav.data)
        assert report.data == wav.data
        assert report.late == 0
        assert hda.engines() == []
    assert pc.violations == []


def test_recording_silence() -> None:
    pc, hda = machine()
    with pc:
        assert record(hda, STEREO, 5000).data == bytes(20000)


def test_late_recording_loses_samples() -> None:
    pc, hda = machine()
    wav = sound(STEREO, 24000)
    with pc:
        report = record(hda, STEREO, wav.frames, source=wav.data, late_ms=30)
        assert report.late > 0
        assert report.data != wav.data


# --- the driver inside ----------------------------------------------------------------------------


def test_the_driver_reads_the_codec_by_verbs_only() -> None:
    pc, hda = machine(codecs=[STEREO_ONLY])
    driver = CodecDriver(hda.query_interface(storsim.hdaudio.HDAUDIO_BUS_INTERFACE), 0)
    assert sorted(driver.widgets) == [2, 3]
    assert driver.widgets[2].rates == (44100, 48000)
    assert driver.widgets[3].connections == (2,)
    with pytest.raises(CodecError, match="does not answer"):
        CodecDriver(hda.query_interface(storsim.hdaudio.HDAUDIO_BUS_INTERFACE), 7)
    assert pc.violations == []


# --- codecs of real machines ------------------------------------------------------------------------------------------

DUMPS = sorted((Path(__file__).resolve().parents[3] / "shared" / "data" / "hda-codecs").glob("*.txt"))
GRID = [
    WavFormat(48000, 16, 2, 2),
    WavFormat(44100, 24, 2, 3),
    WavFormat(96000, 20, 2, 4),
    WavFormat(192000, 32, 8, 4),
    WavFormat(48000, 16, 6, 2),
    WavFormat(8000, 8, 1, 1),
]


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("capture", [False, True])
def test_codecs_of_real_machines(path: Path, capture: bool) -> None:
    """Identical samples, or a sentence; and the sentence is true."""
    for form in GRID:
        pc, hda = machine(codecs=[path])
        wav = sound(form, form.rate // 50)
        with pc:
            try:
                got = record(hda, form, wav.frames, source=wav.data).data if capture else play(hda, wav).data
            except CodecError as error:
                text = str(error)
                assert "\n" not in text
                assert hda.engines() == []
                if "cannot take" in text:
                    code = storsim.hdaudio.encode_format(player.stream_format(form))
                    kind = "Audio Input" if capture else "Audio Output"
                    nodes = hda.codecs[0].description.converters
                    assert not any(hda.codecs[0].takes(node.nid, code) for node in nodes if node.kind == kind)
                    assert "it can: " in text
                else:
                    assert "converter" in text or "audio function group" in text
            else:
                assert got == wav.data
        assert pc.violations == []


@pytest.mark.parametrize("interface", ["v2", "v3", "bdl"])
def test_a_slow_deferred_call_wakes_the_driver_in_its_own_period(interface: str) -> None:
    """15 of 20 ms pass between service routine and deferred call: late, but in time, and every beat says so."""
    sound = Wav(WavFormat(48000, 16, 2, 2), bytes(range(256)) * 4 * 96)
    with storsim.Machine("1GiB", dpc_latency=15 * 24_000) as pc:
        report = player.play(pc.add_hda(), sound, interface=interface, ring_ms=40)
    delay = 0 if interface == "bdl" else 15 * 24_000
    assert [beat.time - beat.interrupt for beat in report.beats] == [delay] * len(report.beats)
    assert not report.late
    assert report.data == sound.data
