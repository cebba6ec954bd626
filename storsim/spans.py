"""What of a trace lasts, and in which order it began and ended.

The ring holds one entry per call, callback, service routine and deferred call, written when it ends; the entry says
when it began and how many entries were written meanwhile. Here these become `Span` objects that nest, and a `Position`
for everything that happened: virtual time stands still while code runs, so order within one tick comes from the ring.
Source: storsim/machine.h.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storsim.records import TraceEntry

CALLBACKS = (
    "", "scatter/gather routine", "descriptor list ISR", "notification", "codec transfer", "unsolicited response",
    "HMB policy", "fault predicate", "ISR", "DPC", "codec sink", "codec source", "codec verb",
)  # fmt: skip
ROOMS = ("kernel", "NVMe", "HD Audio chip", "Storport", "HD Audio bus driver", "journal", "driver")
KINDS = frozenset({"call", "isr", "dpc", "callback"})
"""Kinds of trace entries that last."""
_BODIES = (CALLBACKS.index("ISR"), CALLBACKS.index("DPC"))

Position = tuple[int, int, int, int]
"""Where something stands in the order of all that happened: (tick, trace entry it stands at, 0 before that entry or 1
at it, rank among those before the same entry). Positions compare."""
Moment = tuple[Position, str, "TraceEntry"]
"""What happens there: begin or end of what an entry records, or "point" for what does not last."""


def at(time: int, sequence: int) -> Position:
    """Position of a trace entry, or of the end of what it records."""
    return time, sequence, 1, 0


class Span(NamedTuple):
    """Something that lasted. kind: call, isr, dpc or callback. name: of the routine, or what it was, in words. began,
    ended: ticks. irql: level it ran at, for a call the one it was made at. depth: how many others on its CPU it lies
    within. outputs: what a call answered in its parameters, in documented order, as far as the trace keeps them (four).
    """

    kind: str
    name: str
    began: int
    ended: int
    cpu: int
    irql: int
    depth: int
    outputs: tuple[int, ...]
    entry: TraceEntry

    @property
    def begin(self) -> Position:
        """Where it began."""
        return begin_of(self.entry)

    @property
    def end(self) -> Position:
        """Where it ended."""
        return at(self.entry.time, self.entry.sequence)


def begin_of(entry: TraceEntry) -> Position:
    """Position at which what an entry records began: before the first entry written meanwhile, an outer one first."""
    if entry.kind not in KINDS:
        return at(entry.time, entry.sequence)
    return entry.began, entry.sequence - entry.inside, 0, -entry.sequence


def ordered(entries: Iterable[TraceEntry]) -> list[Moment]:
    """(position, "begin", "end" or "point", entry) in the order it happened; each span's entry comes twice."""
    moments: list[Moment] = []
    for entry in entries:
        end = at(entry.time, entry.sequence)
        if entry.kind in KINDS:
            moments.append((begin_of(entry), "begin", entry))
            moments.append((end, "end", entry))
        else:
            moments.append((end, "point", entry))
    moments.sort(key=itemgetter(0))
    return moments


def name_of(entry: TraceEntry) -> str:
    """What a span is called."""
    number = entry.values[0]
    match entry.kind:
        case "call":
            return entry.routine or "call"
        case "isr":
            return f"ISR of line {number}"
        case "dpc":
            return f"DPC of the {room_name(number)}"
        case _:
            return CALLBACKS[number] if number < len(CALLBACKS) else f"callback {number}"


def room_name(number: int) -> str:
    """Who queued a deferred call."""
    return ROOMS[number] if number < len(ROOMS) else str(number)


def is_body(entry: TraceEntry) -> bool:
    """Whether a callback is nothing but the body of the service routine or deferred call around it."""
    return entry.kind == "callback" and entry.values[0] in _BODIES


def spans(moments: Iterable[Moment]) -> list[Span]:
    """All spans in the order they began, an outer one before those in it. moments: of `ordered`. O(n)."""
    found: list[Span] = []
    depths: dict[int, int] = {}
    index: dict[int, int] = {}
    outputs: dict[int, tuple[int, ...]] = {}
    for _, moment, entry in moments:
        if entry.kind == "callback" and is_body(entry):
            continue
        if entry.kind == "outputs":
            outputs[entry.sequence + 1] = entry.values
        elif moment == "begin":
            depth = depths.get(entry.cpu, 0)
            depths[entry.cpu] = depth + 1
            index[entry.sequence] = len(found)
            known = (entry.values[3],) if entry.kind == "call" and entry.values[3] else ()
            found.append(
                Span(entry.kind, name_of(entry), entry.began, entry.time, entry.cpu, entry.irql, depth, known, entry)
            )
        elif moment == "end":
            depths[entry.cpu] -= 1
            if entry.sequence in outputs:
                number = index[entry.sequence]
                found[number] = found[number]._replace(outputs=outputs[entry.sequence])
    return found
