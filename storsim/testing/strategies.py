"""Hypothesis strategies for what a driver meets: machines, adapters, requests, formats, faults, time.

Every strategy draws valid values by construction (nothing is filtered) and shrinks towards the simplest case for a
driver: the usual machine, one page, one piece, no fault, the shortest time. Values print as short valid Python.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from storsim.enums import Placement
from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.machine import Machine
from storsim.memory_range import MemoryRange

PAGE = 4096
MIB = 1 << 20
GIB = 1 << 30
PLACEMENTS = [Placement.TOP_DOWN, *(policy for policy in Placement if policy != Placement.TOP_DOWN)]


class _Short:
    """A repr that names only what differs from the default, as a call that makes an equal value."""

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
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Placement) else repr(value)


@dataclass(frozen=True, repr=False)
class MachineConfig(_Short):
    """Settings of a Machine that a strategy drew.

    memory, nodes, placement, seed, cpus: as for `storsim.Machine`. pinned: share of the free memory, in eighths (0 …
    7), that is pinned in runs of `run_pages` pages so that what is left is in pieces.
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
            pc.memory.fragment(f"{self.pinned}/8", self.run_pages)  # type: ignore[arg-type]
        return pc


@dataclass(frozen=True, repr=False)
class AdapterConfig(_Short):
    """Settings of an adapter that a strategy drew: device knobs that a correct driver cannot tell apart."""

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
        placement = draw(st.sampled_from(PLACEMENTS))
        return MachineConfig(memory, nodes, placement, draw(st.integers(0, 3)))
    placement = draw(st.sampled_from([Placement.TOP_DOWN, Placement.ADVERSARIAL, Placement.RANDOM]))
    pinned, run_pages = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    return MachineConfig("16MiB", 1, placement, draw(st.integers(0, 3)), 1, pinned, run_pages)


def adapters() -> SearchStrategy[AdapterConfig]:
    """Adapters; shrinks towards ``AdapterConfig()``."""

    @st.composite
    def build(draw: st.DrawFn) -> AdapterConfig:
        return AdapterConfig(draw(st.booleans()), draw(st.sampled_from(["immediate", "deferred"])))

    return build()


def transfer_lengths(most: int = 128 << 10) -> SearchStrategy[int]:
    """Lengths of transfers in bytes, multiples of 512: often around pages. Shrinks towards one page."""
    sectors = most // 512
    edges = [n for n in (8, 1, 16, 24, 9, 7, 64, 128, 256) if n <= sectors] or [1]
    return st.one_of(st.sampled_from(edges), st.integers(1, sectors)).map(_bytes)


def _bytes(sectors: int) -> int:
    return sectors * 512


def time_steps(most: int = 24_000_000) -> SearchStrategy[int]:
    """Ticks to let pass: a frame, a millisecond, 10 ms, or any number up to `most`. Shrinks towards one frame."""
    usual = [ticks for ticks in (500, 24_000, 240_000, 1, 2_400_000) if ticks <= most] or [most]
    return st.one_of(st.sampled_from(usual), st.integers(1, most))


def nth_failures(most: int = 8) -> SearchStrategy[int]:
    """Which of the next calls that can fail does fail; 0, most often, is none. Shrinks towards 0."""
    return st.sampled_from([*[0] * most, *range(1, most + 1)])


def pages_left() -> SearchStrategy[int]:
    """Pages that stay free on a machine that is almost full: 0 to 64. Shrinks towards 0."""
    return st.one_of(st.sampled_from([0, 1, 2, 4, 8, 16, 64]), st.integers(0, 64))


RATES = (48000, 44100, 96000, 192000, 32000, 16000, 8000)


def stream_formats() -> SearchStrategy[StreamFormat]:
    """Formats that every controller and the ideal codec take: common rates, 16 to 32 bits, 1 to 8 channels.

    Shrinks towards ``StreamFormat(48000, 16, 16, 2)``.
    """
    return _stream_formats()


@st.composite
def _stream_formats(draw: st.DrawFn) -> StreamFormat:
    rate, channels = draw(st.sampled_from(RATES)), draw(st.sampled_from([2, 1, 4, 6, 8]))
    bits, container = draw(st.sampled_from([(16, 16), (24, 32), (20, 32), (32, 32), (8, 8)]))
    return StreamFormat(rate, bits, container, channels)


def buffer_sizes(most: int = 64 << 10) -> SearchStrategy[int]:
    """Sizes to ask a cyclic audio buffer of, bytes: multiples of 128, often whole pages. Shrinks towards one page."""
    return st.one_of(
        st.sampled_from([size for size in (4096, 8192, 1920, 16384, 3840, 65536) if size <= most] or [most]),
        st.integers(1, most // 128).map(lambda units: units * 128),
    )


#: GET_PARAMETER of what every codec has: vendor id, revision, subordinate nodes, function group type.
_PARAMETERS = (0x00, 0x02, 0x04, 0x05, 0x08)


def verbs(codec: int = 0) -> SearchStrategy[HDAUDIO_CODEC_COMMAND]:
    """Commands that a codec answers: GET_PARAMETER of its nodes, and power state, stream and pin control of a node.

    codec: its address. Shrinks towards GET_PARAMETER(vendor id) of the root.
    """
    return st.one_of(
        st.builds(
            HDAUDIO_CODEC_COMMAND.Verb8, st.just(codec), st.integers(0, 3), st.just(0xF00), st.sampled_from(_PARAMETERS)
        ),
        st.builds(
            HDAUDIO_CODEC_COMMAND.Verb8,
            st.just(codec),
            st.integers(1, 3),
            st.sampled_from([0xF05, 0x705, 0x706, 0x707]),
            st.integers(0, 3),
        ),
    )
