"""Every fallible call of Python's C API fails once.

The binding is built a second time with `capi_fail.h` forced into each of its files. Every piece of the tour runs
again and again, each time with the next wrapped call failing: the piece must end in an exception of its own (a
MemoryError, or what a caller makes of it), never in a SystemError ("returned a result with an exception set", "NULL
without an exception"), and the machine must be sound. Sites are counted: passed at least once, failed at least once,
all that the sources hold.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from trust.extension import build
from trust.rows import Held, row
from trust.shell import CSRC, ROOT, run

HERE = Path(__file__).parent


def sites_in_sources() -> int:
    """How many places of the binding call a wrapped function, by file, line and name."""
    names = re.findall(r"^#define (Py\w+)\(", (HERE / "capi_fail.h").read_text(), re.MULTILINE)
    pattern = re.compile(r"\b(" + "|".join(names) + r")\(")
    found = set()
    for path in (CSRC / "python").glob("*.[ch]"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("//")[0]
            found |= {(path.name, number, name) for name in pattern.findall(code) if not code.lstrip().startswith("*")}
    return len(found)


@row(
    "C-API calls", "every fallible C-API call of the binding fails once; an exception, a sound machine, no SystemError"
)
def capi() -> Held:
    """Builds, then runs in a child process."""
    flags = "-O1 -g"
    package = build("capi", sys.executable, flags, force=HERE / "capi_fail.h", more=[HERE / "capi_fail.c"])
    code = f"import sys; sys.path[:0] = [{str(package)!r}, 'tests']; from trust.capi import report; report()"
    text = run([sys.executable, "-P", "-X", "faulthandler", "-W", "ignore", "-c", code], cwd=ROOT).strip().splitlines()
    return Held(text[-1].endswith(" 0 wrong"), text[-1])


def report() -> None:
    """What the child process prints."""
    import storsim._core
    from trust.tour import units

    library = ctypes.PyDLL(storsim._core.__file__)
    library.ss_capi_arm.argtypes, library.ss_capi_arm.restype = [ctypes.c_long], ctypes.c_long
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for name, unit in units():
        unit(lambda pc: None)  # warm
        library.ss_capi_arm(0)
        unit(lambda pc: None)
        for at in range(1, library.ss_capi_arm(0) + 1):
            _once(library, name, unit, at, outcomes, wrong)
    passed, failed = _sites(library)
    for line in wrong:
        print(line)
    print(
        f"{sum(outcomes.values())} calls failed ({outcomes['MemoryError']} ended in MemoryError), sites: "
        f"{failed} failed of {passed} passed of {sites_in_sources()} in the sources; {len(wrong)} wrong"
    )


def _once(library: Any, name: str, unit: Any, at: int, outcomes: Counter[str], wrong: list[str]) -> None:
    made: list[Any] = []
    library.ss_capi_arm(at)
    try:
        unit(made.append)
        kind = "passed"
    except Exception as error:
        kind = type(error).__name__
    finally:
        library.ss_capi_arm(0)
    outcomes[kind] += 1
    if kind == "SystemError":
        wrong.append(f"{name}: wrapped call {at} ended in a SystemError")
    for pc in made:
        if not pc.closed and pc.check() != "":
            wrong.append(f"{name}: wrapped call {at} left an unsound machine: {pc.check()}")


def _sites(library: Any) -> tuple[int, int]:
    text = ctypes.create_string_buffer(256)
    passed = failed = 0
    while library.ss_capi_site(passed, text, len(text)):
        failed += text.value.split()[-1] != b"0"
        passed += 1
    return passed, failed
