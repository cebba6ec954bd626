"""Every request for host memory fails once: single and from then on, in every piece of the tour.

Each time the piece ends in a MemoryError, or does without; the machine is sound, and everything asked for was given
back when the machine is gone (the sanitized C harness of each room counts that too: see `core`).
"""

from __future__ import annotations

import re
from typing import Any

import storsim
from trust.rows import Held, row
from trust.shell import c_programs
from trust.tour import units

HARNESSES = ("machine/test_pages_host", "nt/test_host", "storport/test_failing", "hdaudio/test_failing_host")


@row("host memory, core", "every allocation of the C harnesses' scenarios fails once; nothing changed, nothing lost")
def core() -> Held:
    """The C harnesses: each compares the digest before and after a failed call and counts live allocations."""
    failed = 0
    for output in c_programs(*HARNESSES, sanitized=True):
        failed += sum(int(number) for number in re.findall(r"(\d+) (?:host )?allocations failed in turn", output))
    return Held(failed > 300, f"{failed} allocations failed in {len(HARNESSES)} programs, ASan and UBSan silent")


@row("host memory, every routine", "every allocation behind each routine fails once, singly and persistently")
def python() -> Held:
    """The tour from Python, piece by piece."""
    failed = unsound = 0
    for _name, unit in units():
        for persistent in (False, True):
            at = 1
            while True:
                made: list[storsim.Machine] = []
                requests = _once(unit, made, at, persistent)
                unsound += sum(pc.check() != "" for pc in made if not pc.closed)
                if requests < at:
                    break
                failed += 1
                at += 1
    return Held(unsound == 0, f"{failed} failures over {len(units())} pieces, {unsound} unsound machines")


def _once(unit: Any, made: list[storsim.Machine], at: int, persistent: bool) -> int:
    """Runs a piece with the at-th request failing; returns how many requests its largest machine made."""
    try:
        unit(made.append, _fail_host_at=at, _fail_host_on=persistent)
    except MemoryError:
        pass
    except (AssertionError, storsim.StatusError, IndexError, TypeError):
        # a step before the end was refused for lack of memory and said so in its status; the next one stumbled over it
        pass
    if not made:
        return at  # the machine itself could not be made
    return max(pc._host_memory[0] for pc in made)
