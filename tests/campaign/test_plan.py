"""Plans: what a file may say, one line for what it may not, and what the hash is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from storsim.campaign import Plan, PlanError, load_plan

GOOD = 'target = "mine.py:Machine"\nprograms = 100\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_a_plan_file_with_every_key(tmp_path: Path) -> None:
    text = """
target = "package.module:Machine"
programs = 1000
steps = 30
seed = 7
shards = 4
round = 100
timeout = 5
profile = "nightly"
database = "examples"
ignore = ["ZERO_LENGTH"]

[machine]
memory = "1GiB"
level = "strict"

[[faults]]
kind = "probability"
p = 0.01
routine = "StorPortAllocatePool"

[[faults]]
kind = "nth"
n = 3

[[faults]]
kind = "range"
first = 2
last = 3

[[faults]]
kind = "hardware"
name = "timeout"
"""
    plan = load_plan(write(tmp_path, text))
    assert (plan.target, plan.programs, plan.rounds, plan.ignore) == (
        "package.module:Machine",
        1000,
        10,
        ("ZERO_LENGTH",),
    )
    assert dict(plan.machine) == {"memory": "1GiB", "level": "strict"}
    assert [rule["kind"] for rule in plan.faults] == ["probability", "nth", "range", "hardware"]
    assert plan.folder == str(tmp_path)


BROKEN = {
    "no target": ("programs = 1\n", "target: missing; write target ="),
    "target without a name": ('target = "mine.py"\nprograms = 1\n', 'target: write "module:Class"'),
    "target of another type": ("target = 5\nprograms = 1\n", 'target: write "module:Class"'),
    "no budget": ('target = "a:B"\n', "programs, seconds: give exactly one budget"),
    "two budgets": (GOOD + "seconds = 5\n", "programs, seconds: give exactly one budget"),
    "unknown key": (GOOD + "step = 5\n", "step: no such key; there are target, programs,"),
    "a truth as a number": ('target = "a:B"\nprograms = true\n', "programs: write a whole number, not True"),
    "no steps": (GOOD + "steps = -1\n", "steps: write a number from 0 to 100000, not -1"),
    "negative seed": (GOOD + "seed = -1\n", "seed: write a number from 0 to"),
    "no time": (GOOD + "timeout = 0\n", "timeout: write seconds from 0.1 to 1e9, not 0"),
    "time that is not a number": (GOOD + "timeout = nan\n", "timeout: write seconds from 0.1 to 1e9, not nan"),
    "ignore a text": (GOOD + 'ignore = "POOL_LEAK"\n', "ignore: write a list of texts, such as ignore ="),
    "unknown knob": (GOOD + "[machine]\nbla = 1\n", "machine: Machine has no knob 'bla'"),
    "unknown level": (GOOD + '[machine]\nlevel = "hard"\n', "machine: level='hard'"),
    "seed of the machine": (GOOD + "[machine]\nseed = 1\n", "machine.seed: every program has a seed of its own"),
    "unknown fault": (GOOD + '[[faults]]\nkind = "sometimes"\n', "faults[0].kind: choose one of probability, nth"),
    "fault without its number": (GOOD + '[[faults]]\nkind = "nth"\n', "faults[0].n: missing, 'nth' needs it"),
    "fault with another's key": (
        GOOD + '[[faults]]\nkind = "nth"\nn = 1\np = 0.5\n',
        "faults[0].p: no such key of 'nth'",
    ),
    "fault out of range": (GOOD + '[[faults]]\nkind = "probability"\np = 2\n', "faults[0]: p=2"),
    "fault of no routine": (
        GOOD + '[[faults]]\nkind = "nth"\nn = 1\nroutine = "StorPortFly"\n',
        "faults[0]: ",
    ),
    "not TOML": ("target = \n", "not TOML: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plan_is_one_line_with_key_and_fix(tmp_path: Path, name: str) -> None:
    text, words = BROKEN[name]
    path = write(tmp_path, text)
    with pytest.raises(PlanError) as told:
        load_plan(path)
    message = str(told.value)
    assert message.startswith(f"{path}: {words}")
    assert "\n" not in message


def test_the_hash_is_over_what_decides_the_result() -> None:
    plan = Plan(target="a:B", programs=100)
    free = {"shards": 3, "database": "x", "timeout": 5.0, "folder": "elsewhere"}
    assert all(plan.replace(**{name: value}).hash == plan.hash for name, value in free.items())
    deciding = {"target": "a:C", "programs": 101, "steps": 3, "seed": 1, "round": 7, "profile": "x", "ignore": ("A",)}
    hashes = {plan.replace(**{name: value}).hash for name, value in deciding.items()}
    assert len(hashes | {plan.hash}) == len(deciding) + 1


def test_the_hash_is_written_down() -> None:
    """It names folders and decides seeds: it must not change by accident."""
    assert Plan(target="mine.py:Machine", programs=1000, seed=7).hash == "c120b4123c2bd4b1"


def test_every_round_has_a_seed_of_its_own() -> None:
    plan = Plan(target="a:B", programs=1000)
    assert len({plan.seed_of(number) for number in range(1000)}) == 1000
    assert plan.seed_of(0) != plan.replace(seed=1).seed_of(0)


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 50])
def test_shards_share_the_rounds_without_gap_or_overlap(shards: int) -> None:
    plan = Plan(target="a:B", programs=1003, round=100, shards=shards)
    rounds = sorted(number for index in range(shards) for number in plan.rounds_of(index))
    assert rounds == list(range(11))
    assert sum(plan.programs_of(number) for number in rounds) == 1003


def test_a_shard_there_is_not() -> None:
    with pytest.raises(ValueError, match="shard 3: the plan has shards 0 to 2"):
        Plan(target="a:B", programs=10, shards=3).rounds_of(3)
