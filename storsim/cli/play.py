"""Plays a WAV file through the simulated DMA engine as a function driver does: it
walks the codec for a converter and a pin, programs them with verbs, allocates
an engine and a ring, and refills one half at each interrupt. --late makes the
refill late on purpose.

example:
  storsim play song.wav --codec codec0.txt --interface v3 --out heard.wav
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from storsim import wav
from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT

if TYPE_CHECKING:
    from storsim.player import Beat, Report

NAME = "play"
HELP = "play a WAV file through the HD Audio DMA engine"


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that play and record share."""
    parser.add_argument("--codec", metavar="DUMP", help="a Linux codec dump (an ideal codec that takes every format)")
    parser.add_argument(
        "--interface",
        choices=("v1", "v2", "v3", "bdl"),
        default="v2",
        metavar="NAME",
        help="table of the bus interface: v1, v2, v3 or bdl (v2)",
    )
    parser.add_argument(
        "--timing",
        choices=("controller", "ideal", "emulator"),
        default="controller",
        metavar="NAME",
        help="of the chip: controller, ideal or emulator (controller)",
    )
    parser.add_argument("--ring", type=_milliseconds, default=40.0, metavar="MS", help="length of the ring buffer (40)")
    parser.add_argument(
        "--late", type=_milliseconds, default=0.0, metavar="MS", help="serve each interrupt this much later (0)"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--quiet", action="store_true", help="only the summary")


def _milliseconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 10000:
        raise argparse.ArgumentTypeError(f"expected 0 to 10000 milliseconds, got {text}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim play``."""
    parser.add_argument("file", metavar="FILE.wav", help="integer PCM, 8 to 32 bit, 1 to 16 channels")
    parser.add_argument("--out", metavar="OUT.wav", help="write what the codec heard")
    add_common(parser)


def machine_with(arguments: argparse.Namespace, **knobs: Any) -> tuple[Any, Any]:
    """A machine with one controller, its link wide enough for every format, and the chosen codec."""
    import storsim
    from storsim import player
    from storsim.importers.codec import load_codec

    codecs = [load_codec(arguments.codec)] if arguments.codec else None
    pc = storsim.Machine("1GiB", level="strict", **knobs)
    try:
        options: dict[str, Any] = {"codecs": codecs} if codecs else {}
        return pc, pc.add_hda(timing=arguments.timing, **player.WIDE_LINK, **options)
    except BaseException:
        pc.close()
        raise


class Progress:
    """Prints some of the refills: the first ones, then about every half second of virtual time."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.next = quiet, 0

    def __call__(self, beat: Beat) -> None:
        if self.quiet or (beat.number > 3 and beat.time < self.next and (beat.slack >= 0 or beat.number > 12)):
            return
        self.next = beat.time + 12_000_000
        note = "" if beat.slack >= 0 else "   LATE: the old bytes were heard"
        print(
            f"  {beat.time / 24e6:9.4f} s  interrupt {beat.number:5d}  position {beat.position:7d}  "
            f"slack {beat.slack / 24000:7.2f} ms{note}"
        )


def summary(report: Report, what: str) -> list[str]:
    """Lines about a finished run."""
    form = report.format
    seconds = len(report.data) / form.frame_bytes / form.rate
    return [
        f"{what} {seconds:.3f} s of {form}",
        f"converter {report.converter:#04x}, pin {report.pin:#04x}, stream {report.stream_id}, "
        f"FIFO {report.fifo_bytes} bytes, ring {report.ring_bytes} bytes",
        f"{len(report.beats)} refills, {report.late} late, least slack {report.least_slack_ms:.2f} ms",
    ]


def as_json(report: Report) -> dict[str, Any]:
    """The same as plain data."""
    form = report.format
    return {
        "format": {"rate": form.rate, "bits": form.bits, "channels": form.channels},
        "converter": report.converter,
        "pin": report.pin,
        "stream_id": report.stream_id,
        "fifo_bytes": report.fifo_bytes,
        "ring_bytes": report.ring_bytes,
        "bytes": len(report.data),
        "refills": len(report.beats),
        "interrupts": report.interrupts,
        "late": report.late,
        "least_slack_ms": round(report.least_slack_ms, 4),
    }


def run(arguments: argparse.Namespace) -> int:
    """Plays the file. 0: identical samples heard; 1: a glitch was heard; 3: the file or the codec cannot be used."""
    from storsim import codec_driver, player

    try:
        sound = wav.read_wav(arguments.file)
        pc, hda = machine_with(arguments)
        with pc:
            progress = Progress(arguments.quiet or arguments.json)
            report = player.play(
                hda,
                sound,
                interface=arguments.interface,
                ring_ms=arguments.ring,
                late_ms=arguments.late,
                progress=progress,
            )
    except (wav.WavError, codec_driver.CodecError, player.PlayError) as error:
        print(f"storsim: error: {error}", file=sys.stderr)
        return EXIT_INPUT
    identical = report.data == sound.data
    if arguments.out:
        wav.write_wav(arguments.out, report.data, sound.format)
    if arguments.json:
        print(json.dumps({**as_json(report), "identical": identical}, indent=2))
    else:
        print("\n".join(summary(report, "played")))
        print(
            "the codec heard identical samples"
            if identical
            else "the codec heard something else: listen to it with --out"
        )
    return EXIT_DONE if identical else EXIT_FOUND
