"""The plan of a campaign: what to run, for how long, from which seed. Plain data with a hash.

Plans are written as TOML. Every key is checked where the plan is read; what is wrong is one line that names the key and
says what to write.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Keys that change neither the programs nor what counts as a finding.
_FREE = ("shards", "database", "timeout", "folder")
_FAULTS: dict[str, tuple[str, ...]] = {
    "probability": ("p", "routine", "tag", "minimum_bytes", "maximum_bytes", "not_before", "seed"),
    "nth": ("n", "routine", "tag", "minimum_bytes", "maximum_bytes", "not_before"),
    "range": ("first", "last", "routine", "tag", "minimum_bytes", "maximum_bytes", "not_before"),
    "hardware": ("name", "device", "count"),
}
_NEEDS = {"probability": ("p",), "nth": ("n",), "range": ("first", "last"), "hardware": ("name",)}
MOST = 2**63 - 1


class PlanError(ValueError):
    """A plan that cannot be used; ``str()`` is one line with the key and the fix."""


@dataclass(frozen=True)
class Plan:
    """What a campaign does. Raises PlanError.

    target: ``module:name`` or ``file.py:name``, where the name is a Hypothesis state machine, a test with ``@given``,
    or a function whose only argument is a `storsim.Machine`; ``storsim.testing.native:any_program`` runs programs of
    bytes in C against the oracle, without faults and settings. programs: how many programs to run; or seconds: time of
    all processes together, shared evenly by the shards. steps: of a program, at most; 0: the profile's. seed: root of
    every round's. shards: parts that run independently; any number gives the same merged result; 0: one for each round,
    64 at most, and 16 where time is the budget. round: programs that one run of Hypothesis makes; it learns within a
    round, and a crash costs no more than one. timeout: seconds a program may take before it counts as hung. profile:
    Hypothesis settings profile to start from, empty for none. database: where failing programs are put for others to
    replay, a directory or ``redis://host:port/number``. ignore: names of findings that do not count. machine: settings
    of the machine. faults: rules for ``pc.faults`` of every machine.
    folder: where relative paths start.
    """

    target: str
    programs: int = 0
    seconds: float = 0.0
    steps: int = 50
    seed: int = 0
    shards: int = 0
    round: int = 250
    timeout: float = 60.0
    profile: str = ""
    database: str = ""
    ignore: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    folder: str = ""

    def __post_init__(self) -> None:
        _check_target(self.target)
        for name, lowest, highest in (
            ("programs", 0, MOST),
            ("steps", 0, 100_000),
            ("seed", 0, 2**64 - 1),
            ("shards", 0, 1_000_000),
            ("round", 1, 1_000_000),
        ):
            _check_whole(name, getattr(self, name), lowest, highest)
        for name, lowest_time in (("seconds", 0.0), ("timeout", 0.1)):
            _check_seconds(name, getattr(self, name), lowest_time)
        if (self.programs > 0) == (self.seconds > 0):
            raise PlanError("programs, seconds: give exactly one budget, such as programs = 10000")
        for name in ("profile", "database", "folder"):
            if not isinstance(getattr(self, name), str):
                raise PlanError(f"{name}: write a text, not {getattr(self, name)!r}")
        if self.shards == 0:
            object.__setattr__(self, "shards", 16 if self.rounds is None else max(1, min(64, self.rounds)))
        object.__setattr__(self, "ignore", _names("ignore", self.ignore))
        object.__setattr__(self, "machine", _settings(self.machine))
        object.__setattr__(self, "faults", _faults(self.faults))

    # --- identity ---

    def as_dict(self) -> dict[str, Any]:
        """The keys as a plan file has them; JSON-able."""
        data = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name != "folder"}
        return data | {
            "ignore": list(self.ignore),
            "machine": dict(self.machine),
            "faults": [dict(rule) for rule in self.faults],
        }

    def canonical(self) -> str:
        """The JSON text behind the hash: keys in order, no spaces, without what changes no result."""
        data = {name: value for name, value in self.as_dict().items() if name not in _FREE}
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over everything that decides the result: not shards, database, timeout, folder."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:16]

    def seed_of(self, number: int) -> int:
        """Seed of a round, 64 bits. Source: the first 8 bytes of SHA-256 over root seed, hash and number."""
        text = f"{self.seed}:{self.hash}:{number}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")

    # --- budget ---

    @property
    def rounds(self) -> int | None:
        """How many rounds there are; None where time decides."""
        return -(-self.programs // self.round) if self.programs else None

    def rounds_of(self, shard: int) -> Iterable[int]:
        """The rounds of a shard, 0-based: every ``shards``-th. Raises ValueError for a shard there is not."""
        if not 0 <= shard < self.shards:
            raise ValueError(f"shard {shard}: the plan has shards 0 to {self.shards - 1}")
        return range(shard, MOST if self.rounds is None else self.rounds, self.shards)

    def programs_of(self, number: int) -> int:
        """How many programs a round has."""
        return min(self.round, self.programs - number * self.round) if self.programs else self.round

    def replace(self, **changes: Any) -> Plan:
        """The plan with other values."""
        return dataclasses.replace(self, **changes)


def plan_from(data: Mapping[str, Any], folder: str = "") -> Plan:
    """A plan from the keys of a file. folder: where relative paths start. Raises PlanError."""
    known = [one.name for one in dataclasses.fields(Plan) if one.name != "folder"]
    for name in data:
        if name not in known:
            raise PlanError(f"{name}: no such key; there are {', '.join(known)}")
    if "target" not in data:
        raise PlanError('target: missing; write target = "mydriver.py:DriverMachine"')
    return Plan(**{**data, "folder": folder})


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """Reads a plan file (TOML). Raises PlanError, one line that begins with the path; OSError."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        return plan_from(tomllib.loads(raw.decode()), os.path.dirname(os.path.abspath(path)))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"{os.fspath(path)}: not TOML: {error}") from error
    except PlanError as error:
        raise PlanError(f"{os.fspath(path)}: {error}") from error


# --- checks ---------------------------------------------------------------------------------------------------------


def _check_target(target: object) -> None:
    example = 'write "module:Class" or "file.py:Class"'
    if not isinstance(target, str):
        raise PlanError(f"target: {example}, not {target!r}")
    head, colon, name = target.rpartition(":")
    if not (colon and head and name.isidentifier()):
        raise PlanError(f"target: {example}, not {target!r}")


def _check_whole(name: str, value: object, lowest: int, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PlanError(f"{name}: write a whole number, not {value!r}")
    if not lowest <= value <= highest:
        raise PlanError(f"{name}: write a number from {lowest} to {highest}, not {value}")


def _check_seconds(name: str, value: object, lowest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PlanError(f"{name}: write a number of seconds, not {value!r}")
    if not lowest <= value <= 1e9:
        raise PlanError(f"{name}: write seconds from {lowest:g} to 1e9, not {value!r}")


def _names(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise PlanError(f'{key}: write a list of texts, such as {key} = ["POOL_LEAK"], not {value!r}')


def _settings(value: object) -> dict[str, Any]:
    """Settings of a machine, tried on one."""
    if not isinstance(value, Mapping):
        raise PlanError(f'machine: write a table, such as machine = {{memory = "16GiB"}}, not {value!r}')
    settings = dict(value)
    if "seed" in settings:
        raise PlanError("machine.seed: every program has a seed of its own; use the plan's seed")
    from storsim.machine import Machine

    try:
        json.dumps(settings)
        Machine(**settings).close()
    except (TypeError, ValueError, OverflowError) as error:
        raise PlanError(f"machine: {' '.join(str(error).split())}") from error
    return settings


def _faults(value: object) -> tuple[Mapping[str, Any], ...]:
    """Fault rules, tried on a machine."""
    if not isinstance(value, (list, tuple)):
        raise PlanError(f"faults: write [[faults]] tables, not {value!r}")
    return tuple(_fault(f"faults[{number}]", rule) for number, rule in enumerate(value))


def _fault(key: str, rule: object) -> dict[str, Any]:
    if not isinstance(rule, Mapping):
        raise PlanError(f'{key}: write a table, such as {{kind = "probability", p = 0.01}}, not {rule!r}')
    kind = rule.get("kind")
    if not isinstance(kind, str) or kind not in _FAULTS:
        raise PlanError(f"{key}.kind: choose one of {', '.join(_FAULTS)}, not {kind!r}")
    for name in rule:
        if name not in ("kind", *_FAULTS[kind]):
            raise PlanError(f"{key}.{name}: no such key of {kind!r}; there are {', '.join(_FAULTS[kind])}")
    for name in _NEEDS[kind]:
        if name not in rule:
            raise PlanError(f"{key}.{name}: missing, {kind!r} needs it")
    from storsim.machine import Machine

    with Machine("16MiB") as pc:
        try:
            add_fault(pc, rule)
        except (TypeError, ValueError, OverflowError) as error:
            raise PlanError(f"{key}: {' '.join(str(error).split())}") from error
    return dict(rule)


def add_fault(machine: Any, rule: Mapping[str, Any]) -> int:
    """Adds a rule of a plan to a machine and returns its id. Raises ValueError or TypeError."""
    values = {name: value for name, value in rule.items() if name != "kind"}
    if rule["kind"] == "hardware":
        return int(machine.faults.hardware(values.pop("name"), **values))
    values.setdefault("routine", None)
    return int(getattr(machine.faults, f"fail_{rule['kind']}")(**values))
