"""Threads at one machine: who waits for whom, what never waits, and what is made at first use by several at once.

With a GIL the interesting moment is a callback, in which other threads run; without one it is any. The row
"free-threaded" of tests/trust runs these tests on such a build.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit.callbacks import PAGE, Bench
from storsim import _core

# -- what waits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        (lambda pc: pc.now, 0),
        (lambda pc: pc._dead, False),
        (lambda pc: pc._bugcheck, None),
        (lambda pc: pc._host_memory[0] > 0, True),
        (lambda pc: pc.cpu, 0),
    ],
    ids=["now", "dead", "bugcheck", "host-memory", "cpu"],
)
def test_attributes_wait_for_a_callback(what: Callable[[Any], Any], wanted: Any) -> None:
    bench = Bench()
    assert bench.meanwhile(lambda: what(bench.pc), waits=True) == wanted


def test_the_bytes_of_a_snapshot_wait_for_a_callback() -> None:
    bench = Bench()
    snapshot, twin = bench.pc.snapshot(), bench.pc.snapshot()
    wanted = bytes(twin)
    assert bench.meanwhile(lambda: bytes(snapshot), waits=True) == wanted


def test_the_bytes_of_a_snapshot_can_be_asked_for_inside_a_callback() -> None:
    bench = Bench()
    snapshot, twin = bench.pc.snapshot(), bench.pc.snapshot()
    wanted, found = bytes(twin), []
    bench.inside(lambda: found.append(bytes(snapshot)))
    assert found == [wanted]


def test_two_threads_close_at_once() -> None:
    """Calling close again does nothing, also for one that waited while another closed."""
    bench = Bench()
    answers: list[Any] = []

    def close() -> None:
        try:
            answers.append(bench.pc.close())
        except ValueError as error:
            answers.append(error)

    threads = [threading.Thread(target=close) for _ in range(4)]

    def callback() -> None:
        for thread in threads:
            thread.start()
        time.sleep(0.03)

    with contextlib.suppress(ValueError):  # closed before the level could be put back
        bench.inside(callback)
    for thread in threads:
        thread.join(30)
    assert answers == [None] * 4
    assert bench.pc.closed


# -- what never waits --------------------------------------------------------------------------------------------------


def test_a_view_released_meanwhile_ends_when_the_call_does() -> None:
    bench = Bench()
    block = bench.hba.pool(64)
    snapshot = bench.pc.snapshot()
    view = memoryview(block)
    with pytest.raises(BufferError):
        bench.pc.restore(snapshot)
    assert bench.meanwhile(view.release, waits=False) is None
    bench.pc.restore(snapshot)
    assert bench.pc.check() == ""


def test_a_late_write_through_a_view_released_meanwhile_is_told() -> None:
    bench = Bench()
    block = bench.hba.pool(64)
    view = memoryview(block)
    block.free()
    view[0] = 0x41
    assert bench.meanwhile(view.release, waits=False) is None
    bench.pc.digest()
    assert "USE_AFTER_FREE" in [record.name for record in bench.pc.findings]


def test_a_view_released_inside_a_callback_ends_there() -> None:
    bench = Bench()
    snapshot = bench.pc.snapshot()
    view = memoryview(bench.hba.pool(64))
    bench.inside(view.release)
    bench.pc.restore(snapshot)


def test_the_last_view_of_a_closed_machine_ends_it() -> None:
    bench = Bench()
    view = memoryview(bench.hba.pool(64))
    alive = weakref.ref(bench.pc)
    bench.pc.close()
    thread = threading.Thread(target=view.release)
    thread.start()
    thread.join(30)
    del view, bench
    gc.collect()
    assert alive() is None


def test_snapshots_dropped_meanwhile() -> None:
    bench = Bench()
    snapshots = [bench.pc.snapshot() for _ in range(5)]
    kept = bench.pc.snapshot()
    assert bench.meanwhile(snapshots.clear, waits=False) is None
    bench.pc.restore(kept)
    assert bench.pc.check() == ""
    bench.pc.close()
    assert storsim.Machine("64MiB", level="release").restore(bytes(kept)) is None


# -- tokens, first uses, structures ------------------------------------------------------------------------------------


def test_a_refused_call_keeps_no_callable() -> None:
    """A callable is registered inside the machine, when nothing else can refuse the call."""

    class Routine:
        def __call__(self, *given: Any) -> None: ...

    bench = Bench()
    for refusal in ("arguments", "closed"):
        routine = Routine()
        alive = weakref.ref(routine)
        length = -1 if refusal == "arguments" else PAGE
        if refusal == "closed":
            bench.pc.close()
        with pytest.raises((OverflowError, ValueError)):
            sp.StorPortBuildScatterGatherList(
                bench.hba, bench.mdl, bench.va, PAGE, routine, None, True, bench.buffer, length
            )
        del routine
        gc.collect()
        assert alive() is None, refusal


def test_a_dictionary_that_changes_while_it_is_read() -> None:
    """The binding reads a copy."""
    pc = storsim.Machine("64MiB", level="release")
    values: dict[str, Any] = {}

    class Number:
        def __index__(self) -> int:
            values.clear()
            gc.collect()
            return 1

    values.update({name: Number() for name in ("capture", "render", "bidirectional")})
    assert pc._hda_add(values) == 1
    assert values == {}


def test_members_are_set_whole_or_not_at_all() -> None:
    one = storsim.storport.ACCESS_RANGE(1, 2, True)
    with pytest.raises(OverflowError):
        one.RangeLength = 1 << 40
    with pytest.raises(TypeError):
        one.RangeStart = "text"
    assert one == (1, 2, True)
    one.RangeStart = 7
    assert tuple(one) == (7, 2, True)
    assert repr(one) == "ACCESS_RANGE(RangeStart=0x7, RangeLength=0x2, RangeInMemory=True)"


def _at_once(count: int, action: Callable[[int], Any]) -> list[Any]:
    """What a function comes to in several threads that start together."""
    barrier, answers = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        barrier.wait(30)
        answers[number] = action(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_what_is_made_at_first_use_is_made_once() -> None:
    bench = Bench()
    extensions = _at_once(6, lambda _: bench.hba.device_extension)
    assert len({id(extension) for extension in extensions}) == 1
    types = _at_once(6, lambda _: _core.result_type("StorPortAllocateContiguousMemorySpecifyCacheNode"))
    assert len(set(types)) == 1


def test_the_same_calls_in_several_threads_come_to_the_same() -> None:
    """Machines of their own run in parallel and know nothing of each other."""

    def life(_number: int) -> tuple[int, int, str]:
        bench = Bench()
        for size in range(1, 200):
            status, va = sp.StorPortAllocatePool(bench.hba, size, "Test")
            assert status == sp.StorStatus.STOR_STATUS_SUCCESS
            if size % 3:
                sp.StorPortFreePool(bench.hba, va)
        bench.pc.advance(milliseconds=1)
        return bench.pc.digest(), bench.pc._journal.calls, bench.pc.check()

    answers = _at_once(6, life)
    assert len(set(answers)) == 1
    assert answers[0][2] == ""


def test_findings_read_by_several_threads_are_there_once() -> None:
    bench = Bench()
    bench.pc.restore(bench.pc.snapshot())
    for _ in range(20):
        with bench.pc.at_irql(1):
            sp.StorPortAllocateContiguousMemorySpecifyCacheNode(bench.hba, 4096, 0, -1, 3, sp.MmCached, 7)
    names = _at_once(4, lambda _: [record.name for record in bench.pc.findings])
    assert names == [names[0]] * 4
    assert [record.name for record in bench.pc.findings] == names[0]
    assert len(names[0]) >= 20


def test_a_journal_is_read_while_its_machine_runs() -> None:
    bench = Bench()
    done = threading.Event()

    def work(number: int) -> Any:
        if number == 0:
            for _ in range(300):
                sp.StorPortFreePool(bench.hba, sp.StorPortAllocatePool(bench.hba, 64, "Test").BufferPointer)
            done.set()
            return None
        counts = []
        while not done.is_set() and len(counts) < 40:
            counts.append(bench.pc._journal.count)
            decoded = _core.Journal.decode(bench.pc._journal.encode())
            assert decoded.count >= counts[-1]
            len(bench.pc._sites)
        return counts

    for counts in _at_once(3, work)[1:]:
        assert counts == sorted(counts)
    assert bench.pc.check() == ""


def test_nobody_waits_for_a_search_for_the_shortest() -> None:
    """It works on what was recorded when it began: its machine goes on meanwhile, in any thread, and may be closed."""
    bench = Bench()
    sp.StorPortAllocatePool(bench.hba, 0, "Zero")
    recorded = bench.pc._journal.count
    asked: list[int] = []

    def progress(_tried: int, _left: int) -> bool:
        asked.append(_at_once(1, lambda _: sp.StorPortAllocatePool(bench.hba, 0, "More").status)[0])
        bench.pc.close()
        return False

    for _ in range(40):
        sp.StorPortFreePool(bench.hba, sp.StorPortAllocatePool(bench.hba, 64, "Test").BufferPointer)
    small = bench.pc.journal.shrink(progress=progress)
    assert asked == [sp.STOR_STATUS_SUCCESS]
    assert bench.pc.closed
    assert small.shrunk is not None
    assert small.shrunk.key.name == "ZERO_LENGTH"
    assert "More" not in small.script()
    assert bench.pc._journal.count > recorded
    assert bench.pc.journal.shrink().shrunk is not None


def test_the_extension_does_not_ask_for_the_gil() -> None:
    """A free-threaded CPython would switch it on for an extension that does not say it can do without."""
    enabled = getattr(sys, "_is_gil_enabled", lambda: None)()
    free = "free-threading" in sys.version
    assert enabled is None or enabled != free
