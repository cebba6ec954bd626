"""Exceptions. They carry data; the text is put together when somebody reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storsim.enums import NtStatus, StorStatus
    from storsim.records import Finding


class StorsimError(Exception):
    """Base of what the simulated machine raises."""


class BugCheck(StorsimError):
    """Real Windows or Driver Verifier would stop here. The machine is dead and can be read, or restored from a
    snapshot.

    code: bugcheck number. parameters: its four parameters. record: the finding behind it. leaks: at the removal of an
    adapter, what leaked. Source: the bugcheck reference page named in ``record.source``.
    """

    def __init__(self, record: Finding, leaks: tuple[Finding, ...] = ()) -> None:
        super().__init__(record, leaks)
        self.record = record
        self.leaks = leaks

    @property
    def code(self) -> int:
        """Bugcheck number, for example 0xC2."""
        return self.record.code

    @property
    def name(self) -> str:
        """Symbolic name of the code, for example BAD_POOL_CALLER; the rule behind it is ``record.name``."""
        return self.record.code_name

    @property
    def parameters(self) -> tuple[int, int, int, int]:
        """The four parameters."""
        return self.record.parameters

    def __str__(self) -> str:
        if not self.leaks:
            return self.record.text
        listed = [f"{leak.name} at 0x{leak.address:X}, allocated at {leak.allocated_at}" for leak in self.leaks]
        return "\n".join([self.record.text, f"  Leaked ({len(listed)}):", *(f"    {line}" for line in listed)])

    def __repr__(self) -> str:
        return f"<BugCheck 0x{self.code:X}({', '.join(f'0x{p:X}' for p in self.parameters)})>"


class MachineStopped(StorsimError):
    """The machine stopped at an earlier bugcheck: it can be read, and restored, but not used.

    record: the finding of that bugcheck.
    """

    def __init__(self, record: Finding | None = None) -> None:
        super().__init__(record)
        self.record = record

    def __str__(self) -> str:
        advice = "read it (violations, allocations, memory, trace) or go back with restore(snapshot)"
        if self.record is None:
            return f"the machine stopped at an earlier bugcheck; {advice}"
        code = f"0x{self.record.code:X}({', '.join(f'0x{p:X}' for p in self.record.parameters)})"
        return f"the machine stopped at bugcheck {code}; {advice}. The bugcheck was: {self.record.text}"


class Violation(StorsimError):
    """A rule was broken, and at level ``strict`` that is raised.

    record: the finding. result: what the call would have returned.
    """

    def __init__(self, record: Finding, result: Any = None) -> None:
        super().__init__(record, result)
        self.record = record
        self.result = result

    def __str__(self) -> str:
        return self.record.text

    def __repr__(self) -> str:
        return f"<Violation {self.record.name}>"


class ViolationWarning(UserWarning):
    """A rule was broken at level ``verifier``; issued once for each rule and call site.

    record: the finding.
    """

    def __init__(self, record: Finding | str = "") -> None:
        super().__init__(record)
        self.record = record

    def __str__(self) -> str:
        return self.record if isinstance(self.record, str) else self.record.text


class StatusError(StorsimError):
    """A documented status that the friendly face turns into an exception.

    status: the status. call: the routine that returned it.
    """

    status: StorStatus | NtStatus | int

    def __init__(self, status: StorStatus | NtStatus | int, call: str = "") -> None:
        super().__init__(status, call)
        self.status = status
        self.call = call

    def __str__(self) -> str:
        name = getattr(self.status, "name", f"0x{int(self.status):08X}")
        return f"{self.call}: {name}" if self.call else str(name)


class StorStatusError(StatusError):
    """A STOR_STATUS other than success."""

    status: StorStatus | int


class NtStatusError(StatusError):
    """An NTSTATUS other than success."""

    status: NtStatus | int
