"""What one simulated call led to, in the vocabulary of the misuse tables: status, violation, bugcheck."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import storsim
from storsim.storport import StorStatus


def status_of(result: Any) -> Any:
    """The STOR_STATUS in a result: the result itself, or the first member of a result with outputs; None without
    one.
    """
    if isinstance(result, StorStatus):
        return result
    if isinstance(result, tuple) and result and isinstance(result[0], StorStatus):
        return result[0]
    return None


@dataclass
class Outcome:
    """What a call answered, what it left in ``pc.violations``, and whether it raised."""

    result: Any = None
    status: Any = None
    violations: list[Any] = field(default_factory=list)
    raised: Any = None
    bugcheck: Any = None

    @property
    def names(self) -> list[str]:
        """Names of the violations recorded by this call."""
        return [record.name for record in self.violations]

    @property
    def code(self) -> tuple[int, ...] | None:
        """Bugcheck code followed by its parameters, or None when the machine runs on."""
        return None if self.bugcheck is None else (int(self.bugcheck.code), *(int(p) for p in self.bugcheck.parameters))

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The out-parameters of the result, in documented order."""
        return tuple(self.result[1:]) if isinstance(self.result, tuple) else ()

    def __repr__(self) -> str:
        stop = None if self.code is None else "(" + ", ".join(f"0x{value:X}" for value in self.code) + ")"
        return f"<result={self.result!r} violations={self.names} raised={self.raised is not None} bugcheck={stop}>"


def observe(pc: storsim.Machine, call: Callable[[], Any]) -> Outcome:
    """Makes the call and gathers everything it did."""
    before = len(pc.violations)
    outcome = Outcome()
    try:
        outcome.result = call()
    except storsim.Violation as raised:
        outcome.raised = raised
        outcome.result = raised.result
    except storsim.BugCheck as stop:
        outcome.bugcheck = stop
    outcome.status = status_of(outcome.result)
    outcome.violations = list(pc.violations)[before:]
    return outcome


def code_matches(got: tuple[int, ...] | None, expected: tuple[int | None, ...]) -> bool:
    """Compares bugcheck code and parameters; None in the expectation stands for any value, a shorter one for a
    prefix.
    """
    if got is None or len(expected) > len(got):
        return False
    return all(want is None or want == have for want, have in zip(expected, got, strict=False))
