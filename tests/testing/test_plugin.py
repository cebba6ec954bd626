"""The pytest plugin, run as users run it: in a process and a folder of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

import storsim.journal
from storsim import MemoryRange
from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.testing import hypothesis_setup
from storsim.testing.specs import AdapterConfig, MachineConfig, StreamSpec, Transfer

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Exit code and output of pytest over one file."""
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "storsim.testing.plugin", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=120)
    return done.returncode, done.stdout + done.stderr


LEAK = """
def test_leak(storsim_adapter):
    storsim_adapter.pool(100)
"""


def test_fixtures_and_header(tmp_path: Path) -> None:
    text = """
def test_devices(storsim_machine, storsim_adapter, storsim_hda):
    assert storsim_machine.config.seed == 7
    assert storsim_machine.config.level == "strict"
    assert storsim_adapter.machine is storsim_machine is storsim_hda.machine
"""
    code, output = run(tmp_path, text, "--storsim-seed=7", "--storsim-level=strict")
    assert code == 0, output
    assert f"storsim: {storsim.__version__}, seed 7, level strict" in output


@pytest.mark.parametrize(("how", "code", "told"), [("error", 1, "POOL_LEAK"), ("warn", 0, "warning"), ("off", 0, "")])
def test_leaks(tmp_path: Path, how: str, code: int, told: str) -> None:
    found, output = run(tmp_path, LEAK, f"--storsim-leaks={how}")
    assert found == code, output
    assert told in output
    assert ("POOL_LEAK" in output) == (how != "off")


SWALLOWED = """
import pytest
import storsim
from storsim.storport import *

def driver(hba):
    try:
        block = hba.pool(100)
        block.free()
        StorPortFreePool(hba, block)
    except Exception:
        pass

def test_fixture(storsim_adapter):
    driver(storsim_adapter)

@pytest.mark.storsim_bugcheck
def test_meant(storsim_adapter):
    driver(storsim_adapter)

def test_own():
    pc = storsim.Machine("64MiB")
    driver(pc.add_adapter("a"))
"""


@pytest.mark.parametrize(("option", "failed"), [("fixtures", 1), ("all", 2), ("off", 0)])
def test_a_swallowed_bugcheck_is_raised_again(tmp_path: Path, option: str, failed: int) -> None:
    code, output = run(tmp_path, SWALLOWED, f"--storsim-bugchecks={option}", "-W", "ignore")
    assert code == (1 if failed else 0), output
    assert f"{failed} failed" in output or not failed, output
    assert f"{3 - failed} passed" in output
    assert "error" not in output.splitlines()[-1]
    assert ("DOUBLE_FREE" in output) == bool(failed)


def test_what_a_failing_test_leaves_behind(tmp_path: Path) -> None:
    text = """
import storsim

def test_fine(storsim_adapter):
    storsim_adapter.pool(100).free()

def test_fails(storsim_adapter):
    storsim_adapter.pool(77).free()
    with storsim.Machine("64MiB") as other:
        other.add_adapter("second").dma(4096).free()
    assert False
"""
    code, output = run(tmp_path, text, "--storsim-trace-on-failure=left")
    assert code == 1, output
    (folder,) = (tmp_path / "left").iterdir()
    assert folder.name == "test_it.py-test_fails"
    names = sorted(path.name for path in folder.iterdir())
    assert names[:4] == ["machine1.journal", "machine1.jsonl", "machine1.py", "machine1.txt"]
    assert {"machine2.journal", "machine2.py", "machine2.txt"} <= set(names)
    assert "what the machines left behind" in output
    assert "machine1.journal" in output
    journal = storsim.journal.load(folder / "machine1.journal")
    assert journal.replay().ok
    assert "77" in (folder / "machine1.py").read_text(encoding="utf-8")
    assert "second" in (folder / "machine2.py").read_text(encoding="utf-8")


def test_it_is_light(tmp_path: Path) -> None:
    text = """
import sys

def test_nothing():
    assert "storsim._core" not in sys.modules
"""
    code, output = run(tmp_path, text, "-p", "no:hypothesispytest")
    assert code == 0, output


# --- Hypothesis -------------------------------------------------------------------------------------------------------


def test_the_entry_point_is_the_setup_function() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["hypothesis"]["storsim"].partition(":")
    assert getattr(importlib.import_module(module), name) is hypothesis_setup.setup
    assert project["entry-points"]["pytest11"] == {"storsim.testing.plugin": "storsim.testing.plugin"}


def test_profiles_are_added_and_none_is_changed() -> None:
    before = {name: settings.get_profile(name) for name in ("default", "ci")}
    hypothesis_setup.register_profiles()
    assert {name: settings.get_profile(name) for name in before} == before
    quick, campaign, replay = (settings.get_profile("storsim-" + name) for name in ("quick", "campaign", "replay"))
    assert quick.derandomize
    assert quick.database is None
    assert Phase.shrink not in campaign.phases
    assert replay.phases == (Phase.explicit, Phase.reuse)
    assert settings.get_profile("storsim-nightly").max_examples > settings.get_profile("storsim-default").max_examples
    for name in ("quick", "default", "nightly", "campaign", "replay"):
        profile = settings.get_profile("storsim-" + name)
        assert profile.deadline is None
        assert HealthCheck.too_slow in profile.suppress_health_check


@pytest.mark.parametrize(
    "kind", [StreamFormat, HDAUDIO_CODEC_COMMAND, MemoryRange, MachineConfig, AdapterConfig, Transfer, StreamSpec]
)
def test_from_type(kind: type) -> None:
    hypothesis_setup.register_types()
    budget = settings(max_examples=5, database=None)
    assert type(find(st.from_type(kind), lambda value: True, settings=budget)) is kind


def test_the_setup_is_light() -> None:
    code = (
        "import sys, hypothesis; from storsim.testing import hypothesis_setup as h; h.setup();"
        "print(*sorted(m for m in sys.modules if m.startswith('storsim.')))"
    )
    command = [sys.executable, "-P", "-c", code]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    heavy = {"storsim.machine", "storsim.testing.strategies", "storsim.storport", "storsim.importers", "storsim.viz"}
    assert not heavy & set(text.split())
