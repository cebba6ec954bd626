"""The sweep finds what breaks when an allocation fails, tells where, and survives targets that do not."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from storsim.cli import main
from storsim.testing.sweep import sweep
from storsim.testing.sweep_report import junit, text
from storsim.testing.targets import TargetError

DRIVERS = Path(__file__).with_name("drivers_for_sweep.py")


def run(name: str, **options: Any) -> Any:
    return sweep(f"{DRIVERS}:{name}", jobs=2, **options)


def line_of(name: str, words: str) -> int:
    """The first line with these words inside a function of the drivers."""
    lines = DRIVERS.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"def {name}("))
    return next(i for i in range(start, len(lines)) if words in lines[i]) + 1


def test_clean_driver() -> None:
    result = run("handles_everything", calls=True)
    assert (result.points, result.sites, result.runs, result.findings) == (19, 1, 20, [])
    assert "nothing found" in text(result)


def test_leak_is_told_with_its_allocation_and_the_failed_call() -> None:
    result = run("leaks_on_second_failure")
    assert result.points == 2
    [leak] = result.findings
    assert leak["name"] == "POOL_LEAK"
    assert (leak["code"], leak["parameters"][0], leak["parameters"][3]) == (0xC4, 0x62, 1)
    [site] = leak["sites"]
    assert (site["role"], site["function"]) == ("allocated", "leaks_on_second_failure")
    assert site["line"] == line_of("leaks_on_second_failure", "One1")
    assert leak["fault"]["routine"] == "StorPortAllocatePool"
    assert leak["fault"]["line"] == line_of("leaks_on_second_failure", "Two2")
    assert str(DRIVERS.name) in text(result)
    assert "targets.py" not in text(result)  # the removal is nobody's line


def test_double_free_names_all_three_sites() -> None:
    [finding] = run("frees_twice_on_third_failure").findings
    assert finding["kind"] == "bugcheck"
    assert (finding["code"], finding["parameters"][0]) == (0xC4, 0x13)
    assert [site["role"] for site in finding["sites"]] == ["call", "allocated", "first freed"]


def test_using_null_is_a_page_fault() -> None:
    [finding] = run("uses_null").findings
    assert (finding["kind"], finding["code"]) == ("bugcheck", 0x50)


def test_failed_assertion_is_a_stumble_and_a_status_error_a_refusal() -> None:
    [finding] = run("asserts").findings
    assert finding["name"] == "EXCEPTION_AssertionError"
    assert finding["sites"][0]["line"] == line_of("asserts", "assert not")
    assert run("refuses_politely").ok


def test_crash_and_hang_are_findings_not_the_end() -> None:
    [crash] = run("dies").findings
    assert crash["name"] == "TARGET_CRASH"
    assert "code 3" in crash["message"]
    [hang] = run("hangs", timeout=1.0).findings
    assert hang["name"] == "TARGET_HANG"


def test_pairs_find_what_single_failures_do_not() -> None:
    assert run("needs_two_failures").ok
    result = run("needs_two_failures", pairs=True)
    [leak] = result.findings
    assert leak["name"] == "POOL_LEAK"
    assert [fault["ordinal"] for fault in leak["faults"]] == [1, 3]


def test_same_result_every_time() -> None:
    assert run("leaks_on_second_failure").as_dict() == run("leaks_on_second_failure").as_dict()


def test_script_and_pytest_node(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(DRIVERS.parent)!r})\nimport storsim, drivers_for_sweep\n"
        "with storsim.Machine() as pc:\n    drivers_for_sweep.leaks_on_second_failure(pc)\n"
    )
    assert [f["name"] for f in sweep(str(script), jobs=1).findings] == ["POOL_LEAK"]
    node = tmp_path / "test_it.py"
    node.write_text(
        f"import sys\nsys.path.insert(0, {str(DRIVERS.parent)!r})\nimport drivers_for_sweep\n"
        "def test_it(storsim_machine):\n    drivers_for_sweep.leaks_on_second_failure(storsim_machine)\n"
    )
    assert [f["name"] for f in sweep(f"{node}::test_it", jobs=1, timeout=60).findings] == ["POOL_LEAK"]


def test_pytest_option(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        f"import sys\nsys.path.insert(0, {str(DRIVERS.parent)!r})\nimport drivers_for_sweep\n"
        "def test_clean(storsim_machine):\n    drivers_for_sweep.handles_everything(storsim_machine)\n"
        "def test_leaky(storsim_machine):\n    drivers_for_sweep.leaks_on_second_failure(storsim_machine)\n"
        "def test_other():\n    pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "storsim.testing.plugin",
        "-p",
        "no:cacheprovider",
        "--storsim-sweep",
        "test_it.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert "POOL_LEAK" in done.stdout
    assert "storsim: " in done.stdout.splitlines()[2] + done.stdout


@pytest.mark.parametrize(
    "target", ["nosuch", "nosuch.module:f", f"{DRIVERS}:nosuch", "nosuch.py:f", "nosuch.py::test_x"]
)
def test_targets_that_do_not_exist(target: str) -> None:
    with pytest.raises(TargetError, match="nosuch"):
        sweep(target, jobs=1, timeout=60)


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "sweep.xml"
    code = main(["sweep", f"{DRIVERS}:leaks_on_second_failure", "--json", "--junit", str(report), "--jobs", "1"])
    data = json.loads(capsys.readouterr().out)
    assert code == 1
    assert data["findings"][0]["fault"]["routine"] == "StorPortAllocatePool"
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert main(["sweep", f"{DRIVERS}:handles_everything", "--jobs", "1"]) == 0
    assert "nothing found" in capsys.readouterr().out
    assert main(["sweep", "nosuch.py:f"]) == 3
    assert "nosuch.py" in capsys.readouterr().err


def test_junit_of_a_crash_is_an_error() -> None:
    suite = ElementTree.fromstring(junit(run("dies")))
    assert [case.find("error") is not None for case in suite] == [False, True]
