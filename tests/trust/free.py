"""Free-threaded CPythons: threads at machines without a GIL, under ThreadSanitizer where the interpreter is built so.

STORSIM_TRUST_FREE_THREADED names the interpreters, separated as on a search path; without it python3.14t and its like
are looked for on the search path. No distribution may have one: CPython's sources build with --disable-gil, and with
--with-thread-sanitizer. An ordinary one runs the binding's tests (it needs pytest and hypothesis) and the threads'
program, a sanitized one the program and a race made on purpose, which must be reported: so silence means something.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from trust import threads
from trust.extension import build
from trust.rows import Held, Unavailable, row
from trust.shell import BUILD, run

#: Folders of tests/ that an ordinary free-threaded CPython runs, and files a sanitized one does.
FOLDERS = ("tests/python", "tests/conformance", "tests/audio", "tests/verifier", "tests/journal")
FILES = ("tests/python/test_threads.py", "tests/python/test_callbacks.py", "tests/python/test_snapshots.py")

_QUESTION = """
import importlib.util, json, sys, sysconfig
of = lambda name: str(sysconfig.get_config_var(name))
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])), "free": of("Py_GIL_DISABLED") == "1",
    "sanitized": "fsanitize=thread" in of("CFLAGS") + of("CC") + of("PY_CFLAGS"),
    "compiler": "clang" if "clang" in of("CC") else "gcc",
    "pytest": all(map(importlib.util.find_spec, ("pytest", "hypothesis")))}))
"""
_STRESS = """
import sys
sys.path[:0] = [{package!r}, "tests"]
import storsim
from trust import threads
assert not sys._is_gil_enabled(), "something switched the GIL on"
threads.stress()
assert not sys._is_gil_enabled(), "something switched the GIL on"
"""
_RACE = """
import ctypes, threading, time
size = 1 << 20
block, source, until = ctypes.create_string_buffer(size), b"x" * size, time.monotonic() + 3
def write():
    while time.monotonic() < until:
        ctypes.memmove(block, source, size)
workers = [threading.Thread(target=write) for _ in range(2)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
"""


def programs() -> list[str]:
    """The interpreters to ask, as they are named or found."""
    named = [text for text in os.environ.get("STORSIM_TRUST_FREE_THREADED", "").split(os.pathsep) if text]
    looked = [f"python3.{minor}t" for minor in range(20, 12, -1)]
    return named or [found for name in looked if (found := shutil.which(name))][:1]


def reports(text: str) -> list[str]:
    """What ThreadSanitizer said, one line a report."""
    return re.findall(r"^SUMMARY: ThreadSanitizer: (.*)$", text, re.MULTILINE)


def _sanitizer(log: Path) -> dict[str, str]:
    """Nothing is left out: not even races of CPython itself, of which its own tests know some."""
    return {"TSAN_OPTIONS": f"exitcode=0 history_size=4 log_path={log}"}


def _reported(log: Path) -> list[str]:
    return [line for path in sorted(log.parent.glob(log.name + ".*")) for line in reports(path.read_text())]


def _pytest(program: str, package: Path, paths: tuple[str, ...], env: dict[str, str]) -> str:
    """Runs tests on a build of the package; the last line of pytest's report. RuntimeError when one fails."""
    command = [program, "-P", "-X", "faulthandler", "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    env = {**env, "PYTHONPATH": str(package)}
    return run(command, env=env, timeout=7200).strip().splitlines()[-1]


def _plain(program: str, about: dict[str, Any]) -> str:
    if not about["pytest"]:
        raise Unavailable(f"{program} has no pytest or no hypothesis: install them for it")
    package = build("free", program, "-O2 -g", cc=about["compiler"])
    passed = _pytest(program, package, FOLDERS, {})
    return f"{passed.strip('= ')}; {_stressed(program, package, {})}"


def _sanitized(program: str, about: dict[str, Any]) -> str:
    folder = BUILD / "free-sanitized"
    package = build("free-sanitized", program, "-O1 -g -fsanitize=thread", cc=about["compiler"])
    for old in folder.glob("*.log.*"):
        old.unlink()
    run([program, "-P", "-c", _RACE], env=_sanitizer(folder / "made.log"))
    if not _reported(folder / "made.log"):
        raise RuntimeError("ThreadSanitizer did not report a race made on purpose")
    env = _sanitizer(folder / "races.log")
    said = _stressed(program, package, env)
    if about["pytest"]:
        said += f", {_pytest(program, package, FILES, env).strip('= ')}"
    found = _reported(folder / "races.log")
    if found:
        raise RuntimeError(f"{len(found)} reports in {folder}, first: {found[0]}")
    return f"{said}, no race"


def _stressed(program: str, package: Path, env: dict[str, str]) -> str:
    """The program of the row `threads` in a child without a GIL."""
    command = [program, "-P", "-X", "faulthandler", "-W", "ignore", "-c", _STRESS.format(package=str(package))]
    text = run(command, env=env, timeout=int(threads.SECONDS) * 20 + 600).strip().splitlines()
    if not text[-1].endswith(" 0 wrong"):
        raise RuntimeError(text[-1])
    return text[-1]


@row("free-threaded", "CPython without its GIL: the binding's tests, eight threads, no race", quick=False)
def free_threaded() -> Held:
    """Every interpreter that is named or found."""
    figures = []
    for program in programs():
        about = json.loads(run([program, "-P", "-c", _QUESTION]).splitlines()[-1])
        if not about["free"]:
            raise Unavailable(f"{program} is a CPython with a GIL")
        said = _sanitized(program, about) if about["sanitized"] else _plain(program, about)
        figures.append(f"CPython {about['version']}{', ThreadSanitizer' if about['sanitized'] else ''}: {said}")
    if not figures:
        raise Unavailable(
            "no free-threaded CPython is here: build one with --disable-gil (and one with --with-thread-sanitizer too)"
            " and name them in STORSIM_TRUST_FREE_THREADED"
        )
    return Held(True, "\n  ".join(figures))
