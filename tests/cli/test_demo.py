"""``storsim demo``: on bundled, given and host machines; for people and for machines; quick; the same every time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import storsim.data
from storsim.cli import main
from storsim.cli.demo import HOST_MAP

IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-3fffffff : System RAM
100000000-13fffffff : System RAM
"""
DRIVE = '{"mn": "Mine", "fr": "1", "hmpre": 2048, "hmmin": 512, "hmminds": 0, "hmmaxd": 4, "mdts": 5}\n'


def demo(capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> str:
    """What the demo prints with these options."""
    assert main(["demo", *options]) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def facts(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """The same as data."""
    result = json.loads(demo(capsys, "--json", *options))
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("machine", sorted(storsim.data.machines()))
@pytest.mark.parametrize("drive", sorted(storsim.data.drives()))
def test_every_bundled_machine_and_drive(machine: str, drive: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = facts(capsys, "--map", machine, "--nvme", drive)
    clean = result["clean_run"]
    assert clean["leaks"] == 0
    assert clean["violations"] == []
    assert clean["refused"] == []
    assert clean["free_bytes_after"] == clean["free_bytes_before"] == result["machine"]["bytes"]
    assert clean["free_bytes_at_work"] < clean["free_bytes_before"]
    assert sum(length for _, length in clean["write"]) == 128 << 10
    check_placement(result)
    check_hmb(result)
    check_bugs(result)


def check_placement(result: dict[str, Any]) -> None:
    """Every allocation with pages lies in the machine's RAM, on the node it says, and none overlap."""
    ranges = result["machine"]["ranges"]
    blocks = [block for block in result["clean_run"]["allocations"] if block["pa"]]
    for block in blocks:
        homes = [
            node
            for start, length, node in ranges
            if start <= block["pa"] and block["pa"] + block["size"] <= start + length
        ]
        assert homes == [block["node"]]
    big = sorted((block["pa"], block["size"]) for block in blocks if block["kind"] != "pool")
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(big))
    prp = [block for block in blocks if block["kind"] == "contiguous"]
    assert len(prp) == 1
    last = prp[0]["pa"] + prp[0]["size"] - 1
    assert last < 1 << 32
    assert prp[0]["pa"] >> 16 == last >> 16
    queues = [block for block in blocks if block["kind"] == "dma" and block["size"] in (64 << 10, 16 << 10)]
    assert {block["node"] for block in queues} == set(range(result["machine"]["nodes"]))


def check_hmb(result: dict[str, Any]) -> None:
    """The buffer is what the drive and the documented rules allow."""
    hmb = result["clean_run"]["hmb"]
    if hmb["preferred"] == 0:
        assert hmb["status"] == "not asked for"
        return
    assert hmb["status"] == "STOR_STATUS_SUCCESS"
    assert hmb["enabled"]
    assert hmb["minimum"] <= hmb["granted"] <= hmb["preferred"]
    assert hmb["granted"] == sum(length for _, length in hmb["ranges"])


def check_bugs(result: dict[str, Any]) -> None:
    """Both planted bugs are found, named and explained."""
    bugs = result["planted_bugs"]
    names = [violation["name"] for violation in bugs["violations"]]
    assert names == ["SIZE_MISMATCH", "POOL_LEAK"]
    mismatch, leak = (violation["text"] for violation in bugs["violations"])
    assert "StorPortFreeDmaMemory" in mismatch
    assert "4096" in mismatch
    assert "65536" in mismatch
    assert "miniport.py" in mismatch
    assert "miniport.py" in leak
    assert "POOL_LEAK" in bugs["report"]
    assert bugs["bugcheck"]["code"] == 0xC4
    assert bugs["bugcheck"]["parameters"][0] == 0x62


@pytest.mark.parametrize("machine", sorted(storsim.data.machines()))
def test_readable_at_80_columns(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    for drive in storsim.data.drives():
        lines = demo(capsys, "--map", machine, "--nvme", drive).splitlines()
        assert max(map(len, lines)) <= 80
        for title in ("Physical memory", "Allocations", "Host memory buffer", "Nonpaged pool", "Teardown", "two bugs"):
            assert any(title in line for line in lines)


def test_same_seed_same_output(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--map", "server-2socket-epyc-1536g", "--nvme", "t-force-500g", "--json")
    assert demo(capsys, *options) == demo(capsys, *options)
    assert demo(capsys, *options) != demo(capsys, *options, "--seed", "8")


def test_own_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.iomem").write_text(IOMEM)
    (tmp_path / "my.json").write_text(DRIVE)
    result = facts(capsys, "--map", str(tmp_path / "my.iomem"), "--nvme", str(tmp_path / "my.json"))
    assert result["machine"]["bytes"] == 0x9E000 + 0x3FF00000 + 0x40000000
    assert result["drive"]["model"] == "Mine"
    assert result["clean_run"]["hmb"]["granted"] == 8 << 20


def test_a_machine_too_small_for_the_drive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.iomem"
    path.write_text("00100000-00ffffff : System RAM\n")
    output = demo(capsys, "--map", str(path), "--nvme", "t-force-500g")
    assert "STOR_STATUS_INSUFFICIENT_RESOURCES" in output


def test_host_map_or_stand_in(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable = tmp_path / "iomem"
    readable.write_text(IOMEM)
    hidden = tmp_path / "hidden"
    hidden.write_text("00000000-00000000 : System RAM\n")
    monkeypatch.setattr("storsim.cli.demo.HOST_MAP", str(readable))
    assert "machine: this host" in demo(capsys)
    for other in (hidden, tmp_path / "missing"):
        monkeypatch.setattr("storsim.cli.demo.HOST_MAP", str(other))
        output = demo(capsys)
        assert "a bundled machine stands in" in " ".join(output.split())
        assert storsim.data.machines()[storsim.data.DEFAULT_MACHINE].title in " ".join(output.split())
    assert HOST_MAP == "/proc/iomem"


def test_errors_are_one_line_with_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.iomem"
    bad.write_text(IOMEM.replace("3fffffff", "3ffzffff"))
    for option, argument, says in (
        ("--map", str(bad), "line 3: expected"),
        ("--map", str(tmp_path / "none"), "no such file"),
        ("--map", str(tmp_path), "directory"),
        ("--nvme", str(bad), "expected the JSON of nvme id-ctrl"),
    ):
        assert main(["demo", option, argument]) == 3
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("storsim: error: ")
        assert captured.err.count("\n") == 1
        assert says in captured.err


def test_under_two_seconds() -> None:
    command = [sys.executable, "-P", "-m", "storsim.cli", "demo"]
    best = min(_seconds(command) for _ in range(3))
    assert best < 2.0


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started
