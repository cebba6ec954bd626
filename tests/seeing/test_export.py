"""Exports agree with the trace and open in the tools they are for."""

from __future__ import annotations

import csv
import json
import sys
import wave
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from vcd.reader import TokenKind, tokenize

import storsim
from seeing.conftest import Concert
from storsim import export
from storsim.cli import main
from storsim.export.waveform import picoseconds
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V2
from storsim.wav import Wav


def _events(path: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    return events


def _nested(events: list[dict[str, Any]]) -> int:
    """Asserts that slices of one lane nest or follow one another; returns how many there were."""
    lanes = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = round(event["ts"] * 1000)
            lanes[event["pid"], event["tid"]].append((start, start + round(event["dur"] * 1000), event["name"]))
    for slices in lanes.values():
        stack: list[int] = []
        for start, end, name in sorted(slices, key=lambda one: (one[0], -one[1])):
            while stack and stack[-1] <= start:
                stack.pop()
            assert not stack or end <= stack[-1], name
            assert end >= start
            stack.append(end)
    return sum(map(len, lanes.values()))


@pytest.mark.parametrize("by", ["time", "sequence"])
def test_perfetto_slices_nest_and_arrows_hit(concert: Concert, tmp_path: Path, by: str) -> None:
    count = export.perfetto(concert.pc, tmp_path / "x.json", watch=concert.watch, by=by)
    events = _events(tmp_path / "x.json")
    assert len(events) == count
    assert _nested(events) > 20
    opened = [event["id"] for event in events if event["ph"] == "b"]
    assert sorted(opened) == sorted(event["id"] for event in events if event["ph"] == "e")
    assert len(set(opened)) == len(opened)
    inside = {(event["pid"], event["tid"], event["ts"]) for event in events if event["ph"] == "X"}
    flows = [event for event in events if event["ph"] in "stf"]
    assert all((event["pid"], event["tid"], event["ts"]) in inside for event in flows)
    ends = [event["id"] for event in flows if event["ph"] == "f"]
    assert len(ends) >= len(concert.report.beats)
    assert sorted(ends) == sorted(event["id"] for event in flows if event["ph"] == "s")


def test_perfetto_has_counters_streams_and_names(concert: Concert, tmp_path: Path) -> None:
    export.perfetto(concert.pc, tmp_path / "x.json", watch=concert.watch)
    events = _events(tmp_path / "x.json")
    lpib = [event["args"]["bytes"] for event in events if event["ph"] == "C" and event["name"].startswith("LPIB")]
    assert max(lpib) < concert.report.ring_bytes
    assert max(lpib) > concert.report.ring_bytes * 0.9
    fragments = [event for event in events if event["ph"] == "X" and event["name"].startswith("fragment")]
    assert len(fragments) == sum(event["name"] == "IOC" for event in events) == len(concert.report.beats)
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in events if event["ph"] == "X"} <= named


def test_perfetto_counts_pool_bytes_and_shows_findings(storage: storsim.Machine, tmp_path: Path) -> None:
    export.perfetto(storage, tmp_path / "x.json", by="sequence")
    events = _events(tmp_path / "x.json")
    assert [event["args"]["bytes"] for event in events if event["name"] == "pool bytes"] == [100, 300, 600, 300]
    assert [event["args"]["bytes"] for event in events if event["name"] == "DMA bytes"] == [65536, 73728, 65536]
    export.perfetto(storage, tmp_path / "y.json")
    assert any(event["name"] == "violation: SIZE_MISMATCH" for event in _events(tmp_path / "y.json"))
    with pytest.raises(ValueError, match="choose"):
        export.perfetto(storage, tmp_path / "z.json", by="colour")


@pytest.mark.parametrize("by", ["time", "sequence"])
def test_perfetto_lanes_of_cpus_show_what_the_trace_holds(concert: Concert, tmp_path: Path, by: str) -> None:
    export.perfetto(concert.pc, tmp_path / "x.json", by=by)
    events = _events(tmp_path / "x.json")
    (lane,) = {(event["pid"], event["tid"]) for event in events if event.get("args", {}).get("name") == "CPU 0"}
    slices = [event for event in events if event["ph"] == "X" and (event["pid"], event["tid"]) == lane]
    spans = storsim.Timeline(concert.pc).spans
    assert [(event["name"], event["cat"]) for event in slices] == [(span.name, span.kind) for span in spans]
    for event, span in zip(slices, spans, strict=True):
        if by == "time":
            assert int(event["ts"] * 24) <= span.began + 1
            assert span.began / 24 <= event["ts"] + 0.001
            assert abs(event["dur"] - (span.ended - span.began) / 24) < 0.05
        if span.kind == "call":
            assert event["args"]["outputs"] == [f"{value:#x}" for value in span.outputs]
    starts = [event["ts"] for event in slices]
    assert starts == sorted(starts)


@pytest.mark.parametrize("by", ["time", "sequence"])
def test_perfetto_of_calls_that_take_no_time(storage: storsim.Machine, tmp_path: Path, by: str) -> None:
    export.perfetto(storage, tmp_path / "x.json", by=by)
    assert _nested(_events(tmp_path / "x.json")) == len(storsim.Timeline(storage).spans) > 5


def _read_vcd(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Changes by signal, read with an independent reader."""
    names: dict[str, str] = {}
    scope: list[str] = []
    now = 0
    changes: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                names[token.var.id_code] = ".".join([*scope, token.var.reference])
            elif token.kind is TokenKind.CHANGE_TIME:
                assert token.time_change >= now
                now = token.time_change
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR, TokenKind.CHANGE_STRING):
                change = token.data
                value = change.value
                changes[names[change.id_code]].append((now, int(value) if str(value).isdigit() else value))
    return changes


def test_vcd_agrees_with_the_trace(concert: Concert, tmp_path: Path) -> None:
    export.vcd(concert.pc, tmp_path / "x.vcd", watch=concert.watch)
    signals = _read_vcd(tmp_path / "x.vcd")
    scope = "hda1.stream4"
    reads = [
        (picoseconds(entry.time), entry.values[3])
        for entry in concert.pc.trace
        if entry.kind == "register" and entry.values[1] == 0x2104 and not entry.values[2] & 1
    ]
    lpib = signals[f"{scope}.lpib"]
    for time, value in reads:
        at = [shown for when, shown in lpib if when < time + 41_666]
        assert at[-1] == value or any(when // 41_666 == time // 41_666 and shown == value for when, shown in lpib)
    lines = [(entry.values[0], entry.values[1]) for entry in concert.pc.trace if entry.kind == "interrupt"]
    shown = [value for _, value in signals["lines.line1"]]
    assert shown[1:] == [level for line, level in lines if line == 1]
    run = [value for _, value in signals[f"{scope}.run"]]
    assert run.count(1) == 1
    assert run[-1] == 0
    assert {0, 2, 5} <= {value for _, value in signals["cpu0.irql"]}
    assert len(signals[f"{scope}.ioc"]) == len(concert.report.beats)
    spans = storsim.Timeline(concert.pc).spans
    for kind in ("isr", "dpc"):
        rises = [value for _, value in signals[f"cpu0.{kind}"]].count(1)
        assert rises == sum(span.kind == kind for span in spans)
    busy = {value for _, value in signals["cpu0.running"]}
    assert busy == {"nothing", *(span.name.replace(" ", "_") for span in spans)}


def test_vcd_names_its_extra(storage: storsim.Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vcd", None)
    with pytest.raises(ImportError, match=r"storsim\[vcd\]"):
        export.vcd(storage, tmp_path / "x.vcd")
    assert not (tmp_path / "x.vcd").exists()


def test_vcd_of_storage_shows_pool(storage: storsim.Machine, tmp_path: Path) -> None:
    assert export.vcd(storage, tmp_path / "x.vcd") > 0
    assert [value for _, value in _read_vcd(tmp_path / "x.vcd")["memory.pool"]] == [0, 100, 300, 600, 300]


def test_an_empty_machine_exports_to_everything(tmp_path: Path) -> None:
    with storsim.Machine("1GiB") as pc:
        assert export.vcd(pc, tmp_path / "x.vcd") == 0
        assert export.perfetto(pc, tmp_path / "x.json") == 3
        assert export.jsonl(pc, tmp_path / "x.jsonl") == 0
        assert export.csv(pc, tmp_path / "x.csv") == 0
        with pytest.raises(ValueError, match="0 HD Audio"):
            export.wav(pc, tmp_path / "x.wav")


def test_wav_equals_what_was_played(concert: Concert, tmp_path: Path) -> None:
    heard = export.wav(concert.pc, tmp_path / "x.wav")
    assert heard.dropped == 0
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert file.getparams()[:3] == (2, 2, 48000)
        assert file.readframes(heard.frames) == concert.hda.codecs[0].played(concert.report.stream_id)
    with pytest.raises(ValueError, match="heard nothing"):
        export.wav(concert.pc, tmp_path / "y.wav", stream_id=9)


def test_jsonl_has_a_schema_and_every_entry(concert: Concert, tmp_path: Path) -> None:
    count = export.jsonl(concert.pc, tmp_path / "x.jsonl", watch=concert.watch)
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert lines[0]["schema"] == export.SCHEMA == "storsim.trace/2"
    assert lines[0]["dropped"] == 0
    assert len(lines) == count + 1
    entries = [line for line in lines if line["type"] == "entry"]
    assert [(line["sequence"], line["time"], line["kind"], tuple(line["values"])) for line in entries] == [
        (entry.sequence, entry.time, entry.kind, entry.values) for entry in concert.pc.trace
    ]
    assert sum(line["type"] == "sample" for line in lines) == len(concert.watch.samples)


def test_jsonl_has_findings_and_allocations(storage: storsim.Machine, tmp_path: Path) -> None:
    export.jsonl(storage, tmp_path / "x.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert any(line["type"] == "finding" and line["name"] == "SIZE_MISMATCH" and line["site"]["line"] for line in lines)
    assert sum(line["type"] == "allocation" for line in lines) == len(storage.allocations())


@pytest.mark.parametrize("what", ["entry", "finding", "allocation", "sample"])
def test_csv(concert: Concert, storage: storsim.Machine, tmp_path: Path, what: str) -> None:
    pc = concert.pc if what == "sample" else storage
    count = export.csv(pc, tmp_path / "x.csv", what=what, watch=concert.watch)
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == count > 0
    with pytest.raises(ValueError, match="choose one of"):
        export.csv(pc, tmp_path / "x.csv", what="nothing")


def test_watching_changes_nothing(concert: Concert) -> None:
    from storsim import player

    with storsim.Machine("1GiB", level="strict", trace_entries=1 << 16) as pc:
        hda = pc.add_hda()
        report = player.play(hda, concert.sound, interface="v3", ring_ms=40, late_ms=1)
        assert report.data == concert.report.data
        assert pc.digest() == concert.pc.digest()
        with storsim.Watch(hda) as watch:
            with pytest.raises(RuntimeError, match="watched already"):
                storsim.Watch(hda).__enter__()
            before = pc.now
            pc.advance(milliseconds=3)
            assert pc.now == before + 72_000
        assert watch.samples == []


def test_a_watch_sees_the_position_buffer(concert: Concert) -> None:
    from storsim import player

    with storsim.Machine("1GiB", level="strict", trace_entries=1 << 16) as pc:
        hda = pc.add_hda(profile="skl")
        hda.query_interface(HDAUDIO_BUS_INTERFACE_V2).InterfaceDereference()
        with storsim.Watch(hda, every=500, position_buffer=True) as watch:
            player.play(hda, Wav(concert.sound.format, concert.sound.data[:15360]), interface="v3", ring_ms=40)
        slots = {sample.position_buffer for sample in watch.samples if sample.running}
        assert len(slots) > 5
        assert max(slot for slot in slots if slot is not None) <= 7680


DRIVER = """
import storsim
from storsim.storport import *
def bring_up(pc):
    hba = pc.add_adapter("a")
    status, va = StorPortAllocatePool(hba, 64, "Demo")
    StorPortFreePool(hba, va)
def leaks(pc):
    StorPortAllocatePool(pc.add_adapter("a"), 64, "Leak")
def falls(pc):
    bring_up(pc)
    raise KeyError("broken")
if __name__ == "__main__":
    pc = storsim.Machine("1GiB")
    bring_up(pc)
"""


def test_the_command_writes_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    outs = [str(tmp_path / f"x{suffix}") for suffix in (".json", ".jsonl", ".csv", ".vcd")]
    for target in (str(script), f"{script}:bring_up"):
        assert main(["export", target, *(word for out in outs for word in ("-o", out))]) == 0
        assert capsys.readouterr().out.count(" events") == 4
    names = [line for line in Path(outs[2]).read_text().splitlines() if "StorPortAllocatePool" in line]
    assert len(names) == 1


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    out = str(tmp_path / "x.json")
    assert main(["export", str(script), "-o", str(tmp_path / "x.png")]) == 2
    assert "suffix is one of" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none.py"), "-o", out]) == 3
    capsys.readouterr()
    assert main(["export", f"{script}:falls", "-o", out]) == 1
    assert "raised KeyError" in capsys.readouterr().err
    assert any(event["name"] == "StorPortAllocatePool" for event in _events(tmp_path / "x.json"))
    assert main(["export", f"{script}:leaks", "-o", out]) == 1
    assert "raised BugCheck" in capsys.readouterr().err
    assert any(event["name"] == "violation: POOL_LEAK" for event in _events(tmp_path / "x.json"))
    assert main(["export", str(script), "-o", str(tmp_path / "none" / "x.json")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main(["export", str(script), "-o", out, "--which", "5"]) == 1
    assert "made 1 machines" in capsys.readouterr().err
    assert main(["export", str(script), "-o", str(tmp_path / "x.wav")]) == 1
    assert "0 HD Audio" in capsys.readouterr().err
    assert storsim.machine.observers == []
