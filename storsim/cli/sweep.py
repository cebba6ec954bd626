"""Runs a driver once, then with each of its allocations failed in turn, and tells
what broke. TARGET is module:function or file.py:function (a function whose one
argument is a storsim.Machine), a script, or a pytest node id. Every run is in a
fresh machine.

example:
  storsim sweep mydriver.py:bring_up --level strict
"""

from __future__ import annotations

import argparse
import json
import sys

from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT
from storsim.cli.progress import progress

NAME = "sweep"
HELP = "fail every allocation of a driver once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim sweep``."""
    parser.add_argument("target", metavar="TARGET", help="the driver")
    parser.add_argument("--calls", action="store_true", help="fail every call, not only every call site once")
    parser.add_argument("--pairs", action="store_true", help="also fail every second call after each first one")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one per CPU)")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds per run (10)")
    parser.add_argument("--memory", default="16GiB", metavar="SIZE", help="of the machine (16GiB)")
    add_machine(parser)
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_machine(parser: argparse.ArgumentParser) -> None:
    """The options of commands that give a target its machine."""
    parser.add_argument(
        "--level",
        choices=("release", "verifier", "strict"),
        default="verifier",
        metavar="NAME",
        help="of the checks: release, verifier or strict (verifier)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the simulation (0)")


def run(arguments: argparse.Namespace) -> int:
    """Sweeps. 0: nothing found; 1: findings; 3: the target cannot be found."""
    from storsim.testing import sweep_report
    from storsim.testing.sweep import sweep
    from storsim.testing.targets import TargetError

    try:
        with progress("runs") as step:
            result = sweep(
                arguments.target,
                calls=arguments.calls,
                pairs=arguments.pairs,
                jobs=arguments.jobs,
                timeout=arguments.timeout,
                settings={"memory": arguments.memory, "level": arguments.level, "seed": arguments.seed},
                progress=step,
            )
    except TargetError as error:
        print(f"storsim: error: {error}", file=sys.stderr)
        return EXIT_INPUT
    if arguments.junit:
        with open(arguments.junit, "w", encoding="utf-8") as file:
            file.write(sweep_report.junit(result))
    print(json.dumps(result.as_dict(), indent=2) if arguments.json else sweep_report.text(result))
    return EXIT_DONE if result.ok else EXIT_FOUND
