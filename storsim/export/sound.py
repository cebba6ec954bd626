"""What a codec heard, as a WAV file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from storsim.wav import WavFormat, write_wav

if TYPE_CHECKING:
    from storsim.hdaudio import HDAUDIO_STREAM_FORMAT
    from storsim.machine import Machine


class Heard(NamedTuple):
    """What `wav` wrote. frames: samples per channel in the file. dropped: bytes heard before those the codec kept."""

    format: WavFormat
    frames: int
    dropped: int


def wav(
    machine: Machine,
    path: str | os.PathLike[str],
    *,
    stream_id: int | None = None,
    codec: int = 0,
    controller: int = 0,
    format: HDAUDIO_STREAM_FORMAT | WavFormat | None = None,
) -> Heard:
    """Writes what a codec heard on a stream, sample for sample as it went over the link.

    stream_id: the tag, 1 … 15; None: the first one on which something was heard. codec, controller: position among
    ``hda.codecs`` and the machine's controllers. format: None takes it from the stream's format register as the trace
    shows it. Raises ValueError that says what is missing, OSError. A codec keeps the last 16 MiB unless
    ``codec.keep`` says otherwise; with a sink set by ``codec.record`` the sink has them instead.
    """
    if not 0 <= controller < len(machine._hdas):
        raise ValueError(f"controller={controller}: this machine has {len(machine._hdas)} HD Audio controllers")
    hda = machine._hdas[controller]
    if not 0 <= codec < len(hda.codecs):
        raise ValueError(f"codec={codec}: this controller has {len(hda.codecs)} codecs")
    listener = hda.codecs[codec]
    tags = range(1, 16) if stream_id is None else (stream_id,)
    tag = next((tag for tag in tags if listener.played(tag)), None)
    if tag is None:
        raise ValueError("the codec heard nothing: was a converter given the stream's tag, and did the stream run?")
    form = _form(machine, hda.number, tag) if format is None else _plain(format)
    data, dropped = listener.played(tag), listener.dropped(tag)
    skip = -dropped % form.frame_bytes
    data = data[skip:]
    data = data[: len(data) // form.frame_bytes * form.frame_bytes]
    write_wav(path, data, form)
    return Heard(form, len(data) // form.frame_bytes, dropped + skip)


def _plain(form: HDAUDIO_STREAM_FORMAT | WavFormat) -> WavFormat:
    if isinstance(form, WavFormat):
        return form
    packed = {8: 1, 16: 2}.get(form.ContainerSize, 3 if form.ValidBitsPerSample <= 24 else 4)
    return WavFormat(form.SampleRate, form.ValidBitsPerSample, form.NumberOfChannels, packed)


def _form(machine: Machine, controller: int, tag: int) -> WavFormat:
    from storsim.hdaudio import decode_format
    from storsim.timeline import Timeline

    for stream in Timeline(machine).streams:
        if stream.controller == controller and stream.tag == tag and stream.format:
            decoded = decode_format(stream.format)
            if decoded is not None:
                return _plain(decoded)
    raise ValueError(
        f"the trace no longer shows the format of stream {tag}: pass format=, or a larger trace_entries= to the machine"
    )
