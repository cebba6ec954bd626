"""How the next rule is chosen: in a way that shrinks well.

Hypothesis chooses a rule by drawing until one is allowed, so the number of choices in a step depends on all steps
before it, and a step that is taken out moves the meaning of the later ones. Here a step is always one number for the
rule, then the rule's arguments; where that rule is not allowed, a fixed other one is taken. So a failing program gets
shorter step by step. Leaving out some rules for a whole test case (swarm testing) is an argument of the first step.

Steps that only leave together, such as unplugging and plugging in again, leave because each step lies inside the one
before: Hypothesis replaces a step by any later one that lies inside it.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import RuleBasedStateMachine


class _Choices:
    """The rules of one class in a fixed order, and for each the order in which others stand in for it."""

    def __init__(self, rules: list[Any]) -> None:
        self.rules = sorted(rules, key=lambda rule: (len(rule.arguments), rule.function.__name__))
        self.names = [rule.function.__name__ for rule in self.rules]
        self.number = st.integers(0, len(rules) - 1)
        self.mask = st.integers(0, 2 ** len(rules) - 1)
        everyone = range(len(rules))
        self.instead = [
            [i, *random.Random(i).sample([n for n in everyone if n != i], len(rules) - 1)] for i in everyone
        ]


#: Hypothesis stops below 100 spans inside each other; arguments need a few.
MOST_NESTED = 80
_NESTED = 0x53544F52  # any label
_CHOICES: dict[type, _Choices] = {}


def choices(machine: type[RuleBasedStateMachine]) -> _Choices:
    """The choices of a class, made once."""
    found = _CHOICES.get(machine)
    if found is None:
        found = _CHOICES[machine] = _Choices(machine.setup_state().rules)
    return found


def _allowed(machine: Any, rule: Any) -> bool:
    for bundle in rule.bundles:
        if not machine.bundle(bundle.name):
            return False
    return all(condition(machine) for condition in rule.preconditions)


def _nest(machine: ShrinkingSteps) -> None:
    """Leaves the span of this step open, so that the next one begins inside it."""
    machine.nested += 1
    start: Any = getattr(current_build_context().data, "start_span", None)
    if start is not None and machine.nested <= MOST_NESTED:
        start(_NESTED)


@st.composite
def _step(draw: st.DrawFn, machine: Any) -> tuple[Any, dict[str, Any]]:
    _nest(machine)
    known = choices(type(machine))
    order = known.instead[draw(known.number)]
    spare = None
    for number in order:
        rule = known.rules[number]
        if _allowed(machine, rule):
            if known.names[number] not in machine.left_out:
                break
            spare = spare or rule
    else:
        if spare is None:
            raise RuntimeError(f"{machine!r}: no rule is allowed; rules: {', '.join(known.names)}")
        rule = spare
    return rule, {name: draw(strategy) for name, strategy in rule.arguments_strategies.items()}


@st.composite
def _swarms(draw: st.DrawFn) -> tuple[str, ...]:
    known = choices(type(draw(st.runner())))
    mask = draw(known.mask) if draw(st.booleans()) else 0
    return tuple(name for number, name in enumerate(known.names) if mask >> number & 1)


def swarms() -> st.SearchStrategy[tuple[str, ...]]:
    """Names of rules that a test case leaves out, so that others come more often. Shrinks towards ()."""
    return _swarms()


class ShrinkingSteps(RuleBasedStateMachine):
    """Chooses rules so that programs shrink well.

    left_out: names of rules that this test case does without. nested: steps so far.
    """

    left_out: tuple[str, ...] = ()
    nested = 0

    def __init__(self) -> None:
        super().__init__()
        if hasattr(self, "_rules_strategy"):  # of every Hypothesis that storsim supports; without it all works, slower
            self._rules_strategy: Any = _step(self)
