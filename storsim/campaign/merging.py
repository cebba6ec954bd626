"""One report from whatever rounds there are: in any order, from any shards, some of them twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from storsim.campaign.plan import Plan, PlanError, plan_from
from storsim.campaign.shard import TABLES
from storsim.coverage import Behaviours

EMPTY = bytes(Behaviours())


@dataclass
class Report:
    """What a campaign found so far.

    plan: what was run. rounds: numbers of the rounds in it. programs, steps, machines: how many there were. findings:
    one dict for each cause, in the order of their first program: key, kind, name, routine, message, sites, count, first
    [round, program], at (the same as a number of programs), example; lines, tried and test once minimised and written.
    behaviours: all that machines were seen to do. curve: [programs, behaviours known] wherever that grew. rules: (rule,
    outcome) → times. seconds: of all shards together; differs from run to run, as nothing else does.
    """

    plan: Plan
    rounds: list[int] = field(default_factory=list)
    programs: int = 0
    steps: int = 0
    machines: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    behaviours: Behaviours = field(default_factory=Behaviours)
    curve: list[list[int]] = field(default_factory=list)
    rules: dict[tuple[str, str], int] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every round of the plan is in it; where time is the budget, whether there is any."""
        planned = self.plan.rounds
        return bool(self.rounds) if planned is None else len(self.rounds) == planned

    def as_dict(self) -> dict[str, Any]:
        """The JSON report. All but ``seconds`` is the same however the campaign was run."""
        return {
            "plan": self.plan.as_dict(),
            "hash": self.plan.hash,
            "storsim": self.versions,
            "complete": self.complete,
            "rounds": len(self.rounds),
            "programs": self.programs,
            "steps": self.steps,
            "machines": self.machines,
            "findings": self.findings,
            "behaviours": list(self.behaviours.numbers()),
            "tables": EMPTY[:TABLES].hex(),
            "curve": self.curve,
            "rules": [[*name, count] for name, count in self.rules.items()],
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        from storsim.campaign.report import text

        return text(self)

    def _repr_html_(self) -> str:
        from storsim.campaign.report import fragment

        return fragment(self)


def report_from(data: Mapping[str, Any], folder: str = "") -> Report:
    """A report from its JSON. Raises PlanError for one of another version's tables."""
    _same_tables(data["tables"])
    return Report(
        plan=plan_from(data["plan"], folder),
        rounds=list(range(data["rounds"])),
        programs=data["programs"],
        steps=data["steps"],
        machines=data["machines"],
        findings=data["findings"],
        behaviours=behaviours_of(data["behaviours"]),
        curve=data["curve"],
        rules={(a, b): count for a, b, count in data["rules"]},
        versions=data["storsim"],
        seconds=data["seconds"],
    )


def merge(plan: Plan, results: Iterable[Mapping[str, Any]]) -> Report:
    """The report of shard results. A round that is there twice counts once, so the order and the number of shards, and
    shards that were run again, change nothing. Raises PlanError for the result of another plan.
    """
    rounds: dict[int, Mapping[str, Any]] = {}
    report = Report(plan)
    shards: dict[tuple[int, int], float] = {}
    versions: set[str] = set()
    for result in results:
        if result["plan"] != plan.hash:
            raise PlanError(f"a result of plan {result['plan']} cannot be merged into one of plan {plan.hash}")
        _same_tables(result["tables"])
        versions.add(result["storsim"])
        shards[result["shard"], result["shards"]] = result["seconds"]
        for one in result["rounds"]:
            rounds.setdefault(one["round"], one)
    report.seconds = sum(shards.values())
    report.versions = sorted(versions)
    report.rounds = sorted(rounds)
    _count(report, [rounds[number] for number in report.rounds])
    return report


def behaviours_of(numbers: Iterable[int]) -> Behaviours:
    """The set of behaviours with these numbers."""
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return Behaviours(EMPTY[:TABLES] + bits.to_bytes(len(EMPTY) - TABLES, "little"))


def _same_tables(tables: str) -> None:
    if tables != EMPTY[:TABLES].hex():
        raise PlanError("these results come from a version of storsim with other tables: merge them with that version")


def _count(report: Report, rounds: list[Mapping[str, Any]]) -> None:
    """Adds rounds, in order, to a report."""
    seen: set[int] = set()
    rules: Counter[tuple[str, str]] = Counter()
    causes: dict[str, dict[str, Any]] = {}
    report.curve = [[0, 0]]
    for one in rounds:
        for first in sorted(first for number, first in one["behaviours"] if number not in seen):
            at = report.programs + first
            if report.curve[-1][0] == at:
                report.curve[-1][1] += 1
            else:
                report.curve.append([at, report.curve[-1][1] + 1])
        seen |= {number for number, _ in one["behaviours"]}
        for rule, outcome, count in one["rules"]:
            rules[rule, outcome] += count
        for finding in sorted(one["findings"], key=lambda item: (item["program"], item["key"])):
            _add(causes, finding, one["round"], report.programs)
        report.programs += one["programs"]
        report.steps += one["steps"]
        report.machines += one["machines"]
    if report.programs > report.curve[-1][0]:
        report.curve.append([report.programs, report.curve[-1][1]])
    report.behaviours = behaviours_of(seen)
    report.rules = {name: rules[name] for name in sorted(rules)}
    report.findings = list(causes.values())


def _add(causes: dict[str, dict[str, Any]], finding: Mapping[str, Any], number: int, before: int) -> None:
    """One finding of a round: a new cause, or one more of a known one; the smallest example stays. before: programs of
    earlier rounds.
    """
    known = causes.get(finding["key"])
    if known is None:
        data = {name: value for name, value in finding.items() if name != "program"}
        causes[finding["key"]] = {**data, "first": [number, finding["program"]], "at": before + finding["program"]}
        return
    known["count"] += finding["count"]
    if finding["example"] and (not known["example"] or finding["size"] < known["size"]):
        known |= {
            name: finding[name]
            for name in ("example", "size", "message", "sites", "lines", "journal")
            if name in finding
        }
