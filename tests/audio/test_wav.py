"""The WAV reader and writer: every width, plain and extensible, 1–16 channels, and files that are damaged in every way.

Files are made here from the published layout, not by the writer under test.
"""

from __future__ import annotations

import random
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storsim.wav import Wav, WavError, WavFormat, from_containers, read_wav, write_wav

TAIL = bytes.fromhex("000000001000800000aa00389b71")


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(
        tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for tag, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def plain(rate: int, channels: int, bits: int, code: int = 1) -> bytes:
    align = channels * ((bits + 7) // 8)
    return struct.pack("<HHIIHH", code, channels, rate, rate * align, align, bits)


def extensible(rate: int, channels: int, bits: int, valid: int, code: int = 1) -> bytes:
    return plain(rate, channels, bits, 0xFFFE) + struct.pack("<HHIH", 22, valid, 0, code) + TAIL


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    return path


def samples(count: int, seed: int = 3) -> bytes:
    return random.Random(seed).randbytes(count)


def widened(data: bytes) -> bytes:
    """24-bit samples as the controller stores them: 32 bits, left justified."""
    return b"".join(b"\0" + data[i : i + 3] for i in range(0, len(data), 3))


@pytest.mark.parametrize("channels", range(1, 17))
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("ext", [False, True])
def test_reads(tmp_path: Path, bits: int, channels: int, ext: bool) -> None:
    data = samples(bits // 8 * channels * 37)
    form = extensible(44100, channels, bits, bits) if ext else plain(44100, channels, bits)
    wav = read_wav(saved(tmp_path, riff((b"fmt ", form), (b"data", data))))
    assert (wav.format.rate, wav.format.bits, wav.format.channels) == (44100, bits, channels)
    assert wav.frames == 37
    assert wav.data == (widened(data) if bits == 24 else data)
    assert wav.format.frame_bytes == channels * {8: 1, 16: 2, 24: 4, 32: 4}[bits]
    assert len(wav.data) == 37 * wav.format.frame_bytes


@pytest.mark.parametrize(("bits", "valid"), [(24, 20), (32, 24), (32, 20), (16, 16), (32, 32)])
def test_valid_bits(tmp_path: Path, bits: int, valid: int) -> None:
    data = samples(bits // 8 * 2 * 10)
    wav = read_wav(saved(tmp_path, riff((b"fmt ", extensible(48000, 2, bits, valid)), (b"data", data))))
    assert wav.format.bits == valid
    assert from_containers(wav.data, wav.format) == data


def test_no_valid_bits_means_all(tmp_path: Path) -> None:
    data = samples(60)
    wav = read_wav(saved(tmp_path, riff((b"fmt ", extensible(48000, 2, 24, 0)), (b"data", data))))
    assert wav.format.bits == 24


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    data = samples(64)
    junk = [(b"JUNK", b"x" * 7), (b"LIST", b"INFOabc"), (b"fact", b"\1\0\0\0"), (b"bext", b"")]
    wav = read_wav(saved(tmp_path, riff(*junk, (b"fmt ", plain(8000, 1, 16)), *junk, (b"data", data), (b"id3 ", b"t"))))
    assert wav.data == data


def test_a_recording_that_was_cut_off(tmp_path: Path) -> None:
    whole = riff((b"fmt ", plain(48000, 2, 16)), (b"data", samples(4000)))
    wav = read_wav(saved(tmp_path, whole[:-1001]))
    assert len(wav.data) == (4000 - 1001) // 4 * 4
    unsized = riff((b"fmt ", plain(48000, 2, 16)), size=0xFFFFFFFF) + b"data\xff\xff\xff\xff" + samples(400)
    assert read_wav(saved(tmp_path, unsized)).data == samples(400)


BAD = {
    "empty": b"",
    "short": b"RIFF",
    "not riff": b"FORM" + bytes(40),
    "big endian": b"RIFX" + bytes(40),
    "avi": b"RIFF\x20\0\0\0AVI " + bytes(40),
    "no chunk": riff(),
    "no data": riff((b"fmt ", plain(48000, 2, 16))),
    "data first": riff((b"data", b"1234"), (b"fmt ", plain(48000, 2, 16))),
    "no samples": riff((b"fmt ", plain(48000, 2, 16)), (b"data", b"")),
    "short format": riff((b"fmt ", plain(48000, 2, 16)[:14]), (b"data", b"1234")),
    "float": riff((b"fmt ", plain(48000, 2, 32, 3)), (b"data", b"12345678")),
    "adpcm": riff((b"fmt ", plain(48000, 2, 16, 2)), (b"data", b"12345678")),
    "a-law": riff((b"fmt ", plain(8000, 1, 8, 6)), (b"data", b"12345678")),
    "extensible float": riff((b"fmt ", extensible(48000, 2, 32, 32, 3)), (b"data", b"12345678")),
    "extensible short": riff((b"fmt ", extensible(48000, 2, 16, 16)[:30]), (b"data", b"12345678")),
    "extensible other": riff((b"fmt ", extensible(48000, 2, 16, 16)[:-1] + b"?"), (b"data", b"12345678")),
    "no channels": riff((b"fmt ", plain(48000, 0, 16)), (b"data", b"12345678")),
    "17 channels": riff((b"fmt ", plain(48000, 17, 16)), (b"data", b"12345678" * 10)),
    "no rate": riff((b"fmt ", plain(0, 2, 16)), (b"data", b"12345678")),
    "12 bits": riff((b"fmt ", plain(48000, 2, 12)), (b"data", b"12345678")),
    "64 bits": riff((b"fmt ", plain(48000, 2, 64)), (b"data", b"12345678" * 2)),
    "0 bits": riff((b"fmt ", plain(48000, 2, 0)), (b"data", b"12345678")),
    "wrong align": riff((b"fmt ", plain(48000, 2, 16)[:12] + b"\5\0\x10\0"), (b"data", b"12345678")),
    "valid above bits": riff((b"fmt ", extensible(48000, 2, 16, 24)), (b"data", b"12345678")),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, BAD[name])
    with pytest.raises(WavError) as refused:
        read_wav(path)
    text = str(refused.value)
    assert "\n" not in text
    assert str(path) in text
    assert len(text) > len(str(path)) + 10


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")


GOOD = riff((b"fmt ", extensible(48000, 2, 24, 24)), (b"data", samples(120)))


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: GOOD[:12] + tail))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    judge(saved(tmp_path_factory.mktemp("wav"), data))


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(GOOD)))
def test_any_damage(tmp_path_factory: pytest.TempPathFactory, hits: list[tuple[int, int]], length: int) -> None:
    data = bytearray(GOOD)
    for place, value in hits:
        data[place] = value
    judge(saved(tmp_path_factory.mktemp("wav"), bytes(data[: max(length, 12)])))


def judge(path: Path) -> None:
    """A sound whose parts agree, or WavError in one line: nothing else."""
    try:
        wav = read_wav(path)
    except WavError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(wav, Wav)
        assert wav.data
        assert len(wav.data) == wav.frames * wav.format.frame_bytes
        assert 1 <= wav.format.channels <= 16


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 16])
@pytest.mark.parametrize(("bits", "packed"), [(8, 1), (16, 2), (20, 3), (24, 3), (20, 4), (24, 4), (32, 4)])
def test_writer_and_reader_are_inverse(tmp_path: Path, bits: int, packed: int, channels: int) -> None:
    form = WavFormat(96000, bits, channels, packed)
    raw = samples(packed * channels * 21)
    data = widened(raw) if packed == 3 else raw
    path = tmp_path / "b.wav"
    write_wav(path, data, form)
    wav = read_wav(path)
    assert wav.format == form
    assert wav.data == data
    blob = path.read_bytes()
    assert struct.unpack_from("<I", blob, 4)[0] == len(blob) - 8
    assert len(blob) % 2 == 0


@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (8, 2), (16, 1), (16, 2)])
def test_another_reader_agrees(tmp_path: Path, bits: int, channels: int) -> None:
    raw = samples(bits // 8 * channels * 15)
    path = tmp_path / "c.wav"
    write_wav(path, raw, WavFormat(22050, bits, channels, bits // 8))
    with wave.open(str(path), "rb") as other:
        assert (other.getframerate(), other.getsampwidth(), other.getnchannels()) == (22050, bits // 8, channels)
        assert other.readframes(1000) == raw


def test_writer_refuses_part_of_a_frame(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frames"):
        write_wav(tmp_path / "d.wav", b"123", WavFormat(48000, 16, 2, 2))
    assert not (tmp_path / "d.wav").exists()


SHARED = sorted((Path(__file__).resolve().parents[3] / "shared" / "data" / "wav").glob("*.wav"))


def test_files_beside_the_repository() -> None:
    for path in SHARED:
        wav = read_wav(path)
        assert wav.frames > 0
        assert wav.format.bits in (8, 16, 24, 32)
