"""The guide's tables are made from the program's own, and the knobs' defaults are what the core does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import storsim
import storsim.data
from storsim import _core
from storsim.guide.__main__ import PAGES, main
from storsim.knobs import KNOBS
from storsim.knobs_hda import HDA_KNOBS, NEXT_FRAME, split_settings

ROOT = Path(__file__).parents[2]


def test_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_the_table_of_tests_is_up_to_date() -> None:
    """Whoever adds, renames or drops a conformance test runs ``python -m storsim.guide.tested_by``."""
    command = [sys.executable, "-P", "-m", "storsim.guide.tested_by", "--check", "--root", str(ROOT)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_tests_of_a_routine_exist_and_its_statuses_are_in_its_row() -> None:
    rows = {row["name"]: {one["name"] for one in row["statuses"]} for row in _core.ddi_table()}
    tests = storsim.data.tested_by()
    assert set(tests) == set(rows)
    for name, found in tests.items():
        assert found.count > 0, f"no test names {name}"
        assert set(found.statuses) <= rows[name]
        for file, functions in found.files.items():
            text = (ROOT / file).read_text(encoding="utf-8")
            assert all(f"def {function}(" in text for function in functions)


def test_every_knob_has_a_row_a_meaning_and_a_source() -> None:
    page = PAGES["knobs.md"]()
    for knob in (*KNOBS, *HDA_KNOBS):
        assert f"| `{knob.name}` | {knob.scope} |" in page
        assert knob.meaning
        assert knob.source


def test_names_are_unique() -> None:
    for table in (KNOBS, HDA_KNOBS):
        names = [knob.name for knob in table]
        assert len(names) == len(set(names))


def test_defaults_of_the_chip_are_the_cores() -> None:
    with storsim.Machine("64MiB") as pc:
        plain = pc.add_hda()
        said = pc.add_hda(**{knob.name: knob.default for knob in HDA_KNOBS})
        for row in plain.regs:
            assert row == said.regs[row.name]
            assert plain.mmio.read(row.offset, min(row.size, 2)) == said.mmio.read(row.offset, min(row.size, 2)), (
                row.name
            )


@pytest.mark.parametrize("knob", HDA_KNOBS, ids=lambda knob: knob.name)
def test_wrong_values_are_refused_and_name_the_knob(knob: object) -> None:
    name = knob.name  # type: ignore[attr-defined]
    with storsim.Machine("64MiB") as pc:
        for wrong in ("no such choice", -1, [], 1 << 64, None):
            with pytest.raises((ValueError, TypeError, OverflowError), match=name):
                pc.add_hda(**{name: wrong})
        with pytest.raises(TypeError, match="nonsense"):
            pc.add_hda(nonsense=1)


def test_sorting_into_scopes() -> None:
    chip, bus, policies, profile = split_settings(
        {"srst_latency": "frame", "dirql": 7, "multi_atomic": False, "profile": "skl", "personality": "generic"}
    )
    assert chip == {"srst_latency": NEXT_FRAME, "personality": 1}
    assert bus == {"dirql": 7}
    assert policies == {"multi_atomic": "false"}
    assert profile == "skl"
