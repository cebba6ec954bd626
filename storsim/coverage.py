"""Which behaviours were seen: sets of (routine, state, outcome), their union, and what was never reached.

Every machine keeps such a set by itself, ``pc.behaviours``. It is pure data: it pickles, saves and loads, and sets of
any number of machines, processes and computers merge by union in any order, as often as you like::

    total = merge([pc.behaviours for pc in machines])
    total.save("night.behaviours")
    print(load("night.behaviours").never().statuses)

Sets fit together when they come from the same tables (DDI rows, rules), which their header names by a hash; another
version of storsim may have other tables, and that is a clear ValueError.

**Source:** model choice; the routines and statuses are those of the DDI table (``storsim ddis``).
"""

from __future__ import annotations

import functools
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, final

from storsim import _core

LEVELS = ("release", "verifier", "strict")
IRQLS = ("PASSIVE_LEVEL", "APC_LEVEL", "DISPATCH_LEVEL", "above DISPATCH_LEVEL")
_MAGIC = b"SSBEHAV1"


class Behaviour(NamedTuple):
    """One behaviour.

    routine: documented name, or None for a rule reported outside of any routine. outcome: the status's documented name,
    ``value``, ``NULL``, ``returned``, ``another status``, ``stopped`` (by a bugcheck or the host), or the rule's name.
    kind: ``call`` or ``finding``. level: ``release``, ``verifier``, ``strict``. irql: class of the level at the call,
    "" for a finding. situation: the miniport callback, or the state of the engine of the first handle (``RD``), or "".
    """

    routine: str | None
    outcome: str
    kind: str
    level: str
    irql: str
    situation: str

    def __str__(self) -> str:
        place = [self.level, *([self.irql] if self.irql else []), *([self.situation] if self.situation else [])]
        return f"{self.routine or 'outside of routines'}: {self.outcome} ({', '.join(place)})"


class Reached(NamedTuple):
    """A line of the table. states: in how many different states the outcome was seen. documented: it is a status that
    the routine's page names.
    """

    routine: str | None
    outcome: str
    kind: str
    states: int
    documented: bool


class Never(NamedTuple):
    """What was never reached. statuses: (routine, status) pairs that the routines' pages document. routines: never
    called, or never to their end. rules: never reported.
    """

    statuses: tuple[tuple[str, str], ...]
    routines: tuple[str, ...]
    rules: tuple[str, ...]


class _Row(NamedTuple):
    name: str | None
    kind: str
    first: int
    outcomes: tuple[tuple[str, bool], ...]
    width: int  # numbers per outcome
    situations: tuple[str, ...]


class _Layout(NamedTuple):
    header: bytes
    bits: int
    rows: tuple[_Row, ...]
    starts: tuple[int, ...]
    rules: tuple[str, ...]


@functools.cache
def _layout() -> _Layout:
    given: dict[str, Any] = _core.behaviour_layout()
    rows = []
    for name, family, first, outcomes in given["calls"]:
        situations = tuple(given["situations"][family])
        rows.append(_Row(name, "call", first, tuple(outcomes), len(LEVELS) * len(IRQLS) * len(situations), situations))
    rules = tuple((rule, False) for rule in given["rules"])
    for index, routine in enumerate([None, *(row.name for row in rows)]):
        first = given["findings"] + index * len(rules) * len(LEVELS)
        rows.append(_Row(routine, "finding", first, rules, len(LEVELS), ("",)))
    header = _MAGIC + given["tables"].to_bytes(8, "little") + given["bits"].to_bytes(8, "little")
    return _Layout(header, given["bits"], tuple(rows), tuple(row.first for row in rows), tuple(given["rules"]))


def _mask(first: int, count: int) -> int:
    return ((1 << count) - 1) << first


@final
class Behaviours:
    """A set of behaviours. Immutable, hashable, picklable; iterates over `Behaviour` in the order of their numbers.

    data: the bytes of a set (``bytes(behaviours)``), or nothing for the empty set. Raises ValueError for bytes that are
    no set, or one of other tables.
    """

    __slots__ = ("_bits",)
    _bits: int

    def __init__(self, data: bytes | bytearray | memoryview = b"") -> None:
        data = bytes(data)
        layout = _layout()
        if data and not data.startswith(_MAGIC):
            raise ValueError("these bytes are no set of behaviours: it starts with SSBEHAV1")
        if data and not data.startswith(layout.header):
            raise ValueError(
                "this set of behaviours belongs to other tables of routines and rules, that is to another version of "
                "storsim; read it with the version that made it, or collect it anew"
            )
        bits = int.from_bytes(data[len(layout.header) :], "little")
        if data and (len(data) != len(layout.header) + (layout.bits + 7) // 8 or bits >> layout.bits):
            raise ValueError("this set of behaviours is damaged: it has not as many bits as its header says")
        self._bits = bits

    @classmethod
    def _of(cls, bits: int) -> Behaviours:
        made = cls()
        made._bits = bits
        return made

    def __bytes__(self) -> bytes:
        layout = _layout()
        return layout.header + self._bits.to_bytes((layout.bits + 7) // 8, "little")

    def __reduce__(self) -> tuple[type[Behaviours], tuple[bytes]]:
        return Behaviours, (bytes(self),)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the set to a file, which ``storsim coverage`` and `load` read."""
        Path(path).write_bytes(bytes(self))

    # --- a set ---

    def __len__(self) -> int:
        return self._bits.bit_count()

    def __bool__(self) -> bool:
        return self._bits != 0

    def __iter__(self) -> Iterator[Behaviour]:
        return map(_name, self.numbers())

    def __contains__(self, behaviour: object) -> bool:
        return behaviour in set(self)

    def numbers(self) -> Iterator[int]:
        """The numbers of the behaviours, ascending: stable for the same tables."""
        bits, base = self._bits, 0
        while bits:
            zeros = (bits & -bits).bit_length() - 1
            base += zeros
            bits >>= zeros
            run = (~bits & (bits + 1)).bit_length() - 1
            yield from range(base, base + run)
            base += run
            bits >>= run

    def __eq__(self, other: object) -> bool:
        return self._bits == other._bits if isinstance(other, Behaviours) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._bits)

    def __or__(self, other: object) -> Behaviours:
        return Behaviours._of(self._bits | other._bits) if isinstance(other, Behaviours) else NotImplemented

    def __and__(self, other: object) -> Behaviours:
        return Behaviours._of(self._bits & other._bits) if isinstance(other, Behaviours) else NotImplemented

    def __sub__(self, other: object) -> Behaviours:
        return Behaviours._of(self._bits & ~other._bits) if isinstance(other, Behaviours) else NotImplemented

    def __le__(self, other: object) -> bool:
        return not self._bits & ~other._bits if isinstance(other, Behaviours) else NotImplemented

    # --- the table ---

    def table(self) -> list[Reached]:
        """Every routine and outcome that was seen, in how many states; calls first, then rules."""
        found = []
        for row in _layout().rows:
            part = self._bits >> row.first & _mask(0, row.width * len(row.outcomes))
            for index, (outcome, documented) in enumerate(row.outcomes if part else ()):
                states = (part >> index * row.width & _mask(0, row.width)).bit_count()
                if states:
                    found.append(Reached(row.name, outcome, row.kind, states, documented))
        return found

    def never(self) -> Never:
        """What the tables document and this set never reached."""
        seen = self.table()
        calls = {(line.routine, line.outcome) for line in seen if line.kind == "call"}
        called = {line.routine for line in seen if line.kind == "call" and line.outcome != "stopped"}
        rules = {line.outcome for line in seen if line.kind == "finding"}
        rows = [(row.name or "", row.outcomes) for row in _layout().rows if row.kind == "call"]
        statuses = [
            (name, outcome)
            for name, outcomes in rows
            for outcome, documented in outcomes
            if documented and (name, outcome) not in calls
        ]
        routines = tuple(name for name, _ in rows if name not in called)
        names = dict.fromkeys(_layout().rules)
        return Never(tuple(statuses), routines, tuple(name for name in names if name != "NONE" and name not in rules))

    def _repr_html_(self) -> str:
        from storsim import html

        return html.behaviours(self)

    def __repr__(self) -> str:
        return f"<{len(self)} behaviours of {len({line.routine for line in self.table()})} routines>"


def _name(number: int) -> Behaviour:
    """The behaviour with a number."""
    layout = _layout()
    row = layout.rows[bisect_right(layout.starts, number) - 1]
    outcome, rest = divmod(number - row.first, row.width)
    if row.kind == "finding":
        return Behaviour(row.name, row.outcomes[outcome][0], "finding", LEVELS[rest], "", "")
    rest, situation = divmod(rest, len(row.situations))
    level, irql = divmod(rest, len(IRQLS))
    return Behaviour(row.name, row.outcomes[outcome][0], "call", LEVELS[level], IRQLS[irql], row.situations[situation])


def load(path: str | os.PathLike[str]) -> Behaviours:
    """Reads what `Behaviours.save` wrote. Raises OSError; MapError (a ValueError) for other bytes."""
    from storsim.importers import MapError

    data = Path(path).read_bytes()
    try:
        if not data:
            raise ValueError("the file is empty")
        return Behaviours(data)
    except ValueError as error:
        raise MapError(str(error), os.fspath(path)) from None


def merge(sets: Iterable[Behaviours]) -> Behaviours:
    """The union: everything that any of the sets has."""
    bits = 0
    for each in sets:
        bits |= each._bits
    return Behaviours._of(bits)
