"""The page about campaigns: its plans are plans, and its first example does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import storsim.guide
from storsim.campaign import Plan, run
from storsim.campaign.plan import load_plan
from storsim.cli import main

PAGE = Path(next(iter(storsim.guide.__path__))) / "campaigns.md"


def blocks(kind: str) -> list[str]:
    """The fenced blocks of a kind, in order; "" for those without one."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mydriver.py").write_text(blocks("python")[0])
    (tmp_path / "nightly.toml").write_text(blocks("toml")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_finds_what_the_page_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [command] = [one for one in blocks("") if one.startswith("storsim campaign run nightly.toml --out nightly\n")]
    assert main(command.split()[1:]) == 1
    told = capsys.readouterr().out
    page = PAGE.read_text(encoding="utf-8")
    [title] = re.findall(r"the report says: \*(.*?)\*", page)
    assert f"1. {title}" in told
    assert "1 finding," in told
    [program] = [one for one in blocks("") if one.startswith("state.")]
    assert all(line in told for line in program.splitlines())
    for name in (
        "report.txt",
        "report.html",
        "report.json",
        "behaviours.bin",
        "plan.json",
        "shards",
        "tests",
        "journals",
    ):
        assert (place / "nightly" / name).exists()
        assert f"`{name}" in page


def test_every_plan_on_the_page_is_one(place: Path) -> None:
    for number, text in enumerate(blocks("toml")):
        (place / f"{number}.toml").write_text(text)
        assert load_plan(place / f"{number}.toml").target == "mydriver.py:Miniport"


def test_every_key_is_on_the_page_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(?:\[\[)?(\w+)(?:\]\])?` \| ([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.M))
    plan = Plan(target="a:B", programs=1)
    assert set(rows) == set(plan.as_dict())
    for name in ("steps", "seed", "round", "timeout"):
        assert float(rows[name]) == getattr(plan, name)


def test_the_python_on_the_page_runs(place: Path) -> None:
    """The executor example, with the plan made small."""
    plan = load_plan("nightly.toml").replace(programs=40, round=20)
    assert "run(load_plan(" in blocks("python")[1]
    report = run(plan, "nightly", minimise=False)
    names = {"report": report}
    lines = [line for line in blocks("python")[1].splitlines() if line.startswith(("viz.", "from storsim import viz"))]
    assert len(lines) == 3
    exec("\n".join(lines), names)
