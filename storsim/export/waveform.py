"""Value change dump: registers and lines as waveforms, for GTKWave and Surfer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from storsim.spans import Position, at
from storsim.timeline import Timeline

if TYPE_CHECKING:
    from storsim.machine import Machine
    from storsim.watch import Watch

PICOSECONDS_PER_3_TICKS = 125_000
_LAST = 2**63
Change = tuple[Position, str, Any]
MISSING = "writing VCD needs pyvcd: pip install 'storsim[vcd]'"


def picoseconds(ticks: int) -> int:
    """Ticks of 1/24 000 000 s as picoseconds, rounded down (a tick is 41 666.6… ps)."""
    return ticks * PICOSECONDS_PER_3_TICKS // 3


def vcd(machine: Machine, path: str | os.PathLike[str], *, watch: Watch | None = None) -> int:
    """Writes a VCD with a timescale of 1 ps; returns the number of value changes.

    Signals: ``cpuN.irql``, ``cpuN.isr`` and ``cpuN.dpc`` (one runs), ``cpuN.running`` (text: the innermost of call,
    callback, service routine and deferred call); ``lines.lineN``; per stream ``run``, ``lpib``, ``dma_bytes``,
    ``state`` (text), ``ioc`` and ``error`` (events); ``memory.pool`` and its like (live bytes asked for). Time stands
    still while code runs, so what happens within one tick is drawn 1 ps apart in the order of the trace: a pulse of no
    virtual length stays visible.
    lpib changes where the driver read it and at the samples of ``watch``. Raises ImportError that names the extra when
    pyvcd is missing, OSError.
    """
    try:
        from vcd import VCDWriter
    except ImportError as error:
        raise ImportError(MISSING) from error
    timeline = Timeline(machine, watch)
    changes = _changes(timeline)
    names = {name: (kind, first) for name, kind, first in _signals(timeline)}
    comment = f"storsim {machine!r}; 1 tick = 41666.66 ps; entries of one tick are 1 ps apart"
    begin = changes[0][0] if changes else 0
    with (
        open(path, "w", encoding="ascii", newline="\n", errors="replace") as file,
        VCDWriter(file, timescale="1 ps", comment=comment, date="", init_timestamp=begin) as writer,
    ):
        variables = {}
        for name, (kind, first) in names.items():
            scope, _, leaf = name.rpartition(".")
            size = {"wire": 1, "integer": 64}.get(kind)
            variables[name] = writer.register_var(scope, leaf, kind, size=size, init=first)
        for time, name, value in changes:
            writer.change(variables[name], time, value)
        writer.close(max(picoseconds(timeline.now), changes[-1][0] if changes else 0))
    return len(changes)


def _scope(stream: Any) -> str:
    return f"hda{stream.controller}.stream{stream.descriptor}"


def _signals(timeline: Timeline) -> list[tuple[str, str, Any]]:
    """(name, VCD type, value before the first change)."""
    found: list[tuple[str, str, Any]] = []
    for cpu in sorted({level.cpu for level in timeline.levels}):
        found.append((f"cpu{cpu}.irql", "integer", next(one.irql for one in timeline.levels if one.cpu == cpu)))
    for cpu in sorted({span.cpu for span in timeline.spans}):
        found += [
            (f"cpu{cpu}.isr", "wire", 0),
            (f"cpu{cpu}.dpc", "wire", 0),
            (f"cpu{cpu}.running", "string", "nothing"),
        ]
    for line in sorted({one.line for one in timeline.interrupts}):
        found.append((f"lines.line{line}", "wire", 0))
    for stream in timeline.streams:
        scope = _scope(stream)
        found += [(f"{scope}.run", "wire", 0), (f"{scope}.lpib", "integer", 0), (f"{scope}.dma_bytes", "integer", 0)]
        found += [(f"{scope}.state", "string", "unknown"), (f"{scope}.ioc", "event", None)]
        found.append((f"{scope}.error", "event", None))
    for kind in sorted({one.kind for one in timeline.usage}):
        found.append((f"memory.{kind}", "integer", 0))
    return found


def _changes(timeline: Timeline) -> list[tuple[int, str, Any]]:
    """(picoseconds, signal, value) in order."""
    raw: list[Change] = [(level.position, f"cpu{level.cpu}.irql", level.irql) for level in timeline.levels]
    raw += _running(timeline)
    for one in timeline.interrupts:
        raw.append((one.position, f"lines.line{one.line}", 1))
        if one.lowered_at is not None:
            raw.append((one.lowered_at, f"lines.line{one.line}", 0))
    for stream in timeline.streams:
        raw += _stream_changes(stream)
    for used in timeline.usage:
        raw.append((at(used.time, used.sequence), f"memory.{used.kind}", used.bytes))
    known = {(stream.controller, stream.descriptor): stream for stream in timeline.streams}
    for sample in () if timeline.watch is None else timeline.watch.samples:
        seen = known.get((sample.controller, sample.descriptor))
        if seen is not None:
            scope, lap = _scope(seen), seen.buffer_bytes
            where = at(sample.time, _LAST)
            raw.append((where, f"{scope}.lpib", sample.link % lap if lap else sample.link))
            raw.append((where, f"{scope}.dma_bytes", sample.dma))
    raw.sort(key=lambda one: one[0])
    return _spread(raw)


def _running(timeline: Timeline) -> list[Change]:
    """What each CPU is busy with, from span to span."""
    moments = [(span.begin, True, span) for span in timeline.spans]
    moments += [(span.end, False, span) for span in timeline.spans]
    moments.sort(key=lambda moment: moment[0])
    raw: list[Change] = []
    stacks: dict[int, list[str]] = {}
    kinds: dict[tuple[int, str], int] = {}
    for position, begins, span in moments:
        stack = stacks.setdefault(span.cpu, ["nothing"])
        if begins:
            stack.append(span.name.replace(" ", "_"))
        else:
            stack.pop()
        raw.append((position, f"cpu{span.cpu}.running", stack[-1]))
        if span.kind in ("isr", "dpc"):
            depth = kinds[span.cpu, span.kind] = kinds.get((span.cpu, span.kind), 0) + (1 if begins else -1)
            raw.append((position, f"cpu{span.cpu}.{span.kind}", int(depth > 0)))
    return raw


def _stream_changes(stream: Any) -> list[Change]:
    scope = _scope(stream)
    raw: list[Change] = []
    for event in stream.events:
        here = at(event.time, event.sequence)
        raw.append((here, f"{scope}.dma_bytes", event.dma_bytes))
        if event.what == "complete":
            raw.append((here, f"{scope}.ioc", True))
            continue
        if event.what.endswith("error"):
            raw.append((here, f"{scope}.error", True))
        if event.what != "fifo error":
            raw.append((here, f"{scope}.run", int(event.what == "run")))
        raw.append((here, f"{scope}.state", event.what.replace(" ", "_")))
        if event.what == "reset":
            raw.append((here, f"{scope}.lpib", 0))
    raw += [(at(reading.time, reading.sequence), f"{scope}.lpib", reading.value) for reading in stream.readings]
    return raw


def _spread(raw: list[Change]) -> list[tuple[int, str, Any]]:
    """Changes of one tick, 1 ps apart by position; never past the tick's end."""
    found: list[tuple[int, str, Any]] = []
    before: Position = (-1, 0, 0, 0)
    seen: set[str] = set()
    step = 0
    for position, name, value in raw:
        if position[0] != before[0]:
            step = 0
        elif position != before or name in seen:
            step = min(step + 1, 41_665)
        if position != before or name in seen:
            seen = set()
        seen.add(name)
        before = position
        found.append((picoseconds(position[0]) + step, name, value))
    return found
