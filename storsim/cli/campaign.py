"""Fuzzes a driver for long: on every core of this machine, on a cluster, or as one
job of a CI matrix.

  run PLAN      runs what has no result yet, then writes report and tests
  merge DIR...  makes one report of the results in several folders (CI jobs)
  report DIR    shows the report of a folder; of one under way, what there is

example:
  storsim campaign run nightly.toml --out nightly
  storsim campaign run nightly.toml --out nightly --dask tcp://farm:8786
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT, EXIT_INTERRUPTED
from storsim.cli.text import many

if TYPE_CHECKING:
    from storsim.campaign import Plan, Progress, Report

NAME = "campaign"
HELP = "fuzz a driver on every core, on a cluster, or in a CI matrix"

_RUN = """\
Runs a campaign. The plan is a TOML file:

  target = "mydriver.py:DriverMachine"   a state machine, a @given test, or a
                                         function of a storsim.Machine
  programs = 20000                       or: seconds = 3600

and optionally steps, seed, shards, round, timeout, profile, database, ignore,
machine and [[faults]]; see the guide's page campaigns.md.
Results go to the folder shard by shard, so a run that was interrupted goes on
where it was.
"""
_RUN_EXAMPLE = """\
example:
  storsim campaign run nightly.toml --out results --shard 3/16
"""
_MERGE_EXAMPLE = """\
example:
  storsim campaign merge results-*/ --out nightly
"""
_REPORT_EXAMPLE = """\
example:
  storsim campaign report nightly --format html > nightly.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands of ``storsim campaign``."""
    commands = parser.add_subparsers(dest="action", metavar="run|merge|report", required=True, help="each has --help")

    def add(name: str, about: str, example: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, description=f"{about}\n{example}")
        made.add_argument("--json", action="store_true", help="machine-readable output")
        return made

    run_ = add("run", _RUN, _RUN_EXAMPLE)
    run_.add_argument("plan", metavar="PLAN", help="what to run, TOML")
    run_.add_argument("--out", "-o", required=True, metavar="DIR", help="where results, report and tests go")
    run_.add_argument("--jobs", type=_positive, metavar="N", help="processes (one per CPU)")
    run_.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler to run on (needs storsim[distributed])")
    run_.add_argument("--shard", type=_shard, metavar="I/N", help="only part I of N, from 1, for CI matrices")
    run_.add_argument("--no-minimise", action="store_true", help="leave findings as they were seen")
    merge_ = add("merge", "Makes one report of the results in several folders of the same plan.", _MERGE_EXAMPLE)
    merge_.add_argument("folders", metavar="DIR", nargs="+", help="with results")
    merge_.add_argument("--out", "-o", required=True, metavar="DIR", help="where report and tests go")
    merge_.add_argument("--no-minimise", action="store_true", help="leave findings as they were seen")
    report_ = add("report", "Shows the report of a folder.", _REPORT_EXAMPLE)
    report_.add_argument("folder", metavar="DIR", help="with results")
    report_.add_argument(
        "--format",
        choices=("text", "html", "json"),
        default="text",
        metavar="NAME",
        help="text, html or json (text)",
    )


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 1 up")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r}: write the part and how many there are, such as 3/16")
    return int(match[1]), int(match[2])


def run(arguments: argparse.Namespace) -> int:
    """0: nothing found; 1: findings; 3: plan, folder, target or cluster will not do; 130: interrupted."""
    from storsim.campaign.plan import PlanError
    from storsim.campaign.runner import CampaignError
    from storsim.testing.targets import TargetError

    try:
        report = {"run": _run, "merge": _merge, "report": _report}[arguments.action](arguments)
    except (PlanError, TargetError, CampaignError, ImportError) as error:
        print(f"storsim: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_INPUT
    except KeyboardInterrupt:
        if arguments.action == "run":
            again = "what was done is kept; the same command goes on from there"
            print(f"\nstorsim: interrupted; {again}", file=sys.stderr)
        return EXIT_INTERRUPTED
    _show(report, "json" if arguments.json else getattr(arguments, "format", "text"))
    return EXIT_FOUND if report.findings else EXIT_DONE


def _show(report: Report, form: str) -> None:
    from storsim.campaign import report as forms

    if form == "json":
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print(forms.page(report) if form == "html" else forms.text(report))


def _run(arguments: argparse.Namespace) -> Report:
    from storsim.campaign.plan import load_plan
    from storsim.campaign.runner import run as run_campaign

    plan: Plan = load_plan(arguments.plan)
    only = None
    if arguments.shard is not None:
        part, parts = arguments.shard
        plan, only = plan.replace(shards=parts), [part - 1]
    with _Line(plan, quiet=arguments.json) as line, _executor(arguments) as executor:
        return run_campaign(
            plan,
            arguments.out,
            executor=executor,
            only=only,
            progress=line.show,
            minimise=not arguments.no_minimise,
        )


class _executor:
    """The executor that the options ask for, for a with block."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.address = arguments.dask
        self.jobs = arguments.jobs
        self.client: Any = None
        self.made: Any = None

    def __enter__(self) -> Any:
        if self.address is not None:
            self.client = dask_client(self.address)
            return self.client.get_executor(pure=False)
        from storsim.campaign.runner import Processes

        self.made = Processes(self.jobs)
        return self.made

    def __exit__(self, *_: object) -> None:
        if self.client is not None:
            self.client.close()
        else:
            self.made.shutdown(wait=True, cancel_futures=True)


def dask_client(address: str) -> Any:
    """A client of a Dask scheduler. Raises ImportError that names the extra, CampaignError where there is none."""
    from storsim.campaign.runner import CampaignError

    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise ImportError("--dask needs distributed: pip install 'storsim[distributed]'") from error
    try:
        return distributed.Client(address, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        raise CampaignError(f"no Dask scheduler at {address}: {error}") from error


def _merge(arguments: argparse.Namespace) -> Report:
    from storsim.campaign.runner import merge_folders

    return merge_folders([Path(one) for one in arguments.folders], Path(arguments.out), not arguments.no_minimise)


def _report(arguments: argparse.Namespace) -> Report:
    from storsim.campaign.runner import read_report

    return read_report(Path(arguments.folder))


# --- the progress line ----------------------------------------------------------------------------------------------


class _Line:
    """One line on standard error that is kept up to date; silent when nobody watches."""

    def __init__(self, plan: Plan, *, quiet: bool) -> None:
        self.plan = plan
        self.bar: Any = None
        self.plain = sys.stderr.isatty() and not quiet
        self.write: Callable[[Progress], None] | None = None

    def __enter__(self) -> _Line:
        if self.plain:
            try:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            except ImportError:
                self.write = self._plain
            else:
                columns = (TextColumn("shards"), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.description}"))
                self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
                self.bar.start()
                self.task = self.bar.add_task("", total=None)
                self.write = self._rich
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
        elif self.write is not None:
            print(file=sys.stderr)

    def show(self, progress: Progress) -> None:
        """A shard is done."""
        if self.write is not None:
            self.write(progress)

    def _plain(self, progress: Progress) -> None:
        words = f"\r{progress.done}/{progress.planned} shards, {words_of(progress)}"
        print(words.ljust(79)[:100], end="", file=sys.stderr, flush=True)

    def _rich(self, progress: Progress) -> None:
        self.bar.update(
            self.task, total=progress.planned, completed=progress.done, description=words_of(progress), refresh=True
        )


def words_of(progress: Progress) -> str:
    """Rate, findings, behaviours."""
    return (
        f"{progress.programs:,} programs, {progress.rate:,.0f}/s, {many(progress.findings, 'finding')}, "
        f"{many(progress.behaviours, 'behaviour')} (+{progress.fresh})"
    )
