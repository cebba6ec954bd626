"""What strategies draw: plain values that print as short Python and can be made by hand as well.

    MachineConfig(memory="64MiB", nodes=2).make(level="strict")
    FaultPlan(nth=3, tag="Ctx1").apply(pc)

Without Hypothesis; the strategies are in `storsim.testing.strategies`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from storsim.enums import Placement
from storsim.hdaudio import StreamFormat
from storsim.memory_range import MemoryRange

if TYPE_CHECKING:
    from storsim.machine import Machine

ANYWHERE = 2**64 - 1


class Short:
    """Dataclass values whose repr names only what differs from the default, as a call that makes an equal value."""

    def __repr__(self) -> str:
        shown = [
            f"{item.name}={plain(getattr(self, item.name))}"
            for item in fields(self)  # type: ignore[arg-type]
            if getattr(self, item.name) != item.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would print every field


def plain(value: Any) -> str:
    """A value as short Python."""
    if isinstance(value, StreamFormat):
        numbers = (value.SampleRate, value.ValidBitsPerSample, value.ContainerSize, value.NumberOfChannels)
        return f"StreamFormat({', '.join(map(str, numbers))})"
    if isinstance(value, MemoryRange):
        return f"MemoryRange({value.start:#x}, {value.length:#x}{f', {value.node}' if value.node else ''})"
    if type(value) is tuple:
        return f"({', '.join(map(plain, value))}{',' if len(value) == 1 else ''})"
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Placement) else repr(value)


@dataclass(frozen=True, repr=False)
class MachineConfig(Short):
    """Settings of a Machine.

    memory: a size, or ranges. bundled: name of a bundled machine (`storsim.data`), whose memory is taken instead.
    nodes, placement, seed, cpus: as for `storsim.Machine`. pinned: share of the free memory, in eighths (0 … 7), pinned
    in runs of `run_pages` pages, so that what is left is in pieces.
    """

    memory: str | tuple[MemoryRange, ...] = "16GiB"
    nodes: int = 1
    placement: Placement = Placement.TOP_DOWN
    seed: int = 0
    cpus: int = 1
    pinned: int = 0
    run_pages: int = 1
    bundled: str = ""

    def make(self, **settings: Any) -> Machine:
        """The machine. settings: keywords of Machine that go before these."""
        from storsim.machine import Machine

        given: dict[str, Any] = {"placement": self.placement, "seed": self.seed, "cpus": self.cpus}
        if self.bundled:
            from storsim.data import machines

            given["memory"] = list(machines()[self.bundled].ranges)
        elif isinstance(self.memory, str):
            given |= {"memory": self.memory, "nodes": self.nodes}
        else:
            given["memory"] = list(self.memory)
        pc = Machine(**(given | settings))
        if self.pinned:
            from fractions import Fraction

            pc.memory.fragment(Fraction(self.pinned, 8), self.run_pages)
        return pc


@dataclass(frozen=True, repr=False)
class AdapterConfig(Short):
    """Settings of an adapter: knobs that a correct driver cannot tell apart."""

    dma_remapping: bool = False
    sg_delivery: str = "immediate"
    full_duplex: bool = True

    def settings(self) -> dict[str, Any]:
        """Keywords for ``pc.add_adapter``."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


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


@dataclass(frozen=True, repr=False)
class Limits(Short):
    """Where a block may lie. lowest, highest: addresses. boundary: multiple it must not cross. cache: 0 … 2."""

    lowest: int = 0
    highest: int = ANYWHERE
    boundary: int = 0
    cache: int = 1


@dataclass(frozen=True, repr=False)
class HmbRequest(Short):
    """What a drive asks for. minimum, preferred, alignment: bytes. highest: address. ranges: most descriptors."""

    minimum: int = 0
    preferred: int = 1 << 20
    alignment: int = 0
    highest: int = ANYWHERE
    ranges: int = 8


@dataclass(frozen=True, repr=False)
class StreamSpec(Short):
    """A stream as a client asks for it.

    capture: from the codec. format: StreamFormat, None for the usual one. buffer_bytes: size of the cyclic buffer to
    ask for. notifications: 1 or 2 per buffer.
    """

    capture: bool = False
    format: StreamFormat | None = None
    buffer_bytes: int = 4096
    notifications: int = 1


@dataclass(frozen=True, repr=False)
class FaultPlan(Short):
    """Which calls fail. nth, count: from which call on, and how many in a row; nth 0: none. percent: of all calls,
    instead of nth. tag: only pool of that tag. routine: only that routine. hardware: name of a hardware fault,
    instead."""

    nth: int = 0
    count: int = 1
    percent: int = 0
    tag: str | None = None
    routine: str | None = None
    hardware: str | None = None

    def apply(self, pc: Machine) -> int:
        """Adds it to ``pc.faults``; the rule's id, 0 for the empty plan."""
        if self.hardware is not None:
            return pc.faults.hardware(self.hardware, count=self.count)
        if self.percent:
            return pc.faults.fail_probability(self.percent / 100, self.routine, tag=self.tag)
        if self.nth:
            return pc.faults.fail_range(self.routine, self.nth, self.nth + self.count - 1, tag=self.tag)
        return 0
