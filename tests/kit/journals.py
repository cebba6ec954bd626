"""Machines that were recorded, and what their journals are compared by."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import storsim
from storsim import journal, machine


@contextlib.contextmanager
def machines() -> Iterator[list[machine.Machine]]:
    """The machines made inside, in order."""
    made: list[machine.Machine] = []
    machine.observers.append(made.append)
    try:
        yield made
    finally:
        machine.observers.remove(made.append)


def recorded(run: Callable[[], Any]) -> list[journal.Journal]:
    """Runs something and returns the journals of the machines it made, through their bytes."""
    with machines() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(storsim.StorsimError):
            run()
    return [journal.load(pc.journal.to_bytes()) for pc in made]


def story(found: journal.Journal) -> list[tuple[Any, ...]]:
    """Calls of documented routines with their answers: what two runs of one program have in common."""
    routines = {row.name for row in journal.operations() if row.family is not None}
    return [
        (record.name, record.depth, record.status, record.result, record.results)
        for record in found.records()
        if record.kind == "call" and record.name in routines
    ]


def run_script(program: str) -> journal.Journal:
    """Runs a printed program and returns the journal of its machine."""
    with machines() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(storsim.StorsimError):
            exec(compile(program, "<script>", "exec"), {"__name__": "script"})
    return journal.load(made[0].journal.to_bytes())
