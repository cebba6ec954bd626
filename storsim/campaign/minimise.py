"""Makes the program behind a finding as small as it gets, and says it in Python that has been tried."""

from __future__ import annotations

import ast
import base64
import builtins
import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storsim.campaign import endings, journals, regression
from storsim.campaign.observe import Observer
from storsim.campaign.plan import Plan, plan_from
from storsim.campaign.written import body
from storsim.testing.targets import TargetError

if TYPE_CHECKING:
    from storsim.campaign.programs import Target
    from storsim.campaign.worker import Status

#: Seconds without an attempt that ends before minimising is given up.
PATIENCE = 120.0
#: Lines whose removal is tried.
MOST_REMOVALS = 400


def minimise(plan: Plan, finding: dict[str, Any]) -> dict[str, Any]:
    """The smallest program found for a finding, in a process of its own. Keys to add to the finding.

    lines: the program. tried: whether running them shows the finding. example: the choices behind it. attempts: how
    many programs it took.
    """
    from storsim.campaign.shard import Ended, Worker

    if finding["kind"] in ("crash", "hang"):
        return endings.shortest(plan, finding)
    if not finding["example"]:
        return {"lines": [], "tried": False, "attempts": 0}
    order = {"minimise": {"key": finding["key"], "example": finding["example"]}}
    with tempfile.TemporaryDirectory(prefix="storsim-", ignore_cleanup_errors=True) as folder:
        worker = Worker(plan, Path(folder))
        try:
            answers = worker.run(order, max(PATIENCE, plan.timeout))
        except (Ended, TargetError):  # smaller programs may end the process: what was answered by then stays
            answers = [one for one in worker.read_quietly() if "error" not in one]
    minimal: dict[str, Any] = {"lines": [], "tried": False, "attempts": 0}
    for answer in answers:
        minimal |= answer
    return minimal


def minimise_of(plan: dict[str, Any], folder: str, finding: dict[str, Any]) -> dict[str, Any]:
    """`minimise` for executors: plain data in, plain data out."""
    return minimise(plan_from(plan, folder), finding)


def minimise_here(target: Target, order: dict[str, Any], status: Status) -> Iterator[dict[str, Any]]:
    """In the worker process: shrinks, tries the text of what is left, then shrinks the journal. Yields answers that add
    up.
    """
    from storsim.campaign.programs import Explorer
    from storsim.campaign.worker import plain

    key = order["key"]

    def shrunk(example: bytes, shrink: bool) -> Explorer:
        explorer = Explorer(target, lambda program: status.write(0, program, 0))
        explorer.failing = lambda keys: key in keys
        explorer.replay(example, shrink=shrink)
        return explorer

    explorer = shrunk(base64.b64decode(order["example"]), True)
    if key not in explorer.findings:
        yield {"attempts": explorer.programs}
        return
    best = plain(explorer.findings[key])
    every = explorer.lines
    calls = [line for line in every if not _only_checks(target, line)]
    tried = next((lines for lines in (calls, every) if key in keys_of(target, lines)), None)
    if tried is not None and target.kind == "machine":
        tried = _fewer(target, key, tried, status)
    yield {
        "lines": calls if tried is None else tried,
        "tried": tried is not None,
        "names": homes_of(target, calls if tried is None else tried),
        "settled": target.settled,
        "example": best["example"],
        "message": best["message"],
        "sites": best["sites"],
        "attempts": explorer.programs,
    }
    status.write(0, 0, 2)
    yield plain(journals.shrunk(explorer.machines, key))


def _fewer(target: Target, key: str, lines: list[str], status: Status) -> list[str]:
    """The program without the lines that are not needed. Hypothesis cannot always drop the last ones: it runs a machine
    to the end of its steps.
    """
    from storsim.campaign.programs import INITIALIZE_RULE_MARKER, marked

    setup = marked(target.object, INITIALIZE_RULE_MARKER)
    attempts, at = 0, len(lines) - 1
    while at >= 0 and attempts < MOST_REMOVALS:
        if any(f"state.{name}(" in lines[at] for name in setup):
            at -= 1
            continue
        attempts += 1
        status.write(0, attempts, 1)
        fewer = lines[:at] + lines[at + 1 :]
        if key in keys_of(target, fewer):
            lines, at = fewer, len(fewer)
        at -= 1
    return lines


def _only_checks(target: Target, line: str) -> bool:
    """Whether a line of a program is an invariant, which a reader can do without."""
    if target.kind != "machine":
        return False
    from storsim.campaign.programs import INVARIANT_MARKER, marked

    return any(line == f"state.{name}()" for name in marked(target.object, INVARIANT_MARKER))


def homes_of(target: Target, lines: list[str]) -> dict[str, str]:
    """Names of a program's values, such as MachineConfig, and the modules they come from."""
    return homes(target.plan, target.kind, lines, (target.object.__module__,))


def homes(plan: Plan, kind: str, lines: list[str], modules: tuple[str, ...]) -> dict[str, str]:
    """The same for modules of the target, which may be none, and storsim's own."""
    try:
        tree = ast.parse("\n".join(body(plan, kind, lines)))
    except SyntaxError:
        return {}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known = {"storsim", "state", "start", plan.target.rpartition(":")[2], *dir(builtins)}
    places = [*modules, "storsim.testing.strategies", "storsim.testing", "storsim", "storsim.storport"]
    found: dict[str, str] = {}
    for name in sorted(used - known):
        home = next((place for place in places if hasattr(importlib.import_module(place), name)), None)
        if home is not None:
            found[name] = home
    return found


def keys_of(target: Target, lines: list[str]) -> set[str]:
    """What a program found when it is run from its text."""
    import storsim
    from storsim.campaign import findings

    names = {"storsim": storsim, "start": regression.start, target.name: target.object}
    try:
        code = compile("\n".join(body(target.plan, target.kind, lines)), "<program>", "exec")
    except SyntaxError:
        return set()
    if target.inner is not None:
        target.object.hypothesis.inner_test = target.inner  # programs are told by the test itself, unwatched
    for name, module in homes_of(target, lines).items():
        names[name] = getattr(importlib.import_module(module), name)
    with Observer(target.plan.faults) as observer:
        observer.begin()
        told: list[dict[str, Any]] = []
        try:
            exec(code, names)
            observer.close_left_open()
        except regression.NotApplicable:
            return set()
        except Exception as error:
            observer.cut()
            told.append(findings.from_exception(error))
        observer.end()
    if not target.settled:
        told += findings.from_records(observer.found, target.ignore)
    return {one["key"] for one in told}
