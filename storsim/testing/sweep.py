"""The sweep: run a driver once, then again and again with each of its allocations failed in turn.

Every run is in a fresh machine. The first one counts the fault points; each later one fails one of them, so that
every error path
of the driver is walked once. A leak, a violation, a bugcheck, an exception that shows the driver stumbled, a crash
or a hang is a finding; findings with one cause are told once, with the shortest run that shows them.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from storsim.testing.targets import TargetError


@dataclass
class SweepResult:
    """target: as given. points: fault points of the undisturbed run. sites: distinct call sites among them. runs:
    how many runs there were.

    findings: dicts as in the JSON report, in a fixed order: name, kind, message, sites, fault (the injected failure
    that leads there, None
    for the undisturbed run), faults (all of them, with pairs), times (runs that showed it); code and parameters
    where a bugcheck ended it.
    """

    target: str
    points: int = 0
    sites: int = 0
    runs: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """The JSON report."""
        return {
            "target": self.target,
            "points": self.points,
            "sites": self.sites,
            "runs": self.runs,
            "findings": self.findings,
        }


# A worker finds its modules where this process does: the working directory may hold another storsim, without its core.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from storsim.testing.sweep_worker import main; sys.exit(main())"
)


class _Worker:
    """One process that runs plans; restarted when it dies or hangs."""

    def __init__(self, request: str, timeout: float) -> None:
        self.request = request
        self.timeout = timeout
        self.process: subprocess.Popen[str] | None = None
        self.order: dict[str, Any] | None = None
        self.deadline = 0.0

    def start(self, order: dict[str, Any]) -> None:
        """Gives it a plan."""
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, "-X", "faulthandler", "-P", "-c", _START, json.dumps(sys.path)]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            self._write(self.request)
        self.order = order
        self.deadline = time.monotonic() + self.timeout
        self._write(json.dumps(order))

    def _write(self, line: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it is told by the end of its answers

    @property
    def answers(self) -> IO[str]:
        """Where its answers come from."""
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout

    def collect(self) -> dict[str, Any]:
        """Its answer to the plan under way; a death is an answer too."""
        line = self.answers.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        return self.ended("crash")

    def ended(self, how: str) -> dict[str, Any]:
        """The finding for a process that died or hung; the process is gone afterwards."""
        assert self.process is not None
        assert self.order is not None
        if how == "hang":
            self.process.kill()
        _, errors = self.process.communicate()
        code = self.process.returncode
        self.process = None
        tail = " ".join((errors or "").split()[-60:])
        if how == "hang":
            text = f"the target did not end within {self.timeout:g} s: it waits for what will not come, or loops."
        else:
            text = f"the process that ran the target ended with code {code}: {tail}"
        finding = {"name": f"TARGET_{how.upper()}", "kind": how, "message": text, "sites": []}
        plan = self.order["plan"]
        return {
            "plan": plan,
            "outcome": how,
            "count": 0,
            "points": [],
            "injected": [{"ordinal": n} for n in plan],
            "findings": [finding],
        }

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def _run_plans(workers: list[_Worker], orders: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Runs every order on some worker; yields answers as they come."""
    waiting = iter(orders)
    with selectors.DefaultSelector() as selector:
        busy: list[_Worker] = []

        def feed(worker: _Worker) -> None:
            order = next(waiting, None)
            if order is not None:
                worker.start(order)
                selector.register(worker.answers, selectors.EVENT_READ, worker)
                busy.append(worker)

        for worker in workers:
            feed(worker)
        while busy:
            patience = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
            ready = [(key.data, True) for key, _ in selector.select(patience)]
            ready = ready or [(worker, False) for worker in busy if worker.deadline <= time.monotonic()]
            for worker, answered in ready:
                selector.unregister(worker.answers)
                busy.remove(worker)
                yield worker.collect() if answered else worker.ended("hang")
                feed(worker)


def _first_of_each_site(points: list[dict[str, Any]]) -> list[int]:
    seen: dict[tuple[Any, ...], int] = {}
    for point in points:
        seen.setdefault((point["file"], point["line"], point["instruction"], point["routine"]), point["ordinal"])
    return sorted(seen.values())


def _cause(finding: Mapping[str, Any]) -> tuple[Any, ...]:
    sites = tuple((s["file"], s["line"], s["function"], s["role"]) for s in finding["sites"])
    own = tuple(site for site in sites if site[3] in ("allocated", "first freed", "raised")) or sites
    return finding["name"], finding.get("code"), own


def _merge(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One finding per cause, each with the shortest plan that shows it: fewest faults, then the earliest."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for answer in sorted(answers, key=lambda a: (len(a["plan"]), a["plan"])):
        for finding in answer["findings"]:
            cause = _cause(finding)
            if cause in merged:
                merged[cause]["times"] += 1
            else:
                faults = [{k: v for k, v in fault.items() if k != "instruction"} for fault in answer["injected"]]
                merged[cause] = {**finding, "fault": faults[0] if faults else None, "faults": faults, "times": 1}
    return list(merged.values())


def sweep(
    target: str,
    *,
    calls: bool = False,
    pairs: bool = False,
    jobs: int | None = None,
    timeout: float = 10.0,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Sweeps a target and returns what was found.

    target: see `storsim.testing.targets.resolve`. calls: fail each call, not only each call site once. pairs: also
    fail each later point
    after each first one. jobs: processes (default: one per CPU). timeout: seconds per run. settings: keywords of the
    Machine of a function
    target, plain values. progress: called with (runs done, runs planned). Raises TargetError for a target that
    cannot be found.
    """
    count = max(1, jobs or os.cpu_count() or 1)
    request = json.dumps({"target": target, "settings": dict(settings or {})})
    workers = [_Worker(request, timeout) for _ in range(count)]
    try:
        return _sweep(workers, target, calls, pairs, progress)
    finally:
        for worker in workers:
            worker.stop()


def _sweep(
    workers: list[_Worker], target: str, calls: bool, pairs: bool, progress: Callable[[int, int], None] | None
) -> SweepResult:
    base = next(_run_plans(workers[:1], [{"plan": [], "record": True}]))
    if "error" in base:
        raise TargetError(base["error"])
    answers = [base]
    ordinals = [point["ordinal"] for point in base["points"]] if calls else _first_of_each_site(base["points"])
    plans = [[n] for n in ordinals]
    planned = 1 + len(plans)
    for answer in _run_plans(workers, [{"plan": plan, "record": pairs} for plan in plans]):
        answers.append(answer)
        if progress:
            progress(len(answers), planned)
    if pairs:
        later = [a for a in answers if len(a["plan"]) == 1]
        orders = [
            {"plan": [a["plan"][0], n], "record": False}
            for a in sorted(later, key=lambda a: a["plan"])
            for n in ([p["ordinal"] for p in a["points"]] if calls else _first_of_each_site(a["points"]))
            if n > a["plan"][0]
        ]
        planned += len(orders)
        for answer in _run_plans(workers, orders):
            answers.append(answer)
            if progress:
                progress(len(answers), planned)
    answers.sort(key=lambda a: (len(a["plan"]), a["plan"]))
    cases = [
        {"plan": a["plan"], "outcome": a["outcome"], "injected": a["injected"], "findings": len(a["findings"])}
        for a in answers
    ]
    return SweepResult(
        target, base["count"], len(_first_of_each_site(base["points"])), len(answers), _merge(answers), cases
    )
