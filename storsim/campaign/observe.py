"""What the machines of a program did: their findings and behaviours, read before a machine closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storsim import machine as machine_module
from storsim.campaign.plan import add_fault
from storsim.coverage import Behaviours
from storsim.testing import programs

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from storsim.machine import Machine
    from storsim.records import Finding
    from storsim.testing.programs import ProgramRun


class Observer:
    """Sees every machine made while it is entered, and gives each the fault rules of the plan.

    One program after another: `begin`, the program, `end`. A machine that lives on from one program to the next counts
    in each with what is new.
    """

    def __init__(self, faults: Sequence[Mapping[str, Any]] = ()) -> None:
        self.faults = faults
        self.seen = Behaviours()
        self.found: list[Finding] = []
        self.machines = 0
        self.of_program: list[Machine] = []
        self._open: dict[int, tuple[Machine, int]] = {}
        self._cut = False

    def __enter__(self) -> Self:
        machine_module.observers.append(self._watch)
        programs.listeners.append(self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        machine_module.observers.remove(self._watch)
        programs.listeners.remove(self._count)

    def _count(self, run: ProgramRun) -> None:
        """A program of bytes ran, whose machines live and die inside the core."""
        self.machines += run.machines
        self.seen |= run.behaviours

    def _watch(self, machine: Machine) -> None:
        self.machines += 1
        number = self.machines
        self._open[number] = (machine, 0)
        self.of_program.append(machine)
        for rule in self.faults:
            add_fault(machine, rule)

        def close() -> None:
            if number in self._open and not machine.closed:
                self._harvest(number)
                del self._open[number]
            type(machine).close(machine)

        vars(machine)["close"] = close

    def _harvest(self, number: int) -> None:
        machine, known = self._open[number]
        findings = machine.findings
        if not self._cut:
            self.found += findings[known if len(findings) >= known else 0 :]
        self._open[number] = (machine, len(findings))
        self.seen |= machine.behaviours

    def begin(self) -> None:
        """A program begins."""
        self.seen = Behaviours()
        self.found.clear()
        self._cut = False
        self.of_program = [machine for machine, _ in self._open.values()]

    def cut(self) -> None:
        """The program has failed: what machines find from here on follows from that."""
        for number in list(self._open):
            machine, known = self._open[number]
            findings = machine.findings
            self.found += findings[known if len(findings) >= known else 0 :]
            self._open[number] = (machine, len(findings))
        self._cut = True

    def end(self) -> None:
        """The program is over: machines left open are read, too."""
        for number in list(self._open):
            if self._open[number][0].closed:  # by the core itself
                del self._open[number]
            else:
                self._harvest(number)

    def close_left_open(self) -> None:
        """Closes machines that the program left open, as a with block would."""
        for machine, _ in list(self._open.values()):
            if not machine.closed:
                machine.__exit__(None, None, None)
