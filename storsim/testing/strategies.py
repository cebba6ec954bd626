"""Hypothesis strategies for what a driver meets: machines, adapters, requests, formats, verbs, faults, time.

Every strategy draws valid values by construction (nothing is filtered) and shrinks towards the simplest case for a
driver: the usual machine, one page, one piece, no fault, the shortest time. Values print as short valid Python.

What belongs together is drawn as one number (`packed`): a step of a failing program then is a few choices long, and
Hypothesis takes whole steps out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from storsim.enums import Placement
from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.memory_range import MemoryRange
from storsim.testing.specs import (
    ANYWHERE,
    AdapterConfig,
    FaultPlan,
    HmbRequest,
    Limits,
    MachineConfig,
    StreamSpec,
    Transfer,
)

Value = TypeVar("Value")
PAGE = 4096
MIB = 1 << 20
GIB = 1 << 30
PLACEMENTS = [Placement.TOP_DOWN, *(policy for policy in Placement if policy != Placement.TOP_DOWN)]


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


def machines() -> SearchStrategy[MachineConfig]:
    """Machines that are quick to make: usual sizes, one or two nodes, every placement, small ones in pieces.

    Shrinks towards ``MachineConfig()``: 16 GiB on one node, top-down, seed 0.
    """
    return _machines()


@st.composite
def _machines(draw: st.DrawFn) -> MachineConfig:
    kind = draw(st.sampled_from(["plain", "usual", "pieces", "invented"]))
    if kind == "plain":
        return MachineConfig()
    if kind == "invented":
        return MachineConfig(draw(maps()), seed=draw(st.integers(0, 3)))
    if kind == "usual":
        memory, nodes = draw(st.sampled_from(["16GiB", "4GiB", "64MiB"])), draw(st.integers(1, 2))
        return MachineConfig(memory, nodes, draw(st.sampled_from(PLACEMENTS)), draw(st.integers(0, 3)))
    placement = draw(st.sampled_from([Placement.TOP_DOWN, Placement.ADVERSARIAL, Placement.RANDOM]))
    pinned, run_pages = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    return MachineConfig("16MiB", 1, placement, draw(st.integers(0, 3)), 1, pinned, run_pages)


def memory_ranges() -> SearchStrategy[MemoryRange]:
    """One range of whole pages below 8 GiB, on node 0. Shrinks towards 1 MiB at 1 MiB."""
    return packed(_range, [1 << 8, 1, 1 << 16, 1 << 20, 3 << 18], [256, 8, 64, 4096, 1000])


def _range(first_page: int, pages: int) -> MemoryRange:
    return MemoryRange(first_page * PAGE, pages * PAGE)


@st.composite
def maps(draw: st.DrawFn) -> tuple[MemoryRange, ...]:
    """Invented memory maps: 1 to 4 ranges of 1 to 32 MiB with holes between them, some touching, on up to two nodes,
    one perhaps across 4 GiB. Shrinks towards one range of 16 MiB at 1 MiB."""
    at, ranges = 1 << 8, [MemoryRange(1 << 20, draw(st.sampled_from([16, 1, 32, 4])) << 20)]
    at += ranges[0].length // PAGE
    nodes = draw(st.integers(1, 2))
    for number in range(draw(st.integers(0, 2))):
        at += draw(st.sampled_from([0, 1, 16, 5000]))
        pages = draw(st.sampled_from([256, 1000, 8192, 300]))
        ranges.append(MemoryRange(at * PAGE, pages * PAGE, (number + 1) % nodes))
        at += pages
    if draw(st.booleans()):
        ranges.append(MemoryRange((4 << 30) - (1 << 20), 8 << 20))
    return tuple(ranges)


def real_machines() -> SearchStrategy[MachineConfig]:
    """Machines that people have: the bundled memory maps. Shrinks towards the smallest."""
    from storsim.data import machines as bundled

    names = sorted(bundled(), key=lambda name: sum(item.length for item in bundled()[name].ranges))
    return packed(lambda name: MachineConfig(bundled=name), names)


def limits() -> SearchStrategy[Limits]:
    """Limits that devices have; shrinks towards none."""
    highest = [ANYWHERE, 2**32 - 1, 2**24 - 1, 2**40 - 1, 2**36 - 1]
    return packed(Limits, [0, 0, 0x1000, 1 << 20, 1 << 32], highest, [0, 65536, 1 << 20, 1 << 32], [1, 0, 2])


def hmb_requests() -> SearchStrategy[HmbRequest]:
    """Host Memory Buffer requests as drives make them; shrinks towards 1 MiB without a minimum in 8 ranges."""
    return packed(_hmb, [0, PAGE, 65536], [ANYWHERE, 2**32 - 1], [0, 4, 8], [8, 1, 2, 64], [8, 1, 32, 64, 256])


def _hmb(alignment: int, highest: int, minimum_eighths: int, ranges: int, units: int) -> HmbRequest:
    preferred = units << 17
    return HmbRequest(preferred * minimum_eighths // 8 // PAGE * PAGE, preferred, alignment, highest, ranges)


def adapters() -> SearchStrategy[AdapterConfig]:
    """Adapters; shrinks towards ``AdapterConfig()``."""
    return packed(AdapterConfig, [False, True], ["immediate", "deferred"])


def pages_left() -> SearchStrategy[int]:
    """Pages that stay free on a machine that is almost full: 0 to 64. Shrinks towards 0."""
    return st.sampled_from([0, 1, 2, 4, 8, 16, 64, *range(65)])


# --- requests ---------------------------------------------------------------------------------------------------------


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


def fault_plans(tags: Sequence[str] = (), hardware: Sequence[str] = ()) -> SearchStrategy[FaultPlan]:
    """Plans that make calls fail: the n-th, some in a row, a percentage; by tag. hardware: names of hardware faults
    that may come instead. Shrinks towards ``FaultPlan()``, which fails nothing."""
    ways = [(0, 1, 0), *((nth, count, 0) for count in (1, 3) for nth in range(1, 13)), (0, 1, 5), (0, 1, 50)]
    plans = [FaultPlan(*way, tag) for tag in [None, *tags] for way in ways]
    return packed(_same, [*plans, *(FaultPlan(hardware=name) for name in hardware)])


def _same(value: Value) -> Value:
    return value


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


@st.composite
def descriptor_lists(draw: st.DrawFn, buffer_bytes: int = 4096) -> tuple[tuple[int, int, int], ...]:
    """Descriptor lists that cover a buffer: (offset, length, IOC) of each fragment, multiples of 128 bytes, at least
    two.

    buffer_bytes: a multiple of 128, 256 or more. Shrinks towards two halves with an interrupt at the end.
    """
    units = buffer_bytes // 128
    if units < 2 or buffer_bytes % 128:
        raise ValueError(f"buffer_bytes={buffer_bytes}: a multiple of 128, at least 256")
    count = min(units, 256, draw(st.sampled_from([2, 3, 4, 8, 16, 256])))
    edges = [units * number // count for number in range(count + 1)]
    every = draw(st.sampled_from([count, 1, 2]))
    return tuple(
        (first * 128, (last - first) * 128, int((number + 1) % every == 0))
        for number, (first, last) in enumerate(pairwise(edges))
    )
