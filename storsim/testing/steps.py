"""How the next rule is chosen: in a way that shrinks well.

Hypothesis chooses a rule by drawing until one is allowed, so the number of choices in a step depends on all steps
before it, and a step that is taken out moves the meaning of the later ones. Here a step is always one number for the
rule, then the rule's arguments; where that rule is not allowed, another one stands in. So a failing program gets
shorter step by step. Leaving out some rules for a whole test case (swarm testing) is an argument of the first step.

Steps that only leave together, such as unplugging and plugging in again, leave because each step lies inside the one
before: Hypothesis replaces a step by any later one that lies inside it.
"""

from __future__ import annotations

from inspect import unwrap
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import RuleBasedStateMachine

#: How many numbers stand for each rule.
_SPREAD = 32


class _Choices:
    """The rules of one class in a fixed order: `first_rules`, the others as the classes define them, `last_rules`.

    A step's number, modulo their count, is a rule. Where that is not allowed, the quotient chooses among those that
    are, so that all come equally often; quotient 0 is the next lower one. Hypothesis makes numbers small, and so a
    number ends as the rule's own, which stays itself when other steps are taken out.
    """

    def __init__(self, machine: type[ShrinkingSteps]) -> None:
        bases = list(reversed(machine.__mro__))
        homes = {name: number for number, base in enumerate(bases) for name in vars(base)}
        first, last = machine.first_rules, machine.last_rules

        def place(rule: Any) -> tuple[int, int, bool, int, int]:
            name, code = rule.function.__name__, getattr(unwrap(rule.function), "__code__", None)
            group = 0 if name in first else 2 if name in last else 1
            within = first.index(name) if name in first else last.index(name) if name in last else 0
            conditional = bool(rule.preconditions or rule.bundles)
            return group, within, conditional, homes.get(name, 0), code.co_firstlineno if code else 0

        rules = sorted(machine.setup_state().rules, key=place)
        self.rules = [rule for rule in rules for _ in range(machine.weights.get(rule.function.__name__, 1))]
        self.names = [rule.function.__name__ for rule in self.rules]
        self.most = _SPREAD * len(self.rules) - 1
        names = [rule.function.__name__ for rule in rules[1:] if not rule.targets]
        self.optional = [name for name in names if name not in machine.kept_rules]
        self.mask = st.integers(0, 2 ** len(self.optional) - 1)


#: Hypothesis stops below 100 spans inside each other; arguments need a few.
MOST_NESTED = 80
_NESTED = 0x53544F52  # any label
_RUNNER, _COIN = st.runner(), st.booleans()
_CHOICES: dict[type, _Choices] = {}


def choices(machine: type[ShrinkingSteps]) -> _Choices:
    """The choices of a class, made once."""
    found = _CHOICES.get(machine)
    if found is None:
        found = _CHOICES[machine] = _Choices(machine)
    return found


def _allowed(machine: Any, rule: Any) -> bool:
    for bundle in rule.bundles:
        if not machine.bundle(bundle.name):
            return False
    return all(condition(machine) for condition in rule.preconditions)


def _nest(machine: ShrinkingSteps, data: Any) -> None:
    """Leaves the span of this step open, so that the next one begins inside it."""
    machine.nested += 1
    start = getattr(data, "start_span", None)
    if start is not None and machine.nested <= MOST_NESTED:
        start(_NESTED)


def _number(draw: st.DrawFn, known: _Choices, data: Any) -> int:
    """The step's number: a bare choice where Hypothesis offers it, which costs half of what a strategy costs."""
    integer = getattr(data, "draw_integer", None)
    return int(draw(st.integers(0, known.most)) if integer is None else integer(0, known.most))


@st.composite
def _step(draw: st.DrawFn, machine: Any) -> tuple[Any, dict[str, Any]]:
    data = current_build_context().data
    _nest(machine, data)
    known = choices(type(machine))
    rest, number = divmod(_number(draw, known, data), len(known.rules))
    rule = known.rules[number]
    if rule.function.__name__ in machine.left_out or not _allowed(machine, rule):
        rule = _instead(machine, known, rest, number)
    return rule, {name: draw(strategy) for name, strategy in rule.arguments_strategies.items()}


def _instead(machine: Any, known: _Choices, rest: int, number: int) -> Any:
    """The rule that stands in for one that is not allowed."""
    able = [
        (place, rule)
        for place, rule in enumerate(known.rules)
        if rule.function.__name__ not in machine.left_out and _allowed(machine, rule)
    ]
    if not able:  # those that are left out go before none
        able = [(place, rule) for place, rule in enumerate(known.rules) if _allowed(machine, rule)]
    if not able:
        raise RuntimeError(f"{machine!r}: no rule is allowed; rules: {', '.join(known.names)}")
    if rest:
        busy = [pair for pair in able if pair[1].function.__name__ not in machine.idle_rules] or able
        return busy[(rest - 1) % len(busy)][1]
    return next((rule for place, rule in reversed(able) if place < number), able[0][1])


@st.composite
def _swarms(draw: st.DrawFn) -> tuple[str, ...]:
    known = choices(type(draw(_RUNNER)))
    mask = draw(known.mask) if draw(_COIN) else 0
    return tuple(name for number, name in enumerate(known.optional) if mask >> number & 1)


def swarms() -> st.SearchStrategy[tuple[str, ...]]:
    """Names of rules that a test case leaves out, so that others come more often. Shrinks towards ()."""
    return _swarms()


class ShrinkingSteps(RuleBasedStateMachine):
    """Chooses rules so that programs shrink well.

    left_out: names of rules that this test case does without. nested: steps so far. weights: how much more often than
    others a rule comes, 1 when not named. first_rules, last_rules: names in the order of numbers. The first of all
    should be harmless and always allowed: it is never left out, and stands in where nothing else is allowed.
    idle_rules: names of those that stand in for others only when nothing else can. kept_rules: names of those that no
    test case leaves out; nor does one leave out what fills a bundle.
    """

    weights: ClassVar[dict[str, int]] = {}
    first_rules: ClassVar[tuple[str, ...]] = ()
    last_rules: ClassVar[tuple[str, ...]] = ()
    kept_rules: ClassVar[tuple[str, ...]] = ()
    idle_rules: ClassVar[tuple[str, ...]] = ()
    left_out: tuple[str, ...] = ()
    nested = 0

    def __init__(self) -> None:
        super().__init__()
        if hasattr(self, "_rules_strategy"):  # of every Hypothesis that storsim supports; without it all works, slower
            self._rules_strategy: Any = _step(self)
