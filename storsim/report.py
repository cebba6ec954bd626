"""``pc.report()``: what happened on a machine, as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storsim.machine import Machine
    from storsim.records import Finding


def _paragraph(name: str, group: list[Finding]) -> str:
    """One rule: what to fix first, then where it was broken."""
    first = group[0]
    times = "once" if len(group) == 1 else f"{len(group)} times"
    lines = [f"{name}, {times}. {first.fix}".rstrip(), f"    {first.text}"]
    places: dict[str, int] = {}
    for finding in group:
        places[str(finding.site)] = places.get(str(finding.site), 0) + 1
    if len(places) > 1:
        lines += [f"    {count} at {place}" for place, count in places.items()]
    return "\n".join(lines)


def report(machine: Machine) -> str:
    """The bugcheck, the violations by rule, the notes by name, and what is still allocated."""
    findings = machine.findings
    stops = [finding for finding in findings if finding.kind == "bugcheck"]
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.kind == "violation":
            groups.setdefault(finding.name, []).append(finding)
    parts = [f"The machine stopped: {stop.text}" for stop in stops]
    parts += [_paragraph(name, group) for name, group in groups.items()]
    notes = [finding for finding in findings if finding.kind == "note"]
    parts += [f"Note: {note.text}" for note in notes[:20]]
    if not stops and not groups:
        parts.insert(0, "No violation.")
    if not machine.closed:
        kinds: dict[tuple[str, str | None], list[int]] = {}
        for allocation in machine.allocations():
            count = kinds.setdefault((allocation.kind, allocation.owner), [0, 0])
            count[0] += 1
            count[1] += allocation.size
        live = [
            f"    {kind} of {owner or 'the system'}: {n} with {size} bytes"
            for (kind, owner), (n, size) in kinds.items()
        ]
        parts.append(
            "\n".join([f"Live at tick {machine.now}:", *live]) if live else f"Nothing live at tick {machine.now}."
        )
    return "\n\n".join(parts) + "\n"
