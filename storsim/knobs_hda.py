"""The knobs of an HD Audio controller, in the manner of `storsim.knobs`: name, scope, default, values, source, meaning.

Scope ``chip``: how the part is built. Scope ``bus``: the bus driver's limits. Scope ``policy``: what the interface
does where its documentation leaves a choice; ``profile="skl"`` sets all of those to what the open-source driver does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storsim import _core
from storsim.knobs import Knob, check_whole

TIMINGS = ("controller", "ideal", "emulator")
PERSONALITIES = ("ich", "generic")
NEXT_FRAME, STUCK = 0xFFFFFFFE, 0xFFFFFFFF
_CHIP = "hda-controller §2"


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """The value if it is allowed. Raises ValueError that names what is."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}={value!r}: choose among {', '.join(allowed)}")
    return value


def _latency(name: str, value: Any) -> int:
    if value in ("frame", "stuck"):
        return NEXT_FRAME if value == "frame" else STUCK
    return check_whole(0, STUCK)(name, value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, int)) or value not in (0, 1):
        raise ValueError(f"{name}={value!r}: pass True or False")
    return bool(value)


def _personality(name: str, value: Any) -> int:
    return PERSONALITIES.index(choice(name, value, PERSONALITIES))


def _stripe(name: str, value: Any) -> int:
    if value not in (2, 4):
        raise ValueError(f"{name}={value!r}: a stream is striped over 2 or 4 SDO lines")
    return int(value)


def _number(name: str, scope: str, default: Any, low: int, high: int, source: str, meaning: str) -> Knob:
    return Knob(name, scope, default, f"{low} … {high}", source, check_whole(low, high), meaning)


def _wait(name: str, source: str, meaning: str) -> Knob:
    return Knob(name, "chip", "frame", "ticks, frame (the next boundary), stuck", source, _latency, meaning)


def _switch(name: str, default: bool, source: str, meaning: str) -> Knob:
    return Knob(name, "chip", default, "True, False", source, _flag, meaning)


def _policy(name: str, choices: str, source: str) -> Knob:
    allowed = tuple(choices.split("|"))

    def check(name: str, value: Any) -> str:
        return choice(name, str(value).lower() if isinstance(value, bool) else value, allowed)

    section, _, meaning = source.partition(": ")
    return Knob(name, "policy", allowed[0], ", ".join(allowed), f"hdaudio-dma {section}", check, meaning or section)


HDA_KNOBS: tuple[Knob, ...] = (
    _number("sdi_lines", "chip", 0, 0, 15, "DESIGN §5", "SDI lines; 0: max(4, highest codec address + 1)"),
    Knob(
        "personality", "chip", "ich", "ich, generic", "DESIGN §5 FIFOS", _personality, "FIFOS, FIFOW and TP as on ICH"
    ),
    _switch("ok64", True, "hda-controller §14", "64-bit addresses (GCAP.64OK)"),
    _number("outpay", "chip", 60, 1, 0xFFFF, _CHIP, "16-bit words per frame and SDO line"),
    _number("inpay", "chip", 29, 1, 0xFFFF, _CHIP, "16-bit words per frame and SDI line"),
    _number("outstrmpay", "chip", 48, 0, 0xFF, _CHIP, "16-bit words per frame of one output stream; 0: no limit"),
    _number("instrmpay", "chip", 24, 0, 0xFF, _CHIP, "16-bit words per frame of one input stream; 0: no limit"),
    _number("fifo_render", "chip", 192, 2, 1024, "hdaudio-dma §3", "FIFO bytes, render, 8/16/32-bit samples"),
    _number("fifo_render_wide", "chip", 256, 2, 1024, "hdaudio-dma §3", "FIFO bytes, render, 20/24-bit samples"),
    _number("fifo_capture", "chip", 120, 2, 1024, "hdaudio-dma §3", "FIFO bytes, capture, 8/16/32-bit samples"),
    _number("fifo_capture_wide", "chip", 160, 2, 1024, "hdaudio-dma §3", "FIFO bytes, capture, 20/24-bit samples"),
    _number(
        "corb_sizes", "chip", 4, 1, 7, "hda-controller §11", "CORB sizes offered, a mask: 1: 2 entries, 2: 16, 4: 256"
    ),
    _number("rirb_sizes", "chip", 4, 1, 7, "hda-controller §12", "RIRB sizes offered, the same mask"),
    _wait("crst_latency", "hda-controller §3", "CRST, both edges"),
    _wait("srst_latency", "hda-controller §6.1", "SRST, both edges"),
    _wait("stop_latency", "hda-controller §6.3", "RUN from 1 to 0"),
    _number("codec_frames", "chip", 25, 0, 0xFFFF, "hda-controller §3", "frames from CRST = 1 to STATESTS"),
    _switch("bdl_prefetch", False, "hda-controller §5", "reads the whole BDL at RUN, as emulators do"),
    _switch("corb_reset_quirk", False, "hda-controller §11", "CORBRPRST clears itself and never reads 1"),
    _switch("dma_remapping", False, "storport-memory §9", "behind an IOMMU: bus addresses are logical"),
    _switch("coherent", True, "storport-memory §9", "the CPU's caches are snooped"),
    _number(
        "keep_bytes",
        "chip",
        16 << 20,
        0,
        1 << 40,
        "DESIGN §7 played",
        "tail of what a codec heard that is kept per stream",
    ),
    Knob("stripe_lines", "bus", 2, "2, 4", "hdaudio-dma §6.3", _stripe, "SDO lines a striped stream uses"),
    _number("events_per_engine", "bus", 16, 0, 1024, "hdaudio-dma §5.12", "notification events an engine holds"),
    _number("callbacks_per_engine", "bus", 16, 0, 1024, "hdaudio-dma §5.12", "notification callbacks an engine holds"),
    _number(
        "verb_timeout", "bus", 240_000, 1500, 1 << 40, "model choice", "ticks after which a command counts as lost"
    ),
    _number("late_dpc", "bus", 240_000, 0, 1 << 40, "model choice", "ticks by which the fault late_dpc delays a DPC"),
    _number("dirql", "bus", 5, 3, 11, "hdaudio-dma §0", "level of the controller's interrupt"),
    _number("ctrl_revision", "bus", 4, 0, 0xFF, "ns-hdaudio-_hdaudio_device_information_v2.md", "CtrlRevision"),
    _number("ctrl_vendor_id", "bus", 0x8086, 0, 0xFFFF, "the same page", "CtrlVendorId"),
    _number("ctrl_device_id", "bus", 0x2668, 0, 0xFFFF, "the same page", "CtrlDeviceId"),
    *(_policy(*row) for row in _core.HDAUDIO_POLICIES),
)
_BY_NAME = {knob.name: knob for knob in HDA_KNOBS}


def split_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str], str]:
    """Keywords of add_hda as (chip, bus driver, policies, profile). Raises TypeError or ValueError that names what
    is allowed."""
    sorted_in: dict[str, dict[str, Any]] = {"chip": {}, "bus": {}, "policy": {}}
    profile = "doc"
    for name, value in given.items():
        if name == "profile":
            profile = choice(name, value, ("doc", "skl"))
        elif name in _BY_NAME:
            knob = _BY_NAME[name]
            sorted_in[knob.scope][name] = knob.check(name, value)
        else:
            raise TypeError(f"add_hda has no keyword {name!r}; it takes {', '.join(sorted([*_BY_NAME, 'profile']))}")
    return sorted_in["chip"], sorted_in["bus"], sorted_in["policy"], profile
