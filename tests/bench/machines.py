"""Steps per second of the ready rule machines, against an equal-shaped Hypothesis machine whose rules are empty.

    python -P tests/bench/machines.py            # one line per machine, the ratio last
    python -P tests/bench/machines.py StorageAll

Both run in turns in one process, with the same settings and seeds; the ratio is the median over the turns. The empty
machine has the same rules, arguments and bundles, no preconditions, and is a plain `RuleBasedStateMachine`.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from storsim.testing.machines import READY

STEPS, EXAMPLES, TURNS = 50, 60, 7


class _Thing:
    """What the empty rules put into bundles."""

    def __repr__(self) -> str:
        return "Thing()"


def empty_twin(machine: type[RuleBasedStateMachine]) -> type[RuleBasedStateMachine]:
    """A plain machine with the same rules and bundles that does nothing."""
    members: dict[str, Any] = {}
    for one in machine.setup_state().rules:
        targets = [Bundle(name) for name in one.targets]

        def nothing(self: Any, _make: bool = bool(targets), **arguments: Any) -> Any:
            return _Thing() if _make else None

        nothing.__name__ = nothing.__qualname__ = one.function.__name__
        more = {"targets": targets} if targets else {}
        members[one.function.__name__] = rule(**more, **one.arguments)(_signed(nothing, one.arguments))
    for one in machine.setup_state().initializers:

        def begin(self: Any, **arguments: Any) -> None:
            return None

        arguments = {name: value for name, value in one.arguments.items() if name != "without"}
        members[one.function.__name__] = initialize(**arguments)(_signed(begin, arguments))
    return type("Empty" + machine.__name__, (RuleBasedStateMachine,), members)


def _signed(function: Any, arguments: dict[str, Any]) -> Any:
    """The function with explicit parameters, as Hypothesis wants them."""
    names = ", ".join(arguments)
    passed = ", ".join(f"{name}={name}" for name in arguments)
    space: dict[str, Any] = {"function": function}
    exec(f"def {function.__name__}(self{', ' if names else ''}{names}): return function(self, {passed})", space)
    return space[function.__name__]


def steps_per_second(machine: type[RuleBasedStateMachine], number: int) -> float:
    """One run: steps that Hypothesis ran, per second."""
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    ran = [0]
    original = machine.teardown

    def teardown(self: Any) -> None:
        ran[0] += 1
        original(self)

    counted = type(machine.__name__, (machine,), {"teardown": teardown})
    start = time.process_time()
    run_state_machine_as_test(seed(number)(counted), settings=profile)
    return ran[0] * STEPS / (time.process_time() - start)


def measure(machine: type[RuleBasedStateMachine], turns: int = TURNS) -> tuple[float, float, float]:
    """(steps per second, of the empty twin, ratio), medians over the turns."""
    twin = empty_twin(machine)
    rates = []
    for number in range(turns):
        own, empty = steps_per_second(machine, number), steps_per_second(twin, number)
        rates.append((own, empty, own / empty))
    return tuple(statistics.median(column) for column in zip(*rates, strict=True))  # type: ignore[return-value]


def main() -> int:
    """Prints one line per machine."""
    wanted = sys.argv[1:]
    worst = 9.9
    for machine in READY:
        if wanted and machine.__name__ not in wanted:
            continue
        own, empty, ratio = measure(machine)
        worst = min(worst, ratio)
        print(f"{machine.__name__:20} {own:9.0f} steps/s  empty {empty:9.0f} steps/s  ratio {ratio:.2f}", flush=True)
    print(f"lowest ratio {worst:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
