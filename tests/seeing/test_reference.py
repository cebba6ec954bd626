"""The reference: complete pages, and a build without a warning."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storsim import _core
from storsim.guide.reference import pages
from storsim.guide.reference.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
HEADERS = sorted((ROOT / "csrc" / "include" / "storsim").glob("*.h"))


@pytest.fixture(scope="module")
def ddi_map() -> dict[str, str]:
    """The DDI map's sections by routine."""
    sections = pages.ddi_map(ROOT).split("\n### ")[1:]
    return {section.split("\n", 1)[0]: section for section in sections}


def test_every_routine_is_in_the_map(ddi_map: dict[str, str]) -> None:
    assert list(ddi_map) == [row["name"] for row in _core.ddi_table()]
    for row in _core.ddi_table():
        section = ddi_map[row["name"]].replace("\\", "")
        assert all(status["name"] in section for status in row["statuses"])
        assert row["signature"] in section
        assert "- Documentation: " in section


def test_every_routine_is_tested_and_has_a_source(ddi_map: dict[str, str]) -> None:
    untested = [name for name, section in ddi_map.items() if "none names it" in section]
    assert untested == []
    assert "`csrc/storport/pool.c`" in ddi_map["StorPortAllocatePool"]
    assert "tests/conformance/test_rows_pool.py" in ddi_map["StorPortAllocatePool"]


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_a_header_page_has_every_function(path: Path) -> None:
    page = pages.header_page(path)
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    declared = set(re.findall(r"\b(storsim_\w+)\(", text))
    shown = set(re.findall(r"\b(storsim_\w+)\(", "".join(re.findall(r"```c\n(.*?)```", page, flags=re.S))))
    assert declared <= shown
    assert page.count("```") % 2 == 0
    assert page.startswith(f"# storsim/{path.name}\n")


def test_links_and_words() -> None:
    assert pages.link("nf-storport-storportfreepool.md").startswith("[nf-storport-storportfreepool](https://learn.")
    assert pages.link("model choice") == "model choice"
    assert pages.escape("a_b*") == r"a\_b\*"
    assert pages.slug("HD Audio") == "hd-audio"


def test_without_a_source_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError, match="source tree"):
        pages.write(tmp_path, tmp_path / "out")
    assert main(["--root", str(tmp_path), "--out", str(tmp_path / "docs")]) == 3
    assert capsys.readouterr().err.startswith("error: ")


if importlib.util.find_spec("sphinx"):

    def test_it_builds_without_a_warning(tmp_path: Path) -> None:
        command = [sys.executable, "-m", "storsim.guide.reference", "--root", str(ROOT), "--out", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        page = (tmp_path / "ddi-map.html").read_text(encoding="utf-8")
        assert all(row["name"] in page for row in _core.ddi_table())
