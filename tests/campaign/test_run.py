"""A campaign gives the same result however it was run: in parts, in any order, killed, with workers lost."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kit.campaign import HERE, plan, told
from storsim.campaign import CampaignError, Plan, PlanError, Progress, Report, merge, run, run_shard
from storsim.campaign.runner import read_plan, read_report, read_shards
from storsim.cli import main
from storsim.journal import load
from storsim.testing.targets import TargetError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The campaign that the others are compared with: in one go, in one shard."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    return run(plan("Queue", shards=1), folder, executor=ThreadPoolExecutor(1)), folder


def test_what_was_found(whole: tuple[Report, Path]) -> None:
    report, folder = whole
    assert report.complete
    assert report.rounds == list(range(3))
    [finding] = report.findings
    assert finding["key"] == "bugcheck|DOUBLE_FREE|StorPortFreePool|0xC4(0x13)|QueueDriver.submit"
    assert finding["first"][0] == 0
    assert finding["count"] > 3
    assert finding["tried"]
    assert finding["lines"] == ["requests_0 = state.submit(size=1)", "state.complete(request=requests_0)"]
    assert finding["test"].startswith("tests/test_bugcheck_double_free")
    files = [finding["test"], finding["journal_file"], finding["script_file"]]
    for name in ("report.txt", "report.html", "report.json", "behaviours.bin", *files):
        assert (folder / name).stat().st_size > 0
    assert told(read_report(folder)) == told(report)


def test_the_fewest_calls_are_a_program_and_a_journal(whole: tuple[Report, Path]) -> None:
    """Four calls: an adapter, a block, and the block freed twice."""
    report, folder = whole
    script = (folder / report.findings[0]["script_file"]).read_text()
    calls = re.findall(r"StorPort\w+(?=\()", script)
    assert calls == ["StorPortAllocatePool", "StorPortFreePool", "StorPortFreePool"]
    journal = load((folder / report.findings[0]["journal_file"]).read_bytes())
    assert [one.name for one in journal.records() if one.name.startswith("StorPort")] == calls
    assert journal.replay().ok


def test_the_curve_grows_to_what_was_seen(whole: tuple[Report, Path]) -> None:
    report, _ = whole
    assert report.curve[0] == [0, 0]
    assert report.curve[-1] == [report.programs, len(report.behaviours)]
    assert report.curve == sorted(report.curve)
    assert all(before[1] <= after[1] for before, after in zip(report.curve, report.curve[1:], strict=False))
    assert {line.routine for line in report.behaviours.table()} == {"StorPortAllocatePool", "StorPortFreePool"}


def test_four_shards_are_one(whole: tuple[Report, Path], tmp_path: Path) -> None:
    seen: list[Progress] = []
    report = run(plan("Queue", shards=4), tmp_path / "out", progress=seen.append)
    assert told(report) == told(whole[0])
    assert [one.done for one in seen] == list(range(5))
    assert seen[-1].programs == report.programs
    assert seen[-1].findings == 1
    assert sum(one.fresh for one in seen) == len(report.behaviours)


def test_merging_knows_neither_order_nor_repetition() -> None:
    parts = [run_shard(plan("Queue", programs=40), index) for index in range(3)]
    whole_ = run_shard(plan("Queue", programs=40, shards=1), 0)
    expected = told(merge(plan("Queue", programs=40), parts))
    assert expected == told(merge(plan("Queue", programs=40), [whole_]))
    mixed = [*parts, whole_, *parts[:2]]
    for seed in range(5):
        random.Random(seed).shuffle(mixed)
        assert told(merge(plan("Queue", programs=40), mixed)) == expected
    assert not merge(plan("Queue", programs=40), parts[:1]).complete


def test_results_of_another_plan_are_refused() -> None:
    result = run_shard(plan("Queue", programs=15), 0)
    with pytest.raises(PlanError, match=f"a result of plan {result['plan']} cannot be merged"):
        merge(plan("Queue", programs=15, seed=1), [result])
    with pytest.raises(PlanError, match="other tables"):
        merge(plan("Queue", programs=15), [{**result, "tables": "00"}])


# --- killed and resumed ---------------------------------------------------------------------------------------------


def test_a_killed_campaign_goes_on_where_it_was(whole: tuple[Report, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = (
        "import os, signal, sys; sys.path[:0] = [sys.argv[1]]\n"
        "from kit.campaign import plan; from storsim.campaign import run; from concurrent.futures import *\n"
        "def progress(now):\n"
        "    if now.done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run(plan('Queue', shards=3), sys.argv[2], executor=ThreadPoolExecutor(1), progress=progress)\n"
    )
    killed = subprocess.run([sys.executable, "-P", "-c", program, str(HERE.parent), str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir() if path.suffix == ".json"}
    assert len(done) == 2
    assert told(run(plan("Queue"), out)) == told(whole[0])
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(read_shards(out, plan("Queue"))) == 3


def test_a_damaged_result_is_made_again(whole: tuple[Report, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(plan("Queue"), out, minimise=False)
    first, second, third = sorted((out / "shards").iterdir())
    first.write_text(first.read_text()[:100])
    second.write_text("{}")
    third.write_text(json.dumps({**json.loads(third.read_text()), "plan": "another"}))
    assert told(run(plan("Queue"), out)) == told(whole[0])


def test_ctrl_c_keeps_what_was_done(tmp_path: Path) -> None:
    def progress(now: Progress) -> None:
        if now.done == 1:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(plan("Queue", programs=9000, shards=600), tmp_path / "out", progress=progress)
    assert time.monotonic() - began < 60  # it does not wait for the other 599
    assert len(list((tmp_path / "out" / "shards").glob("*.json"))) == 1


def test_ctrl_c_does_not_wait_for_a_long_shard(tmp_path: Path) -> None:
    """The command ends although its one round would take for ever."""
    path = tmp_path / "plan.toml"
    driver = (HERE / "drivers.py").as_posix()
    path.write_text(f'target = "{driver}:Hanging"\nprograms = 5\ntimeout = 100000\n')
    command = [sys.executable, "-P", "-m", "storsim.cli", "campaign", "run", str(path), "--out", str(tmp_path / "out")]
    # What a shell starts in the background ignores Ctrl-C and hands that on; this test must not inherit it.
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, preexec_fn=heeds)
    while not (tmp_path / "out" / "shards").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told_ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in told_


def test_a_teardown_does_not_hide_what_ended_the_steps(tmp_path: Path) -> None:
    """The leak that the teardown stops at follows from the failure; it is no cause of its own."""
    [finding] = run(plan("Masked", programs=15), tmp_path / "out").findings
    assert (finding["kind"], finding["name"]) == ("exception", "AssertionError")


def test_a_folder_of_another_plan_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(plan("MendedQueue", programs=15), out)
    with pytest.raises(PlanError, match=r"holds a campaign of plan .*, not .*: give another folder"):
        run(plan("MendedQueue", programs=16), out)
    assert read_plan(out) == plan("MendedQueue", programs=15)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not lose this")
    with pytest.raises(PlanError, match="is not empty and holds no campaign"):
        run(plan("Queue"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 99}', "[]"], ids=["empty", "no keys", "newer", "a list"])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanError, match=r"plan\.json"):
        run(plan("Queue"), tmp_path)


# --- lost workers ---------------------------------------------------------------------------------------------------


class Careless(Executor):
    """Loses every second thing it is given, the first time."""

    def __init__(self) -> None:
        self.given = 0
        self.pool = ThreadPoolExecutor(2)

    def submit(self, function: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
        self.given += 1
        if self.given % 2:
            lost: Future[Any] = Future()
            lost.set_exception(OSError("the worker is gone"))
            return lost
        return self.pool.submit(function, *arguments, **keywords)


def test_a_lost_shard_is_run_again(whole: tuple[Report, Path], tmp_path: Path) -> None:
    executor = Careless()
    assert told(run(plan("Queue"), tmp_path / "out", executor=executor)) == told(whole[0])
    assert executor.given > 4


class Useless(Executor):
    """Does nothing."""

    def submit(self, function: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
        lost: Future[Any] = Future()
        lost.set_exception(OSError("no worker\nleft"))
        return lost


def test_a_shard_that_nobody_can_run(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"shard . failed 4 times, last with OSError: no worker left"):
        run(plan("Queue"), tmp_path / "out", executor=Useless())


def test_any_executor_will_do(whole: tuple[Report, Path], tmp_path: Path) -> None:
    import multiprocessing

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert told(run(plan("Queue", shards=2), tmp_path / "out", executor=executor)) == told(whole[0])


def test_a_target_that_will_not_do_stops_the_campaign(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="the module has no Nothing"):
        run(plan("Nothing"), tmp_path / "out")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Three worker processes and a client of theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the engine and its event loop say about themselves
        from distributed import Client, LocalCluster

        with (
            LocalCluster(
                n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
            ) as made,
            Client(made) as client,
        ):
            yield client


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_worker_of_a_cluster_is_killed_on_the_way(whole: tuple[Report, Path], tmp_path: Path, cluster: Any) -> None:
    killed: list[int] = []

    def progress(now: Progress) -> None:
        busy = [worker for worker, tasks in cluster.processing().items() if tasks]
        if now.done and busy and not killed:
            pids = cluster.run(os.getpid)
            killed.append(pids[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    executor = cluster.get_executor(pure=False)
    long = plan("Queue", programs=120, shards=6)
    report = run(long, tmp_path / "killed", executor=executor, progress=progress)
    assert killed
    assert told(report) == told(run(long, tmp_path / "whole"))
    assert killed[0] not in cluster.run(os.getpid).values()
    path = tmp_path / "plan.toml"
    path.write_text(f'target = "{(HERE / "drivers.py").as_posix()}:MendedQueue"\nprograms = 40\nround = 20\n')
    address = cluster.scheduler.address
    assert main(["campaign", "run", str(path), "--out", str(tmp_path / "command"), "--dask", address]) == 0
    assert read_report(tmp_path / "command").complete


# --- regression tests -----------------------------------------------------------------------------------------------


def run_tests(folder: Path, *names: str) -> tuple[int, str]:
    """Runs test files in a process of their own."""
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-rA", "--tb=short", "-p", "no:cacheprovider"]
    more = ["-c", os.devnull, "--rootdir", "."]
    done = subprocess.run([*command, *more, *names], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def campaign_of_a_copy(folder: Path, name: str, **keys: Any) -> Report:
    """A campaign on the copy of the drivers in a folder, which the test may then mend."""
    keys = {"programs": 40, "round": 40, "steps": 12, "shards": 1} | keys
    return run(Plan(target=f"drivers.py:{name}", folder=str(folder), **keys), folder / f"out-{name}")


FREES = "        StorPortFreePool(hba, first)\n"
#: Driver → (its bug, what is right, more keys of the plan).
MENDED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Queue": ("    buggy = True", "    buggy = False", {}),
    "Aborting": ("            os.abort()", "            pass", {}),
    "forgets_on_failure": (
        "        return False\n    StorPortFreePool(hba, second)",
        f"{FREES}        return False\n    StorPortFreePool(hba, second)",
        {"machine": {"memory": "1GiB"}},
    ),
    "test_big_requests": ("            assert size <= 0x10000\n", "", {}),
    "Leaky": (
        "        self.block = 0\n",
        "        StorPortFreePool(self.hba, self.block)\n",
        {"machine": {"level": "strict"}, "faults": ({"kind": "nth", "n": 30},)},
    ),
    "Sleepy": ("        self.asleep = self.slept = True\n", "        self.started = True\n", {}),
    "Opaque": ("        assert size < 2000", "        pass", {}),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Report], dict[str, Path], str, str]:
    """A campaign for each driver, the tests they wrote, and what pytest said of them with the bugs and without."""
    folder = tmp_path_factory.mktemp("written")
    driver = folder / "drivers.py"
    text = (HERE / "drivers.py").read_text()
    driver.write_text(text)
    reports = {name: campaign_of_a_copy(folder, name, **keys) for name, (_, _, keys) in MENDED.items()}
    tests = {name: folder / f"out-{name}" / report.findings[0]["test"] for name, report in reports.items()}
    paths = [str(path.relative_to(folder)) for path in tests.values()]
    _, buggy = run_tests(folder, *paths)
    for old, new, _ in MENDED.values():
        assert text.count(old) == 1
        text = text.replace(old, new)
    driver.write_text(text)
    _, mended = run_tests(folder, *paths)
    return reports, tests, buggy, mended


@pytest.mark.parametrize("name", MENDED)
def test_a_written_test_fails_on_the_bug_and_passes_without_it(
    written: tuple[dict[str, Report], dict[str, Path], str, str], name: str
) -> None:
    reports, tests, buggy, mended = written
    assert len(reports[name].findings) == 1
    place = f"out-{name}/tests/{tests[name].name}::"
    assert f"FAILED {place}" in buggy
    assert f"PASSED {place}" in mended


def test_a_program_takes_only_steps_that_apply(
    written: tuple[dict[str, Report], dict[str, Path], str, str],
) -> None:
    """Waking is part of it although the leak shows without: nothing works while it sleeps."""
    [finding] = written[0]["Sleepy"].findings
    assert finding["lines"] == ["state.begin()", "state.sleep()", "state.wake(after=0)", "state.work()"]


def test_a_program_without_a_text_is_kept_by_its_choices(
    written: tuple[dict[str, Report], dict[str, Path], str, str],
) -> None:
    reports, tests, _, _ = written
    tried = {name: report.findings[0]["tried"] for name, report in reports.items()}
    assert tried == dict.fromkeys(MENDED, True) | {"Opaque": False}
    assert "replay(" in tests["Opaque"].read_text()
    assert "replay(" not in tests["Queue"].read_text()


# --- the example database -------------------------------------------------------------------------------------------


def test_what_was_found_is_there_for_ordinary_tests(tmp_path: Path) -> None:
    (tmp_path / "drivers.py").write_text((HERE / "drivers.py").read_text())
    campaign_of_a_copy(tmp_path, "Queue", database="examples")
    (tmp_path / "test_queue.py").write_text(
        "from drivers import Queue\n"
        "from hypothesis import Phase, settings\n"
        "from hypothesis.database import DirectoryBasedExampleDatabase\n"
        "TestQueue = Queue.TestCase\n"
        "TestQueue.settings = settings(database=DirectoryBasedExampleDatabase('examples'), phases=[Phase.reuse])\n"
    )
    code, output = run_tests(tmp_path, "test_queue.py")
    assert code == 1, output
    assert "DOUBLE_FREE" in output


def test_a_whole_driver_s_finding_is_there_for_ordinary_tests(tmp_path: Path) -> None:
    """Its choices mean the same rules with and without the campaign's watch."""
    (tmp_path / "drivers.py").write_text((HERE / "drivers.py").read_text())
    campaign_of_a_copy(tmp_path, "Leaky", database="examples", programs=30)
    (tmp_path / "test_leaky.py").write_text(
        "from drivers import Leaky\n"
        "from hypothesis import Phase, settings\n"
        "from hypothesis.database import DirectoryBasedExampleDatabase\n"
        "TestLeaky = Leaky.TestCase\n"
        "TestLeaky.settings = settings(database=DirectoryBasedExampleDatabase('examples'), phases=[Phase.reuse])\n"
    )
    code, output = run_tests(tmp_path, "test_leaky.py")
    assert code == 1, output
    assert "POOL_LEAK" in output


@pytest.mark.parametrize("address", ["redis://host:port/x", "redis://127.0.0.1:1/0"])
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    """Refused before anything is run."""
    with pytest.raises((PlanError, ImportError), match=r"database: |storsim\[redis"):
        run(plan("Queue", database=address), tmp_path / "out")
    assert not (tmp_path / "out").exists()
