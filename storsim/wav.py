"""WAV files in and out, sample for sample.

A stream carries containers as they lie in memory: 8-bit samples in 1 byte, 16-bit in 2, 20/24/32-bit in 4 bytes, left
justified. A WAV file packs 24-bit samples in 3 bytes and may say that fewer bits of a container are valid. The two
conversions here are exact inverses of each other for every format the controller knows.
Source: Microsoft's WAVEFORMATEXTENSIBLE page; containers: Intel HD Audio specification 1.0a §4.5.1 (spec
hda-controller §9.2).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

FORMAT_PCM = 0x0001
FORMAT_FLOAT = 0x0003
FORMAT_EXTENSIBLE = 0xFFFE
SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""Bytes 2 … 15 of KSDATAFORMAT_SUBTYPE_*; the first two are the format code."""
MAXIMUM_CHANNELS = 16


class WavError(ValueError):
    """A file that is no WAV this project can play. ``str()`` is one line: the file and what was expected."""


@dataclass(frozen=True)
class WavFormat:
    """rate: Hz. bits: valid bits of a sample (8, 16, 20, 24 or 32). channels: 1 … 16. packed: bytes of a sample in
    the file."""

    rate: int
    bits: int
    channels: int
    packed: int

    @property
    def container_bytes(self) -> int:
        """Bytes of a sample in memory: 1, 2 or 4."""
        return {1: 1, 2: 2}.get(self.packed, 4)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel in memory."""
        return self.container_bytes * self.channels

    def __str__(self) -> str:
        return f"{self.rate} Hz, {self.bits} bit, {self.channels} channel{'s' if self.channels != 1 else ''}"


@dataclass(frozen=True)
class Wav:
    """A file's samples. data: containers as they lie in memory, interleaved, ``frames * format.frame_bytes`` bytes."""

    format: WavFormat
    data: bytes

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return len(self.data) // self.format.frame_bytes


def read_wav(path: str | os.PathLike[str]) -> Wav:
    """Reads a PCM file: 8, 16, 24 or 32 bits, 1 … 16 channels, plain or WAVE_FORMAT_EXTENSIBLE.

    Errors: WavError in one line for anything else or a damaged file; OSError when it cannot be read. A data chunk
    that is longer than the file (a recorder that was cut off) is taken up to the end of the file.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise WavError(f"{name}: expected a RIFF/WAVE file, found {head[:12]!a}")
        form: WavFormat | None = None
        for tag, size in _chunks(file):
            if tag == b"fmt ":
                form = _format(file.read(min(size, 64)), name)
                file.seek(size - min(size, 64), os.SEEK_CUR)
            elif tag == b"data":
                if form is None:
                    raise WavError(f"{name}: expected the 'fmt ' chunk before the data")
                return Wav(form, _to_containers(file.read(size), form, name))
            else:
                file.seek(size, os.SEEK_CUR)
            file.seek(size & 1, os.SEEK_CUR)
    raise WavError(f"{name}: expected a {'data' if form else 'fmt '} chunk, found the end of the file")


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    while len(head := file.read(8)) == 8:
        yield head[:4], int.from_bytes(head[4:], "little")


def _format(chunk: bytes, name: str) -> WavFormat:
    if len(chunk) < 16:
        raise WavError(f"{name}: expected a format chunk of 16 bytes or more, found {len(chunk)}")
    code, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    valid = bits
    if code == FORMAT_EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != SUBFORMAT_TAIL:
            raise WavError(f"{name}: WAVE_FORMAT_EXTENSIBLE with an unknown sub-format: expected PCM")
        valid = struct.unpack_from("<H", chunk, 18)[0] or bits
        code = struct.unpack_from("<H", chunk, 24)[0]
    if code != FORMAT_PCM:
        kind = "floating point" if code == FORMAT_FLOAT else f"format code {code:#06x}"
        raise WavError(
            f"{name}: expected integer PCM, found {kind}: convert it, say with: sox IN -e signed-integer OUT"
        )
    if not 1 <= channels <= MAXIMUM_CHANNELS:
        raise WavError(f"{name}: expected 1 to {MAXIMUM_CHANNELS} channels, found {channels}")
    packed = (bits + 7) // 8
    if align != packed * channels or not rate:
        raise WavError(
            f"{name}: the format chunk contradicts itself: {bits} bits, {channels} channels, {align} bytes a frame"
        )
    legal = {1: (8,), 2: (16,), 3: (20, 24), 4: (20, 24, 32)}
    if valid not in legal.get(packed, ()):
        raise WavError(f"{name}: expected 8, 16, 20, 24 or 32 bits, found {valid} in containers of {packed * 8}")
    return WavFormat(rate, valid, channels, packed)


def _to_containers(data: bytes, form: WavFormat, name: str) -> bytes:
    frame = form.packed * form.channels
    data = data[: len(data) - len(data) % frame]
    if not data:
        raise WavError(f"{name}: there are no samples in it")
    if form.packed != 3:
        return data
    wide = bytearray(len(data) // 3 * 4)
    wide[1::4], wide[2::4], wide[3::4] = data[0::3], data[1::3], data[2::3]  # left justified: the low byte is 0
    return bytes(wide)


def from_containers(data: bytes, form: WavFormat) -> bytes:
    """Samples as the file packs them. data: whole frames of containers. Inverse of what read_wav does."""
    if form.packed != 3:
        return bytes(data)
    packed = bytearray(len(data) // 4 * 3)
    packed[0::3], packed[1::3], packed[2::3] = data[1::4], data[2::4], data[3::4]
    return bytes(packed)


def write_wav(path: str | os.PathLike[str], data: bytes, form: WavFormat) -> None:
    """Writes containers as a WAV file: plain PCM up to 16 bits and two channels, WAVE_FORMAT_EXTENSIBLE otherwise.

    Errors: ValueError when data is no whole number of frames or too long for the format (4 GiB); OSError from the file.
    """
    if len(data) % form.frame_bytes:
        raise ValueError(f"{len(data)} bytes are no whole number of frames of {form.frame_bytes} bytes")
    samples = from_containers(data, form)
    if len(samples) > 0xFFFFFF00:
        raise ValueError("a WAV file holds at most 4 GiB")
    align = form.packed * form.channels
    bits = form.packed * 8
    plain = form.packed <= 2 and form.channels <= 2
    chunk = struct.pack(
        "<HHIIHH", FORMAT_PCM if plain else FORMAT_EXTENSIBLE, form.channels, form.rate, form.rate * align, align, bits
    )
    if not plain:
        chunk += struct.pack("<HHIH", 22, form.bits, 0, FORMAT_PCM) + SUBFORMAT_TAIL
    pad = b"\0" * (len(samples) & 1)
    body = (
        b"WAVEfmt " + struct.pack("<I", len(chunk)) + chunk + b"data" + struct.pack("<I", len(samples)) + samples + pad
    )
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(body)) + body)
