"""``storsim campaign``: run, merge, report, and one line for what will not do."""

from __future__ import annotations

import builtins
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.campaign import HERE
from storsim.campaign import Progress
from storsim.cli import main
from storsim.cli.campaign import words_of

PLAN = f"""
target = "{(HERE / "drivers.py").as_posix()}:Queue"
programs = 20
round = 10
steps = 10
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return str(path)


def timeless(text: str) -> Any:
    data = json.loads(text)
    del data["seconds"], data["plan"]["shards"]
    return data


def test_run_report_and_a_matrix(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The parts of a CI matrix, merged, are the campaign in one go."""
    whole, out = str(tmp_path / "whole"), str(tmp_path / "out")
    assert main(["campaign", "run", plan, "--out", whole, "--jobs", "2"]) == 1
    told = capsys.readouterr()
    assert "1. bugcheck DOUBLE_FREE in StorPortFreePool" in told.out
    assert told.err == ""
    parts = [str(tmp_path / f"part-{number}") for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        code = main(["campaign", "run", plan, "--shard", f"{number}/2", "--out", part, "--no-minimise", "--json"])
        assert code == 1
        assert json.loads(capsys.readouterr().out)["rounds"] == 1
    assert main(["campaign", "merge", *parts, "--out", out, "--json"]) == 1
    merged = timeless(capsys.readouterr().out)
    assert main(["campaign", "report", whole, "--json"]) == 1
    assert timeless(capsys.readouterr().out) == merged
    assert main(["campaign", "report", whole, "--format", "html"]) == 1
    assert capsys.readouterr().out.rstrip() == (tmp_path / "whole" / "report.html").read_text().rstrip()
    assert main(["campaign", "report", whole]) == 1
    assert capsys.readouterr().out == told.out


def test_nothing_found_is_success(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(plan).write_text(PLAN.replace(":Queue", ":MendedQueue"))
    assert main(["campaign", "run", plan, "--out", str(tmp_path / "out")]) == 0
    assert "Nothing found." in capsys.readouterr().out


def test_a_report_of_a_campaign_under_way(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main(["campaign", "run", plan, "--shard", "1/2", "--out", str(out), "--no-minimise"])
    (out / "report.json").unlink()
    capsys.readouterr()
    assert main(["campaign", "report", str(out)]) == 1
    assert "not complete" in capsys.readouterr().out


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Runs a command that will not do; returns its one line."""
    assert main(["campaign", *words]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("storsim: error: ")
    assert told.err.count("\n") == 1
    return told.err


def test_what_will_not_do_is_one_line(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert "no-such.toml: No such file" in fails(capsys, "run", "no-such.toml", "--out", out)
    assert "holds no campaign" in fails(capsys, "report", str(tmp_path))
    assert "holds no campaign" in fails(capsys, "merge", str(tmp_path), "--out", out)
    broken = tmp_path / "broken.toml"
    broken.write_text(PLAN + "colour = 5\n")
    assert "broken.toml: colour: no such key" in fails(capsys, "run", str(broken), "--out", out)
    broken.write_text(PLAN.replace(":Queue", ":Nobody"))
    assert "the module has no Nobody" in fails(capsys, "run", str(broken), "--out", out)
    assert "no Dask scheduler at nowhere:1:2" in fails(capsys, "run", plan, "--out", out + "2", "--dask", "nowhere:1:2")


def test_folders_of_two_plans_do_not_merge(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(tmp_path / name) for name in "ab"]
    for folder, seed in zip(folders, (1, 2), strict=True):
        Path(plan).write_text(PLAN.replace("programs = 20", "programs = 2") + f"seed = {seed}\n")
        main(["campaign", "run", plan, "--out", folder, "--no-minimise"])
    capsys.readouterr()
    assert "holds another plan than" in fails(capsys, "merge", *folders, "--out", str(tmp_path / "c"))


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "a/b", "-1/4"])
def test_a_part_there_is_not(plan: str, shard: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as told:
        main(["campaign", "run", plan, "--out", "x", f"--shard={shard}"])
    assert told.value.code == 2
    assert "write the part and how many there are, such as 3/16" in capsys.readouterr().err


def test_a_missing_extra_is_named(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = fails(capsys, "run", plan, "--out", str(tmp_path / "out"), "--dask", "tcp://farm:8786")
    assert "--dask needs distributed: pip install 'storsim[distributed]'" in told


def test_ctrl_c_says_how_to_go_on(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("storsim.campaign.runner.merge", interrupted)
    assert main(["campaign", "run", plan, "--out", str(tmp_path / "out"), "--no-minimise"]) == 130
    assert "what was done is kept; the same command goes on from there" in capsys.readouterr().err
    monkeypatch.undo()
    assert len(list((tmp_path / "out" / "shards").glob("*.json"))) == 2


class Terminal(io.StringIO):
    """A standard error that somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("rich", [True, False])
def test_the_progress_line(plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rich: bool) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith("rich"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    if not rich:
        monkeypatch.setattr(builtins, "__import__", without)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    main(["campaign", "run", plan, "--out", str(tmp_path / "out"), "--no-minimise"])
    told = screen.getvalue()
    for words in ("programs", "/s", "1 finding, ", "behaviours (+"):
        assert words in told
    assert "2/2" in told


def test_the_words_of_progress() -> None:
    told = words_of(Progress(3, 8, 12345, 678.9, 2, 40, 5))
    assert told == "12,345 programs, 679/s, 2 findings, 40 behaviours (+5)"
