"""Every allocation that Python itself makes inside a call of the binding fails once.

CPython's own hook for this (``_testcapi.set_nomemory``) makes the n-th request to any of its allocators fail. It is
armed around one call into the extension at a time, because the interpreter's own bytecode loop does not survive it
everywhere. Each routine is called on a fresh machine until it passes without a failure; each failed call ends in a
MemoryError, on a machine that is sound. Runs in a process of its own: a crash is a row that fails, not a runner that
is gone.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import storsim
import storsim.storport as sp
from trust.rows import Held, Unavailable, row
from trust.shell import ROOT, run


def _routines() -> Iterator[tuple[str, Callable[[], tuple[storsim.Machine, Callable[[], Any]]]]]:
    from kit.routines import ROUTINES
    from kit.world import LOW, World

    def prepare(name: str) -> tuple[storsim.Machine, Callable[[], Any]]:
        routine = ROUTINES[name]
        world = World(level="release", memory=LOW)
        arguments = routine.prepare(world)
        if routine.context:
            world.hba.callback(routine.context).__enter__()
        elif routine.irql:
            world.pc.at_irql(routine.irql[0]).__enter__()
        if not routine.takes_extension:
            return world.pc, functools.partial(getattr(world.pc.storport, name), *arguments)
        return world.pc, functools.partial(getattr(sp, name), world.hba, *arguments)

    for name in ROUTINES:
        yield name, functools.partial(prepare, name)


def _others() -> Iterator[tuple[str, Callable[[], tuple[storsim.Machine, Callable[[], Any]]]]]:
    from kit.world import LOW, World

    def prepare(make: Callable[[World], Callable[[], Any]]) -> tuple[storsim.Machine, Callable[[], Any]]:
        world = World(level="release", memory=LOW)
        return world.pc, make(world)

    calls: dict[str, Callable[[World], Callable[[], Any]]] = {
        "read_va": lambda w: functools.partial(w.pc.read_va, w.pool(64), 64),
        "write_va": lambda w: functools.partial(w.pc.write_va, w.pool(64), b"x" * 64),
        "snapshot": lambda w: w.pc.snapshot,
        "restore": lambda w: functools.partial(w.pc.restore, w.pc.snapshot()),
        "digest": lambda w: w.pc.digest,
        "allocations": lambda w: w.pc._allocations,
        "findings": lambda w: functools.partial(w.pc._findings, 0),
        "advance": lambda w: functools.partial(w.pc._advance, 500),
        "check": lambda w: w.pc.check,
    }
    for name, make in calls.items():
        yield name, functools.partial(prepare, make)


def _fail_each() -> tuple[int, int, list[str]]:
    """Failures made, pieces, and what went wrong."""
    import _testcapi

    failures = pieces = 0
    wrong: list[str] = []
    for name, prepare in (*_routines(), *_others()):
        pieces += 1
        prepare()[1]()  # warm: what is made once is made
        quiet, at = 0, 1
        while quiet < 8:
            pc, call = prepare()
            error: type[BaseException] | None = None
            try:
                _testcapi.set_nomemory(at, at + 1)
                call()
                _testcapi.remove_mem_hooks()
            except BaseException as raised:
                _testcapi.remove_mem_hooks()
                error = type(raised)
            if error is None:
                quiet += 1
            else:
                quiet, failures = 0, failures + 1
                if error is not MemoryError:
                    wrong.append(f"{name}: request {at} ended in {error.__name__}")
            if pc.check() != "":
                wrong.append(f"{name}: request {at} left an unsound machine: {pc.check()}")
            at += 1
    return failures, pieces, wrong


@row("Python's allocations", "every allocation CPython makes inside a call of the extension fails once")
def python_allocations() -> Held:
    """In a child process."""
    try:
        import _testcapi  # noqa: F401
    except ImportError:
        raise Unavailable("this CPython comes without _testcapi (it is part of builds from source)") from None
    code = "import sys; sys.path.insert(0, 'tests'); from trust.python_memory import report; report()"
    text = run([sys.executable, "-P", "-X", "faulthandler", "-c", code], cwd=ROOT).strip().splitlines()
    return Held(text[-1].endswith("0 wrong"), text[-1])


def report() -> None:
    """What the child process prints."""
    failures, pieces, wrong = _fail_each()
    for line in wrong:
        print(line)
    print(f"{failures} failures inside {pieces} calls, {len(wrong)} wrong")
