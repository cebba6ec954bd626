"""Shows versions, limits, and the machines and drives that ship with the package.

example:
  storsim info --json
"""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

import storsim
import storsim.data
from storsim.cli import text

NAME = "info"
HELP = "versions, limits, bundled machines and drives"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim info``."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def collect() -> dict[str, Any]:
    """Everything ``storsim info`` shows, as plain data."""
    from storsim import _core

    return {
        "version": storsim.__version__,
        "core_version": _core.CORE_VERSION,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(terse=True),
        "routines": len(_core.ddi_table()),
        "machines": [
            {
                "name": facts.name,
                "title": facts.title,
                "source": facts.source,
                "bytes": facts.total_bytes,
                "nodes": facts.nodes,
                "runs": len(facts.ranges),
            }
            for facts in storsim.data.machines().values()
        ],
        "drives": [
            {"name": facts.name, "title": facts.title, "source": facts.source, "id_ctrl": dict(facts.id_ctrl)}
            for facts in storsim.data.drives().values()
        ],
    }


def run(arguments: argparse.Namespace) -> int:
    """Prints versions, machines and drives. Always 0."""
    facts = collect()
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return 0
    print(f"storsim {facts['version']} (core {facts['core_version']}), {facts['routines']} simulated routines")
    print(f"{facts['implementation']} {facts['python']} on {facts['platform']}")
    print("\n".join(text.heading("Machines (storsim demo --map NAME)")))
    for machine in facts["machines"]:
        print(f"  {machine['name']}")
        print("\n".join(text.wrap(machine["title"], 6)))
        runs, nodes = text.many(machine["runs"], "run"), text.many(machine["nodes"], "node")
        shape = f"{text.size(machine['bytes'])} in {runs}, {nodes}"
        print("\n".join(text.wrap(f"{shape}; source: {machine['source']}", 6)))
    print("\n".join(text.heading("Drives (storsim demo --nvme NAME)")))
    for drive in facts["drives"]:
        print(f"  {drive['name']}")
        print("\n".join(text.wrap(drive["title"], 6)))
        print("\n".join(text.wrap(f"source: {drive['source']}", 6)))
    return 0
