"""Rows about what stands on top: the ready Hypothesis machines, and journals run in C."""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import Any

from tests.bench.measure import Ratio, Row, ratios


def _steps_per_second(machine: type, count: Callable[[], int], examples: int, steps: int) -> float:
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    chosen = settings(
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        max_examples=examples,
        stateful_step_count=steps,
    )
    before, start = count(), time.perf_counter()
    run_state_machine_as_test(machine, settings=chosen)
    return (count() - before) / (time.perf_counter() - start)


def _counting(machine: type) -> tuple[type, Callable[[], int]]:
    """A machine whose finished steps are counted, whatever its rules are."""
    from hypothesis.stateful import RuleBasedStateMachine, invariant

    seen = [0]

    def count(self: Any) -> None:
        seen[0] += 1

    namespace = {"_bench_count": invariant()(count)}
    assert issubclass(machine, RuleBasedStateMachine)
    return type("Counted" + machine.__name__, (machine,), namespace), lambda: seen[0]


def _empty_twin(machine: type) -> type:
    """As many rules as the machine has, with the same names and the same argument strategies, and empty bodies."""
    from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

    namespace: dict[str, Any] = {}
    for number, each in enumerate(machine.rules()):  # type: ignore[attr-defined]
        arguments = dict(each.arguments)

        def body(self: Any, **given: Any) -> None:
            """Nothing."""

        body.__name__ = f"empty{number}"
        namespace[body.__name__] = rule(**arguments)(body)

    def nothing(self: Any) -> None:
        """Nothing."""

    for number, _ in enumerate(machine.invariants()):  # type: ignore[attr-defined]
        namespace[f"invariant{number}"] = invariant()(nothing)
    return type("Empty" + machine.__name__, (RuleBasedStateMachine,), namespace)


def hypothesis_machines(count: int, examples: int) -> list[Row]:
    """Steps per second of the ready machines against machines of the same rules that do nothing."""
    what = "{} of storsim.testing, steps per second"
    if importlib.util.find_spec("hypothesis") is None:
        return [
            Row(
                "hypothesis",
                what.format("the machines"),
                "an empty machine",
                0.8,
                missing="pip install storsim[testing]",
                least=True,
            )
        ]
    from storsim.testing.audio_driver import AudioDriverMachine
    from storsim.testing.storage_driver import StorageDriverMachine

    rows = []
    warnings.simplefilter("ignore")
    for machine in (StorageDriverMachine, AudioDriverMachine):
        ours, our_count = _counting(machine)
        empty, empty_count = _counting(_empty_twin(machine))
        found: dict[str, list[float]] = {"ours": [], "empty": []}
        for _ in range(count):
            found["ours"].append(_steps_per_second(ours, our_count, examples, 50))
            found["empty"].append(_steps_per_second(empty, empty_count, examples, 50))
        detail = {"steps_per_second": Ratio.of(found["ours"]).median, "empty": Ratio.of(found["empty"]).median}
        rows.append(
            Row(
                f"hypothesis.{machine.__name__}",
                what.format(machine.__name__),
                "an empty machine with the same rules and strategies",
                0.8,
                ratios(found["ours"], found["empty"]),
                least=True,
                detail=detail,
            )
        )
    return rows
