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
import shutil
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

from trust.rows import Held, row
from trust.shell import BUILD, CSRC, ROOT, jobs, run

HERE = Path(__file__).parent


def build() -> Path:
    """A copy of the package with the test build of the extension; returns the folder to put on the path."""
    folder = BUILD / "capi"
    objects = folder / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    package = folder / "package" / "storsim"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "storsim", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    include = sysconfig.get_paths()["include"]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    flags = f"-std=c11 -O1 -g -fPIC -fvisibility=hidden -I{CSRC} -I{CSRC}/include -I{include}"
    sources = [
        path for room in CSRC.iterdir() if (room.name not in SKIP) and room.is_dir() for path in room.glob("*.c")
    ]
    headers = " ".join(map(str, [*sorted(CSRC.rglob("*.h")), HERE / "capi_fail.h"]))
    rules = ["all: x.so"]
    names = []
    for path in sorted([*sources, HERE / "capi_fail.c"]):
        name = f"{path.parent.name}_{path.stem}.o"
        force = f"-include {HERE}/capi_fail.h " if path.parent.name == "python" else ""
        rules.append(f"{name}: {path} {headers}\n\tgcc {flags} {force}-c $< -o $@")
        names.append(name)
    rules.append(f"x.so: {' '.join(names)}\n\tgcc -shared $^ -o $@")
    (objects / "Makefile").write_text("\n".join(rules) + "\n")
    run(["make", "-s", f"-j{jobs()}"], cwd=objects)
    shutil.copy(objects / "x.so", package / f"_core{suffix}")
    return folder / "package"


SKIP = ("fuzz", "tests", "bench", "proofs", "include")


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
    package = build()
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
