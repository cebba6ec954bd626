"""Hypothesis strategies for what a driver meets: machines, adapters, requests, formats, verbs, faults, time.

Every strategy draws valid values by construction (nothing is filtered) and shrinks towards the simplest case for a
driver: the usual machine, one page, one piece, no fault, the shortest time. Values print as short valid Python.

What belongs together is drawn as one number (`packed`): a step of a failing program then is a few choices long, and
Hypothesis takes whole steps out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from storsim.enums import Placement
from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.machine import Machine
from storsim.memory_range import MemoryRange

Value = TypeVar("Value")
PAGE = 4096
MIB = 1 << 20
GIB = 1 << 30
PLACEMENTS = [Placement.TOP_DOWN, *(policy for policy in Placement if policy != Placement.TOP_DOWN)]


class Short:
    """Dataclass values whose repr names only what differs from the default, as a call that makes an equal value."""

    def __repr__(self) -> str:
        shown = [
            f"{item.name}={_plain(getattr(self, item.name))}"
            for item in fields(self)  # type: ignore[arg-type]
            if getattr(self, item.name) != item.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would print every field


def _plain(value: Any) -> str:
    if isinstance(value, StreamFormat):
        numbers = (value.SampleRate, value.ValidBitsPerSample, value.ContainerSize, value.NumberOfChannels)
        return f"StreamFormat({', '.join(map(str, numbers))})"
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Placement) else repr(value)


@st.composite
def _packed(draw: st.DrawFn, make: Callable[..., Any], axes: tuple[Sequence[Any], ...]) -> Any:
    number = draw(st.integers(0, prod(len(axis) for axis in axes) - 1))
    values = []
    for axis in reversed(axes):
        number, index = divmod(number, len(axis))
        values.append(axis[index])
    return make(*reversed(values))


def packed(make: Callable[..., Value], *axes: Sequence[Any]) -> SearchStrategy[Value]:
    """``make(one value of each axis)``, drawn as a single number. Shrinks to the first values; the first axis counts
    most."""
    return _packed(make, axes)


# --- machines and adapters --------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class MachineConfig(Short):
    """Settings of a Machine that a strategy drew.

    memory, nodes, placement, seed, cpus: as for `storsim.Machine`. pinned: share of the free memory, in eighths (0 …
    7), pinned in runs of `run_pages` pages, so that what is left is in pieces.
    """

    memory: str | tuple[MemoryRange, ...] = "16GiB"
    nodes: int = 1
    placement: Placement = Placement.TOP_DOWN
    seed: int = 0
    cpus: int = 1
    pinned: int = 0
    run_pages: int = 1

    def make(self, **settings: Any) -> Machine:
        """The machine. settings: keywords of Machine that go before the drawn ones."""
        given: dict[str, Any] = {
            "memory": self.memory if isinstance(self.memory, str) else list(self.memory),
            "nodes": self.nodes,
            "placement": self.placement,
            "seed": self.seed,
            "cpus": self.cpus,
        }
        pc = Machine(**(given | settings))
        if self.pinned:
            from fractions import Fraction

            pc.memory.fragment(Fraction(self.pinned, 8), self.run_pages)
        return pc


@dataclass(frozen=True, repr=False)
class AdapterConfig(Short):
    """Settings of an adapter that a strategy drew: knobs that a correct driver cannot tell apart."""

    dma_remapping: bool = False
    sg_delivery: str = "immediate"
    full_duplex: bool = True

    def settings(self) -> dict[str, Any]:
        """Keywords for ``pc.add_adapter``."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def machines() -> SearchStrategy[MachineConfig]:
    """Machines that are quick to make: usual sizes, one or two nodes, every placement, small ones in pieces.

    Shrinks towards ``MachineConfig()``: 16 GiB on one node, top-down, seed 0.
    """
    return _machines()


@st.composite
def _machines(draw: st.DrawFn) -> MachineConfig:
    kind = draw(st.sampled_from(["plain", "usual", "pieces"]))
    if kind == "plain":
        return MachineConfig()
    if kind == "usual":
        memory, nodes = draw(st.sampled_from(["16GiB", "4GiB", "64MiB"])), draw(st.integers(1, 2))
        return MachineConfig(memory, nodes, draw(st.sampled_from(PLACEMENTS)), draw(st.integers(0, 3)))
    placement = draw(st.sampled_from([Placement.TOP_DOWN, Placement.ADVERSARIAL, Placement.RANDOM]))
    pinned, run_pages = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    return MachineConfig("16MiB", 1, placement, draw(st.integers(0, 3)), 1, pinned, run_pages)


def adapters() -> SearchStrategy[AdapterConfig]:
    """Adapters; shrinks towards ``AdapterConfig()``."""
    return packed(AdapterConfig, [False, True], ["immediate", "deferred"])


def pages_left() -> SearchStrategy[int]:
    """Pages that stay free on a machine that is almost full: 0 to 64. Shrinks towards 0."""
    return st.sampled_from([0, 1, 2, 4, 8, 16, 64, *range(65)])


# --- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Transfer(Short):
    """A request as the port driver sends it.

    length: bytes. write: the data goes to the device. fragments: physical pieces of its buffer, 0: as the memory gives
    them. offset: of the buffer in its first page, bytes.
    """

    length: int = 4096
    write: bool = False
    fragments: int = 1
    offset: int = 0


def _lengths(most: int) -> list[int]:
    """Every length, the telling ones first and more than once."""
    telling = [size for size in (4096, 512, 8192, 12288, 4608, 3584, 32768, 65536, 131072) if size <= most]
    return [*telling * 4, *range(512, most + 1, 512)] or [most]


def transfer_lengths(most: int = 128 << 10) -> SearchStrategy[int]:
    """Lengths of transfers in bytes, multiples of 512: often around pages. Shrinks towards one page."""
    return st.sampled_from(_lengths(most))


def transfers(
    most: int = 128 << 10, *, reads: bool = True, writes: bool = True, aligned: bool = False
) -> SearchStrategy[Transfer]:
    """Requests of at most `most` bytes. reads, writes: False leaves one direction out. aligned: buffers begin a page.

    Shrinks towards ``Transfer()``: a read of one page in one piece.
    """
    directions = [False] * reads + [True] * writes
    offsets = [0] if aligned else [0, 0, 512, 2048, 3584]
    return packed(_transfer, offsets, [1, 0, 2, 3, 8], directions, _lengths(most))


def _transfer(offset: int, fragments: int, write: bool, length: int) -> Transfer:
    return Transfer(length, write, min(fragments, -(-(offset + length) // PAGE)), offset)


# --- time and faults --------------------------------------------------------------------------------------------------


def time_steps(most: int = 24_000_000) -> SearchStrategy[int]:
    """Ticks to let pass: often a frame, a millisecond, 10 ms. Shrinks towards one frame."""
    usual = [ticks for ticks in (500, 24_000, 240_000, 1, 2_400_000, 499, 501, 12_345) if ticks <= most] or [most]
    return st.sampled_from([*usual, *(ticks for ticks in range(1_000, 1_000_000, 27_001) if ticks <= most)])


def nth_failures(most: int = 8) -> SearchStrategy[int]:
    """Which of the next calls that can fail does fail; 0, most often, is none. Early ones come more often than late
    ones, because most hooks make few such calls. Shrinks towards 0.
    """
    counts = [n for n in range(1, most + 1) for _ in range(-(-most // (n + 1)))]
    return st.sampled_from([*[0] * len(counts), *counts])


# --- audio ------------------------------------------------------------------------------------------------------------

RATES = (48000, 44100, 96000, 192000, 32000, 16000, 8000)
#: Valid bits and container.
WIDTHS = ((16, 16), (24, 32), (20, 32), (32, 32), (8, 8))
CHANNELS = (2, 1, 4, 6, 8)
BUFFER_SIZES = (4096, 8192, 1920, 16384, 3840, 65536, 128, 1000, 5000, 12288)
#: GET_PARAMETER of what every codec has: vendor id, revision, subordinate nodes, function group type.
_PARAMETERS = (0x00, 0x02, 0x04, 0x05, 0x08)


def _format(rate: int, width: tuple[int, int], channels: int) -> StreamFormat:
    return StreamFormat(rate, *width, channels)


def stream_formats() -> SearchStrategy[StreamFormat]:
    """Formats that every controller and the ideal codec take: common rates, 8 to 32 bits, 1 to 8 channels.

    Shrinks towards ``StreamFormat(48000, 16, 16, 2)``.
    """
    return packed(_format, RATES, WIDTHS, CHANNELS)


@dataclass(frozen=True, repr=False)
class StreamSpec(Short):
    """A stream as a client asks for it.

    capture: from the codec. format: StreamFormat. buffer_bytes: size of the cyclic buffer to ask for. notifications: 1
    or 2 per buffer.
    """

    capture: bool = False
    format: StreamFormat | None = None
    buffer_bytes: int = 4096
    notifications: int = 1


def streams(*, renders: bool = True, captures: bool = True) -> SearchStrategy[StreamSpec]:
    """Streams; renders, captures: False leaves one direction out. Shrinks towards ``StreamSpec()``."""
    directions = [False] * renders + [True] * captures
    return packed(_spec, WIDTHS, CHANNELS, RATES, [1, 2], BUFFER_SIZES, directions)


def _spec(
    width: tuple[int, int], channels: int, rate: int, notifications: int, buffer_bytes: int, capture: bool
) -> StreamSpec:
    form = _format(rate, width, channels)
    return StreamSpec(capture, None if form == StreamFormat() else form, buffer_bytes, notifications)


def buffer_sizes(most: int = 64 << 10) -> SearchStrategy[int]:
    """Sizes to ask a cyclic audio buffer of, bytes: often whole pages. Shrinks towards one page."""
    usual = [size for size in BUFFER_SIZES if size <= most]
    return st.sampled_from([*usual * 4, *range(128, most + 1, 128)] or [most])


def verbs(codec: int = 0) -> SearchStrategy[HDAUDIO_CODEC_COMMAND]:
    """Commands that a codec answers: GET_PARAMETER of its nodes, and power state, stream and pin control of a node.

    codec: its address. Shrinks towards GET_PARAMETER(vendor id) of the root.
    """
    parameters = [(0xF00, parameter) for parameter in _PARAMETERS]
    controls = [(verb, value) for verb in (0xF05, 0x705, 0x706, 0x707) for value in range(4)]
    return packed(_verb, [codec], range(4), parameters + controls)


def _verb(codec: int, node: int, what: tuple[int, int]) -> HDAUDIO_CODEC_COMMAND:
    return HDAUDIO_CODEC_COMMAND.Verb8(codec, node, *what)
