"""The base machines: correct drivers pass, planted faults are found, told as what they are, and shrunk."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

import storsim
from kit.drivers import FunctionDriver, Miniport, Swallower, with_bug
from storsim.storport import *
from storsim.testing import DriverFinding, Request, StorageDriverMachine
from storsim.testing.strategies import AdapterConfig, MachineConfig, Transfer

BUDGET = settings(
    max_examples=60,
    stateful_step_count=15,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def found(machine: type[Any], number: int = 0) -> tuple[BaseException, list[str]]:
    """The failure of a machine and the program that Hypothesis prints for it, without beginning and end."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        run_state_machine_as_test(seed(number)(machine), settings=settings(BUDGET, max_examples=600))
    error = caught.value
    assert not isinstance(error, ExceptionGroup), [str(one) for one in error.exceptions]
    lines = [line for note in error.__notes__ for line in note.splitlines() if line.startswith("state.")]
    assert lines[0].startswith("state.begin(")
    for line in lines:
        compile(line, "step", "exec")
        assert not re.search(r"0x[0-9a-f]{6}|<", line), line
    return error, lines[1:-1]


@pytest.mark.parametrize("machine", [Miniport, FunctionDriver])
def test_a_correct_driver_passes_and_repeats(machine: type[Any]) -> None:
    def run() -> list[int]:
        digests: list[int] = []

        class Noting(machine):  # type: ignore[misc]
            def _check_machine(self) -> None:
                digests.append(self.pc.digest())
                super()._check_machine()

        run_state_machine_as_test(seed(1)(Noting), settings=BUDGET)
        return digests

    first = run()
    assert len(first) >= BUDGET.max_examples
    assert run() == first


@pytest.mark.parametrize(
    ("bug", "name", "most"),
    [
        ("bring_up", "DMA_LEAK", 1),
        ("d3", "DOUBLE_FREE", 3),
        ("reset", "POOL_LEAK", 4),
        ("swapped", "DATA_MISMATCH", 3),
        ("twice", "COMPLETED_TWICE", 5),
    ],
)
def test_a_fault_of_a_miniport_is_found_and_told_by_its_name(bug: str, name: str, most: int) -> None:
    error, steps = found(with_bug(Miniport, bug))
    assert isinstance(error, DriverFinding)
    assert error.name == name
    assert str(error).split(":")[0] == name or name in str(error)
    assert len(steps) <= most, steps


def test_a_fault_of_a_function_driver_is_found() -> None:
    error, steps = found(with_bug(FunctionDriver, "paused"))
    assert isinstance(error, DriverFinding)
    assert error.record is not None
    assert str(error) == error.record.text
    assert error.name == "ENGINE_NOT_RESET"
    assert len(steps) <= 5, steps


def test_an_exception_of_the_driver_is_itself() -> None:
    error, steps = found(with_bug(Miniport, "index"))
    assert type(error) is IndexError
    assert len(steps) <= 6


def test_a_swallowed_bugcheck_fails_all_the_same() -> None:
    error, steps = found(Swallower)
    assert isinstance(error, DriverFinding)
    assert "BugCheck" in str(error)
    assert len(steps) == 2


def test_what_is_allowed_does_not_fail() -> None:
    class Tolerant(with_bug(Miniport, "bring_up")):  # type: ignore[misc]
        allow = frozenset({"DMA_LEAK"})

    run_state_machine_as_test(seed(0)(Tolerant), settings=BUDGET)


def test_two_causes_are_two_failures() -> None:
    class Both(Miniport):
        def reset(self) -> None:
            StorPortAllocatePool(self.hba, 100, "Aaaa")
            super().reset()

        def complete(self, request: Request) -> None:
            StorPortAllocatePool(self.hba, 200, "Aaaa")
            super().complete(request)

    def run(step: str, **arguments: Any) -> type[BaseException]:
        machine = Both()
        with pytest.raises(DriverFinding) as caught:  # noqa: PT012
            try:
                machine.begin(machine=MachineConfig(), adapter=AdapterConfig(), without=())
                machine.plug_in(fail=0)
                machine.submit(transfer=Transfer(), fail=0)
                getattr(machine, step)(fail=0, **arguments)
            finally:
                machine.teardown()
        return caught.type

    first, second = run("bus_reset"), run("finish", which=0)
    assert first.__name__ == second.__name__ == "POOL_LEAK"
    assert first is not second
    assert run("bus_reset") is first


def test_rules_without_a_hook_do_not_exist() -> None:
    class Bare(StorageDriverMachine):
        def bring_up(self) -> None: ...
        def request(self, request: Any) -> object:
            return False

        def remove(self) -> None: ...

    names = {one.function.__name__ for one in Bare.setup_state().rules}
    assert "sleep" not in names
    assert "bus_reset" not in names
    more = type("More", (Bare,), {"power": lambda self, state: None})
    assert "sleep" in {one.function.__name__ for one in more.setup_state().rules}
    assert len(Miniport.setup_state().rules) <= 25
    run_state_machine_as_test(seed(0)(Bare), settings=BUDGET)


def test_the_machine_is_closed_and_warnings_are_as_before() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        machine = Miniport()
        assert list(warnings.filters) != before
        machine.begin(machine=machine.config, adapter=machine.adapter, without=())
        machine.plug_in(fail=0)
        machine.teardown()
        assert machine.pc.closed
        assert list(warnings.filters) == before


def test_the_failure_shows_the_calls_as_a_program() -> None:
    error, _ = found(with_bug(Miniport, "bring_up"))
    (program,) = [note for note in error.__notes__ if note.startswith("What was called")]
    code = program.partition("\n")[2]
    assert "StorPortAllocateDmaMemory(" in code
    with pytest.raises(storsim.BugCheck, match="DMA_LEAK"):
        exec(compile(code, "program", "exec"), {})


def test_a_guided_machine_tells_hypothesis_what_it_reached() -> None:
    told: list[tuple[str, float]] = []

    class Guided(Miniport):
        guided = True

        def _guide(self) -> None:
            told.append(("behaviours", float(len(self.pc.behaviours))))
            told.append(("bytes", float(self._most_bytes)))
            super()._guide()

    run_state_machine_as_test(seed(0)(Guided), settings=settings(BUDGET, max_examples=10))
    assert max(value for name, value in told if name == "behaviours") >= 8
    assert max(value for name, value in told if name == "bytes") >= 512
