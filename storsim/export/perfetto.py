"""Chrome trace events as JSON, for the Perfetto UI and chrome://tracing.

Lanes: one process for the machine (a thread for each CPU, on which calls, callbacks, service routines and deferred
calls nest as they ran; one for each interrupt line and for each device's DMA) and one for each controller with a thread
for each stream. Source: the public *Trace Event Format* document.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from storsim.spans import Position, Span, at
from storsim.timeline import Deferred, Interrupt, Stream, Timeline, describe

if TYPE_CHECKING:
    from storsim.machine import Machine
    from storsim.records import TraceEntry
    from storsim.watch import Watch

Event = dict[str, Any]
Lane = tuple[int, int]
MACHINE = 1
FINDINGS, LIVE, CPUS, LINES, DEFERRED, DMA, NOTES = 1, 2, 100, 400, 450, 500, 600
_NOTED = {"fault": "failures injected", "user": "marks", "register": "register loads and stores"}


class _Scale:
    """From a `Position` to whole nanoseconds, never backwards, so that what nests in the trace nests in the picture.

    By time a tick has 41 or 42 ns: what happens within it is spread over them in order. By sequence each moment has a
    microsecond of its own.
    """

    def __init__(self, timeline: Timeline, by: str) -> None:
        moments = {at(entry.time, entry.sequence) for entry in timeline.entries}
        moments |= {span.begin for span in timeline.spans}
        self._moments = sorted(moments)
        self._by_time = by == "time"

    def __call__(self, position: Position) -> int:
        """Nanoseconds of a position of the trace."""
        rank = bisect_left(self._moments, position)
        if not self._by_time:
            return rank * 1000
        tick = position[0]
        first = bisect_left(self._moments, (tick,))
        count = bisect_left(self._moments, (tick + 1,)) - first
        room = self._nanoseconds(tick + 1) - self._nanoseconds(tick)
        return self._nanoseconds(tick) + (rank - first) * room // max(count, room)

    def tick(self, tick: int) -> int:
        """Nanoseconds of the end of a tick, after all that happened in it."""
        if self._by_time:
            return self._nanoseconds(tick + 1) - 1
        return bisect_right(self._moments, (tick + 1,)) * 1000

    @staticmethod
    def _nanoseconds(tick: int) -> int:
        return tick * 1000 // 24


class _Writer:
    """Collects events and the names of lanes; times are nanoseconds."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lanes: dict[Lane, str] = {}
        self.processes: dict[int, str] = {}
        self.flows = 0

    def lane(self, process: int, thread: int, name: str) -> Lane:
        self.lanes.setdefault((process, thread), name)
        return process, thread

    def add(self, kind: str, name: str, lane: Lane, time: int, **more: Any) -> None:
        self.events.append({"ph": kind, "name": name, "pid": lane[0], "tid": lane[1], "ts": time / 1000, **more})

    def slice(self, name: str, lane: Lane, start: int, end: int, category: str = "storsim", **arguments: Any) -> None:
        self.add("X", name, lane, start, dur=(end - start) / 1000, cat=category, args=arguments)

    def mark(self, name: str, lane: Lane, time: int, category: str, scope: str = "t", **arguments: Any) -> None:
        self.add("i", name, lane, time, s=scope, cat=category, args=arguments)

    def wait(self, name: str, lane: Lane, start: int, end: int, number: int, **arguments: Any) -> None:
        """An asynchronous slice: it may overlap others."""
        common = {"cat": name, "id": f"{name} {number}"}
        self.add("b", name, lane, start, **common, args=arguments)
        self.add("e", name, lane, end, **common)

    def flow(self, *points: tuple[Lane, int]) -> None:
        """An arrow through the slices at these points."""
        self.flows += 1
        kinds = ["s", *["t"] * (len(points) - 2), "f"]
        for kind, (lane, time) in zip(kinds, points, strict=True):
            more = {"bp": "e"} if kind != "s" else {}
            self.add(kind, "interrupt", lane, time, id=self.flows, cat="interrupt", **more)

    def counter(self, name: str, process: int, time: int, value: int, unit: str) -> None:
        self.add("C", name, (process, 0), time, args={unit: value})

    def document(self, **other: Any) -> dict[str, Any]:
        names: list[Event] = [
            {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
            for process, name in sorted(self.processes.items())
        ]
        for (process, thread), name in sorted(self.lanes.items()):
            names.append({"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": name}})
            names.append(
                {"ph": "M", "name": "thread_sort_index", "pid": process, "tid": thread, "args": {"sort_index": thread}}
            )
        # Readers take slices that begin together in the order of the file as outer and inner.
        ordered = sorted(self.events, key=lambda event: (event["ts"], -event.get("dur", 0)))
        return {"traceEvents": names + ordered, "displayTimeUnit": "ns", "otherData": other}


def perfetto(machine: Machine, path: str | os.PathLike[str], *, watch: Watch | None = None, by: str = "time") -> int:
    """Writes the trace; returns the number of events. Open it at ui.perfetto.dev, which keeps it in the browser.

    by: ``time`` places everything at its virtual time and spreads what happens within one tick over the tick's 41 ns.
    ``sequence`` places every beginning, end and event one microsecond after the one before it: for a storage driver,
    whose calls mostly come at one tick. watch: samples of stream positions. Raises ValueError for another ``by``,
    OSError.
    """
    if by not in ("time", "sequence"):
        raise ValueError(f"by={by!r}: choose 'time' or 'sequence'")
    timeline = Timeline(machine, watch)
    out = _Writer()
    out.processes[MACHINE] = f"machine {machine!r}"
    scale = _Scale(timeline, by)
    _cpus(out, timeline, scale)
    _interrupts(out, timeline, scale)
    _devices(out, timeline, scale)
    _counters(out, timeline, scale)
    _ends(out, timeline, scale)
    document = out.document(
        dropped_entries=timeline.dropped, ticks_per_second=24_000_000, seed=machine.config.seed, by=by
    )
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(document, separators=(",", ":")))  # all at once is ten times as fast as json.dump
    return len(document["traceEvents"])


def _arguments(entry: TraceEntry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "tick": entry.time,
        "irql": entry.irql,
        "values": [f"{value:#x}" for value in entry.values],
        "site": str(entry.site) if entry.site else "",
    }


# --- processors -----------------------------------------------------------------------------------------------------


def _cpu(out: _Writer, cpu: int) -> Lane:
    return out.lane(MACHINE, CPUS + cpu, f"CPU {cpu}")


def _cpus(out: _Writer, timeline: Timeline, scale: _Scale) -> None:
    for span in timeline.spans:
        more: dict[str, Any] = {}
        if span.kind == "call":
            more["result"] = f"{span.entry.values[0]:#x}"
            more["outputs"] = [f"{value:#x}" for value in span.outputs]
        out.slice(
            span.name,
            _cpu(out, span.cpu),
            scale(span.begin),
            scale(span.end),
            span.kind,
            **_arguments(span.entry),
            **more,
        )
    for entry in timeline.entries:
        if entry.kind in _NOTED:
            lane = out.lane(MACHINE, NOTES + list(_NOTED).index(entry.kind), _NOTED[entry.kind])
            out.mark(describe(entry), lane, scale(at(entry.time, entry.sequence)), entry.kind, **_arguments(entry))


def _interrupts(out: _Writer, timeline: Timeline, scale: _Scale) -> None:
    for one in timeline.interrupts:
        _interrupt(out, timeline, scale, one)
    for number, deferred in enumerate(timeline.deferred):
        if deferred.queued_at is None or deferred.span is None:
            continue
        lane = out.lane(MACHINE, DEFERRED + deferred.cpu, f"CPU {deferred.cpu}: deferred calls that wait")
        begin, end = scale(deferred.queued_at), scale(deferred.span.begin)
        out.wait("DPC queued", lane, begin, end, number, room=deferred.room)


def _interrupt(out: _Writer, timeline: Timeline, scale: _Scale, one: Interrupt) -> None:
    line = out.lane(MACHINE, LINES + one.line, f"interrupt line {one.line}")
    raised = scale(one.position)
    out.slice("raised", line, raised, scale.tick(timeline.now) if one.lowered_at is None else scale(one.lowered_at))
    if one.span is None or one.began is None:
        return
    if one.began > one.raised:
        out.wait("interrupt held off by the IRQL", line, raised, scale(one.span.begin), one.position[1])
    run: Deferred | None = one.deferred
    spans: list[Span] = [one.span, *([run.span] if run is not None and run.span is not None else [])]
    out.flow((line, raised), *((_cpu(out, span.cpu), scale(span.begin)) for span in spans))


# --- devices --------------------------------------------------------------------------------------------------------


def _devices(out: _Writer, timeline: Timeline, scale: _Scale) -> None:
    for transfer in timeline.transfers:
        lane = out.lane(MACHINE, DMA + transfer.device, f"device {transfer.device}: DMA")
        name = f"{'write' if transfer.write else 'read'} {transfer.length}"
        out.mark(name, lane, scale(at(transfer.time, transfer.sequence)), "dma", address=f"{transfer.address:#x}")
    for stream in timeline.streams:
        _stream(out, timeline, scale, stream)


def _stream(out: _Writer, timeline: Timeline, scale: _Scale, stream: Stream) -> None:
    process = 10 + stream.controller
    out.processes[process] = f"HD Audio controller {stream.controller}"
    lane = out.lane(process, 1 + stream.descriptor, f"stream {stream.descriptor}")
    for start, end in stream.runs():
        first = scale(at(start.time, start.sequence))
        last = scale.tick(timeline.now) if end is None else scale(at(end.time, end.sequence))
        out.slice("run", lane, first, last, buffer_bytes=stream.buffer_bytes, tag=stream.tag)
        since, number = first, 0
        for event in stream.events:
            now = scale(at(event.time, event.sequence))
            if event.what == "complete" and first < now <= last:
                number += 1
                out.slice(f"fragment {number}", lane, since, now, moved_bytes=event.dma_bytes)
                since = now
    for event in stream.events:
        if event.what not in ("run", "stop"):
            name = "IOC" if event.what == "complete" else event.what
            now = scale(at(event.time, event.sequence))
            out.mark(name, lane, now, "stream", moved_bytes=event.dma_bytes)


# --- counters, findings, what is live -------------------------------------------------------------------------------


def _counters(out: _Writer, timeline: Timeline, scale: _Scale) -> None:
    for level in timeline.levels:
        out.counter(f"IRQL of CPU {level.cpu}", MACHINE, scale(level.position), level.irql, "level")
    for used in timeline.usage:
        out.counter(f"{used.kind} bytes", MACHINE, scale(at(used.time, used.sequence)), used.bytes, "bytes")
    laps: dict[tuple[int, int], int] = {}
    for stream in timeline.streams:
        laps[stream.controller, stream.descriptor] = stream.buffer_bytes
        for reading in stream.readings:
            now = scale(at(reading.time, reading.sequence))
            out.counter(f"LPIB of stream {stream.descriptor}", 10 + stream.controller, now, reading.value, "bytes")
    for sample in () if timeline.watch is None else timeline.watch.samples:
        process, lap = 10 + sample.controller, laps.get((sample.controller, sample.descriptor), 0)
        link = sample.link % lap if lap else sample.link
        out.counter(f"LPIB of stream {sample.descriptor}", process, scale.tick(sample.time), link, "bytes")


def _ends(out: _Writer, timeline: Timeline, scale: _Scale) -> None:
    """Findings as marks over everything, live allocations as slices that have not ended."""
    lane = out.lane(MACHINE, FINDINGS, "findings")
    found = timeline.machine.findings
    places = {(entry.values[0], entry.time): entry.sequence for entry in timeline.entries if entry.kind == "finding"}
    for finding in found:
        sequence = places.get((finding.id, finding.time))
        now = scale.tick(finding.time) if sequence is None else scale(at(finding.time, sequence))
        text = {"text": finding.text, "site": str(finding.site or "")}
        out.mark(f"{finding.kind}: {finding.name}", lane, now, "finding", "p", **text)
    for number, made in enumerate(timeline.machine.allocations()):
        lane = out.lane(MACHINE, LIVE, "live allocations")
        facts = {"va": f"{made.va:#x}", "pa": f"{made.pa:#x}", "bytes": made.size, "site": str(made.site or "")}
        out.wait(f"live {made.kind}", lane, scale.tick(made.time), scale.tick(timeline.now), number, **facts)
