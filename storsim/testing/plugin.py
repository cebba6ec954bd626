"""The pytest plugin: fixtures with a machine and devices, a report header, bugchecks that cannot be swallowed, what a
failing test leaves behind, and ``--storsim-sweep``.

Loaded by every pytest run in the environment, so nothing of the simulator is imported before a test asks for it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from storsim import Machine
    from storsim.adapter import Adapter
    from storsim.hda import Hda
    from storsim.testing.sweep import SweepResult

RESULTS = pytest.StashKey[list[tuple[str, Any]]]()
MADE = pytest.StashKey[list[Any]]()
FIXTURES = pytest.StashKey[list[Any]]()
MARK = "storsim_bugcheck"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin, all prefixed."""
    group = parser.getgroup("storsim")
    group.addoption(
        "--storsim-seed", type=int, default=0, metavar="N", help="seed of the machine fixtures (default: 0)"
    )
    group.addoption(
        "--storsim-level",
        choices=("release", "verifier", "strict"),
        default="verifier",
        help="level of the machine fixtures (default: verifier)",
    )
    group.addoption(
        "--storsim-leaks",
        choices=("error", "warn", "off"),
        default="error",
        help="what a leak at the end of a test with a machine fixture is (default: error)",
    )
    group.addoption(
        "--storsim-bugchecks",
        choices=("fixtures", "all", "off"),
        default="fixtures",
        help="whose bugcheck fails a test that passed, because something caught it: that of the machine fixtures "
        f"(default), of all machines, none. A test marked {MARK} expects one",
    )
    group.addoption(
        "--storsim-trace-on-failure",
        metavar="DIR",
        default=None,
        help="when a test fails, write journal, program, report and trace of its machines to a folder in DIR",
    )
    group.addoption(
        "--storsim-sweep",
        action="store_true",
        help="after the tests, run each passed test that makes a machine again and again, failing each allocation once",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The mark; and the profiles before Hypothesis looks for one of them, wherever storsim was installed from."""
    if str(config.getoption("--hypothesis-profile", None) or "").startswith("storsim-"):
        from storsim.testing.hypothesis_setup import register_profiles

        register_profiles()
    config.addinivalue_line(
        "markers", f"{MARK}: the test stops its machine on purpose; the bugcheck is not raised again"
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Version and seed, so that a report says what it came from."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("storsim")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"storsim: {number}, seed {config.getoption('--storsim-seed')}, level {config.getoption('--storsim-level')}"


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def storsim_machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A 16 GiB machine with the run's seed and level; what its devices leave is an error at the end of the test."""
    import storsim

    config = request.config
    pc = storsim.Machine(seed=config.getoption("--storsim-seed"), level=config.getoption("--storsim-level"))
    request.node.stash.setdefault(FIXTURES, []).append(pc)
    try:
        yield pc
    finally:
        _end(pc, config.getoption("--storsim-leaks"))


@pytest.fixture
def storsim_adapter(storsim_machine: Machine) -> Adapter:
    """A storage adapter in `storsim_machine`."""
    return storsim_machine.add_adapter("storsim0")


@pytest.fixture
def storsim_hda(storsim_machine: Machine) -> Hda:
    """An HD Audio controller with an ideal codec in `storsim_machine`."""
    return storsim_machine.add_hda()


def _end(pc: Machine, leaks: str) -> None:
    """Removes the devices; leaks are an error, a warning or nothing."""
    from storsim.errors import StorsimError

    if pc.closed:
        return
    try:
        if leaks != "off" and not pc._dead:
            known = len(pc.findings)
            error: StorsimError | None = None
            try:
                pc._remove_adapters()
            except StorsimError as raised:
                error = raised
            left = [one for one in pc.findings[known:] if one.kind == "violation"]
            if leaks == "error" and error is not None:
                raise error
            if left and leaks == "error":
                pytest.fail("\n".join(one.text for one in left), pytrace=False)
            for one in left:
                warnings.warn(pytest.PytestWarning(one.text), stacklevel=2)
    finally:
        pc.close()


# --- around a test ----------------------------------------------------------------------------------------------------


def _wanted(config: pytest.Config) -> bool:
    return bool(
        config.getoption("--storsim-trace-on-failure")
        or config.getoption("--storsim-bugchecks") == "all"
        or config.getoption("--storsim-sweep")
    )


def _observe(note: Callable[[Any], None]) -> Callable[[], None]:
    """Notes every machine made; returns what ends it."""
    from storsim import machine

    machine.observers.append(note)
    return lambda: machine.observers.remove(note)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Any:
    """Notes which machines a test makes, when an option wants to know."""
    if not _wanted(item.config):
        return (yield)
    made: list[Any] = []
    item.stash[MADE] = made
    forget = _observe(made.append)
    try:
        result = yield
    finally:
        forget()
        item.stash[MADE] = []
        item.stash.setdefault(FIXTURES, []).clear()
    if made and item.config.getoption("--storsim-sweep"):
        node = "::".join([str(item.path), *item.nodeid.split("::")[1:]])
        item.config.stash.setdefault(RESULTS, []).append((node, None))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """A test that passed although its machine stopped fails with the bugcheck: something has caught it."""
    result = yield
    kind = item.config.getoption("--storsim-bugchecks")
    if kind == "off" or item.get_closest_marker(MARK) is not None:
        return result
    for pc in item.stash.get(MADE if kind == "all" else FIXTURES, []):
        if not pc.closed and pc._dead:
            pc._raise_bugcheck()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """What a failing test leaves behind."""
    report = yield
    where = item.config.getoption("--storsim-trace-on-failure")
    if where and report.failed:
        machines = item.stash.get(MADE, [])[-8:]
        folder = Path(where, re.sub(r"[^\w.=-]+", "-", item.nodeid).strip("-")[-120:])
        written = [str(path) for number, pc in enumerate(machines, start=1) for path in artefacts(pc, folder, number)]
        if written:
            report.sections.append(("storsim", "what the machines left behind:\n" + "\n".join(written)))
    return report


def artefacts(pc: Machine, folder: Path, number: int = 1) -> list[Path]:
    """Writes journal, stand-alone program, report and trace of a machine to a folder; returns what was written.

    What the machine does not have (a journal that is off, the trace of a closed machine) is left out.
    """
    from storsim.export import jsonl

    folder.mkdir(parents=True, exist_ok=True)
    writers: list[tuple[str, Callable[[Path], Any]]] = [
        ("journal", lambda path: pc.journal.save(path)),
        ("py", lambda path: path.write_text(pc.journal.script(), encoding="utf-8")),
        ("txt", lambda path: path.write_text(_report(pc), encoding="utf-8")),
        ("jsonl", lambda path: jsonl(pc, path)),
    ]
    written = []
    for ending, write in writers:
        path = folder / f"machine{number}.{ending}"
        try:
            write(path)
        except (RuntimeError, ValueError):
            path.unlink(missing_ok=True)
            continue
        written.append(path)
    return written


def _report(pc: Machine) -> str:
    return pc.report() if not pc.closed else "\n\n".join(one.text for one in pc.findings) + "\n"


# --- the sweep --------------------------------------------------------------------------------------------------------


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
