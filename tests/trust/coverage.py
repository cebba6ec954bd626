"""Lines and branches of the core that the C suite and the Python suite reach together.

Source-based coverage of clang over csrc, assertions compiled out: a branch is a side of a condition in the source,
not of a jump in the machine code (trust/reached.py says how it counts). What is not reached is listed by file and line
in build-trust/coverage/report.txt; a line that cannot be reached carries the comment ``/* unreachable: reason */`` and
is counted apart. The row holds when nothing else is missed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trust.extension import CORE, build
from trust.reached import Figure, figure, files
from trust.rows import Held, row
from trust.shell import BUILD, CSRC, ROOT, jobs, make, need, run, test_names

FOLDER = BUILD / "coverage"
FLAGS = "-fprofile-instr-generate -fcoverage-mapping -DNDEBUG"


#: Of sides of conditions, what the C tests reach without Python: less means that a room has lost its own tests.
ALONE = 0.95


@row("coverage", "lines and branches of every room, reached by the C and the Python suite together", quick=False)
def coverage() -> Held:
    """Builds both, runs both, merges."""
    profiles = _profiles("profiles")
    programs = _c_suite(profiles)
    library = _python_suite(str(profiles / "py%4m.profraw"))
    core = _reached(profiles, [*map(str, programs), library])
    (FOLDER / "report.txt").write_text(_report(core))
    missed = sum(len(it.missed) for it in core.values())
    idle = sum(len(it.idle) for it in core.values())
    return Held(missed == 0 and idle == 0, f"{_line(_sum(core))}; {missed} missed, {idle} idle marks; wanted: 0")


@row("coverage, C tests", f"the C tests alone take at least {ALONE:.0%} of the branches of the core")
def coverage_alone() -> Held:
    """Builds them, runs them, merges."""
    profiles = _profiles("profiles-c")
    total = _sum(_reached(profiles, [str(program) for program in _c_suite(profiles)]))
    taken = total.branches_reached / (total.branches - total.branches_marked)
    return Held(taken >= ALONE, f"{_line(total)}: {taken:.1%}")


def _profiles(name: str) -> Path:
    """An empty folder for the profiles of a run."""
    need("clang", "llvm-cov", "llvm-profdata", package="clang llvm")
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    (FOLDER / name).mkdir(parents=True)
    return FOLDER / name


def _c_suite(profiles: Path) -> list[Path]:
    """Builds and runs the C tests, as many at a time as there are processors; returns the programs."""
    names = test_names()
    made = make("coverage", [f"tests/{name}" for name in names], cc="clang", opt="-O1 -g", extra=FLAGS)
    programs = [made / "tests" / name for name in names]

    def one(number: int) -> None:
        run([str(programs[number])], env={"LLVM_PROFILE_FILE": str(profiles / f"c{number}.profraw")})

    with ThreadPoolExecutor(jobs()) as pool:
        list(pool.map(one, range(len(programs))))
    return programs


def _reached(profiles: Path, objects: list[str]) -> dict[Path, Figure]:
    """What is reached of each file of the core, by its path from csrc."""
    merged = profiles / "all.profdata"
    raw = [str(path) for path in sorted(profiles.glob("*.profraw"))]
    run(["llvm-profdata", "merge", "-sparse", *raw, "-o", str(merged)])
    parts = [part for it in objects for part in ("-object", it)][1:]
    exported = run(["llvm-cov", "export", f"-instr-profile={merged}", *parts])
    exported = exported[exported.index("{") :]  # behind its warnings
    found = {path: figure(file) for path, file in files(exported, CSRC).items()}
    return {path.relative_to(CSRC): it for path, it in sorted(found.items()) if path.relative_to(CSRC).parts[0] in CORE}


def _python_suite(profile: str) -> str:
    """Runs the Python suite on an instrumented extension; returns the extension's path."""
    package = build("coverage-python", sys.executable, f"-O1 -g {FLAGS}", cc="clang")
    env = {"LLVM_PROFILE_FILE": profile, "PYTHONPATH": str(package)}
    suite = [str(ROOT / "tests"), "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    plain = ["--ignore", str(ROOT / "tests" / "notebooks"), "-x", "--rootdir", str(ROOT)]
    empty = BUILD / "empty"
    empty.mkdir(exist_ok=True)
    run([sys.executable, "-P", "-m", "pytest", *suite, *plain], env=env, cwd=empty)
    return str(next((package / "storsim").glob("_core*")))


def _sum(core: Mapping[Path, Figure]) -> Figure:
    """Of several files, without their lists."""
    names = ("lines", "lines_reached", "lines_marked", "branches", "branches_reached", "branches_marked", "marks")
    sums = {name: sum(getattr(it, name) for it in core.values()) for name in names}
    return Figure(**sums, missed=(), idle=())


def _line(it: Figure) -> str:
    return (
        f"lines {it.lines_reached}/{it.lines} reached, {it.lines_marked} marked; branches {it.branches_reached}/"
        f"{it.branches} reached, {it.branches_marked} marked ({it.marks} marks)"
    )


def _report(core: Mapping[Path, Figure]) -> str:
    """The rooms, then what is missed, line by line."""
    lines = []
    for room in CORE:
        own = {path: it for path, it in core.items() if path.parts[0] == room}
        lines.append(f"{room:9} {_line(_sum(own))}, {sum(len(it.missed) for it in own.values())} missed")
    for path, it in core.items():
        lines += [f"{path}:{line}: {what}" for line, what in it.missed]
        lines += [f"{path}:{line}: a mark that excuses nothing" for line in it.idle]
    return "\n".join(lines) + "\n"
