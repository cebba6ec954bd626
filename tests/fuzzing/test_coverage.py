"""Sets of behaviours: what a machine records, union, the table, files, and ``storsim coverage``."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import storsim
from storsim import _core
from storsim.cli import main
from storsim.coverage import Behaviour, Behaviours, load, merge
from storsim.storport import StorPortAllocatePool, StorPortFreePool

BITS: int = _core.behaviour_layout()["bits"]
HEADER = bytes(Behaviours())[:24]


def of(numbers: set[int]) -> Behaviours:
    """The set of these numbers."""
    return Behaviours(HEADER + sum(1 << number for number in numbers).to_bytes((BITS + 7) // 8, "little"))


def shown() -> Behaviours:
    """What a small driver with one mistake shows."""
    with storsim.Machine("16MiB", level="release") as pc:
        hba = pc.add_adapter("hba")
        _, va = StorPortAllocatePool(hba, 64, "Demo")
        StorPortFreePool(hba, va)
        StorPortAllocatePool(hba, 0, "Demo")
        with hba.callback("HwStorBuildIo"):
            StorPortFreePool(hba, 0)
        pc.advance(ticks=1)
    return pc.behaviours


NUMBERS = st.sets(st.integers(0, BITS - 1), max_size=30)


def test_a_machine_remembers_what_it_did() -> None:
    assert list(shown())[:3] == [
        Behaviour("StorPortAllocatePool", "STOR_STATUS_SUCCESS", "call", "release", "PASSIVE_LEVEL", ""),
        Behaviour("StorPortFreePool", "STOR_STATUS_SUCCESS", "call", "release", "PASSIVE_LEVEL", ""),
        Behaviour(
            "StorPortFreePool", "STOR_STATUS_INVALID_PARAMETER", "call", "release", "DISPATCH_LEVEL", "HwStorBuildIo"
        ),
    ]
    rules = {(each.routine, each.outcome) for each in shown() if each.kind == "finding"}
    assert rules == {("StorPortAllocatePool", "ZERO_LENGTH"), (None, "POOL_LEAK")}


def test_it_reads_as_a_sentence() -> None:
    lines = [str(each) for each in shown()]
    assert lines[0] == "StorPortAllocatePool: STOR_STATUS_SUCCESS (release, PASSIVE_LEVEL)"
    assert "outside of routines: POOL_LEAK (release)" in lines


def test_the_table_counts_states() -> None:
    table = {(line.routine, line.outcome): line for line in shown().table()}
    assert table["StorPortAllocatePool", "STOR_STATUS_SUCCESS"].states == 1
    assert table["StorPortAllocatePool", "STOR_STATUS_SUCCESS"].documented
    assert table["StorPortAllocatePool", "ZERO_LENGTH"].kind == "finding"
    with storsim.Machine("16MiB") as pc:
        hba = pc.add_adapter("hba")
        for level in (0, 1, 2, 2):
            with pc.at_irql(level):
                StorPortFreePool(hba, 0)
    assert [line.states for line in pc.behaviours.table() if line.outcome == "STOR_STATUS_INVALID_PARAMETER"] == [3]


def test_an_engine_is_a_situation() -> None:
    with storsim.Machine("64MiB") as pc:
        bus = pc.add_hda().query_interface(storsim.hdaudio.HDAUDIO_BUS_INTERFACE_V2)
        _, handle, _ = bus.AllocateRenderDmaEngine(storsim.hdaudio.StreamFormat(48000, 16, 16, 2))
        bus.AllocateDmaBuffer(handle, 4096)
        bus.FreeDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
        bus.InterfaceDereference()
    seen = {(each.routine, each.situation) for each in pc.behaviours}
    assert seen >= {("AllocateRenderDmaEngine", ""), ("AllocateDmaBuffer", "R0"), ("FreeDmaBuffer", "RD")}


def test_never_is_the_rest_of_the_tables() -> None:
    everything, nothing = Behaviours().never(), of(set(range(BITS))).never()
    assert nothing == ((), (), ())
    documented = {
        (row["name"], status["name"])
        for row in _core.ddi_table()
        for status in row["statuses"]
        if status["documented"] and row["returns"] == "status"
    }
    assert set(everything.statuses) == documented
    assert len(everything.routines) == len(_core.ddi_table())
    left = shown().never()
    assert set(everything.statuses) - set(left.statuses) == {
        ("StorPortAllocatePool", "STOR_STATUS_SUCCESS"),
        ("StorPortFreePool", "STOR_STATUS_SUCCESS"),
        ("StorPortFreePool", "STOR_STATUS_INVALID_PARAMETER"),
    }
    assert set(everything.rules) - set(left.rules) == {"ZERO_LENGTH", "POOL_LEAK"}


def test_restore_keeps_what_was_seen() -> None:
    with storsim.Machine("16MiB") as pc:
        hba = pc.add_adapter("hba")
        start = pc.snapshot()
        StorPortFreePool(hba, 0)
        before = pc.behaviours
        pc.restore(start)
        assert pc.behaviours == before
        assert len(before) == pc._behaviours_seen() == 1
        pc._behaviours_clear()
        assert not pc.behaviours


@given(NUMBERS, NUMBERS, NUMBERS)
def test_sets_behave_like_sets(a: set[int], b: set[int], c: set[int]) -> None:
    assert list(of(a).numbers()) == sorted(a)
    assert len(of(a)) == len(list(of(a))) == len(a)
    assert of(a) | of(b) == of(a | b)
    assert of(a) & of(b) == of(a & b)
    assert of(a) - of(b) == of(a - b)
    assert (of(a) <= of(b)) == (a <= b)
    assert merge([of(a), of(b), of(c)]) == merge([of(c), of(a), of(b), of(a)])
    assert Behaviours(bytes(of(a))) == of(a) == pickle.loads(pickle.dumps(of(a)))
    assert hash(of(a)) == hash(of(set(a)))


@given(st.integers(0, BITS - 1))
def test_names_are_unique_and_known(number: int) -> None:
    (name,) = of({number})
    assert name in of({number})
    assert name not in of({(number + 1) % BITS})
    assert name.routine in {None, *(row["name"] for row in _core.ddi_table())}
    reached = of({number}).table()
    assert [(line.routine, line.outcome, line.kind, line.states) for line in reached] == [(*name[:3], 1)]


@given(st.binary(max_size=60))
def test_other_bytes_are_a_clear_error(data: bytes) -> None:
    if data:
        with pytest.raises(ValueError, match="SSBEHAV1"):
            Behaviours(data)
    for damaged in (HEADER + data, HEADER[:8] + data):
        with pytest.raises(ValueError, match="set of behaviours"):
            Behaviours(damaged)


def test_a_bit_beyond_the_last_is_damage() -> None:
    whole = bytearray(bytes(Behaviours()))
    whole[-1] = 0xFF
    if BITS % 8:
        with pytest.raises(ValueError, match="damaged"):
            Behaviours(whole)
    with pytest.raises(ValueError, match="damaged"):
        Behaviours(bytes(whole) + b"\0")


def test_the_command_unites_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown().save(tmp_path / "a")
    of({BITS - 1}).save(tmp_path / "b")
    union = str(tmp_path / "union")
    assert main(["coverage", str(tmp_path / "a"), str(tmp_path / "b"), "-o", union]) == 0
    output = capsys.readouterr().out
    assert "StorPortFreePool" in output
    assert "Never reached: documented statuses" in output
    assert f"{len(shown()) + 1} behaviours in 2 files" in output
    assert load(union) == shown() | of({BITS - 1})
    assert max(map(len, output.splitlines())) < 120


def test_the_command_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown().save(tmp_path / "a")
    assert main(["coverage", "--json", "--routine", "*freepool", str(tmp_path / "a")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["behaviours"] == len(shown())
    assert {line["routine"] for line in document["reached"]} == {"StorPortFreePool"}
    assert ["StorPortFreePool", "STOR_STATUS_INVALID_IRQL"] in document["never"]["statuses"]
    assert main(["coverage", "--never", str(tmp_path / "a")]) == 0
    assert "Never reached: rules" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no set", HEADER], ids=["empty", "other", "cut"])
def test_the_command_names_a_bad_file(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad").write_bytes(content)
    assert main(["coverage", str(tmp_path / "bad")]) == 3
    assert "bad" in capsys.readouterr().err


def test_notebooks_show_the_table() -> None:
    page = shown()._repr_html_()
    assert "StorPortAllocatePool" in page
    assert "never reached" in page
    assert repr(shown()) == f"<{len(shown())} behaviours of 3 routines>"
