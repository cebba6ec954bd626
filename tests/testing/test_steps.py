"""How rules are chosen: only allowed ones, none that a test case leaves out, and what stands in for the others."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, precondition, rule, run_state_machine_as_test

from storsim.testing.steps import ShrinkingSteps, choices, swarms

BUDGET = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Lamp(ShrinkingSteps):
    """A lamp in a room: it can be switched on when it is off, and broken only when it is on."""

    first_rules = ("look", "switch_on")
    kept_rules = ("switch_on",)
    idle_rules = ("look",)
    weights: ClassVar[dict[str, int]] = {"switch_on": 3}
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.on = False

    @initialize(without=swarms())
    def begin(self, without: tuple[str, ...]) -> None:
        self.left_out = without
        assert "look" not in without
        assert "switch_on" not in without

    def note(self, name: str) -> None:
        assert name not in self.left_out or name in self.kept_rules
        self.counts[name] += 1

    @rule()
    def look(self) -> None:
        self.note("look")

    @precondition(lambda self: not self.on)
    @rule()
    def switch_on(self) -> None:
        assert not self.on
        self.note("switch_on")
        self.on = True

    @precondition(lambda self: self.on)
    @rule(hard=st.integers(0, 3))
    def switch_off(self, hard: int) -> None:
        assert self.on
        self.note("switch_off")
        self.on = False

    @precondition(lambda self: False)
    @rule()
    def never(self) -> None:
        raise AssertionError("not allowed")


def test_only_allowed_rules_run_and_the_idle_one_seldom() -> None:
    Lamp.counts.clear()
    run_state_machine_as_test(seed(0)(Lamp), settings=settings(BUDGET, max_examples=200))
    assert set(Lamp.counts) == {"look", "switch_on", "switch_off"}
    assert abs(Lamp.counts["switch_on"] - Lamp.counts["switch_off"]) <= 200 * 1.2


def test_order_and_weights() -> None:
    known = choices(Lamp)
    assert known.names[:4] == ["look", "switch_on", "switch_on", "switch_on"]
    assert sorted(known.optional) == ["never", "switch_off"]


def test_no_rule_is_a_clear_error() -> None:
    class Stuck(ShrinkingSteps):
        @precondition(lambda self: False)
        @rule()
        def never(self) -> None: ...

    with pytest.raises(RuntimeError, match="no rule is allowed; rules: never"):
        run_state_machine_as_test(Stuck, settings=BUDGET)


def test_what_is_left_is_what_is_needed() -> None:
    class Breaks(Lamp):
        times = 0

        @precondition(lambda self: self.on)
        @rule(hard=st.integers(0, 3))
        def switch_off(self, hard: int) -> None:
            super().switch_off(hard)
            self.times += 1
            assert self.times < 3

    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(seed(1)(Breaks), settings=BUDGET)
    steps = [line for note in caught.value.__notes__ for line in note.splitlines() if line.startswith("state.")]
    assert [line.partition("(")[0] for line in steps[1:-1]] == ["state.switch_on", "state.switch_off"] * 3


def test_bundles_work() -> None:
    class Shelf(ShrinkingSteps):
        books: Bundle[int] = Bundle("books")

        def __init__(self) -> None:
            super().__init__()
            self.shelf: list[int] = []

        @rule(target=books, number=st.integers(0, 9))
        def put(self, number: int) -> int:
            self.shelf.append(number)
            return number

        @rule(number=consumes(books))
        def take(self, number: Any) -> None:
            self.shelf.remove(number)

    run_state_machine_as_test(seed(0)(Shelf), settings=BUDGET)
