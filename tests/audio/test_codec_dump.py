"""Codec dumps: what a dump says is what the simulated codec answers, and damage is one line with its number.

The dumps are read here a second time, line by line, by a reader of its own.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import storsim
from kit.audio import *
from storsim.importers import MapError
from storsim.importers.codec import CodecDump, load_codec

SMALL = """Codec: Example EX100
Address: 2
AFG Function Id: 0x1 (unsol 1)
Vendor Id: 0x12345678
Subsystem Id: 0x9abcdef0
Revision Id: 0x100302
No Modem Function Group found
Default PCM:
    rates [0x5f0]: 32000 44100 48000 88200 96000 192000
    bits [0xe]: 16 20 24
    formats [0x1]: PCM
Default Amp-In caps: N/A
Default Amp-Out caps: ofs=0x40, nsteps=0x40, stepsize=0x03, mute=0
State of AFG node 0x01:
  Power states:  D0 D1 D2 D3 CLKSTOP EPSS
  Power: setting=D0, actual=D0
GPIO: io=3, o=1, i=2, unsolicited=1, wake=0
  IO[0]: enable=1, dir=1, wake=0, sticky=0, data=1, unsol=0
  IO[1]: enable=0, dir=0, wake=0, sticky=0, data=0, unsol=0
  IO[2]: enable=1, dir=0, wake=0, sticky=1, data=0, unsol=1
Node 0x02 [Audio Output] wcaps 0x41d: Stereo Amp-Out
  Control: name="Playback Volume", index=0, device=0
    ControlAmp: chs=3, dir=Out, idx=0, ofs=0
  Amp-Out caps: ofs=0x57, nsteps=0x57, stepsize=0x02, mute=1
  Amp-Out vals:  [0x4b 0x4c]
  Converter: stream=8, channel=0
  PCM:
    rates [0x560]: 44100 48000 96000 192000
    bits [0xe]: 16 20 24
    formats [0x1]: PCM
  Power states:  D0 D1 D2 D3 EPSS
  Power: setting=D3, actual=D3
Node 0x03 [Audio Input] wcaps 0x10051b: Stereo Amp-In
  Amp-In caps: ofs=0x17, nsteps=0x3f, stepsize=0x02, mute=1
  Amp-In vals:  [0x97 0x96]
  Converter: stream=4, channel=1
  SDI-Select: 0
  PCM:
    rates [0x160]: 44100 48000 96000
    bits [0x2]: 16
    formats [0x1]: PCM
  Connection: 1
     0x05
Node 0x04 [Pin Complex] wcaps 0x40058d: Stereo Amp-Out
  Amp-Out caps: ofs=0x00, nsteps=0x00, stepsize=0x00, mute=1
  Amp-Out vals:  [0x80 0x00]
  Pincap 0x0001001c: OUT HP EAPD Detect
  EAPD 0x2: EAPD
  Pin Default 0x0321101f: [Jack] HP Out at Ext Left
    Conn = 1/8, Color = Black
    DefAssociation = 0x1, Sequence = 0xf
  Pin-ctls: 0xc0: OUT HP
  Unsolicited: tag=03, enabled=1
  Connection: 2
     0x02* 0x06
Node 0x05 [Pin Complex] wcaps 0x40048b: Stereo Amp-In
  Amp-In caps: N/A
  Amp-In vals:  [0x00 0x00]
  Pincap 0x00003724: IN Detect
    Vref caps: HIZ 50 GRD 80 100
  Pin Default 0x03a11020: [Jack] Mic at Ext Left
    Conn = 1/8, Color = Black
    DefAssociation = 0x2, Sequence = 0x0
  Pin-ctls: 0x24: IN VREF_80
  Unsolicited: tag=00, enabled=0
Node 0x06 [Audio Output] wcaps 0x611: Stereo Digital
  Converter: stream=0, channel=0
  Digital: Enabled GenLevel
  Digital category: 0x2
Node 0x07 [Audio Mixer] wcaps 0x20010b: Stereo Amp-In
  Amp-In caps: ofs=0x17, nsteps=0x1f, stepsize=0x05, mute=1
  Amp-In vals:  [0x81 0x82] [0x03 0x04] [0x05 0x06]
  Connection: 3
     0x05 0x02 0x03
Node 0x08 [Vendor Defined Widget] wcaps 0xf00000: Mono
"""

POWER = {"D0": 0, "D1": 1, "D2": 2, "D3": 3, "D3cold": 4, "S3D3cold": 29, "CLKSTOP": 30, "EPSS": 31}
KINDS = {"audio_outputs": 0, "audio_inputs": 1, "mixers": 2, "selectors": 3, "pins": 4}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "hda-codecs"
DUMPS = sorted(SHARED.glob("*.txt"))


def number(text: str) -> int:
    return int(re.search(r"0x[0-9a-fA-F]+", text)[0], 16)  # type: ignore[index]


def amp(text: str) -> int | None:
    if "N/A" in text:
        return None
    offset, steps, size, mute = (int(x, 16) for x in re.findall(r"=(?:0x)?([0-9a-f]+)", text))
    return offset | steps << 8 | size << 16 | mute << 31


class Reading:
    """Second reading of a dump: answers to GET_PARAMETER and to the get-verbs that show state, by node."""

    def __init__(self, text: str) -> None:
        self.parameters: dict[int, dict[int, int]] = {}
        self.verbs: dict[int, dict[int, int]] = {}
        self.connections: dict[int, list[int]] = {}
        self.group = int(found[1], 16) if (found := re.search(r"^State of AFG node 0x(\w+)", text, re.M)) else 1
        head = dict(re.findall(r"^(\w[\w ]*?): *(.*)$", text, re.M))
        self.parameters[0] = {0x00: number(head["Vendor Id"]), 0x02: number(head["Revision Id"])}
        self.audio = "AFG Function Id" in head or (head.get("Function Id", "0x1").startswith("0x1"))
        for block in re.split(r"^(?=Node 0x)", text, flags=re.M):
            self.block(block)

    def block(self, block: str) -> None:
        start = re.match(r"Node 0x(\w+) \[.*\] wcaps 0x(\w+)", block)
        nid = int(start[1], 16) if start else self.group
        if not start and not self.audio:
            return
        answers, verbs = self.parameters.setdefault(nid, {}), self.verbs.setdefault(nid, {})
        if start:
            answers[0x09] = int(start[2], 16)
            answers[0x0E] = 0
            self.connections[nid] = []
        rates = re.search(r"rates \[0x(\w+)\]", block)
        bits = re.search(r"bits \[0x(\w+)\]", block)
        if rates and bits:
            answers[0x0A] = int(rates[1], 16) | int(bits[1], 16) << 16
        if form := re.search(r"formats \[0x(\w+)\]", block):
            answers[0x0B] = int(form[1], 16)
        for parameter, name in ((0x0D, "Amp-In caps"), (0x12, "Amp-Out caps")):
            for line in re.findall(rf"{name}:(.*)", block):
                value = amp(line)
                if value is not None:
                    answers[parameter] = value
        if pin := re.search(r"Pincap 0x(\w+)", block):
            answers[0x0C] = int(pin[1], 16)
        if states := re.search(r"Power states: *(.*)", block):
            answers[0x0F] = sum(1 << POWER[word] for word in states[1].split())
        if gpio := re.search(r"^GPIO: io=(\d+), o=(\d+), i=(\d+), unsolicited=(\d), wake=(\d)", block, re.M):
            io, out, into, unsolicited, wake = map(int, gpio.groups())
            answers[0x11] = io | out << 8 | into << 16 | unsolicited << 30 | wake << 31
        if stream := re.search(r"Converter: stream=(\d+), channel=(\d+)", block):
            verbs[0xF06] = int(stream[1]) << 4 | int(stream[2])
        if control := re.search(r"Pin-ctls: 0x(\w+)", block):
            verbs[0xF07] = int(control[1], 16)
        if default := re.search(r"Pin Default 0x(\w+)", block):
            verbs[0xF1C] = int(default[1], 16)
        if unsolicited_ := re.search(r"Unsolicited: tag=(\w+), enabled=(\d)", block):
            verbs[0xF08] = int(unsolicited_[1], 16) | int(unsolicited_[2]) << 7
        if eapd := re.search(r"EAPD 0x(\w+)", block):
            verbs[0xF0C] = int(eapd[1], 16)
        if listed := re.search(r"^  Connection: (\d+)\n((?:     0x.*\n?)*)", block, re.M):
            words = listed[2].split()
            answers[0x0E] = int(listed[1])
            self.connections[nid] = [int(word.rstrip("*"), 16) for word in words]
            chosen = [i for i, word in enumerate(words) if word.endswith("*")]
            if chosen:
                verbs[0xF01] = chosen[0]


def codec_of(text: str | CodecDump) -> Any:
    pc = storsim.Machine("64MiB", level="strict")
    return pc.add_hda(codecs=[text]).codecs[0]


def connection_list(codec: Any, nid: int) -> list[int]:
    """By GET_CONNECTION_LIST_ENTRY, short form, ranges expanded as a driver does."""
    count = codec.parameter(nid, 0x0E)
    assert not count & 0x80
    found: list[int] = []
    for index in range(0, count, 4):
        word = codec.command(nid << 20 | 0xF0200 | index)
        for i in range(min(4, count - index)):
            entry = word >> 8 * i & 0xFF
            if entry & 0x80:
                found += range(found[-1] + 1, (entry & 0x7F) + 1)
            else:
                found.append(entry)
    return found


def agree(text: str) -> Reading:
    """Every answer of the codec is what the dump says."""
    reading, codec = Reading(text), codec_of(text)
    for nid, answers in reading.parameters.items():
        for parameter, value in answers.items():
            assert codec.parameter(nid, parameter) == value, f"node {nid:#x} parameter {parameter:#x}"
    for nid, verbs in reading.verbs.items():
        for verb, value in verbs.items():
            assert codec.command(nid << 20 | verb << 8) == value, f"node {nid:#x} verb {verb:#x}"
    for nid, connections in reading.connections.items():
        assert connection_list(codec, nid) == connections, f"node {nid:#x}"
    widgets = sorted(reading.connections)
    if widgets:
        nodes = codec.parameter(reading.group, 4)
        assert nodes == widgets[0] << 16 | widgets[-1] - widgets[0] + 1
        groups = codec.parameter(0, 4)
        assert groups >> 16 <= reading.group < (groups >> 16) + (groups & 0xFF)
        assert codec.parameter(reading.group, 5) & 0xFF == 1
    return reading


def test_small_dump() -> None:
    reading = agree(SMALL)
    assert len(reading.connections) == 7
    dump = load_codec(SMALL)
    assert (dump.name, dump.address, dump.vendor_id) == ("Example EX100", 2, 0x12345678)
    assert dump.subsystem_id == 0x9ABCDEF0
    assert [node.nid for node in dump.converters] == [2, 3, 6]
    assert [node.nid for node in dump.pins] == [4, 5]
    assert dump.unread == []


def test_state_of_the_small_dump() -> None:
    codec = codec_of(SMALL)
    assert codec.command(0x2B0000 | 0xA000) & 0xFF == 0x4B, "left output amplifier"
    assert codec.command(0x2B0000 | 0x8000) & 0xFF == 0x4C, "right"
    assert [codec.command(0x7B0000 | 0x2000 | i) & 0xFF for i in range(3)] == [0x81, 0x03, 0x05]
    assert [codec.command(0x7B0000 | i) & 0xFF for i in range(3)] == [0x82, 0x04, 0x06]
    assert codec.command(0x2F0500) & 0xF == 3, "power setting"
    assert codec.command(0x6F0D00) & 0xFFFF == 0x0281, "S/PDIF enabled, generation level, category 2"
    assert codec.command(0x1F2000) == 0x9ABCDEF0, "subsystem id"
    assert [codec.command(0x1F1500 + (v << 8)) for v in range(3)] == [0b001, 0b101, 0b001], (
        "GPIO data, enable, direction"
    )


def test_the_same_over_the_link() -> None:
    rig = Rig(codecs=[(3, SMALL)])
    transfers = [HDAUDIO_CODEC_TRANSFER(3 << 28 | nid << 20 | 0xF0009) for nid in range(2, 9)]
    assert rig.client.v1.TransferCodecVerbs(len(transfers), transfers) == OK
    assert [t.Input.Response for t in transfers] == [0x41D, 0x10051B, 0x40058D, 0x40048B, 0x611, 0x20010B, 0xF00000]
    assert {t.Input.SDataIn for t in transfers} == {3}
    assert rig.client.v1.GetResourceInformation() == (3, 1)


def test_formats_a_converter_takes() -> None:
    codec = codec_of(SMALL)
    assert codec.takes(2, 0x4031), "44.1 kHz, 24 bit, stereo"
    assert codec.takes(2, 0x0011)
    assert not codec.takes(2, 0x0041), "32 bit"
    assert not codec.takes(2, 0x0A11), "32 kHz is in the default, not in the node's own list"
    assert not codec.takes(2, 0x0012), "3 channels"
    assert codec.takes(6, 0x0A11), "no list of its own: the group's"
    assert not codec.takes(3, 0x0031)


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_dump_beside_the_repository(path: Path) -> None:
    agree(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_counts_of_a_dump_beside_the_repository(path: Path) -> None:
    with open(SHARED / "codecs.csv", encoding="utf-8", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["file"] == path.name)
    dump = load_codec(path)
    codec = codec_of(dump)
    assert dump.name == row["codec"]
    assert codec.parameter(0, 0) == dump.vendor_id == int(row["vendor_id"], 16)
    assert codec.parameter(0, 2) == dump.revision_id == int(row["revision_id"], 16)
    assert dump.subsystem_id == int(row["subsystem_id"], 16)
    assert dump.address == int(row["address"])
    widgets = [node for node in dump.nodes.values() if 0x09 in node.parameters]
    assert len(widgets) == int(row["nodes"])
    for column, kind in KINDS.items():
        assert sum(codec.parameter(node.nid, 9) >> 20 & 0xF == kind for node in widgets) == int(row[column]), column
    assert path.name in str(dump)


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_every_parameter_over_the_link(path: Path) -> None:
    """All GET_PARAMETERs of all nodes in one call of the documented routine."""
    rig = Rig(codecs=[path])
    reading = Reading(path.read_text(encoding="utf-8"))
    asked = [(nid, p, value) for nid, answers in reading.parameters.items() for p, value in answers.items()]
    transfers = [HDAUDIO_CODEC_TRANSFER(nid << 20 | 0xF0000 | p) for nid, p, _ in asked]
    assert rig.client.v1.TransferCodecVerbs(len(transfers), transfers) == OK
    assert [t.Input.Response for t in transfers] == [value for _, _, value in asked]
    assert all(t.Input.IsValid for t in transfers)
    assert rig.pc.violations == []


# --- damage ---------------------------------------------------------------------------------------


def damaged(old: str, new: str) -> str:
    assert SMALL.count(old) >= 1
    return SMALL.replace(old, new, 1)


DAMAGE = {
    "empty": ("", 1),
    "something else": ("hello\nworld\n", None),
    "no vendor": (damaged("Vendor Id: 0x12345678\n", ""), None),
    "vendor no number": (damaged("0x12345678", "12x"), 4),
    "vendor too wide": (damaged("0x12345678", "0x123456789"), 4),
    "node twice": (damaged("Node 0x08", "Node 0x07"), None),
    "node number": (damaged("Node 0x08", "Node 0x100"), None),
    "node without caps": (damaged("Node 0x08 [Vendor Defined Widget] wcaps 0xf00000: Mono", "Node 0x08 [x]"), None),
    "connections missing": (damaged("     0x05 0x02 0x03\n", ""), None),
    "connections short": (damaged("Connection: 3", "Connection: 4"), None),
    "connection word": (damaged("0x05 0x02 0x03", "0x05 zwei 0x03"), None),
    "amp": (damaged("ofs=0x57, nsteps=0x57, stepsize=0x02, mute=1", "ofs=0x57"), None),
    "converter": (damaged("stream=8, channel=0", "stream=?"), None),
    "gpio": (damaged("io=3, o=1", "io=three"), None),
    "two codecs": (SMALL + SMALL, SMALL.count("\n") + 1),
    "indented first": ("  Power: setting=D0\n" + SMALL, 1),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(name: str) -> None:
    text, line = DAMAGE[name]
    with pytest.raises(MapError) as refused:
        load_codec(text)
    shown = str(refused.value)
    assert "\n" not in shown
    assert re.search(r"line \d+", shown)
    assert refused.value.line is not None
    if line is not None:
        assert refused.value.line == line
    else:
        assert 1 <= refused.value.line <= text.count("\n") + 1


def test_damage_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "codec#0"
    path.write_text(damaged("stream=8", "stream=x"), encoding="utf-8")
    with pytest.raises(MapError, match=re.escape(str(path))):
        load_codec(path)
    with pytest.raises(FileNotFoundError):
        load_codec(tmp_path / "absent")


def hits() -> Iterator[Any]:
    yield st.tuples(st.just("cut"), st.integers(0, len(SMALL)), st.just(""))
    yield st.tuples(st.just("put"), st.integers(0, len(SMALL) - 1), st.text(max_size=6))
    yield st.tuples(st.just("drop line"), st.integers(0, SMALL.count("\n")), st.just(""))
    yield st.tuples(st.just("double line"), st.integers(0, SMALL.count("\n")), st.just(""))


@given(st.lists(st.one_of(*hits()), min_size=1, max_size=4))
def test_any_damage(changes: list[tuple[str, int, str]]) -> None:
    """A dump that loads makes a codec that answers; anything else is MapError in one line."""
    text = SMALL
    for what, place, put in changes:
        lines = text.split("\n")
        if what == "cut":
            text = text[:place]
        elif what == "put":
            text = text[:place] + put + text[place + len(put) :]
        elif place < len(lines):
            lines[place : place + 1] = [] if what == "drop line" else [lines[place]] * 2
            text = "\n".join(lines)
    if "\n" not in text and "Codec:" not in text:
        text += "\n"
    try:
        dump = load_codec(text)
    except MapError as error:
        assert "\n" not in str(error)
        return
    codec = codec_of(dump)
    for nid, node in dump.nodes.items():
        for parameter, value in node.parameters.items():
            assert codec.parameter(nid, parameter) == value


def test_lines_from_other_dumps_shuffled() -> None:
    """Lines of a dump in any order: refused in one line or loaded, never anything else."""
    lines = SMALL.splitlines()
    for seed in range(200):
        shuffled = lines[:1] + random.Random(seed).sample(lines[1:], len(lines) - 1)
        try:
            codec_of(load_codec("\n".join(shuffled)))
        except MapError as error:
            assert "\n" not in str(error)


# --- codecs as the driver meets them --------------------------------------------------------------


def test_where_codecs_sit() -> None:
    pc = storsim.Machine("64MiB")
    hda = pc.add_hda(codecs=[SMALL, (5, None), SMALL])
    assert [codec.address for codec in hda.codecs] == [0, 5, 2], "the address in a dump is ignored"
    assert hda.settings["sdi_lines"] == 6
    hda.query_interface(TABLES["V1"])
    pc.advance(milliseconds=1)
    with pytest.raises(ValueError, match="two codecs"):
        pc.add_hda(codecs=[SMALL, (0, SMALL)])
    with pytest.raises(ValueError, match="codec address"):
        pc.add_hda(codecs=[(15, SMALL)])
    with pytest.raises(TypeError):
        pc.add_hda(codecs=[42])


def test_modem_codecs_have_no_audio_group() -> None:
    from storsim.codec_driver import CodecDriver, CodecError

    text = (
        "Codec: Modem\nAddress: 1\nFunction Id: 0x2\nVendor Id: 0x11c11040\nSubsystem Id: 0x1\nRevision Id: 0x100200\n"
    )
    rig = Rig(codecs=[text + "Modem Function Group: 0x1\n"])
    with pytest.raises(CodecError, match="no audio function group"):
        CodecDriver(rig.client.v1, 0)


def test_ideal_codec_takes_every_format() -> None:
    codec = codec_of("ideal")
    for rate in storsim._core.HDAUDIO_RATES:
        for bits in (8, 16, 20, 24, 32):
            for channels in (1, 2, 7, 16):
                code = storsim.hdaudio.encode_format(
                    StreamFormat(rate, bits, 8 if bits == 8 else 16 if bits == 16 else 32, channels)
                )
                assert codec.takes(0x10, code), (rate, bits, channels)
