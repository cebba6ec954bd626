"""Programs that end their process, or never end, made shorter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storsim.campaign import endings
from storsim.campaign.minimise import minimise
from storsim.campaign.plan import Plan
from storsim.campaign.regression import ending_of, name_of_end
from storsim.campaign.shard import run_shard

HERE = Path(__file__).parent


@pytest.mark.parametrize("needed", [set(), {0}, {3, 17}, {0, 1, 38}, set(range(39))], ids=str)
def test_what_is_needed_stays(needed: set[int]) -> None:
    lines = [f"line{number}" for number in range(40)]
    tried: list[list[str]] = []

    def ends(program: list[str]) -> bool:
        tried.append(program)
        assert program[-1] == "line39"
        return {f"line{number}" for number in needed} <= set(program)

    assert endings.without_needless(lines, ends) == [f"line{number}" for number in sorted(needed)] + ["line39"]
    assert len(tried) <= 200


def test_lines_that_need_each_other_leave_in_the_end() -> None:
    """Line n needs line n + 1: they leave one by one."""
    lines = [f"line{number}" for number in range(8)]

    def ends(program: list[str]) -> bool:
        numbers = [int(line[4:]) for line in program]
        return numbers[:-1] == list(range(len(numbers) - 1))

    assert endings.without_needless(lines, ends) == ["line7"]


def finding_of(name: str, **keys: Any) -> tuple[Plan, dict[str, Any]]:
    plan = Plan(target=f"drivers.py:{name}", folder=str(HERE), shards=1, round=20, **{"steps": 20, **keys})
    found = [finding for one in run_shard(plan, 0)["rounds"] for finding in one["findings"]]
    return plan, max(found, key=lambda one: len(one["lines"]))


def called(lines: list[str]) -> list[str]:
    return [line.rpartition("state.")[2].partition("(")[0] for line in lines]


def test_a_crash_gets_short() -> None:
    plan, finding = finding_of("Aborting", programs=60)
    minimal = minimise(plan, finding)
    assert minimal["tried"]
    assert 1 < minimal["attempts"] <= endings.MOST_ATTEMPTS["crash"] + 2
    assert sorted(called(minimal["lines"])) == ["cancel"] * 3 + ["submit"]
    assert minimal["lines"][-1] == finding["lines"][-1]


def test_a_hang_gets_short() -> None:
    plan, finding = finding_of("Hanging", programs=20, timeout=4, steps=6)
    minimal = minimise(plan, finding)
    assert minimal["tried"]
    assert sorted(called(minimal["lines"])) == ["complete", "submit", "submit"]


def test_a_program_that_does_not_end_that_way_is_told_so() -> None:
    plan, finding = finding_of("Aborting", programs=60)
    harmless = finding | {"lines": [line for line in finding["lines"] if ".cancel" not in line][:3]}
    assert minimise(plan, harmless) == {"tried": False, "attempts": 1}
    assert minimise(plan, finding | {"lines": []}) == {"tried": False, "attempts": 0}


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("print('fine')", ""),
        ("import os; print('fine', flush=True); os.abort()", "SIGABRT"),
        ("import sys; print('fine'); sys.exit(3)", "EXIT_3"),
        ("import time; print('fine', flush=True); time.sleep(60)", "TIMEOUT"),
    ],
)
def test_how_a_process_ended(program: str, ending: str) -> None:
    assert ending_of(program, timeout=2) == (ending, ending_of("print('fine')")[1])


def test_names_of_ends() -> None:
    assert [name_of_end(code) for code in (-11, -250, 3, 0xC0000005)] == [
        "SIGSEGV",
        "EXIT_-250",
        "EXIT_3",
        "EXIT_0xc0000005",
    ]


def test_names_of_the_ready_machines_are_found() -> None:
    plan = Plan(target="storsim.testing.machines:StoragePool", programs=1)
    lines = [
        "state.begin(machine=MachineConfig('4GiB', 2), without=())",
        "state.no_faults()",
        "state.elsewhere(Unknown(1))",
    ]
    assert endings.names_of(plan, lines) == {"MachineConfig": "storsim.testing.strategies"}
