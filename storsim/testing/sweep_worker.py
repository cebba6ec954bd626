"""The process that runs a target under one fault after another.

It reads one JSON request from standard input, then plans (lists of fault-point ordinals to fail), one per line, and
answers each with one JSON line on its original standard output; what the target prints goes to standard error. When the
process dies or hangs, the parent knows which plan was running.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import storsim
from storsim import machine as machine_module
from storsim.records import FaultPoint, Finding, Site
from storsim.testing.targets import TargetError, resolve

PACKAGE = os.path.dirname(os.path.abspath(storsim.__file__)) + os.sep
#: Exceptions that mean the driver stumbled, not that it refused: a NULL used as a pointer, a missing result, a
#: failed assertion.
STUMBLES = (
    AssertionError, AttributeError, ArithmeticError, LookupError, NameError, RecursionError, TypeError,
    UnboundLocalError, UnicodeError, BufferError,
)  # fmt: skip


def caller() -> FrameType | None:
    """The frame of the driver: the nearest one outside the package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame


def place(frame: FrameType | None) -> dict[str, Any]:
    """A frame as data; instruction tells two calls on one line apart."""
    if frame is None:
        return {"file": "", "line": 0, "function": "", "instruction": 0}
    code = frame.f_code
    return {
        "file": code.co_filename,
        "line": frame.f_lineno,
        "function": code.co_qualname,
        "instruction": frame.f_lasti,
    }


class Observer:
    """Counts the fault points of every machine made during one run, and fails those of the plan."""

    def __init__(self, plan: Iterable[int], record: bool) -> None:
        self.plan = frozenset(plan)
        self.record = record
        self.count = 0
        self.points: list[dict[str, Any]] = []
        self.injected: list[dict[str, Any]] = []
        self.machines: list[storsim.Machine] = []

    def watch(self, pc: storsim.Machine) -> None:
        """A machine was made."""
        self.machines.append(pc)
        pc.faults.fail_when(self.decide)

    def decide(self, point: FaultPoint) -> bool:
        """A fault point: counted over all machines of the run."""
        self.count += 1
        fails = self.count in self.plan
        if fails or self.record:
            entry = {"ordinal": self.count, "routine": point.routine, "bytes": point.bytes, **place(caller())}
            (self.injected if fails else self.points).append(entry)
        return fails


def site_data(site: Site | None, role: str) -> list[dict[str, Any]]:
    """A call site and the sites of its callers, outermost last."""
    entries = []
    while site is not None:
        if site.file.startswith(PACKAGE):  # the removal at the end of a with block: no place of the driver
            site, role = site.caller, "caller"
            continue
        entries.append({"file": site.file, "line": site.line, "function": site.function, "role": role})
        site, role = site.caller, "caller"
    return entries


def finding_data(finding: Finding) -> dict[str, Any]:
    """A finding as data: the shape of the JSON report."""
    data: dict[str, Any] = {"name": finding.name, "kind": finding.kind, "message": finding.text}
    if finding.kind == "bugcheck":
        data |= {"code": finding.code, "parameters": list(finding.parameters)}
    data["sites"] = (
        site_data(finding.site, "call")
        + site_data(finding.allocated_at, "allocated")
        + site_data(finding.freed_at, "first freed")
    )
    return data


def condense(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per cause of one run: the stop at the end of a leak goes to the leaks, rule events to the stop they
    led to."""
    stops = [f for f in findings if f["kind"] == "bugcheck"]
    rest = [f for f in findings if f["kind"] != "bugcheck"]
    for stop in stops:
        leaks = (
            [f for f in rest if f["name"].endswith("_LEAK")]
            if stop["name"].endswith("_LEAK") or stop["code"] == 0xC4
            else []
        )
        same = [f for f in rest if f["sites"] == stop["sites"] and f["sites"]]
        if (leaks and stop["parameters"][:1] in ([0x62], [0x07])) or (leaks and stop["code"] == 0xE6):
            for leak in leaks:
                leak |= {"code": stop["code"], "parameters": stop["parameters"]}
        else:
            stop["also"] = [f["name"] for f in same]
            rest = [f for f in rest if f not in same] + [stop]
    return rest


def stumble_data(error: BaseException) -> dict[str, Any]:
    """An exception of the driver itself as a finding."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(PACKAGE)]
    sites = [{"file": f.filename, "line": f.lineno or 0, "function": f.name, "role": "raised"} for f in frames[-1:]]
    kind = type(error).__name__
    text = (
        f"the driver raised {kind}: {error}. A failure that a routine documents must be handled where the call is made."
    )
    return {"name": f"EXCEPTION_{kind}", "kind": "exception", "message": text, "sites": sites}


def run_once(run: Callable[[], None], plan: list[int], record: bool) -> dict[str, Any]:
    """One run of the target in fresh machines."""
    observer = Observer(plan, record)
    outcome, error_finding = "completed", None
    machine_module.observers.append(observer.watch)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run()
    except storsim.StorsimError as error:
        outcome = type(error).__name__
    except TargetError:
        raise
    except STUMBLES as error:
        outcome, error_finding = "exception", stumble_data(error)
    except Exception as error:
        outcome = f"refused: {type(error).__name__}"
    finally:
        machine_module.observers.remove(observer.watch)
    findings = [finding_data(f) for pc in observer.machines for f in leftovers(pc) if f.kind != "note"]
    findings = condense(findings)
    if error_finding is not None:
        findings.insert(0, error_finding)
    return {
        "plan": plan,
        "outcome": outcome,
        "count": observer.count,
        "points": observer.points,
        "injected": observer.injected,
        "findings": findings,
    }


def leftovers(pc: storsim.Machine) -> list[Finding]:
    """All findings of a machine; one that the target left open is closed as a with block would."""
    if not pc.closed:
        with contextlib.suppress(storsim.StorsimError):
            pc.__exit__(None, None, None)
    return list(pc.findings)


def main() -> int:
    """Serves plans until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.readline())
    try:
        run = resolve(request["target"], request["settings"])
    except TargetError as error:
        answers.write(json.dumps({"error": str(error)}) + "\n")
        answers.flush()
        return 2
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = run_once(run, order["plan"], order["record"])
        except TargetError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return 0
