"""Byte-exactness: random patterns through every kind of buffer, both directions, all containers, unequal
entries, pause and resume, a change of format. What the codec heard is what memory held, what memory holds is
what the codec sent; nothing is left out, repeated, swapped or altered.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.audio import *
from kit.audio import Client
from storsim.hdaudio import *

WIDTHS = {8: 8, 16: 16, 20: 32, 24: 32, 32: 32}
KINDS = ("D", "N", "N1", "B")
WIDE = {
    "outpay": 255, "inpay": 255, "outstrmpay": 0, "instrmpay": 0, "fifo_render": 1024, "fifo_render_wide": 1024,
    "fifo_capture": 1024, "fifo_capture_wide": 1024,
}  # fmt: skip


def cut(dice: random.Random, size: int, block: int) -> list[tuple[int, int, int]]:
    """Unequal fragments of a buffer of some size, with gaps: (offset, length, ioc). Their sum is a whole number
    of blocks.
    """
    entries, at = [], 0
    while at < size - 700 and len(entries) < 60:
        length = dice.randrange(1, 600)
        entries.append((at, length, dice.randrange(2)))
        at = (at + length + dice.randrange(0, 300) + 127) // 128 * 128
    total = sum(length for _, length, _ in entries)
    offset, length, ioc = entries[-1]
    entries[-1] = (offset, length + -total % block, ioc)
    return entries


def prepare(client: Client, handle: int, kind: str, dice: random.Random, block: int, size: int = 6000) -> int:
    """Attaches a buffer of a kind; returns its length in bytes."""
    if kind != "B":
        return int(client.buffer(handle, kind, size)[2])
    client.buffer(handle, "C", 2 * size)
    entries = cut(dice, 2 * size, block)
    client.entries(handle, entries)
    total = sum(length for _, length, _ in entries)
    assert client.bdl.SetupDmaEngineWithBdl(handle, total, len(entries) - 1, client.isr, None)[0] == OK
    return total


def tune(client: Client, handle: int, *, capture: bool) -> int:
    info = client.rig.info(handle)
    assert info is not None
    client.tune((0x20 if capture else 0x10) + info["stream_id"], info["converter_format"], info["stream_id"])
    return int(info["stream_id"])


def make(
    timing: str, form: Any, kind: str, *, capture: bool, seed: int = 1
) -> tuple[Rig, Client, int, int, int, random.Random]:
    """(rig, client, handle, buffer length, stream id, dice), the engine stopped and the converter tuned."""
    rig, dice = Rig(timing=timing, **WIDE), random.Random(seed)
    client = rig.client
    handle = client.capture(form) if capture else client.render(form)
    size = prepare(client, handle, kind, dice, form.ContainerSize // 8 * form.NumberOfChannels)
    stream = tune(client, handle, capture=capture)
    assert client.state(handle, to=PauseState) == OK
    return rig, client, handle, size, stream, dice


@pytest.mark.parametrize("timing", ["controller", "ideal", "emulator"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8, 16])
def test_render(timing: str, kind: str, bits: int, channels: int) -> None:
    form = StreamFormat(48000, bits, WIDTHS[bits], channels)
    rig, client, handle, size, stream, dice = make(timing, form, kind, capture=False, seed=channels)
    data = dice.randbytes(size)
    client.write(handle, data)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=(3 * size) // (WIDTHS[bits] // 8 * channels) + 500)
    heard = rig.hda.codecs[0].played(stream)
    assert len(heard) >= 3 * size
    assert heard == (data * (len(heard) // size + 1))[: len(heard)]


@pytest.mark.parametrize("timing", ["controller", "ideal"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8, 16])
def test_capture(timing: str, kind: str, bits: int, channels: int) -> None:
    form = StreamFormat(48000, bits, WIDTHS[bits], channels)
    rig, client, handle, size, stream, dice = make(timing, form, kind, capture=True, seed=channels)
    client.write(handle, bytes(size))
    sent = dice.randbytes(5 * size)
    rig.hda.codecs[0].feed(stream, sent)
    client.state(handle, to=RunState)
    for frames in (13, size // 7, 1, size // 3, 200, size // 2):
        rig.pc.advance(frames=frames // (WIDTHS[bits] // 8 * channels) + 1)
        descriptor = rig.info(handle)["descriptor"]  # type: ignore[index]
        arrived = rig.hda.position(descriptor).dma_bytes
        assert arrived <= len(sent)
        memory = client.read(handle)
        lap, place = divmod(arrived, size)
        assert memory[:place] == sent[lap * size : arrived]
        assert memory[place:] == (sent[(lap - 1) * size + place : lap * size] if lap else bytes(size - place))


@pytest.mark.parametrize("timing", ["controller", "ideal"])
@pytest.mark.parametrize("rate", [6000, 8000, 11025, 32000, 36000, 44100, 64000, 88200, 132300, 176400, 192000])
@pytest.mark.parametrize("capture", [False, True])
def test_rates(timing: str, rate: int, capture: bool) -> None:
    """The cadence of a rate never loses or doubles a block."""
    form = StreamFormat(rate, 24, 32, 3)
    rig, client, handle, size, stream, dice = make(timing, form, "N", capture=capture)
    data = dice.randbytes(size)
    client.write(handle, data if not capture else bytes(size))
    if capture:
        rig.hda.codecs[0].feed(stream, data * 3)
    client.state(handle, to=RunState)
    rig.pc.advance(milliseconds=3000 * size // 12 // rate)
    if capture:
        assert client.read(handle) == data
    else:
        heard = rig.hda.codecs[0].played(stream)
        assert len(heard) >= 2 * size
        assert heard == (data * 9)[: len(heard)]


@pytest.mark.parametrize("timing", ["controller", "ideal", "emulator"])
@pytest.mark.parametrize("kind", KINDS)
def test_pause_and_resume(timing: str, kind: str) -> None:
    form = StreamFormat(44100, 20, 32, 5)
    rig, client, handle, size, stream, dice = make(timing, form, kind, capture=False)
    data = dice.randbytes(size)
    client.write(handle, data)
    longest = 600_000 if timing == "emulator" else 40_000  # an emulator moves nothing in less than 10 ms
    for _ in range(25):
        client.state(handle, to=RunState)
        rig.pc.advance(ticks=dice.randrange(longest))
        client.state(handle, to=PauseState)
        before = rig.hda.codecs[0].played(stream)
        rig.pc.advance(ticks=dice.randrange(40000))
        assert rig.hda.codecs[0].played(stream) == before
    heard = rig.hda.codecs[0].played(stream)
    assert len(heard) > size
    assert heard == (data * (len(heard) // size + 1))[: len(heard)]


@pytest.mark.parametrize("timing", ["controller", "ideal"])
@pytest.mark.parametrize("kind", KINDS)
def test_pause_and_resume_of_capture(timing: str, kind: str) -> None:
    """Paused, the converter goes on sending; nobody takes it. What arrives continues where it stopped in memory."""
    form = StreamFormat(48000, 16, 16, 2)
    rig, client, handle, size, stream, dice = make(timing, form, kind, capture=True)
    client.write(handle, bytes(size))
    sent = dice.randbytes(4 * size)
    rig.hda.codecs[0].feed(stream, sent)
    for _ in range(20):
        client.state(handle, to=RunState)
        rig.pc.advance(ticks=dice.randrange(20000))
        client.state(handle, to=PauseState)
        rig.pc.advance(ticks=dice.randrange(20000))
        descriptor = rig.info(handle)["descriptor"]  # type: ignore[index]
        arrived = rig.hda.position(descriptor).dma_bytes
        lap, place = divmod(arrived, size)
        assert client.read(handle)[:place] == sent[lap * size : arrived]


@pytest.mark.parametrize("timing", ["controller", "ideal"])
def test_format_change(timing: str) -> None:
    """One engine, one format after another, buffers of different kinds."""
    rig, dice = Rig(timing=timing, **WIDE), random.Random(8)
    client = rig.client
    handle = client.render(StreamFormat(48000, 16, 16, 2))
    for number, (rate, bits, channels) in enumerate(
        [(48000, 16, 2), (44100, 24, 6), (192000, 32, 2), (8000, 8, 1), (96000, 20, 16), (11025, 16, 7)] * 2
    ):
        form = StreamFormat(rate, bits, WIDTHS[bits], channels)
        block = WIDTHS[bits] // 8 * channels
        assert client.v1.ChangeBandwidthAllocation(handle, form)[0] == OK
        kind = KINDS[number % 4]
        size = prepare(client, handle, kind, dice, block, 3000)
        stream = tune(client, handle, capture=False)
        rig.hda.codecs[0].clear(stream)
        data = dice.randbytes(size)
        client.write(handle, data)
        client.state(handle, to=PauseState)
        client.state(handle, to=RunState)
        rig.pc.advance(ticks=size * 24_000_000 // (rate * block) + 40000)
        heard = rig.hda.codecs[0].played(stream)
        assert len(heard) >= size
        assert heard == (data * 30)[: len(heard)], (rate, bits, channels)
        client.state(handle, to=PauseState)
        client.state(handle, to=ResetState)
        if kind == "D":
            assert client.v1.FreeDmaBuffer(handle) == OK
        elif kind == "B":
            assert client.bdl.FreeContiguousDmaBuffer(handle) == OK
        else:
            _status, mdl, length, *_ = client.buffers[handle]
            assert client.v2.FreeDmaBufferWithNotification(handle, mdl, length) == OK


@given(
    lengths=st.lists(st.integers(1, 900), min_size=2, max_size=40),
    gaps=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    seed=st.integers(0, 1000),
    timing=st.sampled_from(("controller", "ideal", "emulator")),
)
def test_any_list(lengths: list[int], gaps: list[int], seed: int, timing: str) -> None:
    """Any legal descriptor list is one stream of bytes, in its order."""
    rig, dice = Rig(timing=timing), random.Random(seed)
    client = rig.client
    handle = client.render(StreamFormat(96000, 16, 16, 2))
    lengths[-1] += -sum(lengths) % 4
    places, at = [], 0
    for length, gap in zip(lengths, gaps, strict=False):
        places.append(at)
        at = (at + length + 127) // 128 * 128 + 128 * gap
    order = list(range(len(lengths)))
    dice.shuffle(order)
    total = sum(lengths)
    if at > 65536 or places[-1] + lengths[-1] > 65536:
        return
    client.buffer(handle, "C", max(at, 4096))
    client.entries(handle, [(places[i], lengths[i], dice.randrange(2)) for i in order])
    assert client.bdl.SetupDmaEngineWithBdl(handle, total, len(lengths) - 1, client.isr, None)[0] == OK
    stream = tune(client, handle, capture=False)
    data = dice.randbytes(total)
    client.write(handle, data)
    client.state(handle, to=PauseState)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=total // 4 + 600)
    heard = rig.hda.codecs[0].played(stream)
    assert len(heard) > 2 * total - 100
    assert heard == (data * (len(heard) // total + 1))[: len(heard)]


@pytest.mark.parametrize("kind", ["D", "N", "B"])
def test_the_drivers_own_stores(kind: str) -> None:
    """Through the MDL's buffer, through virtual addresses, and as the debugger sees it: one memory."""
    rig, client, handle, size, stream, dice = make("ideal", DVD, kind, capture=False)
    data = dice.randbytes(size)
    if kind == "B":
        done = 0
        base, first = client.buffers[handle][1], rig.pc.physical(client.buffers[handle][1])
        for address, length in client.pieces(handle):
            rig.pc.write_va(base + address - first, data[done : done + length])
            done += length
    else:
        _status, mdl, *rest = client.buffers[handle]
        offset = rest[1] if kind == "N" else 0
        with memoryview(mdl) as view:
            assert len(view) == offset + size
            view[offset : offset + size] = data
        assert bytes(rig.pc.read_va(rig.info(handle)["buffer_va"], size)) == data  # type: ignore[index]
    assert client.read(handle) == data
    client.state(handle, to=RunState)
    rig.pc.advance(frames=size // 4 + 10)
    assert rig.hda.codecs[0].played(stream)[:size] == data


def test_sinks_and_sources() -> None:
    """A sink gets every byte once; a source is asked for every byte once."""
    rig, client, handle, size, stream, dice = make("controller", CD, "N", capture=False)
    data, got = dice.randbytes(size), bytearray()
    client.write(handle, data)
    rig.hda.codecs[0].record(stream, got.extend)
    client.state(handle, to=RunState)
    rig.pc.advance(milliseconds=500)
    client.state(handle, to=PauseState)
    rig.pc.advance(milliseconds=20)
    assert bytes(got) == rig.hda.codecs[0].played(stream)
    assert bytes(got) == (data * 40)[: len(got)]
    given_out, numbers = bytearray(), random.Random(2)

    def source(count: int) -> bytes:
        chunk = numbers.randbytes(count)
        given_out.extend(chunk)
        return chunk

    into = client.capture(DVD)
    size = client.buffer(into, "N", 65536)[2]
    tag = tune(client, into, capture=True)
    rig.hda.codecs[0].feed(tag, source)
    client.state(into, to=PauseState)
    client.state(into, to=RunState)
    rig.pc.advance(milliseconds=300)
    assert client.read(into)[:50000] == given_out[:50000]


def test_what_is_kept_is_a_tail() -> None:
    rig, client, handle, size, stream, dice = make("ideal", DVD, "D", capture=False)
    data = dice.randbytes(size)
    client.write(handle, data)
    codec = rig.hda.codecs[0]
    codec.keep(stream, 1000)
    client.state(handle, to=RunState)
    rig.pc.advance(frames=5000)
    tail, dropped = codec.played(stream), codec.dropped(stream)
    assert len(tail) == 1000
    assert dropped == 19000
    assert tail == (data * 9)[dropped : dropped + 1000]
    codec.clear(stream)
    assert codec.played(stream) == b""


def test_two_streams_share_nothing() -> None:
    rig = Rig(timing="controller", **WIDE)
    client, dice, contents = rig.client, random.Random(3), {}
    for number in range(4):
        form = StreamFormat((44100, 48000, 96000, 8000)[number], 16, 16, number + 1)
        handle = client.render(form)
        size = prepare(client, handle, KINDS[number], dice, 2 * (number + 1))
        stream = tune(client, handle, capture=False)
        contents[stream] = dice.randbytes(size)
        client.write(handle, contents[stream])
        client.state(handle, to=PauseState)
        client.state(handle, to=RunState)
    rig.pc.advance(milliseconds=200)
    for stream, data in contents.items():
        heard = rig.hda.codecs[0].played(stream)
        assert len(heard) > 1000
        assert heard == (data * (len(heard) // len(data) + 1))[: len(heard)]


def test_two_converters_hear_one_stream() -> None:
    rig, client, handle, size, stream, dice = make("ideal", DVD, "D", capture=False)
    client.tune(0x1F, 0x11, stream)
    client.write(handle, dice.randbytes(size))
    client.state(handle, to=RunState)
    rig.pc.advance(frames=200)
    assert len(rig.hda.codecs[0].played(stream)) == 800, "a tag is heard once"
