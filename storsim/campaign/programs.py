"""Programs: what Hypothesis makes of a target, one after another, each watched.

A target is a state machine, a test with ``@given``, or a function of a machine; each becomes one Hypothesis test whose
inner function is wrapped. While exploring, the wrapper notes what failed and lets the program pass, so that one run
goes on to the end of its budget; `Explorer.failing` turns that round for shrinking.

This is the one module that knows Hypothesis.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import unittest
import warnings
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from storsim.campaign import findings, journals
from storsim.campaign.observe import Observer
from storsim.campaign.plan import Plan
from storsim.coverage import Behaviours
from storsim.testing.sweep_worker import STUMBLES
from storsim.testing.targets import TargetError, load

if TYPE_CHECKING:
    from storsim.machine import Machine

try:
    import hypothesis
    from hypothesis import strategies as st
    from hypothesis.control import current_build_context
    from hypothesis.database import InMemoryExampleDatabase, choices_to_bytes
    from hypothesis.errors import HypothesisException, UnsatisfiedAssumption
    from hypothesis.internal.reflection import function_digest
    from hypothesis.stateful import (
        INITIALIZE_RULE_MARKER,
        INVARIANT_MARKER,
        RULE_MARKER,
        Bundle,
        RuleBasedStateMachine,
        get_state_machine_test,
    )
except ImportError as error:
    raise ImportError("campaigns need hypothesis: pip install 'storsim[testing]'") from error

PLACEMENTS = ("TOP_DOWN", "BOTTOM_UP", "BEST_FIT", "RANDOM", "ADVERSARIAL")
#: Which calls fail in a program of a function: none, one or two, early ones more often.
FAILING_CALLS = st.lists(st.one_of(st.integers(1, 8), st.integers(1, 64)), max_size=2, unique=True)
__all__ = ["INITIALIZE_RULE_MARKER", "INVARIANT_MARKER", "Explorer", "FoundAgain", "Target", "marked"]
KEY = b"storsim.campaign"
#: Attempts at a smaller program before the smallest so far is taken.
MOST_ATTEMPTS = 3000


class FoundAgain(Exception):
    """The finding that is being minimised showed."""


class Target:
    """What a plan's target turned out to be. kind: machine, given or function. Raises TargetError."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.object = load(plan.target, plan.folder)
        self.name = plan.target.rpartition(":")[2]
        self.ignore = set(plan.ignore)
        self.settled = False
        self.inner: Callable[..., Any] | None = None
        if isinstance(self.object, type) and issubclass(self.object, RuleBasedStateMachine):
            self.kind = "machine"
            self._prepare_machine(self.object)
        elif hasattr(self.object, "hypothesis") and callable(self.object):
            self.kind = "given"
            self.inner = self.object.hypothesis.inner_test
            self._no_settings("a test with @given makes its own machines")
        elif inspect.isfunction(self.object) and _one_argument(self.object):
            self.kind = "function"
        else:
            raise TargetError(
                f"{plan.target}: expected a Hypothesis state machine, a test with @given, or a function of one machine"
            )

    def _no_settings(self, why: str) -> None:
        if self.plan.machine:
            raise TargetError(f"machine: {self.plan.target} takes no settings: {why}")

    def _prepare_machine(self, cls: type[Any]) -> None:
        if hasattr(cls, "machine_settings"):  # a storsim.testing.DriverMachine tells its findings by itself
            cls.machine_settings = {**cls.machine_settings, **self.plan.machine}
            cls.allow = frozenset(cls.allow) | self.ignore
            self.settled = True
        else:
            self._no_settings("the state machine makes its own machines")

    # --- as a test --------------------------------------------------------------------------------------------------

    def test(self, explorer: Explorer, settings: hypothesis.settings, seed: int) -> Callable[[], None]:
        """A Hypothesis test that runs the target's programs through an explorer."""
        made: Any
        if self.kind == "machine":
            made = get_state_machine_test(self._factory(explorer), settings=settings)
        elif self.kind == "given":
            made = self.object
            made._hypothesis_internal_use_settings = settings
        else:
            made = settings(hypothesis.given(data=st.data())(self._program_of_function))
        inner = self.inner or made.hypothesis.inner_test

        @functools.wraps(inner)
        def watched(*arguments: Any, **keywords: Any) -> None:
            explorer.program(inner, *arguments, **keywords)

        made.hypothesis.inner_test = watched
        made._hypothesis_internal_database_key = KEY
        made._hypothesis_internal_use_seed = seed  # what hypothesis.seed does, which takes the database away as well
        return made  # type: ignore[no-any-return]

    def digest(self) -> bytes:
        """The key under which Hypothesis itself files examples of this target."""
        if self.kind == "machine":
            made: Any = get_state_machine_test(self.object, settings=hypothesis.settings())
            return function_digest(made.hypothesis.inner_test)
        return function_digest(self.inner or self.object)

    def _factory(self, explorer: Explorer) -> Any:
        cls: Any = self.object
        for rule in marked(cls, RULE_MARKER, INITIALIZE_RULE_MARKER).values():
            original = getattr(rule.function, "__storsim_original__", rule.function)
            drawn = [name for name, strategy in rule.arguments.items() if isinstance(strategy, Bundle)]
            rule.function = explorer.rule(original, frozenset(drawn))

        @functools.wraps(cls, updated=())
        def make() -> Any:
            machine = cls()
            own = machine.teardown

            def teardown() -> None:
                explorer.cause = sys.exc_info()[1]
                if explorer.cause is not None:
                    explorer.observer.cut()
                own()

            machine.teardown = teardown
            return machine

        return make

    # --- functions --------------------------------------------------------------------------------------------------

    def _program_of_function(self, data: Any) -> None:
        """One program of a function target: the seed, the placement, and up to two calls that fail."""
        from storsim.machine import Machine

        settings: dict[str, Any] = dict(self.plan.machine)
        settings["seed"] = data.draw(st.integers(0, 2**32 - 1))
        if "placement" not in settings:
            settings["placement"] = data.draw(st.sampled_from(PLACEMENTS))
        fail = [] if self.plan.faults else data.draw(FAILING_CALLS)
        current_build_context().data._storsim_lines = [  # type: ignore[attr-defined]
            f"with storsim.Machine({', '.join(f'{name}={value!r}' for name, value in settings.items())}) as pc:",
            *(f"    pc.faults.fail_nth(None, {number})" for number in fail),
            f"    {self.name}(pc)",
        ]
        try:
            with Machine(**settings) as pc:
                for number in fail:
                    pc.faults.fail_nth(None, number)
                self.object(pc)
        except STUMBLES:
            raise
        except Exception as error:
            from storsim.errors import StorsimError

            if not isinstance(error, StorsimError):
                return  # the driver refused; whether it gave everything back is told by the machine's findings


def marked(cls: type[Any], *markers: str) -> dict[str, Any]:
    """The rules (or invariants) of a state machine that carry one of these marks of Hypothesis, by name."""
    found: dict[str, Any] = {}
    for name, function in inspect.getmembers(cls):
        for marker in markers:
            rule = getattr(function, marker, None)
            if rule is not None:
                found[name] = rule
    return found


def _one_argument(function: Callable[..., Any]) -> bool:
    required = [one for one in inspect.signature(function).parameters.values() if one.default is one.empty]
    return len(required) == 1 and required[0].kind in (required[0].POSITIONAL_ONLY, required[0].POSITIONAL_OR_KEYWORD)


class Explorer:
    """Runs programs of a target and counts what they do. before: called with the number of each program, from 1.
    logging: called before each step with a line of the program.
    """

    def __init__(self, target: Target, before: Callable[[int], None] | None = None) -> None:
        self.target = target
        self.before = before
        self.observer = Observer(target.plan.faults)
        self.logging: Callable[[Any, str, dict[str, Any], frozenset[str]], None] | None = None
        self.failing: Callable[[set[str]], bool] | None = None
        self.cause: BaseException | None = None  # what ended the steps, which the teardown may hide
        self.programs = self.whole = self.steps = 0
        self.rules: Counter[tuple[str, str]] = Counter()
        self.seen = Behaviours()
        self.first: dict[int, int] = {}
        self.findings: dict[str, dict[str, Any]] = {}
        self.lines: list[str] = []
        self.known: set[bytes] = set()
        self.machines: list[Machine] = []

    # --- one program ------------------------------------------------------------------------------------------------

    def program(self, inner: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Runs one program. Raises only what is Hypothesis' own, or FoundAgain while shrinking."""
        self.programs += 1
        if self.before is not None:
            self.before(self.programs)
        observer = self.observer
        observer.begin()
        self.cause = None
        failure: dict[str, Any] | None = None
        whole = False
        try:
            inner(*arguments, **keywords)
            whole = True
        except (HypothesisException, unittest.SkipTest):
            raise
        except Exception as error:
            cause = self._cause_of(error)
            if not isinstance(cause, Exception) or isinstance(cause, (HypothesisException, unittest.SkipTest)):
                raise cause from None  # it gave the program up; what the teardown then says is no finding
            failure = self._judge(cause)
            whole = True
        finally:
            observer.end()
            if whole:
                self.whole += 1
                self._count_behaviours()
        found = self._found(failure)
        if found:
            self._keep(found, inner, keywords)

    def _cause_of(self, error: Exception) -> BaseException:
        """What ended the steps; what the teardown then raises may hide it."""
        return self.cause or error

    def _judge(self, error: Exception) -> dict[str, Any] | None:
        """The finding an exception is; None where the machine's own findings tell it."""
        from storsim.errors import BugCheck, MachineStopped, Violation

        self.observer.cut()
        told = isinstance(error, (BugCheck, MachineStopped, Violation)) and not self.target.settled
        if told and any(one.kind != "note" for one in self.observer.found):
            return None
        data = findings.from_exception(error)
        return None if data["name"] in self.target.ignore else data

    def _count_behaviours(self) -> None:
        fresh = self.observer.seen - self.seen
        if fresh:
            self.seen |= fresh
            self.first.update(dict.fromkeys(fresh.numbers(), self.whole))

    def _found(self, failure: dict[str, Any] | None) -> list[dict[str, Any]]:
        told = [] if failure is None else [failure]
        if self.target.settled:
            return told
        return told + findings.from_records(self.observer.found, self.target.ignore)

    def _keep(self, found: list[dict[str, Any]], inner: Callable[..., Any], keywords: dict[str, Any]) -> None:
        data = current_build_context().data
        example = choices_to_bytes(data.choices)
        keys = {one["key"] for one in found}
        if self.failing is not None:
            if self.failing(keys) and (self.programs <= MOST_ATTEMPTS or example in self.known):
                self.known.add(example)
                if current_build_context().is_final:
                    self.lines = _lines(self.target, data, inner, keywords)
                    self.findings = {one["key"]: {**one, "example": example} for one in found}
                    self.machines = list(self.observer.of_program)
                raise FoundAgain(*keys)
            return
        for one in found:
            kept = self.findings.get(one["key"])
            size = (len(data.choices), len(example))
            if kept is None:
                more = {"program": self.whole, "count": 0, "example": example, "size": size}
                journal = journals.journal_of(self.observer.of_program, one["key"])
                kept = self.findings[one["key"]] = {**one, **more, "journal": journal}
            elif size < kept["size"]:
                kept |= {"example": example, "size": size, "message": one["message"], "sites": one["sites"]}
                kept["journal"] = journals.journal_of(self.observer.of_program, one["key"])
            kept["count"] += 1

    # --- rules ------------------------------------------------------------------------------------------------------

    def rule(self, function: Callable[..., Any], drawn: frozenset[str] = frozenset()) -> Callable[..., Any]:
        """A rule's function that counts its outcomes. drawn: arguments that come out of bundles."""
        name = function.__name__

        @functools.wraps(function)
        def counted(machine: Any, /, **arguments: Any) -> Any:
            self.steps += 1
            if self.logging is not None:
                self.logging(machine, name, arguments, drawn)
            outcome = "cut off"
            try:
                result = function(machine, **arguments)
                outcome = "ok"
                return result
            except UnsatisfiedAssumption:
                outcome = "rejected"
                raise
            except Exception as error:
                outcome = _outcome(error)
                raise
            finally:
                self.rules[name, outcome] += 1

        counted.__storsim_original__ = function  # type: ignore[attr-defined]
        return counted

    # --- runs -------------------------------------------------------------------------------------------------------

    def explore(self, programs: int, seed: int) -> None:
        """Runs so many programs from a seed; fewer where the target has no more. Raises TargetError for a target that
        Hypothesis refuses.
        """
        self._run(self.target.test(self, settings_for(self.target.plan, programs), seed))

    def replay(self, example: bytes, *, shrink: bool) -> None:
        """Runs a kept program again, and while shrinking smaller ones; `failing` says what counts."""
        database = InMemoryExampleDatabase()
        # What fails from the primary corpus as it stands counts as minimal already.
        database.save(KEY + b".secondary" if shrink else KEY, example)
        phases = (hypothesis.Phase.reuse, hypothesis.Phase.shrink) if shrink else (hypothesis.Phase.reuse,)
        settings = hypothesis.settings(settings_for(self.target.plan, 1), database=database, phases=phases)
        with contextlib.suppress(FoundAgain):
            self._run(self.target.test(self, settings, 0))

    def _run(self, test: Callable[[], None]) -> None:
        from hypothesis.reporting import with_reporter

        with self.observer, with_reporter(lambda text: None), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                test()
            except HypothesisException as error:
                text = " ".join(str(error).split())
                raise TargetError(f"{self.target.plan.target}: {type(error).__name__}: {text}") from error


def _outcome(error: Exception) -> str:
    record = getattr(error, "record", None)
    return getattr(record, "name", None) or type(error).__name__


def settings_for(plan: Plan, programs: int) -> hypothesis.settings:
    """Hypothesis settings of a round. Raises TargetError for a profile there is not."""
    parent = hypothesis.settings.get_profile("default")
    if plan.profile:
        try:
            parent = hypothesis.settings.get_profile(plan.profile)
        except hypothesis.errors.InvalidArgument as error:
            raise TargetError(
                f"profile: {plan.profile!r} is not registered; leave it out, register it, or take storsim-nightly"
            ) from error
    return hypothesis.settings(
        parent,
        max_examples=programs,
        stateful_step_count=plan.steps or parent.stateful_step_count,
        database=None,
        derandomize=False,
        deadline=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.target),
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.normal,
    )


def _lines(target: Target, data: Any, inner: Callable[..., Any], keywords: dict[str, Any]) -> list[str]:
    """The program as lines of Python."""
    if target.kind == "machine":
        return [str(line) for line in getattr(data, "_stateful_repr_parts", None) or []]
    if target.kind == "function":
        return list(getattr(data, "_storsim_lines", []))
    arguments = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
    return [f"{target.name}.hypothesis.inner_test({arguments})"]


def choices_so_far() -> bytes:
    """The choices of the program that is running, as an example."""
    return choices_to_bytes(current_build_context().data.choices)
