"""Every knob: name, scope, default, values, source. One table; constructors, documentation and error messages read it.

Scope ``machine``: a keyword of `storsim.Machine`. Scope ``device``: a keyword of `Machine.add_adapter`; given to
Machine it is the default of its devices.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

from storsim.enums import Placement, StorStatus, Verifier, WindowsVersion

NO_LIMIT = 2**64 - 1
MIB = 1 << 20
_LEVELS = ("release", "verifier", "strict")


class Knob(NamedTuple):
    """One knob. check: makes the value the core's kind of value, or raises ValueError or TypeError with what is
    allowed.
    """

    name: str
    scope: str
    default: Any
    values: str
    source: str
    check: Callable[[str, Any], Any]
    meaning: str


class DeviceKnobs(TypedDict, total=False):
    """Knobs of one adapter."""

    node: int
    device_extension_bytes: int
    virtual_miniport: bool
    bus_master: bool
    dma_remapping: bool
    coherent: bool
    write_combining: bool
    poison_length: bool
    sg_delivery: str
    map_registers: int | None
    contig_cap: int | None
    pool_cap: int | None
    minimum_ucx: int
    maximum_ucx: int
    ucx_alignment: int
    hmb_policy: int | Callable[[int, int, int], int]
    hmb_cap: int | str | None
    hmb_utilization_divisor: int
    hmb_disabled_status: int
    hmb_second_alloc_status: int
    hmb_free_match: str


class MachineKnobs(DeviceKnobs, total=False):
    """Knobs of a machine, and of its devices as defaults."""

    node_policy: str
    allow_cross_node: bool
    address_check: str
    contig_at_dispatch: str
    zero_pool: bool
    zero_contig: bool
    zero_hmb: bool
    bypass_irql_status: bool
    zero_tag: str
    not_implemented_writes: bool
    nonpaged_budget: int | None
    contig_budget: int | None
    quarantine: int
    dpc: str
    dpc_latency: int
    irql_table: Mapping[str, int | tuple[int, int]]
    availability: Mapping[str, int]
    distances: Iterable[Iterable[int]] | None
    special_pool_start: bool
    special_pool_pages: int | None
    explicit_low_memory: bool
    low_resources_probability: int
    low_resources_tags: Iterable[str | bytes | int]
    low_resources_delay: int
    systematic_what_if: bool
    trace_entries: int
    site_depth: int
    journal: bool | str | os.PathLike[str]
    journal_limit: int


# --- checks ---------------------------------------------------------------------------------------------------------


def _choice(*allowed: str) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: choose one of {', '.join(map(repr, allowed))}")
        return str(value)

    return check


def _flag(name: str, value: Any) -> bool:
    if value not in (False, True):
        raise TypeError(f"{name}={value!r}: pass True or False")
    return bool(value)


def _journal(name: str, value: Any) -> bool | str:
    if value in (False, True):
        return bool(value)
    if isinstance(value, (str, os.PathLike)) and os.fspath(value):
        return os.fsdecode(value)
    raise TypeError(f"{name}={value!r}: pass True, False, or the path of a file to write to")


def _whole(lowest: int, highest: int = NO_LIMIT) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if not hasattr(value, "__index__"):
            raise TypeError(f"{name}={value!r}: pass a whole number")
        number = int(value.__index__())
        if not lowest <= number <= highest:
            raise ValueError(f"{name}={value!r}: pass a number from {lowest} to {highest:#x}")
        return number

    return check


def _limit(name: str, value: Any) -> int | None:
    return None if value is None else _whole(0)(name, value)


def _cap(name: str, value: Any) -> int | str | None:
    return value if value in ("os", None) else _whole(1, NO_LIMIT - 1)(name, value)


def _status(name: str, value: Any) -> StorStatus:
    try:
        return StorStatus(value)
    except ValueError:
        raise ValueError(f"{name}={value!r}: pass a StorStatus") from None


def _policy(name: str, value: Any) -> Any:
    return value if callable(value) else _whole(0, 3)(name, value)


def _alignment(name: str, value: Any) -> int:
    number = _whole(0, 16)(name, value)
    if 0 < number < 3:
        raise ValueError(f"{name}={value!r}: pass 3 to 16 (a power of two), or 0 for none")
    return number


def _levels_of_routines(name: str, value: Any) -> dict[str, tuple[int, int]]:
    table: dict[str, tuple[int, int]] = {}
    for routine, levels in dict(value).items():
        lowest, highest = levels if isinstance(levels, tuple) else (0, levels)
        check = _whole(0, 31)
        table[str(routine)] = (check(f"{name}[{routine!r}]", lowest), check(f"{name}[{routine!r}]", highest))
    return table


def _first_os(name: str, value: Any) -> dict[str, int]:
    return {str(routine): int(check_os(f"{name}[{routine!r}]", os)) for routine, os in dict(value).items()}


def _distances(name: str, value: Any) -> tuple[tuple[int, ...], ...] | None:
    if value is None:
        return None
    rows = tuple(tuple(_whole(0, 255)(name, entry) for entry in row) for row in value)
    if any(len(row) != len(rows) for row in rows):
        raise ValueError(f"{name}: pass one row per node, each with one distance (10 is local) per node")
    return rows


def _tags(name: str, value: Any) -> tuple[int, ...]:
    """Pool tags as numbers, at most 16; a single text is one tag (ruling R4)."""
    tags: list[int] = []
    for tag in [value] if isinstance(value, (str, bytes, int)) else list(value):
        if isinstance(tag, int):
            number = _whole(1, 2**32 - 1)(name, tag)
        else:
            raw = tag.encode("latin-1") if isinstance(tag, str) else bytes(tag)
            if not 1 <= len(raw) <= 4:
                raise ValueError(f"{name}: {tag!r} is no pool tag; pass 1 to 4 characters")
            number = int.from_bytes(raw.ljust(4), "little")
        tags.append(number)
    if len(tags) > 16:
        raise ValueError(f"{name}: at most 16 tags, not {len(tags)}")
    return tuple(tags)


def check_os(name: str, value: Any) -> WindowsVersion:
    """A WindowsVersion from a member, its NTDDI number or its name."""
    try:
        return WindowsVersion[value.upper()] if isinstance(value, str) else WindowsVersion(value)
    except (KeyError, ValueError):
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(WindowsVersion.__members__)}") from None


def check_placement(name: str, value: Any) -> Placement:
    """A Placement from a member or its name in lower case."""
    try:
        return Placement[value.upper()] if isinstance(value, str) else Placement(value)
    except (KeyError, ValueError):
        names = ", ".join(repr(member.lower()) for member in Placement.__members__)
        raise ValueError(f"{name}={value!r}: choose one of {names}") from None


check_level = _choice(*_LEVELS)
check_whole = _whole


def check_verifier(value: Any, level: str) -> Verifier:
    """The verifier flags in force (ruling R10).

    None: those of the level (release none; verifier and strict pool tracking, DMA, force IRQL). A mask or a set of
    names replaces them; a name with a plus sign ("+special_pool") adds to them.
    """
    usual = Verifier(0) if level == "release" else Verifier.POOL_TRACKING | Verifier.DMA | Verifier.FORCE_IRQL
    if value is None:
        return usual
    if isinstance(value, int):
        if value & ~0x4008F or value < 0:
            raise ValueError(
                f"verifier={value:#x}: the flags are {', '.join(f'{f.name} {f.value:#x}' for f in Verifier)}"
            )
        return Verifier(value)
    names = [value] if isinstance(value, str) else list(value)
    flags = usual if names and all(str(name).startswith("+") for name in names) else Verifier(0)
    for name in names:
        plain = str(name).lstrip("+").upper()
        if plain not in Verifier.__members__:
            allowed = ", ".join(repr(member.lower()) for member in Verifier.__members__)
            raise ValueError(f"verifier={name!r}: choose among {allowed}, a plus sign in front adds to the level's own")
        flags |= Verifier[plain]
    return flags


# --- the table ------------------------------------------------------------------------------------------------------

_BOOL = "True, False"
_SPEC = "storport-memory §9"

KNOBS: tuple[Knob, ...] = (
    Knob(
        "node_policy",
        "machine",
        "prefer",
        "prefer, strict",
        "storport-memory §8 A1",
        _choice("prefer", "strict"),
        "what PreferredNode means: tried first, or the only one",
    ),
    Knob(
        "allow_cross_node",
        "machine",
        False,
        _BOOL,
        "storport-memory §4.3",
        _flag,
        "a block may span runs that touch across nodes",
    ),
    Knob(
        "address_check",
        "machine",
        "doc",
        "doc, pfn",
        "storport-memory §8 A14",
        _choice("doc", "pfn"),
        "HighestAcceptableAddress counts to the byte or to the page",
    ),
    Knob(
        "contig_at_dispatch",
        "machine",
        "full",
        "full, pool_only",
        "storport-memory §4.1",
        _choice("full", "pool_only"),
        "at DISPATCH_LEVEL contiguous requests search everything, or only what the pool could give",
    ),
    Knob(
        "zero_pool", "machine", False, _BOOL, "storport-memory §8 A21", _flag, "new pool is zeroed instead of patterned"
    ),
    Knob("zero_contig", "machine", False, _BOOL, _SPEC, _flag, "new contiguous and DMA memory is zeroed"),
    Knob("zero_hmb", "machine", False, _BOOL, _SPEC, _flag, "new host memory buffers are zeroed"),
    Knob(
        "bypass_irql_status",
        "machine",
        False,
        _BOOL,
        "storport-memory §6 V11",
        _flag,
        "pool calls at a wrong level reach the executive, which stops",
    ),
    Knob(
        "zero_tag",
        "machine",
        "stop",
        "stop, fail",
        "storport-memory §8 A27",
        _choice("stop", "fail"),
        "tag 0 stops with the verifier on, or fails from 2004 on",
    ),
    Knob(
        "not_implemented_writes",
        "machine",
        False,
        _BOOL,
        "storport-memory §8 A26",
        _flag,
        "outputs are cleared even when the routine does not exist",
    ),
    Knob(
        "nonpaged_budget", "machine", None, "bytes, None: no limit", "storport-memory §5", _limit, "most nonpaged pool"
    ),
    Knob(
        "contig_budget",
        "machine",
        None,
        "pages, None: no limit",
        "storport-memory §5",
        _limit,
        "most contiguous memory",
    ),
    Knob("quarantine", "machine", 64 * MIB, "bytes", _SPEC, _whole(0), "freed address space that stays recognisable"),
    Knob(
        "dpc",
        "machine",
        "auto",
        "auto, manual",
        "model choice",
        _choice("auto", "manual"),
        "DPCs run by themselves, or when run_dpcs() is called",
    ),
    Knob(
        "dpc_latency", "machine", 0, "ticks", "model choice", _whole(0), "ticks between queueing a DPC and running it"
    ),
    Knob(
        "irql_table",
        "machine",
        {},
        "{routine: highest or (lowest, highest)}",
        "storport-memory §8 A6",
        _levels_of_routines,
        "callable levels by routine, 31 = any",
    ),
    Knob(
        "availability",
        "machine",
        {},
        "{routine: first WindowsVersion}",
        "storport-memory §8 A22",
        _first_os,
        "first OS by routine",
    ),
    Knob(
        "distances",
        "machine",
        None,
        "rows of numbers, None: 10 and 20",
        "model choice",
        _distances,
        "NUMA distances, row = from",
    ),
    Knob(
        "special_pool_start",
        "machine",
        False,
        _BOOL,
        "special-pool.md",
        _flag,
        "special pool puts blocks at the start of their page, to catch underruns",
    ),
    Knob(
        "special_pool_pages",
        "machine",
        None,
        "pages, None: no limit",
        "storport-memory §6 V6",
        _limit,
        "pages special pool may hold; further requests go to plain pool",
    ),
    Knob(
        "explicit_low_memory",
        "machine",
        False,
        _BOOL,
        "storport-memory §6 V15",
        _flag,
        "asking for contiguous memory below 4 GiB stops the machine",
    ),
    Knob(
        "low_resources_probability",
        "machine",
        600,
        "0 to 10000",
        "low-resources-simulation.md",
        _whole(0, 10_000),
        "chances in 10 000 that a request fails under low resources simulation",
    ),
    Knob(
        "low_resources_tags",
        "machine",
        (),
        "pool tags, empty: every request",
        "low-resources-simulation.md",
        _tags,
        "pool tags that low resources simulation fails; with tags, requests without one never fail",
    ),
    Knob(
        "low_resources_delay",
        "machine",
        8 * 60 * 24_000_000,
        "ticks",
        "low-resources-simulation.md",
        _whole(0),
        "virtual time before low resources simulation begins; the default is 8 minutes",
    ),
    Knob(
        "systematic_what_if",
        "machine",
        False,
        _BOOL,
        "systematic-low-resource-simulation.md",
        _flag,
        "systematic mode notes what it would fail, and fails nothing",
    ),
    Knob("trace_entries", "machine", 4096, "entries", "model choice", _whole(1, 1 << 24), "capacity of the trace ring"),
    Knob("site_depth", "machine", 1, "1 to 16", "model choice", _whole(1, 16), "callers that a call site remembers"),
    Knob(
        "journal",
        "machine",
        True,
        "True, False, or a path",
        "model choice",
        _journal,
        "records every operation: in memory, nowhere, or in a file too, which has each call before it runs",
    ),
    Knob(
        "journal_limit",
        "machine",
        64 * MIB,
        "bytes",
        "model choice",
        _whole(1),
        "records kept in memory; beyond it nothing more is kept",
    ),
    Knob("node", "device", 0, "NUMA node", "model choice", _whole(0, 63), "node the device sits on"),
    Knob(
        "device_extension_bytes",
        "device",
        4096,
        "bytes",
        "ns-storport-_hw_initialization_data~r1.md",
        _whole(1, 1 << 24),
        "size of the device extension",
    ),
    Knob("virtual_miniport", "device", False, _BOOL, "storport-memory §2.8", _flag, "a miniport without hardware"),
    Knob("bus_master", "device", True, _BOOL, "dv-storport-verification.md", _flag, "ConfigInfo.Master as found"),
    Knob(
        "dma_remapping",
        "device",
        False,
        _BOOL,
        "storport-memory §8 A28",
        _flag,
        "the device sees logical addresses behind an IOMMU",
    ),
    Knob("coherent", "device", True, _BOOL, _SPEC, _flag, "False: the device sees stale data until a flush"),
    Knob(
        "write_combining",
        "device",
        False,
        _BOOL,
        "storport-memory §4.2",
        _flag,
        "MmWriteCombined stores wait for a fence",
    ),
    Knob(
        "poison_length",
        "device",
        False,
        _BOOL,
        "storport-memory §8 A16",
        _flag,
        "GetPhysicalAddress poisons a Length to be ignored",
    ),
    Knob(
        "sg_delivery",
        "device",
        "immediate",
        "immediate, deferred, random",
        "storport-memory §3.9",
        _choice("immediate", "deferred", "random"),
        "when the scatter/gather callback runs",
    ),
    Knob(
        "map_registers",
        "device",
        None,
        "number, None: no limit",
        _SPEC,
        _limit,
        "map registers for scatter/gather lists",
    ),
    Knob(
        "contig_cap",
        "device",
        None,
        "bytes, None: no limit",
        "storport-memory §5",
        _limit,
        "most contiguous memory of the device",
    ),
    Knob("pool_cap", "device", None, "bytes, None: no limit", "storport-memory §5", _limit, "most pool of the device"),
    Knob(
        "minimum_ucx",
        "device",
        0,
        "physical address",
        "registry-entries-for-storport-miniport-drivers.md",
        _whole(0),
        "MinimumUCXAddress of the registry",
    ),
    Knob(
        "maximum_ucx",
        "device",
        0,
        "physical address, 0: default",
        "registry-entries-for-storport-miniport-drivers.md",
        _whole(0),
        "MaximumUCXAddress of the registry",
    ),
    Knob(
        "ucx_alignment",
        "device",
        0,
        "0, 3 to 16",
        "registry-entries-for-storport-miniport-drivers.md",
        _alignment,
        "UncachedExtAlignment of the registry, a power of two",
    ),
    Knob(
        "hmb_policy",
        "device",
        2,
        "0, 1, 2, 3, callable(minimum, preferred, utilization) → bytes",
        "storport-memory §4.5",
        _policy,
        "how much host memory a buffer gets: none, minimum, preferred, scaled",
    ),
    Knob(
        "hmb_cap",
        "device",
        "os",
        'bytes, None: no limit, "os": by Windows version',
        "storport-memory §4.5",
        _cap,
        "most for one buffer",
    ),
    Knob(
        "hmb_utilization_divisor",
        "device",
        1024,
        "number > 0",
        "storport-memory §4.5",
        _whole(1, 2**32 - 1),
        "bytes on the device per byte of buffer under policy 3",
    ),
    Knob(
        "hmb_disabled_status",
        "device",
        StorStatus.STOR_STATUS_INSUFFICIENT_RESOURCES,
        "any StorStatus",
        "storport-memory §8 A10",
        _status,
        "status when the policy gives none",
    ),
    Knob(
        "hmb_second_alloc_status",
        "device",
        StorStatus.STOR_STATUS_INSUFFICIENT_RESOURCES,
        "any StorStatus",
        "storport-memory §8 A10",
        _status,
        "status of a second allocation",
    ),
    Knob(
        "hmb_free_match",
        "device",
        "set",
        "set, exact",
        "storport-memory §3.5",
        _choice("set", "exact"),
        "whether a reordered list frees the buffer",
    ),
)
_BY_NAME = {knob.name: knob for knob in KNOBS}


def resolve(scope: str, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Checks the knobs given to something of this scope. A machine takes those of its devices, too.

    Raises TypeError for an unknown name (with the nearest known one), ValueError or TypeError for a value.
    """
    checked: dict[str, Any] = {}
    for name, value in given.items():
        knob = _BY_NAME.get(name)
        if knob is None or (scope == "device" and knob.scope != "device"):
            raise TypeError(_unknown(name, knob, what, scope))
        checked[name] = knob.check(name, value)
    return checked


def _unknown(name: str, knob: Knob | None, what: str, scope: str) -> str:
    if knob is not None:
        return f"{name} is a knob of the machine, not of {what}: pass it to storsim.Machine"
    from difflib import get_close_matches

    near = get_close_matches(name, [knob.name for knob in KNOBS if scope == "machine" or knob.scope == scope], 1)
    return f"{what} has no knob {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; see storsim.KNOBS")


_DEFAULTS: dict[str, dict[str, Any]] = {
    scope: {knob.name: knob.default for knob in KNOBS if knob.scope == scope} for scope in ("machine", "device")
}
_DEFAULTS["machine and device"] = _DEFAULTS["machine"] | _DEFAULTS["device"]


def defaults(scope: str) -> dict[str, Any]:
    """Default of every knob of a scope; "machine and device" of both."""
    return dict(_DEFAULTS[scope])
