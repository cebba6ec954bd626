"""`Watch`: samples where streams stand while virtual time runs, for pictures and waveforms.

The trace ring notes a position only where somebody looked. A watch looks every so often without leaving a mark: it
cuts `Machine.advance` and `Machine.run_until_interrupt` into steps and asks the chip, not its registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from storsim.hda import Hda


class Sample(NamedTuple):
    """Where a stream stood. time: ticks. link, dma: bytes on the link and in memory since the reset. position_buffer:
    bytes, what the controller last wrote there, None while it is off. running: RUN.
    """

    time: int
    controller: int
    descriptor: int
    link: int
    dma: int
    position_buffer: int | None
    running: bool


class Refill(NamedTuple):
    """The driver wrote (or took) its buffer up to byte ``total`` since the start; see `Watch.refilled`."""

    time: int
    total: int


class Watch:
    """``with storsim.Watch(hda) as watch:`` samples its streams while the body moves time.

    descriptors: which (None: all). every: ticks between samples, 1 or more (12 000: half a millisecond).
    position_buffer: also read the position buffer; finding it costs one register load, which the trace shows. What is
    simulated stays the same; time moves in steps of at most ``every``, so a long run costs more. One watch at a time
    per machine: a second one is a RuntimeError. Source: model choice.
    """

    def __init__(
        self,
        hda: Hda,
        descriptors: Iterable[int] | None = None,
        *,
        every: int = 12_000,
        position_buffer: bool = False,
    ) -> None:
        if every < 1:
            raise ValueError(f"every={every}: pass a number of ticks, 1 or more")
        self.hda = hda
        self.every = every
        self._wants_buffer = position_buffer
        self._buffer = 0
        count = sum(1 for row in hda.regs if row.name.startswith("SD") and row.name.endswith("LPIB"))
        self.descriptors = list(range(count) if descriptors is None else descriptors)
        self.samples: list[Sample] = []
        self.refills: list[Refill] = []

    def refilled(self, total: int) -> None:
        """Notes that the driver has now written (or taken) ``total`` bytes since the stream's start."""
        self.refills.append(Refill(self.hda.machine.now, total))

    def sample(self) -> None:
        """Takes a sample now of every stream that runs or has just stopped."""
        machine, hda = self.hda.machine, self.hda
        for descriptor in self.descriptors:
            at = hda.position(descriptor)
            if at.running or any(one.descriptor == descriptor and one.running for one in self.samples[-32:]):
                slot = None
                if self._buffer:
                    slot = int.from_bytes(machine.memory.read(self._buffer + 8 * descriptor, 4), "little")
                self.samples.append(
                    Sample(machine.now, hda.number, descriptor, at.link_bytes, at.dma_bytes, slot, at.running)
                )

    def _find_buffer(self) -> int:
        """Where the position buffer lies; 0 while it is off."""
        regs = self.hda.regs
        base = regs.DPLBASE
        return regs.DPUBASE << 32 | base & ~0x7F if base & 1 else 0

    def __enter__(self) -> Self:
        machine = self.hda.machine
        if "_advance" in vars(machine):
            raise RuntimeError("this machine is watched already")
        if self._wants_buffer:
            self._buffer = self._find_buffer()
        self._instead("_advance", self._advance)
        self._instead("_run_until_interrupt", self._run_until_interrupt)
        self.sample()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        machine = self.hda.machine
        del vars(machine)["_advance"], vars(machine)["_run_until_interrupt"]
        if not machine.closed and not machine._dead and not self.hda._removed:
            self.sample()

    def _instead(self, name: str, function: Callable[..., object]) -> None:
        vars(self.hda.machine)[name] = function

    def _advance(self, ticks: int) -> None:
        machine = self.hda.machine
        end = machine.now + ticks
        while True:
            step = min(self.every, end - machine.now)
            type(machine)._advance(machine, step)
            self.sample()
            if machine.now >= end:
                return

    def _run_until_interrupt(self, limit: int) -> bool:
        machine = self.hda.machine
        end = machine.now + limit
        while True:
            found = type(machine)._run_until_interrupt(machine, min(self.every, end - machine.now))
            self.sample()
            if found or machine.now >= end:
                return found
