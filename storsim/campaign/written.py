"""Regression tests as text: a pytest file for each finding. It needs the driver and storsim, no campaign."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from storsim.campaign.findings import title_of
from storsim.campaign.plan import Plan

if TYPE_CHECKING:
    from storsim.campaign.merging import Report


_MAKES = re.compile(r"state = \w+\(\)")


def body(plan: Plan, kind: str, lines: list[str]) -> list[str]:
    """A program as Python. kind: what the target is."""
    if kind != "machine":
        return lines
    name = plan.target.rpartition(":")[2]
    steps = [line for line in lines if line != "state.teardown()" and not _MAKES.fullmatch(line)]
    return [
        f"state = start({name})",
        "try:",
        *(f"    {line}" for line in steps or ["pass"]),
        "finally:",
        "    state.teardown()",
    ]


def kind_of(lines: list[str]) -> str:
    """What the target of a program is, told by its text."""
    if lines and lines[0].startswith("with storsim.Machine("):
        return "function"
    return "given" if lines and ".hypothesis.inner_test(" in lines[0] else "machine"


def relative(path: str, folder: Path) -> str:
    """A path as a file in a folder writes it."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return Path(path).as_posix()


def _settled(plan: Plan, kind: str, settled: bool) -> list[str]:
    """What the plan changes in a `storsim.testing.DriverMachine`."""
    name, lines = plan.target.rpartition(":")[2], []
    if kind == "machine" and plan.machine:
        lines.append(f"{name}.machine_settings = {name}.machine_settings | {dict(plan.machine)!r}")
    if settled and plan.ignore:
        lines.append(f"{name}.allow = frozenset({name}.allow) | frozenset({sorted(plan.ignore)!r})")
    return lines


def stand_alone(plan: Plan, lines: list[str], names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Source of a process that runs a program where the plan is. names: of the program, and the modules they are in."""
    head, _, name = plan.target.rpartition(":")
    kind = kind_of(lines)
    found = ["from storsim.campaign.regression import load, no_findings, start", f'{name} = load("{head}:{name}")']
    other = ["from storsim.campaign.regression import no_findings, start", f"from {head} import {name}"]
    imports = found if head.endswith(".py") else other
    steps = [f"    {line}" for line in body(plan, kind, lines)]
    faults = f"faults={plan.faults!r}, " if plan.faults else ""
    around = f"with no_findings({faults}raised_only=True):"
    ours = [f"from {home} import {used}" for used, home in names.items()]
    return "\n".join(["import storsim", *ours, *imports, *_settled(plan, kind, False), around, *steps]) + "\n"


def slug(key: str) -> str:
    """A name for a finding's file and function: letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", title_of(key).lower()).strip("_")[:90]


def test_source(plan: Plan, finding: dict[str, Any], folder: Path) -> str:
    """The text of a regression test file in a folder."""
    first = finding["first"]
    head = [
        f'"""Found by a campaign: {_plain(title_of(finding["key"]))}.',
        "",
        *(_plain(line.replace(plan.folder + os.sep, "")) for line in finding["message"].splitlines()[:14]),
        "",
        f"Plan {plan.hash}, round {first[0]}, program {first[1]}; seen {finding['count']} times.",
        '"""',
        "",
    ]
    name = f"test_{slug(finding['key'])}"
    lines = finding.get("lines") or []
    if finding["kind"] in ("crash", "hang") and lines:
        rest = _in_a_process(plan, finding, folder, name)
    elif not finding.get("tried") or not lines:
        rest = _by_example(plan, finding, folder, name)
    else:
        rest = _by_text(plan, finding, folder, name)
    return "\n".join([*head, *rest]) + "\n"


def _plain(text: str) -> str:
    return text.replace("\\", "/").replace('"""', "'''").rstrip()


def _by_text(plan: Plan, finding: dict[str, Any], folder: Path, name: str) -> list[str]:
    """A program in Python that was tried."""
    head, _, target = plan.target.rpartition(":")
    lines, settled = finding["lines"], bool(finding.get("settled"))
    kind, file = kind_of(lines), head.endswith(".py")
    options = [f"{key}={value!r}" for key, value in (("faults", plan.faults), ("ignore", plan.ignore)) if value]
    options = ["raised_only=True", *options[: 1 if plan.faults else 0]] if settled else options
    where = relative(os.path.join(plan.folder, head), folder)
    adjust = _settled(plan, kind, settled)
    load = [f'{target} = load("{where}:{target}", str(Path(__file__).parent))'] if file else []
    helpers = [*(["load"] if file else []), "no_findings", *(["start"] if kind == "machine" else [])]
    ours, theirs = _imports(finding.get("names") or {}, Path(head).stem if file else head)
    return [
        *(["from pathlib import Path", ""] if file else []),
        *(["import storsim"] if kind == "function" else []),
        f"from storsim.campaign.regression import {', '.join(helpers)}",
        *ours,
        *([] if file else ["", f"from {head} import {', '.join(sorted([target, *theirs]))}"]),
        *(["", *load, *adjust] if load or adjust else []),
        *([f"from {Path(head).stem} import {', '.join(theirs)}  # noqa: E402"] if file and theirs else []),
        "",
        "",
        f"def {name}():",
        f"    with no_findings({', '.join(options)}):",
        *(f"        {line}" for line in body(plan, kind, lines)),
    ]


def _imports(names: dict[str, str], own: str) -> tuple[list[str], list[str]]:
    """Lines that import a program's names from storsim, and the names that come from the target's own module."""
    theirs = [name for name, home in names.items() if home == own]
    homes = sorted({home for home in names.values() if home != own})
    ours = [f"from {home} import {', '.join(name for name in names if names[name] == home)}" for home in homes]
    return ours, theirs


def _by_example(plan: Plan, finding: dict[str, Any], folder: Path, name: str) -> list[str]:
    """For programs without a text that runs: the choices behind them."""
    head, _, target = plan.target.rpartition(":")
    file = head.endswith(".py")
    where = repr(f"{relative(os.path.join(plan.folder, head), folder)}:{target}" if file else plan.target)
    data = plan.as_dict()
    options = "".join(
        f", {key}={data[key]!r}" for key in ("steps", "machine", "faults", "ignore", "profile") if data[key]
    )
    parent = ", folder=str(Path(__file__).parent)" if file else ""
    return [
        *(["from pathlib import Path", ""] if file else []),
        "from storsim.campaign.regression import replay",
        "",
        f"EXAMPLE = {finding['example']!r}",
        "",
        "",
        f"def {name}():",
        f"    replay({where}, EXAMPLE{parent}{options})",
    ]


def _in_a_process(plan: Plan, finding: dict[str, Any], folder: Path, name: str) -> list[str]:
    program = stand_alone(plan, finding["lines"], finding.get("names") or {}).rstrip().splitlines()
    where = relative(plan.folder or os.getcwd(), folder)
    return [
        "from pathlib import Path",
        "",
        "from storsim.campaign.regression import survives",
        "",
        'PROGRAM = """\\',
        *(line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') for line in program),
        '"""',
        "",
        "",
        f"def {name}():",
        f"    survives(PROGRAM, folder=str(Path(__file__).parent / {where!r}))",
    ]


def write_tests(report: Report, folder: Path) -> None:
    """Writes a test file for each finding that has a program, its journal and script beside it, and notes their names
    in the finding. folder: ``tests`` in the folder of the campaign.
    """
    from storsim.campaign.runner import write_atomically

    taken: set[str] = set()
    for finding in report.findings:
        if not (finding["example"] or finding.get("lines")):
            continue
        name = slug(finding["key"])
        name = next(one for one in (name, *(f"{name}_{count}" for count in range(2, 10_000))) if one not in taken)
        taken.add(name)
        finding["test"] = f"tests/test_{name}.py"
        if finding.get("journal"):
            finding["journal_file"] = f"journals/{name}.journal"
            write_atomically(folder.parent / finding["journal_file"], base64.b64decode(finding["journal"]))
        if finding.get("script"):
            finding["script_file"] = f"journals/{name}.py"
            write_atomically(folder.parent / finding["script_file"], finding["script"])
        write_atomically(folder / f"test_{name}.py", test_source(report.plan, finding, folder.resolve()))
