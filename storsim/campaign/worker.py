"""The process that runs a round. A crash of the driver, or of the simulator, ends this process and no other.

The order comes as one line of JSON on standard input; when that ends, the process that gave it is gone and this one
ends, too. Answers are lines of a file. What is being done is kept in a small file that is
mapped into memory, so that it survives the process: round, program, and a beat that shows it is alive.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import mmap
import os
import signal
import struct
import sys
import threading
import time
import traceback
from typing import Any

from storsim.campaign import journals
from storsim.testing.targets import TargetError

STATUS = struct.Struct("<QQQ")
NO_ROUND = 2**64 - 1


class Status:
    """The mapped file: (round, program, steps) as of now."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), STATUS.size)

    def write(self, number: int, program: int, steps: int) -> None:
        """Notes what is being done."""
        STATUS.pack_into(self._map, 0, number, program, steps)


def read_status(path: str) -> tuple[int, int, int]:
    """What a process was doing, or does."""
    with open(path, "rb") as file:
        number, program, steps = STATUS.unpack(file.read(STATUS.size))
    return number, program, steps


def make_status(path: str) -> None:
    """A status file of a process that has not begun."""
    with open(path, "wb") as file:
        file.write(STATUS.pack(NO_ROUND, 0, 0))


class Answers:
    """Appends lines to the answer file."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  # open as long as the process lives

    def write(self, answer: dict[str, Any]) -> None:
        """One line, with the operating system before this returns."""
        self._file.write(json.dumps(answer, separators=(",", ":")) + "\n")
        self._file.flush()


def round_result(number: int, explorer: Any, seconds: float) -> dict[str, Any]:
    """What an explorer saw, as data."""
    return {
        "round": number,
        "programs": explorer.whole,
        "started": explorer.programs,
        "steps": explorer.steps,
        "machines": explorer.observer.machines,
        "behaviours": [list(one) for one in sorted(explorer.first.items())],
        "rules": [[*name, count] for name, count in sorted(explorer.rules.items())],
        "findings": [plain(one) for _, one in sorted(explorer.findings.items())],
        "seconds": seconds,
    }


def plain(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding whose bytes are text."""
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in finding.items()
    }


class _Log:
    """Writes the steps of one program before they run, so that the last one is known when it ends the process."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115
        self._known = 0

    def step(self, machine: Any, rule: str, arguments: dict[str, Any], drawn: frozenset[str]) -> None:
        """A rule is about to run. drawn: arguments that an earlier step made."""
        from storsim.campaign.programs import choices_so_far

        values = machine.names_to_values
        names = list(values)
        made, self._known = names[self._known :], len(names)
        words = {key: _word(value, values, key in drawn) for key, value in arguments.items()}
        example = base64.b64encode(choices_so_far()).decode()
        line = {"made": made, "rule": rule, "arguments": words, "example": example}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _word(value: Any, values: dict[str, Any], drawn: bool) -> str:
    plain_types = (int, str, bytes, bool, type(None), float)
    if drawn or not isinstance(value, plain_types):
        for name, known in values.items():
            if known is value:
                return name
    return repr(value)


class _Round:
    """One round of a plan; with ``autopsy`` in the order, up to the program that ended the process last time."""

    def __init__(self, order: dict[str, Any], target: Any, answers: Answers, status: Status) -> None:
        from storsim.campaign.programs import Explorer

        self.log = order["log"]
        self.stop_at = order.get("autopsy", 0)
        self.answers = answers
        self.status = status
        self.number = order["round"]
        self.plan = target.plan
        self.explorer = Explorer(target, self.before)
        self.began = time.monotonic()

    def run(self) -> None:
        """Runs it and answers."""
        self.explorer.explore(self.plan.programs_of(self.number), self.plan.seed_of(self.number))
        if not self.stop_at:
            self.answer()

    def answer(self) -> None:
        """What was seen so far."""
        self.answers.write(round_result(self.number, self.explorer, time.monotonic() - self.began))

    def before(self, program: int) -> None:
        """A program begins."""
        self.status.write(self.number, program, self.explorer.steps)
        if program == self.stop_at:
            self.explorer.programs -= 1
            self.answer()
            self.explorer.programs += 1
            self.explorer.logging = _Log(self.log).step
            journals.keep_on_disk(self.log)
        elif 0 < self.stop_at < program:  # it survived
            os._exit(0)


def serve(order: dict[str, Any]) -> None:
    """Does what an order says."""
    answers, status = Answers(order["answers"]), Status(order["status"])
    try:
        from storsim.campaign.plan import plan_from
        from storsim.campaign.programs import Target

        target = Target(plan_from(order["plan"], order["folder"]))
        if "minimise" in order:
            from storsim.campaign.minimise import minimise_here

            for answer in minimise_here(target, order["minimise"], status):
                answers.write(answer)
        else:
            _Round(order, target, answers, status).run()
    except (TargetError, ImportError) as error:
        answers.write({"error": " ".join(str(error).split())})


def _end_with_parent() -> None:
    while os.read(0, 65536):
        pass
    os._exit(70)


def main() -> int:
    """Reads an order and serves it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; who gave the order ends this process
    faulthandler.enable()
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)
    try:
        serve(order)
    except BaseException as error:  # a mistake of ours, or an exception that no test runner expects
        traceback.print_exc()
        Answers(order["answers"]).write({"error": f"the worker failed with {type(error).__name__}: {error}"})
    sys.stderr.flush()
    os._exit(0)  # what the target left running does not keep the process
