"""Lists the simulated routines: first Windows version, IRQL, statuses, the page of
the documentation, and the tests of each. A status in (parentheses) and an IRQL
with a question mark are not on that page: inferred, or a model choice.

example:
  storsim ddis '*Pool*'
  storsim ddis --json | jq '.[].name'
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from typing import Any

import storsim.data
from storsim.cli import text

NAME = "ddis"
HELP = "the simulated routines: first Windows, IRQL, statuses, source, tests"
IRQL_NAMES = {0: "PASSIVE", 1: "APC", 2: "DISPATCH", 31: "any"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim ddis``."""
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="only routines whose name matches, e.g. '*Pool*'"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def rows(pattern: str) -> list[dict[str, Any]]:
    """The rows of the table whose name matches the shell pattern; a pattern without wildcards matches anywhere."""
    from storsim import _core

    glob = pattern if any(character in pattern for character in "*?[") else f"*{pattern}*"
    return [dict(row) for row in _core.ddi_table() if fnmatch.fnmatch(row["name"].lower(), glob.lower())]


def os_name(number: int) -> str:
    """The name of a Windows version, or its NTDDI number."""
    from storsim import _core

    names: dict[int, str] = {value: name for name, value in reversed(_core.OS_VERSIONS.items())}
    return names.get(number, f"{number:#010x}")


def irql(row: dict[str, Any]) -> str:
    """The callable levels in words."""
    low, high = row["irql_min"], row["irql_max"]
    name = IRQL_NAMES.get(high, str(high))
    relation = "" if high in (0, 31) else "= " if low == high else "<= "
    return f"{relation}{name}{'' if row['irql_documented'] else '?'}"


def tested(row: dict[str, Any], tests: storsim.data.Tests) -> str:
    """Which tests there are, in words: most first, four files at most."""
    files = sorted(tests.files, key=lambda file: (-len(tests.files[file]), file))
    named = [f"{file.rpartition('/')[2]} ({len(tests.files[file])})" for file in files[:4]]
    more = [f"{text.many(len(files) - 4, 'other file')}"] if len(files) > 4 else []
    found = f"{text.many(tests.count, 'function')} in {', '.join(named + more)}"
    if not row["statuses"]:
        return found
    return f"{found}; {len(tests.statuses)} of {len(row['statuses'])} statuses reached"


def run(arguments: argparse.Namespace) -> int:
    """Prints the matching rows. 0, or 1 when none matches."""
    found = rows(arguments.pattern)
    tests = storsim.data.tested_by()
    if arguments.json:
        for row in found:
            mine = tests[row["name"]]
            row["tested_by"] = {"statuses": dict(mine.statuses), "tests": dict(mine.files)}
        print(json.dumps(found, indent=2))
        return 0 if found else 1
    if not found:
        print(f"storsim: no routine matches {arguments.pattern!r}", file=sys.stderr)
        return 1
    for row in found:
        print(row["name"])
        print("\n".join(text.wrap(row["summary"], 4)))
        print(f"    since {os_name(row['first_os'])}, IRQL {irql(row)}")
        names = [item["name"] if item["documented"] else f"({item['name']})" for item in row["statuses"]]
        if names:
            print("\n".join(text.wrap(", ".join(names), 4)))
        print("\n".join(text.wrap(f"Source: {row['page']}", 4)))
        print("\n".join(text.wrap(f"Tested by: {tested(row, tests[row['name']])}", 4)))
    print(text.many(len(found), "routine"))
    return 0
