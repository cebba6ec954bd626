"""A shard is a pure function, whatever the driver does to its process."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kit.campaign import HERE, plan, timeless
from storsim.campaign import Plan, run_shard
from storsim.journal import load
from storsim.testing.strategies import AdapterConfig, MachineConfig
from storsim.testing.targets import TargetError
from storsim.testing.targets import load as load_target

Leaky: Any = load_target("drivers.py:Leaky", str(HERE))


def keys(result: dict[str, object]) -> set[str]:
    return {finding["key"] for one in result["rounds"] for finding in one["findings"]}  # type: ignore[attr-defined]


def test_the_same_shard_twice_is_the_same_result() -> None:
    first, second = (run_shard(plan("Queue", programs=40), 1) for _ in range(2))
    assert timeless(first) == timeless(second)
    assert json.loads(json.dumps(first)) == first
    assert keys(first) == {"bugcheck|DOUBLE_FREE|StorPortFreePool|0xC4(0x13)|QueueDriver.submit"}
    [one] = first["rounds"]
    assert one["round"] == 1
    assert one["programs"] >= 10
    assert one["machines"] >= one["programs"]
    assert {"submit", "complete", "cancel"} == {rule for rule, _, _ in one["rules"]}
    assert one["behaviours"]


def test_the_mended_driver_has_no_finding() -> None:
    assert keys(run_shard(plan("MendedQueue", shards=1, programs=40), 0)) == set()


def test_a_crash_is_a_finding_with_its_program() -> None:
    result = run_shard(plan("Aborting", shards=1, programs=40), 0)
    assert len(result["rounds"]) == 2
    assert timeless(result) == timeless(run_shard(plan("Aborting", shards=1, programs=40), 0))
    found = [finding for one in result["rounds"] for finding in one["findings"]]
    assert found
    for finding in found:
        assert finding["key"] == "crash|SIGABRT|cancel||"
        assert "ended with SIGABRT in rule cancel" in finding["message"]
        assert [line.split("(")[0] for line in finding["lines"]][-3:] == ["state.cancel"] * 3
        assert "in cancel" in finding["message"]
        journal = load(base64.b64decode(finding["journal"]))
        assert [one.name for one in journal.records()][-1] == "StorPortFreePool"
        assert journal.replay().ok


def test_a_hang_is_a_finding() -> None:
    result = run_shard(plan("Hanging", shards=1, programs=20, timeout=6), 0)
    [finding] = [finding for one in result["rounds"] for finding in one["findings"]]
    assert finding["key"] == "hang|TIMEOUT|complete||"
    assert "did not go on for 6 s in rule complete" in finding["message"]


def test_a_function_is_a_target() -> None:
    result = run_shard(plan("forgets_on_failure", shards=1, programs=60, round=60), 0)
    assert keys(result) == {"violation|POOL_LEAK|||forgets_on_failure"}


def test_a_function_with_settings_and_faults() -> None:
    faults = ({"kind": "nth", "n": 2},)
    result = run_shard(plan("forgets_on_failure", shards=1, programs=4, faults=faults, machine={"memory": "1GiB"}), 0)
    [finding] = result["rounds"][0]["findings"]
    assert finding["count"] >= 4
    assert finding["program"] == 1


def test_a_given_test_is_a_target() -> None:
    result = run_shard(plan("test_big_requests", shards=1, programs=60, round=60), 0)
    assert keys(result) == {"exception|AssertionError|||test_big_requests"}


def test_a_driver_machine_tells_its_findings_itself() -> None:
    assert keys(run_shard(plan("Leaky", shards=1, programs=20, round=20), 0)) == {
        "violation|POOL_LEAK|||Leaky.bring_up"
    }
    quiet = plan("Leaky", shards=1, programs=20, round=20, ignore=("POOL_LEAK",))
    assert keys(run_shard(quiet, 0)) == set()


def test_nothing_moves_on_a_machine_that_an_allowed_bugcheck_stopped() -> None:
    class Allowed(Leaky):
        allow = frozenset({"POOL_LEAK"})

    state = Allowed()
    state.begin(machine=MachineConfig(), adapter=AdapterConfig(), without=())
    state.plug_in(fail=0)
    state.unplug(fail=0)
    assert state.pc.stopped is not None
    state.wait(ticks=500)
    state.plug_in(fail=0)
    assert state.pc.stopped is None
    state.unplug(fail=0)
    state.teardown()


def test_time_as_the_budget() -> None:
    result = run_shard(plan("MendedQueue", programs=0, seconds=1.0, shards=2, round=5), 1)
    numbers = [one["round"] for one in result["rounds"]]
    assert numbers == list(range(1, 1 + 2 * len(numbers), 2))
    assert numbers


BAD = {
    "nothing_like_it": "the module has no nothing_like_it",
    "QueueDriver": "expected a Hypothesis state machine, a test with @given, or a function of one machine",
    "HERE": "expected a Hypothesis state machine",
}


@pytest.mark.parametrize("name", BAD)
def test_a_target_that_will_not_do(name: str) -> None:
    with pytest.raises(TargetError) as told:
        run_shard(plan(name), 0)
    assert BAD[name] in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise RuntimeError('not\\ntoday')", "importing it raised RuntimeError: not today"),
        ("def f(:", "importing it raised SyntaxError"),
        ("import os\nos._exit(3)", "the process ended with EXIT_3 while the target was loaded"),
    ],
    ids=["raises", "does not parse", "exits"],
)
def test_a_file_that_cannot_be_loaded(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(TargetError, match=words):
        run_shard(Plan(target="broken.py:f", programs=1, folder=str(tmp_path)), 0)


def test_settings_for_a_machine_that_takes_none() -> None:
    with pytest.raises(TargetError, match="takes no settings: the state machine makes its own machines"):
        run_shard(plan("Queue", machine={"memory": "1GiB"}), 0)


def test_a_profile_there_is_not() -> None:
    with pytest.raises(TargetError, match="profile: 'slow' is not registered"):
        run_shard(plan("Queue", profile="slow"), 0)
