"""`RuleMachine`, the common base of the small rule machines, and the rules that all can use: IRQL, faults, time.

A rule machine calls the simulated routines directly, correctly and in any order, and knows which status each call may
give. Compose what you need by inheritance, add rules of your own, and run it:

    class Mine(PoolRules, DmaRules, FaultRules, RuleMachine):
        pass

    TestMine = Mine.TestCase

Findings, the machine's invariants and leaks are looked at by the base. Values in bundles print as short valid Python,
such as ``Pool(3, 4096, tag='Abcd')``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from storsim.enums import Irql
from storsim.errors import StorsimError, ViolationWarning
from storsim.machine import Machine
from storsim.testing import strategies
from storsim.testing.failures import failure, from_finding, worth_failing
from storsim.testing.specs import MachineConfig
from storsim.testing.steps import ShrinkingSteps, swarms

#: Machines with many pages take long to check: one test case in so many ends with ``pc.check()``, always the same ones.
CHECK_EVERY = 4


class Resource:
    """Something that a rule machine has taken and gives back at the end. number: 1, 2, … over the test case.

    The repr is a call with the number and what was asked for; two are equal when these are.
    """

    number: int

    def release(self, machine: Any) -> None:
        """Gives it back; used by the rule that frees, and at the end."""
        raise NotImplementedError

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments that the repr shows: positional after the number, and by keyword."""
        return (), {}

    def __repr__(self) -> str:
        positional, named = self.shown()
        values = [repr(self.number), *map(repr, positional), *(f"{name}={value!r}" for name, value in named.items())]
        return f"{type(self).__name__}({', '.join(values)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(self.number)


class RuleMachine(ShrinkingSteps):
    """Base of the rule machines. Attributes: `pc` (the Machine), `live` (resources by number), `level` (the IRQL).

    machine_settings: keywords of `storsim.Machine` that stay as given. allow: names of findings that do not fail.
    """

    machine_settings: ClassVar[dict[str, Any]] = {}
    idle_rules: ClassVar[tuple[str, ...]] = (
        "advance", "run_until_interrupt", "fail_nth", "no_faults", "raise_irql", "lower_irql",
    )  # fmt: skip
    allow: ClassVar[frozenset[str] | set[str]] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.pc: Machine = None  # type: ignore[assignment]  # until begin
        self.live: dict[int, Resource] = {}
        self.level = 0
        self._began = False
        self._failed = False
        self._known = 0
        self._numbers = 0
        self._outer = sys.exc_info()[1]
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore", ViolationWarning)

    @initialize(machine=strategies.machines(), without=swarms())
    def begin(self, machine: MachineConfig, without: tuple[str, ...]) -> None:
        """A machine with what the rules need in it. without: rules that this test case leaves out."""
        self.left_out = without
        self.pc = machine.make(**self.machine_settings)
        self._began = True
        self.attach()
        self._known = self.pc._finding_count()

    def attach(self) -> None:
        """Puts devices into the machine; mix-ins override it and call the next."""

    def detach(self) -> None:
        """Takes them out; mix-ins override it and call the next."""

    def number(self) -> int:
        """The number of the next resource."""
        self._numbers += 1
        return self._numbers

    def look(self, everything: bool = False) -> None:
        """After each step: a new finding fails the test. everything: so does a broken invariant of the machine, which
        takes longer to look for, at the end of a test case."""
        pc = self.pc
        if pc._finding_count() != self._known:
            fresh = pc._findings(self._known)
            self._known += len(fresh)
            finding = worth_failing(fresh, self.allow)
            if finding is not None:
                self._failed = True
                raise from_finding(finding)
        if not everything:
            return
        broken = pc.check()
        if broken:
            self._failed = True
            raise failure("MACHINE_INVARIANT", f"{broken} (a bug of storsim: please report it)")

    def expect(self, status: int, allowed: Iterable[int], call: str) -> None:
        """Fails unless a status is among those that the documentation allows here."""
        if status not in allowed:
            self._failed = True
            names = ", ".join(getattr(one, "name", hex(one)) for one in allowed)
            raise failure("WRONG_STATUS", f"{call} gave {getattr(status, 'name', hex(status))}; expected {names}.")

    def teardown(self) -> None:
        """Gives everything back, the newest first, takes the devices out, and looks for leaks."""
        try:
            under_way = sys.exc_info()[1]
            failed = self._failed or (under_way is not None and under_way is not self._outer)
            if self._began and not failed:
                self._end()
        finally:
            self._warnings.__exit__(None, None, None)
            if self._began:
                self.pc.close()

    def _end(self) -> None:
        if self.level:
            self.pc._set_irql(0)
        self.look(everything=self._numbers % CHECK_EVERY == 0)
        self.pc.faults.clear()
        for resource in reversed(list(self.live.values())):
            resource.release(self)
        self.live.clear()
        try:
            self.detach()
        except StorsimError:
            self.look()
            raise
        self.look()


def at_passive(self: Any) -> bool:
    """Precondition: PASSIVE_LEVEL."""
    return bool(self.level == 0)


class IrqlRules(RuleMachine):
    """Raises to DISPATCH_LEVEL and goes back; rules that need PASSIVE_LEVEL wait meanwhile."""

    @precondition(at_passive)
    @rule()
    def raise_irql(self) -> None:
        """Up to DISPATCH_LEVEL: as in a DPC, or holding a spin lock."""
        self.pc._set_irql(Irql.DISPATCH_LEVEL)
        self.level = int(Irql.DISPATCH_LEVEL)
        self.look()

    @precondition(lambda self: self.level != 0)
    @rule()
    def lower_irql(self) -> None:
        """Back to PASSIVE_LEVEL; what waited is delivered."""
        self.level = 0
        self.pc._set_irql(Irql.PASSIVE_LEVEL)
        self.look()


class FaultRules(RuleMachine):
    """Makes one of the next calls fail that can fail."""

    @rule(nth=st.sampled_from(range(1, 9)))
    def fail_nth(self, nth: int) -> None:
        """The nth call from now fails with its documented status."""
        self.pc.faults.fail_nth(None, nth)

    @rule()
    def no_faults(self) -> None:
        """Withdraws what was planned."""
        self.pc.faults.clear()


class TimeRules(RuleMachine):
    """Lets time pass."""

    @rule(ticks=strategies.time_steps(2_400_000))
    def advance(self, ticks: int) -> None:
        """Time passes; interrupts and DPCs run."""
        self.pc._advance(ticks)
        self.look()

    @rule(limit=strategies.time_steps(240_000))
    def run_until_interrupt(self, limit: int) -> None:
        """Until an interrupt was delivered, at most `limit` ticks."""
        before = self.pc.now
        self.pc._run_until_interrupt(limit)
        assert before <= self.pc.now <= before + limit
        self.look()
