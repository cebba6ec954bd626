"""Value change dump: registers and lines as waveforms, for GTKWave and Surfer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from storsim.timeline import Timeline

if TYPE_CHECKING:
    from storsim.machine import Machine
    from storsim.watch import Watch

PICOSECONDS_PER_3_TICKS = 125_000
_LAST = 2**63
MISSING = "writing VCD needs pyvcd: pip install 'storsim[vcd]'"


def picoseconds(ticks: int) -> int:
    """Ticks of 1/24 000 000 s as picoseconds, rounded down (a tick is 41 666.6… ps)."""
    return ticks * PICOSECONDS_PER_3_TICKS // 3


def vcd(machine: Machine, path: str | os.PathLike[str], *, watch: Watch | None = None) -> int:
    """Writes a VCD with a timescale of 1 ps; returns the number of value changes.

    Signals: ``cpuN.irql``; ``lines.lineN``; per stream ``run``, ``lpib``, ``dma_bytes``, ``state`` (text), ``ioc`` and
    ``error`` (events); ``memory.pool`` and its like (live bytes asked for). Time stands still while code runs, so what
    happens within one tick is drawn 1 ps apart in the order of the trace: a pulse of no virtual length stays visible.
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
        for at, _, name, value in changes:
            writer.change(variables[name], at, value)
        writer.close(max(picoseconds(timeline.now), changes[-1][0] if changes else 0))
    return len(changes)


def _scope(stream: Any) -> str:
    return f"hda{stream.controller}.stream{stream.descriptor}"


def _signals(timeline: Timeline) -> list[tuple[str, str, Any]]:
    """(name, VCD type, value before the first change)."""
    found: list[tuple[str, str, Any]] = []
    for cpu in sorted({level.cpu for level in timeline.levels}):
        found.append((f"cpu{cpu}.irql", "integer", next(one.irql for one in timeline.levels if one.cpu == cpu)))
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


def _changes(timeline: Timeline) -> list[tuple[int, int, str, Any]]:
    """(picoseconds, sequence, signal, value) in order."""
    raw: list[tuple[int, int, str, Any]] = []
    for level in timeline.levels:
        raw.append((level.time, level.sequence, f"cpu{level.cpu}.irql", level.irql))
    for entry in timeline.entries:
        if entry.kind == "interrupt":
            line, level_now = entry.values[0], entry.values[1]
            if any(one.line == line for one in timeline.interrupts):
                raw.append((entry.time, entry.sequence, f"lines.line{line}", int(bool(level_now))))
    for stream in timeline.streams:
        raw += _stream_changes(stream)
    for used in timeline.usage:
        raw.append((used.time, used.sequence, f"memory.{used.kind}", used.bytes))
    known = {(stream.controller, stream.descriptor): stream for stream in timeline.streams}
    for sample in () if timeline.watch is None else timeline.watch.samples:
        seen = known.get((sample.controller, sample.descriptor))
        if seen is not None:
            scope, lap = _scope(seen), seen.buffer_bytes
            raw.append((sample.time, _LAST, f"{scope}.lpib", sample.link % lap if lap else sample.link))
            raw.append((sample.time, _LAST, f"{scope}.dma_bytes", sample.dma))
    raw.sort(key=lambda one: one[:2])
    return _spread(raw)


def _stream_changes(stream: Any) -> list[tuple[int, int, str, Any]]:
    scope = _scope(stream)
    raw: list[tuple[int, int, str, Any]] = []
    for event in stream.events:
        raw.append((event.time, event.sequence, f"{scope}.dma_bytes", event.dma_bytes))
        if event.what == "complete":
            raw.append((event.time, event.sequence, f"{scope}.ioc", True))
            continue
        if event.what.endswith("error"):
            raw.append((event.time, event.sequence, f"{scope}.error", True))
        if event.what != "fifo error":
            raw.append((event.time, event.sequence, f"{scope}.run", int(event.what == "run")))
        raw.append((event.time, event.sequence, f"{scope}.state", event.what.replace(" ", "_")))
        if event.what == "reset":
            raw.append((event.time, event.sequence, f"{scope}.lpib", 0))
    raw += [(reading.time, reading.sequence, f"{scope}.lpib", reading.value) for reading in stream.readings]
    return raw


def _spread(raw: list[tuple[int, int, str, Any]]) -> list[tuple[int, int, str, Any]]:
    """Changes of one tick, 1 ps apart by trace entry; never past the tick's end."""
    found: list[tuple[int, int, str, Any]] = []
    tick = sequence = step = -1
    last = ""
    for time, order, name, value in raw:
        step = 0 if time != tick else min(step + (order != sequence or name == last), 41_665)
        tick, sequence, last = time, order, name
        found.append((picoseconds(time) + step, order, name, value))
    return found
