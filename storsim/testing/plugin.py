"""The pytest plugin: fixtures with a machine, a report header, and ``--storsim-sweep``.

Loaded by every pytest run in the environment, so nothing of the simulator is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from storsim import Machine
    from storsim.testing.sweep import SweepResult

RESULTS = pytest.StashKey[list[tuple[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin, all prefixed."""
    group = parser.getgroup("storsim")
    group.addoption(
        "--storsim-seed", type=int, default=0, metavar="N", help="seed of the storsim_machine fixture (default: 0)"
    )
    group.addoption(
        "--storsim-level",
        choices=("release", "verifier", "strict"),
        default="verifier",
        help="level of the storsim_machine fixture",
    )
    group.addoption(
        "--storsim-sweep",
        action="store_true",
        help="after the tests, run each passed test that makes a machine again and again, failing each allocation once",
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Version and seed, so that a report says what it came from."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("storsim")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"storsim: {number}, seed {config.getoption('--storsim-seed')}, level {config.getoption('--storsim-level')}"


@pytest.fixture
def storsim_machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A 16 GiB machine with the run's seed and level; removed, and its leaks reported, at the end of the test."""
    import storsim

    config = request.config
    with storsim.Machine(seed=config.getoption("--storsim-seed"), level=config.getoption("--storsim-level")) as pc:
        yield pc


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Any:
    """Notes which tests make machines."""
    if not item.config.getoption("--storsim-sweep"):
        return (yield)
    from storsim import machine

    made: list[object] = []
    machine.observers.append(made.append)
    try:
        result = yield
    finally:
        machine.observers.remove(made.append)
    if made:
        node = "::".join([str(item.path), *item.nodeid.split("::")[1:]])
        item.config.stash.setdefault(RESULTS, []).append((node, None))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Any:
    """Sweeps the noted tests; findings make the session fail."""
    config = session.config
    noted = config.stash.get(RESULTS, [])
    if noted and exitstatus == 0:
        from storsim.testing.sweep import sweep

        config.stash[RESULTS] = [(node, sweep(node, timeout=60)) for node, _ in noted]
        if not all(result.ok for _, result in config.stash[RESULTS]):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return (yield)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the sweeps found."""
    swept: list[tuple[str, SweepResult]] = [pair for pair in config.stash.get(RESULTS, []) if pair[1] is not None]
    if not swept:
        return
    from storsim.testing import sweep_report

    terminalreporter.section("storsim sweep")
    for _, result in swept:
        terminalreporter.write_line(sweep_report.text(result))
