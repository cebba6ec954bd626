"""The README tells the truth: its example does what its comments say, its names exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import storsim
import storsim.data
from storsim import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_ends_as_it_says() -> None:
    code, *others = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for other in others:
        exec(compile(other, "README.md", "exec"), {"__name__": "example"})
    assert len([line for line in code.splitlines() if line.strip()]) <= 24
    names: dict[str, Any] = {}
    with pytest.raises(storsim.BugCheck) as info:
        exec(compile(code, "README.md", "exec"), names)
    assert info.value.code == 0xC4
    assert info.value.parameters[0] == 0x62
    assert [record.name for record in names["pc"].violations] == ["SIZE_MISMATCH", "POOL_LEAK"]
    mismatch = names["pc"].violations[0]
    assert mismatch.site is not None
    assert mismatch.allocated_at is not None
    assert mismatch.site.line > mismatch.allocated_at.line
    assert names["admin"]
    assert sum(item.RangeLength for item in names["ranges"]) == 64 << 20


def test_commands_exist() -> None:
    runs = re.findall(r"^\.ci/run.*$", README, re.MULTILINE)
    assert [shlex.split(line, comments=True) for line in runs] == [[".ci/run", "demo"], [".ci/run"]]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    parser = cli.build_parser()
    examples = re.findall(r"`storsim ([a-z]+[^`]*)`", README)
    assert examples
    for example in examples:
        command, *options = shlex.split(example)
        assert command in cli.COMMANDS
        if not options:
            continue
        arguments = parser.parse_args([command, *options])
        if arguments.command == "demo" and arguments.map:
            assert arguments.map in storsim.data.machines()
            assert arguments.nvme in storsim.data.drives()


def test_places_exist() -> None:
    places = re.findall(r"^\| `([a-z.]+(?:/[a-z.]*)*)` \|", README, re.MULTILINE)
    assert len(places) > 3
    for place in places:
        assert (ROOT / place).is_dir(), place
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
