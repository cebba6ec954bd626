"""`DriverMachine`: the part of a fuzzed driver's world that storage and audio have in common.

A subclass of `StorageDriverMachine` or `AudioDriverMachine` fills hooks with its driver. Ready rules call the hooks in
every order the system may call them, with requests, faults and pauses drawn by Hypothesis. After each call the
machine's findings are looked at; at the end the driver is removed, and what it left is a finding. Nothing else needs
to be written:

    class TestNvme(StorageDriverMachine.TestCase): ...   # or: TestNvme = MyDriver.TestCase

Rules whose hook is not overridden do not exist. A hook may call every routine that its callback allows; an exception of
type `storsim.StatusError` that leaves it says "refused", every other exception fails the test.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from enum import IntEnum
from typing import Any, ClassVar, TypeVar

from hypothesis import currently_in_test_context, event, target
from hypothesis.control import current_build_context
from hypothesis.stateful import precondition, rule

# Hypothesis draws constants it finds in the modules loaded so far, those of an editable install included: what a
# machine loads late is loaded before the first example, so that a seed means the same in every run.
import storsim.faults
import storsim.hda
import storsim.importers.codec
import storsim.importers.maps  # noqa: F401
from storsim.errors import StatusError, ViolationWarning
from storsim.machine import Machine
from storsim.testing import strategies
from storsim.testing.failures import DriverFinding, failure, from_finding, worth_failing
from storsim.testing.specs import MachineConfig
from storsim.testing.steps import ShrinkingSteps


class PowerState(IntEnum):
    """DEVICE_POWER_STATE, the two that the rules use. Source: ne-wdm-_device_power_state.md"""

    D0 = 1
    D3 = 4


Failure = TypeVar("Failure", bound=BaseException)
MOST_LINES, MOST_COLUMNS = 200, 400
"""A longer program is not shown with a failure; the artefacts of the pytest plugin have it."""
REFUSED = object()
"""What a hook's call gives when the driver refused."""


def is_up(self: Any) -> bool:
    """Precondition: the driver is started and in D0."""
    return bool(self.up and self.power_state == PowerState.D0)


def is_started(self: Any) -> bool:
    """Precondition: the driver is started, whatever its power state."""
    return bool(self.up)


def is_down(self: Any) -> bool:
    """Precondition: no driver is there; one can be started."""
    return bool(self.pc is not None and not self.up)


class DriverMachine(ShrinkingSteps):
    """Common base: lifecycle, faults, time, low memory, findings. Subclass the storage or the audio variant.

    Class attributes to override:

    machine_settings: keywords of `storsim.Machine` that stay as given; everything else is drawn.
    allow: names of findings that do not fail the test, such as ``{"ZERO_LENGTH"}``.
    allocation_failures: False when the driver does not claim to survive a failing allocation.
    low_memory: False when the driver need not work on a machine that is almost full.
    guided: True tells Hypothesis what each test case reached: an event for every behaviour of ``pc.behaviours``, and
    their number and the most bytes outstanding as targets. Costs time; for long runs.
    check_every_step: True also runs ``pc.check()`` after each step (it always runs at the end of each life).

    Attributes for hooks to read: `pc` (the Machine), `up` (bring_up succeeded and remove was not called yet),
    `power_state`, `life` (1, 2, …).
    """

    machine_settings: ClassVar[dict[str, Any]] = {}
    allow: ClassVar[frozenset[str] | set[str]] = frozenset()
    allocation_failures: ClassVar[bool] = True
    low_memory: ClassVar[bool] = True
    check_every_step: ClassVar[bool] = False
    guided: ClassVar[bool] = False
    first_rules: ClassVar[tuple[str, ...]] = ("wait", "plug_in", "wake", "tick")
    last_rules: ClassVar[tuple[str, ...]] = ("sleep", "unplug", "pull_out", "release_memory", "squeeze_memory")
    kept_rules: ClassVar[tuple[str, ...]] = ("plug_in", "submit", "open_stream")
    idle_rules: ClassVar[tuple[str, ...]] = ("wait", "release_memory", "squeeze_memory")
    #: Which rules exist only when which hook is overridden.
    _rule_hooks: ClassVar[dict[str, str]] = {
        "sleep": "power", "wake": "power", "tick": "timer", "squeeze_memory": "", "release_memory": "",
    }  # fmt: skip

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, hook in cls._rule_hooks.items():
            home = next((base for base in cls.__mro__ if name in vars(base) and vars(base)[name] is not None), None)
            if home is None or not hook:
                continue
            offered = any(getattr(getattr(cls, one), "__storsim_default__", False) is False for one in hook.split())
            if offered and getattr(cls, name) is None:
                setattr(cls, name, vars(home)[name])
            elif not offered and getattr(cls, name) is not None:
                setattr(cls, name, None)

    def __init__(self) -> None:
        super().__init__()
        self.pc: Machine = None  # type: ignore[assignment]  # until begin
        self.config = MachineConfig()
        self.up = False
        self.power_state = PowerState.D0
        self.life = 0
        self.fail_left = 0
        self._known = 0
        self._most_bytes = 0
        self._attached = False
        self._began = False
        self._failed = False
        self._outer = sys.exc_info()[1]
        self._squeezed: list[tuple[int, int]] = []
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore", ViolationWarning)

    # --- hooks -------------------------------------------------------------------------------------------------------

    def make_machine(self, config: MachineConfig) -> Machine:
        """The machine of a test case: the drawn configuration with `machine_settings`. Override for one of your own."""
        return config.make(**self.machine_settings)

    def bring_up(self) -> object:
        """Starts the driver, at PASSIVE_LEVEL. False, or a StatusError that leaves it, means that the device could not
        be started: then the driver has given back what it had taken, and `remove` is not called."""
        raise NotImplementedError(f"{type(self).__name__} needs a bring_up()")

    def remove(self) -> None:
        """Ends the driver, at PASSIVE_LEVEL: everything is given back. Called once for each bring_up that succeeded."""
        raise NotImplementedError(f"{type(self).__name__} needs a remove()")

    def power(self, state: PowerState) -> None:
        """Device power goes to D3 (nothing is under way) or back to D0. Nothing but `remove` is called in D3."""

    def timer(self) -> None:
        """A timer of the driver's fires, at DISPATCH_LEVEL."""

    def check(self) -> None:
        """The driver's own invariants: called after each step while it is up; raise AssertionError."""

    # --- calling the driver ------------------------------------------------------------------------------------------

    def context(self, hook: str) -> AbstractContextManager[Any]:
        """The level and callback that a hook runs in."""
        return self.pc.at_irql(2) if hook == "timer" else nullcontext()

    def call(self, hook: str, *arguments: Any, fail: int = 0) -> Any:
        """Calls a hook in its context and looks at what it did. Returns its result, or `REFUSED`.

        fail: the n-th call inside that can fail does fail; 0: none. What is left of the count afterwards is
        `fail_left`, for the next hook of the same step. Raises DriverFinding, or the driver's exception.
        """
        pc = self.pc
        points = pc._fault_points() if fail else 0
        fault = pc.faults.fail_nth(None, fail) if fail and self.allocation_failures else 0
        try:
            with self.context(hook):
                result = getattr(self, hook)(*arguments)
        except StatusError:
            result = REFUSED
        except Exception as error:
            self._failed = True
            self._look(error)
            self._told(error)
            raise
        except BaseException:
            self._failed = True
            raise
        finally:
            if fault and not pc._dead:
                pc.faults.remove(fault)
        self.fail_left = max(0, fail - (pc._fault_points() - points)) if fail else 0
        self._look(None)
        return result

    def _look(self, error: BaseException | None) -> None:
        """Fails for the first new finding that is not allowed; the count is one call, so that a clean step is cheap."""
        pc = self.pc
        if pc._finding_count() == self._known:
            return
        fresh = pc._findings(self._known)
        self._known += len(fresh)
        finding = worth_failing(fresh, self.allow)
        if finding is not None:
            self._failed = True
            found = self._told(from_finding(finding))
            raise found.with_traceback(None if error is None else error.__traceback__) from None

    def fail(self, name: str, text: str) -> None:
        """Fails the test with a finding of the testing machine or of a subclass: DriverFinding ``name: text``."""
        self._failed = True
        raise self._told(failure(name, text))

    def _told(self, error: Failure) -> Failure:
        """Where Hypothesis shows its final example: adds what was called, as a program that needs no driver."""
        if currently_in_test_context() and current_build_context().is_final:
            with suppress(Exception):  # no journal, or one that cannot be told: the finding counts
                lines = self.pc.journal.script().rstrip().splitlines()
                if len(lines) <= MOST_LINES and all(len(line) <= MOST_COLUMNS for line in lines):
                    error.add_note("\n".join(["What was called, as a program of its own:", "", *lines, ""]))
        return error

    def _step_done(self) -> None:
        """After a step: the driver's own invariants, and with check_every_step the machine's."""
        if self.up:
            self.check()
        if self.check_every_step:
            self._check_machine()

    def _check_machine(self) -> None:
        broken = self.pc.check()
        self._look(None)
        if broken:
            self.fail("MACHINE_INVARIANT", f"{broken} (a bug of storsim, not of the driver: please report it)")

    # --- lives -------------------------------------------------------------------------------------------------------

    def _start(self, config: MachineConfig, without: tuple[str, ...]) -> None:
        self.config = config
        self.left_out = without
        self.pc = self.make_machine(config)
        self._began = True
        self._known = self.pc._finding_count()

    def _live(self, fail: int) -> None:
        """A new life: device, then driver."""
        self.life += 1
        self.power_state = PowerState.D0
        try:
            self._attach()
        except (MemoryError, StatusError):  # the simulated machine has no memory left for the device
            self._look(None)
            return
        self.up = self._bring_up(fail)
        if not self.up:
            self._detach()
        self._step_done()

    def _bring_up(self, fail: int) -> bool:
        result = self.call("bring_up", fail=fail)
        return result is not REFUSED and result is not False

    def _die(self, fail: int = 0) -> None:
        """The end of a life: what is under way is ended, the driver and its device are removed."""
        if self.up:
            self._drain()
            self.up = False
            self.call("remove", fail=fail)
        if self._attached:
            self._detach()
        self._relax()
        if not self.pc._dead:
            self._check_machine()

    def _attach(self) -> None:
        """Puts the device in."""

    def _drain(self) -> None:
        """Ends what is under way, the oldest first."""

    def _detach(self) -> None:
        """Takes the device out and looks at what was left."""

    @contextmanager
    def _taking_out(self) -> Iterator[None]:
        """Around the removal of a device: an exception that only tells what is among the findings is told by them."""
        from storsim.errors import StorsimError

        try:
            yield
        except StorsimError as error:
            known = self._known
            self._look(error)
            if self._known == known:
                self._failed = True
                raise
        self._look(None)

    def teardown(self) -> None:
        """Ends the test case: the driver is removed and checked, unless the test has failed already."""
        try:
            under_way = sys.exc_info()[1]
            failed = self._failed or (under_way is not None and under_way is not self._outer)
            if self._began and not failed and not self.pc.closed:
                self._die()
                if self.guided and currently_in_test_context():
                    self._guide()
        finally:
            self._warnings.__exit__(None, None, None)
            if self._began:
                self.pc.close()

    def _guide(self) -> None:
        """Tells Hypothesis what was reached."""
        seen = self.pc.behaviours
        for behaviour in seen:
            event(str(behaviour))
        target(float(len(seen)), label="behaviours")
        target(float(self._most_bytes), label="outstanding bytes")

    # --- rules that all drivers share --------------------------------------------------------------------------------

    @rule(ticks=strategies.time_steps(2_400_000))
    def wait(self, ticks: int) -> None:
        """Time passes: the hardware moves, interrupts and DPCs run; not where an allowed bugcheck stopped it."""
        if self.pc._dead:
            return
        try:
            self.pc._advance(ticks)
        except Exception as error:
            self._failed = True
            self._look(error)
            raise
        self._look(None)
        self._step_done()

    @precondition(lambda self: bool(self._squeezed) and not self.pc._dead)
    @rule()
    def release_memory(self) -> None:
        """They give it back."""
        self._relax()

    @precondition(lambda self: self.low_memory and self.pc is not None and not self._squeezed and not self.pc._dead)
    @rule(pages=strategies.pages_left())
    def squeeze_memory(self, pages: int) -> None:
        """Other drivers take almost all memory: `pages` pages stay free."""
        left = pages * strategies.PAGE
        runs = self.pc.memory.runs()
        for run in runs if len(runs) <= 256 else runs[:0]:
            keep = min(left, run.length)
            left -= keep
            if run.length > keep:
                self.pc.memory.reserve(run.start + keep, run.length - keep)
                self._squeezed.append((run.start + keep, run.length - keep))

    @precondition(is_down)
    @rule(fail=strategies.nth_failures(12))
    def plug_in(self, fail: int) -> None:
        """A life begins: the device is put in, and the driver is started."""
        if self.pc._dead:
            self.pc.close()
            self.pc = self.make_machine(self.config)
            self._known = self.pc._finding_count()
        self._live(fail)

    @precondition(is_started)
    @rule(fail=strategies.nth_failures())
    def unplug(self, fail: int) -> None:
        """An orderly removal, from D0 or D3."""
        self._die(fail)

    @precondition(is_up)
    @rule(fail=strategies.nth_failures())
    def sleep(self, fail: int) -> None:
        """What is under way ends, then power goes to D3."""
        self._drain()
        self.power_state = PowerState.D3
        self.call("power", PowerState.D3, fail=fail)
        self._step_done()

    @precondition(lambda self: self.up and self.power_state == PowerState.D3)
    @rule(fail=strategies.nth_failures())
    def wake(self, fail: int) -> None:
        """Power comes back."""
        self.power_state = PowerState.D0
        self.call("power", PowerState.D0, fail=fail)
        self._step_done()

    @precondition(is_up)
    @rule(fail=strategies.nth_failures(2))
    def tick(self, fail: int) -> None:
        """A timer of the driver's fires."""
        self.call("timer", fail=fail)
        self._step_done()

    def _relax(self) -> None:
        if not self.pc._dead:
            for start, length in self._squeezed:
                self.pc.memory.release(start, length)
        self._squeezed.clear()


def default_hooks(*hooks: Callable[..., Any]) -> None:
    """Marks hooks that do nothing until overridden."""
    for hook in hooks:
        hook.__storsim_default__ = True  # type: ignore[attr-defined]


default_hooks(DriverMachine.power, DriverMachine.timer)

__all__ = ["DriverFinding", "DriverMachine", "PowerState"]
