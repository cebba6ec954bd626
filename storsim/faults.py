"""``pc.faults``: the plan that makes calls fail, and hardware misbehave, on purpose and repeatably."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from storsim.records import FaultPoint, InjectedFault

if TYPE_CHECKING:
    from types import TracebackType

    from storsim._core import Routine
    from storsim.machine import Machine

NO_LIMIT = 2**64 - 1
NO_DEVICE = 2**32 - 1
_NTH, _RANGE, _PREDICATE, _PROBABILITY, _HARDWARE = 1, 2, 3, 4, 5
#: Names of hardware faults, by number of the core.
HARDWARE = ("", "timeout", "codec_silent", "rirb_overrun", "descriptor_error", "fifo_error", "late_dpc", "removed")


class _Off:
    """``with pc.faults.off():``: no rule fires and no call counts."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        self._machine._fault_pause(True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._machine._fault_pause(False)


class Faults:
    """The fault plan of a machine.

    A call counts when it reaches the fault injector, after every check of its arguments. Rules are tried in the order
    they were added; the first that says "fail" wins, and the routine answers with its documented failure. Each method
    returns the id of its rule.

    routine: documented name, the routine itself, or None for every routine. tag: pool tag as text or number.
    minimum_bytes, maximum_bytes: size of the request, inclusive; maximum 0 is no limit. not_before: virtual time in
    ticks before which the rule sleeps. Raises ValueError for an unknown routine or a number out of range.
    """

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def _add(
        self,
        kind: int,
        routine: str | Routine | None,
        filters: dict[str, Any],
        *,
        first: int = 0,
        last: int = 0,
        chances: int = 0,
        seed: int = 0,
        predicate: Any = None,
        hardware: int = 0,
        device: int = 0,
    ) -> int:
        name = routine if routine is None or isinstance(routine, str) else routine.__name__
        tag = filters.get("tag")
        minimum, maximum = filters.get("minimum_bytes", 0), filters.get("maximum_bytes", 0)
        for what, value, most in (
            ("minimum_bytes", minimum, NO_LIMIT),
            ("maximum_bytes", maximum, NO_LIMIT),
            ("not_before", filters.get("not_before", 0), NO_LIMIT),
            ("the number of a call", first, NO_LIMIT),
            ("the number of a call", last, NO_LIMIT),
            ("device", device, NO_DEVICE),
        ):
            if not 0 <= value <= most:
                raise ValueError(f"{what}={value}: pass a number from 0 to {most}")
        return self._machine._fault_add(
            kind,
            name,
            tag,
            minimum,
            maximum,
            first,
            last,
            chances,
            seed & NO_LIMIT,
            predicate,
            filters.get("not_before", 0),
            hardware,
            device,
        )

    def fail_nth(
        self,
        routine: str | Routine | None,
        n: int,
        *,
        tag: str | bytes | int | None = None,
        minimum_bytes: int = 0,
        maximum_bytes: int = 0,
        not_before: int = 0,
    ) -> int:
        """Fails the n-th matching call from now; 1 is the next (ruling R37)."""
        if n < 1:
            raise ValueError(f"n={n}: 1 is the next call")
        return self._add(_NTH, routine, _filters(tag, minimum_bytes, maximum_bytes, not_before), first=n)

    def fail_range(
        self,
        routine: str | Routine | None,
        first: int,
        last: int,
        *,
        tag: str | bytes | int | None = None,
        minimum_bytes: int = 0,
        maximum_bytes: int = 0,
        not_before: int = 0,
    ) -> int:
        """Fails the matching calls number ``first`` to ``last`` from now, inclusive."""
        if not 1 <= first <= last:
            raise ValueError(f"first={first}, last={last}: 1 is the next call, and last is not before first")
        return self._add(
            _RANGE, routine, _filters(tag, minimum_bytes, maximum_bytes, not_before), first=first, last=last
        )

    def fail_when(
        self,
        predicate: Callable[[FaultPoint], object],
        routine: str | Routine | None = None,
        *,
        tag: str | bytes | int | None = None,
        minimum_bytes: int = 0,
        maximum_bytes: int = 0,
        not_before: int = 0,
    ) -> int:
        """Fails a matching call when ``predicate(FaultPoint)`` is true. An exception of the predicate surfaces at the
        call.
        """
        if not callable(predicate):
            raise TypeError("predicate is called with a FaultPoint(routine, tag, bytes, ordinal)")

        def ask(name: str | None, tag: int, size: int, ordinal: int) -> bool:
            return bool(predicate(FaultPoint(name, tag, size, ordinal)))

        return self._add(_PREDICATE, routine, _filters(tag, minimum_bytes, maximum_bytes, not_before), predicate=ask)

    def fail_probability(
        self,
        p: float,
        routine: str | Routine | None = None,
        *,
        seed: int | None = None,
        tag: str | bytes | int | None = None,
        minimum_bytes: int = 0,
        maximum_bytes: int = 0,
        not_before: int = 0,
    ) -> int:
        """Fails a matching call with probability ``p``, in steps of 1/10 000, drawn from ``seed`` (the machine's when
        left out).
        """
        if not 0 <= p <= 1:
            raise ValueError(f"p={p}: a probability lies between 0 and 1")
        chances = round(p * 10_000)
        chosen = self._machine.config.seed if seed is None else seed
        return self._add(
            _PROBABILITY, routine, _filters(tag, minimum_bytes, maximum_bytes, not_before), chances=chances, seed=chosen
        )

    def hardware(self, name: str, *, device: int = 0, count: int = 1) -> int:
        """Makes the next ``count`` occasions of a hardware fault happen: timeout, codec_silent, rirb_overrun,
        descriptor_error, fifo_error, late_dpc, removed. device: device number, 0 for any.
        """
        if name not in HARDWARE[1:]:
            raise ValueError(f"{name!r} is no hardware fault; choose among {', '.join(HARDWARE[1:])}")
        if count < 1:
            raise ValueError(f"count={count}: at least one occasion")
        return self._add(_HARDWARE, None, {}, first=count, hardware=HARDWARE.index(name), device=device)

    def remove(self, rule: int) -> None:
        """Withdraws one rule."""
        self._machine._fault_remove(rule)

    def clear(self) -> None:
        """Withdraws every rule."""
        self._machine._fault_clear()

    def off(self) -> _Off:
        """``with pc.faults.off():``: no rule fires and no call counts inside. Nests."""
        return _Off(self._machine)

    @property
    def points(self) -> int:
        """Fault points passed so far, whether or not one failed."""
        return self._machine._fault_points()

    @property
    def injected(self) -> list[InjectedFault]:
        """The failures injected so far, in order."""
        resolve = self._machine._sites.resolve
        return [
            InjectedFault(number, rule, routine, resolve(site), time, size, tag, ordinal)
            for number, rule, routine, site, time, size, tag, ordinal in self._machine._injected()
        ]

    def __repr__(self) -> str:
        return f"<faults: {self.points} points passed, {len(self._machine._injected())} injected>"


def _filters(tag: str | bytes | int | None, minimum: int, maximum: int, not_before: int) -> dict[str, Any]:
    return {"tag": tag, "minimum_bytes": minimum, "maximum_bytes": maximum, "not_before": not_before}
