"""A pytest plugin (``-p tests.kit.recorded``): whenever a machine ends, its journal is replayed and has to agree.

Machines whose host was made to fail are left out: a replay has another host.
"""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from storsim import journal, machine

COUNTS = {"replayed": 0, "calls": 0, "full": 0}
_WRONG: list[str] = []
_close = machine.Machine.close


def _check(pc: machine.Machine) -> None:
    if pc._journal is None or pc._host_may_fail:
        return
    recorded = journal.load(pc.journal.to_bytes())
    COUNTS["full"] += recorded.full
    found = recorded.replay()
    COUNTS["replayed"] += 1
    COUNTS["calls"] += found.calls
    if not found.ok:
        _WRONG.append(found.difference)


def _close_and_check(pc: machine.Machine) -> None:
    if not pc.closed and pc._journal is not None:
        try:
            _check(pc)
        except (RuntimeError, MemoryError) as error:  # from inside a callback
            COUNTS[type(error).__name__] = COUNTS.get(type(error).__name__, 0) + 1
    _close(pc)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    made: list[weakref.ref[machine.Machine]] = []

    def notice(pc: machine.Machine) -> None:
        made.append(weakref.ref(pc))  # a test may look whether it goes

    machine.observers.append(notice)
    machine.Machine.close = _close_and_check  # type: ignore[method-assign]
    try:
        result = yield
        for one in made:
            pc = one()
            if pc is not None and not pc.closed:
                _close_and_check(pc)
    finally:
        machine.observers.remove(notice)
        machine.Machine.close = _close  # type: ignore[method-assign]
        made.clear()
    if _WRONG:
        wrong = "; ".join(_WRONG)
        _WRONG.clear()
        pytest.fail(f"a recorded machine replays otherwise: {wrong}")
    return result


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"journals: {COUNTS}")
