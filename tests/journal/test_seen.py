"""Journals as they are seen: a finding inside a callback survives shrinking, a program is printed of it, notebooks and
exports show it.
"""

from __future__ import annotations

import json
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import storsim
from storsim import journal
from storsim.cli import main
from storsim.hdaudio import *


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """The journal of a driver that sends a synchronous verb from its notification callback, at the fifth one."""
    path = tmp_path / "failing.journal"
    with warnings.catch_warnings(), storsim.Machine("1GiB", seed=11) as pc:
        warnings.simplefilter("ignore", storsim.ViolationWarning)
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
        _, engine, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
        bus.AllocateDmaBufferWithNotification(engine, 2, 7680)
        seen: list[int] = []

        def notified(context: object, time: int) -> None:
            seen.append(time)
            if len(seen) == 5:
                verb = HDAUDIO_CODEC_COMMAND.Verb16(0, 2, 0x3, 0xB000)
                bus.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(verb)])

        bus.RegisterNotificationCallback(engine, hda, notified, None)
        for state in (PauseState, RunState):
            bus.SetDmaEngineState(state, [engine])
        for _ in range(90):
            pc.advance(milliseconds=1.5)
        assert [one.name for one in pc.violations] == ["BAD_IRQL"]
        pc.journal.save(path)
        for state in (PauseState, ResetState):
            bus.SetDmaEngineState(state, [engine])
    return path


def test_a_call_inside_a_callback_survives_shrinking(failing: Path) -> None:
    """Its callback may be answered under another call than the one it was recorded under."""
    small = journal.load(failing).shrink()
    assert small.shrunk is not None
    assert small.shrunk.key.name == "BAD_IRQL"
    assert [record.name for record in small.records() if record.depth] == ["TransferCodecVerbs"]
    again = small.shrink()
    assert again.shrunk is not None
    assert again.shrunk.key == small.shrunk.key
    assert again.shrunk.after <= small.shrunk.after < small.shrunk.before


def _parse(text: str) -> str:
    return "".join(ElementTree.fromstring(f"<div>{text}</div>").itertext())


def test_notebooks_show_a_journal(failing: Path) -> None:
    whole = journal.load(failing)
    shown = _parse(whole._repr_html_())
    assert f"journal of {len(whole)} operations" in shown
    assert "advance(ticks=0x8ca0)" in shown
    assert "The last 20 records" in shown
    small = whole.shrink()
    assert "violation BAD_IRQL" in _parse(small._repr_html_())


def test_a_journal_exports_like_the_machine_it_came_from(failing: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run.json"
    assert main(["export", str(failing), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == [
        {"path": str(out), "kind": "perfetto", "events": told["written"][0]["events"], "unit": "events"}
    ]
    events = json.loads(out.read_text())["traceEvents"]
    names = [event["name"] for event in events if event["ph"] == "X"]
    assert names.count("notification") >= 5
    assert "TransferCodecVerbs" in names
    assert any(event["name"] == "violation: BAD_IRQL" for event in events)


def test_a_damaged_journal_is_one_line(failing: Path, tmp_path: Path, capsys: Any) -> None:
    damaged = tmp_path / "damaged.journal"
    damaged.write_bytes(failing.read_bytes()[:40].replace(b"\x00", b"\x01"))
    for arguments in (["replay", str(damaged)], ["script", str(damaged)], ["export", str(damaged), "--out", "x.json"]):
        assert main(arguments) == 3
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "journal" in error


def test_the_program_writes_no_journal_over_the_one_it_came_from(tmp_path: Path) -> None:
    path = tmp_path / "it's.journal"
    with storsim.Machine("1GiB", seed=5, journal=path, journal_limit=1 << 20) as pc:
        pc.advance(ticks=100)
    program = journal.load(path).script()
    assert "pc = storsim.Machine('1GiB', seed=5)\n" in program
    assert "it's" not in program
