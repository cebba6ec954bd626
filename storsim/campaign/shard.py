"""`run_shard`: a pure function of plan and index that survives whatever the target does.

Each round runs in a process of its own. What Hypothesis draws depends on what its process has imported and run before,
so that a round would not be a pure function of plan and number in one that ran others.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from storsim.campaign import findings, journals
from storsim.campaign.plan import Plan
from storsim.campaign.regression import name_of_end
from storsim.campaign.worker import NO_ROUND, make_status, read_status
from storsim.testing.targets import TargetError

SCHEMA = 1
POLL = 0.05
#: Bytes of a set of behaviours that name its tables; the numbers of behaviours mean something only with them.
TABLES = 24
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from storsim.campaign.worker import main; sys.exit(main())"
)


class Ended(Exception):
    """A worker process ended before its order was done. kind: crash or hang. code: exit code, or minus the signal."""

    def __init__(self, kind: str, code: int, output: str) -> None:
        super().__init__(kind, code)
        self.kind = kind
        self.code = code
        self.output = output

    @property
    def name(self) -> str:
        """SIGABRT, EXIT_3, TIMEOUT."""
        return "TIMEOUT" if self.kind == "hang" else name_of_end(self.code)


class Stopped(Exception):
    """The process was ended because somebody asked for it."""


_asked = threading.local()


def stop_when(event: threading.Event) -> None:
    """From now on processes that this thread waits for are ended when the event is set."""
    _asked.event = event


class Worker:
    """One process with an order, and the files they share."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.answers = folder / "answers.jsonl"
        self.status = folder / "status"
        self.log = folder / "steps.jsonl"
        self.output = folder / "output.txt"

    def run(self, order: dict[str, Any], patience: float | None = None) -> list[dict[str, Any]]:
        """Gives the order and returns the answers. patience: seconds without a new program or step (None: the plan's).
        Raises Ended, with the answers so far in the file; TargetError.
        """
        self.answers.write_text("")
        make_status(str(self.status))
        order = order | {
            "plan": self.plan.as_dict(),
            "folder": self.plan.folder,
            "answers": str(self.answers),
            "status": str(self.status),
            "log": str(self.log),
        }
        with self.output.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, json.dumps([one for one in sys.path if one])],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
            try:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(json.dumps(order).encode() + b"\n")
                    process.stdin.flush()
                hung = self._wait(process, self.plan.timeout if patience is None else patience)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                if process.stdin is not None:
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.close()
        if hung or process.returncode != 0:
            text = self.output.read_bytes()[-4000:].decode(errors="replace")
            raise Ended("hang" if hung else "crash", process.returncode, text)
        return self.read()

    def _wait(self, process: subprocess.Popen[bytes], patience: float) -> bool:
        """Waits for the end. True where the process did not move for too long; loading the target may take longer."""
        state, since = read_status(str(self.status)), time.monotonic()
        event: threading.Event | None = getattr(_asked, "event", None)
        while True:
            if event is not None and event.is_set():
                raise Stopped
            try:
                process.wait(POLL)
                return False
            except subprocess.TimeoutExpired:
                now = read_status(str(self.status))
                if now != state:
                    state, since = now, time.monotonic()
                elif time.monotonic() - since > (max(patience, 60.0) if now[0] == NO_ROUND else patience):
                    return True

    def read(self) -> list[dict[str, Any]]:
        """The whole lines of the answer file. Raises TargetError where the process says that the target will not do."""
        found = self.read_quietly()
        for answer in found:
            if "error" in answer:
                raise TargetError(answer["error"])
        return found

    def read_quietly(self) -> list[dict[str, Any]]:
        """The whole lines of the answer file."""
        lines = self.answers.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def run_shard(plan: Plan, index: int) -> dict[str, Any]:
    """Runs one shard of a plan and returns its result, JSON-able.

    index: 0-based. The same plan and index give the same result, apart from ``seconds`` (and, where the plan's budget
    is time, from how many rounds there were). A crash or a hang of the target is a finding of its round, and ends that
    round. Raises ValueError for an index there is not, TargetError for a target that cannot be run.
    """
    began = time.monotonic()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="storsim-", ignore_cleanup_errors=True) as folder:
        worker = Worker(plan, Path(folder))
        for number in plan.rounds_of(index):
            if plan.seconds and rounds and time.monotonic() - began >= plan.seconds / plan.shards:
                break
            try:
                rounds += worker.run({"round": number})
            except Ended as end:
                rounds.append(_autopsy(worker, end))
    return _result(plan, index, rounds, time.monotonic() - began)


def _autopsy(worker: Worker, end: Ended) -> dict[str, Any]:
    """The result of the round in which the process ended: it is run again up to the program that did it, then step by
    step.
    """
    number, program, _ = read_status(str(worker.status))
    if number == NO_ROUND:
        text = " ".join(end.output.split()[-40:])
        raise TargetError(
            f"{worker.plan.target}: the process ended with {end.name} while the target was loaded: {text}"
        )
    for path in worker.log.parent.glob(f"{worker.log.name}*"):
        path.unlink()
    again: Ended | None = None
    try:
        answers = worker.run({"round": number, "autopsy": program})
    except Ended as same:
        again, answers = same, worker.read()
    if not answers:  # it ended even earlier this time
        empty: dict[str, Any] = dict.fromkeys(("programs", "started", "steps", "machines"), 0)
        answers = [{"round": number, **empty, "behaviours": [], "rules": [], "findings": [], "seconds": 0.0}]
    result = answers[-1]
    result["findings"].append(_end_finding(worker, end, again, result["programs"] + 1))
    result["programs"] += 1
    result["started"] += 1
    result["cut"] = True
    return result


def _end_finding(worker: Worker, end: Ended, again: Ended | None, program: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    if again is not None and worker.log.exists():
        steps = [json.loads(line) for line in worker.log.read_text(encoding="utf-8").splitlines()]
    last = steps[-1] if steps else {"rule": "", "example": ""}
    told = again or end
    what = (
        f"the program did not go on for {worker.plan.timeout:g} s"
        if told.kind == "hang"
        else f"the process of the program ended with {told.name}"
    )
    where = f" in rule {last['rule']}" if last["rule"] else ""
    repeated = "" if again is not None else "; it did not happen again when the round was repeated"
    tail = "" if told.kind == "hang" else "".join(f"\n{line}" for line in _last_words(told.output))
    data = findings.from_end(told.kind, told.name, last["rule"], f"{what}{where}{repeated}.{tail}".rstrip())
    return data | {
        "program": program,
        "count": 1,
        "example": last["example"],
        "size": [len(steps), 0],
        "lines": _program_lines(steps),
        "journal": base64.b64encode(journals.last_on_disk(str(worker.log)) if again is not None else b"").decode(),
    }


def _last_words(output: str) -> list[str]:
    """What a process wrote last, without what differs from run to run: the stack of the thread that ended it."""
    lines = output.splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("Current thread ")]
    if not heads:
        return [line for line in lines[-6:] if "0x" not in line]
    stack = itertools.takewhile(lambda line: line.startswith("  File "), lines[heads[-1] + 1 :])
    own = [
        line for line in stack if not any(part in line for part in (findings.PACKAGE, f"{os.sep}hypothesis{os.sep}"))
    ]
    return [line for line in lines[: heads[0]] if line.startswith("Fatal ")] + own[:8]


def _program_lines(steps: list[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for number, step in enumerate(steps):
        made = steps[number + 1]["made"] if number + 1 < len(steps) else []
        call = f"state.{step['rule']}({', '.join(f'{name}={word}' for name, word in step['arguments'].items())})"
        lines.append(f"{', '.join(made)} = {call}" if made else call)
    return lines


def _result(plan: Plan, index: int, rounds: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    from storsim import _core
    from storsim.coverage import Behaviours

    return {
        "schema": SCHEMA,
        "plan": plan.hash,
        "storsim": _core.CORE_VERSION,
        "tables": bytes(Behaviours())[:TABLES].hex(),
        "shard": index,
        "shards": plan.shards,
        "rounds": rounds,
        "seconds": seconds,
    }


def run_shard_of(plan: dict[str, Any], folder: str, index: int) -> dict[str, Any]:
    """`run_shard` for executors: plain data in, plain data out."""
    from storsim.campaign.plan import plan_from

    return run_shard(plan_from(plan, folder), index)
