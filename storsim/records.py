"""What happened, as plain records: findings, allocations, call sites, trace entries."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from storsim._core import Sites

_SITE = re.compile(r"\bsite (\d+)\b")
_ALLOCATED = re.compile(r"^ *Allocated at: .*ticks$", re.M)


class Site(NamedTuple):
    """Where a call was made. caller: the site of the calling function, when the machine keeps more than one level."""

    file: str
    line: int
    function: str
    caller: Site | None = None

    @property
    def place(self) -> str:
        """The file; in a notebook the cell, as its tracebacks name it."""
        ipython = sys.modules.get("IPython")
        shell = None if ipython is None else ipython.get_ipython()
        name = getattr(getattr(shell, "compile", None), "format_code_name", None)
        cell = None if name is None else name(self.file)
        return self.file if cell is None else " ".join(cell)

    def __str__(self) -> str:
        text = f"{self.place}:{self.line} in {self.function}"
        return text if self.caller is None else f"{text}, called from {self.caller}"


class STOR_SCATTER_GATHER_ELEMENT(NamedTuple):
    """One piece of a transfer: device address and length in bytes. Source:
    ns-storport-_stor_scatter_gather_element.md
    """

    PhysicalAddress: int
    Length: int

    def __repr__(self) -> str:
        return f"STOR_SCATTER_GATHER_ELEMENT(PhysicalAddress={self.PhysicalAddress:#x}, Length={self.Length:#x})"


class InjectedFault(NamedTuple):
    """A failure that the fault plan injected. id: its 1-based position. ordinal: which matching call it was."""

    id: int
    rule: int
    routine: str | None
    site: Site | None
    time: int
    bytes: int
    tag: int
    ordinal: int


class FaultPoint(NamedTuple):
    """What a predicate given to ``faults.fail_when`` is asked about: a call that could be made to fail."""

    routine: str | None
    tag: int
    bytes: int
    ordinal: int


class TraceEntry(NamedTuple):
    """One entry of the trace ring. time: ticks; of a call, callback, isr or dpc, when it ended. kind: call, finding,
    fault, irql, …; values: four numbers by kind, see ``STORSIM_TRACE_*`` in storsim/machine.h. irql, cpu: where it ran.
    began: ticks at which it began, for all others ``time``. inside: entries that were written meanwhile, which stand
    before this one. Source: model choice.
    """

    sequence: int
    time: int
    kind: str
    routine: str | None
    irql: int
    cpu: int
    site: Site | None
    values: tuple[int, int, int, int]
    began: int
    inside: int


#: Names of the trace entry kinds, by number.
TRACE_KINDS = (
    "", "call", "finding", "fault", "irql", "interrupt", "isr", "dpc", "callback", "dma", "register", "stream", "user",
    "queued", "outputs",
)  # fmt: skip


def _owner(name: str | None, number: int) -> str | None:
    """Name of an owner: an adapter's own, "hda1" for the first HD Audio controller, None for the system."""
    return f"hda{number & 0xFFFF}" if name is None and number >> 16 == 0x4844 else name


class Finding:
    """A note, a violation or a bugcheck.

    kind: ``note``, ``violation`` or ``bugcheck``. name: the rule's name (``ZERO_LENGTH``). rule, fix: one sentence
    each. source: the documented page, or ``model choice``. routine: documented name, or None. irql, cpu: where it ran.
    time: ticks. owner: name of the adapter, or None. context: the miniport callback the driver was in, or None. code,
    code_name, parameters: of a bugcheck (0xC4, DRIVER_VERIFIER_DETECTED_VIOLATION). expected, got: by name
    (``SIZE_MISMATCH``: bytes). address: the block concerned, or 0. allocated_in: the miniport callback that block was
    allocated in, or None.
    """

    __slots__ = (
        "_allocated_at", "_arguments", "_freed_at", "_site", "_sites", "_text", "address", "allocated_in", "code",
        "code_name",
        "context", "cpu", "expected", "fix", "got", "id", "irql", "kind", "name", "owner", "owner_number",
        "parameters", "routine", "rule", "source", "time",
    )  # fmt: skip

    def __init__(
        self,
        id: int,
        kind: str,
        name: str,
        rule: str,
        fix: str,
        source: str,
        routine: str | None,
        irql: int,
        cpu: int,
        time: int,
        owner: str | None,
        owner_number: int,
        context: str | None,
        arguments: tuple[tuple[str, int], ...],
        code: int,
        parameters: tuple[int, int, int, int],
        expected: int,
        got: int,
        address: int,
        site: int,
        allocated_at: int,
        freed_at: int,
        text: str,
        sites: Sites | dict[int, Site],
        code_name: str = "",
        allocated_in: str | None = None,
    ) -> None:
        self.id = id
        self.kind = kind
        self.name = name
        self.rule = rule
        self.fix = fix
        self.source = source
        self.routine = routine
        self.irql = irql
        self.cpu = cpu
        self.time = time
        self.owner = _owner(owner, owner_number)
        self.owner_number = owner_number
        self.context = context
        self._arguments = arguments
        self.code = code
        self.parameters = parameters
        self.expected = expected
        self.got = got
        self.address = address
        self._site = site
        self._allocated_at = allocated_at
        self._freed_at = freed_at
        self._text = text
        self._sites = sites
        self.code_name = code_name
        self.allocated_in = allocated_in

    def _resolve(self, site: int) -> Site | None:
        return self._sites.get(site) if isinstance(self._sites, dict) else self._sites.resolve(site)

    @property
    def arguments(self) -> dict[str, int]:
        """Arguments as passed to the routine, by documented name."""
        return dict(self._arguments)

    @property
    def site(self) -> Site | None:
        """Where the call was made."""
        return self._resolve(self._site)

    @property
    def allocated_at(self) -> Site | None:
        """Where the block concerned was allocated."""
        return self._resolve(self._allocated_at)

    @property
    def freed_at(self) -> Site | None:
        """Where the block concerned was first freed."""
        return self._resolve(self._freed_at)

    @property
    def related_sites(self) -> tuple[Site, ...]:
        """Where the block concerned was allocated, then where it was first freed; what is not known is left out."""
        return tuple(site for site in (self.allocated_at, self.freed_at) if site is not None)

    @property
    def text(self) -> str:
        """Everything worth knowing, in sentences: routine, rule, source, level, time, call sites, what to do."""

        def name(match: re.Match[str]) -> str:
            site = self._resolve(int(match[1]))
            return match[0] if site is None else str(site)

        text = _SITE.sub(name, self._text)
        if self.owner is not None:
            text = text.replace(f"adapter {self.owner_number}", f"adapter {self.owner}")
        if self.allocated_in is not None:
            text = _ALLOCATED.sub(rf"\g<0>, in {self.allocated_in}", text)
        return text

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from storsim import html

        return html.finding(self)

    def __repr__(self) -> str:
        where = f" in {self.routine}" if self.routine else ""
        code = f" 0x{self.code:X} {self.code_name}" if self.kind == "bugcheck" else ""
        return f"<{self.kind} {self.name}{code}{where}, tick {self.time}>"

    def __getstate__(self) -> tuple[Any, ...]:
        numbers = {self._site, self._allocated_at, self._freed_at, *(int(found) for found in _SITE.findall(self._text))}
        known = {number: site for number in numbers if (site := self._resolve(number)) is not None}
        return tuple(known if name == "_sites" else getattr(self, name) for name in self.__slots__)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        for name, value in zip(self.__slots__, state, strict=True):
            setattr(self, name, value)


class Allocation:
    """A live allocation.

    kind: pool, dma, contiguous, hmb, mdl, registry, uncached, device_extension, … va: kernel address, 0 for a host
    memory buffer. pa: physical address of the first byte. device_address: what the device uses (= pa without
    dma_remapping). size: bytes asked for. pages: whole pages behind it, 0 for a slot in a shared pool page. node: NUMA
    node. cache: MEMORY_CACHING_TYPE. tag: pool tag, 0 none. owner: name of the adapter, None for the system. time:
    ticks. irql: level it was made at. context: the miniport callback it was made in, or None.
    """

    __slots__ = (
        "_site", "_sites", "cache", "context", "device_address", "irql", "kind", "node", "owner", "owner_number", "pa",
        "pages", "size", "tag", "time", "va",
    )  # fmt: skip

    def __init__(self, fields: tuple[Any, ...], sites: Sites) -> None:
        self.kind: str
        self.va: int
        self.pa: int
        self.device_address: int
        self.size: int
        self.pages: int
        self.node: int
        self.cache: int
        self.tag: int
        self.owner: str | None
        self.owner_number: int
        self._site: int
        self.time: int
        self.irql: int
        self.context: str | None
        (
            self.kind, self.va, self.pa, self.device_address, self.size, self.pages, self.node, self.cache, self.tag,
            self.owner, self.owner_number, self._site, self.time, self.irql, self.context,
        ) = fields  # fmt: skip
        self.owner = _owner(self.owner, self.owner_number)
        self._sites = sites

    @property
    def site(self) -> Site | None:
        """Where it was allocated."""
        return self._sites.resolve(self._site)

    @property
    def tag_text(self) -> str:
        """The pool tag as pool tools display it; empty without one."""
        raw = self.tag.to_bytes(4, "little") if self.tag else b""
        return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in raw)

    def __repr__(self) -> str:
        tag = f" tag {self.tag_text!r}" if self.tag else ""
        owner = f" of {self.owner}" if self.owner else ""
        return f"<{self.kind} va 0x{self.va:x} pa 0x{self.pa:x}, {self.size} bytes, node {self.node}{tag}{owner}>"


class Findings(list[Finding]):
    """Findings in order; notebooks show the fix of each and the rest to unfold."""

    def _repr_html_(self) -> str:
        from storsim import html

        return html.findings(self)


class Allocations(list[Allocation]):
    """Live allocations in order of allocation; notebooks show them as a table."""

    def _repr_html_(self) -> str:
        from storsim import html

        return html.allocations(self)
