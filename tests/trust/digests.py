"""Fifty scenarios come to the same numbers on every build: compilers, levels of optimisation, sanitizers, word sizes,
byte orders, systems, and every CPython found here.

The scenarios and the numbers are in tests/golden. `csrc/fuzz/digests.c` runs them on the core alone; on a CPython the
suite's own test of them runs, on an extension built for it. What a build needs and is not here is named in the figure.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from trust.extension import build
from trust.platforms import ARM64, BIG_ENDIAN, CLANG_32, WINDOWS, X86_32, Target
from trust.rows import Held, row
from trust.shell import ROOT, SANITIZE, compiles, make, run

LIST = ROOT / "tests" / "golden" / "digests.txt"
WANTED = 50
VECTOR = "-march=native"


@dataclass(frozen=True)
class Build:
    """A build of the core for this machine: folder, compiler, flags."""

    name: str
    cc: str
    opt: str
    extra: str = ""


BUILDS = (
    Build("gcc-O0", "gcc", "-O0"),
    Build("gcc-O3", "gcc", "-O3 -DNDEBUG"),
    Build("clang-O0", "clang", "-O0"),
    Build("clang-O3", "clang", "-O3 -DNDEBUG"),
    Build("gcc-native", "gcc", f"-O2 {VECTOR}"),
    Build("gcc-portable", "gcc", "-O2 -DSS_PORTABLE -funsigned-char"),
    Build("asan", "gcc", "-O1 -g", SANITIZE),
    Build("clang-asan", "clang", "-O1 -g", SANITIZE),
)

#: Runs tests/golden/test_digests.py without pytest, which another CPython may not have.
SCRIPT = """
import sys
sys.path[:0] = [{package!r}, {tests!r}]
from golden.scenarios import SCENARIOS, perform
from storsim.testing import digest_bytes, make_program
for line in open({rows!r}):
    if line[0] != "#":
        name, kind, what, digest = line.split()
        if kind == "journal":
            found = perform(SCENARIOS[name]).digest()
        else:
            found = digest_bytes(make_program(*map(int, what.split(":"))))
        print(name, f"{{found:016x}}", "" if found == int(digest, 16) else "not as written")
"""


def pythons() -> dict[str, str]:
    """Every CPython from 3.11 on that can build extensions, on the search path or under pyenv: name → program."""
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    places = [*os.environ.get("PATH", "").split(os.pathsep), *glob.glob(os.path.join(root, "versions", "*", "bin"))]
    found = {f"CPython {sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    question = (
        "import os, sys, sysconfig; ok = os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h'));"
        "print(sys.implementation.name, *sys.version_info[:2], ok)"
    )
    for place in places:
        for program in glob.glob(os.path.join(place, "python3.[0-9]*")):
            if re.fullmatch(r"python3\.\d+", os.path.basename(program)):
                answer = subprocess.run([program, "-c", question], capture_output=True, text=True, check=False)
                words = answer.stdout.split()
                if words[:1] == ["cpython"] and words[3] == "True" and (int(words[1]), int(words[2])) >= (3, 11):
                    found.setdefault(f"CPython {words[1]}.{words[2]}", program)
    return found


def _of_core(build: Build) -> str:
    folder = make(build.name, ["fuzz/digests"], cc=build.cc, opt=build.opt, extra=build.extra)
    return run([str(folder / "fuzz" / "digests"), str(LIST)])


def _of_target(target: Target) -> str:
    folder = make(target.name, ["fuzz/digests"], cc=target.cc)
    return target.run(f"{folder}/fuzz/digests{target.suffix}", str(LIST))


def _of_python(name: str, program: str) -> str:
    package = build(f"digests-{name.replace(' ', '-')}", program, "-O2")
    code = SCRIPT.format(package=str(package), tests=str(ROOT / "tests"), rows=str(LIST))
    return run([program, "-P", "-W", "error", "-c", code])


def _everything() -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Every build: its name, what it lacks here, and what makes it and prints its numbers."""
    for each in BUILDS:
        yield each.name, "" if compiles(f"{each.cc} {each.extra}") else each.cc, partial(_of_core, each)
    for target in (X86_32, CLANG_32, ARM64, BIG_ENDIAN, WINDOWS):
        yield target.name, target.missing(), partial(_of_target, target)
    for name, program in pythons().items():
        yield name, "", partial(_of_python, name, program)


@row("digests", "fifty scenarios through all rooms come to the same numbers on every build and CPython")
def digests() -> Held:
    """Every build that can be made here."""
    made, absent, wrong, compared = [], [], [], 0
    for name, missing, function in _everything():
        if missing:
            absent.append(f"{name} (needs {missing})")
            continue
        try:
            rows = re.findall(r"^\w+ [0-9a-f]{16}.*$", function(), re.MULTILINE)
        except RuntimeError as error:
            wrong.append(f"{name}: {error}")
            continue
        different = [text.split()[0] for text in rows if "not as written" in text]
        if different or len(rows) != WANTED:
            wrong.append(f"{name}: {len(rows)} numbers, others than written: {', '.join(different) or 'none'}")
        compared += len(rows)
        made.append(name)
    figure = f"{compared} digests compared on {len(made)} builds, {len(wrong)} builds differ: {', '.join(made)}"
    figure += f"; not here: {', '.join(absent)}" if absent else ""
    return Held(not wrong and len(made) > 4, figure + "".join(f"\n  {text}" for text in wrong))
