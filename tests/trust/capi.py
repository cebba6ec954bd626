"""Every fallible call of Python's C API fails once.

The binding is built a second time with `capi_fail.h` forced into each of its files. Every piece of the tour runs
again and again, each time with the next wrapped call failing: the piece must end in an exception of its own (a
MemoryError, or what a caller makes of it), never in a SystemError ("returned a result with an exception set", "NULL
without an exception"), and the machine must be sound. The import of the module is failed the same way, in processes of
its own. The long row goes on with what the tour does not pass: the suite's tests run again with a call failing
(:mod:`trust.capi_suite`). Sites are counted: passed at least once, failed at least once, all that the sources hold.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from trust.capi_sites import library, site, sites, sites_in_sources
from trust.extension import build
from trust.rows import Held, row
from trust.shell import BUILD, ROOT, run

HERE = Path(__file__).parent
#: Folders of tests/ whose tests use the binding directly; Hypothesis' own are left out.
FOLDERS = ("trust", "python", "conformance", "audio", "verifier", "model", "journal", "fuzzing", "golden")

#: Imports the module and uses it for the first time; prints what came of it, and what failed.
_IMPORT = """
import ctypes, sys
sys.path[:0] = [sys.argv[1], "tests"]
from trust.capi_sites import library, sites
try:
    import storsim.storport
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    storsim.storport.StorPortAllocatePool(hba, 64, "Test")
    kind = "fine"
except BaseException as error:
    kind = type(error).__name__
found = library(sys.argv[2])
print(kind, *(place for place, _, failed in sites(found) if failed), sep="\\t")
"""


def _package() -> Path:
    return build("capi", sys.executable, "-O1 -g", force=HERE / "capi_fail.h", more=[HERE / "capi_fail.c"])


def _extension(package: Path) -> str:
    return str(next((package / "storsim").glob("_core*")))


@row(
    "C-API calls", "every fallible C-API call of the binding fails once; an exception, a sound machine, no SystemError"
)
def capi() -> Held:
    """Builds, then runs in a child process."""
    package = _package()
    code = f"import sys; sys.path[:0] = [{str(package)!r}, 'tests']; from trust.capi import report; report()"
    text = run([sys.executable, "-P", "-X", "faulthandler", "-W", "ignore", "-c", code], cwd=ROOT).strip().splitlines()
    return Held(text[-1].endswith(" 0 wrong"), text[-1])


@row("C-API calls, suite", "the same wherever a test of the suite, or the import, passes a call", quick=False)
def suite() -> Held:
    """Every site of the sources is failed, or listed in build-trust/capi/sites.txt as never passed."""
    package = _package()
    outcomes, failed, wrong = _imports(package)
    report = BUILD / "capi" / "report.json"
    environment = {"PYTHONPATH": f"{package}:{ROOT / 'tests'}", "STORSIM_CAPI_REPORT": str(report)}
    folders = [str(ROOT / "tests" / folder) for folder in FOLDERS]
    pytest = [sys.executable, "-P", "-X", "faulthandler", "-m", "pytest", "-q", "-p", "trust.capi_suite"]
    run([*pytest, "-p", "no:cacheprovider", *folders], cwd=ROOT, env=environment)
    found = json.loads(report.read_text())
    outcomes.update(found["outcomes"])
    wrong += found["wrong"]
    passed = {site(place) for place, _, _ in found["sites"]} | failed
    failed |= {site(place) for place, _, times in found["sites"] if times}
    every = sites_in_sources() | passed
    never = [f"never failed: {name}:{line} {function}" for name, line, function in sorted(every - failed)]
    (BUILD / "capi" / "sites.txt").write_text("\n".join([*wrong, *never, ""]))
    return Held(
        not wrong,
        f"{sum(outcomes.values())} calls failed ({outcomes['MemoryError']} ended in MemoryError), sites: "
        f"{len(failed)} failed of {len(passed)} passed of {len(every)} in the sources; {len(wrong)} wrong",
    )


def _imports(package: Path) -> tuple[Counter[str], set[tuple[str, int, str]], list[str]]:
    """Import and first use, with their first, second, ... call failing: what came of it, where, and what is wrong."""
    outcomes: Counter[str] = Counter()
    failed: set[tuple[str, int, str]] = set()
    wrong: list[str] = []
    at, struck = 1, True
    while struck:
        command = [sys.executable, "-P", "-X", "faulthandler", "-c", _IMPORT, str(package), _extension(package)]
        kind, *places = run(command, env={"STORSIM_CAPI_FAIL": str(at)}, cwd=ROOT).strip().split("\t")
        failed |= {site(place) for place in places}
        outcomes[kind] += 1
        at, struck = at + 1, bool(places)
        if kind == "SystemError" or (not struck and kind != "fine"):
            wrong.append(f"import: wrapped call {at - 1} ended in a {kind}")
    return outcomes, failed, wrong


def report() -> None:
    """What the child process prints."""
    import storsim._core
    from trust.tour import units

    binding = library(storsim._core.__file__)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for name, unit in units():
        unit(lambda pc: None)  # warm
        binding.ss_capi_arm(0)
        unit(lambda pc: None)
        for at in range(1, binding.ss_capi_arm(0) + 1):
            _once(binding, name, unit, at, outcomes, wrong)
    found = sites(binding)
    for line in wrong:
        print(line)
    print(
        f"{sum(outcomes.values())} calls failed ({outcomes['MemoryError']} ended in MemoryError), sites: "
        f"{sum(times > 0 for _, _, times in found)} failed of {len(found)} passed of {len(sites_in_sources())} "
        f"in the sources; {len(wrong)} wrong"
    )


def _once(binding: Any, name: str, unit: Any, at: int, outcomes: Counter[str], wrong: list[str]) -> None:
    made: list[Any] = []
    binding.ss_capi_arm(at)
    try:
        unit(made.append)
        kind = "passed"
    except Exception as error:
        kind = type(error).__name__
    finally:
        binding.ss_capi_arm(0)
    outcomes[kind] += 1
    if kind == "SystemError":
        wrong.append(f"{name}: wrapped call {at} ended in a SystemError")
    for pc in made:
        if not pc.closed and pc.check() != "":
            wrong.append(f"{name}: wrapped call {at} left an unsound machine: {pc.check()}")
