"""What the trace ring says, put together: calls, levels, interrupts and their deferred calls, streams and their bytes.

`Timeline` reads ``pc.trace`` once; exporters and pictures share it. Times are ticks of 1/24 000 000 s. The ring has no
entry for the start of a call, so a call is a point: the moment it returned. Source: the trace kinds of
storsim/machine.h; register offsets: Intel HD Audio specification 1.0a §3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storsim.machine import Machine
    from storsim.records import TraceEntry
    from storsim.watch import Watch

STREAM_EVENTS = ("", "run", "stop", "complete", "fifo error", "descriptor error", "reset")
CALLBACKS = (
    "", "scatter/gather routine", "descriptor list ISR", "notification", "codec transfer", "unsolicited response",
    "HMB policy", "fault predicate", "ISR", "DPC", "codec sink", "codec source", "codec verb",
)  # fmt: skip
ROOMS = ("kernel", "NVMe", "HD Audio chip", "Storport", "HD Audio bus driver", "journal", "driver")
_FIRST, _STRIDE, _ALIAS = 0x80, 0x20, 0x2000
_RUN = 0x02
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
    """From ``time`` on a CPU runs at ``irql``; sequence: of the trace entry that shows it."""

    time: int
    irql: int
    cpu: int
    sequence: int


@dataclass
class Interrupt:
    """One interrupt, from the line to the deferred call. line: its number. raised, served, lowered, deferred: ticks
    when the line rose, the service routine was done, the line fell, the deferred call ran; None what the trace does not
    show. claimed: what the service routine said. sequence: of the rise; deferred_sequence: of the deferred call.
    """

    line: int
    raised: int
    sequence: int
    served: int | None = None
    lowered: int | None = None
    deferred: int | None = None
    deferred_sequence: int = 0
    claimed: bool = False
    cpu: int = 0


class Deferred(NamedTuple):
    """A deferred call. queued, ran: ticks. room: who queued it."""

    queued: int
    ran: int
    room: str
    cpu: int
    sequence: int


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

    def runs(self, end: int) -> list[tuple[int, int]]:
        """(start, stop) in ticks of each stretch with RUN set; one still running ends at ``end``."""
        found: list[tuple[int, int]] = []
        start: int | None = None
        for event in self.events:
            if event.what == "run" and start is None:
                start = event.time
            elif event.what in ("stop", "reset", "descriptor error") and start is not None:
                found.append((start, event.time))
                start = None
        if start is not None:
            found.append((start, max(start, end)))
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
        self._streams: dict[tuple[int, int], Stream] = {}
        self._registers: dict[tuple[int, int], dict[int, int]] = {}
        self._sizes: dict[int, tuple[str, int]] = {}
        self._totals: dict[str, int] = {}
        self._open: dict[int, Interrupt] = {}
        self._current: dict[int, Level] = {}
        self._unclaimed: list[Interrupt] = []
        self._base: dict[int, int] = {}
        for entry in self.entries:
            if entry.kind == "irql":
                self._base.setdefault(entry.cpu, entry.values[0])
        for entry in self.entries:
            self._level(entry)
            getattr(self, f"_{entry.kind}", _nothing)(entry)
        for cpu, level in list(self._current.items()):
            self._fall(cpu, level)

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

    def _level(self, entry: TraceEntry) -> None:
        """The ring notes when a driver changes the level, not when a service routine or deferred call begins or ends:
        those show by the level of what they do, and take no virtual time.
        """
        cpu, now = entry.cpu, entry.irql
        before = self._current.get(cpu)
        if before is not None and before.irql != self._base.get(cpu, 0) and entry.time > before.time:
            before = self._fall(cpu, before)
        if entry.kind == "irql":
            self._base[cpu] = now = entry.values[1]
        if before is None or before.irql != now:
            self._put(Level(entry.time, now, cpu, entry.sequence))
        else:
            self._current[cpu] = before._replace(time=entry.time, sequence=entry.sequence)

    def _fall(self, cpu: int, level: Level) -> Level:
        """Back to the driver's own level at the time of the last entry."""
        base = self._base.get(cpu, 0)
        return level if level.irql == base else self._put(level._replace(irql=base))

    def _put(self, level: Level) -> Level:
        self.levels.append(level)
        self._current[level.cpu] = level
        return level

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

    def _interrupt(self, entry: TraceEntry) -> None:
        line, level = entry.values[0], entry.values[1]
        if level:
            made = Interrupt(line, entry.time, entry.sequence, cpu=entry.cpu)
            self.interrupts.append(made)
            self._open[line] = made
        elif line in self._open:
            self._open.pop(line).lowered = entry.time

    def _isr(self, entry: TraceEntry) -> None:
        line = entry.values[0]
        made = next((one for one in reversed(self.interrupts) if one.line == line), None)
        if made is not None and made.served is None:
            made.served, made.claimed = entry.time, bool(entry.values[1])
            self._unclaimed.append(made)

    def _dpc(self, entry: TraceEntry) -> None:
        room, queued = entry.values[0], entry.values[3]
        name = ROOMS[room] if room < len(ROOMS) else str(room)
        self.deferred.append(Deferred(queued, entry.time, name, entry.cpu, entry.sequence))
        due = [one for one in self._unclaimed if one.served is not None and one.served <= entry.time]
        for one in due:
            # the first deferred call that was queued before the service routine was done
            if one.claimed and queued <= (one.served or 0):
                one.deferred, one.deferred_sequence = entry.time, entry.sequence
                self._unclaimed.remove(one)
        self._unclaimed = self._unclaimed[-8:]

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
        before = shadow.get(0, 0)
        for i in range(size):
            shadow[inside + i] = value >> (8 * i) & 0xFF
        stream = self._at(*key)
        stream.buffer_bytes = _word(shadow, 0x08, 4) or stream.buffer_bytes
        stream.format = _word(shadow, 0x12, 2) or stream.format
        stream.last_index = _word(shadow, 0x0C, 2)
        stream.list_address = _word(shadow, 0x18, 8) & ~0x7F
        stream.tag = shadow.get(2, 0) >> 4 or stream.tag
        if before & _RUN and not shadow.get(0, 0) & _RUN and stream.events:
            moved = stream.events[-1].dma_bytes
            stream.events.append(StreamEvent(entry.time, "stop", moved, entry.sequence))


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
            return f"DPC of the {ROOMS[a] if a < len(ROOMS) else a}, queued at {d}"
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
