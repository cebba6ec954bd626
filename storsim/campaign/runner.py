"""Runs a campaign on an executor, keeps every shard's result in a folder, and goes on where it was.

The folder holds ``plan.json``, ``shards/``, and once it was through ``report.txt``, ``report.html``, ``report.json``,
``behaviours.bin`` (for ``storsim coverage``), ``tests/`` and ``journals/``. Nothing here knows an engine: an
executor is whatever has ``submit``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storsim.campaign.database import open_database, save
from storsim.campaign.merging import Report, merge, report_from
from storsim.campaign.minimise import minimise_of
from storsim.campaign.plan import Plan, PlanError, plan_from
from storsim.campaign.shard import SCHEMA, run_shard_of, stop_when
from storsim.testing.targets import TargetError

#: How often a shard is given out before its failure is taken for its own.
ATTEMPTS = 4


class CampaignError(RuntimeError):
    """A shard that no worker could finish; ``str()`` is one line. What was done before is kept."""


@dataclass(frozen=True)
class Progress:
    """How far a campaign is. done, planned: shards. programs: run so far. rate: programs per second, over this run.
    findings, behaviours: distinct ones so far. fresh: behaviours that the last shard added.
    """

    done: int
    planned: int
    programs: int
    rate: float
    findings: int
    behaviours: int
    fresh: int


class Processes(ThreadPoolExecutor):
    """The default executor: as many processes at a time; None for one per CPU. Every round runs in a process of its
    own, whatever the executor, so that threads that wait for them are enough.
    """

    def __init__(self, count: int | None = None) -> None:
        self.stopped = threading.Event()
        super().__init__(count or os.cpu_count() or 1, "storsim", stop_when, (self.stopped,))

    def stop(self) -> None:
        """Ends the processes that run, now."""
        self.stopped.set()


def run(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    only: Iterable[int] | None = None,
    progress: Callable[[Progress], None] | None = None,
    minimise: bool = True,
) -> Report:
    """Runs the shards that have no result in a folder yet, merges, minimises, and writes the reports and tests.

    out: the folder; made when it is not there. executor: of any kind; it is not shut down. None: processes on this
    machine. only: numbers of shards, 0-based; None for all. progress: called after each shard. minimise: False leaves
    findings as they were seen. A shard whose worker was lost is given out again. Raises PlanError for a folder of
    another plan, TargetError for a target that cannot be run, CampaignError for a shard that fails again and again.
    KeyboardInterrupt goes through; what was done stays.
    """
    folder = Path(out)
    if plan.database:
        open_database(plan)  # better refused now than after a night
    open_folder(folder, plan)
    own = Processes() if executor is None else None
    session = _Session(plan, folder, own or executor, progress)  # type: ignore[arg-type]
    try:
        wanted = range(plan.shards) if only is None else sorted(set(only))
        for index in wanted:
            plan.rounds_of(index)
        session.shards(list(wanted))
        report = merge(plan, read_shards(folder, plan))
        if minimise and report.findings:
            session.minimise(report, folder)
    except BaseException:
        session.cancel()
        raise
    finally:
        if own is not None:
            own.shutdown(wait=True, cancel_futures=True)
    write(report, folder)
    return report


def merge_folders(folders: list[Path], out: Path, minimise: bool = True) -> Report:
    """Makes one report of the results in folders of the same plan, and writes it. Raises PlanError."""
    plan = read_plan(folders[0])
    for folder in folders[1:]:
        if read_plan(folder).hash != plan.hash:
            raise PlanError(f"{folder} holds another plan than {folders[0]}: merge folders of one plan")
    open_folder(out, plan)
    report = merge(plan, [one for folder in [*folders, out] for one in read_shards(folder, plan)])
    if minimise and report.findings:
        own = Processes()
        session = _Session(plan, out, own, None)
        try:
            session.minimise(report, out)
        except BaseException:
            session.cancel()
            raise
        finally:
            own.shutdown(wait=True, cancel_futures=True)
    write(report, out)
    return report


class _Session:
    """The futures of one run."""

    def __init__(
        self, plan: Plan, folder: Path, executor: Executor, progress: Callable[[Progress], None] | None
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.executor = executor
        self.progress = progress
        self.futures: dict[Future[Any], Any] = {}
        self.began = time.monotonic()
        self.ran = 0
        self.programs = 0
        self.keys: set[str] = set()
        self.seen: set[int] = set()

    def shards(self, wanted: list[int]) -> None:
        """Runs what has no result."""
        plan, done = self.plan, 0
        waiting = []
        for index in wanted:
            result = read_shard(shard_path(self.folder, plan, index), plan)
            if result is None:
                waiting.append(index)
            else:
                done += 1
                self._count(result, fresh=False)
        calls = {index: (run_shard_of, plan.as_dict(), plan.folder, index) for index in waiting}
        self._tell(done, len(wanted), 0)
        for index, result in self.each(calls, "shard"):
            write_atomically(shard_path(self.folder, plan, index), json.dumps(result, separators=(",", ":")))
            done += 1
            self._tell(done, len(wanted), self._count(result, fresh=True))

    def minimise(self, report: Report, folder: Path) -> None:
        """Makes each finding's program small, and adds what came of it."""
        known = {one["key"]: one for one in read_findings(folder) if "tried" in one}
        calls: dict[str, tuple[Any, ...]] = {}
        for one in report.findings:
            before = known.get(one["key"])
            if before is not None and before.get("seen") == _seen(one):
                one |= before["minimal"] | {"seen": before["seen"], "minimal": before["minimal"]}
            else:
                calls[one["key"]] = (minimise_of, self.plan.as_dict(), self.plan.folder, one)
        found = dict(self.each(calls, "finding"))
        for one in report.findings:
            if one["key"] in found:
                seen, minimal = _seen(one), found[one["key"]]
                one |= minimal | {"seen": seen, "minimal": minimal}

    def each(self, calls: dict[Any, tuple[Any, ...]], what: str) -> Iterable[tuple[Any, dict[str, Any]]]:
        """Gives out calls and yields (name, result) as they come; a lost one is given out again."""
        attempts = dict.fromkeys(calls, 0)
        for name in calls:
            self._submit(name, calls, attempts, what)
        while self.futures:
            ready, _ = wait(self.futures, return_when=FIRST_COMPLETED)
            for future in ready:
                name = self.futures.pop(future)
                try:
                    result = future.result()
                except (TargetError, PlanError, ImportError):
                    raise
                except (Exception, CancelledError) as error:  # whatever the executor says of a worker that is gone
                    if attempts[name] >= ATTEMPTS:
                        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
                        raise CampaignError(f"{what} {name} failed {attempts[name]} times, last with {text}") from error
                    self._submit(name, calls, attempts, what)
                else:
                    yield name, result

    def _submit(self, name: Any, calls: dict[Any, tuple[Any, ...]], attempts: dict[Any, int], what: str) -> None:
        attempts[name] += 1
        try:
            self.futures[self.executor.submit(*calls[name])] = name
        except RuntimeError as error:  # a pool that broke takes nothing more
            raise CampaignError(f"{what} {name}: the executor takes no more work: {error}") from error

    def cancel(self) -> None:
        """Takes back what has not begun, and ends what runs where the executor can."""
        for future in self.futures:
            future.cancel()
        self.futures.clear()
        if isinstance(self.executor, Processes):
            self.executor.stop()

    def _count(self, result: dict[str, Any], *, fresh: bool) -> int:
        before = len(self.seen)
        self.seen |= {number for one in result["rounds"] for number, _ in one["behaviours"]}
        programs = sum(one["programs"] for one in result["rounds"])
        self.keys |= {finding["key"] for one in result["rounds"] for finding in one["findings"]}
        self.programs += programs
        self.ran += programs if fresh else 0
        return len(self.seen) - before

    def _tell(self, done: int, planned: int, fresh: int) -> None:
        if self.progress is not None:
            seconds = max(time.monotonic() - self.began, 1e-6)
            found, seen = len(self.keys), len(self.seen)
            self.progress(Progress(done, planned, self.programs, self.ran / seconds, found, seen, fresh))


def _seen(finding: dict[str, Any]) -> list[Any]:
    """What a minimised program was made from: as long as it is the same, so is the result."""
    return [finding["example"], finding["first"]]


# --- the folder -----------------------------------------------------------------------------------------------------


def open_folder(folder: Path, plan: Plan) -> None:
    """Makes the folder of a plan, or sees that it is one. Raises PlanError."""
    path = folder / "plan.json"
    if path.exists():
        known = read_plan(folder)
        if known.hash != plan.hash:
            raise PlanError(
                f"{folder} holds a campaign of plan {known.hash}, not {plan.hash}: "
                "give another folder, or the plan as it was"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise PlanError(f"{folder} is not empty and holds no campaign: give another folder")
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    data = {"schema": SCHEMA, "hash": plan.hash, "folder": plan.folder, "plan": plan.as_dict()}
    write_atomically(path, json.dumps(data, indent=2) + "\n")


def read_plan(folder: Path) -> Plan:
    """The plan of a folder. Raises PlanError."""
    path = folder / "plan.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise PlanError(f"{path}: written by another version of storsim (schema {data['schema']}, not {SCHEMA})")
        return plan_from(data["plan"], data["folder"])
    except FileNotFoundError:
        raise PlanError(f"{folder} holds no campaign: there is no plan.json") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise PlanError(f"{path} is damaged ({error}): give another folder") from error


def shard_path(folder: Path, plan: Plan, index: int) -> Path:
    """Where the result of a shard lies."""
    return folder / "shards" / f"{index:04d}-of-{plan.shards:04d}.json"


def read_shard(path: Path, plan: Plan) -> dict[str, Any] | None:
    """A result, or None where there is none that can be used."""
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        usable = result["schema"] == SCHEMA and result["plan"] == plan.hash
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if usable else None


def read_shards(folder: Path, plan: Plan) -> list[dict[str, Any]]:
    """Every result in a folder."""
    found = [read_shard(path, plan) for path in sorted((folder / "shards").glob("*.json"))]
    return [one for one in found if one is not None]


def read_findings(folder: Path) -> list[dict[str, Any]]:
    """The findings of the report in a folder, if there is one."""
    try:
        data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return list(data["findings"])
    except (OSError, ValueError, KeyError):
        return []


def read_report(folder: Path) -> Report:
    """The report in a folder; made from its shards where none was written. Raises PlanError."""
    plan = read_plan(folder)
    try:
        return report_from(json.loads((folder / "report.json").read_text(encoding="utf-8")), plan.folder)
    except (OSError, ValueError, KeyError):
        return merge(plan, read_shards(folder, plan))


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(partial, path)


def write(report: Report, folder: Path) -> None:
    """Writes the tests of the findings, then the report in its three forms."""
    from storsim.campaign import report as forms
    from storsim.campaign.written import write_tests

    write_tests(report, folder / "tests")
    report.behaviours.save(folder / "behaviours.bin")
    write_atomically(folder / "report.txt", forms.text(report) + "\n")
    write_atomically(folder / "report.html", forms.page(report))
    write_atomically(folder / "report.json", json.dumps(report.as_dict(), indent=1) + "\n")
    save(report)
