"""No reference leaks, over every piece of the tour and every error path of its arguments.

Runs on a debug build of CPython (Debian: python3-dbg), whose total count of references must not move when a piece runs
again and again; the blocks its allocators hold must not grow either.
"""

from __future__ import annotations

import contextlib
import gc
import random
import shutil
import sys
from array import array
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from trust.extension import build
from trust.rows import Held, Unavailable, row
from trust.shell import ROOT, run

ROUNDS = 12
WRONG: tuple[Any, ...] = (None, -1, 2**64, 2**65, 1.5, "text", b"bytes", [], [None], {}, object, print, True)


@row("references", "no piece of the tour and no refused argument leaks a reference (debug CPython)")
def references() -> Held:
    """Builds for the debug interpreter, then runs in it."""
    python = shutil.which("python3.11-dbg") or shutil.which("python3-dbg")
    if python is None:
        raise Unavailable("a debug CPython is not here (Debian: apt-get install python3-dbg python3-dev)")
    package = build("leaks", python, "-O1 -g")
    code = f"import sys; sys.path[:0] = [{str(package)!r}, 'tests']; from trust.leaks import report; report()"
    text = run([python, "-P", "-X", "faulthandler", "-W", "ignore", "-c", code], cwd=ROOT).strip().splitlines()
    return Held(text[-1].endswith(" 0 leak"), text[-1])


def _misuses() -> list[tuple[str, Callable[[], None]]]:
    """Each routine with each argument replaced by each wrong value."""
    import storsim
    from kit.routines import ROUTINES
    from kit.world import LOW, World

    def of(name: str) -> Callable[[], None]:
        def run_all() -> None:
            world = World(level="release", memory=LOW)
            arguments = list(ROUTINES[name].dummy)
            function = getattr(world.pc.storport, name)
            for index in range(len(arguments) + 1):
                for value in WRONG:
                    given = [world.ext, *arguments]
                    given[index] = value
                    with contextlib.suppress(TypeError, ValueError, OverflowError, storsim.StorsimError):
                        function(*given)
            world.pc.close()

        return run_all

    return [(f"{name}, wrong arguments", of(name)) for name in ROUTINES]


def report() -> None:
    """What the debug interpreter prints."""
    from trust.tour import units

    pieces = [(name, lambda unit=unit: unit(lambda pc: None)) for name, unit in units()] + _misuses()
    leaks = []
    for name, piece in pieces:
        random.seed(0)
        grown = _growth(piece)
        if grown > 0:
            leaks.append(name)
            print(f"{name}: {grown} references more after {ROUNDS} rounds")
    print(f"{len(pieces)} pieces, {ROUNDS} rounds each; {len(leaks)} leak")


def _growth(piece: Callable[[], None]) -> int:
    """References gained from the first to the last third of the rounds; caches fill in the first."""
    counts = array("q", [0] * ROUNDS)  # holds no reference of its own
    for number in range(ROUNDS):
        piece()
        gc.collect()
        counts[number] = sys.gettotalrefcount()  # type: ignore[attr-defined]
    gained = [after - before for before, after in pairwise(counts[3:])]
    return 0 if min(gained) <= 0 else sum(gained)
