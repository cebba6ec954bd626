"""Threads, signals, fork and interpreters: long enough to matter, in a child process each.

What they do is random from a seed; what they check is that every call ends in an answer or an exception of its own,
that every machine is sound at the end, and that the process lives.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from trust.rows import Held, Unavailable, row
from trust.shell import ROOT, compiles, make, run

SECONDS = float(os.environ.get("STORSIM_TRUST_SECONDS", "20"))


def _child(function: str) -> Held:
    code = f"import sys; sys.path.insert(0, 'tests'); from trust import threads; threads.{function}()"
    command = [sys.executable, "-P", "-X", "faulthandler", "-W", "ignore", "-c", code]
    text = run(command, cwd=ROOT, timeout=int(SECONDS) * 4 + 120).strip().splitlines()
    return Held(text[-1].endswith(" 0 wrong"), text[-1])


@row("threads", "threads on one machine and on many: every call answers, every machine stays sound")
def many_threads() -> Held:
    """Eight threads, three shared machines, callbacks that re-enter, raise and drop references."""
    return _child("stress")


@row("thread sanitizer", "programs in four threads, each on machines of its own: no race, the same digests")
def sanitized() -> Held:
    """The core and fuzz/threads.c under ThreadSanitizer."""
    flags = "-fsanitize=thread"
    if not compiles(f"gcc {flags} -pthread"):
        raise Unavailable("gcc with ThreadSanitizer is not here (Debian: apt-get install libtsan2)")
    folder = make("tsan", ["fuzz/threads"], opt="-O1 -g", extra=f"{flags} -pthread")
    text = run([str(folder / "fuzz" / "threads"), "4", "60"], env={"TSAN_OPTIONS": "halt_on_error=1"}).strip()
    return Held(text.endswith(" 0 threads differ"), text)


@row("signals", "Ctrl-C in calls, callbacks and long runs: KeyboardInterrupt, a sound machine, no hang")
def signals() -> Held:
    """A timer interrupts the main thread every few milliseconds."""
    return _child("interrupts")


@row("fork and interpreters", "a forked child and sub-interpreters use machines of their own and the parent's copy")
def interpreters() -> Held:
    """os.fork with live machines; sub-interpreters that import, simulate and end."""
    return _child("others")


def _work(pc: Any, hba: Any, rng: random.Random) -> None:
    """A handful of calls a driver could make, misuse included."""
    import storsim.storport as sp

    size = rng.randrange(0, 9000)
    _status, va = sp.StorPortAllocatePool(hba, size, "Test")
    if va:
        pc.write_va(va, b"x"[:size])  # a byte beside a block of none would stop the machine
        if rng.random() < 0.9:
            sp.StorPortFreePool(hba, va)
    _status, va, pa = sp.StorPortAllocateDmaMemory(hba, rng.randrange(1, 70000), 0, 0xFFFFFFFF, 0, 1, 0x80000000)
    if va:
        sp.StorPortFreeDmaMemory(hba, va, 1, 1, pa)
    with hba.srb(4096) as srb, pc.at_irql(2):
        sp.StorPortGetScatterGatherList(hba, srb)
    pc.advance(ticks=rng.randrange(1000))
    if rng.random() < 0.05:
        pc.restore(pc.snapshot())
    pc.allocations()
    pc.digest()


def _call_back(pc: Any, hba: Any, rng: random.Random) -> None:
    """A callback that re-enters, raises or drops references."""
    held = [object(), pc.snapshot(), memoryview(hba.pool(64))]

    def routine(context: Any) -> None:
        context.clear()
        if rng.random() < 0.3:
            raise RuntimeError("the driver's own")
        hba.pool(32).free()

    pc._queue_dpc(routine, held)
    pc.run_dpcs()


def _share(pc: Any, hba: Any, rng: random.Random, common: list[Any]) -> None:
    """What threads do to what other threads made: views, snapshots, structures, whole machines, a journal, a report."""
    import storsim
    from storsim._core import Snapshot
    from storsim.storport import ACCESS_RANGE

    kind = rng.randrange(10)
    thing = common.pop() if common and (kind < 4 or len(common) > 40) else None  # dropped here, made elsewhere
    if isinstance(thing, Snapshot):
        pc.restore(thing) if rng.random() < 0.5 else len(bytes(thing))
    elif isinstance(thing, storsim.Machine):
        thing.journal.save(os.devnull) if rng.random() < 0.1 else thing.close()
    elif isinstance(thing, ACCESS_RANGE):
        thing.RangeStart, thing.RangeLength = rng.randrange(1 << 40), rng.randrange(1 << 20)
        common += [thing] * (repr(thing) != "" and tuple(thing)[2] == 0)
    elif thing is not None:
        thing.release()
    made: dict[int, Callable[[], Any]] = {
        4: lambda: memoryview(hba.pool(64)),
        5: pc.snapshot,
        6: lambda: ACCESS_RANGE(1, 2, False),
        7: lambda: storsim.Machine("64MiB", level="release"),
    }
    if kind in made:
        thing = made[kind]()
        common += [thing, thing] if kind > 4 else [thing]
    elif kind == 8:
        _call_back(pc, hba, rng)
    elif kind == 9:
        assert pc._journal.count > 0
        assert pc._sites.resolve(len(pc._sites)) is not None
        assert len(str(pc.findings)) > 0
        assert hba.device_extension == hba.device_extension


def stress() -> None:
    """What the child process of `many_threads` does."""
    import storsim

    machines = [(pc, pc.add_adapter("hba0")) for pc in (storsim.Machine("64MiB", level="release") for _ in range(3))]
    until = time.monotonic() + SECONDS
    wrong: list[str] = []
    counts = [0] * 8
    common: list[Any] = []

    def worker(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < until:
            pc, hba = rng.choice(machines) if rng.random() < 0.8 else _own()
            try:
                _share(pc, hba, rng, common)
                _work(pc, hba, rng)
            except (storsim.StorsimError, RuntimeError, ValueError, BufferError, MemoryError):
                pass
            except BaseException as error:
                wrong.append(repr(error))
            counts[number] += 1

    def _own() -> Any:
        pc = storsim.Machine("64MiB", level="release")
        return pc, pc.add_adapter("own")

    _run_all([lambda number=number: worker(number) for number in range(8)])
    common.clear()
    wrong += [text for pc, _ in machines if (text := pc.check())]
    for line in wrong[:5]:
        print(line)
    hours = f"{len(counts) * SECONDS / 3600:.2f} thread hours"
    print(f"{sum(counts)} rounds in {hours} of 8 threads on 3 shared machines and new ones; {len(wrong)} wrong")


def _run_all(functions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def interrupts() -> None:
    """What the child process of `signals` does."""
    import storsim
    from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V3, PauseState, RunState, StreamFormat

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    pc = storsim.Machine("64MiB", level="release")
    hba, hda = pc.add_adapter("hba0"), pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
    _status, handle, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
    bus.AllocateDmaBufferWithNotification(handle, 2, 8192)
    bus.RegisterNotificationCallback(handle, None, lambda *given: sum(range(200)), 7)
    bus.SetDmaEngineState(PauseState, [handle])
    bus.SetDmaEngineState(RunState, [handle])
    rng, wrong, seen, rounds = random.Random(1), [], 0, 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:  # a timer rings once: whatever it interrupts in here, it is over then
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.random() * 0.02 + 0.0001)
                pc.advance(seconds=30)
                _work(pc, hba, rng)
            except (storsim.StorsimError, RuntimeError) as error:
                if not isinstance(error, RuntimeError | storsim.MachineStopped):
                    wrong.append(repr(error))
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            seen += 1
        rounds += 1
        if text := pc.check():
            wrong.append(text)
    for line in wrong[:5]:
        print(line)
    print(f"{seen} interrupts in {rounds} rounds, {SECONDS:.0f} s; {len(wrong)} wrong")


def others() -> None:
    """What the child process of `interpreters` does."""
    import storsim
    from trust.tour import tour

    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba0")
    before, wrong, forks = pc.digest(), [], 0
    for _ in range(5):
        child = os.fork()
        if child == 0:
            try:
                _work(pc, hba, random.Random(2))
                tour()
                os._exit(0 if pc.check() == "" else 3)
            except BaseException:
                os._exit(4)
        _pid, status = os.waitpid(child, 0)
        forks += 1
        if status != 0:
            wrong.append(f"a forked child ended with status {status}")
    if pc.digest() != before:
        wrong.append("a forked child changed the parent's machine")
    made = _interpreters(wrong)
    for line in wrong:
        print(line)
    print(f"{forks} forks, {made} sub-interpreters; {len(wrong)} wrong")


def _interpreters(wrong: list[str]) -> int:
    """Sub-interpreters that make machines and end, one after the other; how many."""
    try:
        import _interpreters as module  # CPython 3.13
    except ImportError:
        import _xxsubinterpreters as module  # type: ignore[import-not-found,no-redef]
    code = "import storsim; pc = storsim.Machine('64MiB'); pc.add_adapter('a').pool(64).free(); pc.close()"
    count = 0
    for _ in range(6):
        number = module.create()
        try:
            error = module.run_string(number, f"import sys; sys.path[:] = {sys.path!r}\n{code}")
            if error is not None:
                wrong.append(f"in a sub-interpreter: {error}")
        except Exception as error:
            wrong.append(f"in a sub-interpreter: {error}")
        module.destroy(number)
        count += 1
    return count
