"""Virtual time: exact conversion of seconds, milliseconds and link frames to ticks of 1/24 000 000 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

    Number = int | float | str | Decimal | Fraction

TICKS_PER_SECOND = 24_000_000
TICKS_PER_MILLISECOND = 24_000
TICKS_PER_FRAME = 500


def exact(amount: Number, unit: int, name: str) -> int:
    """``amount`` units of ``unit`` ticks, as ticks.

    A float counts as the decimal number it prints as. Raises ValueError when the result is no whole number of ticks or
    is negative, TypeError for what is no number.
    """
    if isinstance(amount, int):
        ticks = amount * unit
    else:
        from fractions import Fraction

        try:
            exactly = Fraction(repr(amount) if isinstance(amount, float) else amount) * unit
        except (ValueError, ZeroDivisionError, OverflowError):
            raise ValueError(f"{name}={amount!r} is no finite number") from None
        if exactly.denominator != 1:
            raise ValueError(
                f"{name}={amount!r} is {exactly} ticks, no whole number; a tick is 1/24 000 000 s, a frame 500 ticks"
            )
        ticks = int(exactly)
    if not 0 <= ticks < 2**64:
        raise ValueError(f"{name}={amount!r}: time only runs forward, and at most 2**64 ticks at a time")
    return ticks


def to_ticks(ticks: Number | None, frames: Number | None, milliseconds: Number | None, seconds: Number | None) -> int:
    """The one duration that was given, as ticks. Raises TypeError when there is none or more than one."""
    given = [
        (amount, unit, name)
        for amount, unit, name in (
            (ticks, 1, "ticks"),
            (frames, TICKS_PER_FRAME, "frames"),
            (milliseconds, TICKS_PER_MILLISECOND, "milliseconds"),
            (seconds, TICKS_PER_SECOND, "seconds"),
        )
        if amount is not None
    ]
    if len(given) != 1:
        raise TypeError("pass one of ticks=, frames=, milliseconds=, seconds=")
    return exact(*given[0])
