"""Python callables inside the machine: exceptions, tokens, re-entry, signals, restore."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
import weakref
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit.callbacks import PAGE, Bench


def test_the_callback_gets_its_own_context() -> None:
    bench = Bench()
    marker = object()
    seen: list[Any] = []
    assert bench.build(lambda *arguments: seen.append(arguments), marker) == sp.STOR_STATUS_SUCCESS
    ((_device, _irp, sg, context),) = seen
    assert context is marker
    assert sg == bench.buffer
    assert [element.Length for element in sg.elements] == [PAGE]
    assert sg.NumberOfElements == 1
    assert sg.List == sg.elements


def test_one_shot_callbacks_are_let_go() -> None:
    class Context:
        pass

    bench = Bench()
    context = Context()
    gone = weakref.ref(context)
    assert bench.build(lambda *_: None, context) == sp.STOR_STATUS_SUCCESS
    del context
    assert gone() is None


def test_a_refused_call_keeps_nothing() -> None:
    class Context:
        pass

    bench = Bench()
    context = Context()
    gone = weakref.ref(context)
    status = sp.StorPortBuildScatterGatherList(
        bench.hba, bench.mdl, bench.va, PAGE, lambda *_: None, context, True, bench.buffer, 256
    )
    assert status == sp.STOR_STATUS_INVALID_IRQL
    with pytest.raises(TypeError):
        sp.StorPortBuildScatterGatherList(
            bench.hba, bench.mdl, bench.va, PAGE, lambda *_: None, context, "yes", bench.buffer, 256
        )
    del context
    assert gone() is None


def test_a_routine_is_callable_or_null() -> None:
    bench = Bench()
    with pytest.raises(TypeError, match="callable"):
        bench.build(17)
    assert bench.build(None) == bench.build(0) != sp.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(2), GeneratorExit()], ids=repr)
def test_the_exception_itself_surfaces_with_its_traceback(error: BaseException) -> None:
    bench = Bench()

    def routine(*_: Any) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        bench.build(routine)
    assert raised.value is error
    assert any(entry.name == "routine" for entry in raised.traceback)
    assert bench.pc.irql == 0
    assert bench.pc.check() == ""


def test_nested_exceptions_surface_once() -> None:
    bench = Bench()
    second = bench.pc.storport.StorPortAllocatePool(bench.hba, 256, "List").BufferPointer

    def inner(*_: Any) -> None:
        raise LookupError("inner")

    def outer(*_: Any) -> None:
        sp.StorPortBuildScatterGatherList(bench.hba, bench.mdl, bench.va, PAGE, inner, None, True, second, 256)

    with pytest.raises(LookupError, match="inner"):
        bench.build(outer)
    assert sp.StorPortAllocatePool(bench.hba, 1, "More").status == sp.STOR_STATUS_SUCCESS


def test_a_swallowed_inner_exception_is_gone() -> None:
    bench = Bench()
    second = sp.StorPortAllocatePool(bench.hba, 256, "List").BufferPointer
    caught: list[Exception] = []

    def inner(*_: Any) -> None:
        raise LookupError("inner")

    def outer(*_: Any) -> None:
        try:
            sp.StorPortBuildScatterGatherList(bench.hba, bench.mdl, bench.va, PAGE, inner, None, True, second, 256)
        except LookupError as error:
            caught.append(error)

    assert bench.build(outer) == sp.STOR_STATUS_SUCCESS
    assert len(caught) == 1


def test_sites_of_the_outer_call_survive_nested_calls() -> None:
    bench = Bench(sg_delivery="immediate")

    def routine(*_: Any) -> None:
        sp.StorPortAllocatePool(bench.hba, 64, "Mine")

    bench.build(routine)
    (record,) = [record for record in bench.pc.allocations() if record.tag_text == "Mine"]
    assert record.site is not None
    assert record.site.function.endswith("routine")


def test_deferred_callbacks_of_a_snapshot_run_after_the_restore() -> None:
    bench = Bench(sg_delivery="deferred", dpc="manual")
    seen: list[str] = []
    assert bench.build(lambda *arguments: seen.append(arguments[3]), "context") == sp.STOR_STATUS_SUCCESS
    snapshot = bench.pc.snapshot()
    bench.pc.run_dpcs()
    assert seen == ["context"]
    bench.pc.restore(snapshot)
    bench.pc.run_dpcs()
    assert seen == ["context", "context"]


def test_callbacks_registered_after_the_snapshot_are_forgotten() -> None:
    class Context:
        pass

    bench = Bench(sg_delivery="deferred", dpc="manual")
    snapshot = bench.pc.snapshot()
    context = Context()
    gone = weakref.ref(context)
    assert bench.build(lambda *_: None, context) == sp.STOR_STATUS_SUCCESS
    del context
    assert gone() is not None
    bench.pc.restore(snapshot)
    gc.collect()
    assert gone() is None
    bench.pc.run_dpcs()


def test_a_callback_of_another_machine_is_stale() -> None:
    first, second = (Bench(sg_delivery="deferred", dpc="manual") for _ in range(2))
    assert first.build(lambda *_: None, "context") == sp.STOR_STATUS_SUCCESS
    second.pc.restore(first.pc.snapshot())
    with pytest.raises(RuntimeError, match="register it again"):
        second.pc.run_dpcs()
    assert second.pc.check() == ""


def test_same_digest_whether_one_left_or_not() -> None:
    def life(bench: Bench) -> int:
        bench.build(lambda *_: None, "one")
        return bench.pc.digest()

    stayed, left = (Bench(sg_delivery="deferred", dpc="manual") for _ in range(2))
    snapshot = left.pc.snapshot()
    left.build(lambda *_: None, "elsewhere")
    left.pc.restore(snapshot)
    assert life(stayed) == life(left)


@pytest.mark.parametrize("call", ["advance", "snapshot", "restore", "close", "remove"])
def test_re_entry_is_refused_and_harmless(call: str) -> None:
    bench = Bench()
    snapshot = bench.pc.snapshot()
    calls: dict[str, Any] = {
        "advance": lambda: bench.pc.advance(1),
        "snapshot": bench.pc.snapshot,
        "restore": lambda: bench.pc.restore(snapshot),
        "close": bench.pc.close,
        "remove": bench.hba.remove,
    }
    caught: list[RuntimeError] = []

    def routine(*_: Any) -> None:
        with pytest.raises(RuntimeError) as error:
            calls[call]()
        caught.append(error.value)

    assert bench.build(routine) == sp.STOR_STATUS_SUCCESS
    assert len(caught) == 1
    assert not bench.pc.closed
    assert bench.pc.check() == ""


def test_dropping_every_reference_inside_a_callback() -> None:
    bench: Bench | None = Bench()
    holder = [bench]

    def routine(*_: Any) -> None:
        holder.clear()
        gc.collect()

    assert bench is not None
    build, bench = bench.build, None
    assert build(routine) == sp.STOR_STATUS_SUCCESS


def test_predicate_and_policy_results_are_checked() -> None:
    pc = storsim.Machine("64MiB", hmb_policy=lambda *_: "much")
    hba = pc.add_adapter("hba")
    with pytest.raises(TypeError):
        sp.StorPortAllocateHostMemoryBuffer(hba, 0, PAGE, 0, 0, 0, -1, 0, 1)
    pc = storsim.Machine("64MiB", hmb_policy=lambda *_: -1)
    with pytest.raises(OverflowError):
        sp.StorPortAllocateHostMemoryBuffer(pc.add_adapter("hba"), 0, PAGE, 0, 0, 0, -1, 0, 1)


if hasattr(signal, "setitimer"):

    def test_control_c_ends_a_long_run() -> None:
        pc = storsim.Machine("64MiB")

        def again(_context: Any) -> None:
            pc._queue_dpc(again, None)

        class Stop(Exception):
            pass

        def handler(*_: Any) -> None:
            raise Stop

        def forever() -> None:
            while True:
                pc.advance(seconds=3600)

        old = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            with pytest.raises(Stop):
                forever()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        assert pc.check() == ""


def test_another_thread_waits_for_a_callback() -> None:
    bench = Bench()
    order: list[str] = []
    entered = threading.Event()

    def routine(*_: Any) -> None:
        entered.set()
        time.sleep(0.05)
        order.append("callback")

    def other() -> None:
        entered.wait(30)
        sp.StorPortAllocatePool(bench.hba, 64, "Late")
        order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    bench.build(routine)
    thread.join(30)
    assert order == ["callback", "other"]


def test_closing_while_another_thread_waits() -> None:
    bench = Bench()
    results: list[Any] = []
    entered = threading.Event()

    def routine(*_: Any) -> None:
        entered.set()
        time.sleep(0.05)

    def other() -> None:
        entered.wait(30)
        try:
            results.append(sp.StorPortAllocatePool(bench.hba, 64, "Late"))
        except ValueError as error:
            results.append(error)

    threads = [threading.Thread(target=other) for _ in range(4)]
    for thread in threads:
        thread.start()
    bench.build(routine)
    bench.pc.close()
    for thread in threads:
        thread.join(30)
    assert len(results) == 4


@pytest.mark.parametrize("level", ["verifier", "strict"])
def test_an_exception_while_a_finding_is_told_is_that_exception(level: str) -> None:
    """Ctrl-C may come anywhere, also in the Python code that makes the record of a finding for an exception."""
    pc = storsim.Machine("64MiB", level=level)
    hba = pc.add_adapter("hba")
    made = storsim.Finding.__init__.__code__

    def interrupt(frame: Any, event: str, _arg: Any) -> None:
        if event == "call" and frame.f_code is made:
            raise KeyboardInterrupt

    def interrupted() -> None:
        sys.setprofile(interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                sp.StorPortFreePool(hba, 0x1234000)
        finally:
            sys.setprofile(None)

    interrupted()
    with pytest.raises((storsim.BugCheck, storsim.Violation, storsim.MachineStopped)) as told:
        sp.StorPortFreePool(hba, 0x1234000)
    if not isinstance(told.value, storsim.Violation):
        interrupted()
    assert pc.check() == ""
