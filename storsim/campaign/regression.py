"""What written regression tests are made of: `no_findings` around a program, `replay` of a kept one."""

from __future__ import annotations

import base64
import contextlib
import functools
import inspect
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from storsim.campaign import findings
from storsim.campaign.observe import Observer
from storsim.testing.targets import load as load

__all__ = ["NotApplicable", "load", "no_findings", "replay", "start", "survives"]


class NotApplicable(Exception):
    """A step of a program cannot be taken in the state that the driver is in; the program ends there."""


def start(machine: type[Any]) -> Any:
    """A state machine for a program in Python: a rule whose precondition does not hold raises NotApplicable.

    A driver that was mended may go another way than the one the program was found with; `no_findings` ends the program
    where it does.
    """
    from hypothesis.stateful import INITIALIZE_RULE_MARKER, RULE_MARKER

    state = machine()
    for name, function in inspect.getmembers(machine):
        rule = getattr(function, RULE_MARKER, None) or getattr(function, INITIALIZE_RULE_MARKER, None)
        if rule is not None and rule.preconditions:
            setattr(state, name, _guarded(state, function, rule.preconditions))
    return state


def _guarded(state: Any, function: Callable[..., Any], preconditions: Sequence[Callable[[Any], object]]) -> Any:
    @functools.wraps(function)
    def guarded(**arguments: Any) -> Any:
        if not all(holds(state) for holds in preconditions):
            raise NotApplicable(function.__name__)
        return function(state, **arguments)

    return guarded


@contextmanager
def no_findings(
    *, faults: Sequence[Mapping[str, Any]] = (), ignore: Sequence[str] = (), raised_only: bool = False
) -> Iterator[None]:
    """The body must not make a machine find anything. Raises AssertionError with the findings' texts.

    faults: rules of a plan, for every machine made inside. ignore: names of findings that do not count. raised_only:
    only exceptions count: what a `storsim.testing.DriverMachine` wants, which looks at its machine by itself. An
    exception of the body goes through, but for NotApplicable. Machines left open are closed as a with block would.
    """
    observer = Observer(faults)
    with observer, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        observer.begin()
        with contextlib.suppress(NotApplicable):
            yield
        observer.close_left_open()
        observer.end()
    found = [] if raised_only else findings.from_records(observer.found, ignore)
    if found:
        raise AssertionError("\n".join(one["message"] for one in found))


def replay(target: str, example: str, *, folder: str = "", **plan: Any) -> None:
    """Runs a program that a campaign kept: for programs whose arguments have no text that Python could read.

    target: as in a plan. example: base64 of Hypothesis' choices. plan: more keys of the plan. Raises AssertionError
    with what was found.
    """
    from storsim.campaign.plan import Plan
    from storsim.campaign.programs import Explorer, Target

    made = Target(Plan(target=target, programs=1, folder=folder, **plan))
    explorer = Explorer(made)
    explorer.failing = bool
    explorer.replay(base64.b64decode(example), shrink=False)
    if explorer.findings:
        raise AssertionError("\n".join(one["message"] for one in explorer.findings.values()))


def survives(program: str, *, folder: str = "", timeout: float = 60.0) -> None:
    """Runs a program in a process of its own, because it ended the process it was found in. program: Python source.
    timeout: seconds. Raises AssertionError unless the process ends by itself and well.
    """
    ending, output = ending_of(program, folder=folder, timeout=timeout)
    if ending == "TIMEOUT":
        raise AssertionError(f"the program did not end within {timeout:g} s")
    if ending:
        raise AssertionError(f"the program's process ended with {ending}:\n{output[-2000:]}")


def ending_of(program: str, *, folder: str = "", timeout: float = 60.0) -> tuple[str, str]:
    """Runs a program in a process of its own. How that ended, and what it wrote: "" for well, or SIGABRT, EXIT_3,
    TIMEOUT."""
    path = os.pathsep.join(one for one in sys.path if one)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        cwd=folder or None,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
        ending = name_of_end(process.returncode) if process.returncode else ""
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        ending = "TIMEOUT"
    return ending, output.decode(errors="replace")


def name_of_end(code: int) -> str:
    """SIGABRT for minus the number of a signal, EXIT_3 for an exit code."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"EXIT_{code:#x}" if code > 255 else f"EXIT_{code}"
