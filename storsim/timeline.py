"""What the trace ring says, put together: calls, levels, interrupts and their deferred calls, streams and their bytes.

`Timeline` reads ``pc.trace`` once; exporters and pictures share it. Times are ticks of 1/24 000 000 s; what happens
within one tick is told apart by its `storsim.spans.Position`. Source: the trace kinds of storsim/machine.h; register
offsets: Intel HD Audio specification 1.0a §3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from storsim.spans import CALLBACKS, Position, Span, at, ordered, room_name, spans

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storsim.machine import Machine
    from storsim.records import TraceEntry
    from storsim.watch import Watch

STREAM_EVENTS = ("", "run", "stop", "complete", "fifo error", "descriptor error", "reset")
_FIRST, _STRIDE, _ALIAS = 0x80, 0x20, 0x2000
#: Routine → (position of the size among the trace's two arguments or None, whether it allocates).
_SIZES = {
    "StorPortAllocatePool": "pool",
    "StorPortAllocateDmaMemory": "DMA",
    "StorPortAllocateContiguousMemorySpecifyCacheNode": "contiguous",
}
_FREES = {
    "StorPortFreePool": "pool",
    "StorPortFreeDmaMemory": "DMA",
    "StorPortFreeContiguousMemorySpecifyCache": "contiguous",
}


class Level(NamedTuple):
    """From ``time`` on a CPU runs at ``irql``; position: where in the order of all that happened."""

    time: int
    irql: int
    cpu: int
    position: Position


@dataclass
class Deferred:
    """A deferred call. queued, ran, ended: ticks; ran and ended are None while it waits. queued_at: where it was
    queued, None when that is no longer in the ring. room: who queued it. span: its run.
    """

    queued: int
    room: str
    cpu: int
    queued_at: Position | None = None
    ran: int | None = None
    ended: int | None = None
    span: Span | None = None


@dataclass
class Interrupt:
    """One interrupt, from the line to the deferred call. line: its number. raised, lowered: ticks at which the line
    rose and fell. began, served: ticks at which the service routine began and was done. claimed: what it said.
    deferred: the first deferred call it queued. None what the trace does not show. position, lowered_at: of the rise
    and the fall. span: the service routine's run.
    """

    line: int
    raised: int
    position: Position
    began: int | None = None
    served: int | None = None
    lowered: int | None = None
    lowered_at: Position | None = None
    deferred: Deferred | None = None
    claimed: bool = False
    cpu: int = 0
    span: Span | None = None


class Transfer(NamedTuple):
    """Device DMA. time: ticks. address: as the device sees it. length: bytes. write: to memory."""

    time: int
    device: int
    address: int
    length: int
    write: bool
    sequence: int


class StreamEvent(NamedTuple):
    """what: run, stop, complete (a buffer fragment with IOC), fifo error, descriptor error, reset. dma_bytes: bytes
    moved in memory since the reset.
    """

    time: int
    what: str
    dma_bytes: int
    sequence: int


class Reading(NamedTuple):
    """A load of the link position register. value: bytes from the start of the buffer."""

    time: int
    value: int
    sequence: int


@dataclass
class Stream:
    """One stream descriptor of one controller. buffer_bytes, format, last_index, tag, list_address: CBL,
    SDnFMT, LVI, the stream tag and BDPL/BDPU as last written, 0 before. readings: loads of the link position.
    """

    controller: int
    descriptor: int
    buffer_bytes: int = 0
    format: int = 0
    last_index: int = 0
    tag: int = 0
    list_address: int = 0
    events: list[StreamEvent] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What lanes and signals are called."""
        return f"controller {self.controller} stream {self.descriptor}"

    def runs(self) -> list[tuple[StreamEvent, StreamEvent | None]]:
        """Each stretch in which the engine ran: the event that started it and the one that ended it, None while it
        runs.
        """
        found: list[tuple[StreamEvent, StreamEvent | None]] = []
        start: StreamEvent | None = None
        for event in self.events:
            if event.what == "run" and start is None:
                start = event
            elif event.what in ("stop", "reset", "descriptor error") and start is not None:
                found.append((start, event))
                start = None
        if start is not None:
            found.append((start, None))
        return found


class Usage(NamedTuple):
    """Live bytes asked for of one kind of memory (pool, DMA, contiguous), after a call."""

    time: int
    sequence: int
    kind: str
    bytes: int


class Timeline:
    """``pc.trace``, sorted out. watch: samples of positions taken while it ran, see `storsim.watch.Watch`.

    Only what is still in the ring is seen; ``dropped`` counts entries that were overwritten: give the machine a larger
    ``trace_entries=``. O(entries).
    """

    def __init__(self, machine: Machine, watch: Watch | None = None) -> None:
        self.machine = machine
        self.watch = watch
        self.entries: list[TraceEntry] = list(machine.trace)
        self.dropped = machine.trace.total - len(self.entries)
        self.now = machine.now
        self.levels: list[Level] = []
        self.interrupts: list[Interrupt] = []
        self.deferred: list[Deferred] = []
        self.transfers: list[Transfer] = []
        self.usage: list[Usage] = []
        self.calls: list[TraceEntry] = []
        moments = ordered(self.entries)
        self.spans = spans(moments)
        self._spans = {span.entry.sequence: span for span in self.spans}
        self._streams: dict[tuple[int, int], Stream] = {}
        self._registers: dict[tuple[int, int], dict[int, int]] = {}
        self._sizes: dict[int, tuple[str, int]] = {}
        self._totals: dict[str, int] = {}
        self._lines: dict[int, Interrupt] = {}
        self._levels: dict[int, int] = {}
        self._below: dict[int, list[int]] = {}
        self._serving: list[Interrupt | None] = []
        self._waiting: dict[tuple[int, int, int], list[Deferred]] = {}
        for position, moment, entry in moments:
            if moment == "begin":
                self._begin(position, entry)
            elif moment == "end":
                self._end(position, entry)
            else:
                if entry.kind != "irql":
                    self._level(position, entry.cpu, entry.irql)
                getattr(self, f"_{entry.kind}", _nothing)(entry)

    @property
    def start(self) -> int:
        """Ticks at the oldest entry; now for an empty trace."""
        return self.entries[0].time if self.entries else self.now

    def stream(self, controller: int, descriptor: int) -> Stream | None:
        """One stream descriptor, as soon as one of its registers appears; None before."""
        return self._streams.get((controller, descriptor))

    @property
    def streams(self) -> list[Stream]:
        """Stream descriptors that appear, by controller and descriptor."""
        return [self._streams[key] for key in sorted(self._streams) if self._streams[key].events]

    # levels

    def _level(self, position: Position, cpu: int, irql: int) -> None:
        """A CPU is at a level: noted when that is news."""
        if self._levels.get(cpu) != irql:
            self._levels[cpu] = irql
            self.levels.append(Level(position[0], irql, cpu, position))

    def _irql(self, entry: TraceEntry) -> None:
        position = at(entry.time, entry.sequence)
        if entry.cpu not in self._levels:
            self._level(position, entry.cpu, entry.values[0])
        self._level(position, entry.cpu, entry.values[1])

    def _begin(self, position: Position, entry: TraceEntry) -> None:
        """A call is made at the level of its caller; the others come with a level of their own, and leave with it."""
        if entry.kind == "call":
            self._level(position, entry.cpu, entry.irql)
            return
        self._below.setdefault(entry.cpu, []).append(self._levels.get(entry.cpu, 0))
        if entry.cpu not in self._levels:
            self._level(position, entry.cpu, 0)
        self._level(position, entry.cpu, entry.irql)
        if entry.kind == "isr":
            self._isr(entry)
        elif entry.kind == "dpc":
            self._dpc(entry)

    def _end(self, position: Position, entry: TraceEntry) -> None:
        if entry.kind == "call":
            self._call(entry)
            return
        below = self._below[entry.cpu]
        self._level(position, entry.cpu, below.pop() if below else 0)
        if entry.kind == "isr":
            self._serving.pop()

    # calls

    def _call(self, entry: TraceEntry) -> None:
        self.calls.append(entry)
        result, first, _, output = entry.values
        if result != 0:
            return
        name = entry.routine or ""
        if name in _SIZES and output:
            self._sizes[output] = (_SIZES[name], first)
            self._count(entry, _SIZES[name], first)
        elif name in _FREES and first in self._sizes:
            kind, size = self._sizes.pop(first)
            self._count(entry, kind, -size)

    def _count(self, entry: TraceEntry, kind: str, size: int) -> None:
        self._totals[kind] = self._totals.get(kind, 0) + size
        self.usage.append(Usage(entry.time, entry.sequence, kind, self._totals[kind]))

    # interrupts

    def _interrupt(self, entry: TraceEntry) -> None:
        line, level = entry.values[0], entry.values[1]
        position = at(entry.time, entry.sequence)
        if level:
            made = Interrupt(line, entry.time, position, cpu=entry.cpu)
            self.interrupts.append(made)
            self._lines[line] = made
        elif line in self._lines:
            one = self._lines[line]
            one.lowered, one.lowered_at = entry.time, position

    def _isr(self, entry: TraceEntry) -> None:
        """The first service routine that runs for a rise of the line is the interrupt's; a level-triggered line may be
        served again before it falls.
        """
        one = self._lines.get(entry.values[0])
        fresh = one is not None and one.began is None
        self._serving.append(one if fresh else None)
        if one is not None and fresh:
            one.began, one.served, one.claimed = entry.began, entry.time, bool(entry.values[1])
            one.cpu, one.span = entry.cpu, self._spans.get(entry.sequence)

    def _queued(self, entry: TraceEntry) -> None:
        room, kind, argument, _ = entry.values
        made = Deferred(entry.time, room_name(room), entry.cpu, at(entry.time, entry.sequence))
        self.deferred.append(made)
        self._waiting.setdefault((room, kind, argument), []).append(made)
        one = self._serving[-1] if self._serving else None
        if one is not None and one.deferred is None:
            one.deferred = made

    def _dpc(self, entry: TraceEntry) -> None:
        room, kind, argument, queued = entry.values
        waiting = [one for one in self._waiting.get((room, kind, argument), []) if one.queued == queued]
        if waiting:
            made = waiting[0]
            self._waiting[room, kind, argument].remove(made)
        else:
            made = Deferred(queued, room_name(room), entry.cpu)
            self.deferred.append(made)
        made.ran, made.ended, made.cpu = entry.began, entry.time, entry.cpu
        made.span = self._spans.get(entry.sequence)

    # devices

    def _dma(self, entry: TraceEntry) -> None:
        device, address, length, write = entry.values
        self.transfers.append(Transfer(entry.time, device, address, length, bool(write), entry.sequence))

    def _stream(self, entry: TraceEntry) -> None:
        controller, descriptor, what, moved = entry.values
        name = STREAM_EVENTS[what] if what < len(STREAM_EVENTS) else str(what)
        if name == "reset" and not self._at(controller, descriptor).events:
            return
        self._at(controller, descriptor).events.append(StreamEvent(entry.time, name, moved, entry.sequence))

    def _at(self, controller: int, descriptor: int) -> Stream:
        return self._streams.setdefault((controller, descriptor), Stream(controller, descriptor))

    def _register(self, entry: TraceEntry) -> None:
        controller, offset, how, value = entry.values
        size, write = how >> 1, bool(how & 1)
        plain = offset - _ALIAS if offset >= _ALIAS else offset
        if not _FIRST <= plain < _FIRST + 30 * _STRIDE:
            return
        descriptor, inside = divmod(plain - _FIRST, _STRIDE)
        key = (controller, descriptor)
        if not write:
            if inside == 4 and size == 4:
                self._at(*key).readings.append(Reading(entry.time, value, entry.sequence))
            return
        shadow = self._registers.setdefault(key, {})
        for i in range(size):
            shadow[inside + i] = value >> (8 * i) & 0xFF
        stream = self._at(*key)
        stream.buffer_bytes = _word(shadow, 0x08, 4) or stream.buffer_bytes
        stream.format = _word(shadow, 0x12, 2) or stream.format
        stream.last_index = _word(shadow, 0x0C, 2)
        stream.list_address = _word(shadow, 0x18, 8) & ~0x7F
        stream.tag = shadow.get(2, 0) >> 4 or stream.tag


def _word(shadow: dict[int, int], offset: int, size: int) -> int:
    return sum(shadow.get(offset + i, 0) << (8 * i) for i in range(size))


def _nothing(entry: TraceEntry) -> None:
    """An entry that a timeline has nothing to add to."""


def describe(entry: TraceEntry) -> str:
    """One entry in a few words."""
    a, b, c, d = entry.values
    match entry.kind:
        case "call":
            return f"{entry.routine} -> {a:#x}"
        case "irql":
            return f"IRQL {a} -> {b}"
        case "interrupt":
            return f"line {a} {'raised' if b else 'lowered'}"
        case "isr":
            return f"ISR of line {a}: {'claimed' if b else 'not claimed'}"
        case "dpc":
            return f"DPC of the {room_name(a)}, queued at {d}"
        case "queued":
            return f"DPC of the {room_name(a)} queued"
        case "outputs":
            return "outputs " + ", ".join(f"{value:#x}" for value in entry.values).replace(", 0x0, 0x0", "")
        case "callback":
            return f"callback: {CALLBACKS[a] if a < len(CALLBACKS) else a}"
        case "dma":
            return f"device {a} {'writes' if d else 'reads'} {c} bytes at {b:#x}"
        case "register":
            return f"{'store to' if c & 1 else 'load of'} register {b:#x}, {c >> 1} bytes: {d:#x}"
        case "stream":
            what = STREAM_EVENTS[c] if c < len(STREAM_EVENTS) else str(c)
            return f"controller {a} stream {b}: {what}, {d} bytes moved"
        case _:
            return f"{entry.kind} {a}"


def within(entries: Iterable[TraceEntry], first: int, last: int) -> list[TraceEntry]:
    """Entries with first <= time <= last, ticks."""
    return [entry for entry in entries if first <= entry.time <= last]
