"""``pc.report()``: what happened on a machine, for people, for programs, for notebooks; and the pool table by tag.

Findings are grouped by cause: the same rule, broken in the same routine by the same block or call. A group is one
paragraph and its first line says what to fix.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storsim.machine import Machine
    from storsim.records import Finding, Site

_KINDS = ("bugcheck", "violation", "note")
_NOTES = 20


class PoolTag(NamedTuple):
    """One line of the pool table. tag: as pool tools display it. blocks: live blocks. bytes: asked for, without
    headers and slack. bytes_per_block: rounded down.
    """

    tag: str
    owner: str | None
    blocks: int
    bytes: int
    bytes_per_block: int


class PoolTable(list[PoolTag]):
    """Live pool by tag and owner, most bytes first; ``str()`` and notebooks show it as a table."""

    def __str__(self) -> str:
        lines = [f"{'Tag':<6}{'Owner':<20}{'Blocks':>10}{'Bytes':>14}{'Per block':>12}"]
        for row in self:
            lines.append(
                f"{row.tag:<6}{row.owner or 'system':<20}{row.blocks:>10}{row.bytes:>14}{row.bytes_per_block:>12}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from storsim import html

        return html.pool(self)


class Cause(NamedTuple):
    """Findings with one cause. first: the earliest of them. times: how many there are. places: how often each call
    site showed it.
    """

    first: Finding
    times: int
    places: tuple[tuple[Site | None, int], ...]


def pool_table(machine: Machine) -> PoolTable:
    """Live pool of a machine by tag and owner. O(allocations). Source: the columns of poolmon."""
    sums: dict[tuple[str, str | None], list[int]] = {}
    for allocation in machine.allocations():
        if allocation.kind == "pool":
            row = sums.setdefault((allocation.tag_text or "(0)", allocation.owner), [0, 0])
            row[0] += 1
            row[1] += allocation.size
    rows = [PoolTag(tag, owner, n, size, size // n) for (tag, owner), (n, size) in sums.items()]
    return PoolTable(sorted(rows, key=lambda row: (-row.bytes, row.tag, row.owner or "")))


def causes(findings: Iterable[Finding]) -> list[Cause]:
    """Findings grouped by cause: bugchecks, then violations, then notes, each in order of their first appearance.

    One cause: same kind, rule, routine and code, at the block allocated in one place; where no block is concerned, at
    one call site.
    """
    groups: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        where = finding.allocated_at or finding.site
        key = (finding.kind, finding.name, finding.routine, finding.code, finding.owner, where)
        groups.setdefault(key, []).append(finding)
    merged = []
    for group in groups.values():
        places: dict[Site | None, int] = {}
        for finding in group:
            places[finding.site] = places.get(finding.site, 0) + 1
        merged.append(Cause(group[0], len(group), tuple(places.items())))
    return sorted(merged, key=lambda cause: _KINDS.index(cause.first.kind))


def _headline(cause: Cause) -> str:
    """What to fix, and how often it showed."""
    first, times = cause.first, "" if cause.times == 1 else f" ({cause.times} times)"
    name = first.name if first.kind != "bugcheck" else f"0x{first.code:X} {first.code_name}, {first.name}"
    return f"{first.fix or first.rule} [{name}]{times}"


def _sentences(cause: Cause) -> list[str]:
    lines = cause.first.text.split("\n")
    lines = [line.strip() for line in lines if not line.strip().startswith("Fix:")]
    if cause.first.context:
        lines.append(f"In callback: {cause.first.context}")
    if len(cause.places) > 1:
        lines += [f"{count} at {place}" for place, count in cause.places]
    return lines


def _live(machine: Machine) -> list[tuple[str, str, int, int]]:
    """(kind, owner, blocks, bytes) of what is allocated, in order of the first of each kind."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for allocation in machine.allocations():
        count = kinds.setdefault((allocation.kind, allocation.owner or "the system"), [0, 0])
        count[0] += 1
        count[1] += allocation.size
    return [(kind, owner, n, size) for (kind, owner), (n, size) in kinds.items()]


# --- text -----------------------------------------------------------------------------------------------------------


def _text(machine: Machine, found: list[Cause]) -> str:
    parts = []
    if not any(cause.first.kind != "note" for cause in found):
        parts.append("No violation.")
    notes = 0
    for cause in found:
        if cause.first.kind == "note":
            notes += 1
            if notes > _NOTES:
                continue
        title = {"bugcheck": "The machine stopped. ", "note": "Note: "}.get(cause.first.kind, "")
        parts.append("\n".join([title + _headline(cause), *(f"    {line}" for line in _sentences(cause))]))
    if notes > _NOTES:
        parts.append(f"{notes - _NOTES} more notes; see pc.notes.")
    injected = [] if machine.closed else machine.faults.injected
    if injected:
        lines = [f"    #{fault.id} {fault.routine} at {fault.site}, tick {fault.time}" for fault in injected[:_NOTES]]
        more = [f"    and {len(injected) - _NOTES} more"] if len(injected) > _NOTES else []
        parts.append("\n".join([f"Failures injected: {len(injected)}", *lines, *more]))
    if not machine.closed:
        live = _live(machine)
        lines = [f"    {kind} of {owner}: {n} with {size} bytes" for kind, owner, n, size in live]
        parts.append("\n".join([f"Live at tick {machine.now}:", *lines]) if live else f"Nothing live at {machine.now}.")
        pool = pool_table(machine)
        if pool:
            parts.append("Pool by tag:\n" + "\n".join(f"    {line}" for line in str(pool).split("\n")))
    return "\n\n".join(parts) + "\n"


# --- JSON -----------------------------------------------------------------------------------------------------------


def _site(site: Site | None, role: str) -> list[dict[str, Any]]:
    if site is None:
        return []
    return [{"file": site.file, "line": site.line, "function": site.function, "role": role}]


def _record(cause: Cause) -> dict[str, Any]:
    first = cause.first
    sites = _site(first.site, "call") + _site(first.allocated_at, "allocated") + _site(first.freed_at, "freed")
    record: dict[str, Any] = {
        "kind": first.kind,
        "name": first.name,
        "fix": first.fix,
        "rule": first.rule,
        "source": first.source,
        "count": cause.times,
        "routine": first.routine,
        "arguments": first.arguments,
        "irql": first.irql,
        "cpu": first.cpu,
        "time": first.time,
        "owner": first.owner,
        "context": first.context,
        "address": first.address,
        "message": first.text,
        "sites": sites,
    }
    if first.kind == "bugcheck":
        record |= {"code": first.code, "code_name": first.code_name, "parameters": list(first.parameters)}
    return record


def _json(machine: Machine, found: list[Cause]) -> str:
    closed = machine.closed
    data: dict[str, Any] = {"findings": [_record(cause) for cause in found]}
    if not closed:
        keys = ("kind", "owner", "blocks", "bytes")
        data["time"] = machine.now
        data["injected"] = [
            {"id": fault.id, "routine": fault.routine, "time": fault.time, "sites": _site(fault.site, "call")}
            for fault in machine.faults.injected
        ]
        data["live"] = [dict(zip(keys, row, strict=True)) for row in _live(machine)]
        data["pool"] = [row._asdict() for row in pool_table(machine)]
    return json.dumps(data, indent=2)


# --- HTML -----------------------------------------------------------------------------------------------------------


def _html(machine: Machine, found: list[Cause]) -> str:
    from storsim import html

    parts = []
    if not any(cause.first.kind != "note" for cause in found):
        parts.append(html.heading("No violation."))
    parts.append(html.causes((cause.first.kind, _headline(cause), _sentences(cause)) for cause in found))
    if not machine.closed:
        injected = [(one.id, one.routine, str(one.site or ""), one.time) for one in machine.faults.injected]
        if injected:
            parts.append(html.table(("#", "Routine", "Called at", "Tick"), injected, "Failures injected", most=_NOTES))
        live = _live(machine)
        if live:
            parts.append(html.table(("Kind", "Owner", "Blocks", "Bytes"), live, f"Live at tick {machine.now}"))
        pool = pool_table(machine)
        if pool:
            parts.append(html.pool(pool, "Pool by tag"))
    return html.box(*parts) + "\n"


_FORMATS = {"text": _text, "json": _json, "html": _html}


class ReportText(str):
    """The text of a report, which notebooks show as HTML."""

    __slots__ = ("_html",)
    _html: str

    def _repr_html_(self) -> str:
        return self._html


def report(machine: Machine, format: str = "text") -> str:
    """The findings of a machine by cause, the injected failures, what is live. format: text (a `ReportText`), json or
    html; ValueError for another.
    """
    if format not in _FORMATS:
        raise ValueError(f"format={format!r}: choose one of {', '.join(map(repr, _FORMATS))}")
    found = causes(machine.findings)
    text = _FORMATS[format](machine, found)
    if format != "text":
        return text
    made = ReportText(text)
    made._html = _html(machine, found)
    return made
