"""Journals: everything that was done to a machine, recorded, replayed, shrunk, printed as a program.

Every machine keeps one (knob ``journal``): ``pc.journal``. `load` reads one from a file, which a machine made with
``journal="run.journal"`` writes while it runs, each call before it happens, so that it survives a crash of the process.
Replaying needs nothing but the journal: callbacks answer as they did.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from storsim import _core

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from storsim.records import Finding, Site

_KINDS = ("", "machine", "call", "return", "callback", "answer", "store", "note", "seal")
_CLASSES = ("note", "violation", "bugcheck")
_CALLBACKS = (
    "",
    "ExecutionRoutine",
    "Isr",
    "NotificationCallback",
    "TransferCallback",
    "UnsolicitedCallback",
    "hmb_policy",
    "fault_predicate",
    "interrupt",
    "dpc",
    "codec_sink",
    "codec_source",
    "codec_verb",
)
_STATUSES = (
    "OK",
    "NO_MEMORY",
    "INVALID",
    "OVERFLOW",
    "TYPE",
    "STALE",
    "STOPPED",
    "BUGCHECK",
    "VIOLATION",
    "CALLBACK",
    "REENTRY",
    "NO_SPACE",
    "FORMAT",
    "BUSY",
    "CLOSED",
    "NOT_RAM",
)
BUDGET = 100_000
_STRUCT = 32  # STORSIM_T_STRUCT of storsim/ddi.h


class Parameter(NamedTuple):
    """A parameter of an operation. type: number of the core's type. flags: bit 0 goes in, bit 1 comes out. members:
    of the structures it points to."""

    name: str
    type: int
    flags: int
    members: tuple[str, ...]


class Operation(NamedTuple):
    """What a journal can record. family: 0 Storport, 1 HD Audio, None for what is no documented routine."""

    id: int
    name: str
    family: int | None
    flags: int
    parameters: tuple[Parameter, ...]


def operations() -> tuple[Operation, ...]:
    """Every operation a journal can record, documented routines first."""
    return tuple(
        Operation(number, name, family, flags, tuple(Parameter(*row) for row in parameters))
        for number, name, family, flags, parameters in _core.operations()
    )


class Key(NamedTuple):
    """What a finding is about, apart from where and when: findings with equal keys have one cause.

    kind: "note", "violation" or "bugcheck". code and parameter: of a bugcheck; parameter 0 where the first one is an
    address.
    """

    kind: str
    name: str
    routine: str | None
    code: int
    parameter: int


class Replay(NamedTuple):
    """What a replay found. calls: operations performed. difference: the first in one sentence, "" when there is none.
    record: where it was. sealed: whether a digest was there to compare. digest: of the replayed machine.
    """

    calls: int
    difference: str
    record: int
    sealed: bool
    digest: int

    @property
    def ok(self) -> bool:
        """Whether every result, and the digest where there is one, was as recorded."""
        return not self.difference


class Shrunk(NamedTuple):
    """How a journal got smaller. before, after: operations without the machine's own configuration. tried: candidates.
    minimal: no operation can go any more."""

    key: Key
    before: int
    after: int
    tried: int
    minimal: bool


class Record(NamedTuple):
    """One thing that happened.

    number: among all records. kind: "machine", "call", "callback", "store", "note" or "seal". name: of the operation,
    callback or note. arguments: what went in. results: what came out. status: how the core answered, "OK" mostly, None
    while it never did (a crash). result: the routine's own return value. depth: callbacks around it. site: where the
    call was made, where the recording process is this one.
    """

    number: int
    kind: str
    name: str
    arguments: dict[str, Any]
    results: dict[str, Any]
    status: str | None
    result: int
    depth: int
    site: Site | None

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={_short(value)}" for name, value in self.arguments.items())
        out = ", ".join(f"{name}={_short(value)}" for name, value in self.results.items())
        answer = "" if self.status in ("OK", None) else f" {self.status}"
        back = f" → {hex(self.result) if self.result else 0}{', ' if out else ''}{out}" if self.kind == "call" else ""
        return f"{'  ' * self.depth}{self.name}({inside}){back}{answer}"


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value) if value > 9 else str(value)
    if isinstance(value, bytes):
        return repr(value) if len(value) <= 16 else f"<{len(value)} bytes>"
    if isinstance(value, (tuple, list)) and len(value) > 4:
        return f"<{len(value)} elements>"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_short, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


class Journal:
    """A recording. ``len`` is its number of operations.

    Made by `storsim.Machine` (``pc.journal``) or `load`. shrunk: how it came out of `shrink`, else None.
    """

    def __init__(self, core: _core.Journal, sites: _core.Sites | None = None) -> None:
        self._core = core
        self._sites = sites
        self.shrunk: Shrunk | None = None

    def __len__(self) -> int:
        return self._core.calls

    @property
    def full(self) -> bool:
        """Whether the memory limit (knob ``journal_limit``) ended the recording: what came later is missing."""
        return self._core.full

    @property
    def torn(self) -> bool:
        """Whether its bytes stopped inside a record, as after a crash: the last call may be without its result."""
        return self._core.torn

    def to_bytes(self) -> bytes:
        """The journal in its file format, with the machine's digest at the end while the machine runs."""
        self._core.seal()
        return self._core.encode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file, with the machine's digest at the end while the machine runs. Raises OSError.

        Raises RuntimeError from inside a callback.
        """
        data = self.to_bytes()
        with open(path, "wb") as file:
            file.write(data)

    def records(self) -> Iterator[Record]:
        """What happened, in order: operations with their results, callbacks, stores through exported buffers."""
        rows = {operation.id: operation for operation in operations()}
        raw = self._core.records()
        back = _returns(raw)
        for index, (kind, number, site, depth, _, result, content) in enumerate(raw):
            name = _KINDS[kind]
            if name in ("return", "answer"):
                continue
            answer = raw[back[index]] if index in back else None
            where = self._sites.resolve(site) if self._sites is not None and site else None
            shown = None if answer is None else _STATUSES[-answer[4]]
            if name == "call":
                operation = rows[number]
                given = {
                    row.name: _value(row, item)
                    for row, item in zip(operation.parameters, content, strict=True)
                    if row.flags & 1
                }
                taken = {
                    row.name: _value(row, item)
                    for row, item in zip(operation.parameters, answer[6] if answer else (), strict=False)
                    if row.flags & 2 and item is not None
                }
                yield Record(index, name, operation.name, given, taken, shown, answer[5] if answer else 0, depth, where)
            elif name == "callback":
                values = {"routine": content[1], "values": content[2]}
                taken = {} if answer is None else {"result": answer[6][0], "data": answer[6][1]}
                yield Record(index, name, _CALLBACKS[content[0]], values, taken, shown, 0, depth, where)
            else:
                yield Record(index, name, name, _other(name, content, result), {}, "OK", result, depth, where)

    def replay(self) -> Replay:
        """Re-executes it on a new machine and compares every result and the digest.

        Raises ValueError when it is no whole beginning of a recording, MemoryError.
        """
        if self._core.attached:
            self._core.seal()
        calls, different, record, sealed, digest, text = self._core.replay()
        return Replay(calls, text if different else "", record, sealed, digest)

    def shrink(
        self,
        finding: Finding | None = None,
        *,
        budget: int = BUDGET,
        keep_arguments: bool = False,
        progress: Callable[[int, int], bool] | None = None,
    ) -> Journal:
        """The shortest journal found that meets the same finding; its attribute ``shrunk`` tells how.

        finding: which (default: the bugcheck, else the last violation, else the last note). budget: candidates tried at
        most. keep_arguments: only removes operations. progress: called now and then with candidates tried and
        operations left; a false answer ends the search. The search works on what was recorded when it began: meanwhile,
        in ``progress`` or in another thread, the machine may go on or be closed. Raises ValueError when a replay meets
        no such finding.
        """
        made, (key, before, after, tried, minimal) = self._core.shrink(
            None if finding is None else _core_key(finding), budget, keep_arguments, progress
        )
        journal = Journal(made)
        journal.shrunk = Shrunk(Key(_CLASSES[key[0]], *key[1:]), before, after, tried, minimal)
        return journal

    def script(self) -> str:
        """A stand-alone Python program that does the same: documented names, variables named after what they hold.

        Raises ValueError when the journal cannot be replayed.
        """
        from storsim.journal_script import script

        return script(self)

    def _repr_html_(self) -> str:
        from storsim import html

        return html.journal(self)

    def __repr__(self) -> str:
        state = ", full" if self.full else ", torn" if self.torn else ""
        return f"<journal of {len(self)} operations, {self._core.bytes} bytes{state}>"


def _returns(raw: list[tuple[int, int, int, int, int, int, tuple[Any, ...]]]) -> dict[int, int]:
    """For each call and callback the record that ends it."""
    back: dict[int, int] = {}
    open_records: list[int] = []
    for index, row in enumerate(raw):
        if row[0] in (2, 4):
            open_records.append(index)
        elif row[0] in (3, 5):
            back[open_records.pop()] = index
    return back


def _value(parameter: Parameter, item: Any) -> Any:
    """An argument with the names of its members."""
    if not isinstance(item, tuple) or not parameter.members:
        return item
    if parameter.type == _STRUCT:
        return dict(zip(parameter.members, item[0], strict=True))
    if len(parameter.members) == 1:
        return tuple(element[0] for element in item)
    return tuple(dict(zip(parameter.members, element, strict=True)) for element in item)


def _other(kind: str, content: tuple[Any, ...], result: int) -> dict[str, Any]:
    if kind == "store":
        return dict(zip(("view", "offset", "data"), content, strict=True))
    if kind == "note":
        return {"key": content[0], "value": content[1].decode("utf-8", "replace")}
    if kind == "seal":
        return {"digest": result}
    names = ("nodes", "placement", "allow_cross_node", "seed", "trace_entries", "ranges", "distances")
    values = dict(zip(names, content, strict=True))
    numbers = [element[0] for element in values["ranges"]]
    values["ranges"] = tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
    return values


#: Bugchecks whose first parameter is an address, as the core has them.
_ADDRESS_FIRST = frozenset({0x0A, 0x50, 0xC5, 0xC9, 0xD1, 0xD5, 0xCC, 0xCD, 0xD6})


def _core_key(finding: Finding) -> tuple[int, str, int, int, int]:
    routines = {operation.name: operation.id for operation in operations() if operation.family is not None}
    parameter = 0 if finding.code in _ADDRESS_FIRST else finding.parameters[0]
    stop = finding.kind == "bugcheck"
    return (
        _CLASSES.index(finding.kind),
        finding.name,
        routines.get(finding.routine, 0) if finding.routine else 0,
        finding.code if stop else 0,
        parameter if stop else 0,
    )


def load(source: str | os.PathLike[str] | Buffer) -> Journal:
    """A journal from a file, or from its bytes.

    Raises ValueError with the position for damaged bytes or a newer format, OSError. One that stops inside a record, as
    after a crash, loads without its tail: see `Journal.torn`.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            source = file.read()
    return Journal(_core.Journal.decode(source))
