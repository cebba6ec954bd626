"""Chrome trace events as JSON, for the Perfetto UI and chrome://tracing.

Lanes: one process for the machine (a thread for the calls, the interrupts, and the deferred calls of each CPU, one for
each interrupt line, one for each device's DMA) and one for each controller with a thread for each stream. Source: the
public *Trace Event Format* document.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from storsim.timeline import Interrupt, Stream, Timeline, describe

if TYPE_CHECKING:
    from storsim.machine import Machine
    from storsim.records import TraceEntry
    from storsim.watch import Watch

Event = dict[str, Any]
MACHINE = 1
CALLS, SERVICE, DEFERRED, LINES, DMA = 100, 200, 300, 400, 500


def _micro(ticks: int) -> float:
    """Microseconds as the format wants them, cut to whole nanoseconds so that neighbours never overlap."""
    return ticks * 1000 // 24 / 1000


class _Writer:
    """Collects events and the names of lanes."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lanes: dict[tuple[int, int], str] = {}
        self.processes: dict[int, str] = {}
        self.flows = 0

    def lane(self, process: int, thread: int, name: str) -> tuple[int, int]:
        self.lanes.setdefault((process, thread), name)
        return process, thread

    def add(self, kind: str, name: str, lane: tuple[int, int], ticks: int, **more: Any) -> None:
        self.events.append({"ph": kind, "name": name, "pid": lane[0], "tid": lane[1], "ts": _micro(ticks), **more})

    def slice(self, name: str, lane: tuple[int, int], start: int, end: int, **arguments: Any) -> None:
        """A slice of at least one tick: one without length could be neither seen nor clicked."""
        end = max(end, start + 1)
        duration = round(_micro(end) - _micro(start), 3)
        self.add("X", name, lane, start, dur=duration, cat="storsim", args=arguments)

    def wait(self, name: str, lane: tuple[int, int], start: int, end: int, number: int, **arguments: Any) -> None:
        """An asynchronous slice: it may overlap others."""
        common = {"cat": name, "id": f"{name} {number}"}
        self.add("b", name, lane, start, **common, args=arguments)
        self.add("e", name, lane, end, **common)

    def flow(self, *points: tuple[tuple[int, int], int]) -> None:
        """An arrow through the slices at these points."""
        self.flows += 1
        kinds = ["s", *["t"] * (len(points) - 2), "f"]
        for kind, (lane, ticks) in zip(kinds, points, strict=True):
            more = {"bp": "e"} if kind != "s" else {}
            self.add(kind, "interrupt", lane, ticks, id=self.flows, cat="interrupt", **more)

    def counter(self, name: str, process: int, ticks: int, value: int, unit: str) -> None:
        self.add("C", name, (process, 0), ticks, args={unit: value})

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
        ordered = sorted(self.events, key=lambda event: float(event["ts"]))
        return {"traceEvents": names + ordered, "displayTimeUnit": "ns", "otherData": other}


def perfetto(machine: Machine, path: str | os.PathLike[str], *, watch: Watch | None = None, by: str = "time") -> int:
    """Writes the trace; returns the number of events. Open it at ui.perfetto.dev, which keeps it in the browser.

    by: ``time`` places everything at its virtual time; calls take none, so they are points. ``sequence`` places the
    trace's entries one microsecond apart in the order they happened: for a storage driver, whose calls all come at one
    tick. watch: samples of stream positions. Raises ValueError for another ``by``, OSError.
    """
    if by not in ("time", "sequence"):
        raise ValueError(f"by={by!r}: choose 'time' or 'sequence'")
    timeline = Timeline(machine, watch)
    out = _Writer()
    out.processes[MACHINE] = f"machine {machine!r}"
    if by == "time":
        _by_time(out, timeline)
    else:
        _by_sequence(out, timeline)
    document = out.document(
        dropped_entries=timeline.dropped, ticks_per_second=24_000_000, seed=machine.config.seed, by=by
    )
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        json.dump(document, file, separators=(",", ":"))
    return len(document["traceEvents"])


def _arguments(entry: TraceEntry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "tick": entry.time,
        "irql": entry.irql,
        "values": [f"{value:#x}" for value in entry.values],
        "site": str(entry.site) if entry.site else "",
    }


# --- by time --------------------------------------------------------------------------------------------------------


def _by_time(out: _Writer, timeline: Timeline) -> None:
    for level in timeline.levels:
        out.counter(f"IRQL of CPU {level.cpu}", MACHINE, level.time, level.irql, "level")
    for used in timeline.usage:
        out.counter(f"{used.kind} bytes", MACHINE, used.time, used.bytes, "bytes")
    for entry in timeline.calls:
        lane = out.lane(MACHINE, CALLS + entry.cpu, f"CPU {entry.cpu}: calls")
        out.add("i", entry.routine or "call", lane, entry.time, s="t", cat="call", args=_arguments(entry))
    for transfer in timeline.transfers:
        lane = out.lane(MACHINE, DMA + transfer.device, f"device {transfer.device}: DMA")
        name = f"{'write' if transfer.write else 'read'} {transfer.length}"
        out.add("i", name, lane, transfer.time, s="t", cat="dma", args={"address": f"{transfer.address:#x}"})
    for interrupt in timeline.interrupts:
        _interrupt(out, timeline, interrupt)
    for deferred in timeline.deferred:
        lane = out.lane(MACHINE, DEFERRED + deferred.cpu, f"CPU {deferred.cpu}: deferred calls")
        out.slice(f"DPC of the {deferred.room}", lane, deferred.ran, deferred.ran + 1, queued=deferred.queued)
        if deferred.ran > deferred.queued:
            out.wait("DPC queued", lane, deferred.queued, deferred.ran, deferred.sequence, room=deferred.room)
    for stream in timeline.streams:
        _stream(out, timeline, stream)
    _samples(out, timeline)
    _ends(out, timeline)


def _interrupt(out: _Writer, timeline: Timeline, one: Interrupt) -> None:
    line = out.lane(MACHINE, LINES + one.line, f"interrupt line {one.line}")
    out.slice("raised", line, one.raised, timeline.now if one.lowered is None else one.lowered)
    if one.served is None:
        return
    cpu = out.lane(MACHINE, SERVICE + one.cpu, f"CPU {one.cpu}: interrupts")
    out.slice(f"ISR of line {one.line}", cpu, one.served, one.served + 1, claimed=one.claimed)
    if one.served > one.raised:
        out.wait("interrupt held off by the IRQL", line, one.raised, one.served, one.sequence)
    points = [(line, one.raised), (cpu, one.served)]
    if one.deferred is not None:
        points.append((out.lane(MACHINE, DEFERRED + one.cpu, f"CPU {one.cpu}: deferred calls"), one.deferred))
    out.flow(*points)


def _stream(out: _Writer, timeline: Timeline, stream: Stream) -> None:
    process = 10 + stream.controller
    out.processes[process] = f"HD Audio controller {stream.controller}"
    lane = out.lane(process, 1 + stream.descriptor, f"stream {stream.descriptor}")
    for start, end in stream.runs(timeline.now):
        out.slice("run", lane, start, end, buffer_bytes=stream.buffer_bytes, tag=stream.tag)
        since, number = start, 0
        for event in stream.events:
            if event.what == "complete" and start < event.time <= end:
                number += 1
                out.slice(f"fragment {number}", lane, since, event.time, moved_bytes=event.dma_bytes)
                since = event.time
    for event in stream.events:
        if event.what == "complete":
            out.add("i", "IOC", lane, event.time, s="t", cat="stream", args={"moved_bytes": event.dma_bytes})
        elif event.what not in ("run", "stop"):
            out.add("i", event.what, lane, event.time, s="t", cat="stream", args={"moved_bytes": event.dma_bytes})
    name = f"LPIB of stream {stream.descriptor}"
    for reading in stream.readings:
        out.counter(name, process, reading.time, reading.value, "bytes")


def _samples(out: _Writer, timeline: Timeline) -> None:
    laps = {(stream.controller, stream.descriptor): stream.buffer_bytes for stream in timeline.streams}
    for sample in () if timeline.watch is None else timeline.watch.samples:
        process, lap = 10 + sample.controller, laps.get((sample.controller, sample.descriptor), 0)
        link = sample.link % lap if lap else sample.link
        out.counter(f"LPIB of stream {sample.descriptor}", process, sample.time, link, "bytes")


def _ends(out: _Writer, timeline: Timeline) -> None:
    """Findings as marks over everything, live allocations as slices that have not ended."""
    lane = out.lane(MACHINE, 1, "findings")
    for finding in timeline.machine.findings:
        text = {"text": finding.text, "site": str(finding.site or "")}
        out.add("i", f"{finding.kind}: {finding.name}", lane, finding.time, s="p", cat="finding", args=text)
    for number, made in enumerate(timeline.machine.allocations()):
        lane = out.lane(MACHINE, 2, "live allocations")
        facts = {"va": f"{made.va:#x}", "pa": f"{made.pa:#x}", "bytes": made.size, "site": str(made.site or "")}
        out.wait(f"live {made.kind}", lane, made.time, timeline.now, number, **facts)


# --- by sequence ----------------------------------------------------------------------------------------------------


def _by_sequence(out: _Writer, timeline: Timeline) -> None:
    """One slice per entry, 1 µs each, on a lane per kind; arrows and counters as by time."""

    def place(sequence: int) -> int:
        return sequence * 24

    kinds: dict[str, int] = {}
    lanes: dict[int, tuple[int, int]] = {}
    for entry in timeline.entries:
        thread = kinds.setdefault(entry.kind, 10 + len(kinds))
        lane = lanes[entry.sequence] = out.lane(MACHINE, thread, entry.kind)
        name = (entry.routine or "call") if entry.kind == "call" else describe(entry)
        out.slice(name, lane, place(entry.sequence), place(entry.sequence + 1), **_arguments(entry))
    for level in timeline.levels:
        out.counter(f"IRQL of CPU {level.cpu}", MACHINE, place(level.sequence), level.irql, "level")
    for used in timeline.usage:
        out.counter(f"{used.kind} bytes", MACHINE, place(used.sequence), used.bytes, "bytes")
    for stream in timeline.streams:
        for reading in stream.readings:
            out.counter(f"LPIB of {stream.name}", MACHINE, place(reading.sequence), reading.value, "bytes")
    for one in timeline.interrupts:
        if one.deferred is not None:
            ends = (one.sequence, one.deferred_sequence)
            out.flow(*((lanes[sequence], place(sequence)) for sequence in ends))
