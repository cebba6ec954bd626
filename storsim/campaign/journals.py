"""Journals of findings: every call that a machine was given, kept with the finding, on disk where a process may end."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storsim.campaign import findings
from storsim.machine import Machine

if TYPE_CHECKING:
    from storsim.records import Finding

#: Bytes above which a journal is not kept with a result.
MOST_BYTES = 1 << 20
#: Candidates tried when a journal is shrunk.
BUDGET = 20_000


def told_by(machines: Sequence[Machine], key: str) -> tuple[Machine | None, Finding | None]:
    """The machine that has a finding, and the finding; the last machine for what is no machine's."""
    for machine in machines:
        records = machine.findings
        if any(one["key"] == key for one in findings.from_records(records, ())):
            for record in reversed(records):
                if any(one["key"] == key for one in findings.from_records([record], ())):
                    return machine, record
            return machine, None
    return (machines[-1] if machines else None), None


def journal_of(machines: Sequence[Machine], key: str) -> bytes:
    """The journal of the machine that has a finding; empty where none is kept, or where it is very long."""
    machine, _ = told_by(machines, key)
    if machine is None or machine.config.journal is False:
        return b""
    data = machine.journal.to_bytes()
    return data if len(data) <= MOST_BYTES else b""


def shrunk(machines: Sequence[Machine], key: str) -> dict[str, Any]:
    """The fewest calls that show a finding of a machine: journal, and script, a program that makes them. Nothing for
    what is not a machine's finding.
    """
    machine, record = told_by(machines, key)
    if machine is None or record is None or machine.config.journal is False:
        return {}
    try:
        made = machine.journal.shrink(record, budget=BUDGET)
        return {"journal": made.to_bytes(), "script": made.script()}
    except ValueError:  # a machine that was restored, say, does not replay from its beginning
        return {}


class _Path(str):
    """A path that a machine's text does not show: journals hold that text, and must not differ by a folder's name."""

    def __repr__(self) -> str:
        return "'run.journal'"


def keep_on_disk(prefix: str) -> None:
    """From now on every machine of this process writes its journal to a file while it runs. prefix: of their names."""
    original = Machine.__init__
    made = 0

    @functools.wraps(original)
    def init(self: Machine, *arguments: Any, **settings: Any) -> None:
        nonlocal made
        made += 1
        settings.setdefault("journal", _Path(f"{prefix}.{made:06d}"))
        original(self, *arguments, **settings)

    Machine.__init__ = init  # type: ignore[method-assign]


def last_on_disk(prefix: str) -> bytes:
    """The journal of the last machine that a process made before it ended."""
    folder, name = os.path.split(prefix)
    paths = sorted(one for one in os.listdir(folder) if one.startswith(f"{name}."))
    if not paths:
        return b""
    with open(os.path.join(folder, paths[-1]), "rb") as file:
        data = file.read(MOST_BYTES + 1)
    return data if len(data) <= MOST_BYTES else b""
