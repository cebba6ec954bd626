"""One event per line: JSON lines with a versioned schema, and CSV."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from storsim.timeline import describe
from storsim.virtual_time import TICKS_PER_SECOND

if TYPE_CHECKING:
    from storsim.machine import Machine
    from storsim.records import Site
    from storsim.watch import Watch

SCHEMA = "storsim.trace/2"
"""Name and version of the JSONL schema. The number changes when a field changes its meaning or goes; new fields and new
types of line may come without it. 2: calls, callbacks, service routines and deferred calls stand where they ended, and
say where they began; in 1 callbacks and deferred calls stood where they began.

Every line is an object with ``type``:

header
    first line. schema, machine (how it was made), seed, ticks_per_second, now, total and dropped (entries of the ring),
    core_version
entry
    sequence, time (ticks; when it ended), kind, routine, irql, cpu, site, values (four numbers by kind), began (ticks),
    inside (entries written meanwhile, which stand before this one), text (in words)
finding
    kind, name, routine, time, irql, cpu, owner, address, code, parameters, site, text
allocation
    live at the end: kind, va, pa, size, pages, node, cache, tag, owner, time, site
sample
    of a Watch: time, controller, descriptor, link, dma, position_buffer, running
"""
_COLUMNS: dict[str, tuple[str, ...]] = {
    "entry": (
        "sequence", "time", "kind", "routine", "irql", "cpu", "site", "value0", "value1", "value2", "value3", "began",
        "inside", "text",
    ),
    "finding": (
        "kind", "name", "routine", "time", "irql", "cpu", "owner", "address", "code", "parameters", "site", "text"
    ),
    "allocation": ("kind", "va", "pa", "size", "pages", "node", "cache", "tag", "owner", "time", "site"),
    "sample": ("time", "controller", "descriptor", "link", "dma", "position_buffer", "running"),
}  # fmt: skip


def _site(site: Site | None) -> dict[str, Any] | None:
    return None if site is None else {"file": site.file, "line": site.line, "function": site.function}


def _lines(machine: Machine, watch: Watch | None) -> Iterator[dict[str, Any]]:
    trace = machine.trace
    entries = list(trace)
    yield {
        "type": "header",
        "schema": SCHEMA,
        "machine": repr(machine),
        "seed": machine.config.seed,
        "ticks_per_second": TICKS_PER_SECOND,
        "now": machine.now,
        "total": trace.total,
        "dropped": trace.total - len(entries),
        "core_version": _version(),
    }
    for entry in entries:
        fields = entry._asdict()
        fields |= {"site": _site(entry.site), "values": list(entry.values), "text": describe(entry)}
        yield {"type": "entry", **fields}
    for finding in machine.findings:
        names = _COLUMNS["finding"]
        yield {
            "type": "finding",
            **{name: getattr(finding, name) for name in names},
            "parameters": list(finding.parameters),
            "site": _site(finding.site),
        }
    for made in machine.allocations():
        fields = {name: getattr(made, name) for name in _COLUMNS["allocation"]}
        yield {"type": "allocation", **fields, "tag": made.tag_text, "site": _site(made.site)}
    for sample in () if watch is None else watch.samples:
        yield {"type": "sample", **sample._asdict()}


def _version() -> str:
    from storsim import _core

    return _core.CORE_VERSION


def jsonl(machine: Machine, path: str | os.PathLike[str], *, watch: Watch | None = None) -> int:
    """Writes JSON lines, see `SCHEMA`; returns how many lines after the header. Raises OSError."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        count = -1
        for line in _lines(machine, watch):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            count += 1
    return count


def csv(machine: Machine, path: str | os.PathLike[str], *, what: str = "entry", watch: Watch | None = None) -> int:
    """Writes one kind of line as CSV with a header row; returns the number of rows.

    what: entry (the trace), finding, allocation, or sample (needs ``watch``). Raises ValueError for another, OSError.
    """
    import csv as library

    if what not in _COLUMNS:
        raise ValueError(f"what={what!r}: choose one of {', '.join(_COLUMNS)}")
    if what == "sample" and watch is None:
        raise ValueError("what='sample' needs watch=, the storsim.Watch that took the samples")
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = library.DictWriter(file, _COLUMNS[what])
        writer.writeheader()
        for line in _lines(machine, watch):
            if line.pop("type") != what:
                continue
            if what == "entry":
                line |= {f"value{i}": value for i, value in enumerate(line.pop("values"))}
            if what != "sample" and line["site"] is not None:
                line["site"] = f"{line['site']['file']}:{line['site']['line']}"
            if what == "finding":
                line["parameters"] = " ".join(f"{value:#x}" for value in line["parameters"])
            writer.writerow(line)
            count += 1
    return count
