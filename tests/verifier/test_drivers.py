"""Small drivers with one memory mistake each, and their corrected twins.

A driver is a file with `buggy(pc)` and `fixed(pc)`; FINDING names what is to be found, FOUND_BY says whether an
undisturbed run shows it or only a failing allocation. Lines marked "# site" in the driver are call sites that the
finding has to name.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import storsim
from storsim.testing.sweep import sweep

FOLDER = Path(__file__).with_name("drivers")
FILES = sorted(FOLDER.glob("*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"driver_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def marked(path: Path) -> set[int]:
    return {number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if line.endswith("# site")}


def run(target: Any, **settings: Any) -> list[Any]:
    """Runs a driver in a fresh machine; its findings, notes left out."""
    pc = storsim.Machine("8GiB", **settings)
    try:
        with pc:
            target(pc)
    except storsim.BugCheck:
        pass
    return [record for record in pc.findings if record.kind != "note"]


def lines_of(records: Iterable[Any], path: Path) -> set[int]:
    sites = (site for record in records for site in (record.site, *record.related_sites))
    return {site.line for site in sites if site is not None and Path(site.file) == path}


def test_there_are_forty() -> None:
    assert len(FILES) >= 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_mistake_is_found(path: Path) -> None:
    driver = load(path)
    if driver.FOUND_BY == "sweep":
        assert run(driver.buggy) == [], "only a failing call shows it"
        findings = [found for found in sweep(f"{path}:buggy", jobs=1).findings if found["name"] == driver.FINDING]
        assert findings
        lines = {site["line"] for found in findings for site in found["sites"] if Path(site["file"]) == path}
        assert all(found["fault"] is not None for found in findings)
    else:
        records = [record for record in run(driver.buggy) if record.name == driver.FINDING]
        assert records, [record.name for record in run(driver.buggy)]
        lines = lines_of(records, path)
    assert marked(path) <= lines, (marked(path), lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("settings", [{}, {"level": "strict"}, {"verifier": 0x8B}], ids=str)
def test_twin_is_clean(path: Path, settings: dict[str, Any]) -> None:
    assert [str(record) for record in run(load(path).fixed, **settings)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_twin_is_clean_under_the_sweep(path: Path) -> None:
    result = sweep(f"{path}:fixed", jobs=1)
    assert result.findings == []
    assert result.runs == result.sites + 1


def test_systematic_mode_finds_what_the_sweep_finds() -> None:
    driver = load(FOLDER / "leak_on_second_failure.py")
    pc = storsim.Machine("8GiB", verifier={"+systematic"})
    for _ in range(3):
        driver.buggy(pc)
    with pytest.raises(storsim.BugCheck) as stop:
        pc.__exit__(None, None, None)
    assert stop.value.record.name == "POOL_LEAK"
