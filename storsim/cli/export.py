"""Runs a driver and writes what its machine did, for the tool of the suffix:
  .json   Perfetto UI, chrome://tracing    .vcd   GTKWave, Surfer (storsim[vcd])
  .jsonl  one event per line               .csv   the same for spreadsheets
  .wav    what the codec heard
TARGET is module:function or file.py:function (a function whose one argument is
a storsim.Machine), a script or a journal; the last machine made is written.

example:
  storsim export mydriver.py:bring_up --out run.json --by sequence
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT, EXIT_USAGE
from storsim.cli.sweep import add_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from storsim.machine import Machine

NAME = "export"
HELP = "run a driver and write its trace for Perfetto, GTKWave, jq, ears"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim export``."""
    parser.add_argument("target", metavar="TARGET", help="the driver")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", action="append", help="may be given repeatedly")
    parser.add_argument(
        "--by",
        choices=("time", "sequence"),
        default="time",
        metavar="WHAT",
        help="x axis of .json: time or sequence (time)",
    )
    parser.add_argument("--which", type=int, metavar="N", help="the N-th machine, from 1 (the last)")
    parser.add_argument("--memory", default="16GiB", metavar="SIZE", help="of the machine a function gets (16GiB)")
    add_machine(parser)
    parser.add_argument("--entries", type=int, default=1 << 18, metavar="N", help="size of its trace ring (262144)")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")


class _Collector:
    """Sees every machine a target makes; `write` is called with the chosen one before it closes."""

    def __init__(self, write: Callable[[Machine], None], which: int | None) -> None:
        self.write = write
        self.which = which
        self.made = 0
        self.written = 0
        self.open: dict[int, Machine] = {}

    def __call__(self, machine: Machine) -> None:
        self.made += 1
        number = self.made
        self.open[number] = machine

        def close() -> None:
            if number in self.open:
                del self.open[number]
                self._done(number, machine)
            type(machine).close(machine)

        vars(machine)["close"] = close

    def _done(self, number: int, machine: Machine) -> None:
        if self.which in (None, number):
            self.write(machine)
            self.written = number

    def finish(self) -> None:
        """Writes machines that were left open, and closes them."""
        for machine in list(self.open.values()):
            machine.close()


def run(arguments: argparse.Namespace) -> int:
    """Runs and writes. 0; 1 when the target raised or made no machine (what there was is written); 2 for a suffix
    nobody knows; 3: the target cannot be found.
    """
    import storsim.machine
    from storsim import export
    from storsim.testing.targets import TargetError

    for path in arguments.out:
        if os.path.splitext(path)[1].lower() not in export.FORMATS:
            print(f"storsim: error: {path}: the suffix is one of {', '.join(export.FORMATS)}", file=sys.stderr)
            return EXIT_USAGE
    settings = {name: getattr(arguments, name) for name in ("memory", "level", "seed")}
    settings["trace_entries"] = arguments.entries
    failed: list[str] = []
    dropped: list[int] = []
    written: list[dict[str, Any]] = []

    def write(machine: Machine) -> None:
        dropped[:] = [machine.trace.total - len(machine.trace)]
        written.clear()
        for path in arguments.out:
            problem = _write(export, machine, path, arguments.by, written)
            failed.extend([problem] if problem else [])

    collector = _Collector(write, arguments.which)
    storsim.machine.observers.append(collector)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", storsim.ViolationWarning)
            _target(arguments.target, settings)()
    except TargetError as error:
        print(f"storsim: error: {error}", file=sys.stderr)
        return EXIT_INPUT
    except Exception as error:  # the driver's own failure is what the trace is about
        text = " ".join(str(error).split("\n")[:1])
        failed.append(f"{arguments.target} raised {type(error).__name__}: {text}")
    finally:
        storsim.machine.observers.remove(collector)
        collector.finish()
    if not collector.written:
        failed.append(f"{arguments.target} made {collector.made} machines, so there is nothing to write")
    if arguments.json:
        print(json.dumps({"written": written, "lost_entries": sum(dropped), "problems": failed}, indent=2))
    else:
        for file in written:
            print(f"{file['path']}: {file['events']} {file['unit']}")
    for line in failed:
        print(f"storsim: {line}", file=sys.stderr)
    if dropped and dropped[0]:
        print(f"storsim: the trace ring lost its {dropped[0]} oldest entries; raise trace_entries", file=sys.stderr)
    return EXIT_FOUND if failed else EXIT_DONE


def _target(target: str, settings: dict[str, Any]) -> Callable[[], object]:
    """What runs a target. A journal runs as the program that it is printed as, with the trace ring asked for."""
    from storsim.testing.targets import TargetError, resolve

    try:
        with open(target, "rb") as file:
            recorded = file.read(8) == b"STORSIMJ"
    except OSError:
        recorded = False
    if not recorded:
        return resolve(target, settings)
    from storsim.journal import load

    try:
        program = load(target).script()
    except ValueError as error:
        raise TargetError(f"{target}: {error}") from error
    entries = settings["trace_entries"]
    program = re.sub(
        r"(?m)^(pc = storsim\.Machine\((?!.*trace_entries=).*)\)$", rf"\1, trace_entries={entries})", program
    )
    code = compile(program, f"{target}.py", "exec")
    return lambda: exec(code, {"__name__": "__main__"})


def _write(export: Any, machine: Machine, path: str, by: str, written: list[dict[str, Any]]) -> str:
    """Writes one file and notes it; returns what was wrong, or nothing."""
    kind = export.FORMATS[os.path.splitext(path)[1].lower()]
    more = {"by": by} if kind == "perfetto" else {}
    try:
        result = getattr(export, kind)(machine, path, **more)
    except (ValueError, ImportError, OSError) as error:
        return f"{path}: {error.strerror if isinstance(error, OSError) else error}"
    count, unit = (result.frames, f"frames, {result.format}") if kind == "wav" else (result, "events")
    written.append({"path": path, "kind": kind, "events": count, "unit": unit})
    return ""
