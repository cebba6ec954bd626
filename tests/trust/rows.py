"""The rows: a claim, the command that makes its figure again, and what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """Whether a row's claim held, and the figure beside it."""

    held: bool
    figure: str


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    claim: str
    run: Callable[[], Held]
    quick: bool


ROWS: list[Row] = []


class Unavailable(Exception):
    """What a row needs is not on this machine; the text says what and how to get it."""


def row(name: str, claim: str, *, quick: bool = True) -> Callable[[Callable[[], Held]], Callable[[], Held]]:
    """Registers a function as a row. quick: it takes well under five minutes."""

    def register(function: Callable[[], Held]) -> Callable[[], Held]:
        ROWS.append(Row(name, claim, function, quick))
        return function

    return register
