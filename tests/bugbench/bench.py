"""Drives a model with its ready machine, and replays the shortest sequence that shows its bug."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.testing.strategies import AdapterConfig, MachineConfig, StreamSpec, Transfer

from . import audio_events, audio_streams, held_out, storage_memory, storage_requests
from .kit import Miniport

STEPS_PER_CASE = 30
NAMES = {
    "MachineConfig": MachineConfig, "AdapterConfig": AdapterConfig, "StreamFormat": StreamFormat,
    "Transfer": Transfer, "StreamSpec": StreamSpec,
}  # fmt: skip
DEFAULTS: dict[str, dict[str, Any]] = {
    "begin": {"machine": MachineConfig(), "without": ()},
    "submit": {"transfer": Transfer(), "fail": 0},
    "finish": {"which": 0, "fail": 0},
    "late_completion": {"which": 0},
    "open_stream": {"spec": StreamSpec(), "fail": 0},
    "start_stream": {"which": 0, "fail": 0},
    "pause_stream": {"which": 0, "fail": 0},
    "close_stream": {"which": 0, "fail": 0},
    "reformat_stream": {"which": 0, "format": StreamFormat(), "fail": 0},
    "refill_stream": {"which": 0},
    "send_verb": {"command": HDAUDIO_CODEC_COMMAND.Verb8(0, 0, 0xF00, 0), "fail": 0},
    "wait": {"ticks": 24_000},
    "pull_out": {"fail": 0},
    "device_event": {},
    **{
        name: {"fail": 0}
        for name in "bus_reset work_item stop_adapter restart_adapter sleep wake unplug plug_in tick".split()
    },
    "abort_request": {"which": 0, "fail": 0},
}  # fmt: skip


def models(*, also_held_out: bool = False) -> list[type[Any]]:
    """The thirty, in the order of the files, or these and the ten that were held out."""
    found = []
    modules = (storage_memory, storage_requests, audio_streams, audio_events)
    for module in (*modules, held_out) if also_held_out else modules:
        found += [
            item
            for item in vars(module).values()
            if isinstance(item, type) and item.__module__ == module.__name__ and hasattr(item, "shortest")
        ]
    return found


def twin(model: type[Any]) -> type[Any]:
    """The corrected driver: the same class with the planted bug switched off."""
    return type(model.__name__ + "Twin", (model,), {"bug": False, "__module__": model.__module__})


class NotAllowed(AssertionError):
    """A sequence makes a call where the machine would not make it."""


def replay(model: type[Any], calls: str) -> BaseException | None:
    """Makes the calls of a sequence such as ``begin(); submit(length=512); sleep()`` and ends; what came of it."""
    machine = model()

    def caller(name: str) -> Any:
        def call(**arguments: Any) -> None:
            given = dict(DEFAULTS[name])
            if name == "begin" and issubclass(model, Miniport):
                given["adapter"] = AdapterConfig()
            rule = getattr(machine, name)
            made_of = getattr(rule, "hypothesis_stateful_rule", None) or rule.hypothesis_stateful_initialize_rule
            allowed = all(ready(machine) for ready in made_of.preconditions)
            if not allowed and machine.bug:
                raise NotAllowed(f"{name}() cannot be called here")
            if allowed:
                rule(**{key: value for key, value in (given | arguments).items() if key in signature(rule).parameters})

        return call

    scope = {name: caller(name) for name in DEFAULTS} | NAMES
    error: BaseException | None = None
    try:
        exec(calls, scope)
    except Exception as raised:
        error = raised
    try:
        machine.teardown()
    except Exception as raised:
        error = error or raised
    return error


def length(calls: str) -> int:
    """Number of calls in a sequence."""
    return len(calls.split(";"))


@dataclass
class Run:
    """What a run of one model gave. steps: calls until the first finding, or all. found: the finding's name. calls: the
    final sequence."""

    steps: int = 0
    failed: bool = False
    found: str = ""
    calls: list[str] = field(default_factory=list)
    seconds: float = 0.0


class BudgetSpent(KeyboardInterrupt):
    """Ends a run: the budget of steps is used up."""


def counted(model: type[Any], run: Run, budget: int) -> type[Any]:
    """The model with every step counted and written down."""

    class Counted(model):  # type: ignore[misc]
        def __init__(self) -> None:
            if not run.failed and run.steps >= budget:
                raise BudgetSpent
            super().__init__()

        def check_invariants(self, *arguments: Any) -> None:
            run.steps += not run.failed
            super().check_invariants(*arguments)

        def teardown(self) -> None:
            error = sys.exc_info()[1]
            try:
                super().teardown()
            except Exception as raised:
                error = raised
                raise
            finally:
                if isinstance(error, Exception) and not type(error).__module__.startswith("hypothesis"):
                    run.failed = True

    Counted.__name__ = Counted.__qualname__ = model.__name__
    return Counted


def drive(model: type[Any], number: int, budget: int, *, shrink: bool = True) -> Run:
    """Runs a model with a seed until a finding, which is then shrunk, or until the budget is spent."""
    run = Run()
    machine = counted(model, run, budget)
    started = time.perf_counter()
    output = io.StringIO()
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    rules = settings(
        max_examples=1_000_000, stateful_step_count=STEPS_PER_CASE, deadline=None, database=None, derandomize=False,
        suppress_health_check=list(HealthCheck), phases=phases, report_multiple_bugs=False,
        print_blob=False,
    )  # fmt: skip
    seed(number)(machine)
    try:
        with contextlib.redirect_stdout(output):
            run_state_machine_as_test(machine, settings=rules)
    except BudgetSpent:
        pass
    except Exception as error:
        run.found = type(error).__name__
        notes = "\n".join(getattr(error, "__notes__", ())) or output.getvalue()
        run.calls = [line.strip() for line in notes.splitlines() if line.strip().startswith("state.")]
        run.calls = [line for line in run.calls if not line.startswith("state.teardown")]
    run.seconds = time.perf_counter() - started
    return run
