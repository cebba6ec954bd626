"""Data that ships with the package: real machines and real drives, each with its source named, and which tests speak of
which routine.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from storsim.importers.id_ctrl import IdCtrl, load_id_ctrl
from storsim.importers.ranges import usable_ranges
from storsim.memory_range import MemoryRange

DEFAULT_MACHINE = "server-2socket-epyc-1536g"
DEFAULT_DRIVE = "t-force-500g"
_ID_CTRL_FIELDS = {"model": "mn", "firmware": "fr"}


@dataclass(frozen=True)
class MachineFacts:
    """The usable RAM of a machine somebody published.

    name: how to ask for it. title: what it is. source: repository and file.
    ranges: usable RAM as `storsim.importers.load_map` gives it. nodes: NUMA nodes with memory.
    """

    name: str
    title: str
    source: str
    ranges: tuple[MemoryRange, ...]
    nodes: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all ranges."""
        return sum(item.length for item in self.ranges)


@dataclass(frozen=True)
class DriveFacts:
    """What a drive says about its Host Memory Buffer.

    name: how to ask for it. title: what it is. source: where the numbers were read.
    id_ctrl: the fields seen, under the names and in the units of ``nvme id-ctrl -o json``.
    """

    name: str
    title: str
    source: str
    id_ctrl: Mapping[str, int | str]

    def load(self) -> IdCtrl:
        """The fields as `storsim.importers.load_id_ctrl` gives them."""
        return load_id_ctrl(self.id_ctrl)


def _table(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


@functools.cache
def machines() -> Mapping[str, MachineFacts]:
    """Every bundled machine by name. The mapping cannot be changed."""
    result: dict[str, MachineFacts] = {}
    for name, facts in _table("machines.toml").items():
        ranges = tuple(usable_ranges((first, last + 1 - first, node) for first, last, node in facts["ranges"]))
        result[name] = MachineFacts(name, facts["title"], facts["source"], ranges, len({item.node for item in ranges}))
    return MappingProxyType(result)


@functools.cache
def drives() -> Mapping[str, DriveFacts]:
    """Every bundled drive by name. The mapping cannot be changed."""
    result: dict[str, DriveFacts] = {}
    for name, facts in _table("drives.toml").items():
        title, source = facts.pop("title"), facts.pop("source")
        fields = {_ID_CTRL_FIELDS.get(key, key): value for key, value in facts.items()}
        result[name] = DriveFacts(name, title, source, MappingProxyType(fields))
    return MappingProxyType(result)


@dataclass(frozen=True)
class Tests:
    """The tests of a routine. statuses: status → id of the test that makes the routine return it. files: test file →
    functions that name the routine.
    """

    statuses: Mapping[str, str]
    files: Mapping[str, tuple[str, ...]]

    @property
    def count(self) -> int:
        """Test functions that name the routine."""
        return sum(map(len, self.files.values()))


@functools.cache
def tested_by() -> Mapping[str, Tests]:
    """The tests of every routine, as of the build. Written by ``python -m storsim.guide.tested_by``. The mapping cannot
    be changed.
    """
    text = resources.files(__package__).joinpath("tested_by.json").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            name: Tests(
                MappingProxyType(found["statuses"]),
                MappingProxyType({file: tuple(names) for file, names in found["tests"].items()}),
            )
            for name, found in json.loads(text).items()
        }
    )
