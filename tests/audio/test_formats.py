"""Formats and bandwidth (specification hdaudio-dma §6), exhaustively: 38 rates × 5 widths × 16 channels.

The rate table is the specification's own list, written out; nothing of the implementation is used to check it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from kit.audio import *
from storsim.hdaudio import *
from storsim.hdaudio import RATES, decode_format, encode_format

#: §6.2: rate → mult, div, code of base, mult and div.
FAMILY_48 = """6000 1/8:0700 8000 1/6:0500 9600 1/5:0400 12000 1/4:0300 16000 1/3:0200 18000 3/8:1700 19200 2/5:0C00
24000 1/2:0100 28800 3/5:1400 32000 2/3:0A00 36000 3/4:1300 38400 4/5:1C00 48000 1/1:0000 64000 4/3:1A00 72000 3/2:1100
96000 2/1:0800 144000 3/1:1000 192000 4/1:1800"""
FAMILY_44 = """6300 1/7:4600 7350 1/6:4500 8820 1/5:4400 11025 1/4:4300 12600 2/7:4E00 14700 1/3:4200 17640 2/5:4C00
18900 3/7:5600 22050 1/2:4100 25200 4/7:5E00 26460 3/5:5400 29400 2/3:4A00 33075 3/4:5300 35280 4/5:5C00 44100 1/1:4000
58800 4/3:5A00 66150 3/2:5100 88200 2/1:4800 132300 3/1:5000 176400 4/1:5800"""


def rate_rows() -> dict[int, tuple[int, int, int]]:
    words = (FAMILY_48 + " " + FAMILY_44).split()
    rows = {}
    for rate, rest in zip(words[::2], words[1::2], strict=True):
        ratio, code = rest.split(":")
        mult, div = map(int, ratio.split("/"))
        rows[int(rate)] = (mult, div, int(code, 16))
    return rows


RATE_ROWS = rate_rows()
WIDTHS = {8: (8, 0), 16: (16, 1), 20: (32, 2), 24: (32, 3), 32: (32, 4)}
ALL = [
    (StreamFormat(rate, bits, container, channels), code | width << 4 | channels - 1)
    for rate, (_, _, code) in RATE_ROWS.items()
    for bits, (container, width) in WIDTHS.items()
    for channels in range(1, 17)
]


def render_bits(form: Any, lines: int = 1) -> int:
    """§6.3."""
    mult = RATE_ROWS[form.SampleRate][0]
    return math.ceil(form.NumberOfChannels * form.ValidBitsPerSample * mult / lines)


def capture_bits(form: Any) -> int:
    mult = RATE_ROWS[form.SampleRate][0]
    return 8 * math.ceil(form.NumberOfChannels * form.ValidBitsPerSample * mult / 8) + 10


def fifo_words(form: Any) -> int:
    """§6.3, the FIFO rule."""
    pad = 8 * math.ceil(form.ValidBitsPerSample / 8)
    return math.ceil(form.NumberOfChannels * pad * RATE_ROWS[form.SampleRate][0] / 16)


def test_the_table_is_complete_and_consistent() -> None:
    assert len(RATE_ROWS) == 38
    assert len(ALL) == 3040
    assert tuple(RATE_ROWS) == RATES
    for rate, (mult, div, code) in RATE_ROWS.items():
        base = 44100 if code & 0x4000 else 48000
        assert Fraction(base * mult, div) == rate
        assert math.gcd(mult, div) == 1
        assert code == (0x4000 if base == 44100 else 0) | mult - 1 << 11 | div - 1 << 8
    possible = {Fraction(base * m, d) for base in (48000, 44100) for m in range(1, 5) for d in range(1, 9)}
    assert {int(rate) for rate in possible if rate.denominator == 1} == set(RATE_ROWS)


def test_encode_and_decode_are_inverse_for_every_format() -> None:
    codes = set()
    for form, code in ALL:
        assert encode_format(form) == code
        assert decode_format(code) == form
        codes.add(code)
    assert len(codes) == 3040, "injective"


def test_the_examples_of_the_specification() -> None:
    for form, code in [
        (StreamFormat(48000, 16, 16, 2), 0x0011),
        (StreamFormat(44100, 16, 16, 2), 0x4011),
        (StreamFormat(96000, 24, 32, 2), 0x0831),
        (StreamFormat(192000, 24, 32, 8), 0x1837),
        (StreamFormat(8000, 16, 16, 1), 0x0510),
        (StreamFormat(11025, 8, 8, 1), 0x4300),
        (StreamFormat(32000, 16, 16, 2), 0x0A11),
        (StreamFormat(48000, 32, 32, 1), 0x0040),
        (StreamFormat(192000, 32, 32, 8), 0x1847),
    ]:
        assert encode_format(form) == code


def test_all_65536_codes() -> None:
    """What decodes: 16 bits of a canonical or reducible fraction with a whole rate, bits 15 and 7 clear."""
    for code in range(1 << 16):
        form = decode_format(code)
        base = 44100 if code & 0x4000 else 48000
        mult, div, width = (code >> 11 & 7) + 1, (code >> 8 & 7) + 1, code >> 4 & 7
        rate = Fraction(base * mult, div)
        legal = not code & 0x8080 and mult <= 4 and width <= 4 and rate.denominator == 1
        if not legal:
            assert form is None, hex(code)
            continue
        if math.gcd(mult, div) == 1:
            assert form is not None
        if form is not None:
            assert form.SampleRate == rate
            assert form.NumberOfChannels == (code & 15) + 1
            assert WIDTHS[form.ValidBitsPerSample] == (form.ContainerSize, width)


def test_every_format_at_the_interface() -> None:
    """Each of the 3040 is allocated and freed: status, converter format and reserved bits of §6.3."""
    rig = Rig()
    bus = rig.client.v1
    for form, code in ALL:
        result = bus.AllocateRenderDmaEngine(form)
        if fifo_words(form) > 48:
            assert result == (BTS, None, None), form
        elif render_bits(form) > 960:
            assert result == (IR, None, None), form
        else:
            assert (result[0], result[2]) == (OK, code), form
            assert rig.hda.bandwidth() == (render_bits(form), 960)
            assert bus.FreeDmaEngine(result[1]) == OK
        result = bus.AllocateCaptureDmaEngine(2, form)
        if fifo_words(form) > 24:
            assert result == (BTS, None, None), form
        elif capture_bits(form) > 464:
            assert result == (IR, None, None), form
        else:
            assert (result[0], result[2]) == (OK, code), form
            assert rig.hda.bandwidth(2) == (capture_bits(form), 464)
            assert bus.FreeDmaEngine(result[1]) == OK
    assert rig.hda.bandwidth() == (0, 960)
    assert rig.pc.violations == []


@pytest.mark.parametrize(("lines", "stripe_lines"), [(2, 2), (4, 2), (4, 4)])
def test_striped_bandwidth(lines: int, stripe_lines: int) -> None:
    rig = Rig(sdo_lines=lines, stripe_lines=stripe_lines)
    bus = rig.client.v1
    for form, _ in ALL[::7]:
        status, handle, _ = bus.AllocateRenderDmaEngine(form, 1)
        if fifo_words(form) > 48:
            assert status == BTS, "striping does not change the FIFO rule"
            continue
        assert status == OK
        assert rig.info(handle)["link_bits"] == render_bits(form, stripe_lines), form
        bus.FreeDmaEngine(handle)


def test_numbers_of_the_specification() -> None:
    rig = Rig(render=12, capture=12)
    client = rig.client
    for form, bits in [
        (StreamFormat(48000, 16, 16, 2), 32),
        (StreamFormat(96000, 24, 32, 2), 96),
        (StreamFormat(192000, 24, 32, 8), 768),
        (StreamFormat(8000, 16, 16, 1), 16),
    ]:
        handle = client.render(form)
        assert rig.info(handle)["link_bits"] == bits
        client.release(handle)
    for form, bits in [
        (StreamFormat(96000, 24, 32, 8), 394),
        (StreamFormat(48000, 24, 32, 2), 58),
        (StreamFormat(48000, 16, 16, 2), 42),
    ]:
        handle = client.capture(form)
        assert rig.info(handle)["link_bits"] == bits
        client.release(handle)
    assert client.v1.AllocateCaptureDmaEngine(0, StreamFormat(192000, 16, 16, 8))[0] == BTS
    handles = [client.capture() for _ in range(11)]
    assert rig.hda.bandwidth(0) == (462, 464)
    assert client.v1.AllocateCaptureDmaEngine(0, DVD)[0] == IR
    for handle in handles:
        client.release(handle)
    assert rig.hda.bandwidth(0) == (0, 464)


def test_own_reservation_does_not_count_against_a_change() -> None:
    rig = Rig()
    handle = rig.client.render(StreamFormat(192000, 24, 32, 8))
    assert rig.client.v1.ChangeBandwidthAllocation(handle, StreamFormat(192000, 24, 32, 7))[0] == OK
    assert rig.client.v1.ChangeBandwidthAllocation(handle, StreamFormat(192000, 24, 32, 8))[0] == OK
    assert rig.hda.bandwidth()[0] == 768


INVALID = [
    *(StreamFormat(rate, 16, 16, 2) for rate in (0, 1, 5999, 47999, 48001, 44099, 11024, 384000, 192001, 2**32 - 1)),
    *(StreamFormat(rate, 16, 16, 2) for rate in (6857, 13714, 20571, 27428, 5512, 5513, 16537, 16538)),
    *(StreamFormat(48000, bits, bits, 2) for bits in (0, 1, 4, 7, 9, 12, 15, 17, 18, 20, 24, 28, 31, 33, 64, 65535)),
    *(StreamFormat(48000, 16, container, 2) for container in (0, 8, 15, 20, 24, 32, 64, 65535)),
    *(StreamFormat(48000, 8, container, 2) for container in (16, 24, 32)),
    *(StreamFormat(48000, bits, 16, 2) for bits in (20, 24, 32)),
    StreamFormat(48000, 20, 24, 2),
    *(StreamFormat(48000, 16, 16, channels) for channels in (0, 17, 18, 255, 256, 65535)),
]


@pytest.mark.parametrize("form", INVALID, ids=str)
def test_invalid(form: Any) -> None:
    rig = Rig()
    engine = rig.client.render()
    before = rig.pc.digest()
    assert rig.client.v1.AllocateRenderDmaEngine(form) == (IP, None, None)
    assert rig.client.v1.AllocateCaptureDmaEngine(0, form) == (IP, None, None)
    assert rig.client.v1.ChangeBandwidthAllocation(engine, form) == (IP, None)
    assert rig.pc.digest() == before


@pytest.mark.parametrize(
    "form", [StreamFormat(-1, 16, 16, 2), StreamFormat(2**32, 16, 16, 2), StreamFormat(48000, 16, 2**16, 2)], ids=str
)
def test_numbers_that_do_not_fit_the_members(form: Any) -> None:
    rig = Rig()
    with pytest.raises(OverflowError):
        rig.client.v1.AllocateRenderDmaEngine(form)
    assert encode_format(form) is None


@pytest.mark.parametrize(
    ("direction", "bits", "personality", "size"),
    [
        *((d, b, p, s) for p in ("ich", "generic") for d, b, s in (
            ("render", 8, 192), ("render", 16, 192), ("render", 32, 192), ("render", 20, 256), ("render", 24, 256),
            ("capture", 8, 120), ("capture", 16, 120), ("capture", 32, 120), ("capture", 20, 160), ("capture", 24, 160),
        )),
    ],
)  # fmt: skip
def test_fifo_size(direction: str, bits: int, personality: str, size: int) -> None:
    """§3: FIFO size by direction and bit depth. The bus driver reports the register + 1, as it was written for
    an ICH; where a chip's register holds bytes it is one too many, and current Linux reads that chip right.
    """
    rig = Rig(personality=personality)
    form = StreamFormat(48000, bits, WIDTHS[bits][0], 2)
    handle = rig.client.render(form) if direction == "render" else rig.client.capture(form)
    fifo = rig.client.v1.AllocateDmaBuffer(handle, 8192)[4]
    descriptor = rig.info(handle)["descriptor"]
    register = rig.hda.mmio.read(0x80 + 0x20 * descriptor + 0x10, 2)
    assert register == (size - 1 if personality == "ich" else size)
    assert fifo == register + 1


# --- §7: sizes, pages, lists ----------------------------------------------------------------------


def allowed(block: int, count: int) -> range:
    unit = block if count < 2 else 2 * math.lcm(128, block)
    least = -(-256 // unit) * unit
    return range(least, 256 * 4096 + 1, unit)


def nearest(sizes: range, wanted: int) -> int:
    """The allowed size closest to what is wanted; the larger of two."""
    steps = min(max(0, (wanted - sizes[0]) // sizes.step), len(sizes) - 1)
    around = sizes[steps : steps + 2]
    return max(around, key=lambda size: (-abs(size - wanted), size))


def cut(size: int, count: int, offset: int) -> list[tuple[int, int]]:
    """§7, the list the driver builds: (offset from the first page, length)."""
    cuts = {offset, offset + size} | {page for page in range(4096, offset + size, 4096) if page > offset}
    if count == 2:
        cuts.add(offset + size // 2)
    if len(cuts) == 2:
        cuts.add(offset + size // 2 // 128 * 128)
    places = sorted(cuts)
    return [(a, b - a) for a, b in pairwise(places)]


BLOCKS = [
    (StreamFormat(48000, 8, 8, 1), 1),
    (StreamFormat(48000, 16, 16, 1), 2),
    (StreamFormat(48000, 8, 8, 3), 3),
    (StreamFormat(44100, 16, 16, 2), 4),
    (StreamFormat(48000, 16, 16, 5), 10),
    (StreamFormat(48000, 24, 32, 3), 12),
    (StreamFormat(48000, 16, 16, 7), 14),
    (StreamFormat(48000, 32, 32, 4), 16),
    (StreamFormat(48000, 24, 32, 6), 24),
    (StreamFormat(48000, 24, 32, 13), 52),
    (StreamFormat(48000, 32, 32, 16), 64),
]
REQUESTS = (0, 1, 127, 128, 255, 256, 257, 383, 384, 1000, 1001, 3528, 4095, 4096, 4097, 8192, 10000, 19200, 65536,
            100001, 1048575, 1048576, 1048577, 2**63)  # fmt: skip


@pytest.mark.parametrize(("form", "block"), BLOCKS, ids=[f"f{block}" for _, block in BLOCKS])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_sizes_pages_and_lists(form: Any, block: int, count: int) -> None:
    rig = Rig()
    client = rig.client
    handle = client.render(form)
    sizes = allowed(block, count)
    for wanted in REQUESTS:
        offset = 0
        if count:
            result = client.v2.AllocateDmaBufferWithNotification(handle, count, wanted)
            status, mdl, size, offset, _, _ = result
        else:
            status, mdl, size, _, _ = client.v1.AllocateDmaBuffer(handle, wanted)
        assert status == OK
        assert size in sizes
        assert size == nearest(sizes, wanted), wanted
        assert offset == ((4096 - size // 2 % 4096) % 4096 if count == 2 else 0)
        assert len(mdl.pages) == -(-(offset + size) // 4096)
        assert len(set(mdl.pages)) == len(mdl.pages)
        entries = cut(size, count, offset)
        assert rig.hda.bdl(handle) == [
            (
                mdl.pages[start // 4096] + start % 4096,
                length,
                int(
                    (count >= 1 and start + length == offset + size)
                    or (count == 2 and start + length == offset + size // 2)
                ),
            )
            for start, length in entries
        ]
        info = rig.info(handle)
        assert info["lvi"] == len(entries) - 1
        assert 2 <= len(entries) <= 256
        assert all(address % 128 == 0 for address, _, _ in rig.hda.bdl(handle))
        descriptor = info["descriptor"]
        assert rig.hda.mmio.read(0x80 + 0x20 * descriptor + 8) == size, "SDnCBL"
        assert rig.hda.mmio.read(0x80 + 0x20 * descriptor + 12, 2) == len(entries) - 1, "SDnLVI"
        if count:
            assert client.v2.FreeDmaBufferWithNotification(handle, mdl, size) == OK
        else:
            assert client.v1.FreeDmaBuffer(handle) == OK


def test_buffers_stay_below_4_gib_where_the_controller_ends_there() -> None:
    for ok64, above in ((True, True), (False, False)):
        rig = Rig(memory="8GiB", ok64=ok64)
        handle = rig.client.render()
        mdl = rig.client.v1.AllocateDmaBuffer(handle, 65536)[1]
        assert all(page >= 1 << 32 for page in mdl.pages) is above
        assert all(page < 1 << 32 for page in mdl.pages) is not above


@pytest.mark.parametrize("size", [1, 100, 4096, 4097, 65536, 1 << 20, 3 << 20])
def test_contiguous_buffers(size: int) -> None:
    rig = Rig()
    handle = rig.client.render()
    status, data, bdl = rig.client.bdl.AllocateContiguousDmaBuffer(handle, size)
    assert status == OK
    first = rig.pc.physical(data)
    for at in range(0, size, 4096):
        assert rig.pc.physical(data + at) == first + at, "one physically contiguous block"
    assert int(bdl) % 4096 == 0
    assert rig.client.bdl.FreeContiguousDmaBuffer(handle) == OK
    assert rig.state(handle) == "R0"


STRICT = [
    ("gaps are legal", [(0, 1024, 0), (2048, 1024, 1)], 2048, OK),
    ("any order", [(4096, 1024, 0), (0, 1024, 1)], 2048, OK),
    ("the same fragment twice", [(0, 1024, 0), (0, 1024, 1)], 2048, OK),
    ("odd lengths", [(0, 1022, 0), (1024, 1026, 1)], 2048, OK),
    ("start not on 128", [(64, 1024, 0), (2048, 1024, 1)], 2048, IP),
    ("start not on 128, second", [(0, 1024, 0), (2050, 1024, 1)], 2048, IP),
    ("length 0", [(0, 2048, 0), (2048, 0, 1)], 2048, IP),
    ("outside", [(0, 1024, 0), (8192, 1024, 1)], 2048, IP),
    ("partly outside", [(0, 1024, 0), (8064, 1024, 1)], 2048, IP),
    ("no whole block", [(0, 1024, 0), (2048, 1026, 1)], 2050, IP),
    ("sum below", [(0, 1024, 0), (2048, 1024, 1)], 2052, IP),
    ("sum above", [(0, 1024, 0), (2048, 1024, 1)], 2044, IP),
    ("beyond the request", [(0, 4096, 0), (4096, 4096, 0), (0, 4096, 1)], 12288, IP),
]


@pytest.mark.parametrize(("what", "entries", "length", "answer"), STRICT, ids=[row[0] for row in STRICT])
def test_setup_checks(what: str, entries: list[tuple[int, int, int]], length: int, answer: int) -> None:
    rig = Rig()
    handle = rig.client.engine("RC")
    rig.client.entries(handle, entries)
    before = rig.pc.digest()
    result = rig.client.bdl.SetupDmaEngineWithBdl(handle, length, len(entries) - 1, rig.client.isr, None)
    assert result[0] == answer
    if answer != OK:
        assert rig.pc.digest() == before
        assert rig.state(handle) == "RC"
