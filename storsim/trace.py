"""``pc.trace``: the last things that happened, oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from storsim.records import TRACE_KINDS, TraceEntry

if TYPE_CHECKING:
    from storsim.machine import Machine


class Trace(Sequence[TraceEntry]):
    """The entries still in the ring; ``total`` counts those ever written. The ring's size is the knob
    ``trace_entries``.
    """

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def total(self) -> int:
        """Entries ever written."""
        return self._machine._trace_total()

    def _entry(self, fields: tuple[Any, ...]) -> TraceEntry:
        sequence, time, kind, routine, irql, cpu, site, values, began, inside = fields
        name = TRACE_KINDS[kind] if kind < len(TRACE_KINDS) else str(kind)
        where = self._machine._sites.resolve(site)
        return TraceEntry(sequence, time, name, routine, irql, cpu, where, values, began, inside)

    @overload
    def __getitem__(self, index: int) -> TraceEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[TraceEntry]: ...
    def __getitem__(self, index: int | slice) -> TraceEntry | list[TraceEntry]:
        found = self._machine._trace()[index]
        return [self._entry(fields) for fields in found] if isinstance(found, list) else self._entry(found)

    def __len__(self) -> int:
        return len(self._machine._trace())

    def __iter__(self) -> Iterator[TraceEntry]:
        return map(self._entry, self._machine._trace())

    def _repr_html_(self) -> str:
        from storsim import html

        return html.trace(self)

    def __repr__(self) -> str:
        return f"<trace: {len(self)} entries of {self.total}>"
