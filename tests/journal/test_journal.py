"""`storsim.journal`: recording, files, crashes, damage, shrinking, commands."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import storsim
import storsim.storport as sp
from kit.journals import run_script
from storsim import journal
from storsim.cli import main


def failing(calls: int = 40, **knobs: Any) -> storsim.Machine:
    """A machine stopped by a double free, with calls around it that have nothing to do with it."""
    pc = storsim.Machine("1GiB", **knobs)
    hba = pc.add_adapter("a")
    held = []
    for index in range(calls):
        held.append(sp.StorPortAllocatePool(hba, 100 + index, "Nois")[1])
        pc.advance(index)
        if index % 3 == 0:
            sp.StorPortFreePool(hba, held.pop(0))
    _, twice = sp.StorPortAllocatePool(hba, 555, "Twic")
    sp.StorPortFreePool(hba, twice)
    with pytest.raises(storsim.BugCheck), pytest.warns(storsim.ViolationWarning):
        sp.StorPortFreePool(hba, twice)
    return pc


def test_records_say_what_happened() -> None:
    with storsim.Machine("1GiB", seed=5) as pc:
        hba = pc.add_adapter("a")
        status, va = sp.StorPortAllocatePool(hba, 100, "Test")
        pc.write_va(va, b"hello")
        sp.StorPortFreePool(hba, va)
        kept = pc.journal
        rows = list(kept.records())
        assert len(kept) == sum(row.kind == "call" for row in rows)
    assert rows[0].kind == "machine"
    assert rows[0].arguments["seed"] == 5
    call = next(row for row in rows if row.name == "StorPortAllocatePool")
    assert call.arguments == {"HwDeviceExtension": int(hba.device_extension), "NumberOfBytes": 100, "Tag": 0x74736554}
    assert call.results == {"BufferPointer": va}
    assert (call.status, call.result, call.depth) == ("OK", int(status), 0)
    assert call.site is not None
    assert call.site.file == __file__
    assert next(row for row in rows if row.name == "write_va").arguments["data"] == b"hello"
    assert list(kept.records())[-1].kind == "seal"  # somebody held it when the machine was closed
    assert kept.replay().ok
    assert "StorPortFreePool" in str(next(row for row in rows if row.name == "StorPortFreePool"))


def test_switched_off() -> None:
    pc = storsim.Machine("1GiB", journal=False)
    with pytest.raises(RuntimeError, match="journal=False"):
        pc.journal  # noqa: B018


@pytest.mark.parametrize("wrong", [3, 1.5, b"bytes", ""], ids=repr)
def test_what_the_knob_takes(wrong: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        storsim.Machine("1GiB", journal=wrong)


def test_memory_limit() -> None:
    pc = storsim.Machine("1GiB", journal_limit=2000)
    hba = pc.add_adapter("a")
    for _ in range(300):
        sp.StorPortFreePool(hba, sp.StorPortAllocatePool(hba, 64, "Data")[1])
    assert pc.journal.full
    assert len(pc.journal) < 300
    assert journal.load(pc.journal.to_bytes()).replay().ok


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "run.journal"
    with storsim.Machine("1GiB", journal=path) as pc:
        hba = pc.add_adapter("a")
        sp.StorPortFreePool(hba, sp.StorPortAllocatePool(hba, 64, "Data")[1])
        digest = pc.digest()
        before = path.read_bytes()
        assert before == pc._journal.encode()  # type: ignore[union-attr]
    found = journal.load(path)
    assert not found.torn
    replay = found.replay()
    assert replay.ok
    assert replay.sealed
    assert journal.load(before).replay().digest == digest


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no"):
        storsim.Machine("1GiB", journal=tmp_path / "no" / "such" / "directory")


CRASHES = {"abort": "os.abort()", "kill": "os.kill(os.getpid(), signal.SIGKILL)", "exit": "os._exit(3)"}


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_loses_nothing(tmp_path: Path, how: str) -> None:
    """Each call is in the file before it runs; the process ends inside a callback."""
    if how == "kill" and sys.platform == "win32":
        how = "exit"
    path = tmp_path / "run.journal"
    program = f"""
        import os, signal, storsim
        import storsim.storport as sp
        pc = storsim.Machine("1GiB", journal={str(path)!r})
        hba = pc.add_adapter("a")
        for size in range(1, 40):
            sp.StorPortAllocatePool(hba, size, "Data")
        with pc.at_irql(2):
            pc._queue_dpc(lambda context: {CRASHES[how]}, None)
    """
    done = subprocess.run([sys.executable, "-P", "-c", textwrap.dedent(program)], capture_output=True, check=False)
    assert done.returncode != 0
    found = journal.load(path)
    names = [record.name for record in found.records()]
    assert names.count("StorPortAllocatePool") == 39
    assert names[-1] == "dpc"  # where it ended
    assert list(found.records())[-1].status is None
    replay = found.replay()
    assert replay.ok, replay.difference
    assert replay.calls >= 39


def test_damage_is_an_error_with_its_place(tmp_path: Path) -> None:
    data = bytearray(failing().journal.to_bytes())
    data[len(data) // 2] ^= 0x10
    with pytest.raises(ValueError, match=r"damaged.*byte \d+"):
        journal.load(bytes(data))
    with pytest.raises(ValueError, match="byte 0"):
        journal.load(b"something else")
    data[8] = 0xFF
    with pytest.raises(ValueError, match=r"newer format.*byte 8"):
        journal.load(bytes(data))


_WHOLE = None


def whole() -> bytes:
    global _WHOLE
    _WHOLE = _WHOLE or failing(10).journal.to_bytes()
    return _WHOLE


@given(st.data())
def test_any_bytes(data: st.DataObject) -> None:
    """Cut, changed or made up: a journal that replays, or ValueError."""
    raw = bytearray(whole())
    kind = data.draw(st.sampled_from(["cut", "change", "noise"]))
    if kind == "cut":
        del raw[data.draw(st.integers(0, len(raw))) :]
    elif kind == "change":
        for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
            raw[at] = data.draw(st.integers(0, 255))
    else:
        raw = bytearray(data.draw(st.binary(max_size=200)))
    try:
        found = journal.load(bytes(raw))
        list(found.records())
        found.replay()
    except ValueError as error:
        assert str(error)


def test_a_difference_is_told() -> None:
    """A journal of a machine that answers otherwise: its first difference, by record and name."""
    data = bytearray(failing(3).journal.to_bytes())
    found = journal.load(bytes(data))
    seal = found.replay()
    assert seal.ok
    assert seal.sealed
    other = storsim.Machine("1GiB", seed=1)
    assert other.digest() != seal.digest


def test_shrink() -> None:
    pc = failing(200)
    small = pc.journal.shrink()
    assert small.shrunk is not None
    assert small.shrunk.minimal
    assert small.shrunk.before > 400
    assert small.shrunk.after == 4  # adapter, allocate, free, free
    assert (small.shrunk.key.kind, small.shrunk.key.routine) == ("bugcheck", "StorPortFreePool")
    assert small.replay().ok
    assert small.shrink().shrunk == small.shrunk._replace(before=4, tried=small.shrink().shrunk.tried)  # type: ignore[union-attr]


def test_shrink_keeps_the_finding_it_is_given() -> None:
    pc = storsim.Machine("1GiB", level="release")
    hba = pc.add_adapter("a")
    _, va, pa = sp.StorPortAllocateDmaMemory(hba, 8192, 0, 2**64 - 1, 0, sp.MmCached, 0)
    sp.StorPortFreeDmaMemory(hba, va, 4096, sp.MmCached, pa)
    sp.StorPortAllocatePool(hba, 0, "Zero")
    first, *_, last = pc.violations
    assert first.name != last.name
    for finding in (first, last):
        small = pc.journal.shrink(finding)
        assert small.shrunk is not None
        assert small.shrunk.key.name == finding.name
        assert small.shrunk.after == (3 if finding is first else 2)


def test_nothing_to_shrink() -> None:
    pc = storsim.Machine("1GiB")
    pc.add_adapter("a")
    with pytest.raises(ValueError, match="no such finding"):
        pc.journal.shrink()


def test_shrink_can_be_stopped() -> None:
    seen: list[tuple[int, int]] = []

    def progress(tried: int, left: int) -> bool:
        seen.append((tried, left))
        return False

    small = failing(200).journal.shrink(progress=progress)
    assert seen
    assert small.shrunk is not None
    assert not small.shrunk.minimal
    assert small.replay().ok
    with pytest.raises(ZeroDivisionError):
        failing(200).journal.shrink(progress=lambda tried, left: bool(1 // 0))


def test_script_meets_the_same_finding(tmp_path: Path) -> None:
    small = failing(60).journal.shrink()
    program = small.script()
    assert "StorPortFreePool(hba, pool)" in program
    path = tmp_path / "reproduce.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, "-P", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DOUBLE_FREE" in done.stderr
    again = run_script(program)
    assert again.shrink().shrunk.key == small.shrunk.key  # type: ignore[union-attr]


def test_a_program_from_a_journal_without_a_note() -> None:
    """Journals of the C library have no note of Python's settings."""
    pc = storsim.Machine([storsim.MemoryRange(0x100000, 1 << 26, 0)], level="strict", zero_pool=True, cpus=2, seed=9)
    with pc.on_cpu(1):
        pc.advance(3)
    program = pc.journal.script()
    assert "storsim.Machine(" in program
    printer = __import__("storsim.journal_script", fromlist=["_Printer"])._Printer(pc.journal)
    printer.raw = [row for row in printer.raw if row[0] != 7]
    machine = eval(printer.machine(), {"storsim": storsim})
    assert (
        machine.digest()
        == storsim.Machine(
            [storsim.MemoryRange(0x100000, 1 << 26, 0)], level="strict", zero_pool=True, cpus=2, seed=9
        ).digest()
    )


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, small = tmp_path / "run.journal", tmp_path / "small.journal"
    failing(30).journal.save(path)
    assert main(["replay", str(path)]) == 0
    assert "replayed as recorded" in capsys.readouterr().out
    assert main(["replay", "--records", str(path)]) == 0
    assert "StorPortAllocatePool(" in capsys.readouterr().out
    assert main(["replay", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["shrink", str(path), "-o", str(small)]) == 0
    assert "to 4" in capsys.readouterr().out
    assert main(["shrink", "--json", str(path), "-o", str(small), "--keep-arguments"]) == 0
    assert json.loads(capsys.readouterr().out)["after"] == 4
    assert main(["script", str(small)]) == 0
    assert "StorPortFreePool" in capsys.readouterr().out
    assert main(["script", str(small), "-o", str(tmp_path / "program.py")]) == 0
    assert "StorPortFreePool" in (tmp_path / "program.py").read_text(encoding="utf-8")
    path.write_bytes(b"nothing")
    for command in ("replay", "shrink", "script"):
        assert main([command, str(path)]) == 3
        assert "damaged" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "missing")]) == 3
