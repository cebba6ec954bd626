"""Records through the simulated DMA engine into a WAV file: the codec hears the
samples of --in, or silence; the driver empties one half of the ring at each
interrupt.

example:
  storsim record taken.wav --in song.wav
  storsim record taken.wav --seconds 2 --rate 44100 --bits 24 --channels 2
"""

from __future__ import annotations

import argparse
import json
import sys

from storsim import wav
from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT
from storsim.cli.play import Progress, add_common, as_json, machine_with, summary

NAME = "record"
HELP = "record through the HD Audio DMA engine into a WAV file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim record``."""
    parser.add_argument("file", metavar="OUT.wav", help="where the recording goes")
    parser.add_argument(
        "--in", dest="source", metavar="IN.wav", help="what the codec hears; gives the format and length too"
    )
    parser.add_argument("--seconds", type=_seconds, default=1.0, metavar="S", help="length without --in (1)")
    parser.add_argument("--rate", type=int, default=48000, metavar="HZ", help="without --in (48000)")
    parser.add_argument(
        "--bits",
        type=int,
        choices=(8, 16, 20, 24, 32),
        default=16,
        metavar="N",
        help="8, 16, 20, 24 or 32, without --in (16)",
    )
    parser.add_argument(
        "--channels", type=int, choices=range(1, 17), default=2, metavar="N", help="1 to 16, without --in (2)"
    )
    add_common(parser)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"expected more than 0 and at most 3600 seconds, got {text}")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Records. 0: the samples of --in arrived identical; 1: some were lost; 3: the file or the codec cannot be used."""
    from storsim import codec_driver, player

    try:
        if arguments.source:
            sound = wav.read_wav(arguments.source)
            form, frames, source = sound.format, sound.frames, sound.data
        else:
            form = wav.WavFormat(arguments.rate, arguments.bits, arguments.channels, (arguments.bits + 7) // 8)
            frames, source = max(1, int(arguments.seconds * arguments.rate)), None
        pc, hda = machine_with(arguments)
        with pc:
            progress = Progress(arguments.quiet or arguments.json)
            report = player.record(
                hda,
                form,
                frames,
                interface=arguments.interface,
                ring_ms=arguments.ring,
                late_ms=arguments.late,
                source=source,
                progress=progress,
            )
    except (wav.WavError, codec_driver.CodecError, player.PlayError) as error:
        print(f"storsim: error: {error}", file=sys.stderr)
        return EXIT_INPUT
    wav.write_wav(arguments.file, report.data, form)
    identical = source is None or report.data == source
    if arguments.json:
        print(json.dumps({**as_json(report), "identical": identical}, indent=2))
    else:
        print("\n".join(summary(report, "recorded")))
        if source is not None:
            print("identical samples arrived" if identical else "samples were lost or repeated")
    return EXIT_DONE if identical else EXIT_FOUND
