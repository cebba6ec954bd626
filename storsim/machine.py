"""`Machine`, the simulated PC: the friendly face over the core and the documented routines."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storsim import _core, knobs
from storsim.enums import Placement, Verifier, WindowsVersion
from storsim.errors import BugCheck, StorsimError
from storsim.memory import Memory, to_ranges
from storsim.records import Allocation, Allocations, Finding, Findings
from storsim.virtual_time import TICKS_PER_SECOND, exact, to_ticks

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, Unpack

    from typing_extensions import Buffer

    from storsim.adapter import Adapter
    from storsim.coverage import Behaviours
    from storsim.event import Event
    from storsim.faults import Faults
    from storsim.hda import Hda
    from storsim.journal import Journal
    from storsim.kernel_memory import KernelMemory
    from storsim.memory_range import MemoryRange
    from storsim.report import PoolTable
    from storsim.trace import Trace
    from storsim.virtual_time import Number

NO_LIMIT = 2**64 - 1
_NO_TAGS = {f"low_resources_tag{i}": 0 for i in range(16)}
_FROM_0, _FROM_1_TO_64 = knobs.check_whole(0), knobs.check_whole(1, 64)

_COUNTERS = (
    "special_pool_live",
    "special_pool_fallbacks",
    "low_resources_failed",
    "systematic_paths",
    "systematic_failed",
)

#: Called with every new machine; the sweep adds its fault plan here.
observers: list[Callable[[Machine], None]] = []


class Config(Mapping[str, Any]):
    """Every setting of a machine, defaults resolved; attributes and items; frozen."""

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"the configuration has no setting {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"the configuration is frozen; make a new Machine with {name}={value!r}")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._values})

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"


class _AtIrql:
    """``with pc.at_irql(level):``."""

    __slots__ = ("_irql", "_machine", "_old")

    def __init__(self, machine: Machine, irql: int) -> None:
        self._machine = machine
        self._irql = irql
        self._old = 0

    def __enter__(self) -> None:
        self._old = self._machine._set_irql(self._irql)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._machine.closed and not self._machine._dead:
            self._machine._set_irql(self._old)


class _OnCpu:
    """``with pc.on_cpu(n):``."""

    __slots__ = ("_cpu", "_machine", "_old")

    def __init__(self, machine: Machine, cpu: int) -> None:
        self._machine = machine
        self._cpu = cpu
        self._old = 0

    def __enter__(self) -> None:
        self._old = self._machine._set_cpu(self._cpu)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._machine.closed and not self._machine._dead:
            self._machine._set_cpu(self._old)


class Machine(_core.Machine):
    """A simulated PC.

    memory: a size such as "16GiB" gives a PC's shape (4 KiB – 640 KiB, 1 MiB – 3 GiB, the rest from 4 GiB); or a list
    of MemoryRange. nodes: NUMA nodes; a size is shared evenly in address order; with a list, a number above its
    highest node adds nodes without memory. os: WindowsVersion, decides which routines exist. level: "release",
    "verifier" or "strict". verifier: mask or set of flag names that replaces the level's own, names with a plus sign
    add. placement: where among the legal places requests go. seed: of everything random. cpus: processors; CPU i
    belongs to node i % nodes. knobs: see `storsim.KNOBS`.

    Raises ValueError or TypeError for a setting that makes no sense. A machine is used from one thread at a time;
    others wait. Leaving a ``with`` block removes the adapters, which reports leaks, raises the BugCheck again if one
    stopped the machine, and closes it. Source: DESIGN §7.
    """

    def __init__(
        self,
        memory: str | int | list[MemoryRange] = "16GiB",
        *,
        nodes: int | None = None,
        os: WindowsVersion | int | str = WindowsVersion.WIN11_24H2,
        level: str = "verifier",
        verifier: int | str | set[str] | frozenset[str] | list[str] | tuple[str, ...] | None = None,
        placement: Placement | int | str = Placement.TOP_DOWN,
        seed: int = 0,
        cpus: int = 1,
        _fail_host_at: int = 0,
        _fail_host_on: bool = False,
        **more: Unpack[knobs.MachineKnobs],
    ) -> None:
        chosen = knobs.defaults("machine and device") | knobs.resolve("machine", more, "Machine")
        sized = isinstance(memory, (str, int))
        wanted = _FROM_1_TO_64("nodes", 1 if nodes is None else nodes)
        ranges = to_ranges(memory, wanted)
        used = sorted({item.node for item in ranges})
        if nodes is None and used != list(range(len(used))):  # nodes are numbered without gaps
            ranges = [item._replace(node=used.index(item.node)) for item in ranges]
        highest = max((item.node for item in ranges), default=0)
        if nodes is not None and not sized and wanted <= highest:
            raise ValueError(f"nodes={nodes}: the ranges name node {highest}")
        values: dict[str, Any] = {
            "memory": memory if sized else tuple(ranges),
            "nodes": max(wanted, highest + 1),
            "os": knobs.check_os("os", os),
            "level": knobs.check_level("level", level),
            "verifier": knobs.check_verifier(verifier, level),
            "placement": knobs.check_placement("placement", placement),
            "seed": _FROM_0("seed", seed),
            "cpus": _FROM_1_TO_64("cpus", cpus),
            **chosen,
        }
        self._config = Config(values)
        settings = {
            "nodes": nodes,
            "os": os,
            "level": level,
            "verifier": verifier,
            "placement": placement,
            "seed": seed,
        }
        self._given = (memory, settings | {"cpus": cpus} | dict(more))
        self._host_may_fail = _fail_host_at != 0
        self._known: list[Finding] = []
        self._seen = b""
        self._own_notes: list[Finding] = []
        self._hdas: list[Hda] = []
        self._names: dict[int, str] = {}
        distances = values["distances"]
        file = None
        if distances is not None and len(distances) != values["nodes"]:
            raise ValueError(f"distances: one row for each of the {values['nodes']} nodes")
        if not isinstance(values["journal"], bool):
            file = open(values["journal"], "wb", buffering=0)  # noqa: SIM115
        super().__init__(
            tuple(tuple(item) for item in ranges),
            _hardware(values),
            _kernel(values),
            None if distances is None else bytes(entry for row in distances for entry in row),
            values["site_depth"],
            _fail_host_at,
            _fail_host_on,
            (values["journal_limit"], file) if values["journal"] is not False else None,
        )
        if self._journal is not None:
            self._journal.note("python.machine", self._text(without=("journal", "journal_limit")))
        if nodes is None and used != list(range(len(used))):
            self._own_notes.append(_renumbered(used))
        for routine, levels in values["irql_table"].items():
            self._override_irql(routine, *levels)
        for routine, first in values["availability"].items():
            self._override_first_os(routine, first)
        for observer in observers:
            observer(self)
        if "IPython" in sys.modules:
            from storsim import html

            html.register()

    @classmethod
    def from_map(cls, path_or_text: str | os.PathLike[str], **settings: Any) -> Self:
        """A machine with the memory of a real one.

        path_or_text: Linux /proc/iomem, the e820 or SRAT lines of a boot log, or a path to a file with them. settings:
        those of Machine but memory. Raises storsim.importers.MapError, one line with the line number, for what cannot
        be read.
        """
        from storsim.importers import load_map

        found = load_map(path_or_text)
        settings.setdefault("nodes", found.nodes)
        return cls(found.ranges, **settings)

    @property
    def config(self) -> Config:
        """Every setting, defaults resolved; frozen."""
        return self._config

    # --- devices ---

    def add_adapter(
        self,
        name: str,
        *,
        full_duplex: bool = True,
        dump_mode: int = 0,
        dirql: int = 5,
        **more: Unpack[knobs.DeviceKnobs],
    ) -> Adapter:
        """Attaches a storage adapter; its device extension exists afterwards.

        name: at most 63 bytes. full_duplex: HwStorStartIo runs at DISPATCH. dump_mode: 0 none, 1 CRASH, 2 HIBER, 3
        MARK_MEMORY, 4 RESUME. dirql: 3 … 11. more: device knobs; those given to Machine are their defaults. Raises
        TypeError or ValueError for a setting, MemoryError when the simulated machine has no page for the extension.
        """
        from storsim.adapter import Adapter, core_config

        given = knobs.resolve("device", more, "an adapter")
        settings = {knob.name: self._config[knob.name] for knob in knobs.KNOBS if knob.scope == "device"} | given
        settings |= {
            "full_duplex": bool(full_duplex),
            "dump_mode": knobs.check_whole(0, 4)("dump_mode", dump_mode),
            "dirql": knobs.check_whole(3, 11)("dirql", dirql),
        }
        if not 0 < len(str(name).encode()) < 64:
            raise ValueError(f"name={name!r}: pass a text of 1 to 63 bytes")
        number = self._adapter_add(core_config(name, settings))
        return Adapter(self, number, name, settings)

    def add_hda(
        self,
        *,
        render: int = 4,
        capture: int = 4,
        bidirectional: int = 0,
        sdo_lines: int = 1,
        codecs: Iterable[Any] | None = None,
        timing: str = "controller",
        **more: Any,
    ) -> Hda:
        """Attaches an HD Audio controller in power-on state, its codecs, and the bus driver that the first query
        starts.

        render, capture, bidirectional: stream engines, at most 15, 15 and 30, 30 together. sdo_lines: 1, 2 or 4.
        codecs: dumps (path, text or CodecDump) or None for the ideal codec, each at its position or as ``(address,
        codec)``; left out: one ideal codec. timing: "controller", "ideal" or "emulator" (DESIGN §5). more: policies of
        the bus driver (``profile="skl"`` for all of the open-source driver's), and the chip's own settings. Raises
        TypeError or ValueError that names what is allowed.
        """
        from storsim.hda import make_hda

        more.setdefault("dma_remapping", self._config["dma_remapping"])
        more.setdefault("coherent", self._config["coherent"])
        hda = make_hda(
            self,
            render=render,
            capture=capture,
            bidirectional=bidirectional,
            sdo_lines=sdo_lines,
            codecs=codecs,
            timing=timing,
            settings=more,
        )
        self._hdas.append(hda)
        return hda

    # --- level, processor, time ---

    def at_irql(self, irql: int) -> _AtIrql:
        """``with pc.at_irql(Irql.DISPATCH_LEVEL):`` runs the body at that level of the current CPU; device levels are
        plain ints 3 … 11.

        Raises ValueError or OverflowError for a level outside 0 … 15. Lowering delivers what waited.
        """
        return _AtIrql(self, irql)

    def on_cpu(self, cpu: int) -> _OnCpu:
        """``with pc.on_cpu(n):`` runs the body on that processor; the choice belongs to the calling thread. Raises
        ValueError.
        """
        return _OnCpu(self, cpu)

    def advance(
        self,
        ticks: Number | None = None,
        *,
        frames: Number | None = None,
        milliseconds: Number | None = None,
        seconds: Number | None = None,
    ) -> None:
        """Runs virtual time by one of ticks (1/24 000 000 s), link frames (500 ticks), milliseconds, seconds.

        Exact: raises ValueError when the duration is no whole number of ticks. Interrupts, DPCs and callbacks run on
        the way; the first exception of a callback ends the run and surfaces here. RuntimeError from inside a callback.
        Cost per event, not per tick.
        """
        self._advance(to_ticks(ticks, frames, milliseconds, seconds))

    def run_until_interrupt(self, limit: Number = TICKS_PER_SECOND) -> bool:
        """Runs until an interrupt was delivered or ``limit`` ticks passed (one second when left out); tells whether
        one was.
        """
        return self._run_until_interrupt(exact(limit, 1, "limit"))

    def event(self) -> Event:
        """A KEVENT in simulated nonpaged memory."""
        from storsim.event import Event

        return Event(self, self._event_create())

    def kernel_stack(self, n: int) -> KernelMemory:
        """``n`` bytes of a kernel stack: a driver's local variables. Stands for its address; a context manager."""
        from storsim.kernel_memory import KernelMemory

        return KernelMemory(self, False, n)

    def pageable(self, n: int) -> KernelMemory:
        """``n`` bytes of pageable memory, not to be touched at DISPATCH_LEVEL. Stands for its address; a context
        manager.
        """
        from storsim.kernel_memory import KernelMemory

        return KernelMemory(self, True, n)

    # --- looking ---

    @property
    def memory(self) -> Memory:
        """Physical memory as a debugger sees it."""
        return Memory(self)

    @property
    def faults(self) -> Faults:
        """The fault plan."""
        from storsim.faults import Faults

        return Faults(self)

    @property
    def trace(self) -> Trace:
        """The trace ring."""
        from storsim.trace import Trace

        return Trace(self)

    @property
    def journal(self) -> Journal:
        """What was done to the machine, as data. Stays readable after close().

        Raises RuntimeError when the machine was made with ``journal=False``.
        """
        from storsim.journal import Journal

        if self._journal is None:
            raise RuntimeError("this machine keeps no journal: it was made with journal=False")
        self._journal.show()
        return Journal(self._journal, self._sites)

    def allocations(self) -> Allocations:
        """Live allocations in order of allocation."""
        sites = self._sites
        return Allocations(Allocation(fields, sites) for fields in self._allocations())

    def allocation_at(self, address: int) -> Allocation | None:
        """The live allocation around a kernel address, or None."""
        fields = self._allocation_at(address)
        return None if fields is None else Allocation(fields, self._sites)

    @property
    def findings(self) -> Findings:
        """Notes, violations and bugchecks in order. Stays readable after close()."""
        known = self._known
        try:
            found = [] if self.closed else self._findings(len(known))
        except ValueError:
            if not self.closed:
                raise
            known, found = self._known, []  # another thread closed it while this one waited, and read them all
        if found:  # another thread may read them too: each makes the whole list anew
            known = self._known = [*known, *found]
        return Findings([*self._own_notes, *known])

    @property
    def violations(self) -> Findings:
        """Violations in order. Stays readable after close()."""
        return Findings(finding for finding in self.findings if finding.kind == "violation")

    @property
    def notes(self) -> Findings:
        """Notes in order: worth knowing, breaks nothing."""
        return Findings(finding for finding in self.findings if finding.kind == "note")

    @property
    def behaviours(self) -> Behaviours:
        """What the machine was seen to do so far: the (routine, state, outcome) of every call and every rule reported.

        Not part of snapshots, so it stays through restore(). Stays readable after close().
        """
        from storsim.coverage import Behaviours

        return Behaviours(self._seen if self.closed else self._behaviours())

    def stats(self) -> dict[str, Any]:
        """Counters: time, free and total bytes, live allocations by kind, findings by kind, fault points, trace
        entries, host memory.
        """
        kinds: dict[str, int] = {}
        for fields in self._allocations():
            kinds[fields[0]] = kinds.get(fields[0], 0) + 1
        findings: dict[str, int] = {"note": 0, "violation": 0, "bugcheck": 0}
        for finding in self.findings:
            findings[finding.kind] += 1
        requests, asked = self._host_memory
        return {
            "time": self.now,
            "total_bytes": self.memory.total_bytes,
            "free_bytes": self.memory.free_bytes(),
            "allocations": kinds,
            "findings": findings,
            "fault_points": self.faults.points,
            "injected_faults": len(self._injected()),
            "trace_entries": self._trace_total(),
            "host_requests": requests,
            "host_bytes": asked,
            "verifier": dict(zip(_COUNTERS, self._verifier_counters(), strict=True)),
        }

    def report(self, format: str = "text") -> str:
        """What happened, for people: one paragraph per cause, the first line says what to fix; then what is live.

        format: "text", "json" (for programs) or "html" (for notebooks). Same seed and calls, same report, byte for
        byte. Raises ValueError for another format.
        """
        from storsim.report import report

        return report(self, format)

    def pool_by_tag(self) -> PoolTable:
        """Live pool by tag and owner, as poolmon shows it: number of blocks, bytes, bytes per block."""
        from storsim.report import pool_table

        return pool_table(self)

    # --- going back and ending ---

    def restore(self, snapshot: Buffer, /) -> None:
        """Goes back to a snapshot of this or an equally configured machine; a stopped machine runs again.

        Callbacks registered since are forgotten. Raises ValueError for damaged bytes (nothing changed), BufferError
        under a live memoryview, RuntimeError from inside a callback.
        """
        super().restore(snapshot)
        self._known = []

    def close(self) -> None:
        """Ends the machine. Findings stay readable; every other use is a ValueError. Calling it again does nothing.

        Adapters are not removed, so leaks are not reported; leave a ``with`` block, or remove them. Raises
        RuntimeError from inside a callback.
        """
        if not self.closed:
            with contextlib.suppress(ValueError):  # another thread closed it while this one waited
                self.findings  # noqa: B018
                self._seen = self._behaviours()
            super().close()

    def _remove(self, number: int) -> list[Finding]:
        """Removes an adapter; a BugCheck tells what leaked (ruling R18)."""
        before = len(self.findings)
        try:
            return self._adapter_remove(number)
        except BugCheck as stop:
            found = [finding for finding in self.findings[before:] if finding.kind == "violation"]
            stop.leaks = tuple(finding for finding in found if finding.name != "OVERRUN")
            raise

    def _remove_adapters(self) -> None:
        """Removes what is left, first to last; raises the first complaint after the last removal."""
        first: StorsimError | None = None
        for number in range(1, self._adapter_count() + 1):
            if self._dead or not self._adapter_live(number):
                continue
            try:
                self._remove(number)
            except StorsimError as error:
                first = first or error
        for hda in self._hdas:
            if self._dead or hda._removed:
                continue
            try:
                hda.remove()
            except StorsimError as error:
                first = first or error
        if first is not None:
            raise first

    def __enter__(self) -> Self:
        if self.closed:
            raise ValueError("the machine was closed; make a new storsim.Machine")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.closed:
            return
        try:
            if self._dead:
                if kind is None:
                    self._raise_bugcheck()
            elif kind is None:
                self._remove_adapters()
            else:
                self._remove_quietly()
        finally:
            self.close()

    def _raise_bugcheck(self) -> None:
        record = self.stopped
        if self._bugcheck is not None:
            raise self._bugcheck
        if record is not None:
            raise BugCheck(record)

    def _remove_quietly(self) -> None:
        """An exception is under way: leaks are recorded, and nothing replaces it."""
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._remove_adapters()
            except (StorsimError, RuntimeError, MemoryError):
                return

    def _repr_html_(self) -> str:
        from storsim import html

        return html.machine(self)

    def __repr__(self) -> str:
        return self._text()

    def _text(self, without: Sequence[str] = ()) -> str:
        memory, settings = self._given
        shown: dict[str, Any] = {"nodes": None, "os": WindowsVersion.WIN11_24H2, "level": "verifier", "verifier": None}
        shown |= {"placement": Placement.TOP_DOWN, "seed": 0, "cpus": 1}
        changed = [
            f"{name}={_plain(value)}"
            for name, value in settings.items()
            if name not in without and (name not in shown or shown[name] != value)
        ]
        return f"Machine({', '.join([repr(memory), *changed])})"


def _renumbered(nodes: list[int]) -> Finding:
    """The note that a map's nodes had gaps."""
    text = ", ".join(f"{node} is now {index}" for index, node in enumerate(nodes) if node != index)
    rule = "Nodes are numbered from 0 without gaps."
    fix = "Number the nodes of the map like that, or pass nodes= to have nodes without memory."
    source = "nf-wdm-mmallocatecontiguousmemoryspecifycachenode.md"
    return Finding(
        0,
        "note",
        "NODES_RENUMBERED",
        rule,
        fix,
        source,
        None,
        0,
        0,
        0,
        None,
        0,
        None,
        (),
        0,
        (0, 0, 0, 0),
        0,
        0,
        0,
        0,
        0,
        0,
        f"NODES_RENUMBERED: node {text}.\n  Rule: {rule}\n  Fix: {fix}\n  Source: {source}",
        {},
    )


def _plain(value: Any) -> str:
    if isinstance(value, (WindowsVersion, Placement)):
        return f"{type(value).__name__}.{value.name}"
    return repr(int(value)) if isinstance(value, Verifier) else repr(value)


def _hardware(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the machine room."""
    return {
        "node_count": values["nodes"],
        "placement": int(values["placement"]),
        "allow_cross_node": values["allow_cross_node"],
        "seed": values["seed"],
        "trace_entries": values["trace_entries"],
    }


def _kernel(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the kernel room."""
    return {
        "os": int(values["os"]),
        "level": ("release", "verifier", "strict").index(values["level"]),
        "verifier": int(values["verifier"]),
        "cpus": values["cpus"],
        "node_strict": values["node_policy"] == "strict",
        "address_check_pfn": values["address_check"] == "pfn",
        "contig_pool_only": values["contig_at_dispatch"] == "pool_only",
        "zero_pool": values["zero_pool"],
        "zero_contig": values["zero_contig"],
        "zero_hmb": values["zero_hmb"],
        "bypass_irql_status": values["bypass_irql_status"],
        "zero_tag_fail": values["zero_tag"] == "fail",
        "not_implemented_writes": values["not_implemented_writes"],
        "nonpaged_budget": NO_LIMIT if values["nonpaged_budget"] is None else values["nonpaged_budget"],
        "contig_budget": NO_LIMIT if values["contig_budget"] is None else values["contig_budget"],
        "quarantine": values["quarantine"],
        "dpc_latency": values["dpc_latency"],
        "dpc_manual": values["dpc"] == "manual",
        "special_pool_start": values["special_pool_start"],
        "special_pool_pages": NO_LIMIT if values["special_pool_pages"] is None else values["special_pool_pages"],
        "explicit_low_memory": values["explicit_low_memory"],
        "low_resources_probability": values["low_resources_probability"],
        "low_resources_delay": values["low_resources_delay"],
        "systematic_what_if": values["systematic_what_if"],
        **_NO_TAGS,
        **{f"low_resources_tag{i}": tag for i, tag in enumerate(values["low_resources_tags"][:16])},
    }
